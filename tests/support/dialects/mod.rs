//! Clients of the four dialects that say the same and understand the answers, written against the public
//! documentation of each API and independent of the gateway's own code.

mod chat;
mod gemini;
mod messages;
mod responses;

pub(crate) use gemini::joined as gemini_chunks;

use super::{Answer, Ask};
use serde_json::{Value, json};

/// Whose API a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    Chat,
    Responses,
    Messages,
    Gemini,
}

/// A request before it has a dialect.
#[derive(Clone, Debug, Default)]
pub(crate) struct Say {
    pub(crate) system: Option<&'static str>,
    pub(crate) turns: Vec<Turn>,
    /// `name`, `description`, `parameters`.
    pub(crate) tools: Vec<Value>,
    /// A call is demanded.
    pub(crate) must_call: bool,
    /// At most one call.
    pub(crate) one_call: bool,
    /// JSON Schema of the answer.
    pub(crate) schema: Option<Value>,
    /// Thoughts are asked for, and shown.
    pub(crate) think: bool,
    pub(crate) stream: bool,
    pub(crate) max: u64,
    /// Members added at the top.
    pub(crate) more: Value,
}

/// One turn of a conversation.
#[derive(Clone, Debug)]
pub(crate) enum Turn {
    User(String),
    /// A text with a picture: media type and base64.
    Picture(String, &'static str, String),
    /// The model's turn as it was got.
    Got(Vec<Value>),
    /// What tools gave back.
    Results(Vec<(Call, String)>),
}

/// A call of a tool.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Call {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) arguments: Value,
}

/// An answer without its dialect.
#[derive(Clone, Debug, Default)]
pub(crate) struct Got {
    pub(crate) text: String,
    pub(crate) thoughts: String,
    pub(crate) refusal: String,
    pub(crate) calls: Vec<Call>,
    /// The dialect's own word for why it ended.
    pub(crate) stop: String,
    pub(crate) usage: Option<Counts>,
    pub(crate) model: String,
    /// The answer's turn for the next request: one message, several items, or blocks and parts.
    pub(crate) turn: Vec<Value>,
}

/// Tokens: the cache inside the prompt, thoughts inside the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) input: u64,
    pub(crate) output: u64,
    pub(crate) cached: u64,
    pub(crate) reasoning: u64,
}

impl Client {
    pub(crate) const ALL: [Self; 4] = [Self::Chat, Self::Responses, Self::Messages, Self::Gemini];

    /// The path of a request.
    pub(crate) fn path(self, model: &str, stream: bool) -> String {
        match self {
            Self::Chat => "/v1/chat/completions".into(),
            Self::Responses => "/v1/responses".into(),
            Self::Messages => "/v1/messages".into(),
            Self::Gemini if stream => format!("/v1beta/models/{model}:streamGenerateContent?alt=sse"),
            Self::Gemini => format!("/v1beta/models/{model}:generateContent"),
        }
    }

    /// The body of a request.
    pub(crate) fn body(self, model: &str, say: &Say) -> Value {
        let mut body = match self {
            Self::Chat => chat::body(say),
            Self::Responses => responses::body(say),
            Self::Messages => messages::body(say),
            Self::Gemini => gemini::body(say),
        };
        if self != Self::Gemini {
            set(&mut body, "model", json!(model));
            if say.stream {
                set(&mut body, "stream", json!(true));
            }
        }
        for (name, value) in say.more.as_object().into_iter().flatten() {
            set(&mut body, name, value.clone());
        }
        body
    }

    /// A request.
    pub(crate) fn ask(self, model: &str, say: &Say) -> Ask {
        super::post(&self.path(model, say.stream), &self.body(model, say))
    }

    /// Reads a good answer, and panics where it is not what the API's documentation promises.
    pub(crate) fn read(self, answer: &Answer, stream: bool) -> Got {
        assert_eq!(answer.status, 200, "{self:?}: {}", answer.text());
        assert!(answer.whole, "{self:?}: cut: {}", answer.text());
        let kind = answer.header("content-type").split(';').next().unwrap().to_owned();
        if stream {
            assert_eq!(kind, "text/event-stream", "{self:?}: {}", answer.text());
            let events = events(&answer.text());
            return match self {
                Self::Chat => chat::streamed(&events),
                Self::Responses => responses::streamed(&events),
                Self::Messages => messages::streamed(&events),
                Self::Gemini => gemini::streamed(&events),
            };
        }
        assert_eq!(kind, "application/json", "{self:?}: {}", answer.text());
        let body = answer.json();
        match self {
            Self::Chat => chat::whole(&body),
            Self::Responses => responses::whole(&body),
            Self::Messages => messages::whole(&body),
            Self::Gemini => gemini::whole(&body),
        }
    }

    /// Reads an error: its message and the field it blames, where the dialect has one.
    pub(crate) fn error(self, answer: &Answer) -> (String, Option<String>) {
        let body = answer.json();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        assert_eq!(answer.header("content-type"), "application/json", "{body}");
        match self {
            Self::Chat | Self::Responses => {
                let error = &body["error"];
                assert!(error["type"].is_string(), "{self:?}: {body}");
                assert!(error.get("param").is_some() && error.get("code").is_some(), "{self:?}: {body}");
                (text(&error["message"]).unwrap(), text(&error["param"]))
            }
            Self::Messages => {
                assert_eq!(body["type"], "error", "{body}");
                assert!(body["error"]["type"].is_string(), "{body}");
                (text(&body["error"]["message"]).unwrap(), None)
            }
            Self::Gemini => {
                assert_eq!(body["error"]["code"], answer.status, "{body}");
                assert!(body["error"]["status"].is_string(), "{body}");
                (text(&body["error"]["message"]).unwrap(), None)
            }
        }
    }

    /// The words for: done, tools to be called, cut at the limit.
    pub(crate) fn words(self) -> [&'static str; 3] {
        match self {
            Self::Chat => ["stop", "tool_calls", "length"],
            Self::Responses => ["completed", "completed", "max_output_tokens"],
            Self::Messages => ["end_turn", "tool_use", "max_tokens"],
            Self::Gemini => ["STOP", "STOP", "MAX_TOKENS"],
        }
    }
}

impl Say {
    /// One turn of the user.
    pub(crate) fn user(text: &str) -> Self {
        Self { turns: vec![Turn::User(text.into())], max: 2000, ..Self::default() }
    }

    pub(crate) fn stream(mut self, stream: bool) -> Self {
        self.stream = stream;
        self
    }

    pub(crate) fn tool(mut self, name: &str, parameters: Value) -> Self {
        let tool = json!({"name": name, "description": format!("Does {name}."), "parameters": parameters});
        self.tools.push(tool);
        self
    }

    pub(crate) fn think(mut self) -> Self {
        self.think = true;
        self
    }

    pub(crate) fn more(mut self, more: Value) -> Self {
        self.more = more;
        self
    }

    /// The conversation goes on with the answer and a next turn.
    pub(crate) fn then(mut self, got: &Got, next: Turn) -> Self {
        self.turns.extend([Turn::Got(got.turn.clone()), next]);
        self
    }
}

/// An event of a stream: its name, and its data.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) data: String,
}

impl Named {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}

/// The events of a stream, comments left out.
pub(crate) fn events(text: &str) -> Vec<Named> {
    let text = text.replace("\r\n", "\n");
    let frames = text.split("\n\n").filter(|frame| !frame.trim().is_empty());
    let read = |frame: &str| {
        let field = |name: &str| {
            let lines = frame.lines().filter_map(|l| l.strip_prefix(name)?.strip_prefix(':'));
            lines.map(|l| l.strip_prefix(' ').unwrap_or(l)).collect::<Vec<_>>().join("\n")
        };
        Named { name: field("event"), data: field("data") }
    };
    frames.map(read).filter(|event| !event.data.is_empty()).collect()
}

fn set(object: &mut Value, name: &str, value: Value) {
    object.as_object_mut().unwrap().insert(name.into(), value);
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn parsed(arguments: &Value) -> Value {
    let text = arguments.as_str().unwrap_or_else(|| panic!("arguments are text: {arguments}"));
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}
