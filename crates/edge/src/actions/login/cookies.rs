//! The cookies of logins: which there are, how they are taken out of requests, how they are written.
//!
//! `session.TAG` holds the session, `session.TAG.1` and so on what does not fit into one cookie; `nonce.TAG.NAME` holds one
//! attempt to log in. TAG is the action's `auth_id`, or made from what it logs in with.

use crate::exchange::Exchange;
use http::header::COOKIE;
use http::{HeaderName, HeaderValue};
use std::fmt::Write as _;
use std::time::Duration;

/// The most bytes of a cookie's value: with name and attributes a browser keeps 4096 (RFC 6265 section 6.1).
const PART: usize = 3500;
/// The most cookies a session is spread over.
const MOST_PARTS: usize = 8;
/// Headers that only the gateway could have set: an upstream may believe them.
const FORGEABLE: &str = "ngrok-auth-";

/// The names of an action's cookies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    session: String,
    attempts: String,
    /// The action's `auth_id`.
    pub(super) auth_id: Option<String>,
}

impl Names {
    pub(super) fn new(tag: &str, auth_id: Option<String>) -> Self {
        Self { session: format!("session.{tag}"), attempts: format!("nonce.{tag}."), auth_id }
    }

    /// The name of the attempt with this state. The state's beginning tells attempts apart, so that two tabs do not
    /// disturb one another.
    pub(super) fn attempt(&self, state: &str) -> String {
        let start: String = state.chars().filter(char::is_ascii_alphanumeric).take(12).collect();
        format!("{}{start}", self.attempts)
    }

    fn is_ours(&self, name: &str) -> bool {
        let of_session = name.strip_prefix(&self.session);
        of_session.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            || name.starts_with(&self.attempts)
    }

    fn part(&self, number: usize) -> String {
        match number {
            0 => self.session.clone(),
            number => format!("{}.{number}", self.session),
        }
    }
}

/// Takes the cookies of logins, and headers that pretend to come from one, out of a request before any rule sees it:
/// nothing of them can be logged, computed with or sent on.
pub(crate) fn withhold(names: &Names, exchange: &mut Exchange) {
    let headers = &mut exchange.request.headers;
    let forged: Vec<HeaderName> =
        headers.keys().filter(|name| name.as_str().starts_with(FORGEABLE)).cloned().collect();
    for name in forged {
        headers.remove(name);
    }
    let mut kept: Vec<u8> = Vec::new();
    for line in headers.get_all(COOKIE) {
        for pair in line.as_bytes().split(|byte| *byte == b';').map(<[u8]>::trim_ascii) {
            let text = std::str::from_utf8(pair).unwrap_or_default();
            let (name, value) = text.split_once('=').unwrap_or_default();
            if names.is_ours(name.trim_end()) {
                exchange.login_cookies.push((name.trim_end().to_owned(), value.trim_matches('"').to_owned()));
            } else if !pair.is_empty() {
                kept.extend_from_slice(if kept.is_empty() { b"" } else { b"; " });
                kept.extend_from_slice(pair);
            }
        }
    }
    if exchange.login_cookies.is_empty() {
        return;
    }
    headers.remove(COOKIE);
    if !kept.is_empty()
        && let Ok(value) = HeaderValue::from_bytes(&kept)
    {
        headers.insert(COOKIE, value);
    }
}

/// The cookies of logins that came with a request.
pub(super) struct Brought<'a>(pub(super) &'a [(String, String)]);

impl Brought<'_> {
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The sealed session: the number of its parts, a dot, and the parts one after the other.
    pub(super) fn session(&self, names: &Names) -> Option<String> {
        let (count, first) = self.value(&names.session)?.split_once('.')?;
        let count: usize = count.parse().ok().filter(|count| (1..=MOST_PARTS).contains(count))?;
        let mut whole = first.to_owned();
        for number in 1..count {
            whole.push_str(self.value(&names.part(number))?);
        }
        Some(whole)
    }

    /// The sealed attempts, each with its cookie's name.
    pub(super) fn attempts<'b>(&'b self, names: &'b Names) -> impl Iterator<Item = (&'b str, &'b str)> {
        let ours = self.0.iter().filter(|(name, _)| name.starts_with(&names.attempts));
        ours.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    fn parts<'b>(&'b self, names: &'b Names) -> impl Iterator<Item = &'b str> {
        let ours = self.0.iter().filter(|(name, _)| !name.starts_with(&names.attempts));
        ours.map(|(name, _)| name.as_str()).filter(|name| names.is_ours(name))
    }
}

/// How cookies are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Jar<'a> {
    pub(super) names: &'a Names,
    pub(super) domain: Option<&'a str>,
    /// Only over TLS.
    pub(super) secure: bool,
}

/// The session has more bytes than all its cookies may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLong {
    pub(super) bytes: usize,
    pub(super) most: usize,
}

impl Jar<'_> {
    /// One cookie (RFC 6265 section 4.1). `Lax`: it comes along when the provider sends the browser back, and not with
    /// requests that other sites' pages make.
    fn cookie(&self, name: &str, value: &str, age: Duration) -> Option<HeaderValue> {
        let mut text = format!("{name}={value}; Path=/; Max-Age={}; HttpOnly; SameSite=Lax", age.as_secs());
        if let Some(domain) = self.domain {
            let _ = write!(text, "; Domain={domain}");
        }
        text.push_str(if self.secure { "; Secure" } else { "" });
        HeaderValue::try_from(text).ok()
    }

    /// The cookies of a sealed session; those that the browser has beyond them end.
    pub(super) fn session(
        &self,
        sealed: &str,
        age: Duration,
        brought: &Brought<'_>,
    ) -> Result<Vec<HeaderValue>, TooLong> {
        let count = sealed.len().div_ceil(PART);
        if count > MOST_PARTS {
            return Err(TooLong { bytes: sealed.len(), most: MOST_PARTS * PART });
        }
        let mut cookies = Vec::new();
        let mut rest = sealed;
        for number in 0..count {
            let (part, after) = rest.split_at_checked(PART).unwrap_or((rest, ""));
            rest = after;
            let value = if number == 0 { format!("{count}.{part}") } else { part.to_owned() };
            cookies.extend(self.cookie(&self.names.part(number), &value, age));
        }
        let current: Vec<String> = (0..count).map(|number| self.names.part(number)).collect();
        let stale = brought.parts(self.names).filter(|name| !current.iter().any(|known| known == name));
        cookies.extend(stale.filter_map(|name| self.end(name)));
        Ok(cookies)
    }

    /// The cookie of an attempt.
    pub(super) fn attempt(&self, name: &str, sealed: &str, age: Duration) -> Option<HeaderValue> {
        self.cookie(name, sealed, age)
    }

    /// Ends a cookie.
    pub(super) fn end(&self, name: &str) -> Option<HeaderValue> {
        self.cookie(name, "", Duration::ZERO)
    }

    /// Ends all of a session's cookies.
    pub(super) fn end_session(&self, brought: &Brought<'_>) -> Vec<HeaderValue> {
        brought.parts(self.names).filter_map(|name| self.end(name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{engine, exchange, shared};

    fn exchange_with(head: &str) -> Exchange {
        let shared = shared(&[]);
        exchange(&shared, &engine("on_http_request: []", &shared), head)
    }

    fn pairs(cookies: &[HeaderValue]) -> Vec<(String, String)> {
        let first = |cookie: &HeaderValue| {
            let text = cookie.to_str().expect("text").split(';').next().expect("a pair").to_owned();
            let (name, value) = text.split_once('=').expect("a pair");
            (name.to_owned(), value.to_owned())
        };
        cookies.iter().map(first).collect()
    }

    #[test]
    fn own_cookies_and_forged_headers_are_taken_out() {
        let names = Names::new("staff", None);
        let mut exchange = exchange_with(
            "GET / HTTP/1.1\r\ncookie: a=b; session.staff=1.x;session.staff.1=y; sessions=z\r\ncookie: nonce.staff.q=n; c=\"d\"\r\n\
             ngrok-auth-oauth-access-token: forged\r\nngrok-auth-x: y\r\nauthorization: kept\r\n\r\n",
        );
        withhold(&names, &mut exchange);
        assert_eq!(exchange.request.headers[COOKIE], "a=b; sessions=z; c=\"d\"");
        assert_eq!(exchange.request.headers.len(), 2, "authorization stays");
        let brought = Brought(&exchange.login_cookies);
        assert_eq!(brought.attempts(&names).collect::<Vec<_>>(), [("nonce.staff.q", "n")]);

        let mut others =
            exchange_with("GET / HTTP/1.1\r\ncookie: session=1; session.other=2; nonce.other.x=3\r\n\r\n");
        withhold(&names, &mut others);
        assert_eq!(others.request.headers[COOKIE], "session=1; session.other=2; nonce.other.x=3");
        assert!(others.login_cookies.is_empty());
    }

    #[test]
    fn a_long_session_is_spread_and_put_together_again() {
        let names = Names::new("t", None);
        let jar = Jar { names: &names, domain: None, secure: true };
        for length in [1, PART, PART + 1, MOST_PARTS * PART] {
            let sealed: String = (0..length).map(|n| char::from(b'a' + (n % 26) as u8)).collect();
            let cookies = jar.session(&sealed, Duration::from_secs(60), &Brought(&[])).expect("cookies");
            assert!(cookies.iter().all(|cookie| cookie.len() < 4096));
            let mut brought = pairs(&cookies);
            assert_eq!(brought.len(), length.div_ceil(PART));
            brought.reverse();
            assert_eq!(Brought(&brought).session(&names).as_deref(), Some(sealed.as_str()));
            brought.pop();
            assert_eq!(Brought(&brought).session(&names), None, "its first part is missing");
        }
        let much = "a".repeat(MOST_PARTS * PART + 1);
        assert!(jar.session(&much, Duration::from_secs(60), &Brought(&[])).is_err());
    }

    #[test]
    fn parts_of_a_longer_session_before_are_ended() {
        let names = Names::new("t", None);
        let jar = Jar { names: &names, domain: Some("example.com"), secure: false };
        let old = [("session.t", "3.a"), ("session.t.1", "b"), ("session.t.2", "c"), ("nonce.t.x", "d")];
        let old = old.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let cookies = jar.session("x", Duration::from_secs(60), &Brought(&old)).expect("cookies");
        let texts: Vec<&str> = cookies.iter().map(|cookie| cookie.to_str().expect("text")).collect();
        assert_eq!(
            texts,
            [
                "session.t=1.x; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Domain=example.com",
                "session.t.1=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Domain=example.com",
                "session.t.2=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Domain=example.com",
            ]
        );
        assert_eq!(pairs(&jar.end_session(&Brought(&old))).len(), 3);
    }

    #[test]
    fn nonsense_is_no_session() {
        let names = Names::new("t", None);
        for value in ["", "x", "0.a", "9.a", "-1.a", "2.a", "99999999999999999999.a"] {
            let brought = [("session.t".to_owned(), value.to_owned())];
            assert_eq!(Brought(&brought).session(&names), None, "{value}");
        }
    }
}
