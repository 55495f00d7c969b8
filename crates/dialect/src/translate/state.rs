//! State that only its issuer can read: signatures of thoughts, encrypted thoughts.
//!
//! When an answer is translated, the state in it is wrapped: it says who issued it, so that the next request, in which
//! the client sends it back, is not taken to somebody who cannot read it. State in an answer that was not translated has
//! no such mark; its dialect tells who issued it.

use super::request::Text;
use crate::Surface;
use std::borrow::Cow;

/// What a wrapped state begins with; the issuing surface, the provider and the state follow, with dots between.
const MARK: &str = "tg1.";

/// Opaque state of a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State<'a> {
    /// As its issuer wrote it.
    pub(crate) data: Text<'a>,
    /// The operation whose answers have it.
    pub(crate) surface: Surface,
    /// The provider that issued it, when its mark says so.
    pub(crate) provider: Option<Text<'a>>,
    /// The kind of field it was in.
    pub(crate) kind: StateKind,
}

/// Which field of its dialect a state belongs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StateKind {
    /// A signature beside readable thoughts (`thinking.signature`, `thoughtSignature`, `reasoningText.signature`).
    Signature,
    /// Thoughts nobody else can read (`encrypted_content`, `redacted_thinking.data`, `redactedContent`).
    Encrypted,
}

impl<'a> State<'a> {
    /// State found in a body of `surface`: unwrapped if it carries our mark, else as it is.
    pub(crate) fn found(surface: Surface, kind: StateKind, data: Text<'a>) -> Self {
        unwrap(&data).unwrap_or(Self { data, surface, provider: None, kind })
    }

    /// How it is written into an answer for a client of `surface`: as it is where that is its own dialect.
    pub(crate) fn written(&self, surface: Surface, provider: &str) -> Text<'_> {
        if self.surface == surface {
            return Cow::Borrowed(&self.data);
        }
        let kind = match self.kind {
            StateKind::Signature => "s",
            StateKind::Encrypted => "e",
        };
        let provider = self.provider.as_deref().unwrap_or(provider);
        Cow::Owned(format!(
            "{MARK}{}.{kind}.{}.{}",
            self.surface.name(),
            provider.replace('.', "%2E"),
            self.data
        ))
    }
}

fn unwrap<'a>(data: &str) -> Option<State<'a>> {
    let mut parts = data.strip_prefix(MARK)?.splitn(4, '.');
    let surface = parts.next()?;
    let surface = Surface::CONVERSATIONS.into_iter().find(|known| known.name() == surface)?;
    let kind = match parts.next()? {
        "s" => StateKind::Signature,
        "e" => StateKind::Encrypted,
        _ => return None,
    };
    let provider = parts.next()?.replace("%2E", ".");
    let data = parts.next()?.to_owned();
    Some(State { data: Cow::Owned(data), surface, provider: Some(Cow::Owned(provider)), kind })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let own = State {
            data: "AbC.=/+".into(),
            surface: Surface::Messages,
            provider: None,
            kind: StateKind::Signature,
        };
        assert_eq!(own.written(Surface::Messages, "anthropic"), "AbC.=/+", "its own dialect has it as it is");
        let wrapped = own.written(Surface::Responses, "inference.net").into_owned();
        let back = State::found(Surface::Responses, StateKind::Encrypted, wrapped.into());
        assert_eq!(back, State { provider: Some("inference.net".into()), ..own });
    }

    #[test]
    fn what_is_not_ours_stays_as_it_is() {
        for data in ["", "tg1.", "tg1.messages", "tg1.messages.x.a.b", "tg1.nothing.s.a.b", "gAAAA"] {
            let state = State::found(Surface::Responses, StateKind::Encrypted, data.into());
            assert_eq!((&*state.data, state.surface, state.provider), (data, Surface::Responses, None));
        }
    }
}
