//! Reading a client's request.

use super::super::error::DecodeError;
use super::super::fields::{Fields, Path, text};
use super::super::parse;
use super::super::request::{Json, Output, Reasoning, Request, Role, Text, Turn};
use super::read_blocks::{Reader, harmless};
use super::{thinking, tools};

/// Reads a body of `/v1/messages`, or of `count_tokens`, which has no `max_tokens`.
pub(in super::super) fn read_request(body: &[u8]) -> Result<Request<'_>, DecodeError> {
    let root = Path::Root;
    let mut fields = Fields::of(parse(body)?, &root)?;
    let mut reader = Reader::default();
    // The gateway knows it already, and may have it from elsewhere: from `models`, from a rule.
    let mut request = Request { model: fields.text("model")?.unwrap_or_default(), ..Request::default() };
    if let Some(system) = fields.take("system") {
        request.system = reader.content(system, &root.key("system"))?;
    }
    request.turns = read_turns(&mut fields, &mut reader)?;
    tools::read(&mut fields, &mut reader, &mut request)?;
    request.max_output_tokens = fields.whole("max_tokens")?;
    request.temperature = fields.number("temperature")?;
    request.top_p = fields.number("top_p")?;
    request.top_k = fields.whole("top_k")?;
    request.stream = fields.boolean("stream")?.unwrap_or_default();
    request.stop = read_stop(&mut fields)?;
    read_output(&mut fields, &mut reader, &mut request)?;
    if let Some(asked) = fields.take("thinking") {
        let reasoning = request.reasoning.get_or_insert_default();
        thinking::read(asked, &root.key("thinking"), &mut reader, reasoning)?;
    }
    if let Some(metadata) = fields.take("metadata") {
        let path = root.key("metadata");
        let mut metadata = Fields::of(metadata, &path)?;
        request.user = metadata.text("user_id")?;
        reader.leave(metadata);
    }
    request.aside = fields.rest().filter(|(_, value)| !harmless(value)).collect();
    request.lost = reader.lost;
    Ok(request)
}

fn read_turns<'a>(
    fields: &mut Fields<'a, '_>,
    reader: &mut Reader<'a>,
) -> Result<Vec<Turn<'a>>, DecodeError> {
    let root = Path::Root;
    let path = root.key("messages");
    let messages = match fields.take("messages") {
        Some(Json::Array(messages)) => messages,
        Some(other) => return Err(DecodeError::wrong(&path, "an array", &other)),
        None => return Err(DecodeError::missing(&path)),
    };
    let mut turns = Vec::with_capacity(messages.len());
    for (at, message) in messages.into_iter().enumerate() {
        let path = path.index(at);
        let mut message = Fields::of(message, &path)?;
        let role = match &*message.required_text("role")? {
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "system" | "developer" => Role::System,
            _ => {
                return Err(DecodeError::value(&path.key("role"), "must be 'user', 'assistant' or 'system'"));
            }
        };
        let content = path.key("content");
        let parts = match message.take("content") {
            Some(value) => reader.content(value, &content)?,
            None => return Err(DecodeError::missing(&content)),
        };
        reader.leave(message);
        if std::mem::take(&mut reader.compacted) {
            // The API ignores what stands before a summary of it.
            turns.clear();
        }
        turns.push(Turn { role, parts, name: None });
    }
    Ok(turns)
}

fn read_stop<'a>(fields: &mut Fields<'a, '_>) -> Result<Vec<Text<'a>>, DecodeError> {
    let root = Path::Root;
    let path = root.key("stop_sequences");
    let items = fields.list("stop_sequences")?;
    items.into_iter().enumerate().map(|(at, item)| text(item, &path.index(at))).collect()
}

/// `output_config`, and `output_format` as the beta `structured-outputs-2025-11-13` had it.
fn read_output<'a>(
    fields: &mut Fields<'a, '_>,
    reader: &mut Reader<'a>,
    request: &mut Request<'a>,
) -> Result<(), DecodeError> {
    let root = Path::Root;
    if let Some(format) = fields.take("output_format") {
        request.output = read_format(format, &root.key("output_format"), reader)?;
    }
    let Some(config) = fields.take("output_config") else { return Ok(()) };
    let path = root.key("output_config");
    let mut config = Fields::of(config, &path)?;
    if let Some(effort) = config.text("effort")? {
        request.reasoning = Some(Reasoning { effort: Some(effort), ..Reasoning::default() });
    }
    if let Some(format) = config.take("format") {
        request.output = read_format(format, &path.key("format"), reader)?;
    }
    reader.leave(config);
    Ok(())
}

fn read_format<'a>(
    format: Json<'a>,
    path: &Path<'_>,
    reader: &mut Reader<'a>,
) -> Result<Output<'a>, DecodeError> {
    let mut format = Fields::of(format, path)?;
    if format.required_text("type")? != "json_schema" {
        return Err(DecodeError::value(&path.key("type"), "must be 'json_schema'"));
    }
    let schema = match format.take("schema") {
        Some(schema @ Json::Object(_)) => schema,
        Some(other) => return Err(DecodeError::wrong(&path.key("schema"), "an object", &other)),
        None => return Err(DecodeError::missing(&path.key("schema"))),
    };
    reader.leave(format);
    Ok(Output::Schema { name: None, description: None, schema, strict: None })
}
