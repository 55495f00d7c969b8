//! Embeddings: platform.openai.com/docs/api-reference/embeddings

use super::chat::set;
use super::draft::Draft;
use crate::ids::Ids;
use crate::request::Facts;
use base64::Engine as _;
use serde_json::{Value, json};

/// What `text-embedding-3-small` has.
const DIMENSIONS: u64 = 1536;

/// A vector for each input; the same input always has the same.
pub(crate) fn whole(facts: &Facts, draft: &Draft) -> Value {
    let dimensions = facts.field("dimensions").and_then(Value::as_u64).unwrap_or(DIMENSIONS).min(8192);
    let data: Vec<Value> = inputs(facts.field("input"))
        .iter()
        .enumerate()
        .map(|(index, input)| {
            let vector = vector(&input.to_string(), dimensions);
            let embedding = if draft.encoding_format == "base64" { base64(&vector) } else { json!(vector) };
            json!({"object": "embedding", "index": index, "embedding": embedding})
        })
        .collect();
    let mut answer = json!({"object": "list", "data": data, "model": draft.model});
    if !draft.omit_usage {
        let mut usage = json!({"prompt_tokens": draft.usage.input, "total_tokens": draft.usage.input});
        if draft.is_openrouter() {
            set(&mut usage, "cost", draft.cost());
        }
        set(&mut answer, "usage", usage);
    }
    answer
}

/// A string, strings, tokens, or lists of tokens.
fn inputs(input: Option<&Value>) -> Vec<Value> {
    match input {
        Some(Value::Array(items)) if items.first().is_some_and(|i| !i.is_number()) => items.clone(),
        Some(one) => vec![one.clone()],
        None => Vec::new(),
    }
}

/// Of length one, as OpenAI's are.
fn vector(text: &str, dimensions: u64) -> Vec<f32> {
    let seed = text.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        // FNV-1a
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    });
    let mut numbers = Ids::new(seed);
    let raw: Vec<f32> = (0..dimensions)
        .map(|_| f32::from(u16::try_from(numbers.number() >> 48).unwrap_or(0)) - 32_768.0)
        .collect();
    let length = raw.iter().map(|x| x * x).sum::<f32>().sqrt().max(1.0);
    raw.iter().map(|x| x / length).collect()
}

/// Little-endian floats of four bytes.
fn base64(vector: &[f32]) -> Value {
    let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
    json!(base64::engine::general_purpose::STANDARD.encode(bytes))
}
