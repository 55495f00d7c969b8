//! One attempt to log in: what is sent to the provider with the browser, and what the browser keeps until it is back.
//!
//! The authorization code flow (OpenID Connect Core 1.0, section 3.1) with PKCE (RFC 7636).

use super::cookies::{Brought, Jar, Names};
use super::endpoints::Endpoints;
use super::failure::Failure;
use super::seal::{NoRandom, Seal, unguessable};
use super::session::Ended;
use crate::web_url::with_parameters;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::time::Duration;
use subtle::ConstantTimeEq;

/// What attempts are sealed for.
const PURPOSE: &str = "attempt";
/// How long one may take.
pub(super) const LASTS: Duration = Duration::from_secs(15 * 60);
/// How many a browser keeps at a time: further tabs make the oldest void, and the header of cookies stays short.
const MOST: usize = 5;

/// An attempt. Its debug output is not to be printed; it has none.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Attempt {
    pub(super) state: String,
    pub(super) nonce: String,
    pub(super) verifier: String,
    /// Where the browser wanted to go.
    pub(super) path: String,
    pub(super) redirect_uri: String,
    /// Seconds since 1970.
    pub(super) begun: u64,
    pub(super) before: Ended,
}

/// What an attempt asks for.
pub(super) struct Asked<'a> {
    pub(super) client_id: &'a str,
    pub(super) scopes: &'a str,
    /// Of the policy.
    pub(super) parameters: &'a [(String, String)],
    /// What makes the provider ask the user again.
    pub(super) again: Option<(&'a str, &'a str)>,
    pub(super) pkce: bool,
}

impl Attempt {
    pub(super) fn new(path: String, redirect_uri: String, before: Ended, now: u64) -> Result<Self, NoRandom> {
        let (state, nonce, verifier) = (unguessable()?, unguessable()?, unguessable()?);
        Ok(Self { state, nonce, verifier, path, redirect_uri, begun: now, before })
    }

    /// Where the browser is sent.
    pub(super) fn url(&self, endpoints: &Endpoints, asked: &Asked<'_>) -> Result<String, Failure> {
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&self.verifier));
        let mut parameters: Vec<(&str, &str)> = vec![
            ("response_type", "code"),
            ("client_id", asked.client_id),
            ("redirect_uri", &self.redirect_uri),
            ("scope", asked.scopes),
            ("state", &self.state),
        ];
        if endpoints.signed.is_some() {
            parameters.push(("nonce", &self.nonce));
        }
        if asked.pkce {
            parameters.extend([("code_challenge", challenge.as_str()), ("code_challenge_method", "S256")]);
        }
        let replaced = |name: &str| asked.again.is_some_and(|(known, _)| known == name);
        let own = asked.parameters.iter().filter(|(name, _)| !replaced(name));
        parameters.extend(own.map(|(name, value)| (name.as_str(), value.as_str())));
        parameters.extend(asked.again);
        let parameters: Vec<(String, String)> =
            parameters.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let url = with_parameters((*endpoints.authorize).clone(), &parameters);
        url.map(|url| url.full)
            .map_err(|_| Failure::answer("the provider's page for logins has an address that cannot be used"))
    }

    /// The cookies of this attempt, and of others that end by it.
    pub(super) fn cookies(
        &self,
        seal: &Seal,
        jar: &Jar<'_>,
        brought: &Brought<'_>,
    ) -> Result<Vec<HeaderValue>, Failure> {
        let text = serde_json::to_vec(self).map_err(|_| Failure::no_random())?;
        let sealed = seal.seal(PURPOSE, &text).map_err(|NoRandom| Failure::no_random())?;
        let mut cookies = Vec::new();
        cookies.extend(jar.attempt(&jar.names.attempt(&self.state), &sealed, LASTS));
        let mut others: Vec<(u64, &str)> = Vec::new();
        for (name, sealed) in brought.attempts(jar.names) {
            let open = Self::open(seal, sealed).filter(|other| other.age(self.begun) < LASTS);
            others.push((open.map_or(0, |other| other.begun), name));
        }
        others.sort_unstable_by(|a, b| b.cmp(a));
        let kept = others.iter().take(MOST - 1).filter(|(begun, _)| *begun > 0).count();
        cookies.extend(others.iter().skip(kept).filter_map(|(_, name)| jar.end(name)));
        Ok(cookies)
    }

    fn open(seal: &Seal, sealed: &str) -> Option<Self> {
        serde_json::from_slice(&seal.open(PURPOSE, sealed)?).ok()
    }

    fn age(&self, now: u64) -> Duration {
        Duration::from_secs(now.saturating_sub(self.begun))
    }

    /// The attempt that a browser comes back from.
    pub(super) fn back(
        state: Option<&str>,
        seal: &Seal,
        names: &Names,
        brought: &Brought<'_>,
        now: u64,
    ) -> Result<Self, Failure> {
        let state = state.filter(|state| !state.is_empty()).ok_or_else(|| {
            Failure::attempt(
                3120,
                "the identity provider sent you back without `state`, so nobody knows where this login began",
            )
        })?;
        let sealed = brought.value(&names.attempt(state)).ok_or_else(|| {
            Failure::attempt(3121, "this login was not begun in this browser, was finished before, or the browser keeps no cookies")
        })?;
        let unreadable = || Failure::attempt(3108, "the cookie of this login cannot be read");
        let attempt = Self::open(seal, sealed).ok_or_else(unreadable)?;
        if !bool::from(attempt.state.as_bytes().ct_eq(state.as_bytes())) {
            return Err(unreadable());
        }
        if attempt.age(now) >= LASTS {
            return Err(Failure::attempt(3119, "this login took more than 15 minutes"));
        }
        Ok(attempt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn endpoints(openid: bool) -> Endpoints {
        let url = |text: &str| Arc::new(crate::web_url::parse(text).expect("a URL"));
        let signed = super::super::endpoints::Signed {
            issuer: "https://id.example.com".into(),
            keys: url("https://id.example.com/keys"),
            algorithms: Vec::new(),
        };
        Endpoints {
            authorize: url("https://id.example.com/authorize?tenant=a"),
            token: url("https://id.example.com/token"),
            userinfo: None,
            signed: openid.then_some(signed),
            basic: true,
        }
    }

    fn attempt(begun: u64) -> Attempt {
        Attempt::new("/x?y=z".into(), "https://me.example/cb".into(), Ended::No, begun).expect("random bytes")
    }

    fn brought(cookies: &[HeaderValue]) -> Vec<(String, String)> {
        let pair = |cookie: &HeaderValue| {
            let (name, rest) = cookie.to_str().expect("text").split_once('=').expect("a pair");
            (name.to_owned(), rest.split(';').next().unwrap_or_default().to_owned())
        };
        cookies.iter().map(pair).collect()
    }

    #[test]
    fn the_browser_is_sent_with_everything() {
        let attempt = attempt(100);
        let parameters = [("prompt".to_owned(), "none".to_owned()), ("hd".to_owned(), "a b&c".to_owned())];
        let asked = Asked {
            client_id: "me",
            scopes: "openid email",
            parameters: &parameters,
            again: Some(("prompt", "login")),
            pkce: true,
        };
        let url = attempt.url(&endpoints(true), &asked).expect("a URL");
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&attempt.verifier));
        assert_eq!(
            url,
            format!(
                "https://id.example.com/authorize?tenant=a&response_type=code&client_id=me&redirect_uri=https%3A%2F%2Fme.example%2Fcb\
                 &scope=openid%20email&state={}&nonce={}&code_challenge={challenge}&code_challenge_method=S256&hd=a%20b%26c&prompt=login",
                attempt.state, attempt.nonce
            )
        );
        assert!(!url.contains(&attempt.verifier));
        let plain =
            attempt.url(&endpoints(false), &Asked { again: None, pkce: false, ..asked }).expect("a URL");
        assert!(
            !plain.contains("nonce=") && !plain.contains("code_challenge") && plain.contains("prompt=none")
        );
        assert_eq!(attempt.state.len(), 43);
        assert!(attempt.state != attempt.nonce && attempt.nonce != attempt.verifier);
    }

    #[test]
    fn it_comes_back_to_its_own_browser_in_time() {
        let (seal, names) = (Seal::new("secret", "c"), Names::new("t", None));
        let jar = Jar { names: &names, domain: None, secure: true };
        let attempt = attempt(100);
        let cookies = brought(&attempt.cookies(&seal, &jar, &Brought(&[])).expect("cookies"));
        let back = |state: Option<&str>, cookies: &[(String, String)], seal: &Seal, now| {
            Attempt::back(state, seal, &names, &Brought(cookies), now)
                .map(|back| back.path)
                .map_err(|failure| failure.code)
        };
        let state = attempt.state.as_str();
        assert_eq!(back(Some(state), &cookies, &seal, 999), Ok("/x?y=z".into()));
        assert_eq!(back(Some(state), &cookies, &seal, 1000), Err(3119), "15 minutes");
        assert_eq!(back(None, &cookies, &seal, 100), Err(3120));
        assert_eq!(back(Some(""), &cookies, &seal, 100), Err(3120));
        assert_eq!(back(Some("other"), &cookies, &seal, 100), Err(3121));
        assert_eq!(back(Some(state), &[], &seal, 100), Err(3121));
        assert_eq!(back(Some(&format!("{state}x")), &cookies, &seal, 100), Err(3108), "the same beginning");
        assert_eq!(back(Some(state), &cookies, &Seal::new("other", "c"), 100), Err(3108));
        let torn = [(cookies[0].0.clone(), cookies[0].1.replace('A', "B"))];
        assert_eq!(back(Some(state), &torn, &Seal::new("other", "c"), 100), Err(3108));
    }

    #[test]
    fn a_browser_keeps_the_newest_attempts() {
        let (seal, names) = (Seal::new("secret", "c"), Names::new("t", None));
        let jar = Jar { names: &names, domain: None, secure: true };
        let mut kept: Vec<(String, String)> = vec![("nonce.t.broken".into(), "x".into())];
        for begun in 1000..1010 {
            let attempt = attempt(begun);
            let set = brought(&attempt.cookies(&seal, &jar, &Brought(&kept)).expect("cookies"));
            for (name, value) in set {
                kept.retain(|(known, _)| *known != name);
                if !value.is_empty() {
                    kept.push((name, value));
                }
            }
            assert!(kept.len() <= MOST && kept.iter().all(|(name, _)| name != "nonce.t.broken"));
            assert!(kept.iter().any(|(name, _)| *name == names.attempt(&attempt.state)));
        }
        assert_eq!(kept.len(), MOST);
        let late = attempt(1010 + LASTS.as_secs());
        let set = brought(&late.cookies(&seal, &jar, &Brought(&kept)).expect("cookies"));
        assert_eq!(set.iter().filter(|(_, value)| value.is_empty()).count(), MOST, "the old ones are void");
    }
}
