//! Timestamps and durations.

use super::{Args, Def, method};
use crate::error::EvalError;
use crate::value::Value;
use chrono::{DateTime, Datelike, FixedOffset, NaiveDateTime, Timelike};

pub(super) const FUNCTIONS: &[Def] = &[
    method("getDate", 0, 1, |v| part("getDate", v, |t| i64::from(t.day()))),
    method("getDayOfMonth", 0, 1, |v| part("getDayOfMonth", v, |t| i64::from(t.day0()))),
    method("getDayOfWeek", 0, 1, |v| {
        part("getDayOfWeek", v, |t| i64::from(t.weekday().num_days_from_sunday()))
    }),
    method("getDayOfYear", 0, 1, |v| part("getDayOfYear", v, |t| i64::from(t.ordinal0()))),
    method("getFullYear", 0, 1, |v| part("getFullYear", v, |t| i64::from(t.year()))),
    method("getMonth", 0, 1, |v| part("getMonth", v, |t| i64::from(t.month0()))),
    method("getHours", 0, 1, |v| either("getHours", v, |t| i64::from(t.hour()), |d| d.num_hours())),
    method("getMinutes", 0, 1, |v| either("getMinutes", v, |t| i64::from(t.minute()), |d| d.num_minutes())),
    method("getSeconds", 0, 1, |v| either("getSeconds", v, |t| i64::from(t.second()), |d| d.num_seconds())),
    method("getMilliseconds", 0, 1, |v| {
        let millis = |d: &chrono::Duration| i64::from(d.subsec_nanos()) / 1_000_000;
        either("getMilliseconds", v, |t| i64::from(t.nanosecond() / 1_000_000 % 1000), millis)
    }),
];

fn part(name: &'static str, values: &[Value], read: fn(&NaiveDateTime) -> i64) -> Result<Value, EvalError> {
    let args = Args::new(name, values);
    match args.value(0)? {
        Value::Timestamp(time) => Ok(Value::Int(read(&local(args, time)?))),
        other => Err(args.wrong("a timestamp", other)),
    }
}

fn either(
    name: &'static str,
    values: &[Value],
    of_time: fn(&NaiveDateTime) -> i64,
    of_length: impl Fn(&chrono::Duration) -> i64,
) -> Result<Value, EvalError> {
    match values {
        [Value::Duration(length)] => Ok(Value::Int(of_length(length))),
        _ => part(name, values, of_time),
    }
}

/// The time in the zone that the second argument names: an IANA name or an offset such as `+05:30`.
fn local(args: Args<'_>, time: &DateTime<FixedOffset>) -> Result<NaiveDateTime, EvalError> {
    if args.len() < 2 {
        return Ok(time.naive_utc());
    }
    let name = args.text(1)?;
    if let Ok(zone) = name.parse::<chrono_tz::Tz>() {
        return Ok(time.with_timezone(&zone).naive_local());
    }
    let offset = offset(&name).ok_or_else(|| args.fail("there is no such time zone"))?;
    Ok(time.with_timezone(&offset).naive_local())
}

fn offset(text: &str) -> Option<FixedOffset> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (hours, minutes) = digits.split_once(':')?;
    FixedOffset::east_opt(sign * (hours.parse::<i32>().ok()? * 3600 + minutes.parse::<i32>().ok()? * 60))
}
