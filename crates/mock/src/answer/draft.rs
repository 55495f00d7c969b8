//! An answer before it has a wire format.

use crate::ids::Ids;
use crate::request::Facts;
use crate::script::{Behaviour, Fault, Flavour, Surface, UsageCounts};
use crate::view::sample;
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// What is answered.
pub(crate) struct Draft {
    pub(crate) ids: Ids,
    pub(crate) flavour: Flavour,
    pub(crate) model: String,
    /// Seconds since 1970.
    pub(crate) created: u64,
    /// The text as it is cut when streamed.
    pub(crate) chunks: Vec<String>,
    /// Reasoning that is shown.
    pub(crate) reasoning: Option<String>,
    /// Reasoning took place, shown or not.
    pub(crate) thinks: bool,
    /// Reasoning is sent in a form that only the provider reads.
    pub(crate) sealed: bool,
    /// Tools to call; there is no text then.
    pub(crate) tools: Vec<Tool>,
    /// In place of a text.
    pub(crate) refusal: Option<String>,
    /// Why the answer ends.
    pub(crate) ending: Ending,
    pub(crate) usage: UsageCounts,
    pub(crate) omit_usage: bool,
    pub(crate) include_usage: bool,
    pub(crate) finish: Option<String>,
    pub(crate) finish_error: bool,
    pub(crate) request_id: String,
    pub(crate) generation_id: String,
    pub(crate) response_id: String,
    pub(crate) encoding_format: String,
}

/// A tool call in an answer.
pub(crate) struct Tool {
    pub(crate) name: String,
    /// JSON text.
    pub(crate) arguments: String,
}

/// Why an answer ends; each API has its own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Stop,
    Tools,
    Length,
    Refusal,
}

impl Tool {
    /// The arguments as a value.
    pub(crate) fn input(&self) -> Value {
        serde_json::from_str(&self.arguments).unwrap_or_default()
    }
}

impl Draft {
    pub(crate) fn new(facts: &Facts, behaviour: &Behaviour, number: u64) -> Self {
        let mut ids = Ids::new(number);
        let created = unix_now();
        let orders = &facts.orders;
        let calls = facts.tool_calls(behaviour.tools).into_iter();
        let tools: Vec<Tool> =
            calls.map(|call| Tool { name: call.name, arguments: call.arguments.to_string() }).collect();
        let refusal = orders.refuse.clone().filter(|_| tools.is_empty());
        let chunks = if refusal.is_some() { Vec::new() } else { chunks(facts, behaviour) };
        let ordered = orders.think.clone().filter(|_| facts.view.thoughts);
        let usage = behaviour.usage.unwrap_or_else(|| estimate(facts, behaviour, &chunks));
        let ending = match (&refusal, tools.is_empty()) {
            (Some(_), _) => Ending::Refusal,
            (None, false) => Ending::Tools,
            (None, true) if orders.cut => Ending::Length,
            (None, true) => Ending::Stop,
        };
        let request_id = ids.word("req_", 24);
        let generation_id = ids.word(&format!("gen-{created}-"), 20);
        Self {
            flavour: facts.flavour,
            model: facts.model.clone(),
            created,
            chunks,
            reasoning: behaviour.reasoning.clone().or(ordered),
            thinks: behaviour.reasoning.is_some() || orders.think.is_some(),
            sealed: facts.view.sealed,
            tools,
            refusal,
            ending,
            usage,
            omit_usage: behaviour.omit_usage,
            include_usage: facts.include_usage,
            finish: behaviour.finish_reason.clone(),
            finish_error: behaviour.fault == Some(Fault::FinishError),
            request_id,
            generation_id,
            response_id: ids.hex("resp_", 48),
            encoding_format: facts
                .field("encoding_format")
                .and_then(Value::as_str)
                .unwrap_or("float")
                .to_owned(),
            ids,
        }
    }

    /// The word for why it ends: what the script says, or the API's own for stop, tools, length and refusal.
    pub(crate) fn finish_word(&self, [stop, tools, length, refusal]: [&str; 4]) -> String {
        let usual = match self.ending {
            Ending::Stop => stop,
            Ending::Tools => tools,
            Ending::Length => length,
            Ending::Refusal => refusal,
        };
        self.finish.clone().unwrap_or_else(|| usual.to_owned())
    }

    pub(crate) fn text(&self) -> String {
        self.chunks.concat()
    }

    pub(crate) fn is_openrouter(&self) -> bool {
        self.flavour == Flavour::OpenRouter
    }

    /// The name OpenRouter gives for who served a model.
    pub(crate) fn served_by(&self) -> String {
        let author = self.model.split('/').next().unwrap_or("");
        match author.trim_start_matches('~') {
            "openai" => "OpenAI".into(),
            "anthropic" => "Anthropic".into(),
            "google" => "Google AI Studio".into(),
            "meta-llama" => "DeepInfra".into(),
            other => {
                let mut letters = other.chars();
                letters.next().map_or_else(String::new, |c| c.to_uppercase().chain(letters).collect())
            }
        }
    }

    /// The identifier of a chat completion.
    pub(crate) fn chat_id(&mut self) -> String {
        if self.is_openrouter() { self.generation_id.clone() } else { self.ids.word("chatcmpl-", 29) }
    }

    /// What an answer in US dollars costs that nobody knows the price of: half a dollar a million tokens.
    pub(crate) fn cost(&self) -> Value {
        let micro_dollars = (self.usage.input + self.usage.output).div_ceil(2);
        let Ok(small) = u32::try_from(micro_dollars) else { return Value::Null };
        json!(f64::from(small) / 1e6)
    }

    /// The status that an error inside a stream stands for.
    pub(crate) fn failure_status(&self) -> u16 {
        match self.flavour {
            Flavour::Anthropic => 529,
            Flavour::Google | Flavour::Vertex | Flavour::Bedrock => 503,
            _ => 502,
        }
    }

    /// Whether an answer of this API cannot say "error" in another way than by an error object.
    pub(crate) fn ends_with_error_body(&self, surface: Surface) -> bool {
        !matches!(surface, Surface::ChatCompletions | Surface::Responses)
    }
}

fn chunks(facts: &Facts, behaviour: &Behaviour) -> Vec<String> {
    if behaviour.echo {
        return vec![echo(facts)];
    }
    if let Some(chunks) = &behaviour.chunks {
        return chunks.clone();
    }
    let text = behaviour.text.clone().or_else(|| ordered(facts)).unwrap_or_else(|| hello(facts));
    text.split_inclusive(' ').map(str::to_owned).collect()
}

fn hello(facts: &Facts) -> String {
    let who = match facts.flavour {
        Flavour::OpenAi => "openai",
        Flavour::Anthropic => "anthropic",
        Flavour::OpenRouter => "openrouter",
        Flavour::Google => "google",
        Flavour::Vertex => "vertex",
        Flavour::Bedrock => "bedrock",
        Flavour::Azure => "azure",
    };
    format!("Hello from {} at {who}. How can I help you today?", facts.model)
}

/// What the prompt orders, or what structured output asks for.
fn ordered(facts: &Facts) -> Option<String> {
    let (orders, view) = (&facts.orders, &facts.view);
    if !orders.calls.is_empty() && !view.results.is_empty() {
        return Some(format!("The tools said: {}", view.results.join("; ")));
    }
    if let Some(json) = &orders.json {
        return Some(if view.json { json.clone() } else { format!("Sure! Here it is: {json}") });
    }
    if orders.see {
        return Some(format!("I see {}", view.files.join(", ")));
    }
    orders.say.clone().or_else(|| view.schema.as_ref().map(|schema| sample(schema).to_string()))
}

/// What was received, keys left out.
fn echo(facts: &Facts) -> String {
    let secret = ["authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie", "proxy-authorization"];
    let headers: serde_json::Map<String, Value> = facts
        .headers
        .iter()
        .map(|(name, value)| {
            let hidden = secret.contains(&name.as_str());
            let text = if hidden { "***" } else { value.to_str().unwrap_or("(not text)") };
            (name.to_string(), Value::from(text))
        })
        .collect();
    let body = facts.json.clone().unwrap_or_default();
    json!({"method": facts.method.as_str(), "path": facts.path, "headers": headers, "body": body}).to_string()
}

/// Four bytes a token: the rule of thumb, and as good as any for a mock.
fn estimate(facts: &Facts, behaviour: &Behaviour, chunks: &[String]) -> UsageCounts {
    let tokens = |bytes: usize| (bytes as u64).div_ceil(4).max(1);
    let thoughts = behaviour.reasoning.as_ref().or(facts.orders.think.as_ref());
    let reasoning = thoughts.map_or(0, |r| tokens(r.len()));
    UsageCounts {
        input: tokens(facts.body.len()),
        output: tokens(chunks.iter().map(String::len).sum()) + reasoning,
        cached: 0,
        reasoning,
    }
}

/// Seconds since 1970.
pub(crate) fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

/// A moment in UTC, as RFC 3339 writes it.
pub(crate) fn rfc3339(seconds: u64) -> String {
    let (days, time) = (seconds / 86_400, seconds % 86_400);
    // Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days.
    let z = days + 719_468;
    let era = z / 146_097;
    let day_of_era = z % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", time / 3600, time / 60 % 60, time % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (1_741_569_952, "2025-03-10T01:25:52Z"),
        ] {
            assert_eq!(rfc3339(seconds), text);
        }
    }
}
