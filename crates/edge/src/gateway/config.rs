//! From the checked configuration of an `ai-gateway` to what runs.

mod health;
mod hedge;

use crate::action::{BuildContext, BuildError};
use crate::actions::header_names::{HeaderTemplate, templates};
use crate::gateway::identity::Identity;
use crate::gateway::keys::KeySlot;
use crate::gateway::{Gateway, Knobs, OnError, gaps, naming};
use foldhash::HashMap;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tollgate_catalog::{
    ApiSurface, AuthStyle, CacheControl, Catalog, ModelOverlay, OverlayError, Price, Pricing,
    ProviderOverlay, ReasoningParam, StreamUsage, Tier,
};
use tollgate_dialect::{Format, Surface, Thinking};
use tollgate_expr::{Program, Scope, Template};
use tollgate_policy::{Checker, Config};
use tollgate_select::{
    Fallthrough, Names, OnFailure, Options, Order, Passthrough, ProviderOrder, Selection, Strategy, Universe,
};

/// Default of `per_request_timeout`.
const PER_REQUEST: Duration = Duration::from_secs(3 * 60);
/// Default of `total_timeout`.
const TOTAL: Duration = Duration::from_secs(6 * 60);
/// Default of `connect_timeout`.
const CONNECT: Duration = Duration::from_secs(10);
/// Default of `max_attempts`.
const MAX_ATTEMPTS: usize = 25;

/// Checks beyond the shapes of the fields: what the catalogue says of `providers`.
pub fn check(config: &Config<'_>, checker: &mut Checker) {
    let providers = config.get("providers").map(|list| list.as_list()).unwrap_or_default();
    for provider in &providers {
        check_surfaces(provider, checker);
        gaps::check(provider, checker);
        if let ("none", Some(keys)) = (word(provider, "auth").unwrap_or(""), provider.get("api_keys")) {
            let message = "`api_keys` has no effect: `auth: none` sends no key".to_owned();
            checker.warning(keys, "ERR_NGROK_2225", message, Some("leave out one of the two".into()));
        }
        if let Some(auth) = provider.get("auth")
            && auth.as_str().and_then(auth_style).is_none()
        {
            let help = "write bearer, x-api-key, api-key, header:NAME, query:NAME, aws-sigv4, google-service-account or none";
            checker.error(auth, "ERR_NGROK_2222", "this is no way to send a key".into(), Some(help.into()));
        }
    }
    check_framing(config, checker);
    check_effects(config, checker);
    health::check(config, checker);
    hedge::check(config, checker);
    naming::check(config, checker);
    let overlays: Vec<ProviderOverlay> = providers.iter().map(overlay).collect();
    if let Err(errors) = Catalog::builtin().with_overlays(&overlays) {
        // What is wrong with surfaces has been said, at their own places.
        for error in errors.into_iter().filter(|error| error.field != "supported_api_surfaces") {
            let at = place(config, &error);
            checker.error(at, "ERR_NGROK_2204", error.message, error.help);
        }
    }
    let duration = |name: &str| config.get(name).and_then(|c| c.as_duration());
    let (per, total) =
        (duration("per_request_timeout").unwrap_or(PER_REQUEST), duration("total_timeout").unwrap_or(TOTAL));
    if let Some(at) = config.get("per_request_timeout").filter(|_| per > total) {
        let message =
            "`per_request_timeout` is longer than `total_timeout`: the first attempt may use all the time";
        checker.warning(at, "ERR_NGROK_2225", message.into(), None);
    }
}

/// Headers that belong to a connection, or that the gateway makes anew for every call.
fn check_framing(config: &Config<'_>, checker: &mut Checker) {
    for (name, at) in config.get("headers").map(|h| h.entries()).unwrap_or_default() {
        if tollgate_dialect::headers::is_stripped(&name.to_ascii_lowercase()) {
            let message = format!("the header `{name}` is made anew for every request to a provider");
            checker.error(at, "ERR_NGROK_2219", message, Some("leave this header out".into()));
        }
    }
}

/// What would be accepted and do something else than it seems to.
fn check_effects(config: &Config<'_>, checker: &mut Checker) {
    const CODE: &str = "ERR_NGROK_2225";
    let listed = config.get("providers").map(|list| list.as_list()).unwrap_or_default();
    let bodies = listed.iter().chain([config]).filter_map(|owner| owner.get("body"));
    for (name, at) in bodies.flat_map(|body| body.entries()) {
        let (message, help) = match name {
            "model" => (
                "`body.model` has no effect: the model of each attempt is set afterwards",
                "choose models with `model_selection`, or rename one with `id_aliases`",
            ),
            "stream" => (
                "`body.stream` changes the kind of answer, whatever the client can read",
                "leave `stream` to the client",
            ),
            _ => continue,
        };
        checker.warning(at, CODE, message.into(), Some(help.into()));
    }
    for name in ["model_selection", "api_key_selection"] {
        let strategies = config.get(name).and_then(|s| s.get("strategy")).map(|s| s.as_list());
        for entry in strategies.unwrap_or_default() {
            let expr = entry.get("expr").unwrap_or(entry);
            if expr.as_str().is_some_and(|text| text.contains("${")) {
                let message = "`${` has no meaning in a strategy: it is compared as plain text".to_owned();
                let help = "strategies are expressions already: write vars.x, not '${vars.x}'";
                checker.warning(expr, CODE, message, Some(help.into()));
            }
        }
    }
}

fn check_surfaces(provider: &Config<'_>, checker: &mut Checker) {
    for entry in provider.get("supported_api_surfaces").map(|l| l.as_list()).unwrap_or_default() {
        let format = entry.get("format").and_then(|f| f.as_str());
        let at = entry.get("surface");
        let surface = at.and_then(|s| s.as_str()).and_then(surface);
        let fits = surface.is_none_or(|surface| Some(surface.format().name()) == format);
        if let (false, Some(at), Some(surface)) = (fits, at, surface) {
            let own = surface.format().name();
            let message =
                format!("`{}` is not a surface of the format `{}`", surface.name(), format.unwrap_or(""));
            checker.error(at, "ERR_NGROK_2222", message, Some(format!("it belongs to `format: {own}`")));
        }
        if let (Some(params), None) = (entry.get("supported_params"), at) {
            let message = "`supported_params` needs `surface`".to_owned();
            checker.error(
                params,
                "ERR_NGROK_2240",
                message,
                Some("say which surface the list is for".into()),
            );
        }
    }
}

/// The place in the policy that an error of the catalogue is about.
fn place<'a>(config: &Config<'a>, error: &OverlayError) -> Config<'a> {
    let list = |at: &Config<'a>, name: &str, index: usize| {
        at.get(name).and_then(|list| list.as_list().get(index).copied())
    };
    let mut at = list(config, "providers", error.index).unwrap_or(*config);
    if let Some(model) = error.model {
        at = list(&at, "models", model).unwrap_or(at);
    }
    // What is missing has no place; its owner's name stands for it.
    let field = at.get(error.field);
    let entry = field.and_then(|field| field.get(error.key.as_deref()?));
    entry.or(field).or_else(|| at.get("id")).unwrap_or(at)
}

/// Builds the gateway.
pub fn build(config: &Config<'_>, cx: &BuildContext<'_>) -> Result<Gateway, BuildError> {
    let listed = config.get("providers").map(|list| list.as_list()).unwrap_or_default();
    let overlays: Vec<ProviderOverlay> = listed.iter().map(overlay).collect();
    let catalog = cx.shared.catalog.load().with_overlays(&overlays).map_err(|errors| BuildError {
        at: config.location(),
        code: "ERR_NGROK_2204",
        message: errors.iter().map(|e| e.message.clone()).collect::<Vec<_>>().join("; "),
        help: None,
    })?;
    let catalog = Arc::new(catalog);
    let flag = |name: &str| config.get(name).and_then(|c| c.as_bool()).unwrap_or(false);
    let options = Options {
        only_allow_configured_providers: flag("only_allow_configured_providers"),
        only_allow_configured_models: flag("only_allow_configured_models"),
        accept_author_slug: flag("accept_author_slug"),
        native_only: word(config, "translation") == Some("never"),
        accept_provider_slash: flag("accept_provider_slash"),
        provider_order: match word(config, "provider_order") {
            Some("alphabetical") => ProviderOrder::Alphabetical,
            _ => ProviderOrder::Config,
        },
    };
    let mut keys: HashMap<String, Vec<KeySlot>> = HashMap::default();
    let mut provider_bodies = HashMap::default();
    for (index, entry) in listed.iter().enumerate() {
        // `gemini` in a policy is the built-in `google`: keys go by the catalogue's id, not by the name written.
        let Some(provider) = catalog.providers().iter().find(|p| p.order == Some(index)) else { continue };
        if let Some(body) = entry.get("body").and_then(|body| body.json_template()) {
            provider_bodies.insert(provider.id.clone(), body);
        }
        let slots = keys.entry(provider.id.clone()).or_default();
        for key in entry.get("api_keys").map(|l| l.as_list()).unwrap_or_default() {
            let value = key.get("value").and_then(|v| v.template()).unwrap_or_else(|| Template::literal(""));
            slots.push(KeySlot::new(value));
        }
    }
    keys.retain(|_, slots| !slots.is_empty());
    let names = naming::names(config, &cx.shared.names);
    known_backend(config, &catalog, &names)?;
    Ok(Gateway::new(
        Universe::new(catalog, options, &cx.shared.stats).with_names(names),
        selection(config),
        key_strategies(config),
        keys,
        Knobs {
            identity: naming::identity(config, &cx.shared.identity),
            own_identity: naming::identity(config, &Identity::default()),
            provider_bodies,
            ..knobs(config)?
        },
        cx.shared,
    ))
}

/// The default backend of the action itself must be one; the one of the process may be another policy's.
fn known_backend(config: &Config<'_>, catalog: &Catalog, names: &Names) -> Result<(), BuildError> {
    let Some(at) = config.get("default_backend") else { return Ok(()) };
    let unknown = names.default_backend.as_ref().and_then(|backend| backend.unknown_in(catalog, false));
    let Some(name) = unknown else { return Ok(()) };
    let message = format!("`default_backend`: `{name}` is neither a provider nor a known model");
    let help = catalog.nearest(name).into_iter().next().map(|near| format!("did you mean `{near}`?"));
    Err(BuildError { at: at.location(), code: "ERR_NGROK_2204", message, help })
}

fn knobs(config: &Config<'_>) -> Result<Knobs, BuildError> {
    let duration = |name: &str, default| config.get(name).and_then(|c| c.as_duration()).unwrap_or(default);
    let number = |name: &str| config.get(name).and_then(|c| c.as_u64());
    let per_request = duration("per_request_timeout", PER_REQUEST);
    let statuses = config.get("stop_on_client_error").map(|l| l.as_list()).unwrap_or_default();
    let query = config.get("query_params").map(|q| q.entries()).unwrap_or_default();
    let headers: Vec<HeaderTemplate> = templates(config.get("headers"))?;
    Ok(Knobs {
        identity: Identity::default(),
        own_identity: Identity::default(),
        max_input_tokens: number("max_input_tokens"),
        max_output_tokens: number("max_output_tokens"),
        headers,
        query_params: query.into_iter().filter_map(|(n, v)| Some((n.to_owned(), v.template()?))).collect(),
        body: config.get("body").and_then(|b| b.json_template()),
        provider_bodies: HashMap::default(),
        on_error: if word(config, "on_error") == Some("continue") {
            OnError::Continue
        } else {
            OnError::Halt
        },
        per_request_timeout: per_request,
        total_timeout: duration("total_timeout", TOTAL),
        connect_timeout: duration("connect_timeout", CONNECT),
        stream_idle_timeout: duration("stream_idle_timeout", per_request),
        max_attempts: number("max_attempts").and_then(|n| usize::try_from(n).ok()).unwrap_or(MAX_ATTEMPTS),
        stop_on_client_error: statuses.iter().filter_map(|s| u16::try_from(s.as_u64()?).ok()).collect(),
        error_passthrough: match word(config, "error_passthrough") {
            Some("last") => Passthrough::Last,
            Some("aggregate") => Passthrough::Aggregate,
            _ => Passthrough::Auto,
        },
        native_only: word(config, "translation") == Some("never"),
        strip_state: word(config, "bound_state") == Some("strip"),
        health: health::read(config),
        hedge: hedge::read(config),
    })
}

fn selection(config: &Config<'_>) -> Selection {
    let Some(selection) = config.get("model_selection") else { return Selection::default() };
    let strategies = selection.get("strategy").map(|s| s.as_list()).unwrap_or_default();
    Selection {
        strategies: strategies
            .iter()
            .filter_map(|entry| {
                let expr = entry.get("expr").unwrap_or(*entry);
                let stop = word(entry, "on_failure") == Some("stop");
                let on_failure = if stop { OnFailure::Stop } else { OnFailure::Next };
                Some(Strategy { program: expr.program_in(Scope::ModelStrategy)?, on_failure })
            })
            .collect(),
        fallthrough: match word(&selection, "fallthrough") {
            Some("first_match") => Fallthrough::FirstMatch,
            _ => Fallthrough::Tiers,
        },
        order: if word(&selection, "order") == Some("strategy") { Order::Strategy } else { Order::Client },
    }
}

fn key_strategies(config: &Config<'_>) -> Vec<Program> {
    let strategies = config.get("api_key_selection").and_then(|s| s.get("strategy"));
    let strategies = strategies.map(|s| s.as_list()).unwrap_or_default();
    strategies.iter().filter_map(|entry| entry.program_in(Scope::KeyStrategy)).collect()
}

fn word<'a>(config: &Config<'a>, name: &str) -> Option<&'a str> {
    config.get(name).and_then(|c| c.as_str())
}

fn overlay(config: &Config<'_>) -> ProviderOverlay {
    let text = |name: &str| word(config, name).map(str::to_owned);
    let surfaces = config.get("supported_api_surfaces").map(|list| list.as_list());
    ProviderOverlay {
        id: text("id").unwrap_or_default(),
        aliases: texts(config, "id_aliases").unwrap_or_default(),
        base_url: text("base_url"),
        path_prefix: text("path_prefix"),
        auth: word(config, "auth").and_then(auth_style),
        display_name: text("display_name"),
        description: text("description"),
        website: text("website"),
        disabled: config.get("disabled").and_then(|c| c.as_bool()).unwrap_or(false),
        metadata: metadata(config),
        models: config.get("models").map(|l| l.as_list()).unwrap_or_default().iter().map(model).collect(),
        surfaces: surfaces.map(|list| list.iter().filter_map(api_surface).collect()),
        settings: settings(config),
        extensions: config.get("extensions").map(params),
        drop_params: config.get("drop_params").map(params),
        reasoning: word(config, "reasoning").and_then(ReasoningParam::from_word),
        cache_control: word(config, "cache_control").and_then(CacheControl::from_word),
        stream_usage: word(config, "stream_usage").and_then(StreamUsage::from_word),
        translate_to: word(config, "translate_to").and_then(surface),
        surface_gaps: gaps::read(config),
    }
}

fn model(config: &Config<'_>) -> ModelOverlay {
    let text = |name: &str| word(config, name).map(str::to_owned);
    let number = |name: &str| config.get(name).and_then(|c| c.as_u64());
    ModelOverlay {
        id: text("id").unwrap_or_default(),
        aliases: texts(config, "id_aliases").unwrap_or_default(),
        author_id: text("author_id"),
        display_name: text("display_name"),
        description: text("description"),
        disabled: config.get("disabled").and_then(|c| c.as_bool()).unwrap_or(false),
        metadata: metadata(config),
        input_modalities: texts(config, "input_modalities"),
        output_modalities: texts(config, "output_modalities"),
        max_context_window: number("max_context_window"),
        max_output_tokens: number("max_output_tokens"),
        supported_features: texts(config, "supported_features"),
        unsupported_params: config.get("unsupported_params").map(params),
        pricing: config.get("pricing").map(|p| pricing(&p)),
        thinking: word(config, "thinking").and_then(thinking),
    }
}

/// Reads every kind of price. The shapes of the fields leave no price that is none.
fn pricing(config: &Config<'_>) -> Pricing {
    let dollars = |name: &str| config.get(name).and_then(|c| c.as_f64());
    let million = |name: &str| dollars(name).and_then(Price::per_million);
    let unit = |name: &str| dollars(name).and_then(Price::per_unit);
    Pricing {
        input: million("input"),
        output: million("output"),
        input_cache_read: million("input_cache_read"),
        input_cache_write: million("input_cache_write"),
        input_cache_write_1h: million("input_cache_write_1h"),
        reasoning: million("reasoning"),
        input_batch: million("input_batch"),
        output_batch: million("output_batch"),
        input_audio: million("input_audio"),
        output_audio: million("output_audio"),
        input_image: million("input_image"),
        output_image: million("output_image"),
        image: unit("image"),
        request: unit("request"),
        web_search: unit("web_search"),
        code_interpreter: unit("code_interpreter"),
        file_search_storage_gb: unit("file_search_storage_gb"),
        image_generation: unit("image_generation"),
        overrides: config
            .get("overrides")
            .map(|l| l.as_list())
            .unwrap_or_default()
            .iter()
            .map(tier)
            .collect(),
    }
}

fn tier(config: &Config<'_>) -> Tier {
    let time = |name: &str| config.get(name).and_then(|c| c.as_u64()).and_then(|t| u16::try_from(t).ok());
    Tier {
        min_prompt_tokens: config.get("min_prompt_tokens").and_then(|c| c.as_u64()),
        utc_start: time("utc_start"),
        utc_end: time("utc_end"),
        price: config.get("price").map(|price| pricing(&price)).unwrap_or_default(),
    }
}

fn metadata(config: &Config<'_>) -> serde_json::Map<String, serde_json::Value> {
    match config.get("metadata").map(|m| m.to_json()) {
        Some(serde_json::Value::Object(map)) => map,
        _ => serde_json::Map::new(),
    }
}

fn texts(config: &Config<'_>, name: &str) -> Option<Vec<String>> {
    let list = config.get(name)?.as_list();
    Some(list.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect())
}

/// Names given as strings or as `{name: …}`.
fn params(list: Config<'_>) -> Vec<String> {
    let named = |item: &Config<'_>| word(item, "name").or(item.as_str()).map(str::to_owned);
    list.as_list().iter().filter_map(named).collect()
}

fn api_surface(config: &Config<'_>) -> Option<ApiSurface> {
    let name = word(config, "format")?;
    Some(ApiSurface {
        format: Format::ALL.into_iter().find(|format| format.name() == name)?,
        surface: word(config, "surface").and_then(surface),
        supported_params: config.get("supported_params").map(params).unwrap_or_default(),
    })
}

fn surface(name: &str) -> Option<Surface> {
    Surface::ALL.into_iter().find(|surface| surface.name() == name)
}

fn thinking(word: &str) -> Option<Thinking> {
    Some(match word {
        "effort" => Thinking::Effort,
        "object" => Thinking::Object,
        "budget" => Thinking::Budget,
        "adaptive" => Thinking::Adaptive,
        "level" => Thinking::Level,
        "none" => Thinking::None,
        "usual" => Thinking::Usual,
        _ => return None,
    })
}

fn settings(config: &Config<'_>) -> BTreeMap<String, String> {
    let entries = config.get("settings").map(|s| s.entries()).unwrap_or_default();
    let texts =
        entries.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.as_str()?.to_owned())));
    texts.collect()
}

fn auth_style(text: &str) -> Option<AuthStyle> {
    Some(match text {
        "bearer" => AuthStyle::Bearer,
        "x-api-key" => AuthStyle::XApiKey,
        "api-key" => AuthStyle::ApiKey,
        "aws-sigv4" => AuthStyle::AwsSigV4,
        "google-service-account" => AuthStyle::GoogleServiceAccount,
        "none" => AuthStyle::None,
        other => match other.split_once(':')? {
            ("header", name) if http::HeaderName::try_from(name).is_ok() => {
                AuthStyle::Header(name.to_owned())
            }
            ("query", name) if !name.is_empty() => AuthStyle::Query(name.to_owned()),
            _ => return None,
        },
    })
}

#[cfg(test)]
mod tests;
