//! The rules of Anthropic's Messages API.

use super::{Checked, is_base64, is_name, items, open_object, unknown, word};
use crate::answer::errors::Problem;
use crate::request::Facts;
use crate::script::Flavour;
use crate::seal::{CLAUDE, fits};
use serde_json::{Map, Value};

const KNOWN: [&str; 23] = [
    "cache_control",
    "container",
    "context_management",
    "diagnostics",
    "inference_geo",
    "max_tokens",
    "mcp_servers",
    "messages",
    "metadata",
    "model",
    "output_config",
    "output_format",
    "service_tier",
    "speed",
    "stop_sequences",
    "stream",
    "system",
    "temperature",
    "thinking",
    "tool_choice",
    "tools",
    "top_k",
    "top_p",
];
/// Families that take an effort and think adaptively; earlier ones do not.
const ADAPTIVE: [&str; 8] =
    ["opus-4-6", "opus-4-7", "opus-4-8", "sonnet-4-6", "opus-5", "sonnet-5", "haiku-5", "fable-5"];
/// The least budget of thoughts, in tokens.
const LEAST_BUDGET: u64 = 1024;
/// Most marks for the prompt cache.
const CACHE_MARKS: usize = 4;

pub(super) fn version(facts: &Facts) -> Checked {
    if facts.headers.contains_key("anthropic-version") {
        return Ok(());
    }
    Err(Problem::bad("anthropic-version: header is required"))
}

pub(super) fn check(facts: &Facts, body: &Map<String, Value>) -> Checked {
    if facts.flavour == Flavour::Anthropic
        && let Some(name) = unknown(body, &KNOWN)
    {
        return Err(Problem::bad(format!("{name}: Extra inputs are not permitted")));
    }
    for required in ["max_tokens", "messages", "model"] {
        if body.get(required).is_none_or(Value::is_null) {
            return Err(Problem::bad(format!("{required}: Field required")));
        }
    }
    let thinks = thinking(facts, body)?;
    sampling(facts, body, thinks)?;
    tools(body, thinks)?;
    output(facts, body)?;
    system(body.get("system"))?;
    let marks =
        body.values().map(Value::to_string).map(|t| t.matches("\"cache_control\":{").count()).sum::<usize>();
    if marks > CACHE_MARKS {
        let message =
            format!("A maximum of {CACHE_MARKS} blocks with cache_control may be provided. Found {marks}.");
        return Err(Problem::bad(message));
    }
    turns(items(body.get("messages")), thinks)
}

/// Checks `thinking`; says whether it is on.
fn thinking(facts: &Facts, body: &Map<String, Value>) -> Result<bool, Problem> {
    let Some(thinking) = body.get("thinking").filter(|t| !t.is_null()) else { return Ok(false) };
    let limit = body.get("max_tokens").and_then(Value::as_u64).unwrap_or(0);
    match word(thinking, "type") {
        Some("disabled") => Ok(false),
        Some("adaptive") if is_adaptive(&facts.model) => Ok(true),
        Some("adaptive") => Err(Problem::bad("adaptive thinking is not supported on this model")),
        Some("enabled") => match thinking.get("budget_tokens").and_then(Value::as_u64) {
            None => Err(Problem::bad("thinking.enabled.budget_tokens: Field required")),
            Some(budget) if budget < LEAST_BUDGET => {
                let message = format!(
                    "thinking.enabled.budget_tokens: Input should be greater than or equal to {LEAST_BUDGET}"
                );
                Err(Problem::bad(message))
            }
            Some(budget) if budget >= limit => {
                Err(Problem::bad("`max_tokens` must be greater than `thinking.budget_tokens`."))
            }
            Some(_) => Ok(true),
        },
        _ => Err(Problem::bad(
            "thinking: Input tag found using 'type' does not match any of the expected tags: 'adaptive', 'disabled', \
             'enabled'",
        )),
    }
}

fn is_adaptive(model: &str) -> bool {
    ADAPTIVE.iter().any(|family| model.replace('.', "-").contains(family))
}

fn sampling(facts: &Facts, body: &Map<String, Value>, thinks: bool) -> Checked {
    let number = |name: &str| body.get(name).and_then(Value::as_f64);
    let (temperature, top_p) = (number("temperature"), number("top_p"));
    if temperature.is_some_and(|t| !(0.0..=1.0).contains(&t)) {
        return Err(Problem::bad("temperature: range: 0..1"));
    }
    if top_p.is_some_and(|p| !(0.0..=1.0).contains(&p)) {
        return Err(Problem::bad("top_p: range: 0..1"));
    }
    if temperature.is_some() && top_p.is_some() && !facts.model.contains("claude-3") {
        return Err(Problem::bad(
            "`temperature` and `top_p` cannot both be specified for this model. Please use only one.",
        ));
    }
    if !thinks {
        return Ok(());
    }
    if temperature.is_some_and(|t| t < 1.0) {
        return Err(Problem::bad("`temperature` may only be set to 1 when thinking is enabled."));
    }
    if top_p.is_some_and(|p| p < 0.95) {
        return Err(Problem::bad(
            "`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled.",
        ));
    }
    if number("top_k").is_some() {
        return Err(Problem::bad("`top_k` must be unset when thinking is enabled."));
    }
    Ok(())
}

fn tools(body: &Map<String, Value>, thinks: bool) -> Checked {
    let tools = items(body.get("tools"));
    for (index, tool) in tools.iter().enumerate() {
        if word(tool, "type").is_some_and(|t| t != "custom") {
            continue;
        }
        let path = format!("tools.{index}.custom");
        match word(tool, "name") {
            None => return Err(Problem::bad(format!("{path}.name: Field required"))),
            Some(name) if !is_name(name, 128) => {
                let why = "String should match pattern '^[a-zA-Z0-9_-]{1,128}$'";
                return Err(Problem::bad(format!("{path}.name: {why}")));
            }
            Some(_) => {}
        }
        let Some(schema) = tool.get("input_schema") else {
            return Err(Problem::bad(format!("{path}.input_schema: Field required")));
        };
        if word(schema, "type") != Some("object") {
            return Err(Problem::bad(format!("{path}.input_schema.type: Field required")));
        }
        let strange = tool.as_object().and_then(|t| {
            let known = [
                "allowed_callers",
                "cache_control",
                "defer_loading",
                "description",
                "eager_input_streaming",
                "input_examples",
                "input_schema",
                "name",
                "strict",
                "type",
            ];
            unknown(t, &known)
        });
        if let Some(name) = strange {
            return Err(Problem::bad(format!("{path}.{name}: Extra inputs are not permitted")));
        }
    }
    let Some(choice) = body.get("tool_choice").filter(|c| !c.is_null()) else { return Ok(()) };
    let forced = match word(choice, "type") {
        Some("auto" | "none") => false,
        Some("any") => true,
        Some("tool") if tools.iter().any(|t| word(t, "name") == word(choice, "name")) => true,
        Some("tool") => {
            let name = word(choice, "name").unwrap_or_default();
            return Err(Problem::bad(format!("Tool '{name}' not found in provided tools")));
        }
        _ => return Err(Problem::bad("tool_choice: Input should be an object with a known 'type'")),
    };
    if tools.is_empty() {
        return Err(Problem::bad("tool_choice may only be specified while providing tools"));
    }
    if forced && thinks {
        return Err(Problem::bad("Thinking may not be enabled when tool_choice forces tool use."));
    }
    Ok(())
}

fn output(facts: &Facts, body: &Map<String, Value>) -> Checked {
    let config = body.get("output_config").filter(|c| !c.is_null());
    let effort = config.and_then(|c| c.get("effort")).filter(|e| !e.is_null());
    if let Some(effort) = effort {
        if !is_adaptive(&facts.model) && !facts.model.replace('.', "-").contains("opus-4-5") {
            return Err(Problem::bad("This model does not support the effort parameter."));
        }
        if !matches!(effort.as_str(), Some("low" | "medium" | "high" | "xhigh" | "max")) {
            return Err(Problem::bad(
                "output_config.effort: Input should be 'low', 'medium', 'high', 'xhigh' or 'max'",
            ));
        }
    }
    let format = config.and_then(|c| c.get("format")).or_else(|| body.get("output_format"));
    let Some(format) = format.filter(|f| !f.is_null()) else { return Ok(()) };
    let path = "output_config.format";
    if word(format, "type") != Some("json_schema") {
        return Err(Problem::bad(format!("{path}.type: Input should be 'json_schema'")));
    }
    let Some(schema) = format.get("schema") else {
        return Err(Problem::bad(format!("{path}.schema: Field required")));
    };
    if let Some(name) = format.as_object().and_then(|f| unknown(f, &["type", "schema"])) {
        return Err(Problem::bad(format!("{path}.{name}: Extra inputs are not permitted")));
    }
    match open_object(schema, "") {
        None => Ok(()),
        Some(_) => Err(Problem::bad(format!(
            "{path}.schema: For 'object' type, 'additionalProperties' must be explicitly set to false"
        ))),
    }
}

fn system(system: Option<&Value>) -> Checked {
    match system {
        None | Some(Value::String(_)) => Ok(()),
        Some(Value::Array(blocks)) => {
            for (index, block) in blocks.iter().enumerate() {
                match word(block, "text") {
                    _ if word(block, "type") != Some("text") => {
                        return Err(Problem::bad(format!("system.{index}.type: Input should be 'text'")));
                    }
                    Some(text) if !text.is_empty() => {}
                    _ => return Err(Problem::bad("system: text content blocks must be non-empty")),
                }
            }
            Ok(())
        }
        Some(_) => Err(Problem::bad("system: Input should be a valid list")),
    }
}

fn turns(messages: &[Value], thinks: bool) -> Checked {
    if messages.is_empty() {
        return Err(Problem::bad("messages: at least one message is required"));
    }
    let mut calls: Vec<String> = Vec::new();
    let mut before = "";
    for (index, message) in messages.iter().enumerate() {
        let path = format!("messages.{index}");
        let role = match word(message, "role") {
            Some(role @ ("user" | "assistant")) => role,
            Some("system") => {
                return Err(Problem::bad(
                    "messages: Unexpected role \"system\". The Messages API accepts a top-level `system` parameter, \
                     not \"system\" as an input message role.",
                ));
            }
            Some(_) => {
                return Err(Problem::bad(format!("{path}.role: Input should be 'user' or 'assistant'")));
            }
            None => return Err(Problem::bad(format!("{path}.role: Field required"))),
        };
        if index == 0 && role != "user" {
            return Err(Problem::bad("messages: first message must use the \"user\" role"));
        }
        if role == before {
            let message = format!(
                "messages: roles must alternate between \"user\" and \"assistant\", but found multiple \"{role}\" roles \
                 in a row"
            );
            return Err(Problem::bad(message));
        }
        before = role;
        if let Some(name) = message.as_object().and_then(|m| unknown(m, &["role", "content"])) {
            return Err(Problem::bad(format!("{path}.{name}: Extra inputs are not permitted")));
        }
        let last = index + 1 == messages.len();
        let content = content(message, &path, role == "assistant" && last)?;
        results(content, &path, &calls)?;
        calls = blocks_of(content, "tool_use").filter_map(|b| word(b, "id")).map(str::to_owned).collect();
    }
    if !calls.is_empty() {
        return Err(unanswered(&calls, messages.len() - 1));
    }
    if thinks { running_loop(messages) } else { Ok(()) }
}

fn blocks_of<'b>(content: &'b [Value], kind: &'b str) -> impl Iterator<Item = &'b Value> {
    content.iter().filter(move |b| word(b, "type") == Some(kind))
}

fn unanswered(calls: &[String], index: usize) -> Problem {
    Problem::bad(format!(
        "messages.{index}: `tool_use` ids were found without `tool_result` blocks immediately after: {}. Each `tool_use` \
         block must have a corresponding `tool_result` block in the next message.",
        calls.join(", ")
    ))
}

/// Every call of the turn before has its result here, at the front, and no result is without a call.
fn results(content: &[Value], path: &str, calls: &[String]) -> Checked {
    let ids: Vec<&str> = blocks_of(content, "tool_result").filter_map(|b| word(b, "tool_use_id")).collect();
    if let Some(id) = ids.iter().find(|id| !calls.iter().any(|c| c == *id)) {
        return Err(Problem::bad(format!(
            "{path}.content.0: unexpected `tool_use_id` found in `tool_result` blocks: {id}. Each `tool_result` block \
             must have a corresponding `tool_use` block in the previous message."
        )));
    }
    let first = content.iter().take(ids.len()).all(|b| word(b, "type") == Some("tool_result"));
    let all = calls.iter().all(|c| ids.contains(&c.as_str()));
    if calls.is_empty() || (first && all) {
        return Ok(());
    }
    let before = path.rsplit('.').next().and_then(|i| i.parse::<usize>().ok()).unwrap_or(1);
    Err(unanswered(calls, before.saturating_sub(1)))
}

/// While tools are used, the turn that called them begins with the thoughts that led there.
fn running_loop(messages: &[Value]) -> Checked {
    let [.., answer, results] = messages else { return Ok(()) };
    let runs = blocks_of(items(results.get("content")), "tool_result").next().is_some();
    let content = items(answer.get("content"));
    let first = content.first().and_then(|b| word(b, "type")).unwrap_or("text");
    if !runs || matches!(first, "thinking" | "redacted_thinking") {
        return Ok(());
    }
    Err(Problem::bad(format!(
        "messages.{}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `{first}`. When `thinking` is \
         enabled, a final `assistant` message must start with a thinking block (preceeding the lastmost set of `tool_use` \
         and `tool_result` blocks). To avoid this requirement, disable `thinking`.",
        messages.len() - 2
    )))
}

/// Checks a turn's content; gives its blocks, none for a plain text.
fn content<'m>(message: &'m Value, path: &str, prefill: bool) -> Result<&'m [Value], Problem> {
    let empty = || {
        Problem::bad(format!(
            "{path}: all messages must have non-empty content except for the optional final assistant message"
        ))
    };
    match message.get("content") {
        Some(Value::String(text)) if text.trim().is_empty() && !prefill => Err(empty()),
        Some(Value::String(text)) if prefill && text.ends_with(char::is_whitespace) => {
            Err(Problem::bad("messages: final assistant content cannot end with trailing whitespace"))
        }
        Some(Value::String(_)) => Ok(&[]),
        Some(Value::Array(blocks)) if blocks.is_empty() && !prefill => Err(empty()),
        Some(Value::Array(blocks)) => {
            for (index, one) in blocks.iter().enumerate() {
                block(one, &format!("{path}.content.{index}"), message)?;
            }
            Ok(blocks)
        }
        None => Err(Problem::bad(format!("{path}.content: Field required"))),
        Some(_) => Err(Problem::bad(format!("{path}.content: Input should be a valid list"))),
    }
}

fn block(block: &Value, path: &str, message: &Value) -> Checked {
    let kind = word(block, "type").ok_or_else(|| Problem::bad(format!("{path}.type: Field required")))?;
    let need = |name: &str| {
        word(block, name).ok_or_else(|| Problem::bad(format!("{path}.{kind}.{name}: Field required")))
    };
    let from_model = word(message, "role") == Some("assistant");
    if from_model == matches!(kind, "image" | "document" | "tool_result") && kind != "text" {
        let belongs = matches!(
            kind,
            "image" | "document" | "tool_result" | "tool_use" | "thinking" | "redacted_thinking"
        );
        if belongs {
            let role = if from_model { "assistant" } else { "user" };
            return Err(Problem::bad(format!(
                "{path}: `{kind}` blocks are not permitted in `{role}` messages"
            )));
        }
    }
    match kind {
        "text" if need("text")?.trim().is_empty() => {
            Err(Problem::bad("messages: text content blocks must be non-empty"))
        }
        "text" => Ok(()),
        "image" | "document" => source(block, path, kind),
        "tool_use" => call(block, path),
        "tool_result" => {
            need("tool_use_id")?;
            for (index, inner) in items(block.get("content")).iter().enumerate() {
                let path = format!("{path}.tool_result.content.{index}");
                match word(inner, "type") {
                    Some("image" | "document") => source(inner, &path, "image")?,
                    Some("text" | "search_result" | "tool_reference") => {}
                    _ => {
                        return Err(Problem::bad(format!(
                            "{path}: Input tag found using 'type' is not expected"
                        )));
                    }
                }
            }
            Ok(())
        }
        "thinking" => {
            let (thinking, signature) = (need("thinking")?, need("signature")?);
            if fits(CLAUDE, thinking, signature) {
                return Ok(());
            }
            Err(Problem::bad(format!("{path}: Invalid `signature` in `thinking` block")))
        }
        "redacted_thinking" => need("data").map(|_| ()),
        "search_result" | "server_tool_use" | "container_upload" | "mcp_tool_use" | "mcp_tool_result" => {
            Ok(())
        }
        other if other.ends_with("_tool_result") => Ok(()),
        other => Err(Problem::bad(format!(
            "{path}: Input tag '{other}' found using 'type' does not match any of the expected tags"
        ))),
    }
}

fn call(block: &Value, path: &str) -> Checked {
    match word(block, "id") {
        Some(id) if is_name(id, 256) => {}
        Some(_) => {
            let why = "String should match pattern '^[a-zA-Z0-9_-]+$'";
            return Err(Problem::bad(format!("{path}.tool_use.id: {why}")));
        }
        None => return Err(Problem::bad(format!("{path}.tool_use.id: Field required"))),
    }
    if word(block, "name").is_none() {
        return Err(Problem::bad(format!("{path}.tool_use.name: Field required")));
    }
    if !block.get("input").is_some_and(Value::is_object) {
        return Err(Problem::bad(format!("{path}.tool_use.input: Input should be a valid dictionary")));
    }
    Ok(())
}

fn source(block: &Value, path: &str, kind: &str) -> Checked {
    let source =
        block.get("source").ok_or_else(|| Problem::bad(format!("{path}.{kind}.source: Field required")))?;
    let text = |name: &str| word(source, name).unwrap_or_default();
    match text("type") {
        "base64" => {
            let types: &[&str] = match kind {
                "image" => &["image/jpeg", "image/png", "image/gif", "image/webp", "application/pdf"],
                _ => &["application/pdf"],
            };
            if !types.contains(&text("media_type")) {
                return Err(Problem::bad(format!(
                    "{path}.{kind}.source.base64.media_type: Input should be {}",
                    types.join(", ")
                )));
            }
            if is_base64(text("data")) {
                return Ok(());
            }
            Err(Problem::bad(format!("{path}.{kind}.source.base64: invalid base64 data")))
        }
        "url" if text("url").starts_with("https://") => Ok(()),
        "url" => Err(Problem::bad("Only HTTPS URLs are supported.")),
        "file" | "text" | "content" => Ok(()),
        other => Err(Problem::bad(format!("{path}.{kind}.source: Input tag '{other}' is not expected"))),
    }
}
