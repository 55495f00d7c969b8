//! What a mock provider is told to do.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A whole script: who may call, and what they get. `Script::default()` answers every call well.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Script {
    /// Every path belongs to this provider.
    pub flavour: Option<Flavour>,
    /// Which provider lives below which path prefix; the longest match counts.
    pub mounts: Vec<Mount>,
    /// The keys each provider accepts. A provider that is not listed accepts any key, and none.
    pub keys: BTreeMap<Flavour, Vec<String>>,
    /// What `/models` lists.
    pub models: BTreeMap<Flavour, Vec<String>>,
    /// Refuse what the providers refuse: a model that is not listed, fields they do not know, turns out of order,
    /// tool results without their calls, state they did not issue.
    pub strict: bool,
    /// The first rule that fits a request decides.
    pub rules: Vec<Rule>,
    /// For requests that no rule fits.
    pub otherwise: Behaviour,
}

/// A provider below a path prefix.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Mount {
    /// Such as `/anthropic`.
    pub prefix: String,
    /// Whose API it is.
    pub flavour: Flavour,
}

/// Which requests get which answers. Conditions that are absent hold; patterns know `*` only.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rule {
    /// The provider called.
    pub provider: Option<Flavour>,
    /// Pattern for the body's `model`.
    pub model: Option<String>,
    /// Pattern for the path, without the query.
    pub path: Option<String>,
    /// Pattern for the key that came with the request.
    pub key: Option<String>,
    /// The operation called.
    pub surface: Option<Surface>,
    /// Whether a stream was asked for.
    pub stream: Option<bool>,
    /// Used one after the other, one a request; the last one repeats. None at all: a normal answer.
    pub answers: Vec<Behaviour>,
}

/// Whose API is imitated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Flavour {
    /// api.openai.com
    OpenAi,
    /// api.anthropic.com
    Anthropic,
    /// openrouter.ai
    OpenRouter,
    /// generativelanguage.googleapis.com: Gemini's own API, and the imitation of OpenAI's below `/openai`
    Google,
    /// aiplatform.googleapis.com: the same models behind Google Cloud's access tokens
    Vertex,
    /// bedrock-runtime.REGION.amazonaws.com: Converse
    Bedrock,
    /// NAME.openai.azure.com: OpenAI's models as deployments
    Azure,
}

/// One operation of an API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Surface {
    /// `POST …/chat/completions`
    ChatCompletions,
    /// `POST …/responses`
    Responses,
    /// `POST …/completions`
    Completions,
    /// `POST …/embeddings`
    Embeddings,
    /// `POST …/messages`
    Messages,
    /// `POST …/messages/count_tokens`
    CountTokens,
    /// `GET …/models` and `GET …/models/{id}`
    Models,
    /// `POST …/models/{model}:generateContent` and `:streamGenerateContent`
    GenerateContent,
    /// `POST …/models/{model}:countTokens`
    GeminiCount,
    /// `POST /model/{model}/converse` and `/converse-stream`
    Converse,
    /// `POST …/token`: Google's exchange of a signed statement for an access token
    Token,
    /// `GET …/key`: what OpenRouter says of the calling key
    Key,
    /// `GET …/credits`: what OpenRouter says of the account
    Credits,
    /// `GET …/generation?id=…`: what OpenRouter charged for one of the answers it gave
    Generation,
    /// Any other path.
    Other,
}

/// One answer. The default is a normal, complete, immediate one.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Behaviour {
    /// The status; from 400 on the body is the provider's error object for it.
    pub status: Option<u16>,
    /// Added to the answer's headers, replacing those of the same name.
    pub headers: BTreeMap<String, String>,
    /// The whole body, verbatim.
    pub body: Option<String>,
    /// The text of the error object.
    pub message: Option<String>,
    /// Which of OpenRouter's errors of one status it is, such as `openrouter_in_flight_budget`.
    pub kind: Option<String>,
    /// Wait before the head, in milliseconds.
    pub delay_ms: u64,
    /// Wait between the head (and what comes before content) and the first content, in milliseconds.
    pub first_content_delay_ms: u64,
    /// Wait between content events, in milliseconds.
    pub chunk_delay_ms: u64,
    /// The answer's text, cut into words when streamed.
    pub text: Option<String>,
    /// The answer's text as it is cut when streamed.
    pub chunks: Option<Vec<String>>,
    /// The model's reasoning, sent before the text where the API shows it (messages, OpenRouter's chat).
    pub reasoning: Option<String>,
    /// Token counts; made from the texts' lengths when absent.
    pub usage: Option<UsageCounts>,
    /// Leave usage out, also where it was asked for.
    pub omit_usage: bool,
    /// How many `: OPENROUTER PROCESSING` comments come first, or, in a plain answer, how many blank lines.
    pub comments: usize,
    /// Whether tools are called.
    pub tools: ToolUse,
    /// The answer's text is a JSON account of what was received.
    pub echo: bool,
    /// The provider's rate limit headers.
    pub rate_limit: Option<RateLimit>,
    /// In place of `stop` and its likes.
    pub finish_reason: Option<String>,
    /// The body goes out in crumbs.
    pub trickle: Option<Trickle>,
    /// What goes wrong.
    pub fault: Option<Fault>,
}

/// What goes wrong in an answer. A "chunk" is one content event of a stream. Where an answer is plain JSON, a
/// fault "after chunks" happens after half of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The connection ends (FIN; on HTTP/2 the stream is reset) after so many chunks.
    CutAfterChunks(usize),
    /// The same with a TCP reset of the connection.
    ResetAfterChunks(usize),
    /// Status 200, and the first event, or the whole plain body, is an error.
    ErrorFirst,
    /// An error event after so many chunks, and then the end.
    ErrorAfterChunks(usize),
    /// All content, then a finish reason `error` (chat), `response.failed` (responses) or an error event.
    FinishError,
    /// The head, then nothing for ever.
    StallAfterHead,
    /// So many chunks, then nothing for ever.
    StallMidStream(usize),
    /// Nothing at all for ever.
    Hang,
    /// Status 200 with something that is not JSON.
    Garbage,
    /// Something that is not HTTP.
    GarbageHead,
    /// A web page, with status 502 unless the behaviour has one.
    Html,
    /// A good head without any body.
    EmptyBody,
    /// `content-length` does not fit the body.
    WrongContentLength(Length),
    /// A stream whose second line never ends.
    EndlessLine,
    /// The connection ends (FIN) before any byte of an answer.
    CloseBeforeHead,
    /// The connection is reset before any byte of an answer.
    Reset,
    /// A good answer with so many bytes of additional headers.
    HeadersHuge(usize),
}

/// How a `content-length` is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Length {
    /// Longer than the body: the connection ends early.
    Longer,
    /// Shorter than the body: bytes are left over.
    Shorter,
}

/// When a mock calls tools.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ToolUse {
    /// If the request has tools, no tool result came last, and the request demands a call or its last message
    /// holds the word "tool" or a tool's name.
    #[default]
    Auto,
    /// If the request has tools.
    Always,
    /// Never.
    Never,
}

/// Token counts of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct UsageCounts {
    /// Of the prompt, cached ones included (as OpenAI counts).
    pub input: u64,
    /// Of the answer, reasoning included.
    pub output: u64,
    /// Of the prompt, read from a cache.
    pub cached: u64,
    /// Of the answer, spent on reasoning.
    pub reasoning: u64,
}

/// What the rate limit headers say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// Requests allowed in a window.
    pub limit: u64,
    /// Requests left.
    pub remaining: u64,
    /// Seconds until the window ends.
    pub reset_s: u64,
}

/// A body sent slowly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Trickle {
    /// Bytes sent at once.
    pub bytes: usize,
    /// Milliseconds between.
    pub every_ms: u64,
}

/// The script cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the mock's script is wrong: {0}")]
pub struct ScriptError(String);

impl Script {
    /// Reads a script from YAML text.
    ///
    /// # Errors
    /// Text that is no YAML, unknown fields, values of a wrong kind.
    pub fn from_yaml(text: &str) -> Result<Self, ScriptError> {
        serde_saphyr::from_str(text).map_err(|e| ScriptError(e.to_string()))
    }

    /// Every request gets the same.
    #[must_use]
    pub fn always(behaviour: Behaviour) -> Self {
        Self { otherwise: behaviour, ..Self::default() }
    }

    /// Requests get these one after the other; the last one repeats.
    #[must_use]
    pub fn sequence(answers: impl IntoIterator<Item = Behaviour>) -> Self {
        Self::default().rule(Rule { answers: answers.into_iter().collect(), ..Rule::default() })
    }

    /// Every path belongs to this provider.
    #[must_use]
    pub fn flavour(mut self, flavour: Flavour) -> Self {
        self.flavour = Some(flavour);
        self
    }

    /// Adds a rule behind those that are there.
    #[must_use]
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// Adds a rule for models that match a pattern.
    #[must_use]
    pub fn model(self, pattern: &str, answers: impl IntoIterator<Item = Behaviour>) -> Self {
        self.rule(Rule {
            model: Some(pattern.into()),
            answers: answers.into_iter().collect(),
            ..Rule::default()
        })
    }

    /// Adds a rule for keys that match a pattern.
    #[must_use]
    pub fn when_key(self, pattern: &str, answers: impl IntoIterator<Item = Behaviour>) -> Self {
        self.rule(Rule {
            key: Some(pattern.into()),
            answers: answers.into_iter().collect(),
            ..Rule::default()
        })
    }

    /// Adds a key that a provider accepts; others are refused from then on.
    #[must_use]
    pub fn accept_key(mut self, flavour: Flavour, key: &str) -> Self {
        self.keys.entry(flavour).or_default().push(key.into());
        self
    }
}

impl Behaviour {
    /// An answer with a status: an error object from 400 on.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self { status: Some(status), ..Self::default() }
    }

    /// An answer with this text.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self { text: Some(text.into()), ..Self::default() }
    }

    /// An answer whose streamed text is cut like this.
    #[must_use]
    pub fn chunks<'a>(chunks: impl IntoIterator<Item = &'a str>) -> Self {
        Self { chunks: Some(chunks.into_iter().map(Into::into).collect()), ..Self::default() }
    }

    /// An answer that goes wrong.
    #[must_use]
    pub fn fault(fault: Fault) -> Self {
        Self { fault: Some(fault), ..Self::default() }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.into(), value.into());
        self
    }

    /// Waits before the head.
    #[must_use]
    pub fn after_ms(mut self, ms: u64) -> Self {
        self.delay_ms = ms;
        self
    }

    /// Waits before the first content.
    #[must_use]
    pub fn first_content_after_ms(mut self, ms: u64) -> Self {
        self.first_content_delay_ms = ms;
        self
    }

    /// Waits between content events.
    #[must_use]
    pub fn chunk_every_ms(mut self, ms: u64) -> Self {
        self.chunk_delay_ms = ms;
        self
    }
}

/// Whether `text` fits `pattern`, where `*` stands for any run of characters.
pub(crate) fn glob(pattern: &str, text: &str) -> bool {
    let (first, rest) = match pattern.split_once('*') {
        None => return pattern == text,
        Some(parts) => parts,
    };
    let Some(mut left) = text.strip_prefix(first) else { return false };
    let mut pieces: Vec<&str> = rest.split('*').collect();
    let last = pieces.pop().unwrap_or("");
    for piece in pieces {
        let Some(at) = left.find(piece) else { return false };
        left = left.get(at + piece.len()..).unwrap_or("");
    }
    left.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, text, fits) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
            ("gpt-*", "gpt-4o", true),
            ("gpt-*", "a-gpt-4o", false),
            ("*-down", "claude-down", true),
            ("*-down", "claude-down-2", false),
            ("a*b*c", "a1b2bc", true),
            ("a*b*c", "acb", false),
            ("ab*ba", "aba", false),
        ] {
            assert_eq!(glob(pattern, text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn yaml_reads_every_kind_of_fault() {
        let script = Script::from_yaml(
            "keys: {openai: [sk-1]}\n\
             mounts: [{prefix: /a, flavour: anthropic}]\n\
             rules:\n\
             - provider: openrouter\n\
             \x20 surface: chat-completions\n\
             \x20 model: 'gpt-*'\n\
             \x20 answers:\n\
             \x20 - fault: reset\n\
             \x20 - fault: {cut_after_chunks: 2}\n\
             \x20 - fault: {wrong_content_length: longer}\n\
             \x20 - {status: 429, headers: {retry-after: '7'}, rate_limit: {limit: 5, remaining: 0, reset_s: 7}}\n\
             otherwise: {chunks: [a, b], tools: always}\n",
        )
        .unwrap();
        let answers = &script.rules[0].answers;
        assert_eq!(answers[0].fault, Some(Fault::Reset));
        assert_eq!(answers[1].fault, Some(Fault::CutAfterChunks(2)));
        assert_eq!(answers[2].fault, Some(Fault::WrongContentLength(Length::Longer)));
        assert_eq!(answers[3].headers["retry-after"], "7");
        assert_eq!(script.otherwise.tools, ToolUse::Always);
        assert_eq!(script.keys[&Flavour::OpenAi], ["sk-1"]);
    }

    #[test]
    fn yaml_refuses_unknown_fields() {
        let error = Script::from_yaml("rules: [{modell: x}]").unwrap_err().to_string();
        assert!(error.contains("modell"), "{error}");
    }
}
