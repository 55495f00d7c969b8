//! What is done to a request's parameters before it goes to a provider.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is done to parameters. The default is what a server that speaks OpenAI's API, and nothing else, can take.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Params {
    /// Top-level body keys that are removed.
    pub drop: Vec<String>,
    /// Top-level body keys that it knows by another name: `seed` is `random_seed` at Mistral.
    pub rename: BTreeMap<String, String>,
    /// The object `reasoning` in chat completions.
    pub reasoning: ReasoningParam,
    /// `cache_control` in chat completions' content parts and tools.
    pub cache_control: CacheControl,
    /// Whether usage may be asked for in streams.
    pub stream_usage: StreamUsage,
}

/// What to do with the object `reasoning: {effort, max_tokens}` in the body of a chat completion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReasoningParam {
    /// It becomes `reasoning_effort`, OpenAI's own parameter.
    #[default]
    Effort,
    /// It is sent as it is.
    Keep,
}

/// What to do with `cache_control` in chat completions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CacheControl {
    /// It is removed: many servers refuse what they do not know.
    #[default]
    Strip,
    /// It is sent as it is.
    Keep,
}

/// Whether `stream_options.include_usage` may be added to a request for a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StreamUsage {
    /// It may.
    #[default]
    Ask,
    /// It may not: the provider refuses the parameter.
    Never,
}

/// Reads a word of a policy as one of the enumerations above.
macro_rules! words {
    ($type:ident: $($word:literal => $variant:ident),+) => {
        impl $type {
            /// The words a policy uses.
            pub const WORDS: &[&str] = &[$($word),+];

            /// The value a policy's word stands for.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

words!(ReasoningParam: "keep" => Keep, "effort" => Effort);
words!(CacheControl: "keep" => Keep, "strip" => Strip);
words!(StreamUsage: "ask" => Ask, "never" => Never);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_policies_are_those_of_data() {
        fn same<T: serde::de::DeserializeOwned + PartialEq + std::fmt::Debug>(
            words: &[&str],
            read: fn(&str) -> Option<T>,
        ) {
            for word in words {
                let data: T = serde_json::from_value((*word).into()).expect(word);
                assert_eq!(read(word), Some(data), "{word}");
            }
            assert_eq!(read("other"), None);
        }
        same(ReasoningParam::WORDS, ReasoningParam::from_word);
        same(CacheControl::WORDS, CacheControl::from_word);
        same(StreamUsage::WORDS, StreamUsage::from_word);
    }
}
