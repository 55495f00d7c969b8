//! Parameters of a name as fields of a body.

use super::params::{Effort, UriParams};
use serde_json::{Map, Value, json};
use tollgate_dialect::{Surface, Thinking};

/// How a candidate's body is written, as far as parameters go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ParamStyle {
    /// How the model is told to think.
    pub thinking: Thinking,
    /// In chat completions the answer is limited by `max_completion_tokens`: `OpenAI`'s reasoning models refuse
    /// `max_tokens`.
    pub completion_tokens: bool,
    /// Of Gemini's levels of thought the model has the least, `minimal`: the Flash models do, the others begin at `low`
    /// (ai.google.dev/gemini-api/docs/thinking).
    pub minimal_level: bool,
}

/// Parameters as fields of a body.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ParamFields {
    /// To be merged into the body, objects deeply.
    pub fields: Map<String, Value>,
    /// Top-level fields of the client that say the same in other words, and must not be sent beside these.
    pub replaces: Vec<&'static str>,
    /// Parameters, by their names in a URI, that this operation or model has no field for.
    pub dropped: Vec<&'static str>,
}

impl UriParams {
    /// The parameters as fields of a body for `surface`.
    #[must_use]
    pub fn to_body(&self, surface: Surface, style: ParamStyle) -> ParamFields {
        let mut out = ParamFields::default();
        for (name, value) in self.to_json() {
            match name.as_str() {
                "temperature" => out.put("temperature", place(surface, "temperature"), value),
                "top_p" => out.put("top_p", place(surface, "top_p"), value),
                "top_k" => out.put("top_k", place(surface, "top_k"), value),
                "seed" => out.put("seed", place(surface, "seed"), value),
                "verbosity" => out.put("verbosity", place(surface, "verbosity"), value),
                _ => {}
            }
        }
        if let Some(effort) = self.reasoning_effort {
            out.effort(surface, style, effort);
        }
        if let Some(tokens) = self.max_tokens {
            out.limit(surface, style.completion_tokens, tokens);
        }
        out
    }
}

impl ParamFields {
    /// Sets a field by its path, or notes that there is none.
    fn put(&mut self, name: &'static str, path: &'static [&'static str], value: Value) {
        let Some((last, parents)) = path.split_last() else { return self.dropped.push(name) };
        let mut at = &mut self.fields;
        for parent in parents {
            let object = at.entry(*parent).or_insert_with(|| Value::Object(Map::new()));
            // What is written here is written by this file only, as objects.
            let Value::Object(object) = object else { return };
            at = object;
        }
        at.insert((*last).to_owned(), value);
    }

    fn effort(&mut self, surface: Surface, style: ParamStyle, effort: Effort) {
        const NAME: &str = "reasoning_effort";
        let thinking = style.thinking;
        let word = |effort: Effort| Value::from(effort.name());
        match (surface, thinking) {
            (_, Thinking::None) if effort != Effort::None => self.dropped.push(NAME),
            (_, Thinking::None) => {}
            (Surface::ChatCompletions, Thinking::Object) => {
                // OpenRouter's strongest word is `xhigh`.
                let effort = if effort == Effort::Max { Effort::XHigh } else { effort };
                self.put(NAME, &["reasoning", "effort"], word(effort));
                self.replaces.push("reasoning_effort");
            }
            (Surface::ChatCompletions, _) => {
                self.put(NAME, &["reasoning_effort"], word(effort));
                self.replaces.push("reasoning");
            }
            (Surface::Responses, _) => {
                let effort = if thinking == Thinking::Object && effort == Effort::Max {
                    Effort::XHigh
                } else {
                    effort
                };
                self.put(NAME, &["reasoning", "effort"], word(effort));
            }
            (Surface::Messages, _) if effort == Effort::None => {
                self.put(NAME, &["thinking"], json!({"type": "disabled"}));
            }
            // Models that think by a number of tokens refuse the word.
            (Surface::Messages, Thinking::Budget) => self.dropped.push(NAME),
            (Surface::Messages, _) => {
                let effort = if effort == Effort::Minimal { Effort::Low } else { effort };
                self.put(NAME, &["output_config", "effort"], word(effort));
            }
            (Surface::GenerateContent, Thinking::Level) => {
                let level = match effort {
                    Effort::None | Effort::Minimal if style.minimal_level => "minimal",
                    Effort::None | Effort::Minimal | Effort::Low => "low",
                    Effort::Medium => "medium",
                    Effort::High | Effort::XHigh | Effort::Max => "high",
                };
                self.put(NAME, &["generationConfig", "thinkingConfig", "thinkingLevel"], level.into());
            }
            (Surface::GenerateContent, Thinking::Budget) => {
                // The figures of Google's page on OpenAI compatibility.
                let budget = match effort {
                    Effort::None => 0,
                    Effort::Minimal | Effort::Low => 1024,
                    Effort::Medium => 8192,
                    Effort::High | Effort::XHigh | Effort::Max => 24_576,
                };
                self.put(NAME, &["generationConfig", "thinkingConfig", "thinkingBudget"], budget.into());
            }
            // Gemini refuses the one with models that want the other, so an unknown model gets neither.
            _ => self.dropped.push(NAME),
        }
    }

    fn limit(&mut self, surface: Surface, completion_tokens: bool, tokens: u64) {
        let path: &'static [&'static str] = match surface {
            Surface::ChatCompletions if completion_tokens => &["max_completion_tokens"],
            Surface::ChatCompletions | Surface::Completions | Surface::Messages => &["max_tokens"],
            Surface::Responses => &["max_output_tokens"],
            Surface::GenerateContent => &["generationConfig", "maxOutputTokens"],
            Surface::Converse => &["inferenceConfig", "maxTokens"],
            Surface::Embeddings | Surface::CountTokens => &[],
        };
        self.put("max_tokens", path, tokens.into());
        if surface == Surface::ChatCompletions {
            self.replaces.push(if completion_tokens { "max_tokens" } else { "max_completion_tokens" });
        }
    }
}

/// Where a parameter stands in a body; nowhere, where the operation has no such field.
fn place(surface: Surface, name: &str) -> &'static [&'static str] {
    use Surface::{ChatCompletions, Completions, Converse, GenerateContent, Messages, Responses};
    match (surface, name) {
        (ChatCompletions | Completions | Responses | Messages, "temperature") => &["temperature"],
        (ChatCompletions | Completions | Responses | Messages, "top_p") => &["top_p"],
        (ChatCompletions | Completions | Messages, "top_k") => &["top_k"],
        (ChatCompletions | Completions, "seed") => &["seed"],
        (ChatCompletions, "verbosity") => &["verbosity"],
        (Responses, "verbosity") => &["text", "verbosity"],
        (GenerateContent, "temperature") => &["generationConfig", "temperature"],
        (GenerateContent, "top_p") => &["generationConfig", "topP"],
        (GenerateContent, "top_k") => &["generationConfig", "topK"],
        (GenerateContent, "seed") => &["generationConfig", "seed"],
        (Converse, "temperature") => &["inferenceConfig", "temperature"],
        (Converse, "top_p") => &["inferenceConfig", "topP"],
        _ => &[],
    }
}
