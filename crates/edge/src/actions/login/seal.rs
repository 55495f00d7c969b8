//! What is given to browsers to keep: encrypted and authenticated, so that they can neither read nor change it.
//!
//! AES-256-GCM. The key of each text is made by HKDF with SHA-256 (RFC 5869) from the client's secret, from what the text
//! is for, and from 16 random bytes that stand before it: no key is used twice, so no nonce can be either.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::error::Unspecified;
use ring::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use ring::rand::{SecureRandom, SystemRandom};

/// Random bytes before a text.
const FRESH: usize = 16;
/// Bytes of an AES-256 key.
const KEY: usize = 32;
/// Sets these keys apart from everything else that may ever be derived from the same secret.
const DOMAIN: &[u8] = b"tollgate login 1";

/// The system gives no random bytes, or the library refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoRandom;

/// Seals and opens the texts of one action.
pub(super) struct Seal {
    secret: Prk,
    context: String,
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seal").finish_non_exhaustive()
    }
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

impl Seal {
    /// With the secret of a client. `context` says whose texts these are: others do not open them.
    pub(super) fn new(client_secret: &str, context: &str) -> Self {
        let secret = Salt::new(HKDF_SHA256, DOMAIN).extract(client_secret.as_bytes());
        Self { secret, context: context.to_owned() }
    }

    fn key(&self, purpose: &str, fresh: &[u8]) -> Result<(LessSafeKey, Nonce), Unspecified> {
        let mut material = [0; KEY + NONCE_LEN];
        // Lengths first, so that no two lists of parts read the same.
        let lengths = [purpose.len(), self.context.len()].map(|length| length.to_be_bytes()).concat();
        let info = [lengths.as_slice(), purpose.as_bytes(), self.context.as_bytes(), fresh];
        self.secret.expand(&info, Length(material.len()))?.fill(&mut material)?;
        let (key, nonce) = material.split_at(KEY);
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key)?);
        Ok((key, Nonce::try_assume_unique_for_key(nonce)?))
    }

    /// A text as a browser may keep it: letters, digits, `-` and `_`.
    pub(super) fn seal(&self, purpose: &str, text: &[u8]) -> Result<String, NoRandom> {
        let fresh: [u8; FRESH] = random()?;
        let (key, nonce) = self.key(purpose, &fresh).map_err(|_| NoRandom)?;
        let mut sealed = text.to_vec();
        key.seal_in_place_append_tag(nonce, Aad::empty(), &mut sealed).map_err(|_| NoRandom)?;
        Ok(URL_SAFE_NO_PAD.encode([fresh.as_slice(), &sealed].concat()))
    }

    /// The text that was sealed for the same purpose; `None` for anything else.
    pub(super) fn open(&self, purpose: &str, sealed: &str) -> Option<Vec<u8>> {
        let decoded = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (fresh, rest) = decoded.split_at_checked(FRESH)?;
        let (key, nonce) = self.key(purpose, fresh).ok()?;
        let mut text = rest.to_vec();
        let length = key.open_in_place(nonce, Aad::empty(), &mut text).ok()?.len();
        text.truncate(length);
        Some(text)
    }
}

/// Random bytes of the operating system.
pub(super) fn random<const N: usize>() -> Result<[u8; N], NoRandom> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|Unspecified| NoRandom)?;
    Ok(bytes)
}

/// 256 random bits as 43 letters: what nobody can guess (RFC 7636 section 4.1 wants as much of a verifier).
pub(super) fn unguessable() -> Result<String, NoRandom> {
    Ok(URL_SAFE_NO_PAD.encode(random::<32>()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn opens_only_what_it_sealed_for_the_same() {
        let seal = Seal::new("a-secret", "oidc/https://issuer");
        let sealed = seal.seal("session", b"Ann").expect("sealed");
        assert_eq!(seal.open("session", &sealed).as_deref(), Some(b"Ann".as_slice()));
        assert!(seal.open("attempt", &sealed).is_none(), "another purpose");
        assert!(Seal::new("a-secret", "oidc/https://other").open("session", &sealed).is_none());
        assert!(Seal::new("b-secret", "oidc/https://issuer").open("session", &sealed).is_none());
        assert!(
            Seal::new("a-secret", "noidc/https://issuer").open("sessio", &sealed).is_none(),
            "a moved border"
        );
        assert!(!sealed.contains("Ann"));
        assert_ne!(sealed, seal.seal("session", b"Ann").expect("sealed"), "never the same twice");
    }

    proptest! {
        #[test]
        fn every_changed_character_is_noticed(text in proptest::collection::vec(any::<u8>(), 0..200), at in any::<prop::sample::Index>()) {
            let seal = Seal::new("a-secret", "c");
            let sealed = seal.seal("session", &text).expect("sealed");
            prop_assert_eq!(seal.open("session", &sealed), Some(text));
            let mut bytes = URL_SAFE_NO_PAD.decode(&sealed).expect("base64url");
            let at = at.index(bytes.len());
            bytes[at] ^= 1;
            prop_assert!(seal.open("session", &URL_SAFE_NO_PAD.encode(&bytes)).is_none());
            prop_assert!(seal.open("session", &sealed[..sealed.len() - 1]).is_none());
        }

        #[test]
        fn anything_at_all_may_be_sent(text in ".{0,200}") {
            prop_assert!(Seal::new("a-secret", "c").open("session", &text).is_none());
        }
    }
}
