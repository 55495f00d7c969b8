//! Sets of public keys (RFC 7517), and signatures verified with them.

use super::{Jws, JwsError};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind};
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm};
use serde::Deserialize;
use serde_json::Value;

/// Keys that are read of a set.
const MOST_KEYS: usize = 100;
/// Keys that are tried for a token that names none.
const MOST_TRIES: usize = 16;

/// The public keys of an issuer.
#[derive(Debug)]
pub struct KeySet {
    pub(super) keys: Vec<PublicKey>,
}

/// A document that is no set of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// It is no JSON object with a list `keys`.
    #[error("it is no JSON object with a list `keys`")]
    NoSet,
    /// None of its keys is a public key that can verify signatures.
    #[error("none of its keys is a public RSA, P-256, P-384 or Ed25519 key for signatures")]
    NoKey,
}

#[derive(Debug)]
pub(super) struct PublicKey {
    id: Option<String>,
    /// The only algorithm it is for, if the set says so.
    algorithm: Option<String>,
    curve: Option<EllipticCurve>,
    key: DecodingKey,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

impl KeySet {
    /// Reads a set. Keys that are of another kind, for another use, or not understood are left out.
    ///
    /// # Errors
    /// It is no set, or nothing in it is of use.
    pub fn parse(document: &[u8]) -> Result<Self, KeySetError> {
        let document: Document = serde_json::from_slice(document).map_err(|_| KeySetError::NoSet)?;
        let keys: Vec<PublicKey> =
            document.keys.into_iter().take(MOST_KEYS).filter_map(PublicKey::read).collect();
        if keys.is_empty() { Err(KeySetError::NoKey) } else { Ok(Self { keys }) }
    }

    /// Verifies the signature of a token with the key it names, or with every key that fits when it names none.
    ///
    /// # Errors
    /// [`JwsError::UnknownKey`] when no key is for it, [`JwsError::Signature`] when the signature is wrong.
    pub fn verify(&self, token: &Jws) -> Result<(), JwsError> {
        let named = token.key_id();
        let mut tried = 0;
        for key in &self.keys {
            if named.is_some() && key.id.as_deref() != named || !key.fits(token.algorithm) {
                continue;
            }
            tried += 1;
            if key.verify(token) {
                return Ok(());
            }
            if tried >= MOST_TRIES {
                break;
            }
        }
        Err(if tried == 0 { JwsError::UnknownKey } else { JwsError::Signature })
    }
}

impl PublicKey {
    fn read(value: Value) -> Option<Self> {
        let algorithm = value.get("alg").and_then(Value::as_str).map(str::to_owned);
        let jwk = Jwk::deserialize(value).ok()?;
        let for_signatures = match (&jwk.common.public_key_use, &jwk.common.key_operations) {
            (Some(used), _) if *used != PublicKeyUse::Signature => false,
            (_, Some(operations)) => operations.contains(&KeyOperations::Verify),
            _ => true,
        };
        let curve = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => None,
            AlgorithmParameters::EllipticCurve(key) => Some(key.curve.clone()),
            AlgorithmParameters::OctetKeyPair(key) => Some(key.curve.clone()),
            // A shared secret has no place in a public set; to take one would let whoever reads it sign.
            _ => return None,
        };
        let key = DecodingKey::from_jwk(&jwk).ok()?;
        for_signatures.then_some(Self { id: jwk.common.key_id, algorithm, curve, key })
    }

    /// Whether a key of this type and curve is one for the algorithm. The token chooses neither.
    fn fits(&self, algorithm: Algorithm) -> bool {
        let kind = match algorithm {
            Algorithm::ES256 => self.curve == Some(EllipticCurve::P256),
            Algorithm::ES384 => self.curve == Some(EllipticCurve::P384),
            Algorithm::EdDSA => self.curve == Some(EllipticCurve::Ed25519),
            other => other.family() == AlgorithmFamily::Rsa && self.curve.is_none(),
        };
        kind && self.key.family() == algorithm.family()
            && self.algorithm.as_ref().is_none_or(|only| *only == format!("{algorithm:?}"))
    }

    fn verify(&self, token: &Jws) -> bool {
        let (message, signature) = (token.message.as_bytes(), token.signature.as_slice());
        match self.key.kind() {
            DecodingKeyKind::RsaModulusExponent { n, e } => rsa(token.algorithm)
                .is_some_and(|how| RsaPublicKeyComponents { n, e }.verify(how, message, signature).is_ok()),
            DecodingKeyKind::SecretOrDer(point) => {
                let how: &dyn VerificationAlgorithm = match token.algorithm {
                    Algorithm::ES256 => &signature::ECDSA_P256_SHA256_FIXED,
                    Algorithm::ES384 => &signature::ECDSA_P384_SHA384_FIXED,
                    Algorithm::EdDSA => &signature::ED25519,
                    _ => return false,
                };
                UnparsedPublicKey::new(how, point).verify(message, signature).is_ok()
            }
        }
    }
}

/// RSA of 2048 bits at least (RFC 7518 section 3.3).
fn rsa(algorithm: Algorithm) -> Option<&'static signature::RsaParameters> {
    Some(match algorithm {
        Algorithm::RS256 => &signature::RSA_PKCS1_2048_8192_SHA256,
        Algorithm::RS384 => &signature::RSA_PKCS1_2048_8192_SHA384,
        Algorithm::RS512 => &signature::RSA_PKCS1_2048_8192_SHA512,
        Algorithm::PS256 => &signature::RSA_PSS_2048_8192_SHA256,
        Algorithm::PS384 => &signature::RSA_PSS_2048_8192_SHA384,
        Algorithm::PS512 => &signature::RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}
