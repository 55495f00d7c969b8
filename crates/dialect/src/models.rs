//! The list of models, in both formats.

use crate::time::format_rfc3339;
use bytes::Bytes;
use serde_json::{Map, Value, json};
use std::borrow::Borrow;

/// Items of a page when the client does not say (Anthropic, "List models").
const DEFAULT_LIMIT: usize = 20;
/// Most items of a page (same source).
const LARGEST_LIMIT: usize = 1000;

/// One model as clients see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListedModel {
    /// The name to ask for it by.
    pub id: String,
    /// When it came out, in seconds since 1970; 0 if not known.
    pub created: u64,
    /// Its author.
    pub owned_by: String,
    /// A name for people; the id is shown when empty.
    pub display_name: String,
    /// Tokens of input and output together.
    pub context_length: Option<u64>,
    /// Most tokens of output.
    pub max_output_tokens: Option<u64>,
    /// What a token of the prompt costs, in US dollars, as exact decimal text.
    pub prompt_price: Option<String>,
    /// What a token of the answer costs.
    pub completion_price: Option<String>,
    /// Where its prices are from, and of which day, as `YYYY-MM-DD`, when they are of one.
    pub price_source: Option<(String, Option<String>)>,
    /// The provider that serves it; left out when empty.
    pub provider: String,
}

/// All models, as OpenAI's `GET /v1/models` gives them, with a few members more.
pub fn list_openai<M: Borrow<ListedModel>>(models: impl IntoIterator<Item = M>) -> Bytes {
    let data: Vec<Value> = models.into_iter().map(|model| openai(model.borrow())).collect();
    Bytes::from(json!({"object": "list", "data": data}).to_string())
}

/// One model, as OpenAI's `GET /v1/models/{id}` gives it.
#[must_use]
pub fn one_openai(model: &ListedModel) -> Bytes {
    Bytes::from(openai(model).to_string())
}

/// One page of models, as Anthropic's `GET /v1/models` gives it.
///
/// `limit` is taken between 1 and 1000, by default 20. A cursor that is no model's id gives an empty page, so that
/// nobody pages for ever.
pub fn list_anthropic<M: Borrow<ListedModel>>(
    models: impl IntoIterator<Item = M>,
    limit: Option<usize>,
    after_id: Option<&str>,
    before_id: Option<&str>,
) -> Bytes {
    let all: Vec<M> = models.into_iter().collect();
    let limit = limit.unwrap_or(DEFAULT_LIMIT).clamp(1, LARGEST_LIMIT);
    let position = |id: &str| all.iter().position(|model| model.borrow().id == id);
    let (page, has_more) = match (after_id, before_id) {
        (Some(after), _) => {
            first(position(after).and_then(|at| all.get(at + 1..)).unwrap_or_default(), limit)
        }
        (None, Some(before)) => {
            last(position(before).and_then(|at| all.get(..at)).unwrap_or_default(), limit)
        }
        (None, None) => first(&all, limit),
    };
    let id = |model: Option<&M>| model.map(|model| model.borrow().id.clone());
    let data: Vec<Value> = page.iter().map(|model| anthropic(model.borrow())).collect();
    let body =
        json!({"data": data, "has_more": has_more, "first_id": id(page.first()), "last_id": id(page.last())});
    Bytes::from(body.to_string())
}

/// One model, as Anthropic's `GET /v1/models/{id}` gives it.
#[must_use]
pub fn one_anthropic(model: &ListedModel) -> Bytes {
    Bytes::from(anthropic(model).to_string())
}

/// All models, as Gemini's `GET /v1beta/models` gives them, on one page.
pub fn list_gemini<M: Borrow<ListedModel>>(models: impl IntoIterator<Item = M>) -> Bytes {
    let models: Vec<Value> = models.into_iter().map(|model| gemini(model.borrow())).collect();
    Bytes::from(json!({"models": models}).to_string())
}

/// One model, as Gemini's `GET /v1beta/models/{id}` gives it.
#[must_use]
pub fn one_gemini(model: &ListedModel) -> Bytes {
    Bytes::from(gemini(model).to_string())
}

fn first<M>(models: &[M], limit: usize) -> (&[M], bool) {
    (models.get(..limit).unwrap_or(models), models.len() > limit)
}

fn last<M>(models: &[M], limit: usize) -> (&[M], bool) {
    (models.get(models.len().saturating_sub(limit)..).unwrap_or_default(), models.len() > limit)
}

fn openai(model: &ListedModel) -> Value {
    let mut value = json!({
        "id": model.id, "object": "model", "created": model.created, "owned_by": model.owned_by,
    });
    if let Some(object) = value.as_object_mut() {
        let texts = [("display_name", &model.display_name), ("provider", &model.provider)];
        let numbers =
            [("context_length", model.context_length), ("max_output_tokens", model.max_output_tokens)];
        object.extend(
            texts
                .iter()
                .filter(|(_, text)| !text.is_empty())
                .map(|(k, text)| ((*k).into(), text.as_str().into())),
        );
        object.extend(numbers.iter().filter_map(|(k, number)| Some(((*k).into(), (*number)?.into()))));
        let prices = [("prompt", &model.prompt_price), ("completion", &model.completion_price)];
        let pricing: Map<String, Value> = prices
            .iter()
            .filter_map(|(name, price)| Some(((*name).to_owned(), price.as_deref()?.into())))
            .collect();
        if !pricing.is_empty() {
            // As OpenRouter lists them.
            object.insert("pricing".into(), pricing.into());
            if let Some((source, day)) = &model.price_source {
                object.insert("pricing_source".into(), json!({"source": source, "as_of": day}));
            }
        }
    }
    value
}

fn anthropic(model: &ListedModel) -> Value {
    let name = if model.display_name.is_empty() { &model.id } else { &model.display_name };
    json!({"type": "model", "id": model.id, "display_name": name, "created_at": format_rfc3339(model.created)})
}

fn gemini(model: &ListedModel) -> Value {
    let name = if model.display_name.is_empty() { &model.id } else { &model.display_name };
    let mut value = json!({
        "name": format!("models/{}", model.id), "displayName": name,
        "supportedGenerationMethods": ["generateContent"],
    });
    if let Some(object) = value.as_object_mut() {
        let limits =
            [("inputTokenLimit", model.context_length), ("outputTokenLimit", model.max_output_tokens)];
        object.extend(limits.iter().filter_map(|(k, number)| Some(((*k).into(), (*number)?.into()))));
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(id: &str) -> ListedModel {
        ListedModel {
            id: id.into(),
            created: 784_111_777,
            owned_by: "openai".into(),
            ..ListedModel::default()
        }
    }

    #[test]
    fn openai_shape() {
        let full = ListedModel {
            display_name: "GPT-4o".into(),
            context_length: Some(128_000),
            max_output_tokens: Some(16_384),
            provider: "openai".into(),
            prompt_price: Some("0.0000025".into()),
            completion_price: Some("0.00001".into()),
            ..model("gpt-4o")
        };
        let one = r#"{"id":"gpt-4o","object":"model","created":784111777,"owned_by":"openai","display_name":"GPT-4o","provider":"openai","context_length":128000,"max_output_tokens":16384,"pricing":{"prompt":"0.0000025","completion":"0.00001"}}"#;
        assert_eq!(one_openai(&full), one);
        let bare = r#"{"id":"x","object":"model","created":784111777,"owned_by":"openai"}"#;
        assert_eq!(list_openai([full, model("x")]), format!(r#"{{"object":"list","data":[{one},{bare}]}}"#));
        assert_eq!(list_openai(Vec::<ListedModel>::new()), r#"{"object":"list","data":[]}"#);
    }

    #[test]
    fn anthropic_shape() {
        let one =
            r#"{"type":"model","id":"claude","display_name":"claude","created_at":"1994-11-06T08:49:37Z"}"#;
        assert_eq!(one_anthropic(&model("claude")), one);
        assert_eq!(
            list_anthropic(&[model("claude")], None, None, None),
            format!(r#"{{"data":[{one}],"has_more":false,"first_id":"claude","last_id":"claude"}}"#)
        );
    }

    #[test]
    fn anthropic_pages() {
        let models: Vec<_> = ["a", "b", "c", "d", "e"].map(model).into();
        for (limit, after, before, ids, more) in [
            (Some(2), None, None, "ab", true),
            (Some(2), Some("b"), None, "cd", true),
            (Some(2), Some("d"), None, "e", false),
            (Some(2), Some("e"), None, "", false),
            (Some(2), None, Some("d"), "bc", true),
            (Some(9), None, Some("c"), "ab", false),
            (Some(2), Some("zz"), None, "", false),
            (Some(0), None, None, "a", true),
            (None, None, None, "abcde", false),
        ] {
            let body = list_anthropic(&models, limit, after, before);
            let value: Value = serde_json::from_slice(&body).unwrap();
            let found: String =
                value["data"].as_array().unwrap().iter().map(|m| m["id"].as_str().unwrap()).collect();
            assert_eq!(found, ids, "{limit:?} {after:?} {before:?}");
            assert_eq!(value["has_more"], json!(more), "{limit:?} {after:?} {before:?}");
            assert_eq!(value["first_id"].as_str().unwrap_or_default(), ids.get(..1).unwrap_or_default());
            assert_eq!(value["last_id"].is_null(), ids.is_empty());
        }
    }
}
