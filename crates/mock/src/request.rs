//! What a mock reads out of a request.

use crate::script::{Flavour, Script, Surface, ToolUse};
use base64::Engine as _;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method};
use serde_json::{Map, Value, json};

/// A request, understood.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) flavour: Flavour,
    pub(crate) surface: Surface,
    pub(crate) method: Method,
    pub(crate) path: String,
    /// The model in the path of `GET …/models/{id}`.
    pub(crate) path_model: Option<String>,
    /// The body's `model`, or empty.
    pub(crate) model: String,
    pub(crate) stream: bool,
    pub(crate) include_usage: bool,
    pub(crate) key: Option<String>,
    pub(crate) headers: HeaderMap,
    /// The body as JSON; `None` when it is not.
    pub(crate) json: Option<Value>,
    pub(crate) body_bytes: usize,
}

/// A call of a tool.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ToolCall {
    pub(crate) name: String,
    pub(crate) arguments: Value,
}

impl Facts {
    pub(crate) fn read(parts: &Parts, body: &Bytes, script: &Script) -> Self {
        let path = parts.uri.path().to_owned();
        let (surface, path_model) = surface(&path);
        let flavour = flavour(&path, surface, script);
        let json: Option<Value> = serde_json::from_slice(body).ok();
        let field = |name: &str| json.as_ref().and_then(|j| j.get(name));
        Self {
            flavour,
            surface,
            method: parts.method.clone(),
            path,
            path_model,
            model: field("model").and_then(Value::as_str).unwrap_or("").to_owned(),
            stream: field("stream").and_then(Value::as_bool).unwrap_or(false),
            include_usage: field("stream_options")
                .and_then(|o| o.get("include_usage"))
                .and_then(Value::as_bool)
                .unwrap_or(false),
            key: key(&parts.headers, parts.uri.query(), surface),
            headers: parts.headers.clone(),
            body_bytes: body.len(),
            json,
        }
    }

    pub(crate) fn field(&self, name: &str) -> Option<&Value> {
        self.json.as_ref().and_then(|j| j.get(name))
    }

    /// The tool to call, if one is to be called.
    pub(crate) fn tool_call(&self, when: ToolUse) -> Option<ToolCall> {
        let tools = self.field("tools")?.as_array()?;
        let functions: Vec<&Value> = tools.iter().filter_map(function).collect();
        let name_of = |f: &Value| f.get("name").and_then(Value::as_str).unwrap_or("").to_owned();
        let prompt = self.last_message().to_lowercase();
        let choice = self.field("tool_choice");
        let named =
            choice.and_then(|c| c.pointer("/function/name").or(c.get("name"))).and_then(Value::as_str);
        let chosen = functions
            .iter()
            .find(|f| named == Some(name_of(f).as_str()))
            .or_else(|| functions.iter().find(|f| prompt.contains(&name_of(f).to_lowercase())))
            .or(functions.first())?;
        let wanted = match when {
            ToolUse::Never => false,
            ToolUse::Always => true,
            ToolUse::Auto => !self.tool_result_last() && (demands_tool(choice) || asks(&prompt, &functions)),
        };
        wanted.then(|| ToolCall { name: name_of(chosen), arguments: arguments(chosen) })
    }

    fn messages(&self) -> Option<&Value> {
        self.field("messages").or_else(|| self.field("input"))
    }

    /// The text of the last message, whatever its shape.
    fn last_message(&self) -> String {
        let messages = self.messages();
        let last = messages.and_then(Value::as_array).and_then(|m| m.last()).or(messages);
        let content = last.and_then(|m| m.get("content")).or(last);
        match content {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Array(parts)) => parts
                .iter()
                .filter_map(|p| p.get("text").and_then(Value::as_str))
                .collect::<Vec<_>>()
                .join(" "),
            _ => String::new(),
        }
    }

    fn tool_result_last(&self) -> bool {
        let Some(last) = self.messages().and_then(Value::as_array).and_then(|m| m.last()) else {
            return false;
        };
        let is =
            |value: &Value, name: &str, text: &str| value.get(name).and_then(Value::as_str) == Some(text);
        is(last, "role", "tool")
            || is(last, "type", "function_call_output")
            || last
                .get("content")
                .and_then(Value::as_array)
                .is_some_and(|parts| parts.iter().any(|p| is(p, "type", "tool_result")))
    }
}

fn asks(prompt: &str, functions: &[&Value]) -> bool {
    prompt.contains("tool")
        || functions
            .iter()
            .filter_map(|f| f.get("name").and_then(Value::as_str))
            .any(|name| prompt.contains(&name.to_lowercase()))
}

fn demands_tool(choice: Option<&Value>) -> bool {
    match choice {
        Some(Value::String(word)) => word == "required",
        Some(Value::Object(o)) => {
            matches!(o.get("type").and_then(Value::as_str), Some("any" | "tool" | "function"))
        }
        _ => false,
    }
}

/// The function of a tool: nested in chat completions, flat in responses and messages.
fn function(tool: &Value) -> Option<&Value> {
    let function = tool.get("function").unwrap_or(tool);
    function.get("name").map(|_| function)
}

/// Made-up arguments that fit the tool's schema.
fn arguments(function: &Value) -> Value {
    let schema = function.get("parameters").or_else(|| function.get("input_schema"));
    let properties = schema.and_then(|s| s.get("properties")).and_then(Value::as_object);
    let mut arguments = Map::new();
    for (name, property) in properties.into_iter().flatten() {
        let first = property.get("enum").and_then(Value::as_array).and_then(|e| e.first());
        let value = match (first, property.get("type").and_then(Value::as_str)) {
            (Some(value), _) => value.clone(),
            (None, Some("integer" | "number")) => json!(1),
            (None, Some("boolean")) => json!(true),
            (None, Some("array")) => json!([]),
            (None, Some("object")) => json!({}),
            _ => json!("Paris"),
        };
        arguments.insert(name.clone(), value);
    }
    Value::Object(arguments)
}

fn surface(path: &str) -> (Surface, Option<String>) {
    let path = path.trim_end_matches('/');
    let found = [
        ("/chat/completions", Surface::ChatCompletions),
        ("/messages/count_tokens", Surface::CountTokens),
        ("/messages", Surface::Messages),
        ("/responses", Surface::Responses),
        ("/completions", Surface::Completions),
        ("/embeddings", Surface::Embeddings),
        ("/models", Surface::Models),
    ]
    .into_iter()
    .find(|(end, _)| path.ends_with(end));
    match (found, path.split_once("/models/")) {
        (Some((_, surface)), _) => (surface, None),
        (None, Some((_, id))) => (Surface::Models, Some(id.to_owned())),
        (None, None) => (Surface::Other, None),
    }
}

fn flavour(path: &str, surface: Surface, script: &Script) -> Flavour {
    let mounted = script
        .mounts
        .iter()
        .filter(|m| path.strip_prefix(&m.prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
        .max_by_key(|m| m.prefix.len())
        .map(|m| m.flavour);
    let named = || {
        path.split('/').find_map(|segment| match segment {
            "anthropic" => Some(Flavour::Anthropic),
            "openrouter" => Some(Flavour::OpenRouter),
            "openai" => Some(Flavour::OpenAi),
            _ => None,
        })
    };
    script.flavour.or(mounted).or_else(named).unwrap_or(match surface {
        Surface::Messages | Surface::CountTokens => Flavour::Anthropic,
        _ => Flavour::OpenAi,
    })
}

/// The key, from the header that the API reads first, else from any other.
fn key(headers: &HeaderMap, query: Option<&str>, surface: Surface) -> Option<String> {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
    let authorization = text("authorization").and_then(|value| match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Some(token.trim().to_owned()),
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("basic") => basic_password(token),
        _ => None,
    });
    let header = ["x-api-key", "api-key", "x-goog-api-key"].into_iter().find_map(text).map(str::to_owned);
    let in_query = || {
        let mut pairs = query.unwrap_or("").split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(name, _)| *name == "key").map(|(_, value)| value.to_owned())
    };
    let anthropic = matches!(surface, Surface::Messages | Surface::CountTokens);
    let found = if anthropic { header.or(authorization) } else { authorization.or(header) };
    found.or_else(in_query)
}

fn basic_password(token: &str) -> Option<String> {
    let bytes = base64::engine::general_purpose::STANDARD.decode(token.trim()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (user, password) = text.split_once(':')?;
    Some(if password.is_empty() { user } else { password }.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_with_any_prefix() {
        for (path, expected) in [
            ("/v1/chat/completions", Surface::ChatCompletions),
            ("/openrouter/api/v1/chat/completions/", Surface::ChatCompletions),
            ("/completions", Surface::Completions),
            ("/anthropic/v1/messages", Surface::Messages),
            ("/v1/messages/count_tokens", Surface::CountTokens),
            ("/v1/models", Surface::Models),
            ("/v1/files", Surface::Other),
        ] {
            assert_eq!(surface(path).0, expected, "{path}");
        }
        assert_eq!(surface("/v1/models/a/b:c"), (Surface::Models, Some("a/b:c".into())));
    }

    #[test]
    fn the_longest_mount_decides() {
        let script = Script::from_yaml(
            "mounts: [{prefix: /x, flavour: openrouter}, {prefix: /x/y, flavour: anthropic}]",
        )
        .unwrap();
        let of = |path| flavour(path, Surface::ChatCompletions, &script);
        assert_eq!(of("/x/v1/chat/completions"), Flavour::OpenRouter);
        assert_eq!(of("/x/y/v1/chat/completions"), Flavour::Anthropic);
        assert_eq!(of("/xy/v1/chat/completions"), Flavour::OpenAi);
        assert_eq!(of("/openrouter/api/v1/chat/completions"), Flavour::OpenRouter);
    }
}
