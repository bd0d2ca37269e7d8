//! Tables of text that fit a terminal. Pure.

/// Columns of a terminal that are used.
pub(super) const WIDTH: usize = 100;
/// Between two columns.
const GAP: usize = 2;
/// No column is made narrower than this to make the others fit.
const NARROWEST: usize = 12;

/// What somebody else wrote, so that it changes nothing but its own place on the screen.
pub(super) fn plain(text: &str) -> String {
    let is_bidi =
        |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if c.is_control() || is_bidi(c) { '\u{fffd}' } else { c }).collect()
}

/// Lays out rows in columns as wide as their widest cell; the widest columns give way until all fit.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width_of = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let mut widths: Vec<usize> = (0..columns).map(|column| width_of(column).unwrap_or(0)).collect();
    while widths.iter().sum::<usize>() + GAP * columns.saturating_sub(1) > WIDTH {
        match widths.iter_mut().max().filter(|widest| **widest > NARROWEST) {
            Some(widest) => *widest -= 1,
            None => break,
        }
    }
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let cell = cut(cell, *width);
            let padding = (width + GAP).saturating_sub(cell.chars().count());
            line.push_str(&cell);
            line.extend(std::iter::repeat_n(' ', padding));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn cut(cell: &str, width: usize) -> String {
    match cell.chars().count() > width {
        true => cell.chars().take(width.saturating_sub(1)).chain(['…']).collect(),
        false => cell.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_have_to_be_and_the_line_fits() {
        let row = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            table(&[row(&["MUC", "LEGS"]), row(&["capulet@muc.test", "3"])]),
            "MUC               LEGS\ncapulet@muc.test  3\n"
        );
        let long = "x".repeat(150);
        let laid = table(&[row(&[&long, "short", "y".repeat(60).as_str()])]);
        let line = laid.trim_end();
        assert_eq!(line.chars().count(), WIDTH, "{line}");
        assert!(line.contains("  short  ") && line.matches('…').count() == 2, "{line}");
    }

    #[test]
    fn what_others_wrote_moves_nothing_on_the_screen() {
        assert_eq!(plain("a\u{1b}[2Jb\u{202e}c\nd"), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d");
    }
}
