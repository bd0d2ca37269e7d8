//! The documents under `docs/` say what the program does: the tables are those of the code, and every line of the statement of
//! conformance names a test that exists.
//!
//! `UPDATE=1 cargo test --test documents` writes the tables anew.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "tests"
)]

mod citations;
mod errors;
mod metrics;
mod sources;
mod statement;

use std::path::PathBuf;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Compares a document with what the code says it should be, or writes it when `UPDATE` is set.
fn hold(name: &str, wanted: &str) {
    let path = root().join("docs").join(name);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    if let Some((line, wanted)) = wanted.lines().enumerate().find(|(n, line)| found.lines().nth(*n) != Some(line)) {
        let found = found.lines().nth(line).unwrap_or("(nothing)");
        panic!(
            "docs/{name} is not what the code says, first in line {}.\n  found:  {found}\n  wanted: {wanted}\n\
             Write it anew with: UPDATE=1 cargo test --test documents",
            line + 1
        );
    }
    assert_eq!(found.lines().count(), wanted.lines().count(), "docs/{name} has lines too many; UPDATE=1 removes them");
}
