//! The keys of the demo. They open nothing: the mock takes any, and does what their ending says.

use secrecy::SecretString;
use std::sync::{Mutex, PoisonError};
use tollgate_secrets::{MissingSecret, SecretSource};

/// What Anthropic does; the mock knows it by the key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Anthropic {
    /// It answers.
    #[default]
    Up,
    /// 503 for every model.
    Down,
    /// 429: the key's quota is used up.
    UsedUp,
}

/// Fixed keys, of which Anthropic's can be exchanged: secrets are looked up for each request.
#[derive(Debug, Default)]
pub(super) struct DemoSecrets {
    anthropic: Mutex<Anthropic>,
}

impl DemoSecrets {
    /// From the next request on Anthropic does this.
    pub(super) fn set(&self, anthropic: Anthropic) {
        *self.anthropic.lock().unwrap_or_else(PoisonError::into_inner) = anthropic;
    }

    fn anthropic_key(&self) -> &'static str {
        match *self.anthropic.lock().unwrap_or_else(PoisonError::into_inner) {
            Anthropic::Up => "sk-ant-demo-00000000000000-good",
            Anthropic::Down => "sk-ant-demo-00000000000000-down",
            Anthropic::UsedUp => "sk-ant-demo-000000000-exhausted",
        }
    }
}

impl SecretSource for DemoSecrets {
    fn secret(&self, vault: &str, name: &str) -> Result<SecretString, MissingSecret> {
        match (vault, name) {
            ("anthropic", "api-key") => Ok(SecretString::from(self.anthropic_key())),
            ("openrouter", "api-key") => Ok(SecretString::from("sk-or-v1-demo-00000000000000-good")),
            _ => Err(MissingSecret { vault: vault.into(), name: name.into() }),
        }
    }
}
