//! A request for an answer in a conversation, in no dialect.
//!
//! Texts are borrowed from the body wherever JSON has no escapes in them, so that a picture of 20 MiB is not copied.

use super::state::State;
use crate::Surface;
use std::borrow::Cow;

/// A text of a body.
pub(crate) type Text<'a> = Cow<'a, str>;
/// Any JSON of a body: a tool's schema, a field nobody here knows. Keeps the order of its members.
pub(crate) type Json<'a> = serde_json_borrow::Value<'a>;

/// What every dialect says in its own words.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request<'a> {
    /// The model as the client named it; a codec writes the target's name instead.
    pub(crate) model: Text<'a>,
    /// Instructions before the conversation: `system` and `developer` messages at its start, `system`,
    /// `instructions`, `systemInstruction`.
    pub(crate) system: Vec<Part<'a>>,
    /// The conversation. Neighbours may have the same role: a codec joins them where its dialect wants turns to
    /// alternate.
    pub(crate) turns: Vec<Turn<'a>>,
    /// Functions the model may call, and tools the provider runs itself.
    pub(crate) tools: Vec<Tool<'a>>,
    /// Whether it must call one.
    pub(crate) tool_choice: Option<ToolChoice<'a>>,
    /// Whether it may call several at once.
    pub(crate) parallel_tool_calls: Option<bool>,
    /// Most tokens of the answer, reasoning included.
    pub(crate) max_output_tokens: Option<u64>,
    pub(crate) temperature: Option<f64>,
    pub(crate) top_p: Option<f64>,
    pub(crate) top_k: Option<u64>,
    pub(crate) frequency_penalty: Option<f64>,
    pub(crate) presence_penalty: Option<f64>,
    pub(crate) seed: Option<i64>,
    /// How many answers; `None` and 1 are the same.
    pub(crate) candidates: Option<u64>,
    /// Texts at which the answer ends.
    pub(crate) stop: Vec<Text<'a>>,
    /// How much to think, and whether to show it.
    pub(crate) reasoning: Option<Reasoning<'a>>,
    /// The form of the answer.
    pub(crate) output: Output<'a>,
    /// `low`, `medium`, `high`: how long an answer is wanted.
    pub(crate) verbosity: Option<Text<'a>>,
    /// The client's name for its user (`user`, `safety_identifier`, `metadata.user_id`).
    pub(crate) user: Option<Text<'a>>,
    /// Whether a stream is asked for.
    pub(crate) stream: bool,
    /// Fields without a place above, by the name they have at the top of the client's body: the side-car. A codec
    /// writes those its dialect, or the target ([`super::Target::extensions`]), knows by the same name and meaning, and
    /// reports the others as lost.
    pub(crate) aside: Vec<(Text<'a>, Json<'a>)>,
    /// What reading the body left out already: paths below the top level that no dialect here knows.
    pub(crate) lost: Vec<String>,
    /// Items of the conversation that only the client's own dialect has (calls of tools which the provider runs itself).
    pub(crate) own: Vec<OwnItem<'a>>,
    /// What ties the request to its dialect, by name (`previous_response_id`): it is refused for any other.
    pub(crate) bound: Vec<String>,
    /// Tools and calls among `tools` and `turns` that take free text instead of arguments (`type: custom` of
    /// Responses). They stand there as functions with the one argument `input`.
    pub(crate) custom: Vec<CustomTool<'a>>,
}

/// An item of the conversation that no other dialect has, as the client wrote it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OwnItem<'a> {
    /// The turn before which it stands.
    pub(crate) before: usize,
    /// Its path in the client's body, named as lost in other dialects.
    pub(crate) path: String,
    pub(crate) item: Json<'a>,
}

/// A tool that takes free text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CustomTool<'a> {
    pub(crate) name: Text<'a>,
    /// Its definition as the client wrote it; `None` when only an earlier call tells of it.
    pub(crate) definition: Option<Json<'a>>,
}

/// One turn of the conversation.
#[derive(Clone, Debug)]
pub(crate) struct Turn<'a> {
    pub(crate) role: Role,
    pub(crate) parts: Vec<Part<'a>>,
    /// `name` of a chat message.
    pub(crate) name: Option<Text<'a>>,
}

/// Who speaks. Results of tools stand in turns of the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    User,
    Assistant,
    /// Instructions in the middle of a conversation.
    System,
}

/// A piece of a turn, of an answer, or of a tool's result.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Part<'a> {
    Text(TextPart<'a>),
    Image(Media<'a>),
    /// A PDF or another document.
    Document(Media<'a>),
    Audio(Media<'a>),
    Video(Media<'a>),
    ToolCall(ToolCall<'a>),
    ToolResult(ToolResult<'a>),
    Reasoning(Thought<'a>),
    /// What a model says when it will not answer.
    Refusal(Text<'a>),
}

/// Text.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct TextPart<'a> {
    pub(crate) text: Text<'a>,
    /// A prompt-cache mark behind this part.
    pub(crate) cache: Option<Cache<'a>>,
    /// Citations or annotations beside it, as the dialect `Codec` that read it has them; written only in the same one.
    pub(crate) annotations: Option<Json<'a>>,
}

/// A picture, document, sound or film.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Media<'a> {
    pub(crate) source: Source<'a>,
    /// Its media type, such as `image/png`, when known.
    pub(crate) media_type: Option<Text<'a>>,
    /// Its file name or title.
    pub(crate) name: Option<Text<'a>>,
    /// `low`, `high`, `auto`: how closely a picture is to be looked at.
    pub(crate) detail: Option<Text<'a>>,
    pub(crate) cache: Option<Cache<'a>>,
}

/// Where media come from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Source<'a> {
    /// In the body, as base64 (standard alphabet), without `data:` in front.
    Base64(Text<'a>),
    /// Plain text in the body.
    Text(Text<'a>),
    /// The provider fetches it: `https:`, `gs:`, a Gemini file URI.
    Url(Text<'a>),
    /// Uploaded before; the id has a meaning at its issuer only.
    FileId(Text<'a>),
}

/// A mark that what stands before it shall be kept in the prompt cache.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cache<'a> {
    /// `5m` or `1h`; `None`: as the provider likes.
    pub(crate) ttl: Option<Text<'a>>,
}

/// A function call of the model.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ToolCall<'a> {
    /// Empty where the dialect has none; a codec that needs one makes it (see [`super::call_id`]).
    pub(crate) id: Text<'a>,
    pub(crate) name: Text<'a>,
    /// The arguments as JSON text, as the model wrote them. May be empty, and may be broken JSON.
    pub(crate) arguments: Text<'a>,
    /// State bound to the call itself: Gemini's `thoughtSignature`.
    pub(crate) state: Option<State<'a>>,
    pub(crate) cache: Option<Cache<'a>>,
}

/// What a function gave back.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ToolResult<'a> {
    /// The call it answers; empty where the dialect has none.
    pub(crate) id: Text<'a>,
    /// The function's name, where the dialect says it or an earlier call tells.
    pub(crate) name: Option<Text<'a>>,
    /// Text, pictures, documents.
    pub(crate) parts: Vec<Part<'a>>,
    pub(crate) is_error: bool,
    pub(crate) cache: Option<Cache<'a>>,
}

/// What a model thought, and the state that proves it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Thought<'a> {
    /// Empty when hidden.
    pub(crate) text: Text<'a>,
    /// The text is a summary, not the thoughts themselves.
    pub(crate) summary: bool,
    /// Signature or encrypted thoughts.
    pub(crate) state: Option<State<'a>>,
    /// The item's id (`rs_...` of Responses).
    pub(crate) id: Option<Text<'a>>,
}

/// A tool.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Tool<'a> {
    Function(Function<'a>),
    /// A tool the provider runs itself (`web_search`, `code_execution`, ...), whole, as the client wrote it. Written only
    /// in the dialect it came in; elsewhere lost, by its `type`.
    Native(Json<'a>),
}

/// A function the client runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Function<'a> {
    pub(crate) name: Text<'a>,
    pub(crate) description: Option<Text<'a>>,
    /// JSON Schema of the arguments.
    pub(crate) parameters: Option<Json<'a>>,
    pub(crate) strict: Option<bool>,
    pub(crate) cache: Option<Cache<'a>>,
}

/// Whether tools are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ToolChoice<'a> {
    /// As the model likes.
    Auto,
    /// None.
    None,
    /// At least one (`required`, `any`).
    Required,
    /// This one.
    Named(Text<'a>),
    /// One of these at least.
    Among(Vec<Text<'a>>),
}

/// How much to think.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Reasoning<'a> {
    /// `Some(false)`: not at all.
    pub(crate) enabled: Option<bool>,
    /// `none`, `minimal`, `low`, `medium`, `high`, `xhigh`, `max`.
    pub(crate) effort: Option<Text<'a>>,
    /// Most tokens of thought.
    pub(crate) budget: Option<u64>,
    /// Whether thoughts, or a summary of them, shall be in the answer. `None`: as the target does by itself.
    pub(crate) show: Option<bool>,
    /// `auto`, `concise`, `detailed`: the summary of Responses.
    pub(crate) summary: Option<Text<'a>>,
    /// The provider chooses how much (Anthropic's `adaptive`).
    pub(crate) adaptive: bool,
}

/// The form of the answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Output<'a> {
    #[default]
    Text,
    /// Any JSON.
    Json,
    /// JSON of this schema.
    Schema { name: Option<Text<'a>>, description: Option<Text<'a>>, schema: Json<'a>, strict: Option<bool> },
}

impl<'a> Part<'a> {
    /// Plain text.
    pub(crate) fn text(text: impl Into<Text<'a>>) -> Self {
        Self::Text(TextPart { text: text.into(), ..TextPart::default() })
    }
}

impl<'a> Media<'a> {
    /// From where, and of which type.
    pub(crate) fn new(source: Source<'a>, media_type: Option<Text<'a>>) -> Self {
        Self { source, media_type, name: None, detail: None, cache: None }
    }

    /// What is lost of a picture where nobody can be told how closely to look: the path of the field, in the client's
    /// words. `auto` says nothing.
    pub(crate) fn lost_detail(&self, path: &str, from: Surface) -> Option<String> {
        self.detail.as_deref().filter(|detail| *detail != "auto")?;
        let field = match from {
            Surface::ChatCompletions => "image_url.detail",
            Surface::GenerateContent => "mediaResolution",
            _ => "detail",
        };
        Some(format!("{path}.{field}"))
    }

    /// From a URL: `data:` becomes base64 and its media type, anything else stays a URL.
    pub(crate) fn from_url(url: Text<'a>) -> Self {
        match split_data_url(&url) {
            Some((media_type, data_at)) => {
                let media_type = (!media_type.is_empty()).then(|| Cow::Owned(media_type.to_owned()));
                let data = match url {
                    Cow::Borrowed(url) => Cow::Borrowed(url.get(data_at..).unwrap_or_default()),
                    Cow::Owned(url) => Cow::Owned(url.get(data_at..).unwrap_or_default().to_owned()),
                };
                Self::new(Source::Base64(data), media_type)
            }
            None => Self::new(Source::Url(url), None),
        }
    }

    /// As a `data:` URL, when it is in the body.
    pub(crate) fn data_url(&self, default_type: &str) -> Option<String> {
        match &self.source {
            Source::Base64(data) => {
                Some(format!("data:{};base64,{data}", self.media_type.as_deref().unwrap_or(default_type)))
            }
            _ => None,
        }
    }
}

/// The media type of a base64 `data:` URL (RFC 2397) and where its data begin.
fn split_data_url(url: &str) -> Option<(&str, usize)> {
    let rest = url.strip_prefix("data:")?;
    let (head, _) = rest.split_once(',')?;
    let media_type = head.strip_suffix(";base64")?;
    let media_type = media_type.split(';').next().unwrap_or_default();
    Some((media_type, "data:".len() + head.len() + 1))
}
