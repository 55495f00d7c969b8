//! Scripted AI providers with real wire formats, for the demo, the tests and the benchmarks.
//!
//! [`MockServer`] speaks the APIs of OpenAI, Anthropic, OpenRouter, Google (AI Studio and Vertex), Amazon Bedrock and
//! Azure over HTTP/1.1, h2c and TLS, does what a [`Script`] says, and remembers what it received. [`FastServer`]
//! answers one fixed body at almost no cost. [`FaultServer`] has no HTTP library below it: it says what no server should,
//! byte by byte.
//!
//! Which provider a path belongs to is decided in this order: [`Script::flavour`]; the longest matching
//! [`Script::mounts`] prefix; paths and queries that only one provider has (`/openai/deployments/`, `api-version`, `/projects/`); a path segment
//! `anthropic`, `openrouter`, `google`, `v1beta`, `vertex`, `bedrock`, `azure` or `openai`; the endpoint itself
//! (`/messages` is Anthropic, `:generateContent` Google, `/converse` Bedrock, all else OpenAI). Any prefix may stand
//! before the endpoint.
//!
//! A prompt may hold orders, such as `[[tool get_weather {"city":"Paris"}]]` or `[[think so and so]]`: the same prompt
//! makes every provider do the same. They are listed in `prompt.rs`.
//!
//! Nothing here shares code with the gateway: a mistake there must not be repeated here.

mod answer;
mod aws;
mod body;
mod check;
mod demo;
mod fast;
mod fault_server;
mod faults;
mod frames;
mod google;
mod handle;
mod ids;
mod io;
mod prompt;
mod raw;
mod request;
mod route;
mod script;
mod seal;
mod server;
mod state;
mod view;

pub use aws::{AWS_ACCESS_KEY, AWS_SECRET_KEY};
pub use demo::demo_script;
pub use fast::{FAST_COMPLETION, FastServer};
pub use fault_server::{
    Act, Counts, Director, FaultServer, Good, Heard, Http1Fault, Http2Fault, Speaks, Step, http1_steps,
    http2_steps,
};
pub use google::GOOGLE_SERVICE_ACCOUNT;
pub use script::{
    Behaviour, Fault, Flavour, Length, Mount, RateLimit, Rule, Script, ScriptError, Surface, ToolUse,
    Trickle, UsageCounts,
};
pub use server::MockServer;
pub use state::{Counters, Recorded};

#[cfg(test)]
mod tests;
