//! What is worked out once per policy, not once per request: URLs, metrics handles.

use foldhash::HashMap;
use std::borrow::Cow;
use std::sync::Arc;
use tollgate_catalog::{AuthStyle, Catalog, Provider};
use tollgate_dialect::url::{JoinedUrl, UrlError, join};
use tollgate_dialect::{Format, Surface};
use tollgate_observe::{Metrics, ProviderMetrics};

/// Stands for the model's name in a path.
const MODEL: &str = "{model}";

/// Per provider, by id.
pub(super) struct Runtime {
    providers: HashMap<String, ProviderRuntime>,
}

/// What every request to a provider shares.
pub(super) struct ProviderRuntime {
    pub(super) metrics: Arc<ProviderMetrics>,
    /// The provider's id, shared by all calls.
    pub(super) id: Arc<str>,
    /// Its host and port, as most of its URLs have them.
    pub(super) server: Option<Arc<str>>,
    /// The URL of each surface whose path does not name the model, when neither client nor policy adds a query.
    urls: Vec<(Surface, Result<Arc<JoinedUrl>, UrlError>)>,
    /// How keys are sent, by format.
    auth: [(Format, Vec<AuthStyle>); 4],
}

impl Runtime {
    pub(super) fn new(catalog: &Catalog, metrics: &Metrics) -> Self {
        let providers = catalog.providers().iter().map(|provider| {
            let fixed = Surface::ALL.into_iter().filter(|surface| is_fixed(provider, *surface));
            let urls = fixed.map(|surface| {
                let operation = Operation { surface, stream: false, model: "" };
                (surface, url(provider, operation, None, &[]))
            });
            let urls: Vec<_> = urls.collect();
            let runtime = ProviderRuntime {
                server: server(provider, &urls),
                metrics: metrics.provider(&provider.id),
                id: provider.id.as_str().into(),
                auth: Format::ALL.map(|format| (format, auth(provider, format))),
                urls,
            };
            (provider.id.clone(), runtime)
        });
        Self { providers: providers.collect() }
    }

    pub(super) fn get(&self, provider: &Provider) -> Option<&ProviderRuntime> {
        self.providers.get(&provider.id)
    }

    /// How keys are sent to a provider.
    pub(super) fn auth(&self, provider: &Provider, format: Format) -> &[AuthStyle] {
        let known = self.get(provider).and_then(|r| r.auth.iter().find(|(f, _)| *f == format));
        known.map_or(&[], |(_, styles)| styles)
    }

    /// Where a request goes.
    pub(super) fn url(
        &self,
        provider: &Provider,
        operation: Operation<'_>,
        client_query: Option<&str>,
        extra: &[(String, String)],
    ) -> Result<Arc<JoinedUrl>, UrlError> {
        let surface = operation.surface;
        let ready = self.get(provider).and_then(|r| r.urls.iter().find(|(s, _)| *s == surface));
        match ready {
            Some((_, ready)) if client_query.is_none() && extra.is_empty() => ready.clone(),
            _ => url(provider, operation, client_query, extra),
        }
    }
}

/// What is asked of a provider, as far as its URL says it.
#[derive(Clone, Copy)]
pub(super) struct Operation<'o> {
    pub(super) surface: Surface,
    pub(super) stream: bool,
    pub(super) model: &'o str,
}

fn server(provider: &Provider, urls: &[(Surface, Result<Arc<JoinedUrl>, UrlError>)]) -> Option<Arc<str>> {
    if let Some(url) = urls.iter().find_map(|(_, url)| url.as_ref().ok()) {
        let shown = if url.host.contains(':') { format!("[{}]", url.host) } else { url.host.clone() };
        return Some(format!("{shown}:{}", url.port).into());
    }
    let base = provider.base_url_for(Format::OpenAi).parse::<http::Uri>().ok()?;
    Some(base.authority()?.as_str().into())
}

/// The styles depend on the host: Azure wants another header.
fn auth(provider: &Provider, format: Format) -> Vec<AuthStyle> {
    let base = provider.base_url_for(format).parse::<http::Uri>().ok();
    let host = base.as_ref().and_then(http::Uri::host).unwrap_or("");
    provider.auth_for(format, host)
}

/// Whether all requests of a surface go to one URL.
fn is_fixed(provider: &Provider, surface: Surface) -> bool {
    let path = provider.path(surface);
    path == provider.stream_path(surface) && !path.contains(MODEL)
}

fn url(
    provider: &Provider,
    operation: Operation<'_>,
    client_query: Option<&str>,
    extra: &[(String, String)],
) -> Result<Arc<JoinedUrl>, UrlError> {
    let Operation { surface, stream, model } = operation;
    let path = if stream { provider.stream_path(surface) } else { provider.path(surface) };
    let (path, own_query) = path.split_once('?').unwrap_or((path, ""));
    let path: Cow<'_, str> =
        if path.contains(MODEL) { path.replace(MODEL, &escaped(model)).into() } else { path.into() };
    let base = provider.base_url_for(surface.format());
    let own = own_query.split('&').filter_map(|pair| pair.split_once('='));
    let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let more: Vec<(String, String)> =
        own.chain(provider.query.iter().cloned()).chain(extra.iter().cloned()).collect();
    join(base, provider.prefix_for(surface.format()), &path, client_query, &more).map(Arc::new)
}

/// A model's name as one part of a path (RFC 3986, section 2.3: only unreserved characters stay).
fn escaped(model: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(model.len());
    for byte in model.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
