//! Time as a value: the core is told what time it is and never asks.

use core::ops::{Add, Sub};
use core::time::Duration;

use alloc::format;
use alloc::string::String;

/// A point on the driver's monotonic clock, in microseconds since an arbitrary start. For timers only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(u64);

impl Instant {
    /// The start of the clock; virtual-time tests begin here.
    pub const ZERO: Self = Self(0);

    /// A point `micros` microseconds after [`Instant::ZERO`].
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since [`Instant::ZERO`].
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this is; zero when it is not after it.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(rhs.as_micros()).unwrap_or(u64::MAX)))
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, rhs: Self) -> Duration {
        self.since(rhs)
    }
}

/// Wall-clock time in milliseconds since 1970-01-01T00:00:00Z. A value for `DateTime` stamps, never for timers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct WallClock(u64);

impl WallClock {
    /// `millis` milliseconds after the Unix epoch.
    #[must_use]
    pub const fn from_unix_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// The time that was `duration` before; 1970 at the earliest.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }

    /// How far the two are apart, whichever is later.
    #[must_use]
    pub const fn distance(self, other: Self) -> Duration {
        Duration::from_millis(self.0.abs_diff(other.0))
    }

    /// RFC 3339 in UTC with milliseconds: `2026-11-21T09:30:00.123Z` (RFC 3862 §4.4).
    #[must_use]
    pub fn rfc3339(self) -> String {
        let (days, millis_of_day) = (self.0 / 86_400_000, self.0 % 86_400_000);
        let (year, month, day) = civil_from_days(days);
        let (seconds, millis) = (millis_of_day / 1000, millis_of_day % 1000);
        format!(
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{millis:03}Z",
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60
        )
    }

    /// Reads a `DateTime` of XEP-0082, which is RFC 3339: any offset, any fraction, of which milliseconds are kept. `None` for
    /// what is no time, or lies before 1970.
    #[must_use]
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let (date, time) = text.split_once(['T', 't'])?;
        let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
        let (clock, rest) = time.split_at_checked("hh:mm:ss".len())?;
        let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
        // Second 60 is a leap second, which counts as the first of the next minute.
        if !(1..=12).contains(&month) || hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let days = days_from_civil(year, month, day)?;
        if civil_from_days(days) != (year, month, day) {
            return None; // the 31st of April
        }
        let (millis, zone) = fraction(rest)?;
        let utc = days.checked_mul(86_400_000)?.checked_add((hour * 3600 + minute * 60 + second) * 1000 + millis)?;
        Some(Self(utc.checked_add_signed(-offset_millis(zone)?)?))
    }
}

/// Decimal numbers of fixed widths with `separator` between them.
fn numbers<const N: usize>(text: &str, separator: char, widths: [usize; N]) -> Option<[u64; N]> {
    let mut parts = text.split(separator);
    let mut values = [0; N];
    for (value, width) in values.iter_mut().zip(widths) {
        let part = parts.next()?;
        if part.len() != width || !part.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        *value = part.parse().ok()?;
    }
    parts.next().is_none().then_some(values)
}

/// The milliseconds of an optional fraction, and what follows it.
fn fraction(text: &str) -> Option<(u64, &str)> {
    let Some(digits) = text.strip_prefix('.') else { return Some((0, text)) };
    let end = digits.find(|c: char| !c.is_ascii_digit())?;
    let (digits, zone) = digits.split_at_checked(end)?;
    let millis = digits.bytes().chain([b'0'; 2]).take(3).fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    (!digits.is_empty()).then_some((millis, zone))
}

/// How far a zone is ahead of UTC.
fn offset_millis(zone: &str) -> Option<i64> {
    let (sign, clock) = match zone.split_at_checked(1)? {
        ("Z" | "z", "") => return Some(0),
        ("+", clock) => (1, clock),
        ("-", clock) => (-1, clock),
        _ => return None,
    };
    let [hours, minutes] = numbers(clock, ':', [2, 2])?;
    let millis = (hours <= 23 && minutes <= 59).then_some((hours * 60 + minutes) * 60_000)?;
    Some(sign * i64::try_from(millis).ok()?)
}

/// The inverse of [`civil_from_days`] for a month of 1 to 12; `None` before 1970. A day that the month does not have counts on
/// into the next.
const fn days_from_civil(year: u64, month: u64, day: u64) -> Option<u64> {
    // January and February belong to the year before, so that the leap day is the last day of a year.
    let shifted_month = (month + 9) % 12;
    let Some(shifted_year) = year.checked_sub(if month <= 2 { 1 } else { 0 }) else { return None };
    let (era, year_of_era) = (shifted_year / 400, shifted_year % 400);
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + (153 * shifted_month + 2) / 5 + day;
    // One more than the day number, as days of a month count from 1.
    (era * 146_097 + day_of_era).checked_sub(719_468 + 1)
}

/// Year, month and day of a day number counted from 1970-01-01, in the proleptic Gregorian calendar.
const fn civil_from_days(days: u64) -> (u64, u64, u64) {
    // Counted from 0000-03-01, so that the leap day is the last day of a year.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_rfc_3339_in_utc_with_milliseconds() {
        assert_eq!(WallClock::from_unix_millis(0).rfc3339(), "1970-01-01T00:00:00.000Z");
        assert_eq!(WallClock::from_unix_millis(951_782_399_999).rfc3339(), "2000-02-28T23:59:59.999Z");
        assert_eq!(WallClock::from_unix_millis(951_782_400_000).rfc3339(), "2000-02-29T00:00:00.000Z");
        assert_eq!(WallClock::from_unix_millis(1_795_253_400_123).rfc3339(), "2026-11-21T09:30:00.123Z");
    }

    #[test]
    fn a_stamp_is_read_in_any_zone_and_with_any_fraction() {
        for (text, millis) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-28T23:59:59.999Z", 951_782_399_999),
            ("2000-02-29T00:00:00Z", 951_782_400_000),
            ("2026-11-21T09:30:00.123Z", 1_795_253_400_123),
            ("2026-11-21T09:30:00.123999999999999999999999Z", 1_795_253_400_123),
            ("2026-11-21T09:30:00.1Z", 1_795_253_400_100),
            ("2026-11-21t10:30:00.12+01:00", 1_795_253_400_120),
            ("2026-11-20T23:30:00-10:00", 1_795_253_400_000),
            ("2026-11-21T15:15:00+05:45", 1_795_253_400_000),
            ("2016-12-31T23:59:60z", 1_483_228_800_000),
        ] {
            assert_eq!(WallClock::parse_rfc3339(text).map(|at| at.0), Some(millis), "{text}");
        }
    }

    #[test]
    fn what_is_no_stamp_is_refused() {
        for text in [
            "",
            "x",
            "T",
            "2026-11-21",
            "2026-11-21T09:30:00",
            "2026-11-21 09:30:00Z",
            "2026-11-21T09:30Z",
            "2026-11-21T09:30:00.Z",
            "2026-11-21T09:30:00.5",
            "2026-11-21T09:30:00ZZ",
            "2026-11-21T09:30:00+0100",
            "2026-11-21T09:30:00+24:00",
            "2026-11-21T24:00:00Z",
            "2026-11-21T09:60:00Z",
            "2026-11-21T09:30:61Z",
            "2026-02-29T00:00:00Z",
            "2026-04-31T00:00:00Z",
            "2026-00-10T00:00:00Z",
            "2026-13-10T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "2026-1-10T00:00:00Z",
            "+026-01-10T00:00:00Z",
            "20026-01-10T00:00:00Z",
            "20261121T09:30:00",
            "0000-01-01T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:30:00+01:00",
            "2026-11-21T09:30:0€Z",
        ] {
            assert_eq!(WallClock::parse_rfc3339(text), None, "{text}");
        }
    }

    #[test]
    fn every_day_up_to_the_year_2100_is_read_as_it_was_written() {
        for day in 0..47_482 {
            let at = WallClock::from_unix_millis(day * 86_400_000 + 1);
            assert_eq!(WallClock::parse_rfc3339(&at.rfc3339()), Some(at));
        }
    }

    #[test]
    fn an_instant_never_runs_backwards_or_over() {
        let t = Instant::from_micros(5);
        assert_eq!(Instant::ZERO - t, Duration::ZERO);
        assert_eq!((t + Duration::MAX).as_micros(), u64::MAX);
    }
}
