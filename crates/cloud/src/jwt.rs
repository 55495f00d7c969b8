//! RS256 for `jsonwebtoken`, by `ring`, which TLS brings along. The crate has no such backend of its own; its others would
//! bring a second set of cryptography.

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{ErrorKind, Result, new_error};
use jsonwebtoken::signature::{self, Signer};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use ring::rand::SystemRandom;
use ring::rsa::KeyPair;
use ring::signature::RSA_PKCS1_SHA256;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use serde::Serialize;

/// Signs claims.
pub(crate) fn encode<T: Serialize>(header: &Header, claims: &T, key: &EncodingKey) -> Result<String> {
    // There is one backend in a process. If somebody has chosen another one, that is as good.
    let _ = PROVIDER.install_default();
    jsonwebtoken::encode(header, claims, key)
}

/// Signs any message, in base64url.
#[cfg(test)]
pub(crate) fn sign(message: &[u8], key: &EncodingKey) -> Result<String> {
    let _ = PROVIDER.install_default();
    jsonwebtoken::crypto::sign(message, key, Algorithm::RS256)
}

/// A private RSA key in PEM, PKCS #8 or PKCS #1. `None` if it is none that can sign.
pub(crate) fn rsa_key(pem: &str) -> Option<EncodingKey> {
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).ok()?;
    let der = key.secret_der();
    key_pair(der)?;
    Some(EncodingKey::from_rsa_der(der))
}

/// The pair of keys in DER, PKCS #8 or PKCS #1.
fn key_pair(der: &[u8]) -> Option<KeyPair> {
    KeyPair::from_pkcs8(der).or_else(|_| KeyPair::from_der(der)).ok()
}

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: signer,
    verifier_factory: verifier,
    key_utils: KeyUtils::new_unimplemented(),
};

struct Rs256(KeyPair);

impl Signer<Vec<u8>> for Rs256 {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, signature::Error> {
        let mut signature = vec![0; self.0.public().modulus_len()];
        self.0
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
            .map_err(|_| signature::Error::new())?;
        Ok(signature)
    }
}

impl JwtSigner for Rs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::RS256
    }
}

fn signer(algorithm: &Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>> {
    if *algorithm != Algorithm::RS256 {
        return Err(new_error(ErrorKind::UnsupportedAlgorithm));
    }
    let pair = key_pair(key.as_bytes()).ok_or_else(|| new_error(ErrorKind::InvalidKeyFormat))?;
    Ok(Box::new(Rs256(pair)))
}

/// Nothing is verified here.
fn verifier(_: &Algorithm, _: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    Err(new_error(ErrorKind::UnsupportedAlgorithm))
}
