//! `text.format(list)`: `%s %d %f %e %b %x %X %o %%`.

use crate::error::EvalError;
use crate::functions::Args;
use crate::limits::charge;
use crate::ops::{Number, number, size_limit};
use crate::value::Value;

/// The most digits after the point: more says nothing of a double.
const MAX_PRECISION: usize = 100;

pub(super) fn format(values: &[Value]) -> Result<Value, EvalError> {
    let args = Args::new("format", values);
    let (text, items) = (args.text(0)?, args.list(1)?);
    let mut items = items.iter();
    let mut out = String::new();
    let mut rest = &*text;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let (precision, after) = precision(args, after)?;
        let mut chars = after.chars();
        let verb = chars.next().ok_or_else(|| args.fail("the text ends after `%`"))?;
        rest = chars.as_str();
        if verb == '%' {
            out.push('%');
            continue;
        }
        let item =
            items.next().ok_or_else(|| args.fail("the list has fewer elements than the text has places"))?;
        out.push_str(&one(args, verb, precision, item)?);
        size_limit(out.len())?;
        charge(1 + out.len() / 1024)?;
    }
    out.push_str(rest);
    Ok(out.into())
}

fn precision<'t>(args: Args<'_>, text: &'t str) -> Result<(Option<usize>, &'t str), EvalError> {
    let Some(digits) = text.strip_prefix('.') else { return Ok((None, text)) };
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    let (number, rest) = digits.split_at_checked(end).unwrap_or((digits, ""));
    match number.parse() {
        Ok(precision) if precision <= MAX_PRECISION => Ok((Some(precision), rest)),
        _ => Err(args.fail("the precision is not a number up to 100")),
    }
}

fn one(args: Args<'_>, verb: char, precision: Option<usize>, item: &Value) -> Result<String, EvalError> {
    let digits = precision.unwrap_or(6);
    Ok(match (verb, number(item)) {
        ('s', _) => match item {
            Value::Null => "null".into(),
            item => item.to_text(),
        },
        ('d', Some(Number::Int(n))) => n.to_string(),
        ('d', Some(Number::UInt(n))) => n.to_string(),
        ('d', Some(Number::Double(n))) if n.fract() == 0.0 => format!("{n:.0}"),
        ('f', Some(n)) => format!("{:.digits$}", as_double(n)),
        ('e', Some(n)) => exponent(&format!("{:.digits$e}", as_double(n))),
        ('b', None) if matches!(item, Value::Bool(_)) => {
            if *item == Value::Bool(true) { "1" } else { "0" }.into()
        }
        ('b', Some(Number::Int(n))) => signed(n, &format!("{:b}", n.unsigned_abs())),
        ('b', Some(Number::UInt(n))) => format!("{n:b}"),
        ('o', Some(Number::Int(n))) => signed(n, &format!("{:o}", n.unsigned_abs())),
        ('o', Some(Number::UInt(n))) => format!("{n:o}"),
        ('x', Some(Number::Int(n))) => signed(n, &format!("{:x}", n.unsigned_abs())),
        ('x', Some(Number::UInt(n))) => format!("{n:x}"),
        ('X', Some(Number::Int(n))) => signed(n, &format!("{:X}", n.unsigned_abs())),
        ('X', Some(Number::UInt(n))) => format!("{n:X}"),
        ('x', None) => hex(args, item)?,
        ('X', None) => hex(args, item)?.to_ascii_uppercase(),
        ('d' | 'f' | 'e' | 'b' | 'o', _) | ('x' | 'X', Some(Number::Double(_))) => {
            return Err(EvalError::types(format!("`%{verb}` cannot format {}", item.type_name())));
        }
        _ => return Err(args.fail("the text has a `%` that is no place for an element")),
    })
}

fn as_double(n: Number) -> f64 {
    match n {
        Number::Int(n) => n as f64,
        Number::UInt(n) => n as f64,
        Number::Double(n) => n,
    }
}

fn signed(n: i64, digits: &str) -> String {
    if n < 0 { format!("-{digits}") } else { digits.into() }
}

/// `1.5e3` as C writes it: `1.5e+03`.
fn exponent(text: &str) -> String {
    let Some((mantissa, exponent)) = text.split_once('e') else { return text.into() };
    match exponent.strip_prefix('-') {
        Some(digits) => format!("{mantissa}e-{digits:0>2}"),
        None => format!("{mantissa}e+{exponent:0>2}"),
    }
}

fn hex(args: Args<'_>, item: &Value) -> Result<String, EvalError> {
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect();
    match item {
        Value::Bytes(bytes) => Ok(hex(bytes)),
        item => item
            .as_text()
            .map(|text| hex(text.as_bytes()))
            .ok_or_else(|| args.wrong("a number or text", item)),
    }
}
