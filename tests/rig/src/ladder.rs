//! A conversation as a ladder of three columns, merged by time.

use std::time::{SystemTime, UNIX_EPOCH};

/// Which column an arrow stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// Between the SIP user and mucfocus.
    Sip,
    /// Between the SIP user and mucfocus, the media.
    Msrp,
    /// Between the XMPP user and his server.
    Xmpp,
}

/// One arrow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rung {
    /// Milliseconds since 1970.
    pub at: u64,
    /// Where it stands.
    pub column: Column,
    /// Whether the user sent it.
    pub sent: bool,
    /// What it was, in one line.
    pub what: String,
}

impl Rung {
    /// Reads `ladder <unix-millis> SIP|MSRP ->|<- <summary>`, as `mucfocus chat --ladder` prints it.
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.strip_prefix("ladder ")?.splitn(4, ' ');
        let at = words.next()?.parse().ok()?;
        let column = match words.next()? {
            "SIP" => Column::Sip,
            "MSRP" => Column::Msrp,
            _ => return None,
        };
        let sent = match words.next()? {
            "->" => true,
            "<-" => false,
            _ => return None,
        };
        Some(Self { at, column, sent, what: words.next()?.trim().to_owned() })
    }

    /// One stanza of the XMPP user.
    pub fn stanza(at: SystemTime, sent: bool, what: String) -> Self {
        let at = at.duration_since(UNIX_EPOCH).ok().and_then(|d| u64::try_from(d.as_millis()).ok()).unwrap_or(0);
        Self { at, column: Column::Xmpp, sent, what }
    }
}

/// Draws the ladder; `titles` stand above the columns.
pub fn draw(rungs: &[Rung], titles: [&str; 3], width: usize) -> String {
    let mut sorted: Vec<&Rung> = rungs.iter().collect();
    sorted.sort_by_key(|r| r.at);
    let cell = |text: &str| {
        let mut cut: String = text.chars().take(width).collect();
        if text.chars().count() > width {
            cut.pop();
            cut.push('…');
        }
        format!("{cut:<width$}")
    };
    let line = |time: &str, cells: [String; 3]| format!("{time:>7}  {}", cells.join(" │ ")).trim_end().to_owned();
    let rule = format!("{:>7}  {}", "", vec!["─".repeat(width); 3].join("─┼─"));
    let mut lines = vec![line("ms", titles.map(cell)), rule];
    let start = sorted.first().map_or(0, |r| r.at);
    for rung in sorted {
        let (arrow, column) = (if rung.sent { "→" } else { "←" }, rung.column as usize);
        let mut cells = [cell(""), cell(""), cell("")];
        cells[column] = cell(&format!("{arrow} {}", rung.what));
        lines.push(line(&(rung.at - start).to_string(), cells));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rungs_are_read_merged_by_time_and_stay_in_their_column() {
        let sip = Rung::parse("ladder 1005 SIP -> INVITE sip:a@b SIP/2.0").unwrap();
        let msrp = Rung::parse("ladder 1002 MSRP <- MSRP abcd 200 OK").unwrap();
        assert_eq!((sip.column, sip.sent, msrp.column, msrp.sent), (Column::Sip, true, Column::Msrp, false));
        assert_eq!(Rung::parse("ladder 1 XYZ -> x"), None);
        let drawn = draw(&[sip, msrp], ["SIP", "MSRP", "XMPP"], 20);
        let lines: Vec<&str> = drawn.lines().skip(2).collect();
        assert!(lines[0].contains("← MSRP abcd 200 OK"), "{drawn}");
        assert!(lines[1].starts_with("      3  → INVITE sip:a@b SI…"), "{drawn}");
    }
}
