//! The table that a run ends with.

use std::fmt;

/// A figure of ours, what stands beside it, and what it ought to be.
struct Row {
    what: String,
    ours: String,
    beside: String,
    target: String,
    is_met: Option<bool>,
}

/// All figures of a run against one server.
#[derive(Default)]
pub(super) struct Table(Vec<Row>);

impl Table {
    /// A figure with a target.
    pub(super) fn judge(&mut self, what: &str, ours: String, beside: String, target: &str, is_met: bool) {
        println!("  {what}: {ours}; {beside}");
        let is_met = Some(is_met);
        self.0.push(Row { what: what.into(), ours, beside, target: target.into(), is_met });
    }

    /// A figure that is told, and why no target is held against it, if there is one.
    pub(super) fn tell(&mut self, what: &str, ours: String, beside: String, target: &str) {
        println!("  {what}: {ours}; {beside}");
        self.0.push(Row { what: what.into(), ours, beside, target: target.into(), is_met: None });
    }

    /// Whether no target was missed.
    pub(super) fn is_met(&self) -> bool {
        self.0.iter().all(|row| row.is_met != Some(false))
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = Row {
            what: String::new(),
            ours: "mucfocus".into(),
            beside: "beside it".into(),
            target: "target".into(),
            is_met: None,
        };
        let rows: Vec<&Row> = std::iter::once(&head).chain(&self.0).collect();
        let columns: [fn(&Row) -> &str; 4] = [|r| &r.what, |r| &r.ours, |r| &r.beside, |r| &r.target];
        let widths = columns.map(|column| rows.iter().map(|row| column(row).chars().count()).max().unwrap_or(0));
        for row in rows {
            for (column, width) in columns.iter().zip(widths) {
                write!(f, "{:width$}  ", column(row))?;
            }
            writeln!(f, "{}", row.is_met.map_or("", |is_met| if is_met { "met" } else { "MISSED" }))?;
        }
        Ok(())
    }
}
