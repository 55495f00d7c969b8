//! Reading a client's request.

use super::super::fields::{Fields, Path, text};
use super::super::request::{Json, Output, Reasoning, Request, Text};
use super::super::{DecodeError, parse};
use super::{below, is_empty, leftovers, lose, read_messages, read_tools};

pub(crate) fn read_request(body: &[u8]) -> Result<Request<'_>, DecodeError> {
    let mut fields = Fields::of(parse(body)?, &Path::Root)?;
    let mut request = Request { model: fields.text("model")?.unwrap_or_default(), ..Request::default() };
    read_messages::read(&mut fields, &mut request)?;
    read_tools::read(&mut fields, &mut request)?;
    sampling(&mut fields, &mut request)?;
    request.reasoning = reasoning(&mut fields, &mut request.lost)?;
    request.output = output(&mut fields, &mut request.lost)?;
    request.verbosity = fields.text("verbosity")?;
    request.user = user(&mut fields, &mut request.lost)?;
    request.stream = fields.boolean("stream")?.unwrap_or_default();
    // Streams always carry figures on our side; whether the client sees them is decided where it is answered.
    drop(fields.take("stream_options"));
    request.aside = fields.rest().filter(|(name, value)| !is_default(name, value)).collect();
    Ok(request)
}

fn sampling<'a>(fields: &mut Fields<'a, '_>, request: &mut Request<'a>) -> Result<(), DecodeError> {
    // `max_tokens` is the older name; where both are given, the newer one counts.
    let older = fields.whole("max_tokens")?;
    request.max_output_tokens = fields.whole("max_completion_tokens")?.or(older);
    request.temperature = fields.number("temperature")?;
    request.top_p = fields.number("top_p")?;
    request.top_k = fields.whole("top_k")?;
    request.frequency_penalty = fields.number("frequency_penalty")?;
    request.presence_penalty = fields.number("presence_penalty")?;
    request.seed = seed(fields)?;
    request.candidates = fields.whole("n")?;
    request.stop = stop(fields)?;
    Ok(())
}

fn seed(fields: &mut Fields<'_, '_>) -> Result<Option<i64>, DecodeError> {
    let Some(value) = fields.take("seed") else { return Ok(None) };
    let float = value.as_f64().filter(|number| number.fract() == 0.0 && number.abs() <= 9e15);
    #[expect(clippy::cast_possible_truncation, reason = "a whole number of at most 9e15")]
    let seed = value.as_i64().or_else(|| float.map(|number| number as i64));
    let wrong = || DecodeError::wrong(&fields.path().key("seed"), "a whole number", &value);
    seed.map(Some).ok_or_else(wrong)
}

fn stop<'a>(fields: &mut Fields<'a, '_>) -> Result<Vec<Text<'a>>, DecodeError> {
    let path = fields.path().key("stop");
    match fields.take("stop") {
        None => Ok(Vec::new()),
        Some(Json::Str(one)) => Ok(vec![one]),
        Some(Json::Array(items)) => {
            items.into_iter().enumerate().map(|(at, item)| text(item, &path.index(at))).collect()
        }
        Some(other) => Err(DecodeError::wrong(&path, "a string or an array of strings", &other)),
    }
}

/// All spellings: `reasoning_effort` (OpenAI), `reasoning` and `include_reasoning` (OpenRouter), `thinking`
/// (DeepSeek, Z.ai, Moonshot).
fn reasoning<'a>(
    fields: &mut Fields<'a, '_>,
    lost: &mut Vec<String>,
) -> Result<Option<Reasoning<'a>>, DecodeError> {
    let mut reasoning = Reasoning::default();
    let path = fields.path().key("reasoning");
    if let Some(value) = fields.take("reasoning") {
        let mut inner = Fields::of(value, &path)?;
        reasoning.enabled = inner.boolean("enabled")?;
        reasoning.effort = inner.text("effort")?;
        reasoning.budget = inner.whole("max_tokens")?;
        reasoning.show = inner.boolean("exclude")?.map(|exclude| !exclude);
        reasoning.summary = inner.text("summary")?;
        leftovers(inner, lost);
    }
    if let Some(effort) = fields.text("reasoning_effort")? {
        reasoning.effort = Some(effort);
    }
    if let Some(show) = fields.boolean("include_reasoning")? {
        reasoning.show.get_or_insert(show);
    }
    let path = fields.path().key("thinking");
    if let Some(value) = fields.take("thinking") {
        let mut inner = Fields::of(value, &path)?;
        match inner.text("type")?.as_deref() {
            Some("enabled") => reasoning.enabled = Some(true),
            Some("disabled") => reasoning.enabled = Some(false),
            Some("adaptive" | "auto") => reasoning.adaptive = true,
            Some(_) => lose(lost, below(&path, "type")),
            None => {}
        }
        reasoning.budget = inner.whole("budget_tokens")?.or(reasoning.budget);
        leftovers(inner, lost);
    }
    if reasoning.effort.as_deref() == Some("none") {
        reasoning.enabled = Some(false);
    }
    Ok((reasoning != Reasoning::default()).then_some(reasoning))
}

fn output<'a>(fields: &mut Fields<'a, '_>, lost: &mut Vec<String>) -> Result<Output<'a>, DecodeError> {
    let path = fields.path().key("response_format");
    let Some(value) = fields.take("response_format") else { return Ok(Output::Text) };
    let mut format = Fields::of(value, &path)?;
    let output = match &*format.required_text("type")? {
        "text" => Output::Text,
        "json_object" => Output::Json,
        "json_schema" => {
            let inner = path.key("json_schema");
            let value = format.take("json_schema").ok_or_else(|| DecodeError::missing(&inner))?;
            let mut schema = Fields::of(value, &inner)?;
            let output = Output::Schema {
                name: schema.text("name")?,
                description: schema.text("description")?,
                strict: schema.boolean("strict")?,
                schema: match schema.take("schema") {
                    Some(value @ Json::Object(_)) => value,
                    Some(other) => {
                        return Err(DecodeError::wrong(&inner.key("schema"), "an object", &other));
                    }
                    None => return Err(DecodeError::missing(&inner.key("schema"))),
                },
            };
            leftovers(schema, lost);
            output
        }
        _ => {
            let reason = "must be 'text', 'json_object' or 'json_schema'";
            return Err(DecodeError::value(&path.key("type"), reason));
        }
    };
    leftovers(format, lost);
    Ok(output)
}

/// `safety_identifier` is what OpenAI made of `user` in 2025; it counts where both are given.
fn user<'a>(fields: &mut Fields<'a, '_>, lost: &mut Vec<String>) -> Result<Option<Text<'a>>, DecodeError> {
    let older = fields.text("user")?;
    let newer = fields.text("safety_identifier")?;
    if let (Some(older), Some(newer)) = (&older, &newer)
        && older != newer
    {
        lose(lost, "user");
    }
    Ok(newer.or(older))
}

/// Whether a field says nothing but what is so without it.
fn is_default(name: &str, value: &Json<'_>) -> bool {
    match (name, value) {
        ("logprobs", Json::Bool(false)) => true,
        // Empty, it asks for a search.
        ("web_search_options", _) => false,
        ("modalities", Json::Array(items)) => matches!(&**items, [Json::Str(one)] if one == "text"),
        (_, value) => is_empty(value),
    }
}
