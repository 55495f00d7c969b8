//! `toolConfig`.

use super::family::Family;
use super::names::{Field, Notes};
use super::plan::{Plan, undeclared};
use super::write_blocks::cache_point;
use crate::Surface;
use crate::translate::messages::schema;
use crate::translate::request::{Function, Json, Request, Tool, ToolChoice};
use crate::translate::writer::Writer;
use std::collections::HashSet;

/// What `toolConfig` says.
#[derive(Debug, Default)]
pub(super) struct Tools<'r> {
    tools: Vec<Entry<'r>>,
    choice: Option<Choice<'r>>,
    /// Strict schemas are made fit for the model's grammar.
    closes: bool,
}

#[derive(Debug)]
enum Entry<'r> {
    Function(&'r Function<'r>),
    /// Written as the client wrote it.
    Native(&'r Json<'r>),
    /// Called before, and not declared any more. Bedrock wants every tool of the conversation declared.
    Called(&'r str),
    CachePoint(Option<&'r str>),
}

#[derive(Debug)]
enum Choice<'r> {
    Auto,
    Any,
    Tool(&'r str),
}

impl<'r> Tools<'r> {
    /// Decides what is declared, and what of it has to be called.
    pub(super) fn of(request: &'r Request<'_>, plan: &Plan<'r>, family: Family, notes: &mut Notes) -> Self {
        let mut tools = Vec::new();
        let among = match &request.tool_choice {
            Some(ToolChoice::Among(names)) => {
                Some(names.iter().map(|name| &**name).collect::<HashSet<&str>>())
            }
            _ => None,
        };
        // A tool nobody may call is not declared, unless the conversation has called one already.
        let forbidden = request.tool_choice == Some(ToolChoice::None);
        if !forbidden || !plan.called.is_empty() {
            for (at, tool) in request.tools.iter().enumerate() {
                entry(tool, at, among.as_ref(), family, notes, &mut tools);
            }
        }
        let declared: Vec<&str> = tools.iter().filter_map(Entry::name).collect();
        tools.extend(undeclared(plan, &declared, notes).into_iter().map(Entry::Called));
        if forbidden && !tools.is_empty() {
            // There is no word for "none".
            notes.field(Field::ToolChoice);
        }
        let choice = match &request.tool_choice {
            _ if tools.is_empty() => None,
            None | Some(ToolChoice::None) => None,
            Some(ToolChoice::Auto) => Some(Choice::Auto),
            Some(ToolChoice::Required | ToolChoice::Among(_)) => Some(Choice::Any),
            Some(ToolChoice::Named(name)) => Some(Choice::Tool(name)),
        };
        if request.parallel_tool_calls == Some(false) && !tools.is_empty() {
            notes.field(Field::ParallelToolCalls);
        }
        Self { tools, choice, closes: family.wants_closed_schemas(notes.from()) }
    }

    /// Whether a tool must be called.
    pub(super) fn forced(&self) -> bool {
        matches!(self.choice, Some(Choice::Any | Choice::Tool(_)))
    }

    /// Writes the member, if there is anything to say.
    pub(super) fn write(&self, w: &mut Writer) {
        if self.tools.is_empty() {
            return;
        }
        w.member_object("toolConfig", |w| {
            w.member_array("tools", |w| {
                for tool in &self.tools {
                    tool.write(self.closes, w);
                }
            });
            match &self.choice {
                None => {}
                Some(Choice::Auto) => w.key("toolChoice").raw(r#"{"auto":{}}"#),
                Some(Choice::Any) => w.key("toolChoice").raw(r#"{"any":{}}"#),
                Some(Choice::Tool(name)) => w.member_object("toolChoice", |w| {
                    w.member_object("tool", |w| w.member("name", name));
                }),
            }
        });
    }
}

impl Entry<'_> {
    fn name(&self) -> Option<&str> {
        match self {
            Self::Function(function) => Some(&function.name),
            Self::Called(name) => Some(name),
            Self::Native(_) | Self::CachePoint(_) => None,
        }
    }

    fn write(&self, closes: bool, w: &mut Writer) {
        match self {
            Self::CachePoint(ttl) => cache_point(*ttl, w),
            Self::Native(tool) => w.value(tool),
            Self::Called(name) => w.object(|w| {
                w.member_object("toolSpec", |w| {
                    w.member("name", name);
                    w.key("inputSchema").raw(r#"{"json":{"type":"object"}}"#);
                });
            }),
            Self::Function(function) => w.object(|w| {
                w.member_object("toolSpec", |w| {
                    w.member("name", &function.name);
                    w.optional("description", function.description.as_ref().filter(|text| !text.is_empty()));
                    w.member_object("inputSchema", |w| match &function.parameters {
                        Some(schema) if closes && function.strict == Some(true) => {
                            schema::write(w.key("json"), schema);
                        }
                        Some(schema) => w.member("json", schema),
                        None => w.key("json").raw(r#"{"type":"object","properties":{}}"#),
                    });
                    // False is how it is without a word, and older models know none.
                    w.optional("strict", function.strict.filter(|strict| *strict));
                });
            }),
        }
    }
}

fn entry<'r>(
    tool: &'r Tool<'_>,
    at: usize,
    among: Option<&HashSet<&str>>,
    family: Family,
    notes: &mut Notes,
    out: &mut Vec<Entry<'r>>,
) {
    match tool {
        Tool::Function(function) => {
            if among.is_some_and(|names| !names.contains(&*function.name)) {
                return;
            }
            out.push(Entry::Function(function));
            match &function.cache {
                Some(cache) if family.may_cache() => out.push(Entry::CachePoint(cache.ttl.as_deref())),
                Some(_) => notes.path(format!("tools[{at}].cache_control")),
                None => {}
            }
        }
        Tool::Native(tool) if notes.from() == Surface::Converse => out.push(Entry::Native(tool)),
        Tool::Native(_) => notes.path(format!("tools[{at}]")),
    }
}
