//! What a login leaves for later rules.

use super::failure::Failure;
use super::session::{Ended, Session};
use crate::actions::gate::{error, results};
use sha2::{Digest, Sha256};
use std::time::{Duration, UNIX_EPOCH};
use tollgate_expr::Value;

/// What a session is shown as.
pub(super) struct Shown<'a> {
    /// `None`: nobody has logged in.
    pub(super) session: Option<&'a Session>,
    /// Who identifies: an issuer, or the name of a provider.
    pub(super) source: &'a str,
    /// What the id of the session is called.
    pub(super) session_id: &'static str,
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

impl Shown<'_> {
    pub(super) fn value(&self) -> Value {
        let session = self.session;
        let text = |read: fn(&Session) -> &str| Value::from(session.map(read).unwrap_or_default());
        let token = |token: Option<&String>| Value::from(token.map(String::as_str).unwrap_or_default());
        let expires = session.and_then(|session| session.tokens.expires);
        let expires = expires.and_then(|at| UNIX_EPOCH.checked_add(Duration::from_secs(at)));
        let before = session.map_or(self.ended, |session| session.before);
        let identity = results([
            ("id", session.map(|s| identity_id(self.source, &s.user.subject)).unwrap_or_default().into()),
            ("email", text(|s| &s.user.email)),
            ("name", text(|s| &s.user.name)),
            ("provider_user_id", text(|s| &s.user.subject)),
            (self.session_id, text(|s| &s.id)),
        ]);
        results([
            ("identity", identity),
            ("access_token", text(|s| &s.tokens.access)),
            ("refresh_token", token(session.and_then(|s| s.tokens.refresh.as_ref()))),
            ("identity_token", token(session.and_then(|s| s.tokens.id.as_ref()))),
            ("expires_at", expires.map(tollgate_observe::rfc3339_millis).unwrap_or_default().into()),
            ("session_timed_out", (before == Ended::Idle).into()),
            ("session_max_duration_reached", (before == Ended::Age).into()),
            ("userinfo_refreshed", self.refreshed.into()),
            ("user_info_refreshed", self.refreshed.into()),
            error(self.failure.map(Failure::fault).as_ref()),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
