//! Points in time and spans as they are written in headers and bodies.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A Go duration such as `6m0s`, `1.5s` or `20ms`.
pub(crate) fn go_duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut seconds = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let unit = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit);
        let scale = match unit {
            "d" => 86_400.0,
            "h" => 3_600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * scale;
        rest = tail;
    }
    Duration::try_from_secs_f64(seconds).ok()
}

/// A number of seconds, also with a fraction.
pub(crate) fn seconds(text: &str) -> Option<Duration> {
    text.trim().parse::<f64>().ok().and_then(|number| Duration::try_from_secs_f64(number).ok())
}

/// How long until `at`; zero when it is past.
pub(crate) fn until(at: SystemTime, now: SystemTime) -> Duration {
    at.duration_since(now).unwrap_or_default()
}

/// A date and time of RFC 3339, such as `2026-11-20T07:02:46.5Z`. A fraction of a second is ignored.
pub(crate) fn rfc3339(text: &str) -> Option<SystemTime> {
    let (date, clock) = text.trim().split_once(['T', 't', ' '])?;
    let mut parts = date.splitn(3, '-');
    let (year, month, day) = (part(parts.next())?, part(parts.next())?, part(parts.next())?);
    let (clock, offset) = match clock.find(['Z', 'z', '+', '-']) {
        Some(at) => clock.split_at(at),
        None => return None,
    };
    let sign = if offset.starts_with('-') { -1 } else { 1 };
    let offset = offset.trim_start_matches(['Z', 'z', '+', '-']);
    let (hours, minutes) = if offset.is_empty() { (0, 0) } else { pair(offset)? };
    instant(year, month, day, clock)
        .and_then(|seconds| since_epoch(seconds - sign * (hours * 3600 + minutes * 60)))
}

/// A date of HTTP (RFC 9110, section 5.6.7, the fixed form), such as `Sun, 06 Nov 1994 08:49:37 GMT`.
pub(crate) fn http_date(text: &str) -> Option<SystemTime> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (_, rest) = text.trim().split_once(", ")?;
    let mut parts = rest.split(' ');
    let day = part(parts.next())?;
    let name = parts.next()?;
    let month = MONTHS.iter().position(|month| *month == name)?;
    let year = part(parts.next())?;
    let clock = parts.next()?;
    if parts.next() != Some("GMT") {
        return None;
    }
    instant(year, i64::try_from(month).ok()? + 1, day, clock).and_then(since_epoch)
}

/// Seconds since 1970 as RFC 3339 in UTC.
pub(crate) fn format_rfc3339(seconds: u64) -> String {
    let days = i64::try_from(seconds / 86_400).unwrap_or(0);
    let (year, month, day) = date_of(days);
    let rest = seconds % 86_400;
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

fn part(text: Option<&str>) -> Option<i64> {
    let text = text?;
    (text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

fn pair(text: &str) -> Option<(i64, i64)> {
    let (a, b) = text.split_once(':')?;
    Some((part(Some(a))?, part(Some(b))?))
}

/// Seconds since 1970 of a date and a `hh:mm:ss`.
fn instant(year: i64, month: i64, day: i64, clock: &str) -> Option<i64> {
    let clock = clock.split('.').next()?;
    let (hours, rest) = clock.split_once(':')?;
    let (hours, (minutes, seconds)) = (part(Some(hours))?, pair(rest)?);
    let valid =
        (1..=12).contains(&month) && (1..=31).contains(&day) && hours < 24 && minutes < 60 && seconds < 61;
    valid.then(|| days_of(year, month, day) * 86_400 + hours * 3600 + minutes * 60 + seconds)
}

fn since_epoch(seconds: i64) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(seconds).ok()?))
}

/// Days since 1970 of a date. Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The date of a day since 1970. Same source.
fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year + i64::from(month <= 2), month, of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn epoch(time: Option<SystemTime>) -> Option<u64> {
        time.map(|time| time.duration_since(UNIX_EPOCH).unwrap().as_secs())
    }

    #[test]
    fn durations() {
        for (text, millis) in [
            ("1s", 1_000),
            ("6m0s", 360_000),
            ("20ms", 20),
            ("1h2m3.5s", 3_723_500),
            ("1.5s", 1_500),
            ("2d", 172_800_000),
            ("500us", 0),
            ("1m30s ", 90_000),
        ] {
            assert_eq!(go_duration(text).map(|d| d.as_millis()), Some(millis), "{text}");
        }
        for text in ["", "1", "s", "1x", "-1s", "1.2.3s", "1 s"] {
            assert_eq!(go_duration(text), None, "{text}");
        }
    }

    #[test]
    fn dates() {
        for (text, want) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2026-11-20T07:02:46Z", Some(1_795_158_166)),
            ("2026-11-20T07:02:46.789Z", Some(1_795_158_166)),
            ("2026-11-20T08:02:46+01:00", Some(1_795_158_166)),
            ("2026-11-20T02:02:46-05:00", Some(1_795_158_166)),
            ("2024-02-29T12:00:00Z", Some(1_709_208_000)),
            ("2024-13-01T00:00:00Z", None),
            ("2024-01-01T25:00:00Z", None),
            ("2024-01-01", None),
            ("2024-01-01T00:00:00", None),
            ("x", None),
        ] {
            assert_eq!(epoch(rfc3339(text)), want, "{text}");
        }
        assert_eq!(epoch(http_date("Sun, 06 Nov 1994 08:49:37 GMT")), Some(784_111_777));
        assert_eq!(epoch(http_date("Sun, 06 Nov 1994 08:49:37 CET")), None);
        assert_eq!(format_rfc3339(784_111_777), "1994-11-06T08:49:37Z");
    }

    proptest! {
        #[test]
        fn round_trip(seconds in 0u64..250_000_000_000) {
            prop_assert_eq!(epoch(rfc3339(&format_rfc3339(seconds))), Some(seconds));
        }

        #[test]
        fn never_panics(text in r"[0-9TZ:+\-. ,smhéGMTNov]{0,40}") {
            let _ = (rfc3339(&text), http_date(&text), go_duration(&text), super::seconds(&text));
        }
    }
}
