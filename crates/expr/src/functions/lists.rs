//! Lists and maps.

use super::{Args, Def, function, method};
use crate::error::EvalError;
use crate::limits::charge;
use crate::ops::{self, list_limit, size_limit};
use crate::value::Value;

pub(super) const FUNCTIONS: &[Def] = &[
    function("size", 1, 1, size),
    method("size", 0, 0, size),
    function("lists.range", 1, 1, range),
    method("join", 0, 1, join),
    method("slice", 2, 2, slice),
    method("flatten", 0, 1, flatten),
    method("sort", 0, 0, sort),
    method("distinct", 0, 0, distinct),
];

fn size(values: &[Value]) -> Result<Value, EvalError> {
    let args = Args::new("size", values);
    let size = match args.value(0)? {
        Value::List(list) => list.len(),
        Value::Lines(lines) => lines.len(),
        Value::Entities(list) => list.len(),
        Value::Map(map) => map.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::String(text) => text.chars().count(),
        Value::Object(object) => match object.text() {
            Some(text) => text.chars().count(),
            None => object.fields().len(),
        },
        other => return Err(args.wrong("a string, bytes, list or map", other)),
    };
    Ok(Value::Int(size as i64))
}

fn range(values: &[Value]) -> Result<Value, EvalError> {
    let args = Args::new("lists.range", values);
    let end = args.int(0)?;
    let length = usize::try_from(end).map_err(|_| args.fail("the length is negative"))?;
    list_limit(length)?;
    charge(length)?;
    Ok(Value::List((0..end).map(Value::Int).collect()))
}

fn join(values: &[Value]) -> Result<Value, EvalError> {
    let args = Args::new("join", values);
    let list = args.list(0)?;
    let separator = if args.len() > 1 { args.text(1)? } else { "".into() };
    let mut out = String::new();
    for (at, item) in list.iter().enumerate() {
        if at > 0 {
            out.push_str(&separator);
        }
        out.push_str(&item.as_text().ok_or_else(|| args.wrong("a list of strings", item))?);
        size_limit(out.len())?;
    }
    charge(list.len() + out.len() / 64)?;
    Ok(out.into())
}

fn slice(values: &[Value]) -> Result<Value, EvalError> {
    let args = Args::new("slice", values);
    let list = args.list(0)?;
    let (start, end) = (usize::try_from(args.int(1)?).ok(), usize::try_from(args.int(2)?).ok());
    let part = start.zip(end).and_then(|(start, end)| list.get(start..end));
    charge(list.len())?;
    part.map(|part| ops::pack(part.to_vec())).ok_or_else(|| args.fail("the range is not inside the list"))
}

fn flatten(values: &[Value]) -> Result<Value, EvalError> {
    let args = Args::new("flatten", values);
    let depth = if args.len() > 1 { args.int(1)? } else { 1 };
    if depth < 0 {
        return Err(args.fail("the depth is negative"));
    }
    let mut list = args.list(0)?;
    for _ in 0..depth {
        let mut flat = Vec::with_capacity(list.len());
        let mut changed = false;
        for item in &list {
            match ops::elements(item) {
                Some(inner) => {
                    changed = true;
                    charge(inner.len())?;
                    flat.extend(inner);
                }
                None => flat.push(item.clone()),
            }
        }
        list_limit(flat.len())?;
        list = flat;
        if !changed {
            break;
        }
    }
    Ok(ops::pack(list))
}

fn sort(values: &[Value]) -> Result<Value, EvalError> {
    let args = Args::new("sort", values);
    let mut list = args.list(0)?;
    charge(list.len().saturating_mul(list.len().checked_ilog2().unwrap_or(0) as usize + 1))?;
    let mut failure = None;
    if let [only] = list.as_slice() {
        ops::compare(only, only)?;
    }
    list.sort_by(|a, b| {
        ops::compare(a, b).unwrap_or_else(|error| {
            failure.get_or_insert(error);
            std::cmp::Ordering::Equal
        })
    });
    match failure {
        Some(_) => Err(EvalError::types("`sort` takes a list of one type that has an order")),
        None => Ok(Value::List(list.into())),
    }
}

fn distinct(values: &[Value]) -> Result<Value, EvalError> {
    let args = Args::new("distinct", values);
    let mut kept: Vec<Value> = Vec::new();
    for item in args.list(0)? {
        charge((kept.len() + 1).saturating_mul(ops::weight(&item)))?;
        if !kept.contains(&item) {
            kept.push(item);
        }
    }
    Ok(ops::pack(kept))
}
