//! Wire formats of AI providers: routes, JSON peek and splice, SSE framing, usage, error shapes. Pure.

mod answer;
mod edit;
mod effort;
pub mod error;
pub mod eventstream;
mod field_path;
pub mod headers;
mod json;
pub mod limits;
mod loose;
pub mod models;
mod peek;
mod route;
pub mod sse;
mod stream;
mod surface;
mod time;
pub mod tokens;
mod translate;
mod upstream_error;
pub mod url;
mod usage;

pub use answer::{Answer, ServedBy, answer_id, inspect_answer, usage_of};
pub use edit::{Edited, Edits, edit};
pub use error::{AttemptLine, GatewayError, is_foreign_error, render_provider_error, render_stream_error};
pub use eventstream::{EventStreamDecoder, EventStreamError};
pub use field_path::{FieldPath, FieldPathError, FoundField, fields_present};
pub use models::ListedModel;
pub use peek::{Peek, PeekError, peek};
pub use route::{Endpoint, Mount, methods, mount, route};
pub use sse::{Frame, Splitter};
pub use stream::{FrameKind, StreamReader};
pub use surface::{Format, Surface};
pub use translate::{
    AnswerContext, BoundKind, BoundState, Conversation, DecodeError, Echo, StreamTranslator, Target,
    Thinking, Translated, Unsupported, bound_state, strip_state, tidy_names, translate_answer,
    translate_answer_with,
};
pub use upstream_error::{Scope, UpstreamError, inspect_error, redact};
pub use usage::Usage;
