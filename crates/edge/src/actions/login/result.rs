//! What a login leaves for later rules.

use super::failure::Failure;
use super::session::{Ended, Session};
use crate::actions::gate::{error, results};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};
use tollgate_expr::{Map, Value};
use tollgate_policy::{Holds, ResultVar};

/// What a session is shown as.
pub(super) struct Shown<'a> {
    /// `None`: nobody has logged in.
    pub(super) session: Option<&'a Session>,
    /// Who identifies: an issuer, or the name of a provider.
    pub(super) source: &'a str,
    /// Whether it is an OpenID provider.
    pub(super) openid: bool,
    /// Whether the provider was asked just now.
    pub(super) refreshed: bool,
    /// Why the request goes no further.
    pub(super) failure: Option<&'a Failure>,
    /// Why the session ended, when it has.
    pub(super) ended: Ended,
}

/// The same for the same person, whatever the provider calls him: two providers may use the same ids.
fn identity_id(source: &str, subject: &str) -> String {
    let hash = Sha256::digest(format!("{}:{source}{subject}", source.len()));
    let hex: String = hash.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    format!("idt_{hex}")
}

/// What both logins leave, but for the id of the session.
pub(in crate::actions) const RESULTS: [ResultVar; 10] = [
    ResultVar::new("identity.id", Holds::Text, "The same for the same user of the same provider."),
    ResultVar::new(
        "identity.email",
        Holds::Text,
        "Empty where the provider tells none, or one that is not verified.",
    ),
    ResultVar::new("identity.name", Holds::Text, "As the provider tells it."),
    ResultVar::new("identity.provider_user_id", Holds::Text, "The provider's own id of the user."),
    ResultVar::new("access_token", Holds::Text, "Of the provider."),
    ResultVar::new("refresh_token", Holds::Text, "Of the provider; empty without one."),
    ResultVar::new(
        "expires_at",
        Holds::Text,
        "When the access token expires, in UTC; empty where the provider does not say.",
    ),
    ResultVar::new(
        "session_timed_out",
        Holds::Bool,
        "Whether the session before this one was not used for too long.",
    ),
    ResultVar::new("session_max_duration_reached", Holds::Bool, "Whether it had lasted as long as one may."),
    ResultVar::new(
        "userinfo_refreshed",
        Holds::Bool,
        "Whether the provider was asked again for this request.",
    ),
];

impl Shown<'_> {
    pub(super) fn value(&self) -> Value {
        let session = self.session;
        let text = |read: fn(&Session) -> &str| Value::from(session.map(read).unwrap_or_default());
        let token = |token: Option<&String>| Value::from(token.map(String::as_str).unwrap_or_default());
        let expires = session.and_then(|session| session.tokens.expires);
        let expires = expires.and_then(|at| UNIX_EPOCH.checked_add(Duration::from_secs(at)));
        let before = session.map_or(self.ended, |session| session.before);
        let session_id = if self.openid { "current_session_id" } else { "current_provider_session_id" };
        let identity = results([
            ("id", session.map(|s| identity_id(self.source, &s.user.subject)).unwrap_or_default().into()),
            ("email", text(|s| &s.user.email)),
            ("name", text(|s| &s.user.name)),
            ("provider_user_id", text(|s| &s.user.subject)),
            (session_id, text(|s| &s.id)),
        ]);
        let mut all = vec![
            ("identity", identity),
            ("access_token", text(|s| &s.tokens.access)),
            ("refresh_token", token(session.and_then(|s| s.tokens.refresh.as_ref()))),
            ("expires_at", expires.map(tollgate_observe::rfc3339_millis).unwrap_or_default().into()),
            ("session_timed_out", (before == Ended::Idle).into()),
            ("session_max_duration_reached", (before == Ended::Age).into()),
            ("userinfo_refreshed", self.refreshed.into()),
            error(self.failure.map(Failure::fault).as_ref()),
        ];
        if self.openid {
            all.push(("identity_token", token(session.and_then(|s| s.tokens.id.as_ref()))));
            all.push(("user_info_refreshed", self.refreshed.into()));
        }
        let all: Map = all.into_iter().map(|(name, value)| (Arc::from(name), value)).collect();
        Value::Map(Arc::new(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The paths of everything in a result.
    fn paths(value: &serde_json::Value, before: &str, found: &mut Vec<String>) {
        match value {
            serde_json::Value::Object(members) => {
                for (name, member) in members {
                    let dot = if before.is_empty() { "" } else { "." };
                    paths(member, &format!("{before}{dot}{name}"), found);
                }
            }
            _ => found.push(before.to_owned()),
        }
    }

    #[test]
    fn results_are_those_of_the_documentation() {
        for (name, openid) in [("openid-connect", true), ("oauth", false)] {
            let shown = Shown {
                session: None,
                source: "s",
                openid,
                refreshed: false,
                failure: None,
                ended: Ended::No,
            };
            let mut found = Vec::new();
            paths(&shown.value().to_json(), "", &mut found);
            let results = crate::actions::find(name).expect("an action").spec.results;
            let mut declared: Vec<&str> = results.iter().map(|result| result.path).collect();
            declared.sort_unstable();
            found.sort_unstable();
            assert_eq!(found, declared, "{name}");
        }
    }

    #[test]
    fn an_id_is_of_one_person_at_one_provider() {
        let id = identity_id("https://a.example", "1");
        assert_eq!(id, identity_id("https://a.example", "1"));
        assert_ne!(id, identity_id("https://a.example", "2"));
        assert_ne!(id, identity_id("https://b.example", "1"));
        assert_ne!(identity_id("https://a.example1", "2"), identity_id("https://a.example", "12"));
        assert_eq!(id.len(), 28);
    }
}
