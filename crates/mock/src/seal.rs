//! State that a provider issues and takes back: signatures of thoughts, reasoning only it can read.
//!
//! It is a hash of who issued it and what it belongs to, so that nothing needs to be remembered: what was changed on
//! its way, or comes from somebody else, does not fit.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};

/// Claude's thoughts, on every platform that has the model.
pub(crate) const CLAUDE: &str = "claude";
/// Gemini's thoughts and calls.
pub(crate) const GEMINI: &str = "gemini";
/// OpenAI's reasoning.
pub(crate) const OPENAI: &str = "openai";

/// The state for a text.
pub(crate) fn seal(issuer: &str, text: &str) -> String {
    let hash = digest(&SHA256, format!("{issuer}\n{text}").as_bytes());
    // Twice, so that it has some length, as the real ones.
    STANDARD.encode([b"mock".as_slice(), hash.as_ref(), hash.as_ref()].concat())
}

/// Whether it is what was issued for this text.
pub(crate) fn fits(issuer: &str, text: &str, state: &str) -> bool {
    seal(issuer, text) == state
}

/// State that stands for itself: nothing is sent with it that it could be compared with.
pub(crate) fn closed(issuer: &str, text: &str) -> String {
    let hidden = STANDARD.encode(text);
    format!("{hidden}.{}", seal(issuer, &hidden))
}

/// The text inside, if this issuer closed it.
pub(crate) fn opened(issuer: &str, state: &str) -> Option<String> {
    let (hidden, mark) = state.split_once('.')?;
    let text = STANDARD.decode(hidden).ok().filter(|_| fits(issuer, hidden, mark))?;
    String::from_utf8(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_issued_fits() {
        let state = seal("anthropic", "hm");
        assert!(fits("anthropic", "hm", &state));
        assert!(!fits("anthropic", "hm!", &state) && !fits("google", "hm", &state));
        let closed = closed("openai", "secret");
        assert_eq!(opened("openai", &closed).as_deref(), Some("secret"));
        assert_eq!(opened("azure", &closed), None);
        assert_eq!(opened("openai", &closed.replace('.', "")), None);
    }
}
