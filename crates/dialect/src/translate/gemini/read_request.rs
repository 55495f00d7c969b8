//! Reading a client's request.

use super::super::error::DecodeError;
use super::super::fields::{self, Fields, Path};
use super::super::parse;
use super::super::request::{
    Function, Json, Output, Part, Reasoning, Request, Role, Text, Tool, ToolChoice, Turn,
};
use super::parts::PartReader;
use super::{either, schema};
use std::borrow::Cow;

/// What may stand in `thinkingLevel`.
const LEVELS: [&str; 4] = ["minimal", "low", "medium", "high"];

pub(in super::super) fn read_request(body: &[u8]) -> Result<Request<'_>, DecodeError> {
    let root = Path::Root;
    let mut fields = Fields::of(parse(body)?, &root)?;
    let mut reader = PartReader::request();
    let mut request = Request::default();
    if let Some(model) = fields.text("model")? {
        request.model = fields::owned(model.strip_prefix("models/").unwrap_or(&model));
    }
    let name = either(&fields, "systemInstruction", "system_instruction");
    if let Some(value) = fields.take(name) {
        request.system = content(value, &root.key(name), &mut reader)?.1;
    }
    let contents = fields.take("contents").ok_or_else(|| DecodeError::missing(&root.key("contents")))?;
    each(contents, &root.key("contents"), |value, path| {
        let (role, parts) = content(value, path, &mut reader)?;
        if !parts.is_empty() {
            add_turn(&mut request.turns, role, parts);
        }
        Ok(())
    })?;
    if let Some(value) = fields.take("tools") {
        each(value, &root.key("tools"), |value, path| tools(value, path, &mut reader, &mut request.tools))?;
    }
    let name = either(&fields, "toolConfig", "tool_config");
    if let Some(value) = fields.take(name) {
        tool_config(value, &root.key(name), &mut reader, &mut request)?;
    }
    let name = either(&fields, "generationConfig", "generation_config");
    if let Some(value) = fields.take(name) {
        generation_config(value, &root.key(name), &mut reader, &mut request)?;
    }
    request.aside.extend(fields.rest());
    request.lost = reader.lost;
    Ok(request)
}

/// Adds a turn. The SDKs send a streamed answer back chunk by chunk, each as a content of its own: neighbours of the
/// model are one turn, and a thought in pieces is one thought, signed by whichever piece has the signature.
fn add_turn<'a>(turns: &mut Vec<Turn<'a>>, role: Role, parts: Vec<Part<'a>>) {
    let mut joined = match turns.last_mut().filter(|last| role == Role::Assistant && last.role == role) {
        Some(last) => std::mem::take(&mut last.parts),
        None => {
            turns.push(Turn { role, parts: Vec::new(), name: None });
            Vec::new()
        }
    };
    for part in parts {
        match (joined.last_mut(), part) {
            (Some(Part::Reasoning(open)), Part::Reasoning(next))
                if open.state.is_none() && open.id.is_none() =>
            {
                open.text.to_mut().push_str(&next.text);
                open.state = next.state;
            }
            (_, part) => joined.push(part),
        }
    }
    if let Some(last) = turns.last_mut() {
        last.parts = joined;
    }
}

/// The items of a list; Google takes a single object for one.
fn each<'a>(
    value: Json<'a>,
    path: &Path<'_>,
    mut read: impl FnMut(Json<'a>, &Path<'_>) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    match value {
        Json::Array(items) => {
            items.into_iter().enumerate().try_for_each(|(at, item)| read(item, &path.index(at)))
        }
        one @ (Json::Object(_) | Json::Str(_)) => read(one, path),
        other => Err(DecodeError::wrong(path, "an array", &other)),
    }
}

/// A `Content`: who speaks, and what.
fn content<'a>(
    value: Json<'a>,
    path: &Path<'_>,
    reader: &mut PartReader<'a>,
) -> Result<(Role, Vec<Part<'a>>), DecodeError> {
    let mut parts = Vec::new();
    if let Json::Str(_) = value {
        reader.read(value, path, &mut parts)?;
        return Ok((Role::User, parts));
    }
    let mut fields = Fields::of(value, path)?;
    let role = match fields.text("role")?.as_deref() {
        // `function` is what older SDKs call the turn with the results of functions.
        None | Some("" | "user" | "function") => Role::User,
        Some("model") => Role::Assistant,
        // Google reads no role in a system instruction; some SDKs write this one.
        Some("system") if !matches!(path, Path::Index(..)) => Role::System,
        Some(_) => return Err(DecodeError::value(&path.key("role"), "must be \"user\" or \"model\"")),
    };
    if let Some(list) = fields.take("parts") {
        each(list, &path.key("parts"), |value, path| reader.read(value, path, &mut parts))?;
    }
    reader.leave(fields);
    Ok((role, parts))
}

/// One `Tool`: its functions, and each tool that Google runs itself as an object of its own.
fn tools<'a>(
    value: Json<'a>,
    path: &Path<'_>,
    reader: &mut PartReader<'a>,
    tools: &mut Vec<Tool<'a>>,
) -> Result<(), DecodeError> {
    let mut fields = Fields::of(value, path)?;
    let name = either(&fields, "functionDeclarations", "function_declarations");
    if let Some(list) = fields.take(name) {
        each(list, &path.key(name), |value, path| {
            tools.push(Tool::Function(function(value, path, reader)?));
            Ok(())
        })?;
    }
    for (name, value) in fields.rest() {
        match native(&name) {
            Some(native) => tools.push(Tool::Native(Json::Object([(native, value)].into_iter().collect()))),
            None => reader.lost.push(path.key(&name).to_string()),
        }
    }
    Ok(())
}

/// The name of a tool that Google runs itself, in camel case.
fn native(name: &str) -> Option<&'static str> {
    Some(match name {
        "googleSearch" | "google_search" => "googleSearch",
        "googleSearchRetrieval" | "google_search_retrieval" => "googleSearchRetrieval",
        "codeExecution" | "code_execution" => "codeExecution",
        "urlContext" | "url_context" => "urlContext",
        "googleMaps" | "google_maps" => "googleMaps",
        "fileSearch" | "file_search" => "fileSearch",
        "computerUse" | "computer_use" => "computerUse",
        "mcpServers" | "mcp_servers" => "mcpServers",
        "retrieval" => "retrieval",
        "enterpriseWebSearch" | "enterprise_web_search" => "enterpriseWebSearch",
        "parallelAiSearch" | "parallel_ai_search" => "parallelAiSearch",
        "exaAiSearch" | "exa_ai_search" => "exaAiSearch",
        _ => return None,
    })
}

fn function<'a>(
    value: Json<'a>,
    path: &Path<'_>,
    reader: &mut PartReader<'a>,
) -> Result<Function<'a>, DecodeError> {
    let mut fields = Fields::of(value, path)?;
    let name = fields.required_text("name")?;
    let description = fields.text("description")?;
    let openapi = fields.take("parameters");
    let json = fields.take(either(&fields, "parametersJsonSchema", "parameters_json_schema"));
    let parameters = json.or_else(|| openapi.as_ref().map(schema::json_schema));
    reader.leave(fields);
    Ok(Function { name, description, parameters, ..Function::default() })
}

fn tool_config<'a>(
    value: Json<'a>,
    path: &Path<'_>,
    reader: &mut PartReader<'a>,
    request: &mut Request<'a>,
) -> Result<(), DecodeError> {
    let mut fields = Fields::of(value, path)?;
    let name = either(&fields, "functionCallingConfig", "function_calling_config");
    if let Some(value) = fields.take(name) {
        let path = path.key(name);
        let mut config = Fields::of(value, &path)?;
        let name = either(&config, "allowedFunctionNames", "allowed_function_names");
        let list = path.key(name);
        let allowed: Vec<Text<'a>> = config
            .list(name)?
            .into_iter()
            .enumerate()
            .map(|(at, item)| fields::text(item, &list.index(at)))
            .collect::<Result<_, _>>()?;
        let mode = config.text("mode")?.unwrap_or_default().to_ascii_uppercase();
        request.tool_choice = match (&*mode, allowed.len()) {
            ("" | "MODE_UNSPECIFIED", _) => None,
            ("AUTO", _) => Some(ToolChoice::Auto),
            ("NONE", _) => Some(ToolChoice::None),
            ("ANY", 0) => Some(ToolChoice::Required),
            ("ANY", 1) => allowed.first().cloned().map(ToolChoice::Named),
            ("ANY", _) => Some(ToolChoice::Among(allowed.clone())),
            ("VALIDATED", _) => {
                reader.lost.push(path.key("mode").to_string());
                Some(ToolChoice::Auto)
            }
            _ => {
                let reason = "must be \"AUTO\", \"ANY\", \"NONE\" or \"VALIDATED\"";
                return Err(DecodeError::value(&path.key("mode"), reason));
            }
        };
        if mode != "ANY" && !allowed.is_empty() {
            reader.lost.push(list.to_string());
        }
        reader.leave(config);
    }
    aside(fields, request);
    Ok(())
}

/// Members below a known field that have no place in a request: the side-car has them by their path.
fn aside<'a>(fields: Fields<'a, '_>, request: &mut Request<'a>) {
    let path = fields.path();
    let rest = fields.rest().map(|(name, value)| (Cow::Owned(path.key(&name).to_string()), value));
    request.aside.extend(rest);
}

fn generation_config<'a>(
    value: Json<'a>,
    path: &Path<'_>,
    reader: &mut PartReader<'a>,
    request: &mut Request<'a>,
) -> Result<(), DecodeError> {
    let mut fields = Fields::of(value, path)?;
    request.max_output_tokens = fields.whole(either(&fields, "maxOutputTokens", "max_output_tokens"))?;
    request.temperature = fields.number("temperature")?;
    request.top_p = fields.number(either(&fields, "topP", "top_p"))?;
    request.top_k = fields.whole(either(&fields, "topK", "top_k"))?;
    request.candidates = fields.whole(either(&fields, "candidateCount", "candidate_count"))?;
    request.frequency_penalty = fields.number(either(&fields, "frequencyPenalty", "frequency_penalty"))?;
    request.presence_penalty = fields.number(either(&fields, "presencePenalty", "presence_penalty"))?;
    request.seed = integer(&mut fields, "seed")?;
    let name = either(&fields, "stopSequences", "stop_sequences");
    if let Some(value) = fields.take(name) {
        each(value, &path.key(name), |item, path| {
            request.stop.push(fields::text(item, path)?);
            Ok(())
        })?;
    }
    let name = either(&fields, "thinkingConfig", "thinking_config");
    if let Some(value) = fields.take(name) {
        request.reasoning = thinking(value, &path.key(name), reader)?;
    }
    request.output = output(&mut fields, path, reader)?;
    let name = either(&fields, "responseModalities", "response_modalities");
    let modalities = fields.take(name).filter(|value| !only_text(value));
    request.aside.extend(modalities.map(|value| (Cow::Owned(path.key(name).to_string()), value)));
    aside(fields, request);
    Ok(())
}

/// Whether `responseModalities` asks for nothing but what every answer is.
fn only_text(value: &Json<'_>) -> bool {
    let text = |value: &Json<'_>| value.as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("text"));
    value.as_array().is_some_and(|kinds| kinds.iter().all(text))
}

/// A whole number of any sign.
fn integer(fields: &mut Fields<'_, '_>, name: &'static str) -> Result<Option<i64>, DecodeError> {
    let path = fields.path();
    let Some(value) = fields.take(name) else { return Ok(None) };
    let float = value.as_f64().filter(|number| number.fract() == 0.0 && number.abs() <= 9e15);
    #[expect(clippy::cast_possible_truncation, reason = "a whole number below 9e15")]
    let whole = value.as_i64().or_else(|| float.map(|number| number as i64));
    whole.map(Some).ok_or_else(|| DecodeError::wrong(&path.key(name), "a whole number", &value))
}

fn thinking<'a>(
    value: Json<'a>,
    path: &Path<'_>,
    reader: &mut PartReader<'a>,
) -> Result<Option<Reasoning<'a>>, DecodeError> {
    let mut fields = Fields::of(value, path)?;
    let mut reasoning = Reasoning {
        show: fields.boolean(either(&fields, "includeThoughts", "include_thoughts"))?,
        ..Reasoning::default()
    };
    let name = either(&fields, "thinkingBudget", "thinking_budget");
    match integer(&mut fields, name)? {
        None => {}
        Some(0) => reasoning.enabled = Some(false),
        // -1: the model chooses.
        Some(..0) => (reasoning.enabled, reasoning.adaptive) = (Some(true), true),
        Some(budget) => (reasoning.enabled, reasoning.budget) = (Some(true), u64::try_from(budget).ok()),
    }
    let name = either(&fields, "thinkingLevel", "thinking_level");
    if let Some(level) = fields.text(name)? {
        let level = level.to_ascii_lowercase();
        if LEVELS.contains(&&*level) {
            (reasoning.enabled, reasoning.effort) = (Some(true), Some(Cow::Owned(level)));
        } else if level != "thinking_level_unspecified" {
            let reason = "must be \"MINIMAL\", \"LOW\", \"MEDIUM\" or \"HIGH\"";
            return Err(DecodeError::value(&path.key(name), reason));
        }
    }
    reader.leave(fields);
    Ok((reasoning != Reasoning::default()).then_some(reasoning))
}

/// The form of the answer. A schema counts as one also without `responseMimeType`.
fn output<'a>(
    fields: &mut Fields<'a, '_>,
    path: &Path<'_>,
    reader: &mut PartReader<'a>,
) -> Result<Output<'a>, DecodeError> {
    let openapi_name = either(fields, "responseSchema", "response_schema");
    let openapi = fields.take(openapi_name);
    let json = fields.take(either(fields, "responseJsonSchema", "response_json_schema"));
    let json = json.or_else(|| fields.take("_responseJsonSchema"));
    let name = either(fields, "responseMimeType", "response_mime_type");
    let mime = fields.text(name)?;
    match mime.as_deref() {
        None | Some("" | "application/json") => {}
        Some("text/plain") if openapi.is_none() && json.is_none() => {}
        // `text/x.enum`: one word of a list, without quotes. Nobody else has it.
        Some(_) => {
            reader.lost.push(path.key(name).to_string());
            reader.lost.extend(openapi.is_some().then(|| path.key(openapi_name).to_string()));
            return Ok(Output::Text);
        }
    }
    let schema = json.or_else(|| openapi.as_ref().map(schema::json_schema));
    Ok(match (schema, mime.as_deref()) {
        (Some(schema), _) => Output::Schema { name: None, description: None, schema, strict: None },
        (None, Some("application/json")) => Output::Json,
        _ => Output::Text,
    })
}
