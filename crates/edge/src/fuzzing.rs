//! What the targets in `tests/fuzz` do with their bytes: parsers of what comes from outside, each with what has to hold
//! beside "no panic". A test below does the same with the seeds and with what a few changes make of them.

use crate::actions::{login, verify_webhook};
use crate::encoding;
use crate::proxy::request::normalised;
use crate::web_url;
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use tollgate_address::{Database, Holds, Network, NetworkList};
use tollgate_cloud::{ALGORITHMS, AwsCredentials, Jws, KeySet, ServiceAccount, parse_token_response};
use tollgate_dialect::url::join;
use tollgate_dialect::{
    EventStreamDecoder, Surface, answer_id, inspect_answer, inspect_error, redact, usage_of,
};
use tollgate_expr::AddressFacts;

/// A body is decompressed to no more than this.
const MOST: usize = 64 * 1024;

/// A target: its name, which is that of its folder of seeds, and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 6] = [
    ("answer_bytes", answer_bytes),
    ("request_head", request_head),
    ("urls", urls),
    ("tokens", tokens),
    ("address_files", address_files),
    ("client_hello", client_hello),
];

/// Answers, errors and binary streams of providers, of every dialect.
pub fn answer_bytes(bytes: &[u8]) {
    for surface in Surface::ALL {
        let _ = inspect_answer(surface, bytes);
    }
    let _ = (usage_of(bytes), answer_id(bytes), parse_token_response(bytes).is_ok());
    let error = inspect_error(bytes);
    let odd = error.message.chars().any(|c| c.is_control() && c != '\n');
    assert!(!odd, "a message with control characters");
    let text = String::from_utf8_lossy(bytes);
    let once = redact(&text);
    assert_eq!(redact(&once), once, "what was blotted out is blotted out again");
    let whole = decoded([bytes]);
    let (first, second) = bytes.split_at(bytes.len() / 2);
    assert_eq!(decoded([first, second]), whole, "the cut shows");
}

/// Events of AWS's binary streams, and whether they came to a good end.
fn decoded<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> (Vec<u8>, bool) {
    let (mut decoder, mut out) = (EventStreamDecoder::default(), Vec::new());
    let good = parts.into_iter().all(|part| decoder.push(part, &mut out).is_ok());
    let whole = good && decoder.finish().is_ok();
    (out, whole)
}

/// Headers and body of a request as `verify-webhook`, logins and the reading of compressed bodies see them. The first
/// line is the target, then come lines with a colon, then an empty line and the body.
pub fn request_head(bytes: &[u8]) {
    let at = bytes.windows(2).position(|two| two == b"\n\n").unwrap_or(bytes.len());
    let (head, body) = bytes.split_at(at);
    let body = body.get(2..).unwrap_or_default();
    let mut lines = head.split(|byte| *byte == b'\n');
    let target = lines.next().unwrap_or_default();
    let mut headers = HeaderMap::new();
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let (name, value) = line.split_at(colon);
        let value = HeaderValue::from_bytes(value.get(1..).unwrap_or_default().trim_ascii());
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), value) {
            headers.append(name, value);
        }
    }
    let Ok(uri) = Uri::try_from(target) else { return };
    let once = normalised(&uri);
    assert_eq!(normalised(&once), once, "a path changes when it is looked at again: {uri}");
    let dots = once.path().split('/').any(|part| matches!(part, "." | ".."));
    assert!(!dots || !uri.path().starts_with('/'), "{uri} became {once}");
    verify_webhook::fuzz(&uri, &headers, body);
    if headers.contains_key(CONTENT_ENCODING)
        && let Ok(plain) = encoding::plain(&headers, body.to_vec().into(), MOST)
    {
        assert!(plain.len() <= MOST.max(body.len()), "a bomb went off: {}", plain.len());
    }
}

/// URLs of policies, of redirects and of issuers, and places to send a browser to. Two lines: one is read as it is, and from
/// it the second is followed.
pub fn urls(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (first, second) = text.split_once('\n').unwrap_or((&text, ""));
    login::fuzz(first, bytes);
    let _ = join(first, None, "/v1/chat/completions", Some(second), &[]);
    let _ = crate::Outbound::parse([first, second]);
    let _ = first.parse::<crate::internal::InternalUrl>();
    let Ok(url) = web_url::parse(first) else { return };
    assert!(!url.host.is_empty() && url.port > 0, "{url:?}");
    let again = web_url::parse(&url.full);
    let same = again.is_ok_and(|again| {
        (again.https, again.host, again.port, again.path_and_query)
            == (url.https, url.host.clone(), url.port, url.path_and_query.clone())
    });
    // Spaces of other scripts at the end are cut off again when it is read again.
    assert!(same || !url.full.is_ascii(), "{} is another URL when it is read again", url.full);
    assert!(!url.full.contains(['\r', '\n', ' ']), "{}", url.full);
    if let Ok(next) = web_url::redirected(&url, second) {
        // Whoever stays on the host by its own words is not led to another.
        let relative = second.starts_with('/') && !second.starts_with("//");
        assert!(!relative || web_url::same_origin(&url, &next), "{first} {second} led to {}", next.full);
    }
}

/// Tokens of clients, keys of issuers, credentials of clouds. Two lines: a token, and a set of keys.
pub fn tokens(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (token, keys) = text.split_once('\n').unwrap_or((&text, &text));
    let allowed: Vec<String> = ALGORITHMS.iter().map(|name| (*name).to_owned()).collect();
    let keys = KeySet::parse(keys.as_bytes());
    let _ = (ServiceAccount::parse(&text).is_ok(), AwsCredentials::parse(&text).is_ok());
    let Ok(jws) = Jws::parse(token.trim(), &allowed) else { return };
    let algorithm = jws.header().get("alg").and_then(serde_json::Value::as_str);
    assert!(algorithm.is_some_and(|name| ALGORITHMS.contains(&name)), "an algorithm nobody allowed");
    assert!(Jws::parse(token.trim(), &[]).is_err(), "nothing is allowed, and this is");
    let nobody = KeySet::parse(b"{\"keys\":[]}");
    assert!(nobody.is_err() || nobody.is_ok_and(|none| none.verify(&jws).is_err()), "signed by nobody");
    // With a key that is made up with it, a token may be good.
    let _ = keys.is_ok_and(|keys| keys.verify(&jws).is_ok());
}

/// Databases and lists of addresses.
pub fn address_files(bytes: &[u8]) {
    if let Ok(list) = NetworkList::parse(bytes) {
        assert_eq!(list.iter().count(), list.len(), "networks are lost");
        for network in list.iter().take(100) {
            let first = match network {
                Network::V4(bits, _) => IpAddr::V4(Ipv4Addr::from_bits(bits)),
                Network::V6(bits, _) => IpAddr::V6(Ipv6Addr::from_bits(bits)),
            };
            assert!(network.contains(first), "{network:?} has not its own beginning");
        }
    }
    for holds in [Holds::Places, Holds::Systems] {
        let Ok(database) = Database::new(bytes.to_vec(), holds) else { continue };
        for address in ["1.2.3.4", "127.0.0.1", "255.255.255.255", "::1", "2001:db8::1"] {
            if let Ok(address) = address.parse() {
                database.add(address, &mut AddressFacts::default());
            }
        }
    }
}

/// The handshake message of a TLS client.
pub fn client_hello(bytes: &[u8]) {
    let Some(print) = crate::tls::ja4(bytes) else { return };
    let shape: Vec<usize> = print.split('_').map(str::len).collect();
    assert!(shape == [10, 12, 12] && print.is_ascii(), "{print}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// Changes of each seed, of which the environment's `TOLLGATE_FUZZ_CHANGES` can ask for more; a minute of the fuzzer
    /// makes a million.
    const CHANGES: u64 = 300;

    /// One of the changes that a fuzzer makes: bytes replaced, taken out, doubled, or cut off.
    fn changed(seed: &[u8], random: &mut fastrand::Rng) -> Vec<u8> {
        let mut bytes = seed.to_vec();
        for _ in 0..random.usize(1..=4) {
            let length = bytes.len();
            let at = random.usize(0..=length);
            match random.u8(0..5) {
                0 if at < length => bytes[at] = random.u8(..),
                1 if at < length => bytes[at] ^= 1 << random.u8(0..8),
                2 => bytes.truncate(at),
                3 => bytes.insert(at, random.u8(..)),
                _ => {
                    let part = bytes[at..length.min(at + random.usize(0..20))].to_vec();
                    bytes.splice(at..at, part);
                }
            }
        }
        bytes
    }

    #[test]
    fn seeds_and_what_becomes_of_them() {
        let wanted = std::env::var("TOLLGATE_FUZZ_CHANGES").ok().and_then(|count| count.parse().ok());
        let changes = wanted.unwrap_or(CHANGES);
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/seeds");
        for (name, target) in TARGETS {
            let mut seeds: Vec<_> = std::fs::read_dir(folder.join(name))
                .expect(name)
                .map(|f| f.expect("a file").path())
                .collect();
            seeds.sort();
            assert!(!seeds.is_empty(), "{name} has no seeds");
            let mut random = fastrand::Rng::with_seed(changes);
            for seed in seeds {
                let bytes = std::fs::read(&seed).expect("a seed");
                target(&bytes);
                for _ in 0..changes {
                    target(&changed(&bytes, &mut random));
                }
            }
        }
    }
}
