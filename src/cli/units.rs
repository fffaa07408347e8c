//! Durations and sizes in the words podman uses, and back from what a user types.

use jiff::{SignedDuration, Timestamp};

const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];

/// A span of time in words: `5 seconds`, `About a minute`, `3 weeks`.
pub fn human_duration(span: SignedDuration) -> String {
    let seconds = span.as_secs().max(0);
    let (minutes, hours) = (seconds / 60, (seconds + 1800) / 3600);
    match seconds {
        0 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        2..60 => format!("{seconds} seconds"),
        60..120 => "About a minute".to_owned(),
        120..3600 => format!("{minutes} minutes"),
        _ if hours == 1 => "About an hour".to_owned(),
        _ if hours < 48 => format!("{hours} hours"),
        _ if hours < 24 * 7 * 2 => format!("{} days", hours / 24),
        _ if hours < 24 * 30 * 2 => format!("{} weeks", hours / 24 / 7),
        _ if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", hours / 24 / 365),
    }
}

/// How long ago: `5 seconds ago`.
pub fn ago(then: Timestamp, now: Timestamp) -> String {
    format!("{} ago", human_duration(now.duration_since(then)))
}

/// A number of bytes in powers of 1000 with three digits: `12.3 MB`.
pub fn human_size(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{} {}", three_digits(value), UNITS[unit])
}

/// A number of bytes in powers of 1000 with four digits and no blank: `2.208MB`, as podman has it in trees and sums.
pub fn exact_size(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let decimals = match value {
        v if v >= 1000.0 => 0,
        v if v >= 100.0 => 1,
        v if v >= 10.0 => 2,
        _ => 3,
    };
    let text = format!("{value:.decimals$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{}", UNITS[unit])
}

/// Three significant digits without trailing zeros.
fn three_digits(value: f64) -> String {
    let decimals = match value {
        v if v >= 99.95 => 0,
        v if v >= 9.995 => 1,
        _ => 2,
    };
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A point in time as `--since` and `--until` take it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a point in time")]
pub struct TimeError {
    text: String,
}

/// Reads RFC 3339 (zone optional, then UTC), a date, seconds since the epoch, or a span before now (`10m`, `1h30m`, `2d`).
pub fn parse_time(text: &str, now: Timestamp) -> Result<Timestamp, TimeError> {
    let failure = || TimeError { text: text.to_owned() };
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    if let Some(span) = parse_span(text) {
        return now.checked_sub(span).map_err(|_| failure());
    }
    if let Ok(seconds) = text.parse::<f64>() {
        return Timestamp::from_nanosecond((seconds * 1e9) as i128).map_err(|_| failure());
    }
    let civil = text.parse::<jiff::civil::DateTime>().map_err(|_| failure())?;
    let zoned = civil.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| failure())?;
    Ok(zoned.timestamp())
}

/// Reads a span of time with at least one unit: `250ms`, `1h30m`.
pub fn parse_span(text: &str) -> Option<SignedDuration> {
    let mut rest = text;
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let unit_end = rest[digits..].find(|c: char| c.is_ascii_digit() || c == '.').map_or(rest.len(), |n| n + digits);
        let number: f64 = rest[..digits].parse().ok()?;
        let seconds = match &rest[digits..unit_end] {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86400.0,
            "w" => 604_800.0,
            _ => return None,
        };
        total += number * seconds;
        rest = &rest[unit_end..];
    }
    (!text.is_empty()).then(|| SignedDuration::from_millis((total * 1000.0) as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_worded_as_podman_words_them() {
        let cases = [
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "About a minute"),
            (119, "About a minute"),
            (120, "2 minutes"),
            (3599, "59 minutes"),
            (3600, "About an hour"),
            (5399, "About an hour"),
            (5400, "2 hours"),
            (47 * 3600, "47 hours"),
            (48 * 3600, "2 days"),
            (14 * 86400, "2 weeks"),
            (60 * 86400, "2 months"),
            (800 * 86400, "2 years"),
            (-5, "Less than a second"),
        ];
        for (seconds, words) in cases {
            assert_eq!(human_duration(SignedDuration::from_secs(seconds)), words, "{seconds}");
        }
    }

    #[test]
    fn sizes_have_three_digits() {
        let cases = [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1 kB"),
            (1536, "1.54 kB"),
            (999_900, "1 MB"),
            (12_345_678, "12.3 MB"),
            (123_456_789, "123 MB"),
            (u64::MAX, "18.4 EB"),
        ];
        for (bytes, words) in cases {
            assert_eq!(human_size(bytes), words);
        }
    }

    #[test]
    fn exact_sizes_have_four_digits() {
        let cases =
            [(0, "0B"), (12, "12B"), (4608, "4.608kB"), (201_728, "201.7kB"), (2_207_756, "2.208MB"), (1000, "1kB")];
        for (bytes, words) in cases {
            assert_eq!(exact_size(bytes), words);
        }
    }

    #[test]
    fn times_are_absolute_or_relative() {
        let now: Timestamp = "2026-01-02T00:00:00Z".parse().unwrap();
        let at = |text: &str| parse_time(text, now).map(|t| t.to_string());
        assert_eq!(at("2026-01-01T10:00:00Z").unwrap(), "2026-01-01T10:00:00Z");
        assert_eq!(at("2026-01-01T10:00:00+02:00").unwrap(), "2026-01-01T08:00:00Z");
        assert_eq!(at("2026-01-01T10:00:00").unwrap(), "2026-01-01T10:00:00Z");
        assert_eq!(at("2026-01-01").unwrap(), "2026-01-01T00:00:00Z");
        assert_eq!(at("1h30m").unwrap(), "2026-01-01T22:30:00Z");
        assert_eq!(at("0").unwrap(), "1970-01-01T00:00:00Z");
        assert!(at("yesterday").is_err() && at("").is_err() && at("5x").is_err());
    }
}
