//! What can go wrong with a login, with the code and the status that say so. The codes are those of ngrok's list.

use crate::answer::Fault;
use http::StatusCode;
use tollgate_select::Fault as CallFault;

/// Why a login or a session does not go on. The message never holds a token, a code or a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// The number in `ERR_NGROK_<number>`.
    pub(super) code: u16,
    pub(super) status: StatusCode,
    pub(super) message: String,
}

/// The most of a provider's own words that is shown, in characters.
const QUOTED: usize = 200;

impl Failure {
    pub(super) fn new(code: u16, status: StatusCode, message: impl Into<String>) -> Self {
        Self { code, status, message: message.into() }
    }

    /// The browser came back with something that belongs to no attempt.
    pub(super) fn attempt(code: u16, message: &'static str) -> Self {
        Self::new(code, StatusCode::BAD_REQUEST, message)
    }

    /// The provider could not be asked.
    pub(super) fn unreachable(fault: &CallFault) -> Self {
        let malformed = matches!(fault, CallFault::BadAnswer);
        let status = if malformed { StatusCode::BAD_GATEWAY } else { StatusCode::SERVICE_UNAVAILABLE };
        Self::new(3160, status, format!("the identity provider cannot be asked: {}", fault.describe()))
    }

    /// The provider answered a request for something with a status it should not.
    pub(super) fn status(status: StatusCode, what: &str) -> Self {
        let number = status.as_u16();
        let message = format!("the identity provider answered a request for {what} with status {number}");
        match number {
            429 => Self::new(3161, StatusCode::SERVICE_UNAVAILABLE, message),
            503 => Self::new(3165, StatusCode::SERVICE_UNAVAILABLE, message),
            500.. => Self::new(3166, StatusCode::BAD_GATEWAY, message),
            _ => Self::new(3160, StatusCode::BAD_GATEWAY, message),
        }
    }

    /// What it answered is not what it should be.
    pub(super) fn answer(message: impl Into<String>) -> Self {
        Self::new(3160, StatusCode::BAD_GATEWAY, message)
    }

    /// What an issuer says of itself is missing or wrong.
    pub(super) fn description(message: &str) -> Self {
        Self::new(2227, StatusCode::BAD_GATEWAY, message)
    }

    /// The identity token is not one that may be believed.
    pub(super) fn id_token(message: &str) -> Self {
        Self::new(
            3164,
            StatusCode::BAD_GATEWAY,
            format!("the provider's identity token is not accepted: {message}"),
        )
    }

    /// The system gives no random bytes.
    pub(super) fn no_random() -> Self {
        Self::new(3152, StatusCode::INTERNAL_SERVER_ERROR, "the system gives no random bytes")
    }

    /// What the provider says instead of a code (RFC 6749 section 4.1.2.1, OpenID Connect Core 1.0 section 3.1.2.6).
    pub(super) fn of_authorization(error: &str, description: &str) -> Self {
        let said = said(error, description);
        let (code, status) = match error {
            "access_denied" | "consent_required" => (3114, StatusCode::FORBIDDEN),
            "invalid_scope" => (3126, StatusCode::BAD_GATEWAY),
            "unauthorized_client" | "invalid_client" => (3125, StatusCode::BAD_GATEWAY),
            "temporarily_unavailable" => (3165, StatusCode::SERVICE_UNAVAILABLE),
            "server_error" => (3166, StatusCode::BAD_GATEWAY),
            _ => (3112, StatusCode::BAD_GATEWAY),
        };
        Self::new(code, status, format!("the identity provider did not let you in: {said}"))
    }

    /// What the provider says instead of tokens (RFC 6749 section 5.2).
    pub(super) fn of_token(error: &str, description: &str) -> Self {
        let said = said(error, description);
        match error {
            "invalid_client" | "unauthorized_client" | "incorrect_client_credentials" => Self::new(
                3125,
                StatusCode::BAD_GATEWAY,
                format!("the identity provider does not accept this server's client id and secret: {said}"),
            ),
            "invalid_grant" | "bad_verification_code" => Self::new(
                3163,
                StatusCode::BAD_REQUEST,
                format!("the identity provider does not accept the login any more: {said}"),
            ),
            "redirect_uri_mismatch" => Self::new(
                3115,
                StatusCode::BAD_GATEWAY,
                format!("the identity provider does not know this server's address for logins: {said}"),
            ),
            _ => Self::new(
                3164,
                StatusCode::BAD_GATEWAY,
                format!("the identity provider did not finish the login: {said}"),
            ),
        }
    }

    pub(super) fn fault(&self) -> Fault {
        Fault { code: self.code, status: self.status, message: self.message.clone() }
    }
}

/// Another server's words: short, on one line, nothing that a terminal would obey.
fn said(error: &str, description: &str) -> String {
    let clean = |text: &str| -> String {
        let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(QUOTED).collect();
        line.trim().to_owned()
    };
    match (clean(error), clean(description)) {
        (error, description) if description.is_empty() => format!("`{error}`"),
        (error, description) => format!("`{error}` ({description})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_others_stay_short_and_on_one_line() {
        let failure = Failure::of_authorization("x\r\ny", &format!("\u{1b}[31m{}", "a".repeat(999)));
        assert!(!failure.message.contains(char::is_control), "{:?}", failure.message);
        assert!(failure.message.chars().count() < 400);
    }

    #[test]
    fn what_is_the_fault_of_whom() {
        let of = |error: &str| {
            let failure = Failure::of_authorization(error, "");
            (failure.code, failure.status.as_u16())
        };
        assert_eq!(of("access_denied"), (3114, 403));
        assert_eq!(of("temporarily_unavailable"), (3165, 503));
        assert_eq!(of("something_new"), (3112, 502));
        assert_eq!(Failure::of_token("invalid_client", "").code, 3125);
        assert_eq!(Failure::of_token("invalid_grant", "").code, 3163);
        assert_eq!(Failure::status(StatusCode::TOO_MANY_REQUESTS, "x").code, 3161);
        assert_eq!(Failure::unreachable(&CallFault::Connect).status.as_u16(), 503);
        assert_eq!(Failure::unreachable(&CallFault::BadAnswer).status.as_u16(), 502);
    }
}
