//! `thoughtSignature`: state of Gemini's, and of others on its way through a Gemini client.

use super::super::Target;
use super::super::request::Text;
use super::super::state::{State, StateKind};
use super::base64;
use crate::Surface;
use std::borrow::Cow;

/// What the base64 of a wrapped state begins with (`tg1.`).
const WRAPPED: &str = "dGcxL";

/// Reads a signature. Google's SDKs hold it as bytes, so a wrapped state comes as base64, in either alphabet.
pub(in crate::translate) fn found(data: Text<'_>) -> State<'_> {
    let inner = data.starts_with(WRAPPED).then(|| base64::decode(&data)).flatten();
    if let Some(inner) = inner.and_then(|bytes| String::from_utf8(bytes).ok()) {
        let state = State::found(Surface::GenerateContent, StateKind::Signature, Cow::Owned(inner));
        if state.provider.is_some() {
            return state;
        }
    }
    State::found(Surface::GenerateContent, StateKind::Signature, data)
}

/// How a state is written into an answer: Gemini's own as it is, another one wrapped, as base64, since the Python SDK
/// refuses an answer whose signature is none.
pub(super) fn written<'s>(state: &'s State<'_>, provider: &str) -> Text<'s> {
    let text = state.written(Surface::GenerateContent, provider);
    if state.surface == Surface::GenerateContent { text } else { Cow::Owned(base64::encode(text.as_bytes())) }
}

/// The signature for a request, if the target can read it.
pub(super) fn readable<'s>(state: &'s State<'_>, target: &Target<'_>) -> Option<&'s str> {
    let issued_there = state.provider.as_deref().is_none_or(|provider| provider == target.provider);
    (state.surface == Surface::GenerateContent && issued_there).then_some(&*state.data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_dialects_state_survives_the_python_sdk() {
        let state = State {
            data: "EqQB+/=".into(),
            surface: Surface::Messages,
            provider: None,
            kind: StateKind::Encrypted,
        };
        let text = written(&state, "anthropic").into_owned();
        assert!(text.starts_with(WRAPPED));
        assert_eq!(base64::decode(&text).unwrap(), b"tg1.messages.e.anthropic.EqQB+/=");
        // The SDK decodes it, and encodes it again in the other alphabet.
        let again = text.replace('+', "-").replace('/', "_");
        assert_eq!(found(again.into()), State { provider: Some("anthropic".into()), ..state });
    }

    #[test]
    fn googles_own_is_never_touched() {
        for data in ["CtwB-_+/", "dGcxL", "dGcxLm5vbmU=", ""] {
            let state = found(data.into());
            assert_eq!(
                (&*state.data, state.surface, &state.provider),
                (data, Surface::GenerateContent, &None)
            );
            assert_eq!(written(&state, "google"), data);
        }
    }
}
