//! Which base URLs a policy may send requests to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Longest base URL, in bytes: the limit of ngrok's API.
pub(crate) const MAX_BASE_URL: usize = 2048;

/// Name endings that never leave a private network: RFC 6762 (`.local`), RFC 6761 (`.localhost`),
/// ICANN's reserved `.internal`.
const PRIVATE_SUFFIXES: [&str; 3] = [".internal", ".local", ".localhost"];

/// Why a base URL is not taken: what is wrong and what to write instead. The URL itself is not repeated,
/// because people paste keys into URLs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) message: &'static str,
    pub(crate) help: &'static str,
}

/// Checks a base URL.
pub(crate) fn check(url: &str) -> Result<(), Refusal> {
    let refuse = |message, help| Err(Refusal { message, help });
    if url.len() > MAX_BASE_URL {
        return refuse("the base URL is longer than 2048 bytes", "shorten it");
    }
    if url.is_empty() || url.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return refuse(
            "the base URL is empty or holds white space",
            "write it like https://api.example.com/v1",
        );
    }
    let Some((scheme, rest)) = url.split_once("://") else {
        return refuse("the base URL has no scheme", "write it like https://api.example.com/v1");
    };
    let https = scheme.eq_ignore_ascii_case("https");
    if !https && !scheme.eq_ignore_ascii_case("http") {
        return refuse("the base URL's scheme is neither https nor http", "use https://");
    }
    if rest.contains('#') {
        return refuse("the base URL has a fragment", "remove `#` and what follows");
    }
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    if authority.contains('@') {
        return refuse("the base URL holds credentials", "put the key into `api_keys`");
    }
    let Some(host) = host_of(authority) else {
        return refuse(
            "the base URL's host or port is not valid",
            "write it like https://api.example.com/v1",
        );
    };
    if https || host.is_private() {
        return Ok(());
    }
    refuse(
        "HTTPS is required for a base URL outside the private network",
        "use https://; plain http:// is taken for loopback and private addresses, *.internal, *.local and \
         single-label host names",
    )
}

/// The URL as it is used. OpenRouter documents two bases, with `/v1` (OpenAI clients) and without (Anthropic
/// clients); the one without would miss its API, so it gets the `/v1`.
pub(crate) fn normalise(url: &str) -> String {
    let (address, query) = url.split_once('?').map_or((url, None), |(address, query)| (address, Some(query)));
    let trimmed = address.trim_end_matches('/');
    let host = trimmed.strip_suffix("/api").and_then(|rest| rest.split_once("://")).map(|(_, host)| host);
    let openrouter = host.is_some_and(|host| host == "openrouter.ai" || host.ends_with(".openrouter.ai"));
    match (openrouter, query) {
        (false, _) => url.to_owned(),
        (true, None) => format!("{trimmed}/v1"),
        (true, Some(query)) => format!("{trimmed}/v1?{query}"),
    }
}

enum Host<'a> {
    Ip(IpAddr),
    Name(&'a str),
}

impl Host<'_> {
    fn is_private(&self) -> bool {
        match self {
            Self::Ip(IpAddr::V4(ip)) => is_private_v4(*ip),
            Self::Ip(IpAddr::V6(ip)) => is_private_v6(*ip),
            Self::Name(name) => {
                let name = name.trim_end_matches('.').to_ascii_lowercase();
                !name.contains('.') || PRIVATE_SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
            }
        }
    }
}

/// RFC 1918 and loopback. Not link-local: cloud metadata services live there.
fn is_private_v4(ip: Ipv4Addr) -> bool {
    ip.is_loopback() || ip.is_private()
}

/// Unique local addresses (RFC 4193), loopback, and private IPv4 written as IPv6.
fn is_private_v6(ip: Ipv6Addr) -> bool {
    ip.is_loopback() || ip.is_unique_local() || ip.to_ipv4_mapped().is_some_and(is_private_v4)
}

fn host_of(authority: &str) -> Option<Host<'_>> {
    if let Some(bracketed) = authority.strip_prefix('[') {
        let (ip, port) = bracketed.split_once(']')?;
        let port = if port.is_empty() { None } else { Some(port.strip_prefix(':')?) };
        return is_port(port).then(|| ip.parse().ok().map(Host::Ip)).flatten();
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    if !is_port(port) {
        return None;
    }
    if let Ok(ip) = host.parse::<Ipv4Addr>() {
        return Some(Host::Ip(ip.into()));
    }
    // A name that ends in a number is an address in an odd spelling (127.1, 0x7f.1): not guessed at.
    let last = host.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    let odd = last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x");
    let label_ok = |label: &str| {
        !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    let valid = !odd && host.len() <= 253 && host.trim_end_matches('.').split('.').all(label_ok);
    valid.then_some(Host::Name(host))
}

fn is_port(port: Option<&str>) -> bool {
    port.is_none_or(|port| port.parse::<u16>().is_ok_and(|number| number > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taken() {
        for url in [
            "https://api.openai.com/v1/",
            "HTTPS://api.deepseek.com",
            "https://x.openai.azure.com/openai/deployments/gpt?api-version=2024-10-21",
            "https://10.0.0.1:8443/v1",
            "https://[2001:db8::1]/v1",
            "https://169.254.1.1/v1",
            "http://localhost:11434",
            "http://127.0.0.1:8000/v1",
            "http://[::1]:8000",
            "http://[::ffff:10.0.0.1]/v1",
            "http://[fd00::1]/v1",
            "http://10.1.2.3",
            "http://172.31.0.1",
            "http://192.168.0.9:1234/v1",
            "http://ollama.internal",
            "http://gpu.LOCAL:8000",
            "http://vllm.default.svc.cluster.local/v1",
            "http://host.docker.internal:11434/v1",
            "http://ollama:11434/v1",
            "http://app.localhost",
        ] {
            assert_eq!(check(url), Ok(()), "{url}");
        }
    }

    #[test]
    fn plain_http_to_the_world_is_refused() {
        for url in [
            "http://api.openai.com/v1",
            "http://8.8.8.8/v1",
            "http://172.32.0.1",
            "http://169.254.169.254/latest",
            "http://[2001:db8::1]",
            "http://internal.example.com",
            "http://local.test",
        ] {
            let refusal = check(url).expect_err(url);
            assert!(refusal.message.contains("HTTPS is required"), "{url}");
            assert!(refusal.help.contains("*.internal"), "{url}");
        }
    }

    #[test]
    fn malformed_urls_are_refused() {
        let long = format!("https://example.com/{}", "a".repeat(MAX_BASE_URL));
        for url in [
            "",
            "   ",
            "api.openai.com",
            "localhost:11434",
            "ftp://x.test",
            "https://",
            "https:///v1",
            "https://exa mple.com",
            "https://x.test/#a",
            "https://user:secret@x.test",
            "https://x.test:0",
            "https://x.test:70000",
            "https://x.test:",
            "https://[::1",
            "https://[nope]",
            "https://a..b",
            "http://127.1",
            "http://2130706433",
            "http://0x7f.0x1",
            "https://x\n.test",
            long.as_str(),
        ] {
            assert!(check(url).is_err(), "{url}");
        }
    }

    #[test]
    fn openrouter_gets_its_version() {
        for (url, used) in [
            ("https://openrouter.ai/api", "https://openrouter.ai/api/v1"),
            ("https://eu.openrouter.ai/api/?a=b", "https://eu.openrouter.ai/api/v1?a=b"),
            ("https://openrouter.ai/api/v1", "https://openrouter.ai/api/v1"),
            ("https://openrouter.ai/api/v1/", "https://openrouter.ai/api/v1/"),
            ("https://notopenrouter.ai/api", "https://notopenrouter.ai/api"),
            ("https://gateway.test/api?x=1", "https://gateway.test/api?x=1"),
        ] {
            assert_eq!(normalise(url), used, "{url}");
        }
    }

    #[test]
    fn credentials_are_not_repeated() {
        let refusal = check("https://user:secret@x.test").expect_err("credentials");
        assert!(!format!("{refusal:?}").contains("secret"));
        assert!(refusal.help.contains("api_keys"));
    }
}
