//! What cannot be said to Gemini, in the words of the client's dialect.

use super::super::lost::lose;
use crate::Surface;

/// The names of what may be lost. Lists are named without a number: a part of the representation does not know which
/// of the client's messages it was.
pub(super) struct Vocabulary {
    pub(super) user: &'static str,
    pub(super) verbosity: &'static str,
    pub(super) parallel: &'static str,
    pub(super) reasoning: &'static str,
    pub(super) tool_choice: &'static str,
    pub(super) stop: &'static str,
    pub(super) speaker: &'static str,
    pub(super) role: &'static str,
    pub(super) detail: &'static str,
    pub(super) title: &'static str,
    pub(super) cache: &'static str,
    pub(super) tool_cache: &'static str,
    pub(super) strict: &'static str,
    pub(super) annotations: &'static str,
    pub(super) signature: &'static str,
    pub(super) arguments: &'static str,
    pub(super) result: &'static str,
}

const CHAT: Vocabulary = Vocabulary {
    user: "user",
    verbosity: "verbosity",
    parallel: "parallel_tool_calls",
    reasoning: "reasoning_effort",
    tool_choice: "tool_choice",
    stop: "stop",
    speaker: "messages[].name",
    role: "messages[].role",
    detail: "messages[].content[].image_url.detail",
    title: "messages[].content[].file.filename",
    cache: "messages[].content[].cache_control",
    tool_cache: "tools[].cache_control",
    strict: "tools[].function.strict",
    annotations: "messages[].annotations",
    signature: "messages[].reasoning_details",
    arguments: "messages[].tool_calls[].function.arguments",
    result: "messages[].tool_call_id",
};

const RESPONSES: Vocabulary = Vocabulary {
    user: "user",
    verbosity: "text.verbosity",
    parallel: "parallel_tool_calls",
    reasoning: "reasoning",
    tool_choice: "tool_choice",
    stop: "stop",
    speaker: "input[].name",
    role: "input[].role",
    detail: "input[].content[].detail",
    title: "input[].content[].filename",
    cache: "input[].content[].cache_control",
    tool_cache: "tools[].cache_control",
    strict: "tools[].strict",
    annotations: "input[].content[].annotations",
    signature: "input[].encrypted_content",
    arguments: "input[].arguments",
    result: "input[].call_id",
};

const MESSAGES: Vocabulary = Vocabulary {
    user: "metadata.user_id",
    verbosity: "verbosity",
    parallel: "tool_choice.disable_parallel_tool_use",
    reasoning: "thinking",
    tool_choice: "tool_choice",
    stop: "stop_sequences",
    speaker: "messages[].name",
    role: "messages[].role",
    detail: "messages[].content[].detail",
    title: "messages[].content[].title",
    cache: "messages[].content[].cache_control",
    tool_cache: "tools[].cache_control",
    strict: "tools[].strict",
    annotations: "messages[].content[].citations",
    signature: "messages[].content[].signature",
    arguments: "messages[].content[].input",
    result: "messages[].content[].tool_use_id",
};

const GEMINI: Vocabulary = Vocabulary {
    user: "user",
    verbosity: "verbosity",
    parallel: "parallel_tool_calls",
    reasoning: "generationConfig.thinkingConfig",
    tool_choice: "toolConfig.functionCallingConfig",
    stop: "generationConfig.stopSequences",
    speaker: "contents[].name",
    role: "contents[].role",
    detail: "contents[].parts[].mediaResolution",
    title: "contents[].parts[].inlineData.displayName",
    cache: "contents[].parts[].cache",
    tool_cache: "tools[].cache",
    strict: "tools[].functionDeclarations[].strict",
    annotations: "contents[].parts[].annotations",
    signature: "contents[].parts[].thoughtSignature",
    arguments: "contents[].parts[].functionCall.args",
    result: "contents[].parts[].functionResponse.name",
};

/// The words of a dialect.
pub(super) fn of(from: Surface) -> &'static Vocabulary {
    match from {
        Surface::Responses => &RESPONSES,
        Surface::Messages | Surface::Converse => &MESSAGES,
        Surface::GenerateContent => &GEMINI,
        _ => &CHAT,
    }
}

/// What a translation lost, each name once.
pub(super) struct Lost {
    pub(super) words: &'static Vocabulary,
    pub(super) names: Vec<String>,
}

impl Lost {
    pub(super) fn new(from: Surface) -> Self {
        Self { words: of(from), names: Vec::new() }
    }

    pub(super) fn add(&mut self, name: &str) {
        lose(&mut self.names, name);
    }

    /// Adds a name if there is something to lose.
    pub(super) fn when(&mut self, lost: bool, name: &str) {
        if lost {
            self.add(name);
        }
    }
}
