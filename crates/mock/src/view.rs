//! What a request asks for, whatever its dialect.

use crate::check::usual_base64;
use crate::script::Surface;
use base64::Engine as _;
use serde_json::{Map, Value, json};

/// A request without its dialect.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    /// The text of the user's last turn that has one.
    pub(crate) prompt: String,
    /// The text of the last turn, whoever's it is.
    pub(crate) last_text: String,
    /// The texts of the tool results that came after the last answer.
    pub(crate) results: Vec<String>,
    pub(crate) tools: Vec<Tool>,
    pub(crate) demand: Demand,
    /// Several calls at once are not wanted.
    pub(crate) one_call: bool,
    /// What structured output must fit.
    pub(crate) schema: Option<Value>,
    /// JSON is asked for, with or without a schema.
    pub(crate) json: bool,
    /// Pictures and files: type and size, or address.
    pub(crate) files: Vec<String>,
    /// Reasoning is to be shown.
    pub(crate) thoughts: bool,
    /// Reasoning is to be sent in a form only the provider reads.
    pub(crate) sealed: bool,
}

/// A tool on offer.
#[derive(Clone, Debug)]
pub(crate) struct Tool {
    pub(crate) name: String,
    schema: Option<Value>,
}

/// Whether a tool must be called.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Demand {
    #[default]
    Free,
    Never,
    Any,
    Named(String),
}

#[derive(PartialEq)]
enum Who {
    User,
    Model,
    Other,
}

struct Turn {
    who: Who,
    text: String,
    results: Vec<String>,
}

impl View {
    pub(crate) fn read(surface: Surface, body: &Value) -> Self {
        let turns = turns(surface, body);
        let last_model = turns.iter().rposition(|t| t.who == Who::Model);
        let after = turns.iter().skip(last_model.map_or(0, |at| at + 1));
        let said = |t: &&Turn| t.who == Who::User && !t.text.trim().is_empty();
        let mut files = Vec::new();
        find_files(body, &mut files);
        let mut view = Self {
            prompt: turns.iter().rfind(said).map(|t| t.text.clone()).unwrap_or_default(),
            last_text: turns.last().map(|t| t.text.clone()).unwrap_or_default(),
            results: after.flat_map(|t| t.results.iter().cloned()).collect(),
            tools: tools(body),
            files,
            ..Self::default()
        };
        view.wishes(surface, body);
        view
    }

    /// Anthropic's imitation of chat completions ignores `response_format` (platform.claude.com, "OpenAI SDK
    /// compatibility").
    pub(crate) fn ignore_format(&mut self) {
        (self.schema, self.json) = (None, false);
    }

    fn wishes(&mut self, surface: Surface, body: &Value) {
        let at = |path: &str| body.pointer(path).filter(|v| !v.is_null());
        let is = |path: &str, word: &str| at(path).and_then(Value::as_str) == Some(word);
        self.one_call = at("/parallel_tool_calls") == Some(&json!(false))
            || at("/tool_choice/disable_parallel_tool_use") == Some(&json!(true));
        match surface {
            Surface::Responses => {
                self.schema = at("/text/format/schema").cloned();
                self.json = self.schema.is_some() || is("/text/format/type", "json_object");
                self.thoughts = at("/reasoning/summary").is_some();
                self.sealed = at("/include")
                    .and_then(Value::as_array)
                    .is_some_and(|i| i.contains(&json!("reasoning.encrypted_content")));
            }
            Surface::Messages => {
                self.schema =
                    at("/output_config/format/schema").or_else(|| at("/output_format/schema")).cloned();
                self.json = self.schema.is_some();
                self.thoughts = (is("/thinking/type", "enabled") || is("/thinking/type", "adaptive"))
                    && !is("/thinking/display", "omitted");
            }
            Surface::GenerateContent => {
                let config = either(body, "generationConfig", "generation_config");
                let field = |camel: &str, snake: &str| config.and_then(|c| either(c, camel, snake));
                self.schema = field("responseJsonSchema", "response_json_schema")
                    .or_else(|| field("responseSchema", "response_schema"))
                    .cloned();
                let kind = field("responseMimeType", "response_mime_type");
                self.json = kind == Some(&json!("application/json"));
                let thinking = field("thinkingConfig", "thinking_config");
                let include = thinking.and_then(|t| either(t, "includeThoughts", "include_thoughts"));
                self.thoughts = include == Some(&json!(true));
            }
            Surface::Converse => {
                let text = at("/outputConfig/textFormat/structure/jsonSchema/schema").and_then(Value::as_str);
                self.schema = text.and_then(|t| serde_json::from_str(t).ok());
                self.json = self.schema.is_some();
                let thinking = "/additionalModelRequestFields/thinking/type";
                self.thoughts = is(thinking, "enabled") || is(thinking, "adaptive");
            }
            _ => {
                self.schema = at("/response_format/json_schema/schema").cloned();
                self.json = self.schema.is_some() || is("/response_format/type", "json_object");
                self.thoughts = at("/reasoning/exclude") != Some(&json!(true))
                    && at("/include_reasoning") != Some(&json!(false))
                    && at("/reasoning/enabled") != Some(&json!(false))
                    && !is("/reasoning/effort", "none");
            }
        }
        self.demand = demand(body);
    }
}

impl Tool {
    /// Made-up arguments that fit the tool's schema.
    pub(crate) fn arguments(&self) -> Value {
        self.schema.as_ref().map_or_else(|| json!({}), sample)
    }
}

/// A value that fits a schema.
pub(crate) fn sample(schema: &Value) -> Value {
    sample_in(schema, schema, 0)
}

/// A member under its name in JSON or in a proto file: Google takes both.
pub(crate) fn either<'v>(value: &'v Value, camel: &str, snake: &str) -> Option<&'v Value> {
    value.get(camel).or_else(|| value.get(snake))
}

/// The texts of a content: a string, a list of parts, a part.
pub(crate) fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            parts.iter().map(text_of).filter(|t| !t.is_empty()).collect::<Vec<_>>().join(" ")
        }
        Value::Object(part) if part.get("thought") == Some(&json!(true)) => String::new(),
        Value::Object(part) => part.get("text").and_then(Value::as_str).unwrap_or_default().to_owned(),
        _ => String::new(),
    }
}

fn sample_in(schema: &Value, root: &Value, depth: u8) -> Value {
    let text = |name: &str| schema.get(name).and_then(Value::as_str);
    if depth > 8 {
        return Value::Null;
    }
    if let Some(target) = text("$ref").and_then(|r| root.pointer(r.trim_start_matches('#'))) {
        return sample_in(target, root, depth + 1);
    }
    if let Some(value) = schema.get("const") {
        return value.clone();
    }
    let first = |name: &str| schema.get(name).and_then(Value::as_array).and_then(|l| l.first());
    if let Some(value) = first("enum") {
        return value.clone();
    }
    if let Some(choice) = first("anyOf").or_else(|| first("oneOf")).or_else(|| first("allOf")) {
        return sample_in(choice, root, depth + 1);
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    let kind = text("type").or_else(|| first("type").and_then(Value::as_str)).map(str::to_lowercase);
    match kind.as_deref() {
        Some("integer" | "number") => json!(1),
        Some("boolean") => json!(true),
        Some("array") => {
            schema.get("items").map_or_else(|| json!([]), |items| json!([sample_in(items, root, depth + 1)]))
        }
        _ if properties.is_some() => {
            let made = properties.into_iter().flatten();
            let made = made.map(|(name, property)| (name.clone(), sample_in(property, root, depth + 1)));
            Value::Object(made.collect::<Map<_, _>>())
        }
        Some("object") => json!({}),
        _ => json!("Paris"),
    }
}

fn turns(surface: Surface, body: &Value) -> Vec<Turn> {
    let name = match surface {
        Surface::Responses => "input",
        Surface::GenerateContent | Surface::GeminiCount => "contents",
        _ => "messages",
    };
    match body.get(name).or_else(|| body.get("input")).or_else(|| body.get("prompt")) {
        Some(Value::String(text)) => {
            vec![Turn { who: Who::User, text: text.clone(), results: Vec::new() }]
        }
        Some(Value::Array(items)) => items.iter().map(turn).collect(),
        _ => Vec::new(),
    }
}

fn turn(item: &Value) -> Turn {
    let word = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default();
    let content = item.get("content").or_else(|| item.get("parts")).unwrap_or(item);
    let mut turn = Turn { who: Who::Other, text: text_of(content), results: Vec::new() };
    match (word("role"), word("type")) {
        ("tool", _) => turn.results.push(std::mem::take(&mut turn.text)),
        (_, "function_call_output") => {
            turn.results.push(item.get("output").map(text_of).unwrap_or_default());
        }
        ("assistant" | "model", _) | (_, "function_call" | "reasoning") => turn.who = Who::Model,
        ("user", _) => turn.who = Who::User,
        ("", _) if item.get("parts").is_some() => turn.who = Who::User,
        _ => {}
    }
    for part in content.as_array().into_iter().flatten() {
        turn.results.extend(result(part));
    }
    turn
}

/// The text of a tool's result among other parts.
fn result(part: &Value) -> Option<String> {
    if part.get("type").and_then(Value::as_str) == Some("tool_result") {
        return Some(part.get("content").map(text_of).unwrap_or_default());
    }
    if let Some(response) = either(part, "functionResponse", "function_response") {
        return Some(response.get("response").map(Value::to_string).unwrap_or_default());
    }
    let content = part.pointer("/toolResult/content")?.as_array()?;
    let texts = content.iter().map(|c| match c.get("json") {
        Some(json) => json.to_string(),
        None => text_of(c),
    });
    Some(texts.collect::<Vec<_>>().join(" "))
}

fn tools(body: &Value) -> Vec<Tool> {
    let list = body.get("tools").or_else(|| body.pointer("/toolConfig/tools")).and_then(Value::as_array);
    let mut found = Vec::new();
    for tool in list.into_iter().flatten() {
        match either(tool, "functionDeclarations", "function_declarations").and_then(Value::as_array) {
            Some(functions) => found.extend(functions.iter().filter_map(named)),
            None => found.extend(named(tool.get("function").or(tool.get("toolSpec")).unwrap_or(tool))),
        }
    }
    found
}

fn named(function: &Value) -> Option<Tool> {
    let schema = ["parameters", "parametersJsonSchema", "parameters_json_schema", "input_schema"]
        .iter()
        .find_map(|name| function.get(*name))
        .or_else(|| function.pointer("/inputSchema/json"));
    Some(Tool { name: function.get("name")?.as_str()?.to_owned(), schema: schema.cloned() })
}

fn demand(body: &Value) -> Demand {
    let text = |path: &str| body.pointer(path).and_then(Value::as_str);
    let google = text("/toolConfig/functionCallingConfig/mode")
        .or_else(|| text("/tool_config/function_calling_config/mode"));
    if let Some(mode) = google {
        let only = text("/toolConfig/functionCallingConfig/allowedFunctionNames/0");
        return match (mode.to_uppercase().as_str(), only) {
            ("ANY", Some(name)) => Demand::Named(name.to_owned()),
            ("ANY", None) => Demand::Any,
            ("NONE", _) => Demand::Never,
            _ => Demand::Free,
        };
    }
    if let Some(name) = text("/toolConfig/toolChoice/tool/name") {
        return Demand::Named(name.to_owned());
    }
    if body.pointer("/toolConfig/toolChoice/any").is_some() {
        return Demand::Any;
    }
    let named = text("/tool_choice/function/name").or_else(|| text("/tool_choice/name"));
    match (named, text("/tool_choice").or_else(|| text("/tool_choice/type"))) {
        (Some(name), _) => Demand::Named(name.to_owned()),
        (None, Some("required" | "any" | "tool" | "function")) => Demand::Any,
        (None, Some("none")) => Demand::Never,
        _ => Demand::Free,
    }
}

/// Every picture and file below a value, in the order of the request.
fn find_files(value: &Value, found: &mut Vec<String>) {
    let Value::Object(object) = value else {
        for item in value.as_array().into_iter().flatten() {
            find_files(item, found);
        }
        return;
    };
    if let Some(file) = file(object) {
        found.push(file);
        return;
    }
    for (name, member) in object {
        // What a schema or an argument is called is no picture.
        if !matches!(name.as_str(), "tools" | "toolConfig" | "input" | "args") || member.is_array() {
            find_files(member, found);
        }
    }
}

fn file(part: &Map<String, Value>) -> Option<String> {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    match part.get("type").and_then(Value::as_str) {
        Some("image_url" | "input_image") => {
            let url = part.get("image_url")?;
            return Some(address(url.get("url").unwrap_or(url).as_str()?));
        }
        Some("file") => return Some(address(part.get("file")?.get("file_data")?.as_str()?)),
        Some("input_file") => {
            return text(part.get("file_data").or(part.get("file_url"))).map(|a| address(&a));
        }
        Some("image" | "document") => {
            let source = part.get("source")?;
            return match text(source.get("url")) {
                Some(url) => Some(url),
                None => Some(sized(source.get("media_type")?.as_str()?, source.get("data")?.as_str()?)),
            };
        }
        _ => {}
    }
    if let Some(blob) = part.get("inlineData").or_else(|| part.get("inline_data")) {
        let kind = either(blob, "mimeType", "mime_type")?.as_str()?;
        return Some(sized(kind, blob.get("data")?.as_str()?));
    }
    if let Some(file) = part.get("fileData").or_else(|| part.get("file_data")) {
        return text(either(file, "fileUri", "file_uri"));
    }
    for (name, family) in [("image", "image"), ("document", "application")] {
        if let Some(bytes) = part.get(name).and_then(|i| i.pointer("/source/bytes")).and_then(Value::as_str) {
            let format = part.get(name)?.get("format")?.as_str()?;
            return Some(sized(&format!("{family}/{format}"), bytes));
        }
    }
    None
}

fn address(url: &str) -> String {
    match url.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,")) {
        Some((kind, data)) => sized(kind, data),
        None => url.to_owned(),
    }
}

fn sized(kind: &str, data: &str) -> String {
    match base64::engine::general_purpose::STANDARD.decode(data) {
        Err(_) if !data.contains(['+', '/']) && data.contains(['-', '_']) => sized(kind, &usual_base64(data)),
        Ok(bytes) => format!("{kind} of {} bytes", bytes.len()),
        Err(_) => format!("{kind} that is no base64"),
    }
}

#[cfg(test)]
mod tests;
