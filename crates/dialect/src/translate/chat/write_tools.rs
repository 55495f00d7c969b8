//! Tools and the choice among them.

use super::super::request::{Function, Request, Tool, ToolChoice};
use super::super::writer::Writer;
use super::super::{Target, Unsupported};
use super::lose;
use super::write_messages::{cache_control, marks};
use super::write_request::is_openai;
use crate::Surface;
use std::collections::HashSet;

pub(super) fn write(
    w: &mut Writer,
    request: &Request<'_>,
    from: Surface,
    target: &Target<'_>,
    lost: &mut Vec<String>,
) -> Result<(), Unsupported> {
    // Only OpenAI has a word for "one of these"; to others the rest is not shown.
    let only = match &request.tool_choice {
        Some(ToolChoice::Among(names)) if !is_openai(target) => {
            Some(names.iter().map(|name| &**name).collect::<HashSet<&str>>())
        }
        _ => None,
    };
    let shown = |tool: &&Tool<'_>| match tool {
        Tool::Function(function) => only.as_ref().is_none_or(|names| names.contains(&*function.name)),
        Tool::Native(_) => from == Surface::ChatCompletions,
    };
    for (at, tool) in request.tools.iter().enumerate().filter(|(_, tool)| !shown(tool)) {
        if matches!(tool, Tool::Native(_)) {
            lose(lost, format!("tools[{at}]"));
        }
    }
    if !request.tools.iter().any(|tool| shown(&tool)) {
        return match &request.tool_choice {
            Some(ToolChoice::Required | ToolChoice::Named(_) | ToolChoice::Among(_)) => {
                Err(Unsupported("a tool that must be called and that chat completions do not have".into()))
            }
            // What is said about tools is refused where there are none.
            _ => Ok(()),
        };
    }
    w.member_array("tools", |w| {
        for tool in request.tools.iter().filter(shown) {
            match tool {
                Tool::Function(function) => {
                    // Responses are strict unless told otherwise, chat completions the other way round.
                    let strict = function.strict.filter(|strict| *strict || from == Surface::ChatCompletions);
                    write_function(w, function, strict, target, lost);
                }
                Tool::Native(tool) => w.value(tool),
            }
        }
    });
    match &request.tool_choice {
        None => {}
        Some(ToolChoice::Auto) => w.member("tool_choice", "auto"),
        Some(ToolChoice::None) => w.member("tool_choice", "none"),
        Some(ToolChoice::Required) => w.member("tool_choice", "required"),
        Some(ToolChoice::Among(_)) if only.is_some() => w.member("tool_choice", "required"),
        Some(ToolChoice::Named(name)) => w.member_object("tool_choice", |w| named(w, name)),
        Some(ToolChoice::Among(names)) => w.member_object("tool_choice", |w| {
            w.member("type", "allowed_tools");
            w.member_object("allowed_tools", |w| {
                w.member("mode", "required");
                w.member_array("tools", |w| names.iter().for_each(|name| w.object(|w| named(w, name))));
            });
        }),
    }
    w.optional("parallel_tool_calls", request.parallel_tool_calls);
    Ok(())
}

fn named(w: &mut Writer, name: &str) {
    w.member("type", "function");
    w.member_object("function", |w| w.member("name", name));
}

fn write_function(
    w: &mut Writer,
    function: &Function<'_>,
    strict: Option<bool>,
    target: &Target<'_>,
    lost: &mut Vec<String>,
) {
    w.object(|w| {
        w.member("type", "function");
        w.member_object("function", |w| {
            w.member("name", &function.name);
            w.optional("description", function.description.as_ref());
            w.optional("parameters", function.parameters.as_ref());
            w.optional("strict", strict);
        });
        match &function.cache {
            Some(cache) if marks(target) => cache_control(w, cache),
            Some(_) => lose(lost, "cache_control"),
            None => {}
        }
    });
}
