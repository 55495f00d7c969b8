//! From a provider's base URL and an operation to the URL that is called.

use http::uri::{Authority, PathAndQuery};
use std::collections::HashSet;
use std::fmt::{self, Write as _};
use thiserror::Error;

use crate::headers::is_credential_parameter;
use crate::route::percent_decode;

/// Where a request goes.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinedUrl {
    /// Whether to use TLS.
    pub https: bool,
    /// The host in lower case, IPv6 addresses without brackets.
    pub host: String,
    /// The port, the scheme's own if none is given.
    pub port: u16,
    /// Host and, unless it is the scheme's own, port: the value of `Host`.
    pub authority: String,
    /// Path and query: the request target.
    pub path_and_query: String,
    /// All of it.
    pub full: String,
}

impl fmt::Debug for JoinedUrl {
    /// Without the query, which may have a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.without_query())
    }
}

impl JoinedUrl {
    /// The URL up to its query, for logs.
    #[must_use]
    pub fn without_query(&self) -> &str {
        self.full.split('?').next().unwrap_or_default()
    }
}

/// Why a URL cannot be built. The policy is to blame, except for [`UrlError::Target`]. None holds the URL: its query
/// may have a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum UrlError {
    /// Neither `http` nor `https`.
    #[error("the base URL must start with http:// or https://")]
    Scheme,
    /// No host, or one with characters a host cannot have.
    #[error("the base URL has no valid host")]
    Host,
    /// The port is no number up to 65535.
    #[error("the base URL has no valid port")]
    Port,
    /// A name or password before the host.
    #[error("the base URL must not have a user name or password")]
    UserInfo,
    /// A part after `#`.
    #[error("the base URL must not have a fragment")]
    Fragment,
    /// Path and query together are no valid request target.
    #[error("the path or query has characters a URL cannot have")]
    Target,
}

/// Joins a base URL, an operation's path below `/v1` (such as `/chat/completions`), and three sources of query
/// parameters.
///
/// A base URL without a path gets `/v1`, one with a path is used as it is; `path_prefix` takes the place of that
/// `/v1`, and is added to a path where there is one. OpenRouter's host gets `/api/v1` whether or not that, or a part
/// of it, was written. Of parameters with the same name, those in `extra` win over the base URL's, and these over
/// the client's. Parameters of the client in which credentials are sent are left out: they belong to one provider,
/// and nobody knows to which.
///
/// # Errors
/// See [`UrlError`].
pub fn join(
    base_url: &str,
    path_prefix: Option<&str>,
    surface_path: &str,
    client_query: Option<&str>,
    extra: &[(String, String)],
) -> Result<JoinedUrl, UrlError> {
    let base = Base::parse(base_url.trim())?;
    let mut target = base.path(path_prefix);
    let operation = surface_path.trim_start_matches('/');
    let operation = operation.strip_prefix("v1/").unwrap_or(operation);
    if !operation.is_empty() {
        target.push('/');
        target.push_str(operation);
    }
    if target.is_empty() {
        target.push('/');
    }
    let query = query(base.query, client_query, extra);
    if !query.is_empty() {
        target.push('?');
        target.push_str(&query);
    }
    let path_and_query = PathAndQuery::try_from(target).map_err(|_| UrlError::Target)?.as_str().to_owned();
    let shown = if base.host.contains(':') { format!("[{}]", base.host) } else { base.host.clone() };
    let own = if base.https { 443 } else { 80 };
    let authority = if base.port == own { shown } else { format!("{shown}:{}", base.port) };
    let full = format!("{}://{authority}{path_and_query}", if base.https { "https" } else { "http" });
    Ok(JoinedUrl { https: base.https, host: base.host, port: base.port, authority, path_and_query, full })
}

/// The parts of a base URL.
struct Base<'u> {
    https: bool,
    host: String,
    port: u16,
    /// Without slashes at its end.
    path: &'u str,
    query: Option<&'u str>,
}

impl<'u> Base<'u> {
    fn parse(url: &'u str) -> Result<Self, UrlError> {
        let (scheme, rest) = url.split_once("://").ok_or(UrlError::Scheme)?;
        let https = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(UrlError::Scheme),
        };
        if rest.contains('#') {
            return Err(UrlError::Fragment);
        }
        let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(UrlError::UserInfo);
        }
        let (host, port) = host_and_port(authority)?;
        let (path, query) = match rest.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (rest, None),
        };
        let own = if https { 443 } else { 80 };
        Ok(Self { https, host, port: port.unwrap_or(own), path: path.trim_end_matches('/'), query })
    }

    /// The path in front of the operation.
    fn path(&self, prefix: Option<&str>) -> String {
        let openrouter = self.host == "openrouter.ai" || self.host.ends_with(".openrouter.ai");
        match prefix.map(|prefix| prefix.trim_matches('/')) {
            Some("") => self.path.to_owned(),
            Some(prefix) => format!("{}/{prefix}", self.path),
            None if openrouter && matches!(self.path, "" | "/api" | "/v1") => "/api/v1".to_owned(),
            None if self.path.is_empty() => "/v1".to_owned(),
            None => self.path.to_owned(),
        }
    }
}

fn host_and_port(authority: &str) -> Result<(String, Option<u16>), UrlError> {
    let split = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or(UrlError::Host)?;
            host.parse::<std::net::Ipv6Addr>().map_err(|_| UrlError::Host)?;
            (host, if port.is_empty() { None } else { Some(port.strip_prefix(':').ok_or(UrlError::Port)?) })
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let (host, port) = split;
    let port = port
        .map(|port| port.parse::<u16>().ok().filter(|port| *port > 0).ok_or(UrlError::Port))
        .transpose()?;
    if host.is_empty() || Authority::try_from(authority).is_err() {
        return Err(UrlError::Host);
    }
    Ok((host.to_ascii_lowercase(), port))
}

/// The parameters of all three sources, in the order base, client, extra; those that lose are left out.
fn query(base: Option<&str>, client: Option<&str>, extra: &[(String, String)]) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut taken: HashSet<String> = extra.iter().map(|(name, _)| name.clone()).collect();
    for (source, trusted) in [(base, true), (client, false)] {
        let source = source.map_or("", |query| query.strip_prefix('?').unwrap_or(query));
        let forwarded =
            |pair: &&str| !pair.is_empty() && (trusted || !is_credential_parameter(&name_of(pair)));
        let pairs: Vec<&str> = source.split('&').filter(forwarded).collect();
        parts.extend(
            pairs.iter().filter(|pair| !taken.contains(&name_of(pair))).map(|pair| (*pair).to_owned()),
        );
        taken.extend(pairs.iter().map(|pair| name_of(pair)));
    }
    parts.extend(extra.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))));
    parts.join("&")
}

fn name_of(pair: &str) -> String {
    percent_decode(&pair.split('=').next().unwrap_or_default().replace('+', " "))
}

/// Percent-encodes everything but the unreserved characters of RFC 3986, section 2.3.
fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Surface;
    use proptest::prelude::*;

    const CHAT: &str = "/chat/completions";

    fn full(base: &str, prefix: Option<&str>, query: Option<&str>, extra: &[(&str, &str)]) -> String {
        let extra: Vec<_> = extra.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        join(base, prefix, CHAT, query, &extra).unwrap().full
    }

    #[test]
    fn documented_base_urls() {
        for (base, want) in [
            ("https://api.openai.com/v1/", "https://api.openai.com/v1/chat/completions"),
            ("https://api.openai.com/v1", "https://api.openai.com/v1/chat/completions"),
            ("https://api.openai.com", "https://api.openai.com/v1/chat/completions"),
            ("https://eu.api.openai.com", "https://eu.api.openai.com/v1/chat/completions"),
            ("https://api.anthropic.com/v1/", "https://api.anthropic.com/v1/chat/completions"),
            (
                "https://generativelanguage.googleapis.com/v1beta/openai/",
                "https://generativelanguage.googleapis.com/v1beta/openai/chat/completions",
            ),
            ("https://api.deepseek.com", "https://api.deepseek.com/v1/chat/completions"),
            ("https://api.groq.com/openai/v1", "https://api.groq.com/openai/v1/chat/completions"),
            ("https://openrouter.ai/api/v1/", "https://openrouter.ai/api/v1/chat/completions"),
            ("https://openrouter.ai/api/v1", "https://openrouter.ai/api/v1/chat/completions"),
            ("https://openrouter.ai/api", "https://openrouter.ai/api/v1/chat/completions"),
            ("https://openrouter.ai", "https://openrouter.ai/api/v1/chat/completions"),
            ("https://eu.openrouter.ai/api/", "https://eu.openrouter.ai/api/v1/chat/completions"),
            ("https://api.hyperbolic.xyz/v1/", "https://api.hyperbolic.xyz/v1/chat/completions"),
            ("https://api.inceptionlabs.ai/v1/", "https://api.inceptionlabs.ai/v1/chat/completions"),
            ("https://api.inference.net/v1/", "https://api.inference.net/v1/chat/completions"),
            ("https://api.moonshot.ai/v1", "https://api.moonshot.ai/v1/chat/completions"),
            ("https://api.z.ai/api/paas/v4", "https://api.z.ai/api/paas/v4/chat/completions"),
            ("https://ollama.internal", "https://ollama.internal/v1/chat/completions"),
            ("http://localhost:11434", "http://localhost:11434/v1/chat/completions"),
            ("http://localhost:11434/v1//", "http://localhost:11434/v1/chat/completions"),
            (
                "https://my.openai.azure.com/openai/deployments/NAME?api-version=2024-10-21",
                "https://my.openai.azure.com/openai/deployments/NAME/chat/completions?api-version=2024-10-21",
            ),
            (" HTTPS://API.Example.COM:443 ", "https://api.example.com/v1/chat/completions"),
            ("http://[::1]:8080/v1", "http://[::1]:8080/v1/chat/completions"),
            ("https://host?x=1", "https://host/v1/chat/completions?x=1"),
        ] {
            assert_eq!(full(base, None, None, &[]), want, "{base}");
        }
    }

    #[test]
    fn parts() {
        let url = join("http://[::1]:8080/v1", None, "/messages", Some("beta=true"), &[]).unwrap();
        assert_eq!((url.https, url.host.as_str(), url.port), (false, "::1", 8080));
        assert_eq!(
            (url.authority.as_str(), url.path_and_query.as_str()),
            ("[::1]:8080", "/v1/messages?beta=true")
        );
        let url = join("https://a.b:8443", None, "/v1/messages", None, &[]).unwrap();
        assert_eq!((url.https, url.port, url.authority.as_str()), (true, 8443, "a.b:8443"));
        assert_eq!(url.path_and_query, "/v1/messages");
        let url = join("https://h/v1?key=secret", None, CHAT, None, &[]).unwrap();
        assert_eq!(format!("{url:?}"), "https://h/v1/chat/completions");
        for surface in Surface::ALL {
            let url = join("https://h/v1", None, surface.path(), None, &[]).unwrap();
            assert_eq!(url.path_and_query, format!("/v1{}", surface.path()));
        }
    }

    #[test]
    fn prefixes() {
        for (base, prefix, want) in [
            ("https://h", "/x/v1", "https://h/x/v1/chat/completions"),
            ("https://h/", "x/v1/", "https://h/x/v1/chat/completions"),
            ("https://h/base", "/v1", "https://h/base/v1/chat/completions"),
            ("https://h", "", "https://h/chat/completions"),
            ("https://h", "/", "https://h/chat/completions"),
            ("https://openrouter.ai/api", "/alpha", "https://openrouter.ai/api/alpha/chat/completions"),
        ] {
            assert_eq!(full(base, Some(prefix), None, &[]), want, "{base} {prefix}");
        }
    }

    #[test]
    fn queries() {
        for (base, client, extra, want) in [
            ("?a=1", Some("b=2&c"), &[("d", "3")][..], "?a=1&b=2&c&d=3"),
            ("?a=1&a=2", Some("a=3"), &[], "?a=1&a=2"),
            ("?a=1", Some("?b=2"), &[("a", "9"), ("b", "8")], "?a=9&b=8"),
            (
                "",
                Some("api%2Dversion=1&x=%20"),
                &[("api-version", "2 &=ü")],
                "?x=%20&api-version=2%20%26%3D%C3%BC",
            ),
            ("?", Some("&&"), &[], ""),
            ("?key=ours", Some("a=1&key=theirs&API%5FKEY=x&ac%63ess_token&key"), &[], "?key=ours&a=1"),
            ("", Some("key=theirs"), &[("key", "ours")], "?key=ours"),
        ] {
            let url = full(&format!("https://h/v1{base}"), None, client, extra);
            assert_eq!(url, format!("https://h/v1/chat/completions{want}"), "{base} {client:?} {extra:?}");
        }
    }

    #[test]
    fn refused() {
        for (base, want) in [
            ("api.openai.com", UrlError::Scheme),
            ("ftp://h", UrlError::Scheme),
            ("https://", UrlError::Host),
            ("https:///v1", UrlError::Host),
            ("https://a b/v1", UrlError::Host),
            ("https://[zz]/v1", UrlError::Host),
            ("https://h:x", UrlError::Port),
            ("https://h:0", UrlError::Port),
            ("https://h:99999", UrlError::Port),
            ("https://user:pass@h", UrlError::UserInfo),
            ("https://h/v1#x", UrlError::Fragment),
            ("https://h/v 1", UrlError::Target),
        ] {
            assert_eq!(join(base, None, CHAT, None, &[]).unwrap_err(), want, "{base}");
        }
    }

    proptest! {
        #[test]
        fn joined_urls_are_valid(base in "https?://[a-z0-9.:\\[\\]-]{1,12}(/[a-zA-Z0-9/%]{0,8})?(\\?[a-z=&]{0,8})?",
            query in proptest::option::of(".{0,20}"), name in ".{0,5}", value in ".{0,5}") {
            if let Ok(url) = join(&base, None, CHAT, query.as_deref(), &[(name, value)]) {
                prop_assert!(url.full.parse::<http::Uri>().is_ok(), "{}", url.full);
            }
        }
    }
}
