//! What the client calls the things this API has no place for: losses are named in the client's own words.

use super::super::request::Request;
use crate::Surface;

/// A setting that may have to be left out.
#[derive(Clone, Copy, Debug)]
pub(super) enum Setting {
    Candidates,
    FrequencyPenalty,
    Effort,
    Output,
    OutputDescription,
    PresencePenalty,
    Reasoning,
    Seed,
    Stop,
    Summary,
    Temperature,
    ToolChoice,
    TopK,
    TopP,
    Verbosity,
}

impl Setting {
    /// Its name in the dialect of the client.
    pub(super) fn of(self, from: Surface) -> &'static str {
        match from {
            Surface::GenerateContent => self.gemini(),
            Surface::Responses => self.responses(),
            Surface::Messages => self.messages(),
            _ => self.chat(),
        }
    }

    fn chat(self) -> &'static str {
        match self {
            Self::Candidates => "n",
            Self::Effort => "reasoning_effort",
            Self::FrequencyPenalty => "frequency_penalty",
            Self::Output => "response_format",
            Self::OutputDescription => "response_format.json_schema.description",
            Self::PresencePenalty => "presence_penalty",
            Self::Reasoning => "reasoning",
            Self::Seed => "seed",
            Self::Stop => "stop",
            Self::Summary => "reasoning.summary",
            Self::Temperature => "temperature",
            Self::ToolChoice => "tool_choice",
            Self::TopK => "top_k",
            Self::TopP => "top_p",
            Self::Verbosity => "verbosity",
        }
    }

    fn responses(self) -> &'static str {
        match self {
            Self::Output => "text.format",
            Self::OutputDescription => "text.format.description",
            Self::Effort => "reasoning.effort",
            Self::Verbosity => "text.verbosity",
            other => other.chat(),
        }
    }

    fn messages(self) -> &'static str {
        match self {
            Self::Output => "output_config.format",
            Self::Effort => "output_config.effort",
            Self::Reasoning => "thinking",
            Self::Stop => "stop_sequences",
            other => other.chat(),
        }
    }

    fn gemini(self) -> &'static str {
        match self {
            Self::Candidates => "generationConfig.candidateCount",
            Self::FrequencyPenalty => "generationConfig.frequencyPenalty",
            Self::Output => "generationConfig.responseMimeType",
            Self::OutputDescription => "generationConfig.responseSchema.description",
            Self::PresencePenalty => "generationConfig.presencePenalty",
            Self::Effort | Self::Reasoning | Self::Summary => "generationConfig.thinkingConfig",
            Self::Seed => "generationConfig.seed",
            Self::Stop => "generationConfig.stopSequences",
            Self::Temperature => "generationConfig.temperature",
            Self::ToolChoice => "toolConfig.functionCallingConfig",
            Self::TopK => "generationConfig.topK",
            Self::TopP => "generationConfig.topP",
            Self::Verbosity => "verbosity",
        }
    }
}

/// Where turn `at` stands in the client's body. In chat the instructions before the conversation are messages too;
/// with instructions of several parts it is not known how many messages they were, so there is no number then.
pub(super) fn turn(from: Surface, request: &Request<'_>, at: usize) -> String {
    match from {
        Surface::GenerateContent => format!("contents[{at}]"),
        Surface::Responses => format!("input[{at}]"),
        Surface::Messages | Surface::Converse => format!("messages[{at}]"),
        _ if request.system.len() > 1 => "messages[]".to_owned(),
        _ => format!("messages[{}]", at + request.system.len()),
    }
}

/// Where a part of a turn stands in the client's body.
pub(super) fn part(from: Surface, turn: &str, at: usize) -> String {
    let list = if from == Surface::GenerateContent { "parts" } else { "content" };
    format!("{turn}.{list}[{at}]")
}

/// Where the arguments of a call stand: it is part `at` of its turn, and call `call` of it.
pub(super) fn arguments(from: Surface, turn: &str, at: usize, call: usize) -> String {
    match from {
        Surface::GenerateContent => format!("{turn}.parts[{at}].functionCall.args"),
        Surface::Responses => format!("{turn}.arguments"),
        Surface::Messages => format!("{turn}.content[{at}].input"),
        Surface::Converse => format!("{turn}.content[{at}].toolUse.input"),
        _ => format!("{turn}.tool_calls[{call}].function.arguments"),
    }
}
