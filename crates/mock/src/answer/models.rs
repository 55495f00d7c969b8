//! Lists of models, in each provider's shape.

use super::draft::Draft;
use super::errors::{self, Problem};
use super::{Reply, gemini, openrouter};
use crate::request::Facts;
use crate::script::{Flavour, Script};
use serde_json::{Value, json};

/// `GET …/models` or `GET …/models/{id}`
pub(crate) fn reply(facts: &Facts, script: &Script, draft: &mut Draft) -> Reply {
    let listed = script.models.get(&facts.flavour).map_or(&[][..], Vec::as_slice);
    let Some(wanted) = &facts.path_model else {
        let data: Vec<Value> = listed.iter().map(|id| entry(facts, id)).collect();
        return Reply::json(200, &list(facts, listed, data));
    };
    if listed.iter().any(|id| id == wanted) {
        return Reply::json(200, &entry(facts, wanted));
    }
    let problem = Problem::unknown_model(facts.flavour, wanted);
    Reply::json(problem.status, &errors::body(facts, &problem, &mut draft.ids))
}

fn list(facts: &Facts, ids: &[String], data: Vec<Value>) -> Value {
    match facts.flavour {
        _ if facts.speaks_gemini() => json!({"models": data}),
        Flavour::Anthropic => {
            json!({"data": data, "has_more": false, "first_id": ids.first(), "last_id": ids.last()})
        }
        Flavour::OpenRouter => json!({"data": data}),
        _ => json!({"object": "list", "data": data}),
    }
}

fn entry(facts: &Facts, id: &str) -> Value {
    match facts.flavour {
        _ if facts.speaks_gemini() => gemini::model(id),
        Flavour::Anthropic => {
            json!({"type": "model", "id": id, "display_name": id, "created_at": "2025-02-19T00:00:00Z"})
        }
        Flavour::OpenRouter => openrouter::model(id),
        Flavour::Google => {
            json!({"id": format!("models/{id}"), "object": "model", "owned_by": "google", "display_name": id})
        }
        _ => json!({"id": id, "object": "model", "created": 1_715_367_049, "owned_by": "system"}),
    }
}
