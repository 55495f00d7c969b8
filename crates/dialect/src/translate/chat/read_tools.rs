//! Tools and the choice among them, in today's and in the first form (`functions`, `function_call`).

use super::super::DecodeError;
use super::super::fields::{Fields, Path};
use super::super::request::{Function, Json, Request, Text, Tool, ToolChoice};
use super::media::cache;
use super::{leftovers, lose};
use std::collections::HashSet;

pub(super) fn read<'a>(fields: &mut Fields<'a, '_>, request: &mut Request<'a>) -> Result<(), DecodeError> {
    let path = fields.path().key("tools");
    for (at, value) in fields.list("tools")?.into_iter().enumerate() {
        let tool = tool(value, &path.index(at), &mut request.lost)?;
        request.tools.push(tool);
    }
    let path = fields.path().key("functions");
    for (at, value) in fields.list("functions")?.into_iter().enumerate() {
        let function = function(value, &path.index(at), &mut request.lost)?;
        request.tools.push(Tool::Function(function));
    }
    if let Some(value) = fields.take("function_call") {
        request.tool_choice = Some(legacy_choice(value, &fields.path().key("function_call"))?);
    }
    if let Some(value) = fields.take("tool_choice") {
        request.tool_choice = Some(choice(value, &fields.path().key("tool_choice"), request)?);
    }
    request.parallel_tool_calls = fields.boolean("parallel_tool_calls")?;
    Ok(())
}

fn tool<'a>(value: Json<'a>, path: &Path<'_>, lost: &mut Vec<String>) -> Result<Tool<'a>, DecodeError> {
    let kind = value.as_object().and_then(|tool| tool.get("type")).and_then(Json::as_str);
    if kind.is_some_and(|kind| kind != "function") {
        return Ok(Tool::Native(value));
    }
    let mut fields = Fields::of(value, path)?;
    drop(fields.take("type"));
    let inner = path.key("function");
    let value = fields.take("function").ok_or_else(|| DecodeError::missing(&inner))?;
    let mut function = function(value, &inner, lost)?;
    if let Some(mark) = cache(&mut fields)? {
        function.cache = Some(mark);
    }
    leftovers(fields, lost);
    Ok(Tool::Function(function))
}

fn function<'a>(
    value: Json<'a>,
    path: &Path<'_>,
    lost: &mut Vec<String>,
) -> Result<Function<'a>, DecodeError> {
    let mut fields = Fields::of(value, path)?;
    let function = Function {
        name: fields.required_text("name")?,
        description: fields.text("description")?,
        parameters: match fields.take("parameters") {
            None => None,
            Some(schema @ Json::Object(_)) => Some(schema),
            Some(other) => return Err(DecodeError::wrong(&path.key("parameters"), "an object", &other)),
        },
        strict: fields.boolean("strict")?,
        cache: cache(&mut fields)?,
    };
    leftovers(fields, lost);
    Ok(function)
}

fn choice<'a>(
    value: Json<'a>,
    path: &Path<'_>,
    request: &mut Request<'a>,
) -> Result<ToolChoice<'a>, DecodeError> {
    if let Json::Str(word) = &value {
        return match &**word {
            "auto" => Ok(ToolChoice::Auto),
            "none" => Ok(ToolChoice::None),
            // `any` is Mistral's word.
            "required" | "any" => Ok(ToolChoice::Required),
            _ => Err(DecodeError::value(path, "must be 'none', 'auto', 'required' or an object")),
        };
    }
    if !value.is_object() {
        return Err(DecodeError::wrong(path, "a string or an object", &value));
    }
    let mut fields = Fields::of(value, path)?;
    let choice = match &*fields.required_text("type")? {
        "function" => ToolChoice::Named(named(&mut fields, "function")?),
        "allowed_tools" => allowed(&mut fields, request)?,
        _ => {
            let reason = "must be 'function' or 'allowed_tools'";
            return Err(DecodeError::value(&path.key("type"), reason));
        }
    };
    leftovers(fields, &mut request.lost);
    Ok(choice)
}

/// `{"name": ...}` in a member.
fn named<'a>(fields: &mut Fields<'a, '_>, member: &str) -> Result<Text<'a>, DecodeError> {
    let path = fields.path().key(member);
    let value = fields.take(member).ok_or_else(|| DecodeError::missing(&path))?;
    Fields::of(value, &path)?.required_text("name")
}

/// `{"mode": "auto" | "required", "tools": [{"type": "function", "function": {"name": ...}}]}`
fn allowed<'a>(
    fields: &mut Fields<'a, '_>,
    request: &mut Request<'a>,
) -> Result<ToolChoice<'a>, DecodeError> {
    let path = fields.path().key("allowed_tools");
    let value = fields.take("allowed_tools").ok_or_else(|| DecodeError::missing(&path))?;
    let mut fields = Fields::of(value, &path)?;
    let required = match fields.text("mode")?.as_deref() {
        Some("required") => true,
        Some("auto") | None => false,
        Some(_) => return Err(DecodeError::value(&path.key("mode"), "must be 'auto' or 'required'")),
    };
    let list = path.key("tools");
    let mut names = Vec::new();
    for (at, value) in fields.list("tools")?.into_iter().enumerate() {
        let item = list.index(at);
        let mut tool = Fields::of(value, &item)?;
        if tool.text("type")?.is_some_and(|kind| kind != "function") {
            lose(&mut request.lost, item.to_string());
            continue;
        }
        names.push(named(&mut tool, "function")?);
    }
    if required {
        return Ok(ToolChoice::Among(names));
    }
    // Other dialects have no word for "these, if any": the model is not shown the others.
    let names: HashSet<Text<'_>> = names.into_iter().collect();
    request.tools.retain(|tool| match tool {
        Tool::Function(function) => names.contains(&function.name),
        Tool::Native(_) => true,
    });
    Ok(ToolChoice::Auto)
}

fn legacy_choice<'a>(value: Json<'a>, path: &Path<'_>) -> Result<ToolChoice<'a>, DecodeError> {
    match value {
        Json::Str(word) if word == "auto" => Ok(ToolChoice::Auto),
        Json::Str(word) if word == "none" => Ok(ToolChoice::None),
        value @ Json::Object(_) => Ok(ToolChoice::Named(Fields::of(value, path)?.required_text("name")?)),
        Json::Str(_) => Err(DecodeError::value(path, "must be 'none', 'auto' or an object")),
        other => Err(DecodeError::wrong(path, "a string or an object", &other)),
    }
}
