//! One attempt's request to a provider: body, URL and headers.

use super::cloud::{self, Token};
use super::keys::ClientKeyHeader;
use super::prepare::{Keychain, Prepared};
use super::runtime::Operation;
use super::wire::{Spoken, Wire};
use super::{Gateway, Incoming, params};
use crate::dry::is_stand_in;
use crate::exchange::Exchange;
use crate::lists;
use crate::upstream::Call;
use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use http::{HeaderMap, Method};
use secrecy::ExposeSecret;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tollgate_catalog::{AuthStyle, CacheControl, Provider, ReasoningParam, StreamUsage};
use tollgate_dialect::{Echo, Edited, Edits, Format, Surface, edit, headers as names, peek, tidy_names};
use tollgate_select::{Candidate, Fault, Key};

/// Names the gateways a request has passed, so that a loop is noticed.
pub(crate) const VIA: HeaderName = HeaderName::from_static("x-tollgate-via");
const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const API_KEY: HeaderName = HeaderName::from_static("api-key");
const ANTHROPIC_VERSION: HeaderName = HeaderName::from_static("anthropic-version");
/// The version sent when the client names none (Anthropic's versioning page).
const DEFAULT_ANTHROPIC_VERSION: HeaderValue = HeaderValue::from_static("2023-06-01");
/// How Anthropic's API keys begin; its OAuth tokens begin with `sk-ant-oat`.
const ANTHROPIC_API_KEY: &str = "sk-ant-api";
/// These belong to the account of the client's key.
const ACCOUNT: [HeaderName; 2] =
    [HeaderName::from_static("openai-organization"), HeaderName::from_static("openai-project")];

/// A call and what editing its body left out.
pub(crate) struct BuiltCall {
    pub(crate) call: Call,
    pub(crate) dropped: Vec<String>,
    /// What the answer has to repeat of the request.
    pub(crate) echo: Echo,
    /// The client did not ask for figures at the end of its stream; we did.
    pub(crate) asked_for_usage: bool,
}

impl Gateway {
    /// The request for one candidate and key.
    pub(super) fn call(
        &self,
        exchange: &Exchange,
        incoming: &Incoming,
        prepared: &Prepared,
        (candidate, wire): (&Candidate, Wire),
        (key, token): (Option<usize>, Option<&Token>),
        time: Duration,
    ) -> Result<BuiltCall, Fault> {
        let chain = prepared.keychain.iter().find(|chain| chain.provider == candidate.provider.id);
        let key = key.and_then(|index| chain.and_then(|chain| chain.keys.get(index)));
        let mut query = prepared.rendered.query.clone();
        let styles = self.runtime.auth(&candidate.provider, wire.surface.format());
        if let Some(key) = key {
            query.extend(styles.iter().filter_map(|style| match style {
                AuthStyle::Query(name) => Some((name.clone(), key.value.expose_secret().to_owned())),
                _ => None,
            }));
        }
        // A query of the client belongs to its own dialect.
        let client_query = exchange.request.uri.query().filter(|_| !wire.translated);
        let operation = Operation {
            surface: wire.surface,
            stream: incoming.peek.stream,
            model: &candidate.upstream_model,
        };
        let url = self.runtime.url(&candidate.provider, operation, client_query, &query);
        let url = url.map_err(|_| Fault::BadAnswer)?;
        let Spoken { body, mut lost, echo } = self.spoken(incoming, prepared, candidate, wire)?;
        let Edited { chunks, dropped, .. } = self.edited(incoming, prepared, candidate, wire, &body)?;
        if !dropped.is_empty() || wire.strips {
            lost.extend(dropped);
            tidy_names(&mut lost);
        }
        let headers = self.headers(exchange, wire, prepared, (&candidate.provider.id, chain), key, styles);
        let id = self.runtime.get(&candidate.provider).map(|r| Arc::clone(&r.id));
        let mut call = Call {
            provider: id.unwrap_or_else(|| candidate.provider.id.as_str().into()),
            model: candidate.upstream_model.as_str().into(),
            url,
            method: Method::POST,
            headers,
            body: chunks,
            connect_timeout: self.knobs.connect_timeout.min(time),
            head_timeout: time,
            resend: true,
            addresses: None,
        };
        if let Some(key) = key.filter(|key| exchange.trace.is_none() || !is_stand_in(key)) {
            cloud::prove(
                &mut call,
                &candidate.provider,
                key.value.expose_secret(),
                token,
                SystemTime::now(),
            )?;
        }
        let asked_for_usage = asked_for_usage(incoming, wire, &candidate.provider);
        Ok(BuiltCall { call, dropped: lost, echo, asked_for_usage })
    }

    /// The body for one candidate: bytes nobody edited stay as the client, or the translation, wrote them.
    fn edited(
        &self,
        incoming: &Incoming,
        prepared: &Prepared,
        candidate: &Candidate,
        wire: Wire,
        body: &Bytes,
    ) -> Result<Edited, Fault> {
        let provider = &candidate.provider;
        let own = body.as_ptr() == incoming.body.as_ptr();
        let other = if own { None } else { Some(peek(body).map_err(|_| Fault::BadAnswer)?) };
        let in_path = matches!(wire.surface, Surface::GenerateContent | Surface::Converse);
        let merged = params::merge(candidate, wire.surface, prepared.rendered.body_for(&provider.id));
        let edits = Edits {
            model: Some(candidate.upstream_model.as_str()).filter(|_| !in_path),
            remove_models: true,
            merge: merged.body.as_deref(),
            max_output_tokens: self.knobs.max_output_tokens,
            reasoning_model: provider.wants_completion_tokens(Some(&candidate.model)),
            surface: wire.surface,
            allow: provider.supported_params(wire.surface),
            deny: &[&provider.params.drop, &candidate.model.unsupported_params, &merged.remove],
            rename: Some(&provider.params.rename).filter(|names| !names.is_empty()),
            include_usage: provider.params.stream_usage == StreamUsage::Ask,
            reasoning_to_effort: provider.params.reasoning == ReasoningParam::Effort,
            strip_cache_control: provider.params.cache_control == CacheControl::Strip,
        };
        let mut edited = edit(body, other.as_ref().unwrap_or(&incoming.peek), &edits);
        edited.dropped.extend(merged.dropped.into_iter().map(str::to_owned));
        Ok(edited)
    }

    fn headers(
        &self,
        exchange: &Exchange,
        wire: Wire,
        prepared: &Prepared,
        (provider, chain): (&str, Option<&Keychain>),
        key: Option<&Arc<Key>>,
        styles: &[AuthStyle],
    ) -> HeaderMap {
        let surface = wire.surface;
        let from = &exchange.request.headers;
        let mut headers = HeaderMap::with_capacity(from.len() + 6);
        for (name, value) in from {
            let foreign = wire.translated && of_a_dialect(name.as_str(), provider);
            if forwarded(name) && !foreign {
                headers.append(name, value.clone());
            }
        }
        if chain.is_some_and(|chain| chain.configured) {
            for name in ACCOUNT {
                headers.remove(name);
            }
        }
        if let Some(key) = key {
            let passed = chain.filter(|chain| !chain.configured).and(prepared.client_key.as_ref());
            authenticate(
                &mut headers,
                key.value.expose_secret(),
                styles,
                passed.map(|(header, _)| *header),
                surface,
            );
        }
        if surface.format() == Format::Anthropic {
            headers.entry(ANTHROPIC_VERSION).or_insert(DEFAULT_ANTHROPIC_VERSION);
        }
        headers.insert(http::header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.knobs.identity.apply(provider, from, &mut headers);
        headers.append(VIA, self.shared.instance.clone());
        for (name, value) in &prepared.rendered.headers {
            headers.insert(name, value.clone());
        }
        headers
    }
}

/// Whether a header of the client goes on to a provider. Credentials never do by themselves: the key of the
/// attempt is set afterwards.
fn forwarded(name: &HeaderName) -> bool {
    if *name == VIA {
        return true;
    }
    let text = name.as_str();
    let regenerated = matches!(text, "content-type" | "cookie");
    !regenerated && !names::is_stripped(text) && !names::is_client_credential(text)
}

/// Whether the figures of a stream are there only because the gateway asked for them.
fn asked_for_usage(incoming: &Incoming, wire: Wire, provider: &Provider) -> bool {
    let asks = matches!(wire.surface, Surface::ChatCompletions | Surface::Completions)
        && provider.params.stream_usage == StreamUsage::Ask;
    asks && !wire.translated && incoming.peek.stream && !incoming.peek.include_usage
}

/// Headers that mean something in one dialect only, or that describe the client's library to its own provider.
/// OpenRouter's mean the same in each of its dialects.
fn of_a_dialect(name: &str, provider: &str) -> bool {
    let openrouters = name.starts_with("x-openrouter-") || name == "x-session-id";
    if openrouters {
        return provider != lists::PROVIDER;
    }
    ["anthropic-", "openai-", "x-stainless-", "x-goog-"].iter().any(|prefix| name.starts_with(prefix))
}

fn authenticate(
    headers: &mut HeaderMap,
    key: &str,
    styles: &[AuthStyle],
    passed: Option<ClientKeyHeader>,
    surface: Surface,
) {
    // An OAuth token of the client stays the bearer token it came as; Anthropic takes its API keys in their own
    // header only.
    let keep_bearer = passed == Some(ClientKeyHeader::Bearer)
        && surface.format() == Format::Anthropic
        && !key.starts_with(ANTHROPIC_API_KEY);
    let bearer = [AuthStyle::Bearer];
    let styles = if keep_bearer { &bearer[..] } else { styles };
    for style in styles {
        let (name, value) = match style {
            AuthStyle::Bearer => (AUTHORIZATION, format!("Bearer {key}")),
            AuthStyle::XApiKey => (X_API_KEY, key.to_owned()),
            AuthStyle::ApiKey => (API_KEY, key.to_owned()),
            AuthStyle::Header(name) => match HeaderName::try_from(name.as_str()) {
                Ok(name) => (name, key.to_owned()),
                Err(_) => continue,
            },
            // The first is in the URL; secrets of the last two are no header's value and never sent.
            AuthStyle::Query(_) | AuthStyle::None | AuthStyle::AwsSigV4 | AuthStyle::GoogleServiceAccount => {
                continue;
            }
        };
        if let Ok(mut value) = HeaderValue::try_from(value) {
            value.set_sensitive(true);
            headers.insert(name, value);
        }
    }
}
