//! The keys of a provider: configured ones, or the client's own.

use arc_swap::ArcSwapOption;
use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderName};
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;
use tollgate_dialect::Format;
use tollgate_expr::{Activation, EvalError, RequestFacts, Template};
use tollgate_select::{Key, Metrics};

/// One entry of `api_keys`. Remembers the key its template gave last, so that its id is not computed anew for
/// every request; a changed secret gives a new one.
pub struct KeySlot {
    template: Template,
    last: ArcSwapOption<Key>,
}

impl KeySlot {
    /// A slot whose value is computed for each request.
    #[must_use]
    pub fn new(template: Template) -> Self {
        Self { template, last: ArcSwapOption::empty() }
    }

    /// The key for this request; `None` when its value is empty.
    pub fn key(
        &self,
        activation: &Activation<'_>,
        provider: &str,
        stats: &Metrics,
        salt: &[u8],
    ) -> Result<Option<Arc<Key>>, EvalError> {
        let value = self.template.render(activation)?;
        let value = value.trim();
        if value.is_empty() {
            return Ok(None);
        }
        if let Some(last) = &*self.last.load()
            && last.value.expose_secret() == value
        {
            return Ok(Some(Arc::clone(last)));
        }
        let key = Arc::new(Key::configured(stats, provider, salt, SecretString::from(value)));
        self.last.store(Some(Arc::clone(&key)));
        Ok(Some(key))
    }

    /// The key it gave last.
    #[must_use]
    pub fn last(&self) -> Option<Arc<Key>> {
        self.last.load_full()
    }

    /// Takes over what another slot of the same policy gave last.
    pub(super) fn remember(&self, other: &Self) {
        self.last.store(other.last());
    }

    /// The expression the key comes from, for `explain`; never the key.
    #[must_use]
    pub fn source(&self) -> &str {
        self.template.source()
    }
}

impl std::fmt::Debug for KeySlot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeySlot").finish_non_exhaustive()
    }
}

/// A client's own key on its way through. Its counters are kept apart only when key strategies may read them, so
/// that clients with ever new keys fill no memory.
#[must_use]
pub fn passing(key: SecretString, provider: &str, stats: &Metrics, salt: &[u8], read: bool) -> Arc<Key> {
    if read {
        return Arc::new(Key::new(stats, provider, salt, key));
    }
    Arc::new(Key { id: String::new(), value: key, stats: stats.key(provider, "client keys") })
}

/// The header a client's key came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientKeyHeader {
    /// `authorization: Bearer`
    Bearer,
    /// `x-api-key`
    XApiKey,
    /// `api-key`
    ApiKey,
    /// `x-goog-api-key`
    XGoogApiKey,
}

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const API_KEY: HeaderName = HeaderName::from_static("api-key");
const X_GOOG_API_KEY: HeaderName = HeaderName::from_static("x-goog-api-key");

/// The client's own key: the header native to the format first, then `authorization`, then the others. Gemini's
/// clients may send theirs as `?key=`.
#[must_use]
pub fn client_key(request: &RequestFacts, format: Format) -> Option<(ClientKeyHeader, SecretString)> {
    let in_query = || {
        let query = request.uri.query().filter(|_| format == Format::Gemini)?;
        let key = query.split('&').find_map(|pair| pair.strip_prefix("key="))?;
        (!key.is_empty()).then(|| (ClientKeyHeader::XGoogApiKey, SecretString::from(key)))
    };
    in_headers(&request.headers, format).or_else(in_query)
}

fn in_headers(headers: &HeaderMap, format: Format) -> Option<(ClientKeyHeader, SecretString)> {
    let bearer = || {
        let value = headers.get(AUTHORIZATION)?.to_str().ok()?.trim();
        let (scheme, key) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
    };
    let plain = |name: &HeaderName| headers.get(name)?.to_str().ok().map(str::trim);
    let by = |kind| match kind {
        ClientKeyHeader::Bearer => bearer(),
        ClientKeyHeader::XApiKey => plain(&X_API_KEY),
        ClientKeyHeader::ApiKey => plain(&API_KEY),
        ClientKeyHeader::XGoogApiKey => plain(&X_GOOG_API_KEY),
    };
    use ClientKeyHeader::{ApiKey, Bearer, XApiKey, XGoogApiKey};
    let order = match format {
        Format::OpenAi => [Bearer, XApiKey, ApiKey, XGoogApiKey],
        Format::Anthropic => [XApiKey, Bearer, ApiKey, XGoogApiKey],
        Format::Gemini | Format::Bedrock => [XGoogApiKey, Bearer, XApiKey, ApiKey],
    };
    order.into_iter().find_map(|kind| {
        let key = by(kind).filter(|key| !key.is_empty())?;
        Some((kind, SecretString::from(key)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines.iter().map(|(n, v)| (HeaderName::from_static(n), http::HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn the_header_of_the_format_comes_first() {
        let both = headers(&[("authorization", "Bearer a"), ("x-api-key", "b")]);
        let of = |map: &HeaderMap, format| in_headers(map, format).map(|(_, k)| k.expose_secret().to_owned());
        assert_eq!(of(&both, Format::OpenAi).as_deref(), Some("a"));
        assert_eq!(of(&both, Format::Anthropic).as_deref(), Some("b"));
        assert_eq!(
            of(&headers(&[("authorization", "bearer   c ")]), Format::Anthropic).as_deref(),
            Some("c")
        );
        assert_eq!(of(&headers(&[("authorization", "Basic eDp5")]), Format::OpenAi), None);
        assert_eq!(
            of(&headers(&[("x-api-key", ""), ("authorization", "Bearer d")]), Format::Anthropic).as_deref(),
            Some("d")
        );
    }
}
