//! Endpoints that only other endpoints of the process can reach, by names that end in `.internal`.

use crate::listener::{Listener, Protocol};
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

/// Most labels before `.internal`.
const MOST_LABELS: usize = 5;

/// The address of an internal endpoint, or of one that is asked for: `https://api.internal`, `tcp://db.internal:5432`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InternalUrl {
    /// What is spoken there. Nothing is encrypted inside the process: `http` and `https` differ by name only.
    pub scheme: Protocol,
    /// The name in lower case; of an endpoint, its first label may be `*`.
    pub host: String,
    /// The port; the usual one of the scheme where none is written.
    pub port: u16,
}

/// A text that is no address of an internal endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is no internal endpoint: {why}")]
pub struct BadInternalUrl {
    text: String,
    why: &'static str,
}

impl FromStr for InternalUrl {
    type Err = BadInternalUrl;

    fn from_str(text: &str) -> Result<Self, BadInternalUrl> {
        let bad = |why| BadInternalUrl { text: text.chars().take(200).collect(), why };
        let (scheme, rest) = text
            .split_once("://")
            .ok_or_else(|| bad("write a scheme before it, as in https://api.internal"))?;
        let scheme = Protocol::parse(&scheme.to_ascii_lowercase())
            .ok_or_else(|| bad("the scheme is http, https, tcp or tls"))?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '#', '@']) {
            return Err(bad("it is a scheme, a name and perhaps a port, without path, query or user"));
        }
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().ok().filter(|port| *port > 0))),
            None => (rest, None),
        };
        let port = match port {
            Some(port) => port.ok_or_else(|| bad("a port is a number from 1 to 65535"))?,
            None => scheme
                .usual_port()
                .ok_or_else(|| bad("with tcp it needs a port, as in tcp://db.internal:5432"))?,
        };
        let host = host.to_ascii_lowercase();
        named(&host).map_err(bad)?;
        Ok(Self { scheme, host, port })
    }
}

/// Sees that a name is one of an internal endpoint.
fn named(host: &str) -> Result<(), &'static str> {
    let Some(name) = host.strip_suffix(".internal") else { return Err("its name must end in .internal") };
    let name = name.strip_prefix("*.").unwrap_or(name);
    let good = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if !(name == "*" || name.split('.').all(good)) || host.len() > 253 {
        return Err("a name has letters, digits, hyphens and dots");
    }
    if name.split('.').count() > MOST_LABELS {
        return Err("at most five labels may stand before .internal");
    }
    Ok(())
}

impl fmt::Display for InternalUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.name(), self.host)?;
        if self.scheme.usual_port() == Some(self.port) { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

impl InternalUrl {
    /// Whether it stands for many names.
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        self.host.starts_with("*.")
    }

    /// Whether a request for `wanted` is for this endpoint.
    #[must_use]
    pub fn serves(&self, wanted: &Self) -> bool {
        let named = match self.host.strip_prefix('*') {
            Some(end) => wanted.host.len() > end.len() && wanted.host.ends_with(end),
            None => self.host == wanted.host,
        };
        named && (self.scheme, self.port) == (wanted.scheme, wanted.port)
    }
}

/// All internal endpoints of the process. Settled once, when it starts; their policies change like others.
#[derive(Default)]
pub struct Directory {
    /// Their addresses, known before their policies are loaded; none in commands that serve nobody.
    declared: Option<Vec<InternalUrl>>,
    endpoints: OnceLock<Vec<(InternalUrl, Arc<Listener>)>>,
}

impl Directory {
    /// The endpoints there will be.
    #[must_use]
    pub fn declare(mut urls: Vec<InternalUrl>) -> Self {
        sort(&mut urls, |url| url);
        Self { declared: Some(urls), endpoints: OnceLock::new() }
    }

    /// The endpoints themselves. Only the first call counts.
    pub fn open(&self, mut endpoints: Vec<(InternalUrl, Arc<Listener>)>) {
        sort(&mut endpoints, |(url, _)| url);
        // A second call is a mistake of ours, without harm: the first stays.
        let _ = self.endpoints.set(endpoints);
    }

    /// Whether it is known which endpoints there are: not in commands that look at a policy alone.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.declared.is_some()
    }

    /// Whether some endpoint answers to this address.
    #[must_use]
    pub fn declares(&self, wanted: &InternalUrl) -> bool {
        self.declared.iter().flatten().any(|url| url.serves(wanted))
    }

    /// The addresses of all endpoints.
    #[must_use]
    pub fn urls(&self) -> &[InternalUrl] {
        self.declared.as_deref().unwrap_or_default()
    }

    /// The endpoint that answers to this address: one of that very name, or the most specific wildcard.
    #[must_use]
    pub fn find(&self, wanted: &InternalUrl) -> Option<&Arc<Listener>> {
        let endpoints = self.endpoints.get()?;
        endpoints.iter().find(|(url, _)| url.serves(wanted)).map(|(_, listener)| listener)
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory").field("declared", &self.declared).finish_non_exhaustive()
    }
}

/// Names before wildcards, long wildcards before short ones.
fn sort<T>(endpoints: &mut [T], url: impl Fn(&T) -> &InternalUrl) {
    endpoints.sort_by_key(|endpoint| {
        let url = url(endpoint);
        (url.is_wildcard(), usize::MAX - url.host.len())
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> InternalUrl {
        text.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn addresses_are_a_scheme_a_name_and_a_port() {
        for (text, shown) in [
            ("https://api.internal", "https://api.internal"),
            ("HTTPS://API.Internal:443/", "https://api.internal"),
            ("http://api.internal:8080", "http://api.internal:8080"),
            ("tcp://db.internal:5432", "tcp://db.internal:5432"),
            ("tls://a.b.c.d.e.internal", "tls://a.b.c.d.e.internal"),
            ("https://*.tenants.internal", "https://*.tenants.internal"),
            ("https://*.internal", "https://*.internal"),
        ] {
            assert_eq!(url(text).to_string(), shown);
        }
        for bad in [
            "api.internal",
            "ftp://api.internal",
            "https://api.example.com",
            "https://internal",
            "https://.internal",
            "https://a..internal",
            "https://-a.internal",
            "https://a b.internal",
            "https://a\r\n.internal",
            "https://a.*.internal",
            "https://api.internal/path",
            "https://user@api.internal",
            "https://api.internal?x",
            "https://api.internal:0",
            "https://api.internal:65536",
            "https://api.internal:",
            "tcp://db.internal",
            "https://a.b.c.d.e.f.internal",
            "https://evil.example/.internal",
        ] {
            assert!(bad.parse::<InternalUrl>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_most_specific_endpoint_is_meant() {
        let directory = Directory::declare(
            ["https://*.internal", "https://*.b.internal", "https://a.b.internal", "http://a.b.internal"]
                .map(url)
                .to_vec(),
        );
        let meant =
            |text: &str| directory.urls().iter().find(|u| u.serves(&url(text))).map(ToString::to_string);
        for (asked, found) in [
            ("https://a.b.internal", Some("https://a.b.internal")),
            ("https://x.b.internal", Some("https://*.b.internal")),
            ("https://x.y.b.internal", Some("https://*.b.internal")),
            ("https://b.internal", Some("https://*.internal")),
            ("https://b.internal:444", None),
            ("http://b.internal", None),
        ] {
            assert_eq!(meant(asked).as_deref(), found, "{asked}");
        }
        assert!(!directory.declares(&url("tcp://a.internal:1")) && directory.is_known());
    }
}
