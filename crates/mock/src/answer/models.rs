//! Lists of models, in each provider's shape.

use super::Reply;
use super::draft::Draft;
use super::errors::{self, Problem};
use crate::request::Facts;
use crate::script::{Flavour, Script};
use serde_json::{Value, json};

/// `GET …/models` or `GET …/models/{id}`
pub(crate) fn reply(facts: &Facts, script: &Script, draft: &mut Draft) -> Reply {
    let listed = script.models.get(&facts.flavour).map_or(&[][..], Vec::as_slice);
    let Some(wanted) = &facts.path_model else {
        let data: Vec<Value> = listed.iter().map(|id| entry(facts.flavour, id)).collect();
        return Reply::json(200, &list(facts.flavour, listed, data));
    };
    if listed.iter().any(|id| id == wanted) {
        return Reply::json(200, &entry(facts.flavour, wanted));
    }
    let problem = Problem::unknown_model(facts.flavour, wanted);
    Reply::json(problem.status, &errors::body(facts, &problem, &mut draft.ids))
}

fn list(flavour: Flavour, ids: &[String], data: Vec<Value>) -> Value {
    match flavour {
        Flavour::OpenAi => json!({"object": "list", "data": data}),
        Flavour::Anthropic => {
            json!({"data": data, "has_more": false, "first_id": ids.first(), "last_id": ids.last()})
        }
        Flavour::OpenRouter => json!({"data": data}),
    }
}

fn entry(flavour: Flavour, id: &str) -> Value {
    match flavour {
        Flavour::OpenAi => {
            json!({"id": id, "object": "model", "created": 1_715_367_049, "owned_by": "system"})
        }
        Flavour::Anthropic => {
            json!({"type": "model", "id": id, "display_name": id, "created_at": "2025-02-19T00:00:00Z"})
        }
        Flavour::OpenRouter => json!({
            "id": id,
            "canonical_slug": id,
            "name": id,
            "created": 1_741_818_122,
            "description": "",
            "context_length": 131_072,
            "architecture": {
                "modality": "text->text",
                "input_modalities": ["text"],
                "output_modalities": ["text"],
                "tokenizer": "Other",
                "instruct_type": null,
            },
            "pricing": {"prompt": "0.0000005", "completion": "0.0000005", "request": "0", "image": "0"},
            "top_provider": {"context_length": 131_072, "max_completion_tokens": 8192, "is_moderated": false},
            "per_request_limits": null,
            "supported_parameters": ["max_tokens", "temperature", "tools", "tool_choice"],
        }),
    }
}
