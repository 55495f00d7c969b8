//! Text: searching, cutting, case, formatting. Positions count code points.

mod format;

use super::{Args, Def, function, method};
use crate::error::EvalError;
use crate::limits::charge;
use crate::ops::{list_limit, size_limit};
use crate::value::Value;

pub(super) const FUNCTIONS: &[Def] = &[
    method("startsWith", 1, 1, starts_with),
    method("starts_with", 1, 1, starts_with),
    method("endsWith", 1, 1, ends_with),
    method("ends_with", 1, 1, ends_with),
    method("contains", 1, 1, contains),
    method("includes", 1, 1, contains),
    method("charAt", 1, 1, char_at),
    method("indexOf", 1, 2, index_of),
    method("lastIndexOf", 1, 2, last_index_of),
    method("substring", 1, 2, substring),
    method("split", 0, 2, split),
    method("replace", 2, 3, replace),
    method("format", 1, 1, format::format),
    method("lower", 0, 0, |a| map(a, "lower", |text| text.chars().map(simple_lower).collect())),
    method("upper", 0, 0, |a| map(a, "upper", |text| text.chars().map(simple_upper).collect())),
    method("lowerAscii", 0, 0, |a| map(a, "lowerAscii", str::to_ascii_lowercase)),
    method("upperAscii", 0, 0, |a| map(a, "upperAscii", str::to_ascii_uppercase)),
    method("trim", 0, 0, |a| map(a, "trim", |text| text.trim().to_owned())),
    method("reverse", 0, 0, reverse),
    function("strings.quote", 1, 1, |a| map(a, "strings.quote", quote)),
];

pub(crate) fn starts_with(values: &[Value]) -> Result<Value, EvalError> {
    let args = Args::new("startsWith", values);
    Ok(Value::Bool(args.text(0)?.starts_with(&*args.text(1)?)))
}

pub(crate) fn ends_with(values: &[Value]) -> Result<Value, EvalError> {
    let args = Args::new("endsWith", values);
    Ok(Value::Bool(args.text(0)?.ends_with(&*args.text(1)?)))
}

pub(crate) fn contains(values: &[Value]) -> Result<Value, EvalError> {
    let args = Args::new("contains", values);
    match args.value(0)? {
        // A list too, for people who think of it as a set.
        list @ (Value::List(_) | Value::Entities(_)) => {
            crate::ops::contains(list, args.value(1)?).map(Value::Bool)
        }
        _ => Ok(Value::Bool(args.text(0)?.contains(&*args.text(1)?))),
    }
}

fn map(values: &[Value], name: &'static str, change: impl Fn(&str) -> String) -> Result<Value, EvalError> {
    let text = Args::new(name, values).text(0)?;
    charge(text.len() / 64)?;
    Ok(Value::from(change(&text)))
}

/// Simple case mapping: one code point to one code point.
fn simple_lower(c: char) -> char {
    if c == '\u{130}' {
        return 'i';
    }
    let mut mapped = c.to_lowercase();
    match (mapped.next(), mapped.next()) {
        (Some(lower), None) => lower,
        _ => c,
    }
}

fn simple_upper(c: char) -> char {
    let mut mapped = c.to_uppercase();
    match (mapped.next(), mapped.next()) {
        (Some(upper), None) => upper,
        _ => c,
    }
}

fn reverse(values: &[Value]) -> Result<Value, EvalError> {
    let args = Args::new("reverse", values);
    match args.value(0)? {
        Value::List(list) => Ok(Value::List(list.iter().rev().cloned().collect())),
        Value::Entities(list) => Ok(Value::Entities(list.iter().rev().cloned().collect())),
        _ => map(values, "reverse", |text| text.chars().rev().collect()),
    }
}

/// The byte offset of a code point; `None` past the end.
fn offset(text: &str, at: i64) -> Option<usize> {
    let at = usize::try_from(at).ok()?;
    text.char_indices().map(|(offset, _)| offset).chain([text.len()]).nth(at)
}

fn points(text: &str) -> i64 {
    text.chars().count() as i64
}

fn char_at(values: &[Value]) -> Result<Value, EvalError> {
    let args = Args::new("charAt", values);
    let text = args.text(0)?;
    let start = offset(&text, args.int(1)?).ok_or_else(|| args.fail("the position is out of range"))?;
    let rest = text.get(start..).unwrap_or_default();
    Ok(rest.chars().next().map(String::from).unwrap_or_default().into())
}

fn index_of(values: &[Value]) -> Result<Value, EvalError> {
    let args = Args::new("indexOf", values);
    let (text, wanted) = (args.text(0)?, args.text(1)?);
    let from = if args.len() > 2 { args.int(2)? } else { 0 };
    let start = offset(&text, from).ok_or_else(|| args.fail("the position is out of range"))?;
    let rest = text.get(start..).unwrap_or_default();
    let found = rest.find(&*wanted).and_then(|at| rest.get(..at)).map_or(-1, |before| from + points(before));
    Ok(Value::Int(found))
}

fn last_index_of(values: &[Value]) -> Result<Value, EvalError> {
    let args = Args::new("lastIndexOf", values);
    let (text, wanted) = (args.text(0)?, args.text(1)?);
    let last = if args.len() > 2 { args.int(2)? } else { points(&text) };
    let start = offset(&text, last).ok_or_else(|| args.fail("the position is out of range"))?;
    // A match may begin at the position and go on behind it.
    let mut end = (start + wanted.len()).min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let head = text.get(..end).unwrap_or_default();
    let found = head.rfind(&*wanted).and_then(|at| head.get(..at)).map_or(-1, points);
    Ok(Value::Int(found))
}

fn substring(values: &[Value]) -> Result<Value, EvalError> {
    let args = Args::new("substring", values);
    let text = args.text(0)?;
    let start = offset(&text, args.int(1)?);
    let end = if args.len() > 2 { offset(&text, args.int(2)?) } else { Some(text.len()) };
    let cut = start.zip(end).and_then(|(start, end)| text.get(start..end));
    cut.map(Value::from).ok_or_else(|| args.fail("the range is not inside the text"))
}

fn split(values: &[Value]) -> Result<Value, EvalError> {
    let args = Args::new("split", values);
    let text = args.text(0)?;
    charge(text.len() / 16)?;
    let mut parts: Vec<Value> = if args.len() < 2 {
        text.split_whitespace().map(Value::from).collect()
    } else {
        let separator = args.text(1)?;
        if separator.is_empty() {
            text.chars().map(|c| Value::from(String::from(c))).collect()
        } else {
            text.split(&*separator).map(Value::from).collect()
        }
    };
    if args.len() > 2 {
        // The pieces behind the limit are dropped, not kept in the last one.
        let limit = args.int(2)?;
        if let Ok(limit) = usize::try_from(limit) {
            parts.truncate(limit);
        }
    }
    list_limit(parts.len())?;
    charge(parts.len())?;
    Ok(Value::List(parts.into()))
}

fn replace(values: &[Value]) -> Result<Value, EvalError> {
    let args = Args::new("replace", values);
    let (text, old, new) = (args.text(0)?, args.text(1)?, args.text(2)?);
    let limit = if args.len() > 3 { usize::try_from(args.int(3)?).unwrap_or(usize::MAX) } else { usize::MAX };
    let most = if old.is_empty() { text.chars().count() + 1 } else { text.matches(&*old).count() };
    let size = text.len() + most.min(limit).saturating_mul(new.len());
    size_limit(size)?;
    charge(size / 64)?;
    Ok(text.replacen(&*old, &new, limit).into())
}

/// A quoted form that any terminal can show.
fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0b' => out.push_str("\\v"),
            '\x0c' => out.push_str("\\f"),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
