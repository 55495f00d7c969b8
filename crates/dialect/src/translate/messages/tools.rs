//! Tools: reading and writing them.

use super::super::Unsupported;
use super::super::error::DecodeError;
use super::super::fields::{Fields, Path};
use super::super::request::{Function, Json, Request, Tool, ToolChoice};
use super::super::writer::Writer;
use super::arrange::Message;
use super::blocks::{Block, write_cache};
use super::names::Setting;
use super::read_blocks::Reader;
use super::schema;
use crate::Surface;
use std::collections::HashSet;

/// Reads `tools` and `tool_choice`.
pub(super) fn read<'a>(
    fields: &mut Fields<'a, '_>,
    reader: &mut Reader<'a>,
    request: &mut Request<'a>,
) -> Result<(), DecodeError> {
    let root = Path::Root;
    let path = root.key("tools");
    for (at, tool) in fields.list("tools")?.into_iter().enumerate() {
        request.tools.push(read_tool(tool, &path.index(at), reader)?);
    }
    let Some(choice) = fields.take("tool_choice") else { return Ok(()) };
    let path = root.key("tool_choice");
    let mut choice = Fields::of(choice, &path)?;
    request.tool_choice = Some(match &*choice.required_text("type")? {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Required,
        "none" => ToolChoice::None,
        "tool" => ToolChoice::Named(choice.required_text("name")?),
        _ => return Err(DecodeError::value(&path.key("type"), "must be 'auto', 'any', 'tool' or 'none'")),
    });
    request.parallel_tool_calls = choice.boolean("disable_parallel_tool_use")?.map(|disabled| !disabled);
    reader.leave(choice);
    Ok(())
}

/// A tool with a `type` of its own is Anthropic's, whether the provider or the client runs it.
fn read_tool<'a>(tool: Json<'a>, path: &Path<'_>, reader: &mut Reader<'a>) -> Result<Tool<'a>, DecodeError> {
    if let Json::Object(members) = &tool
        && let Some(Json::Str(kind)) = members.get("type")
        && kind != "custom"
    {
        return Ok(Tool::Native(tool));
    }
    let mut fields = Fields::of(tool, path)?;
    fields.text("type")?;
    let name = fields.required_text("name")?;
    let description = fields.text("description")?;
    let parameters = match fields.take("input_schema") {
        None => None,
        Some(schema @ Json::Object(_)) => Some(schema),
        Some(other) => return Err(DecodeError::wrong(&path.key("input_schema"), "an object", &other)),
    };
    let strict = fields.boolean("strict")?;
    let cache = reader.cache(&mut fields)?;
    if let Some(callers) = fields.take("allowed_callers") {
        // That the model calls it directly is what happens elsewhere too.
        if !matches!(&callers, Json::Array(callers) if callers.iter().all(|caller| caller.as_str() == Some("direct")))
        {
            reader.lost.push(path.key("allowed_callers").to_string());
        }
    }
    reader.leave(fields);
    Ok(Tool::Function(Function { name, description, parameters, strict, cache }))
}

/// The tools of a request as they will be written.
#[derive(Debug, Default)]
pub(super) struct Tools<'r> {
    written: Vec<Written<'r>>,
    choice: Option<Choice<'r>>,
    single: bool,
}

#[derive(Debug)]
enum Written<'r> {
    /// `own`: it was written for this API in the first place.
    Function {
        function: &'r Function<'r>,
        own: bool,
    },
    Native(&'r Json<'r>),
    /// A function of which only calls in the conversation are known.
    Bare(&'r str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice<'r> {
    Auto,
    Any,
    None,
    Tool(&'r str),
}

impl<'r> Tools<'r> {
    /// Chooses what of a request's tools is written.
    pub(super) fn plan(
        request: &'r Request<'r>,
        from: Surface,
        messages: &[Message<'r>],
        lost: &mut Vec<String>,
    ) -> Result<Self, Unsupported> {
        let among = match &request.tool_choice {
            Some(ToolChoice::Among(names)) => {
                Some(names.iter().map(|name| &**name).collect::<HashSet<&str>>())
            }
            _ => None,
        };
        let mut written = Vec::with_capacity(request.tools.len());
        for (at, tool) in request.tools.iter().enumerate() {
            match tool {
                Tool::Function(function) => {
                    check_name(&function.name, at)?;
                    // The others stay unsaid: that is how a choice among some is said here.
                    if among.as_ref().is_none_or(|names| names.contains(&*function.name)) {
                        let own = from == Surface::Messages;
                        written.push(Written::Function { function, own });
                    }
                }
                Tool::Native(tool) if from == Surface::Messages => written.push(Written::Native(tool)),
                Tool::Native(_) => lost.push(format!("tools[{at}]")),
            }
        }
        if written.is_empty() {
            return Ok(Self::of_history(request, from, messages, lost));
        }
        let choice = match &request.tool_choice {
            None => None,
            Some(ToolChoice::Auto) => Some(Choice::Auto),
            Some(ToolChoice::None) => Some(Choice::None),
            Some(ToolChoice::Required | ToolChoice::Among(_)) => Some(Choice::Any),
            Some(ToolChoice::Named(name)) if from == Surface::Messages || has(&written, name) => {
                Some(Choice::Tool(name))
            }
            Some(ToolChoice::Named(_)) => {
                lost.push(Setting::ToolChoice.of(from).to_owned());
                None
            }
        };
        let single = request.parallel_tool_calls == Some(false) && choice != Some(Choice::None);
        Ok(Self { written, choice, single })
    }

    /// Without tools in the request, those the conversation has called are declared but forbidden: calls of tools that
    /// are not declared may be refused.
    fn of_history(
        request: &Request<'_>,
        from: Surface,
        messages: &[Message<'r>],
        lost: &mut Vec<String>,
    ) -> Self {
        if matches!(
            request.tool_choice,
            Some(ToolChoice::Required | ToolChoice::Named(_) | ToolChoice::Among(_))
        ) {
            lost.push(Setting::ToolChoice.of(from).to_owned());
        }
        let mut written: Vec<Written<'r>> = Vec::new();
        let mut known = HashSet::new();
        for block in messages.iter().flat_map(|message| &message.blocks) {
            if let Block::ToolUse { name, .. } = block
                && known.insert(*name)
            {
                written.push(Written::Bare(name));
            }
        }
        let choice = (!written.is_empty()).then_some(Choice::None);
        Self { written, choice, single: false }
    }

    /// Whether the answer has to be a call, which the API does not let a model think about.
    pub(super) fn forced(&self) -> bool {
        matches!(self.choice, Some(Choice::Any | Choice::Tool(_)))
    }

    /// Writes the members `tools` and `tool_choice`.
    pub(super) fn write(&self, w: &mut Writer) {
        if self.written.is_empty() {
            return;
        }
        w.member_array("tools", |w| self.written.iter().for_each(|tool| tool.write(w)));
        let choice = self.choice.or(self.single.then_some(Choice::Auto));
        let Some(choice) = choice else { return };
        w.member_object("tool_choice", |w| {
            match choice {
                Choice::Auto => w.member("type", "auto"),
                Choice::Any => w.member("type", "any"),
                Choice::None => w.member("type", "none"),
                Choice::Tool(name) => {
                    w.member("type", "tool");
                    w.member("name", name);
                }
            }
            if self.single {
                w.member("disable_parallel_tool_use", &true);
            }
        });
    }
}

impl Written<'_> {
    fn write(&self, w: &mut Writer) {
        let (function, own) = match self {
            Self::Native(tool) => return w.value(tool),
            Self::Bare(name) => {
                return w.object(|w| {
                    w.member("name", name);
                    w.member_object("input_schema", |w| w.member("type", "object"));
                });
            }
            Self::Function { function, own } => (function, own),
        };
        w.object(|w| {
            w.member("name", &function.name);
            w.optional("description", function.description.as_deref());
            w.key("input_schema");
            match &function.parameters {
                Some(parameters) if function.strict == Some(true) && !own => schema::write(w, parameters),
                parameters => write_schema(w, parameters.as_ref()),
            }
            if function.strict == Some(true) {
                w.member("strict", &true);
            }
            write_cache(w, function.cache.as_ref());
        });
    }
}

/// A schema of arguments; its `type` must be said here, elsewhere it need not.
fn write_schema(w: &mut Writer, schema: Option<&Json<'_>>) {
    match schema {
        Some(Json::Object(members)) if members.get("type").is_none_or(Json::is_null) => w.object(|w| {
            w.member("type", "object");
            members
                .iter()
                .filter(|(name, _)| *name != "type")
                .for_each(|(name, value)| w.member(name, value));
        }),
        Some(schema @ Json::Object(_)) => w.value(schema),
        _ => w.object(|w| w.member("type", "object")),
    }
}

fn has(written: &[Written<'_>], wanted: &str) -> bool {
    written.iter().any(|tool| match tool {
        Written::Function { function, .. } => function.name == wanted,
        Written::Bare(name) => *name == wanted,
        Written::Native(_) => false,
    })
}

/// `^[a-zA-Z0-9_-]{1,128}$`, as the API checks it (Anthropic, "Define tools"). Another name would have to be found again in
/// the answer.
fn check_name(name: &str, at: usize) -> Result<(), Unsupported> {
    let right = (1..=128).contains(&name.len()) && name.bytes().all(super::calls::is_plain);
    right.then_some(()).ok_or_else(|| {
        let pattern = "letters, digits, '_' and '-', at most 128";
        Unsupported(format!("the name of function {at} in 'tools' (Anthropic's API takes {pattern})"))
    })
}
