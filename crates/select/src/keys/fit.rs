//! Whether a key that came with a request may be forwarded to a provider.

use tollgate_catalog::{AuthStyle, Catalog, Provider};

/// What people write where a client insists on a key. Compared without regard to case.
const PLACEHOLDERS: [&str; 26] = [
    "-",
    "anything",
    "api-key",
    "api_key",
    "apikey",
    "dummy",
    "empty",
    "fake",
    "foo",
    "key",
    "lm-studio",
    "lmstudio",
    "na",
    "no-key",
    "none",
    "not-needed",
    "not-used",
    "null",
    "ollama",
    "placeholder",
    "sk-dummy",
    "sk-no-key-required",
    "sk-placeholder",
    "test",
    "unused",
    "xxx",
];

/// Whether a client's key may be sent to `provider`.
///
/// A credential belongs to one provider: a key whose beginning identifies another provider stays here. A key of
/// unknown kind is forwarded, a placeholder such as `unused` only to custom providers and those that take no key,
/// a key of the gateway itself never.
#[must_use]
pub fn client_key_fits(catalog: &Catalog, provider: &Provider, key: &str) -> bool {
    let key = key.trim();
    if key.is_empty() || is_gateway_key(key) {
        return false;
    }
    if is_placeholder(key) {
        return provider.custom || provider.auth == AuthStyle::None;
    }
    match catalog.key_owner_other_than(provider, key) {
        None => true,
        // The same service under another name: an alias of it, or the same host.
        Some(owner) => {
            provider.custom
                && (provider.aliases.iter().any(|alias| owner.is_named(alias)) || same_host(provider, owner))
        }
    }
}

/// Whether a key is what people write where a client insists on one.
#[must_use]
pub fn is_placeholder(key: &str) -> bool {
    PLACEHOLDERS.iter().any(|word| word.eq_ignore_ascii_case(key.trim()))
}

/// Whether a key is one of the gateway's own: `ng-<id>-g1-<secret>`.
#[must_use]
pub fn is_gateway_key(key: &str) -> bool {
    let parts = key.trim().strip_prefix("ng-").and_then(|rest| rest.split_once("-g1-"));
    parts.is_some_and(|(id, secret)| !id.is_empty() && !secret.is_empty())
}

fn same_host(one: &Provider, other: &Provider) -> bool {
    let (one, other) = (host(&one.base_url), host(&other.base_url));
    one.is_some() && one == other
}

/// Host and port of an `https` URL.
fn host(url: &str) -> Option<String> {
    let rest = url.strip_prefix("https://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    rest.get(..end).map(|authority| authority.trim_end_matches(":443").to_ascii_lowercase())
}
