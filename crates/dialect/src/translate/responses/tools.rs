//! Tools and the choice among them, read.

use super::super::error::DecodeError;
use super::super::fields::{Fields, Path};
use super::super::request::{CustomTool, Function, Json, Request, Text, Tool, ToolChoice};
use super::{json_text, leave};
use std::borrow::Cow;
use std::collections::HashSet;

/// The arguments of a free-text tool where it is written as a function.
const FREE_TEXT_SCHEMA: &str = r#"{"type":"object","properties":{"input":{"type":"string"}},"required":["input"],"additionalProperties":false}"#;

/// Takes `tools` and `tool_choice`.
pub(super) fn read<'a>(fields: &mut Fields<'a, '_>, request: &mut Request<'a>) -> Result<(), DecodeError> {
    let root = Path::Root;
    let list = root.key("tools");
    for (at, tool) in fields.list("tools")?.into_iter().enumerate() {
        let path = list.index(at);
        let kind = match tool.get("type") {
            _ if !tool.is_object() => return Err(DecodeError::wrong(&path, "an object", &tool)),
            Json::Str(kind) => &**kind,
            Json::Null => return Err(DecodeError::missing(&path.key("type"))),
            other => return Err(DecodeError::wrong(&path.key("type"), "a string", other)),
        };
        match kind {
            "function" => {
                let function = function(tool, &path, &mut request.lost)?;
                request.tools.push(Tool::Function(function));
            }
            "custom" => custom(tool, &path, request)?,
            _ => request.tools.push(Tool::Native(tool)),
        }
    }
    match fields.take("tool_choice") {
        Some(choice) => read_choice(choice, &root.key("tool_choice"), request),
        None => Ok(()),
    }
}

fn function<'a>(
    tool: Json<'a>,
    path: &Path<'_>,
    lost: &mut Vec<String>,
) -> Result<Function<'a>, DecodeError> {
    let mut fields = Fields::of(tool, path)?;
    fields.take("type");
    // Chat completions' form, with everything one level deeper.
    if let Some(inner) = fields.take("function") {
        leave(fields, lost);
        let path = path.key("function");
        return members(Fields::of(inner, &path)?, lost);
    }
    members(fields, lost)
}

fn members<'a>(mut fields: Fields<'a, '_>, lost: &mut Vec<String>) -> Result<Function<'a>, DecodeError> {
    let path = fields.path();
    let parameters = fields.take("parameters");
    if let Some(other) = parameters.as_ref().filter(|parameters| !parameters.is_object()) {
        return Err(DecodeError::wrong(&path.key("parameters"), "an object", other));
    }
    let function = Function {
        name: fields.required_text("name")?,
        description: fields.text("description")?,
        parameters,
        strict: fields.boolean("strict")?,
        cache: None,
    };
    leave(fields, lost);
    Ok(function)
}

/// A tool that takes free text: for other dialects a function with one text. A grammar, which they cannot enforce, is
/// put to the model in words.
fn custom<'a>(tool: Json<'a>, path: &Path<'_>, request: &mut Request<'a>) -> Result<(), DecodeError> {
    let mut fields = Fields::of(tool.clone(), path)?;
    let name = fields.required_text("name")?;
    let description = fields.text("description")?;
    let grammar = match fields.take("format") {
        Some(format) => grammar(format, &path.key("format"))?,
        None => None,
    };
    let description = match (description, grammar) {
        (description, None) => description,
        (None, Some(grammar)) => Some(Cow::Owned(grammar)),
        (Some(description), Some(grammar)) => Some(Cow::Owned(format!("{description}\n\n{grammar}"))),
    };
    let parameters = serde_json::from_str(FREE_TEXT_SCHEMA).ok();
    let function = Function { name: name.clone(), description, parameters, strict: None, cache: None };
    request.tools.push(Tool::Function(function));
    request.custom.push(CustomTool { name, definition: Some(tool) });
    Ok(())
}

fn grammar(format: Json<'_>, path: &Path<'_>) -> Result<Option<String>, DecodeError> {
    let mut fields = Fields::of(format, path)?;
    Ok(match &*fields.required_text("type")? {
        "grammar" => {
            let definition = fields.required_text("definition")?;
            let syntax = fields.text("syntax")?.unwrap_or_default();
            Some(format!("The input must match this {syntax} grammar:\n{definition}"))
        }
        _ => None,
    })
}

fn read_choice<'a>(choice: Json<'a>, path: &Path<'_>, request: &mut Request<'a>) -> Result<(), DecodeError> {
    let mut fields = match choice {
        Json::Str(word) => {
            request.tool_choice = Some(match &*word {
                "auto" => ToolChoice::Auto,
                "none" => ToolChoice::None,
                // `any` is Anthropic's word for it.
                "required" | "any" => ToolChoice::Required,
                _ => {
                    let reason = "must be 'auto', 'none', 'required' or an object";
                    return Err(DecodeError::value(path, reason));
                }
            });
            return Ok(());
        }
        Json::Object(_) => Fields::of(choice.clone(), path)?,
        other => return Err(DecodeError::wrong(path, "a string or an object", &other)),
    };
    match &*fields.required_text("type")? {
        "function" | "custom" => {
            let name = match fields.take("function") {
                Some(inner) => Fields::of(inner, &path.key("function"))?.required_text("name")?,
                None => fields.required_text("name")?,
            };
            request.tool_choice = Some(ToolChoice::Named(name));
            leave(fields, &mut request.lost);
        }
        "allowed_tools" => allowed(&mut fields, path, request)?,
        // One of the tools the provider runs.
        _ => request.aside.push((Cow::Borrowed("tool_choice"), choice)),
    }
    Ok(())
}

/// `allowed_tools`: with `required` a choice; with `auto` it is the same as if the other tools were not there.
fn allowed<'a>(
    fields: &mut Fields<'a, '_>,
    path: &Path<'_>,
    request: &mut Request<'a>,
) -> Result<(), DecodeError> {
    let mode = fields.required_text("mode")?;
    let list = path.key("tools");
    let mut names: Vec<Text<'a>> = Vec::new();
    let mut native: Vec<String> = Vec::new();
    for (at, tool) in fields.list("tools")?.into_iter().enumerate() {
        let path = list.index(at);
        let text = json_text(&tool);
        let mut tool = Fields::of(tool, &path)?;
        match &*tool.required_text("type")? {
            "function" | "custom" => names.push(tool.required_text("name")?),
            kind => native.push(if kind == "mcp" { text } else { kind.to_owned() }),
        }
    }
    match &*mode {
        "required" if native.is_empty() => request.tool_choice = Some(ToolChoice::Among(names)),
        "auto" | "required" => {
            let required = mode == "required";
            request.tool_choice = Some(if required { ToolChoice::Required } else { ToolChoice::Auto });
            let names: HashSet<Text<'_>> = names.into_iter().collect();
            request.tools.retain(|tool| match tool {
                Tool::Function(function) => names.contains(&function.name),
                Tool::Native(tool) => is_allowed(tool, &native),
            });
        }
        _ => return Err(DecodeError::value(&path.key("mode"), "must be 'auto' or 'required'")),
    }
    Ok(())
}

/// Whether a hosted tool is among those named by their type, or by label where one type stands for several.
fn is_allowed(tool: &Json<'_>, native: &[String]) -> bool {
    let kind = tool.get("type").as_str().unwrap_or_default();
    let label = tool.get("server_label").as_str().unwrap_or_default();
    native.iter().any(|allowed| {
        allowed == kind
            || kind == "mcp"
                && serde_json::from_str::<Json<'_>>(allowed)
                    .is_ok_and(|allowed| allowed.get("server_label").as_str() == Some(label))
    })
}
