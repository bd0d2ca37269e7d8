//! The small values that are written as strings: times, sizes, rates, addresses. Each error says what to write instead.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::sip::settings::Rate;

/// Why a value is not understood, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct Wrong {
    /// What is wrong.
    pub problem: String,
    /// What to write instead.
    pub help: String,
}

impl Wrong {
    pub(super) fn new(problem: impl Into<String>, help: impl Into<String>) -> Self {
        Self { problem: problem.into(), help: help.into() }
    }
}

/// A time: `"500ms"`, `"30s"`, `"10m"` (also `"10min"`), `"2h"`.
///
/// # Errors
///
/// Anything else, and what does not fit 2⁶⁴ ms.
pub fn duration(text: &str) -> Result<Duration, Wrong> {
    const HELP: &str = r#"write a number and ms, s, m or h, like "30s""#;
    let (number, unit) = number_and_unit(text).ok_or_else(|| {
        Wrong::new(format!("\"{text}\" is not a time"), unit_missing(text, "s").unwrap_or(HELP.into()))
    })?;
    let millis = match unit {
        "ms" => Some(number),
        "s" => number.checked_mul(1_000),
        "m" | "min" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        _ => return Err(Wrong::new(format!("\"{text}\" is not a time: \"{unit}\" is no unit of time"), HELP)),
    };
    millis.map(Duration::from_millis).ok_or_else(|| Wrong::new(format!("\"{text}\" is too long a time"), HELP))
}

/// A size in octets: `"512B"`, `"64KiB"`, `"1MiB"`, `"1GiB"`.
///
/// # Errors
///
/// Anything else, and what does not fit the memory of this machine.
pub fn size(text: &str) -> Result<usize, Wrong> {
    const HELP: &str = r#"write a number and B, KiB, MiB or GiB, like "64KiB""#;
    let (number, unit) = number_and_unit(text).ok_or_else(|| {
        Wrong::new(format!("\"{text}\" is not a size"), unit_missing(text, "KiB").unwrap_or(HELP.into()))
    })?;
    let factor: u64 = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "KB" | "kB" | "K" | "k" | "kb" => {
            return Err(Wrong::new(
                format!("\"{text}\" is not a size"),
                format!("write \"{number}KiB\" (1024 octets each)"),
            ));
        }
        _ => return Err(Wrong::new(format!("\"{text}\" is not a size: \"{unit}\" is no unit of size"), HELP)),
    };
    number
        .checked_mul(factor)
        .and_then(|octets| usize::try_from(octets).ok())
        .ok_or_else(|| Wrong::new(format!("\"{text}\" is too big"), HELP))
}

/// A rate, `"20/s"`, `"10/min"`, `"10/h"`; `None` for `"off"`.
///
/// # Errors
///
/// Anything else, and a rate of nothing.
pub fn rate(text: &str) -> Result<Option<Rate>, Wrong> {
    const HELP: &str = r#"write a number, "/" and s, min or h, like "10/min", or "off" to lift the limit"#;
    let text = text.trim();
    if text == "off" {
        return Ok(None);
    }
    let wrong = || Wrong::new(format!("\"{text}\" is not a rate"), HELP);
    let (count, unit) = text.split_once('/').ok_or_else(wrong)?;
    let count: u32 = count.trim().parse().map_err(|_| wrong())?;
    if count == 0 {
        return Err(Wrong::new("a rate of 0 lets nothing through", r#"write at least 1, or "off" to lift the limit"#));
    }
    let per = match unit.trim() {
        "s" => Duration::from_secs(1),
        "min" | "m" => Duration::from_secs(60),
        "h" => Duration::from_secs(3600),
        _ => return Err(wrong()),
    };
    Ok(Some(Rate { count, per }))
}

/// `ADDRESS:PORT` with an IP address, IPv6 in brackets.
///
/// # Errors
///
/// Host names, and an address without a port.
pub fn socket_address(text: &str, example_port: u16) -> Result<SocketAddr, Wrong> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    if let Ok(ip) = text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        let full = SocketAddr::new(ip, example_port);
        return Err(Wrong::new(format!("\"{text}\" lacks a port"), format!("write {full}")));
    }
    Err(Wrong::new(
        format!("\"{text}\" is not an address and port"),
        format!("write an IP address of this machine, like 127.0.0.1:{example_port} or [::1]:{example_port}"),
    ))
}

/// `HOST` or `HOST:PORT`; the host is a name or an IP address, IPv6 in brackets (which are kept).
///
/// # Errors
///
/// What could not stand in a SIP or MSRP URI.
pub fn host_and_port(text: &str) -> Result<(String, Option<u16>), Wrong> {
    let wrong = || {
        Wrong::new(
            format!("\"{text}\" is not a host name or address"),
            "write HOST or HOST:PORT, like focus1.example.com, 10.0.0.5:5060 or [2001:db8::5]:5060",
        )
    };
    let after_host = if text.starts_with('[') { text.find(']').map(|at| at + 1) } else { text.find(':') };
    let (host, port) = match after_host {
        Some(at) => text.split_at_checked(at).ok_or_else(wrong)?,
        None if text.starts_with('[') => return Err(wrong()),
        None => (text, ""),
    };
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => None,
        None => return Err(wrong()),
        Some(port) => match port.parse() {
            Ok(port) if port != 0 => Some(port),
            _ => return Err(Wrong::new(format!("\"{port}\" is not a port"), "write a number from 1 to 65535")),
        },
    };
    if is_host(host) { Ok((host.to_ascii_lowercase(), port)) } else { Err(wrong()) }
}

/// Whether this is a host of a URI: a name of letters, digits, "-", "_" and ".", an IPv4 address or a bracketed IPv6
/// address.
#[must_use]
pub fn is_host(text: &str) -> bool {
    if let Some(v6) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
        return v6.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let label = |l: &str| {
        !l.is_empty()
            && l.len() <= 63
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !l.starts_with('-')
            && !l.ends_with('-')
    };
    text.len() <= 253 && text.strip_suffix('.').unwrap_or(text).split('.').all(label)
}

/// Splits `"30s"` into 30 and "s"; spaces around and between are let pass.
fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(digits)?;
    Some((number.parse().ok()?, unit.trim()))
}

/// The help for a bare number.
fn unit_missing(text: &str, unit: &str) -> Option<String> {
    let number: u64 = text.trim().parse().ok()?;
    Some(format!("say of what: \"{number}{unit}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_sizes_and_rates_are_read_with_their_units() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("10m"), Ok(Duration::from_secs(600)));
        assert_eq!(duration("0s"), Ok(Duration::ZERO));
        assert_eq!(size("64KiB"), Ok(65_536));
        assert_eq!(size("512B"), Ok(512));
        assert_eq!(size("1 MiB"), Ok(1 << 20));
        assert_eq!(rate("10/min"), Ok(Some(Rate { count: 10, per: Duration::from_secs(60) })));
        assert_eq!(rate("off"), Ok(None));
    }

    #[test]
    fn a_number_without_a_unit_is_refused_with_the_unit_to_write() {
        assert_eq!(duration("30").unwrap_err().help, r#"say of what: "30s""#);
        assert_eq!(size("64").unwrap_err().help, r#"say of what: "64KiB""#);
        assert_eq!(size("64kB").unwrap_err().help, r#"write "64KiB" (1024 octets each)"#);
    }

    #[test]
    fn what_is_no_time_size_or_rate_is_refused() {
        for text in ["", "s", "-3s", "3 parsecs", "1.5s", "99999999999999999999s", "18446744073709551615h", "٣s"] {
            assert!(duration(text).is_err(), "{text}");
        }
        for text in ["", "KiB", "99999999999GiB", "1e3B"] {
            assert!(size(text).is_err(), "{text}");
        }
        for text in ["", "20", "0/s", "20/day", "/s", "-1/s", "20/"] {
            assert!(rate(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_address_without_a_port_is_shown_with_one() {
        assert_eq!(socket_address("[::1]:5060", 5060), Ok("[::1]:5060".parse().unwrap()));
        assert_eq!(socket_address("10.0.0.5", 5060).unwrap_err().help, "write 10.0.0.5:5060");
        assert_eq!(socket_address("::1", 5060).unwrap_err().help, "write [::1]:5060");
        assert!(socket_address("localhost:5060", 5060).is_err());
        assert!(socket_address("10.0.0.5:66000", 5060).is_err());
    }

    #[test]
    fn a_host_is_folded_and_its_port_is_optional() {
        assert_eq!(host_and_port("Focus1.example.COM"), Ok(("focus1.example.com".into(), None)));
        assert_eq!(host_and_port("10.0.0.5:5060"), Ok(("10.0.0.5".into(), Some(5060))));
        assert_eq!(host_and_port("[2001:db8::5]:5060"), Ok(("[2001:db8::5]".into(), Some(5060))));
        for text in
            ["", ":5060", "a b", "sip:x", "host:0", "host:99999", "[::1", "[::1]x", "::1", "a..b", "x;y=z", "a\r\nb"]
        {
            assert!(host_and_port(text).is_err(), "{text:?}");
        }
    }
}
