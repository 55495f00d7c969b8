//! What a mock reads out of a request.

use crate::prompt::{Orders, orders};
use crate::route::{decoded, flavour, route};
use crate::script::{Flavour, Script, Surface, ToolUse};
use crate::view::{Demand, Tool, View};
use base64::Engine as _;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method};
use serde_json::Value;

/// A request, understood.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) flavour: Flavour,
    pub(crate) surface: Surface,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    /// The model in the path of `GET …/models/{id}`.
    pub(crate) path_model: Option<String>,
    /// The model called, from the path or the body, or empty.
    pub(crate) model: String,
    pub(crate) stream: bool,
    pub(crate) include_usage: bool,
    pub(crate) key: Option<String>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// The body as JSON; `None` when it is not.
    pub(crate) json: Option<Value>,
    pub(crate) view: View,
    pub(crate) orders: Orders,
    /// What is remembered of the answer that is asked about.
    pub(crate) generation: Option<Value>,
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
        let route = route(&path);
        let json: Option<Value> = serde_json::from_slice(body).ok();
        let field = |name: &str| json.as_ref().and_then(|j| j.get(name));
        let flavour = flavour(&path, parts.uri.query().unwrap_or(""), route.surface, script);
        let mut view = json.as_ref().map(|body| View::read(route.surface, body)).unwrap_or_default();
        if flavour == Flavour::Anthropic && route.surface == Surface::ChatCompletions {
            view.ignore_format();
        }
        let in_body = field("model").and_then(Value::as_str).unwrap_or("").to_owned();
        let (path_model, model) = match (route.surface, route.model) {
            (Surface::Models, path_model) => (path_model, in_body),
            (_, path_model) => (None, path_model.unwrap_or(in_body)),
        };
        Self {
            flavour,
            surface: route.surface,
            method: parts.method.clone(),
            path,
            query: parts.uri.query().unwrap_or("").to_owned(),
            path_model,
            model,
            stream: route.stream || field("stream").and_then(Value::as_bool).unwrap_or(false),
            include_usage: field("stream_options")
                .and_then(|o| o.get("include_usage"))
                .and_then(Value::as_bool)
                .unwrap_or(false),
            key: key(&parts.headers, parts.uri.query(), route.surface),
            headers: parts.headers.clone(),
            body: body.clone(),
            orders: orders(&view.prompt),
            view,
            json,
            generation: None,
        }
    }

    pub(crate) fn field(&self, name: &str) -> Option<&Value> {
        self.json.as_ref().and_then(|j| j.get(name))
    }

    /// Whether the answer has the form of Anthropic's API.
    pub(crate) fn speaks_messages(&self) -> bool {
        matches!(self.surface, Surface::Messages | Surface::CountTokens)
    }

    /// Whether it is Gemini's own API, not the imitation of OpenAI's beside it.
    pub(crate) fn speaks_gemini(&self) -> bool {
        let beside = matches!(
            self.surface,
            Surface::ChatCompletions | Surface::Responses | Surface::Completions | Surface::Embeddings
        );
        matches!(self.flavour, Flavour::Google | Flavour::Vertex) && !beside && !self.path.contains("/openai")
    }

    /// A parameter of the query, decoded.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        let mut pairs = self.query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(found, _)| *found == name).map(|(_, value)| decoded(value))
    }

    /// The tools to call, if any are to be called.
    pub(crate) fn tool_calls(&self, when: ToolUse) -> Vec<ToolCall> {
        let view = &self.view;
        let fresh = view.results.is_empty();
        if view.tools.is_empty() || view.demand == Demand::Never || when == ToolUse::Never {
            return Vec::new();
        }
        if !self.orders.calls.is_empty() {
            let offered = |call: &&ToolCall| view.tools.iter().any(|t| t.name == call.name);
            let most = if view.one_call { 1 } else { usize::MAX };
            let calls = self.orders.calls.iter().filter(|_| fresh).filter(offered);
            return calls.take(most).cloned().collect();
        }
        let prompt = view.last_text.to_lowercase();
        let named = match &view.demand {
            Demand::Named(name) => Some(name),
            _ => None,
        };
        let demanded = named.is_some() || view.demand == Demand::Any;
        let asked = |name: &str| prompt.contains(&name.to_lowercase());
        let chosen = view.tools.iter().find(|t| named == Some(&t.name));
        let chosen = chosen.or_else(|| view.tools.iter().find(|t| asked(&t.name))).or(view.tools.first());
        // An order says what is wanted; its words are no wish for a tool.
        let asks = self.orders == Orders::default()
            && (prompt.contains("tool") || view.tools.iter().any(|t| asked(&t.name)));
        let wanted = when == ToolUse::Always || (fresh && (demanded || asks));
        // Clients that know no structured output make a tool of it and demand that it is called.
        let json = self.orders.json.as_ref().filter(|_| demanded).and_then(|j| serde_json::from_str(j).ok());
        let call = |tool: &Tool| ToolCall {
            name: tool.name.clone(),
            arguments: json.clone().unwrap_or_else(|| tool.arguments()),
        };
        chosen.filter(|_| wanted).map(call).into_iter().collect()
    }
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
    let own = matches!(surface, Surface::Messages | Surface::CountTokens | Surface::GenerateContent);
    let found = if own { header.or(authorization) } else { authorization.or(header) };
    found.or_else(in_query)
}

fn basic_password(token: &str) -> Option<String> {
    let bytes = base64::engine::general_purpose::STANDARD.decode(token.trim()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (user, password) = text.split_once(':')?;
    Some(if password.is_empty() { user } else { password }.to_owned())
}
