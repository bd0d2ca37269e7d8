//! `docs/metrics.md` is the catalogue of metrics.

use mucfocus::observe::metrics::table_rows;

use crate::hold;

const HEAD: &str = "# Metrics

Written from `src/observe/metrics.rs` by a test; change it there. `/metrics` on `[http] listen` shows them in the OpenMetrics
format. Values of labels come from closed sets: nothing that a peer wrote becomes a label. Everything counts from the start of
the process.

| metric | type | labels | meaning |
|---|---|---|---|
";

#[test]
fn the_metrics_are_documented() {
    hold("metrics.md", &format!("{HEAD}{}\n", table_rows().join("\n")));
}
