//! Durations and sizes as people write them.

use std::time::Duration;

/// Units of a duration in nanoseconds; the longer spelling of two with the same beginning comes first.
const TIME_UNITS: &[(&str, u128)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Units of a size in bytes.
const SIZE_UNITS: &[(&str, u64)] = &[
    ("", 1),
    ("B", 1),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// Reads a duration in the syntax of Go's `time.ParseDuration` (`1h30m`, `1.5s`, `500ms`), not negative.
///
/// # Errors
/// What is wrong, as a sentence part that fits after "`x` ".
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    if text.is_empty() {
        return Err("is empty".into());
    }
    if text.starts_with('-') {
        return Err("must not be negative".into());
    }
    let mut rest = text;
    let mut nanos: u128 = 0;
    while !rest.is_empty() {
        let (value, after) = number(rest).ok_or_else(|| "must begin with a number".to_owned())?;
        let end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, tail) = after.split_at(end);
        let scale = TIME_UNITS.iter().find(|(name, _)| *name == unit).map(|(_, scale)| *scale);
        let Some(scale) = scale else {
            return Err(unknown_unit(unit));
        };
        nanos = value.scaled(scale).and_then(|part| nanos.checked_add(part)).ok_or("is too long")?;
        rest = tail;
    }
    let seconds = u64::try_from(nanos / 1_000_000_000).map_err(|_| "is too long".to_owned())?;
    let fraction = u32::try_from(nanos % 1_000_000_000).unwrap_or(0);
    Ok(Duration::new(seconds, fraction))
}

/// Reads a size: a number of bytes, or a number with `KB`, `MB`, `GB` (powers of 1000) or `KiB`, `MiB`, `GiB`.
///
/// # Errors
/// What is wrong, as a sentence part.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let value: u64 = digits.parse().map_err(|_| "must begin with a whole number".to_owned())?;
    let unit = unit.trim();
    let scale = SIZE_UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit));
    let Some((_, scale)) = scale else {
        return Err("has an unknown unit; use KB, MB, GB, KiB, MiB or GiB".into());
    };
    value.checked_mul(*scale).ok_or_else(|| "is too large".into())
}

/// A duration in the shortest Go spelling: `1h30m`, `1.5s`, `500ms`.
#[must_use]
pub fn format_duration(duration: Duration) -> String {
    if duration < Duration::from_secs(1) && !duration.is_zero() {
        let nanos = duration.as_nanos();
        let (scale, unit) = match nanos {
            1_000_000.. => (1_000_000, "ms"),
            1_000.. => (1_000, "us"),
            _ => (1, "ns"),
        };
        return if nanos.is_multiple_of(scale) {
            format!("{}{unit}", nanos / scale)
        } else {
            format!("{nanos}ns")
        };
    }
    let (total, nanos) = (duration.as_secs(), duration.subsec_nanos());
    let (hours, minutes, seconds) = (total / 3600, total / 60 % 60, total % 60);
    let mut out = String::new();
    if hours > 0 {
        out.push_str(&format!("{hours}h"));
    }
    if minutes > 0 {
        out.push_str(&format!("{minutes}m"));
    }
    if nanos > 0 {
        let fraction = format!("{nanos:09}");
        out.push_str(&format!("{seconds}.{}s", fraction.trim_end_matches('0')));
    } else if seconds > 0 || out.is_empty() {
        out.push_str(&format!("{seconds}s"));
    }
    out
}

struct Decimal {
    whole: u128,
    fraction: u128,
    fraction_digits: u32,
}

impl Decimal {
    fn scaled(&self, scale: u128) -> Option<u128> {
        let divisor = 10u128.checked_pow(self.fraction_digits)?;
        self.whole.checked_mul(scale)?.checked_add(self.fraction.checked_mul(scale)? / divisor)
    }
}

/// Digits with at most one point; at most 18 digits on each side.
fn number(text: &str) -> Option<(Decimal, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if (whole.is_empty() && fraction.is_empty()) || whole.len() > 18 || fraction.len() > 18 {
        return None;
    }
    let read = |part: &str| if part.is_empty() { Some(0) } else { part.parse().ok() };
    let fraction_digits = u32::try_from(fraction.len()).ok()?;
    Some((Decimal { whole: read(whole)?, fraction: read(fraction)?, fraction_digits }, rest))
}

fn unknown_unit(unit: &str) -> String {
    match unit {
        "" => "needs a unit".into(),
        "d" | "day" | "days" => "cannot be in days".into(),
        "sec" | "second" | "seconds" => "must use `s` for seconds".into(),
        "min" | "minute" | "minutes" => "must use `m` for minutes".into(),
        _ => "has an unknown unit; use ns, us, ms, s, m or h".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_durations() {
        for (text, millis) in [
            ("0", 0),
            ("0s", 0),
            ("500ms", 500),
            ("1.5s", 1_500),
            (".5s", 500),
            ("15m", 900_000),
            ("1h30m", 5_400_000),
            ("1h0m10s", 3_610_000),
            ("1500us", 1),
        ] {
            assert_eq!(parse_duration(text).map(|d| d.as_millis()), Ok(millis), "{text}");
        }
        assert_eq!(parse_duration("2µs"), Ok(Duration::from_micros(2)));
        for text in [
            "",
            "30",
            "-1s",
            "1d",
            "s",
            "1 s",
            "1.2.3s",
            "1e3s",
            "10 seconds",
            "99999999999999999999s",
            "1s2",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes() {
        assert_eq!(parse_size("32MiB"), Ok(32 << 20));
        assert_eq!(parse_size("10 kb"), Ok(10_000));
        assert_eq!(parse_size("7"), Ok(7));
        for text in ["", "MiB", "1.5MB", "1TBx", "99999999999999999GiB", "-1"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_are_written_as_they_are_read() {
        for text in ["0s", "500ms", "1.5s", "15m", "1h30m", "10s", "24h", "250us"] {
            assert_eq!(format_duration(parse_duration(text).unwrap()), text);
        }
    }
}
