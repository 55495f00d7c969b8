//! URLs of servers that actions call: read, given parameters, and followed when an answer redirects. Unlike
//! [`tollgate_dialect::url::join`], which knows what providers' base URLs mean, nothing is added here.

use http::uri::PathAndQuery;
use std::fmt::Write as _;
use std::net::Ipv6Addr;
use tollgate_dialect::url::JoinedUrl;

/// What is wrong with a URL, as the end of a sentence. Never holds the URL: it may have a secret in it.
pub(crate) type Wrong = &'static str;

/// Reads an absolute `http` or `https` URL. A fragment is dropped, as it is never sent (RFC 9110 section 4.2.5).
pub(crate) fn parse(text: &str) -> Result<JoinedUrl, Wrong> {
    let (scheme, rest) = text.trim().split_once("://").ok_or("it must begin with http:// or https://")?;
    let https = match scheme.to_ascii_lowercase().as_str() {
        "https" => true,
        "http" => false,
        _ => return Err("it must begin with http:// or https://"),
    };
    let rest = rest.split('#').next().unwrap_or_default();
    let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    if authority.contains('@') {
        return Err("it must not have a user name or password; send them in a header");
    }
    let (host, port) = host_and_port(authority)?;
    let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
    build(https, host, port.unwrap_or(if https { 443 } else { 80 }), &target)
}

fn build(https: bool, host: String, port: u16, target: &str) -> Result<JoinedUrl, Wrong> {
    let target =
        PathAndQuery::try_from(target).map_err(|_| "its path or query has characters a URL cannot have")?;
    let path_and_query = target.as_str().to_owned();
    let shown = if host.contains(':') { format!("[{host}]") } else { host.clone() };
    let own = if https { 443 } else { 80 };
    let authority = if port == own { shown } else { format!("{shown}:{port}") };
    let full = format!("{}://{authority}{path_and_query}", if https { "https" } else { "http" });
    Ok(JoinedUrl { https, host, port, authority, path_and_query, full })
}

fn host_and_port(authority: &str) -> Result<(String, Option<u16>), Wrong> {
    const HOST: Wrong = "it has no valid host";
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or(HOST)?;
            host.parse::<Ipv6Addr>().map_err(|_| HOST)?;
            let port = if after.is_empty() { None } else { Some(after.strip_prefix(':').ok_or(HOST)?) };
            (host, port)
        }
        None => {
            let (host, port) = match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            };
            let valid = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
            if host.is_empty() || !host.bytes().all(valid) {
                return Err(HOST);
            }
            (host, port)
        }
    };
    let port = match port {
        None | Some("") => None,
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
            Some(digits.parse::<u16>().ok().filter(|port| *port > 0).ok_or("it has no valid port")?)
        }
        Some(_) => return Err("it has no valid port"),
    };
    Ok((host.to_ascii_lowercase(), port))
}

/// The same URL with more parameters at the end of its query.
pub(crate) fn with_parameters(url: JoinedUrl, parameters: &[(String, String)]) -> Result<JoinedUrl, Wrong> {
    if parameters.is_empty() {
        return Ok(url);
    }
    let mut target = url.path_and_query;
    for (key, value) in parameters {
        target.push(if target.contains('?') { '&' } else { '?' });
        encode(&mut target, key);
        target.push('=');
        encode(&mut target, value);
    }
    build(url.https, url.host, url.port, &target)
}

/// Percent-encodes all but the unreserved characters (RFC 3986 section 2.3).
pub(crate) fn encode(out: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

/// Where a `Location` leads from a URL (RFC 3986 section 5.2).
pub(crate) fn redirected(from: &JoinedUrl, location: &str) -> Result<JoinedUrl, Wrong> {
    let location = location.split('#').next().unwrap_or_default();
    let scheme = if from.https { "https" } else { "http" };
    let before_path = location.find(['/', '?']).unwrap_or(location.len());
    if location.get(..before_path).is_some_and(|start| start.contains(':')) {
        return parse(location);
    }
    if location.starts_with("//") {
        return parse(&format!("{scheme}:{location}"));
    }
    let (path, query) = match location.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (location, None),
    };
    let own = from.path_and_query.split('?').next().unwrap_or("/");
    let path = match path {
        "" => own.to_owned(),
        path if path.starts_with('/') => without_dots(path),
        path => without_dots(&format!("{}/{path}", own.rsplit_once('/').map_or("", |(folder, _)| folder))),
    };
    let target = match query {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    build(from.https, from.host.clone(), from.port, &target)
}

/// A path without `.` and `..` (RFC 3986 section 5.2.4).
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let last = path.rsplit('/').next().unwrap_or_default();
    for segment in path.split('/').skip(1) {
        match segment {
            "." => {}
            ".." => {
                kept.pop();
            }
            segment => kept.push(segment),
        }
    }
    let folder = matches!(last, "." | "..");
    format!("/{}{}", kept.join("/"), if folder && !kept.is_empty() { "/" } else { "" })
}

/// Whether both are the same server: scheme, host and port (RFC 6454).
pub(crate) fn same_origin(one: &JoinedUrl, other: &JoinedUrl) -> bool {
    (one.https, &one.host, one.port) == (other.https, &other.host, other.port)
}

/// Whether the host of a URL stands in its text, before anything that is computed.
pub(crate) fn names_its_host(template: &str) -> bool {
    let Some(computed) = template.find("${") else { return true };
    let literal = template.get(..computed).unwrap_or_default();
    let after_scheme = literal.split_once("://").map(|(_, rest)| rest);
    after_scheme.is_some_and(|rest| rest.contains(['/', '?', '#']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read() {
        for (text, full, host, port) in [
            ("http://a.example", "http://a.example/", "a.example", 80),
            ("HTTPS://A.Example:443/x/?q#f", "https://a.example/x/?q", "a.example", 443),
            ("http://a:8080?b=c", "http://a:8080/?b=c", "a", 8080),
            ("http://[::1]:81/a//b", "http://[::1]:81/a//b", "::1", 81),
            ("http://a:/", "http://a/", "a", 80),
        ] {
            let url = parse(text).expect(text);
            assert_eq!((url.full.as_str(), url.host.as_str(), url.port), (full, host, port), "{text}");
        }
        for bad in [
            "a.example/x",
            "ftp://a",
            "http://",
            "http:///x",
            "http://u:p@a/",
            "http://a:0/",
            "http://a:+80/",
            "http://a:99999/",
            "http://a b/",
            "http://a\\@b/",
            "http://[::1/",
            "http://[x]/",
            "http://a/x y",
            "http://a/\r\nx",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn parameters_are_encoded() {
        let url = parse("http://a/x?y=1").expect("a URL");
        let more = [("k k".to_owned(), "a&b=ü/".to_owned()), ("e".to_owned(), String::new())];
        let url = with_parameters(url, &more).expect("a URL");
        assert_eq!(url.full, "http://a/x?y=1&k%20k=a%26b%3D%C3%BC%2F&e=");
    }

    #[test]
    fn locations_are_followed() {
        let from = parse("https://a.example/one/two?q=1").expect("a URL");
        for (location, to) in [
            ("http://b/x", "http://b/x"),
            ("//b/x", "https://b/x"),
            ("/three#f", "https://a.example/three"),
            ("three?x=/y:z", "https://a.example/one/three?x=/y:z"),
            ("../../../x/./y/..", "https://a.example/x/"),
            ("?r=2", "https://a.example/one/two?r=2"),
            ("", "https://a.example/one/two"),
        ] {
            assert_eq!(redirected(&from, location).expect(location).full, to, "{location}");
        }
        assert!(redirected(&from, "javascript:alert(1)").is_err());
        assert!(redirected(&from, "file:///etc/passwd").is_err());
    }

    #[test]
    fn a_host_is_named_or_computed() {
        for (text, named) in [
            ("http://a/x", true),
            ("http://a/${x}", true),
            ("http://a?${x}", true),
            ("http://a${x}", false),
            ("http://${x}/", false),
            ("${x}", false),
            ("http://a:${x}/", false),
            ("http${x}://a/", false),
        ] {
            assert_eq!(names_its_host(text), named, "{text}");
        }
    }
}
