//! Requests of clients.

use super::super::error::DecodeError;
use super::super::fields::{Fields, Path};
use super::super::parse;
use super::super::request::{Json, Output, Part, Reasoning, Request, Role, Text, Turn};
use super::input::Items;
use super::{leave, tools};
use std::borrow::Cow;

/// Fields that refer to something their issuer keeps.
const BOUND: [&str; 3] = ["previous_response_id", "conversation", "prompt"];

pub(in super::super) fn read_request(body: &[u8]) -> Result<Request<'_>, DecodeError> {
    let root = Path::Root;
    let mut fields = Fields::of(parse(body)?, &root)?;
    let mut request = Request { model: fields.text("model")?.unwrap_or_default(), ..Request::default() };
    if let Some(text) = fields.text("instructions")?.filter(|text| !text.is_empty()) {
        request.system.push(Part::text(text));
    }
    bound(&mut fields, &mut request)?;
    sampling(&mut fields, &mut request)?;
    if let Some(reasoning) = fields.take("reasoning") {
        request.reasoning = Some(read_reasoning(reasoning, &root.key("reasoning"), &mut request.lost)?);
    }
    if let Some(text) = fields.take("text") {
        read_text(text, &root.key("text"), &mut request)?;
    }
    tools::read(&mut fields, &mut request)?;
    input(&mut fields, &mut request)?;
    request.aside.extend(fields.rest());
    Ok(request)
}

/// What ties the request to who stored something for it. It stays beside, for its own dialect.
fn bound<'a>(fields: &mut Fields<'a, '_>, request: &mut Request<'a>) -> Result<(), DecodeError> {
    for name in BOUND {
        if let Some(value) = fields.take(name) {
            request.bound.push(name.to_owned());
            request.aside.push((Cow::Borrowed(name), value));
        }
    }
    if fields.boolean("background")? == Some(true) {
        request.bound.push("background".to_owned());
        request.aside.push((Cow::Borrowed("background"), Json::Bool(true)));
    }
    Ok(())
}

fn sampling<'a>(fields: &mut Fields<'a, '_>, request: &mut Request<'a>) -> Result<(), DecodeError> {
    request.stream = fields.boolean("stream")?.unwrap_or_default();
    request.parallel_tool_calls = fields.boolean("parallel_tool_calls")?;
    // The names of chat completions, which many clients keep.
    for name in ["max_output_tokens", "max_completion_tokens", "max_tokens"] {
        let limit = fields.whole(name)?;
        request.max_output_tokens = request.max_output_tokens.or(limit);
    }
    request.temperature = fields.number("temperature")?;
    request.top_p = fields.number("top_p")?;
    // Not OpenAI's own, but other providers of this API take them.
    request.top_k = fields.whole("top_k")?;
    request.frequency_penalty = fields.number("frequency_penalty")?;
    request.presence_penalty = fields.number("presence_penalty")?;
    let safety_identifier = fields.text("safety_identifier")?;
    match (fields.text("user")?, safety_identifier) {
        (Some(user), Some(id)) => {
            request.user = Some(user);
            request.aside.push((Cow::Borrowed("safety_identifier"), Json::Str(id)));
        }
        (user, id) => request.user = user.or(id),
    }
    // What is the default anyway says nothing.
    let truncation = fields.text("truncation")?;
    if let Some(other) = truncation.filter(|truncation| truncation != "disabled") {
        request.aside.push((Cow::Borrowed("truncation"), Json::Str(other)));
    }
    if let Some(options) = fields.take("stream_options") {
        // Not the field of that name in chat completions.
        let root = Path::Root;
        leave(Fields::of(options, &root.key("stream_options"))?, &mut request.lost);
    }
    Ok(())
}

fn read_reasoning<'a>(
    value: Json<'a>,
    path: &Path<'_>,
    lost: &mut Vec<String>,
) -> Result<Reasoning<'a>, DecodeError> {
    let mut fields = Fields::of(value, path)?;
    let effort = fields.text("effort")?;
    // `generate_summary` is the older name.
    let (summary, older) = (fields.text("summary")?, fields.text("generate_summary")?);
    let summary = summary.or(older);
    // OpenRouter's members.
    let (enabled, budget) = (fields.boolean("enabled")?, fields.whole("max_tokens")?);
    let exclude = fields.boolean("exclude")?;
    leave(fields, lost);
    let none = effort.as_deref() == Some("none");
    Ok(Reasoning {
        enabled: if none { Some(false) } else { enabled },
        show: exclude.map(|exclude| !exclude).or(summary.as_ref().map(|_| true)),
        effort,
        budget,
        summary,
        adaptive: false,
    })
}

/// `text`: the form of the answer, and how long it is to be.
fn read_text<'a>(value: Json<'a>, path: &Path<'_>, request: &mut Request<'a>) -> Result<(), DecodeError> {
    let mut fields = Fields::of(value, path)?;
    request.verbosity = fields.text("verbosity")?;
    if let Some(format) = fields.take("format") {
        request.output = read_format(format, &path.key("format"), &mut request.lost)?;
    }
    leave(fields, &mut request.lost);
    Ok(())
}

fn read_format<'a>(
    value: Json<'a>,
    path: &Path<'_>,
    lost: &mut Vec<String>,
) -> Result<Output<'a>, DecodeError> {
    let mut fields = Fields::of(value, path)?;
    let kind = fields.required_text("type")?;
    let output = match &*kind {
        "text" => Output::Text,
        "json_object" => Output::Json,
        "json_schema" => {
            let (name, description) = (fields.text("name")?, fields.text("description")?);
            let strict = fields.boolean("strict")?;
            let schema = fields.take("schema").ok_or_else(|| DecodeError::missing(&path.key("schema")))?;
            if !schema.is_object() {
                return Err(DecodeError::wrong(&path.key("schema"), "an object", &schema));
            }
            Output::Schema { name, description, schema, strict }
        }
        _ => {
            let reason = "must be 'text', 'json_object' or 'json_schema'";
            return Err(DecodeError::value(&path.key("type"), reason));
        }
    };
    leave(fields, lost);
    Ok(output)
}

/// `input`, or `messages`, which some gateways' documentation shows.
fn input<'a>(fields: &mut Fields<'a, '_>, request: &mut Request<'a>) -> Result<(), DecodeError> {
    let root = Path::Root;
    let (name, value) = match fields.take("input") {
        Some(value) => ("input", value),
        None => match fields.take("messages") {
            Some(value) => ("messages", value),
            // The rest of the conversation may be kept by the provider.
            None if request.bound.iter().any(|name| BOUND.contains(&name.as_str())) => return Ok(()),
            None => return Err(DecodeError::missing(&root.key("input"))),
        },
    };
    match value {
        Json::Str(text) => request.turns.push(user(text)),
        Json::Array(items) => {
            let list = root.key(name);
            let mut reader = Items::new(request);
            for (at, item) in items.into_iter().enumerate() {
                reader.read(item, &list.index(at))?;
            }
        }
        other => return Err(DecodeError::wrong(&root.key(name), "a string or an array", &other)),
    }
    Ok(())
}

fn user(text: Text<'_>) -> Turn<'_> {
    Turn { role: Role::User, parts: vec![Part::text(text)], name: None }
}
