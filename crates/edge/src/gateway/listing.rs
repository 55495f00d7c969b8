//! `GET /v1/models`: the models this gateway would accept, in the client's dialect.

use super::Gateway;
use super::errors::Failure;
use crate::answer::Answer;
use crate::exchange::Exchange;
use http::StatusCode;
use http::header::AUTHORIZATION;
use std::collections::BTreeMap;
use std::sync::Arc;
use tollgate_catalog::{Model, Price, PriceSource, Provider};
use tollgate_dialect::{Format, ListedModel, Mount, Surface, models, mount};

/// Characters of a name of the client that an error repeats.
const SHOWN: usize = 200;

impl Gateway {
    /// The list, answered locally.
    pub(super) fn list_models(&self, exchange: &Exchange) -> Answer {
        let listed = self.listed();
        let body = match format(exchange) {
            Format::OpenAi | Format::Bedrock => models::list_openai(&listed),
            Format::Gemini => models::list_gemini(&listed),
            Format::Anthropic => {
                let query = exchange.request.uri.query().unwrap_or("");
                let parameter = |name: &str| {
                    query
                        .split('&')
                        .filter_map(|pair| pair.split_once('='))
                        .find(|(n, _)| *n == name)
                        .map(|(_, v)| v)
                };
                let limit = parameter("limit").and_then(|n| n.parse().ok());
                let [after, before] = ["after_id", "before_id"].map(|name| parameter(name).map(unescaped));
                models::list_anthropic(&listed, limit, after.as_deref(), before.as_deref())
            }
        };
        Answer { response_phase: true, ..Answer::json(StatusCode::OK, body) }
    }

    /// One model, or 404.
    pub(super) fn get_model(&self, exchange: &Exchange, id: &str) -> Result<Answer, Box<Failure>> {
        let listed = self.listed();
        let asked = self.canonical(id);
        let found = listed.iter().find(|model| model.id.eq_ignore_ascii_case(&asked)).ok_or_else(|| {
            let shown: String = id.chars().take(SHOWN).collect();
            let message = format!("No matching models found: {shown} (unknown model)");
            let failure = Failure::new(3804, StatusCode::NOT_FOUND, message);
            Box::new(Failure { kind: Some("model_not_found"), param: Some("model".into()), ..failure })
        })?;
        let body = match format(exchange) {
            Format::OpenAi | Format::Bedrock => models::one_openai(found),
            Format::Gemini => models::one_gemini(found),
            Format::Anthropic => models::one_anthropic(found),
        };
        Ok(Answer { response_phase: true, ..Answer::json(StatusCode::OK, body) })
    }

    /// The listed id that a name or alias stands for; the name itself when it stands for nothing, or several things.
    fn canonical(&self, name: &str) -> String {
        let catalog = self.catalog();
        let qualified = name.split_once(':').and_then(|(provider, model)| {
            let mut providers = catalog.provider(provider);
            let (provider, more) = (providers.next()?, providers.next());
            let (model, _) = catalog.model_at(provider, model).filter(|_| more.is_none())?;
            Some(format!("{}:{}", provider.id, model.id))
        });
        qualified.unwrap_or_else(|| match catalog.models_named(name).as_slice() {
            [(_, model, _)] => model.id.clone(),
            _ => name.to_owned(),
        })
    }

    /// Every allowed model as `provider:id`, and bare where the bare id is unique and may be used so.
    fn listed(&self) -> Vec<ListedModel> {
        let mut bare: BTreeMap<String, usize> = BTreeMap::new();
        let mut allowed: Vec<(&Arc<Provider>, &Arc<Model>)> = Vec::new();
        for surface in [
            Surface::ChatCompletions,
            Surface::Responses,
            Surface::Messages,
            Surface::GenerateContent,
            Surface::Embeddings,
        ] {
            for (provider, model) in self.universe.allowed(surface) {
                if !allowed.iter().any(|(_, known)| Arc::ptr_eq(known, model)) {
                    allowed.push((provider, model));
                }
            }
        }
        for (provider, model) in &allowed {
            if !provider.prefix_required {
                *bare.entry(model.id.to_ascii_lowercase()).or_default() += 1;
            }
        }
        let mut listed = Vec::with_capacity(allowed.len() * 2);
        for (provider, model) in &allowed {
            let entry = |id: String| ListedModel {
                id,
                created: 0,
                owned_by: if model.author_id.is_empty() {
                    provider.id.clone()
                } else {
                    model.author_id.clone()
                },
                display_name: if model.display_name.is_empty() {
                    model.id.clone()
                } else {
                    model.display_name.clone()
                },
                context_length: Some(model.max_context_window).filter(|n| *n > 0),
                max_output_tokens: Some(model.max_output_tokens).filter(|n| *n > 0),
                prompt_price: model.pricing.input.map(Price::text_per_unit),
                completion_price: model.pricing.output.map(Price::text_per_unit),
                price_source: model.price_source.as_ref().or(provider.prices.as_ref()).map(price_source),
                provider: provider.id.clone(),
            };
            if !provider.prefix_required && bare.get(&model.id.to_ascii_lowercase()) == Some(&1) {
                listed.push(entry(model.id.clone()));
            }
            listed.push(entry(format!("{}:{}", provider.id, model.id)));
        }
        listed
    }
}

/// Where prices are from, and of which day.
fn price_source(prices: &PriceSource) -> (String, Option<String>) {
    (prices.source.clone(), Some(prices.as_of.clone()).filter(|day| !day.is_empty()))
}

/// The dialect of the path's mount or version. Without one: Anthropic's clients send their version header, or a key the
/// Anthropic way only.
pub(super) fn format(exchange: &Exchange) -> Format {
    let path = exchange.request.uri.path();
    let gemini = path.split('/').any(|segment| segment == "v1beta");
    match mount(path) {
        Some(Mount::Gemini) => return Format::Gemini,
        Some(Mount::Anthropic) => return Format::Anthropic,
        Some(Mount::OpenAi | Mount::OpenRouter) => return Format::OpenAi,
        None if gemini => return Format::Gemini,
        None => {}
    }
    let headers = &exchange.request.headers;
    let anthropic = headers.contains_key("anthropic-version")
        || headers.contains_key("x-api-key") && !headers.contains_key(AUTHORIZATION);
    if anthropic { Format::Anthropic } else { Format::OpenAi }
}

/// Clients escape the colon of `anthropic:claude-…` in a cursor.
fn unescaped(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((&byte, after)) = rest.split_first() {
        let hex = after.get(..2).filter(|_| byte == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        let escaped = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(escaped.unwrap_or(byte));
        rest = if escaped.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
