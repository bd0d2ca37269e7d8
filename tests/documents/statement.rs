//! `docs/conformance.md`: each line names a requirement, how far it is met, and the tests that show it.

use std::collections::{BTreeMap, BTreeSet};

use crate::{citations, root, sources};

/// One line of the statement.
struct Line {
    number: usize,
    id: String,
    level: String,
    tests: Vec<String>,
}

fn lines() -> Vec<Line> {
    let text = std::fs::read_to_string(root().join("docs/conformance.md")).unwrap();
    let rows =
        text.lines().enumerate().filter(|(_, line)| citations::in_line(line.get(..20).unwrap_or(line)).len() == 1);
    let line = |(number, line): (usize, &str)| {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [id, what, level, tests] = cells[..] else { panic!("line {} has not four cells: {line}", number + 1) };
        assert!(!what.is_empty(), "line {}: {id} says nothing", number + 1);
        let tests = tests.split(", ").map(|test| test.trim_matches('`').to_string()).filter(|t| !t.is_empty());
        Line { number: number + 1, id: id.into(), level: level.into(), tests: tests.collect() }
    };
    rows.map(line).collect()
}

#[test]
fn every_line_says_how_far_and_names_tests_that_exist() {
    let tests: BTreeMap<String, BTreeSet<String>> =
        sources::rust().into_iter().map(|(name, source)| (name.clone(), sources::tests_in(&name, &source))).collect();
    let mut wrong = Vec::new();
    for line in lines() {
        let (level, why) = line.level.split_once(": ").unwrap_or((&line.level, ""));
        match level {
            "yes" if why.is_empty() && !line.tests.is_empty() => {}
            "partial" if !why.is_empty() && !line.tests.is_empty() => {}
            "no" if !why.is_empty() => {}
            _ => wrong.push(format!(
                "line {}: {} has to be \"yes\", \"partial: why\" or \"no: why\", the first two with a test",
                line.number, line.id
            )),
        }
        for test in &line.tests {
            let known = test.split_once("::").and_then(|(file, name)| Some(tests.get(file)?.contains(name)));
            if known != Some(true) {
                wrong.push(format!(
                    "line {}: {} names {test}, which is no test (path/file.rs::name)",
                    line.number, line.id
                ));
            }
        }
        let once: BTreeSet<_> = line.tests.iter().collect();
        if once.len() != line.tests.len() {
            wrong.push(format!("line {}: {} names a test twice", line.number, line.id));
        }
    }
    assert!(wrong.is_empty(), "docs/conformance.md:\n{}", wrong.join("\n"));
}

#[test]
fn every_id_stands_there_once() {
    let mut seen = BTreeMap::new();
    for line in lines() {
        if let Some(before) = seen.insert(line.id.clone(), line.number) {
            panic!("docs/conformance.md: {} stands in lines {before} and {}", line.id, line.number);
        }
    }
    assert!(seen.len() > 200, "only {} lines were understood", seen.len());
}

#[test]
fn every_id_that_the_sources_cite_stands_there() {
    let stated: BTreeSet<String> = lines().into_iter().map(|line| line.id).collect();
    let mut missing: BTreeMap<String, String> = BTreeMap::new();
    let cited = sources::rust().into_iter().chain(sources::scenarios());
    for (name, source) in cited.filter(|(name, _)| !name.starts_with("tests/documents/")) {
        for (number, line) in source.lines().enumerate() {
            for id in citations::in_line(line).into_iter().filter(|id| !stated.contains(id)) {
                missing.entry(id).or_insert_with(|| format!("{name}:{}", number + 1));
            }
        }
    }
    let list: Vec<String> = missing.iter().map(|(id, place)| format!("{id} ({place})")).collect();
    assert!(list.is_empty(), "docs/conformance.md has no line for:\n{}", list.join("\n"));
}
