//! Settings as they stand in a request and, repeated, in the answer.

use super::super::Echo;
use super::super::request::{Function, Json, Output, Reasoning, Request, Tool, ToolChoice};
use super::super::strict::strict;
use super::super::writer::Writer;
use super::write_input::plain_text;
use crate::Surface;
use crate::effort::{USUAL_LIMIT, effort_of_budget};
use std::collections::HashMap;
use std::sync::LazyLock;

/// What the answer to a request of this dialect repeats of it. It was not stored, whatever the request wanted, as no
/// provider of another dialect does so.
pub(in super::super) fn echo(request: &Request<'_>) -> Echo {
    let mut w = Writer::default();
    w.object(|w| {
        w.member("background", &false);
        w.member("instructions", &request.system.first().and_then(plain_text));
        w.member("max_output_tokens", &request.max_output_tokens);
        repeated(w, request, "max_tool_calls", "null");
        repeated(w, request, "metadata", "{}");
        w.member("parallel_tool_calls", &request.parallel_tool_calls.unwrap_or(true));
        w.member("previous_response_id", &None::<&str>);
        repeated(w, request, "prompt_cache_key", "null");
        w.member_object("reasoning", |w| {
            let reasoning = request.reasoning.as_ref();
            w.member("effort", &reasoning.and_then(|reasoning| reasoning.effort.as_deref()));
            w.member("summary", &reasoning.and_then(|reasoning| reasoning.summary.as_deref()));
        });
        repeated(w, request, "safety_identifier", "null");
        w.member("store", &false);
        w.member("temperature", &request.temperature);
        w.member_object("text", |w| {
            write_format(w, &request.output, Surface::Responses);
            w.optional("verbosity", request.verbosity.as_deref());
        });
        if !write_choice(w, request) {
            w.member("tool_choice", "auto");
        }
        if !write_tools(w, request, Surface::Responses, &mut Vec::new()) {
            w.member_array("tools", |_| {});
        }
        repeated(w, request, "top_logprobs", "0");
        w.member("top_p", &request.top_p);
        repeated(w, request, "truncation", "\"disabled\"");
        w.member("user", &request.user.as_deref());
    });
    let text = String::from_utf8(w.finish()).unwrap_or_default();
    let members =
        text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or_default().to_owned();
    Echo { members, custom: request.custom.iter().map(|tool| tool.name.clone().into_owned()).collect() }
}

/// The members an answer repeats, those of a bare request if nothing is known of it.
pub(super) fn members(echo: &Echo) -> &str {
    static BARE: LazyLock<Echo> = LazyLock::new(|| self::echo(&Request::default()));
    if echo.members.is_empty() { &BARE.members } else { &echo.members }
}

/// A field that travelled beside, or what it is by default.
fn repeated(w: &mut Writer, request: &Request<'_>, name: &str, default: &str) {
    match request.aside.iter().find(|(own, _)| own == name) {
        Some((_, value)) => w.member(name, value),
        None => w.key(name).raw(default),
    }
}

/// `tools`, if there are any that can be written.
pub(super) fn write_tools(
    w: &mut Writer,
    request: &Request<'_>,
    from: Surface,
    lost: &mut Vec<String>,
) -> bool {
    let own = from == Surface::Responses;
    let native = |tool: &Tool<'_>| matches!(tool, Tool::Native(_));
    for (at, tool) in request.tools.iter().enumerate() {
        match tool {
            Tool::Native(_) if !own => lost.push(format!("tools[{at}]")),
            Tool::Function(function) if function.cache.is_some() => {
                lost.push(format!("tools[{at}].cache_control"));
            }
            _ => {}
        }
    }
    if !request.tools.iter().any(|tool| own || !native(tool)) {
        return false;
    }
    let definitions =
        request.custom.iter().filter_map(|custom| Some((&*custom.name, custom.definition.as_ref()?)));
    let definitions: HashMap<&str, &Json<'_>> = definitions.collect();
    w.key("tools").array(|w| {
        for tool in &request.tools {
            match tool {
                Tool::Function(function) => match definitions.get(&*function.name) {
                    Some(definition) if own => w.value(definition),
                    _ => write_function(w, function, own),
                },
                Tool::Native(tool) if own => w.value(tool),
                Tool::Native(_) => {}
            }
        }
    });
    true
}

fn write_function(w: &mut Writer, function: &Function<'_>, own: bool) {
    w.object(|w| {
        w.member("type", "function");
        w.member("name", &function.name);
        w.optional("description", function.description.as_deref());
        match &function.parameters {
            Some(parameters) => w.member("parameters", parameters),
            None => w.key("parameters").raw(r#"{"type":"object","properties":{}}"#),
        }
        match function.strict {
            Some(strict) => w.member("strict", &strict),
            // Here schemas are strict unless told otherwise, everywhere else it is the other way round.
            None if !own => w.member("strict", &false),
            None => {}
        }
    });
}

/// `tool_choice`, if there is one.
pub(super) fn write_choice(w: &mut Writer, request: &Request<'_>) -> bool {
    let named = |w: &mut Writer, name: &str| {
        let custom = request.custom.iter().any(|custom| custom.name == name && custom.definition.is_some());
        w.object(|w| {
            w.member("type", if custom { "custom" } else { "function" });
            w.member("name", name);
        });
    };
    match &request.tool_choice {
        None => return false,
        Some(ToolChoice::Auto) => w.member("tool_choice", "auto"),
        Some(ToolChoice::None) => w.member("tool_choice", "none"),
        Some(ToolChoice::Required) => w.member("tool_choice", "required"),
        Some(ToolChoice::Named(name)) => named(w.key("tool_choice"), name),
        Some(ToolChoice::Among(names)) => w.member_object("tool_choice", |w| {
            w.member("type", "allowed_tools");
            w.member("mode", "required");
            w.member_array("tools", |w| names.iter().for_each(|name| named(w, name)));
        }),
    }
    true
}

/// `text`, if it says anything.
pub(super) fn write_text(w: &mut Writer, request: &Request<'_>, from: Surface) {
    if request.output == Output::Text && request.verbosity.is_none() {
        return;
    }
    w.member_object("text", |w| {
        if request.output != Output::Text {
            write_format(w, &request.output, from);
        }
        w.optional("verbosity", request.verbosity.as_deref());
    });
}

fn write_format(w: &mut Writer, output: &Output<'_>, from: Surface) {
    w.member_object("format", |w| match output {
        Output::Text => w.member("type", "text"),
        Output::Json => w.member("type", "json_object"),
        Output::Schema { name, description, schema, strict: said } => {
            w.member("type", "json_schema");
            // A name is wanted here; other dialects have none.
            w.member("name", name.as_deref().unwrap_or("response"));
            w.optional("description", description.as_deref());
            w.member("schema", schema);
            w.optional("strict", strict(from, *said, schema));
        }
    });
}

/// `reasoning`, if it says anything.
pub(super) fn write_reasoning(w: &mut Writer, reasoning: &Reasoning<'_>, limit: Option<u64>) {
    let effort = effort(reasoning, limit);
    let asked = (reasoning.show == Some(true)).then_some("auto");
    let summary = reasoning.summary.as_deref().or(asked).filter(|_| reasoning.show != Some(false));
    if effort.is_none() && summary.is_none() {
        return;
    }
    w.member_object("reasoning", |w| {
        w.optional("effort", effort);
        w.optional("summary", summary);
    });
}

/// A given effort wins; of a budget it is the share of the answer's limit.
fn effort<'r>(reasoning: &'r Reasoning<'_>, limit: Option<u64>) -> Option<&'r str> {
    match (reasoning.effort.as_deref(), reasoning.budget) {
        // Only some models have a word above it.
        (Some("max"), _) => Some("xhigh"),
        (Some(effort), _) => Some(effort),
        (None, _) if reasoning.enabled == Some(false) => Some("none"),
        (None, None) => None,
        (None, Some(budget)) => Some(effort_of_budget(budget, limit.unwrap_or(USUAL_LIMIT))),
    }
}
