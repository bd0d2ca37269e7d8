//! Ids of requirements in running text: `SW-01`, `GC-MSG-01, -03`, `SW-01 … 05, 07`, `CI-13 to 18`.

/// What ids begin with.
const AREAS: [&str; 23] = [
    "GC", "SW", "EV", "CI", "NICK", "RF", "XM", "SIP", "MS", "CPIM", "ISC", "ERR", "ADDR", "ACM", "SEC", "FT", "CF",
    "XC", "CH", "CEMA", "WS", "RLY", "IMDN",
];

/// All ids that `line` names, those between the ends of a range included.
pub(crate) fn in_line(line: &str) -> Vec<String> {
    let mut ids = Vec::new();
    let mut rest = line;
    while let Some((area, after)) = next_area(rest) {
        let Some((mut last, mut tail)) = number(after) else {
            rest = after;
            continue;
        };
        ids.push(format!("{area}-{last:02}"));
        while let Some((is_range, n, after)) = continued(tail) {
            let first = if is_range { last + 1 } else { n };
            ids.extend((first..=n).map(|n| format!("{area}-{n:02}")));
            (last, tail) = (n, after);
        }
        rest = tail;
    }
    ids
}

/// The next thing that looks like the beginning of an id, `GC-MSG` or `SW`, and what follows its hyphen.
fn next_area(text: &str) -> Option<(&str, &str)> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    for (at, _) in text.match_indices('-') {
        let start = text[..at].rfind(|c| !is_word(c)).map_or(0, |i| i + text[i..].chars().next().unwrap().len_utf8());
        let area = &text[start..at];
        let (first, second) = area.split_once('-').map_or((area, ""), |(a, b)| (a, b));
        if AREAS.contains(&first) && second.bytes().all(|b| b.is_ascii_uppercase()) && number(&text[at + 1..]).is_some()
        {
            return Some((area, &text[at + 1..]));
        }
    }
    None
}

/// Two digits, and nothing that would make them part of something else.
fn number(text: &str) -> Option<(u16, &str)> {
    let digits = text.get(..2).filter(|d| d.bytes().all(|b| b.is_ascii_digit()))?;
    let rest = &text[2..];
    (!rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')).then(|| (digits.parse().unwrap(), rest))
}

/// `, -03`, `, 03`, ` … 03`, ` to 03`: whether it is a range, its number, and what follows.
fn continued(text: &str) -> Option<(bool, u16, &str)> {
    let (is_range, rest) = [(false, ","), (true, " …"), (true, "…"), (true, " to ")]
        .iter()
        .find_map(|(is_range, mark)| Some((*is_range, text.strip_prefix(mark)?)))?;
    let rest = rest.trim_start();
    let (n, rest) = number(rest.strip_prefix('-').unwrap_or(rest))?;
    Some((is_range, n, rest))
}

#[test]
fn ids_are_found_in_the_ways_that_people_write_them() {
    let cases: [(&str, &[&str]); 9] = [
        ("/// SW-01: a", &["SW-01"]),
        ("// GC-MSG-01, -03, GC-EXIT-02.", &["GC-MSG-01", "GC-MSG-03", "GC-EXIT-02"]),
        ("(ERR-01 … 03, 09)", &["ERR-01", "ERR-02", "ERR-03", "ERR-09"]),
        ("CI-13 to 15, 25; GC-PRES-05", &["CI-13", "CI-14", "CI-15", "CI-25", "GC-PRES-05"]),
        ("GC-PRES-12…14", &["GC-PRES-12", "GC-PRES-13", "GC-PRES-14"]),
        ("SHA-25 and UTF-16, AES-GC-10x", &[]),
        ("MS-SDP-1", &[]),
        ("SW-40, 100 s", &["SW-40"]),
        ("FT-01 … it", &["FT-01"]),
    ];
    for (text, ids) in cases {
        assert_eq!(in_line(text), ids, "{text}");
    }
}
