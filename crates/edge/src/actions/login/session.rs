//! A session: who logged in, with which tokens, and until when it lasts. It is kept by the browser, sealed.

use super::seal::{NoRandom, Seal};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What sessions are sealed for.
const PURPOSE: &str = "session";
/// A token that expires within this time counts as expired: it has to last until the upstream has used it.
const MARGIN: u64 = 5; // seconds
/// How exactly the last use is known at most.
const TOUCH: u64 = 60; // seconds

/// Who somebody is, as the provider says it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct User {
    /// The provider's own id: `sub`.
    pub(super) subject: String,
    /// Empty when there is none, or none that the provider vouches for.
    pub(super) email: String,
    pub(super) name: String,
    /// Whether the provider says that it has seen the address to be his; only while answers are put together.
    #[serde(skip)]
    pub(super) verified: Option<bool>,
}

/// What the provider's token endpoint gave. Times are seconds since 1970.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tokens {
    pub(super) access: String,
    pub(super) refresh: Option<String>,
    pub(super) id: Option<String>,
    pub(super) expires: Option<u64>,
}

impl std::fmt::Debug for Tokens {
    /// Without the tokens.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("expires", &self.expires).finish_non_exhaustive()
    }
}

/// Why the session before this one had ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Ended {
    /// There was none, or it was ended by hand.
    #[default]
    No,
    /// It was not used for too long.
    Idle,
    /// It had lasted as long as one may.
    Age,
}

/// A session. Times are seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Session {
    pub(super) id: String,
    /// Counts renewals: of who it is, of its tokens.
    pub(super) generation: u32,
    pub(super) begun: u64,
    pub(super) used: u64,
    /// When the provider was last asked who it is.
    pub(super) asked: u64,
    pub(super) user: User,
    pub(super) tokens: Tokens,
    /// A hash of the configuration it was made with.
    pub(super) config: String,
    pub(super) before: Ended,
}

/// How long sessions last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// From the login on.
    pub(super) age: Duration,
    /// From the last use on.
    pub(super) idle: Option<Duration>,
    /// How often the provider is asked who it is.
    pub(super) ask: Option<Duration>,
}

/// What has to be asked of the provider before a session is used on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Due {
    /// Who it is.
    pub(super) user: bool,
    /// Other tokens, with the refresh token.
    pub(super) tokens: bool,
}

impl Limits {
    /// Whether a session has ended.
    pub(super) fn ended(&self, session: &Session, now: u64) -> Ended {
        if now.saturating_sub(session.begun) >= self.age.as_secs() {
            Ended::Age
        } else if self.idle.is_some_and(|idle| now.saturating_sub(session.used) >= idle.as_secs()) {
            Ended::Idle
        } else {
            Ended::No
        }
    }

    /// What is due of a session that has not ended.
    pub(super) fn due(&self, session: &Session, config: &str, now: u64) -> Due {
        let old = self.ask.is_some_and(|every| now.saturating_sub(session.asked) >= every.as_secs());
        Due {
            user: old || session.config != config,
            tokens: session.tokens.refresh.is_some() && session.tokens.expired(now),
        }
    }

    /// Whether it is time to note that a session is used: seldom enough to be no burden, often enough for `idle`.
    pub(super) fn touches(&self, session: &Session, now: u64) -> bool {
        let every = self.idle.map(|idle| (idle.as_secs() / 10).clamp(1, TOUCH));
        every.is_some_and(|every| now.saturating_sub(session.used) >= every)
    }

    /// How long a browser is to keep a session.
    pub(super) fn left(&self, session: &Session, now: u64) -> Duration {
        let left = self.age.saturating_sub(Duration::from_secs(now.saturating_sub(session.begun)));
        self.idle.map_or(left, |idle| idle.min(left))
    }
}

impl Tokens {
    /// Whether the access token is known to have expired.
    pub(super) fn expired(&self, now: u64) -> bool {
        self.expires.is_some_and(|expires| expires <= now + MARGIN)
    }
}

impl Session {
    pub(super) fn seal(&self, seal: &Seal) -> Result<String, NoRandom> {
        let text = serde_json::to_vec(self).map_err(|_| NoRandom)?;
        seal.seal(PURPOSE, &text)
    }

    pub(super) fn open(seal: &Seal, sealed: &str) -> Option<Self> {
        serde_json::from_slice(&seal.open(PURPOSE, sealed)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> Session {
        Session {
            id: "s".into(),
            generation: 0,
            begun: 1000,
            used: 1000,
            asked: 1000,
            user: User {
                subject: "1".into(),
                email: "ann@example.com".into(),
                name: "Ann".into(),
                verified: None,
            },
            tokens: Tokens { access: "AT".into(), refresh: Some("RT".into()), id: None, expires: Some(1600) },
            config: "c".into(),
            before: Ended::No,
        }
    }

    fn limits(age: u64, idle: Option<u64>, ask: Option<u64>) -> Limits {
        let seconds = |time: Option<u64>| time.map(Duration::from_secs);
        Limits { age: Duration::from_secs(age), idle: seconds(idle), ask: seconds(ask) }
    }

    #[test]
    fn a_session_ends_by_age_and_by_rest() {
        let limits = limits(3600, Some(600), None);
        let used = |used: u64| Session { used, ..session() };
        assert_eq!(limits.ended(&used(1000), 1599), Ended::No);
        assert_eq!(limits.ended(&used(1000), 1600), Ended::Idle);
        assert_eq!(limits.ended(&used(4500), 4599), Ended::No);
        assert_eq!(limits.ended(&used(4599), 4600), Ended::Age);
        assert_eq!(limits.ended(&used(1000), 900), Ended::No, "a clock that was set back");
        assert_eq!(limits.left(&used(1000), 1000), Duration::from_secs(600));
        assert_eq!(limits.left(&used(4500), 4500), Duration::from_secs(100));
        assert_eq!(limits.left(&used(4500), 9999), Duration::ZERO);
    }

    #[test]
    fn its_use_is_noted_in_time() {
        let session = session();
        assert!(!limits(9, None, None).touches(&session, 9999), "nobody wants to know");
        assert!(!limits(9999, Some(600), None).touches(&session, 1059));
        assert!(limits(9999, Some(600), None).touches(&session, 1060));
        assert!(limits(9999, Some(2), None).touches(&session, 1001));
        assert!(!limits(9999, Some(86_400), None).touches(&session, 1059), "at most a minute late");
        assert!(limits(9999, Some(86_400), None).touches(&session, 1060));
    }

    #[test]
    fn what_is_due() {
        let due = |limits: Limits, config, now| {
            let due = limits.due(&session(), config, now);
            (due.user, due.tokens)
        };
        assert_eq!(due(limits(9999, None, Some(60)), "c", 1059), (false, false));
        assert_eq!(due(limits(9999, None, Some(60)), "c", 1060), (true, false));
        assert_eq!(due(limits(9999, None, None), "c", 9999), (false, true));
        assert_eq!(due(limits(9999, None, None), "c", 1594), (false, false));
        assert_eq!(due(limits(9999, None, None), "c", 1595), (false, true));
        assert_eq!(due(limits(9999, None, None), "other", 1000), (true, false), "another configuration");
        let without = Session { tokens: Tokens { refresh: None, ..session().tokens }, ..session() };
        assert!(!limits(9999, None, None).due(&without, "c", 9999).tokens, "nothing to get others with");
    }

    #[test]
    fn it_is_kept_sealed() {
        let seal = Seal::new("secret", "c");
        let sealed = session().seal(&seal).expect("sealed");
        assert_eq!(Session::open(&seal, &sealed), Some(session()));
        assert_eq!(Session::open(&Seal::new("other", "c"), &sealed), None);
        let other = seal.seal(PURPOSE, b"{}").expect("sealed");
        assert_eq!(Session::open(&seal, &other), None);
        assert!(!format!("{:?}", session()).contains("AT"));
    }
}
