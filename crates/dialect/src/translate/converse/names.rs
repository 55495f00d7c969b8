//! What the client called a field, for the list of what was lost.

use crate::Surface;
use crate::translate::lost::lose;
use crate::translate::request::Request;

/// A field every dialect has under a name of its own.
#[derive(Clone, Copy, Debug)]
pub(super) enum Field {
    FrequencyPenalty,
    PresencePenalty,
    Seed,
    Temperature,
    TopP,
    TopK,
    User,
    Verbosity,
    ParallelToolCalls,
    ToolChoice,
    Tools,
    Reasoning,
    /// That thoughts shall not be shown.
    HiddenThoughts,
    Output,
}

/// The name a client of `from` has for it.
pub(super) fn name(from: Surface, field: Field) -> &'static str {
    match from {
        Surface::GenerateContent => gemini(field),
        Surface::Messages => messages(field),
        Surface::Responses => responses(field),
        Surface::Converse => converse(field),
        _ => chat(field),
    }
}

fn chat(field: Field) -> &'static str {
    match field {
        Field::FrequencyPenalty => "frequency_penalty",
        Field::PresencePenalty => "presence_penalty",
        Field::Seed => "seed",
        Field::Temperature => "temperature",
        Field::TopP => "top_p",
        Field::TopK => "top_k",
        Field::User => "user",
        Field::Verbosity => "verbosity",
        Field::ParallelToolCalls => "parallel_tool_calls",
        Field::ToolChoice => "tool_choice",
        Field::Tools => "tools",
        Field::Reasoning => "reasoning_effort",
        Field::HiddenThoughts => "reasoning.exclude",
        Field::Output => "response_format",
    }
}

fn responses(field: Field) -> &'static str {
    match field {
        Field::Verbosity => "text.verbosity",
        Field::Reasoning => "reasoning",
        Field::Output => "text.format",
        other => chat(other),
    }
}

fn messages(field: Field) -> &'static str {
    match field {
        Field::User => "metadata.user_id",
        Field::ParallelToolCalls => "tool_choice.disable_parallel_tool_use",
        Field::Reasoning => "thinking",
        Field::HiddenThoughts => "thinking.display",
        Field::Output => "output_config.format",
        other => chat(other),
    }
}

fn gemini(field: Field) -> &'static str {
    match field {
        Field::FrequencyPenalty => "generationConfig.frequencyPenalty",
        Field::PresencePenalty => "generationConfig.presencePenalty",
        Field::Seed => "generationConfig.seed",
        Field::Temperature => "generationConfig.temperature",
        Field::TopP => "generationConfig.topP",
        Field::TopK => "generationConfig.topK",
        Field::ToolChoice | Field::ParallelToolCalls => "toolConfig.functionCallingConfig",
        Field::Reasoning => "generationConfig.thinkingConfig",
        Field::HiddenThoughts => "generationConfig.thinkingConfig.includeThoughts",
        Field::Output => "generationConfig.responseMimeType",
        other => chat(other),
    }
}

fn converse(field: Field) -> &'static str {
    match field {
        Field::Temperature => "inferenceConfig.temperature",
        Field::TopP => "inferenceConfig.topP",
        Field::TopK => "additionalModelRequestFields.top_k",
        Field::ToolChoice | Field::ParallelToolCalls => "toolConfig.toolChoice",
        Field::Tools => "toolConfig.tools",
        Field::Reasoning => "additionalModelRequestFields.thinking",
        Field::HiddenThoughts => "additionalModelRequestFields.thinking.display",
        Field::Output => "outputConfig.textFormat",
        other => chat(other),
    }
}

/// Collects what cannot be said, by its name in the client's body.
#[derive(Debug)]
pub(super) struct Notes {
    from: Surface,
    /// Messages before the first turn: chat's instructions are one of its messages. `None` where they may be several.
    before: Option<usize>,
    pub(super) lost: Vec<String>,
}

impl Notes {
    pub(super) fn new(request: &Request<'_>, from: Surface) -> Self {
        let instructions_first = from.format() == crate::Format::OpenAi && from != Surface::Responses;
        let before = match request.system.len() {
            some if instructions_first && some > 1 => None,
            some if instructions_first => Some(some),
            _ => Some(0),
        };
        Self { from, before, lost: Vec::new() }
    }

    /// A field of the top.
    pub(super) fn field(&mut self, field: Field) {
        self.path(name(self.from, field).to_owned());
    }

    /// Any path, once.
    pub(super) fn path(&mut self, path: String) {
        lose(&mut self.lost, path);
    }

    /// Which dialect the request came in.
    pub(super) fn from(&self) -> Surface {
        self.from
    }

    /// The path of a turn.
    pub(super) fn turn(&self, turn: usize) -> String {
        let list = match self.from {
            Surface::Responses => "input",
            Surface::GenerateContent => "contents",
            _ => "messages",
        };
        match self.before {
            Some(before) => format!("{list}[{}]", turn + before),
            None => format!("{list}[]"),
        }
    }

    /// The path of a part of a turn.
    pub(super) fn part(&self, turn: usize, part: usize) -> String {
        let list = if self.from == Surface::GenerateContent { "parts" } else { "content" };
        format!("{}.{list}[{part}]", self.turn(turn))
    }
}
