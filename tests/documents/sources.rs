//! The source files of the repository, and the tests in them.

use std::collections::BTreeSet;
use std::path::Path;

use crate::root;

/// Every Rust file, with its path from the root of the repository.
pub(crate) fn rust() -> Vec<(String, String)> {
    let mut files = Vec::new();
    for folder in ["src", "tests"] {
        collect(&root().join(folder), &mut files);
    }
    files.sort();
    files
}

/// What each scenario says of itself, with its path from the root of the repository.
pub(crate) fn scenarios() -> Vec<(String, String)> {
    let folders = std::fs::read_dir(root().join("scenarios")).unwrap();
    let names = folders.map(|folder| format!("scenarios/{}/README", folder.unwrap().file_name().to_str().unwrap()));
    names.map(|name| (name.clone(), std::fs::read_to_string(root().join(name)).unwrap_or_default())).collect()
}

fn collect(folder: &Path, files: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let name = path.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
            files.push((name, std::fs::read_to_string(&path).unwrap()));
        }
    }
}

/// The names of the tests in a file. A scenario of SIPp is a test of `tests/scenarios.rs` that a macro makes.
pub(crate) fn tests_in(name: &str, source: &str) -> BTreeSet<String> {
    let mut tests = BTreeSet::new();
    let mut is_test = false;
    for line in source.lines().map(str::trim) {
        let function = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
        if ["#[test]", "#[tokio::test", "#[on_both_servers"].iter().any(|a| line.starts_with(a)) {
            is_test = true;
        } else if let Some(function) = function {
            let function = function.split(['(', '<']).next().unwrap_or_default();
            // The tests of proptest! have an attribute each as well.
            if std::mem::take(&mut is_test) && !function.starts_with('$') {
                tests.insert(function.to_string());
            }
        }
    }
    if name == "tests/scenarios.rs" {
        let listed = source.split_once("\nscenarios! {").unwrap().1.split_once("\n}").unwrap().0;
        tests.extend(listed.split_whitespace().map(String::from));
    }
    tests
}
