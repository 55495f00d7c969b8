//! A request of a client that speaks Converse.

use super::blocks::{self, Whose};
use crate::translate::DecodeError;
use crate::translate::fields::{Fields, Path, text};
use crate::translate::request::{
    Function, Json, Output, Part, Reasoning, Request, Role, Tool, ToolChoice, Turn,
};
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::HashMap;

pub(in crate::translate) fn read_request(body: &[u8]) -> Result<Request<'_>, DecodeError> {
    let root = Path::Root;
    let mut fields = Fields::of(crate::translate::parse(body)?, &root)?;
    let mut request = Request::default();
    let path = root.key("system");
    request.system = blocks::read(fields.list("system")?, &path, Whose::Client, &mut request.lost)?;
    read_turns(&mut fields, &mut request)?;
    if let Some(config) = fields.take("inferenceConfig") {
        let path = root.key("inferenceConfig");
        let mut fields = Fields::of(config, &path)?;
        request.max_output_tokens = fields.whole("maxTokens")?;
        request.temperature = fields.number("temperature")?;
        request.top_p = fields.number("topP")?;
        let list = path.key("stopSequences");
        for (at, stop) in fields.list("stopSequences")?.into_iter().enumerate() {
            request.stop.push(text(stop, &list.index(at))?);
        }
        request.lost.extend(fields.rest().map(|(name, _)| path.key(&name).to_string()));
    }
    if let Some(config) = fields.take("toolConfig") {
        read_tools(config, &root.key("toolConfig"), &mut request)?;
    }
    let effort = match fields.take("outputConfig") {
        Some(config) => read_output(config, &root.key("outputConfig"), &mut request)?,
        None => None,
    };
    if let Some(own) = fields.take("additionalModelRequestFields") {
        read_own(own, &root.key("additionalModelRequestFields"), &mut request)?;
    }
    if let Some(effort) = effort {
        request.reasoning.get_or_insert_default().effort = Some(effort);
    }
    request.aside.extend(fields.rest());
    Ok(request)
}

fn read_turns<'a>(fields: &mut Fields<'a, '_>, request: &mut Request<'a>) -> Result<(), DecodeError> {
    let list = fields.path().key("messages");
    for (at, message) in fields.list("messages")?.into_iter().enumerate() {
        let path = list.index(at);
        let mut fields = Fields::of(message, &path)?;
        let role = match &*fields.required_text("role")? {
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "system" => Role::System,
            _ => return Err(DecodeError::value(&path.key("role"), "must be user, assistant or system")),
        };
        let content = fields.list("content")?;
        let parts = blocks::read(content, &path.key("content"), Whose::Client, &mut request.lost)?;
        request.lost.extend(fields.rest().map(|(name, _)| path.key(&name).to_string()));
        request.turns.push(Turn { role, parts, name: None });
    }
    name_results(&mut request.turns);
    Ok(())
}

/// Results say which call they answer, calls say the function's name.
fn name_results(turns: &mut [Turn<'_>]) {
    let mut names = HashMap::new();
    for part in turns.iter_mut().flat_map(|turn| &mut turn.parts) {
        match part {
            Part::ToolCall(call) => {
                names.insert(call.id.clone(), call.name.clone());
            }
            Part::ToolResult(result) => {
                result.name = names.get(&result.id).cloned();
            }
            _ => {}
        }
    }
}

fn read_tools<'a>(config: Json<'a>, path: &Path<'_>, request: &mut Request<'a>) -> Result<(), DecodeError> {
    let mut fields = Fields::of(config, path)?;
    let list = path.key("tools");
    for (at, tool) in fields.list("tools")?.into_iter().enumerate() {
        let path = list.index(at);
        let native = tool.as_object().is_some_and(|tool| tool.contains_key("systemTool"));
        if native {
            request.tools.push(Tool::Native(tool));
            continue;
        }
        let mut fields = Fields::of(tool, &path)?;
        if let Some(point) = fields.take("cachePoint") {
            let cache = blocks::cache_point(point, &path.key("cachePoint"))?;
            match request.tools.last_mut() {
                Some(Tool::Function(function)) => function.cache = Some(cache),
                _ => request.lost.push(path.key("cachePoint").to_string()),
            }
        } else if let Some(spec) = fields.take("toolSpec") {
            request.tools.push(Tool::Function(read_function(
                spec,
                &path.key("toolSpec"),
                &mut request.lost,
            )?));
        } else {
            return Err(DecodeError::value(&path, "must have one of toolSpec, systemTool, cachePoint"));
        }
    }
    if let Some(choice) = fields.take("toolChoice") {
        let path = path.key("toolChoice");
        let mut fields = Fields::of(choice, &path)?;
        request.tool_choice = Some(if fields.take("auto").is_some() {
            ToolChoice::Auto
        } else if fields.take("any").is_some() {
            ToolChoice::Required
        } else if let Some(tool) = fields.take("tool") {
            ToolChoice::Named(Fields::of(tool, &path.key("tool"))?.required_text("name")?)
        } else {
            return Err(DecodeError::value(&path, "must have one of auto, any, tool"));
        });
    }
    Ok(())
}

fn read_function<'a>(
    spec: Json<'a>,
    path: &Path<'_>,
    lost: &mut Vec<String>,
) -> Result<Function<'a>, DecodeError> {
    let mut fields = Fields::of(spec, path)?;
    let name = fields.required_text("name")?;
    let description = fields.text("description")?;
    let strict = fields.boolean("strict")?;
    let schema_path = path.key("inputSchema");
    let parameters = match fields.take("inputSchema") {
        Some(schema) => Fields::of(schema, &schema_path)?.take("json"),
        None => return Err(DecodeError::missing(&schema_path)),
    };
    lost.extend(fields.rest().map(|(name, _)| path.key(&name).to_string()));
    Ok(Function { name, description, parameters, strict, cache: None })
}

/// The form of the answer; gives the effort, which stands beside it.
fn read_output<'a>(
    config: Json<'a>,
    path: &Path<'_>,
    request: &mut Request<'a>,
) -> Result<Option<Cow<'a, str>>, DecodeError> {
    let mut fields = Fields::of(config, path)?;
    let effort = fields.text("effort")?;
    let Some(format) = fields.take("textFormat") else { return Ok(effort) };
    let path = path.key("textFormat");
    let mut fields = Fields::of(format, &path)?;
    let structure_path = path.key("structure");
    let structure = fields.take("structure").ok_or_else(|| DecodeError::missing(&structure_path))?;
    let mut fields = Fields::of(structure, &structure_path)?;
    let path = structure_path.key("jsonSchema");
    let definition = fields.take("jsonSchema").ok_or_else(|| DecodeError::missing(&path))?;
    let mut fields = Fields::of(definition, &path)?;
    let (name, description) = (fields.text("name")?, fields.text("description")?);
    let schema = fields.required_text("schema")?;
    let schema = own_json(&schema)
        .ok_or_else(|| DecodeError::value(&path.key("schema"), "must be a text that is JSON"))?;
    request.output = Output::Schema { name, description, schema, strict: None };
    Ok(effort)
}

/// What goes beyond Converse: Claude's own fields that every dialect has, the rest as it is.
fn read_own<'a>(own: Json<'a>, path: &Path<'_>, request: &mut Request<'a>) -> Result<(), DecodeError> {
    let mut fields = Fields::of(own, path)?;
    request.top_k = fields.whole("top_k")?;
    if let Some(thinking) = fields.take("thinking") {
        let path = path.key("thinking");
        let mut fields = Fields::of(thinking, &path)?;
        let kind = fields.required_text("type")?;
        let show = fields.text("display")?.map(|display| display != "omitted");
        request.reasoning = Some(Reasoning {
            enabled: Some(kind != "disabled"),
            budget: fields.whole("budget_tokens")?,
            adaptive: kind == "adaptive",
            show,
            ..Reasoning::default()
        });
    }
    let rest: Vec<_> = fields.rest().collect();
    if !rest.is_empty() {
        let rest: serde_json::Map<_, _> =
            rest.into_iter().map(|(name, value)| (name.into_owned(), value.into())).collect();
        match Json::deserialize(serde_json::Value::Object(rest)) {
            Ok(rest) => request.aside.push((Cow::Borrowed("additionalModelRequestFields"), rest)),
            Err(_) => request.lost.push(path.to_string()),
        }
    }
    Ok(())
}

/// JSON that stands in a text. The tree cannot borrow from that text, so all of it is owned.
fn own_json(text: &str) -> Option<Json<'static>> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    Json::deserialize(value).ok()
}
