//! What is worked out once per policy, not once per request: URLs, metrics handles.

use foldhash::HashMap;
use std::sync::Arc;
use tollgate_catalog::{AuthStyle, Catalog, Provider};
use tollgate_dialect::url::{JoinedUrl, UrlError, join};
use tollgate_dialect::{Format, Surface};
use tollgate_observe::{Metrics, ProviderMetrics};

/// Per provider, by id.
pub(super) struct Runtime {
    providers: HashMap<String, ProviderRuntime>,
}

/// What every request to a provider shares.
pub(super) struct ProviderRuntime {
    pub(super) metrics: Arc<ProviderMetrics>,
    /// The provider's id, shared by all calls.
    pub(super) id: Arc<str>,
    /// The URL of each surface when neither client nor policy adds a query.
    urls: Vec<(Surface, Result<Arc<JoinedUrl>, UrlError>)>,
    /// How keys are sent, by format.
    auth: [(Format, Vec<AuthStyle>); 4],
}

impl Runtime {
    pub(super) fn new(catalog: &Catalog, metrics: &Metrics) -> Self {
        let providers = catalog.providers().iter().map(|provider| {
            let urls = Surface::ALL.map(|surface| (surface, url(provider, surface, None, &[])));
            let runtime = ProviderRuntime {
                metrics: metrics.provider(&provider.id),
                id: provider.id.as_str().into(),
                auth: Format::ALL.map(|format| (format, auth(provider, format))),
                urls: urls.into(),
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
        surface: Surface,
        client_query: Option<&str>,
        extra: &[(String, String)],
    ) -> Result<Arc<JoinedUrl>, UrlError> {
        let ready = self.get(provider).and_then(|r| r.urls.iter().find(|(s, _)| *s == surface));
        match ready {
            Some((_, ready)) if client_query.is_none() && extra.is_empty() => ready.clone(),
            _ => url(provider, surface, client_query, extra),
        }
    }
}

/// The styles depend on the host: Azure wants another header.
fn auth(provider: &Provider, format: Format) -> Vec<AuthStyle> {
    let base = provider.base_url_for(format).parse::<http::Uri>().ok();
    let host = base.as_ref().and_then(http::Uri::host).unwrap_or("");
    provider.auth_for(format, host)
}

fn url(
    provider: &Provider,
    surface: Surface,
    client_query: Option<&str>,
    extra: &[(String, String)],
) -> Result<Arc<JoinedUrl>, UrlError> {
    let base = provider.base_url_for(surface.format());
    join(base, provider.path_prefix.as_deref(), surface.path(), client_query, extra).map(Arc::new)
}
