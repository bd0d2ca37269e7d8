//! What a peer takes in a response or a notification, by its Accept fields (RFC 3261 §20.1). Pure.

use super::head::{parameter, split_outside_quotes};

/// Whether Accept fields admit `format`, an `application/…` type in lower case: by the most specific range that covers it, unless
/// its weight is 0. No field at all admits it, an empty one does not.
pub(super) fn admits<'a>(accept: impl Iterator<Item = &'a str>, format: &str) -> bool {
    let mut best: Option<(u8, bool)> = None;
    let mut is_there = false;
    for range in accept.flat_map(|value| split_outside_quotes(value, ',')) {
        is_there = true;
        let kind: String = range.split(';').next().unwrap_or_default().split_ascii_whitespace().collect();
        let precision = match kind.to_ascii_lowercase().as_str() {
            kind if kind == format => 3,
            "application/*" => 2,
            "*/*" => 1,
            _ => continue,
        };
        let admits = parameter(range, "q").and_then(|q| q.parse::<f32>().ok()).is_none_or(|q| q > 0.0);
        if best.is_none_or(|(other, _)| precision > other) {
            best = Some((precision, admits));
        }
    }
    best.map_or(!is_there, |(_, admits)| admits)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// EV-04, CI-23, CI-24.
    #[test]
    fn the_most_specific_range_decides() {
        let admits = |accept: &[&str]| admits(accept.iter().copied(), "application/conference-info+xml");
        assert!(admits(&[]) && admits(&["text/plain, application/conference-info+xml"]));
        assert!(admits(&["text/plain", "Application / Conference-Info+XML;q=0.1"]));
        assert!(admits(&["application/*"]) && admits(&["*/*;q=0.5"]));
        assert!(!admits(&["text/plain"]) && !admits(&[""]));
        assert!(!admits(&["*/*, application/conference-info+xml;q=0"]));
        assert!(admits(&["*/*;q=0, application/conference-info+xml"]));
        // Formats of XCON beside ours do no harm, and are no substitute for it.
        assert!(admits(&["application/xcon-conference-info+xml, application/conference-info+xml"]));
        assert!(admits(&["application/xcon-conference-info-diff+xml", "application/conference-info+xml;q=0.1"]));
        assert!(!admits(&["application/xcon-conference-info+xml, application/xcon-conference-info-diff+xml"]));
    }
}
