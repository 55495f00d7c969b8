//! The vault file's format: JSON, in which values are encrypted and names are not.

use super::{VaultError, VaultKey};
use aes_gcm::aead::{Aead as _, OsRng, Payload, rand_core::RngCore as _};
use aes_gcm::{Aes256Gcm, Key, KeyInit as _, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use std::path::Path;
use zeroize::Zeroizing;

const VERSION: u32 = 1;
/// Encrypted into every vault, so that a wrong key is told from a damaged value.
const CHECK: &str = "tollgate-vault";
/// RFC 7914 asks for none in particular; 128 bits never repeat.
const SALT_BYTES: usize = 16;
/// NIST SP 800-38D, section 8.2
const NONCE_BYTES: usize = 12;

/// A ready key.
pub(crate) type Cipher = Aes256Gcm;

/// The file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Envelope {
    version: u32,
    /// How a passphrase becomes a key; of no effect for a key that is one already.
    salt: String,
    check: Sealed,
    secrets: Vec<Secret>,
}

/// Which value it is. Bound to the value: a value cannot be moved under another name.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Id {
    pub(crate) vault: String,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) data: bool,
}

#[derive(Serialize, Deserialize)]
struct Secret {
    #[serde(flatten)]
    id: Id,
    #[serde(flatten)]
    sealed: Sealed,
}

/// AES-256-GCM, both in base64. The tag is at the end of the ciphertext.
#[derive(Serialize, Deserialize)]
struct Sealed {
    nonce: String,
    ciphertext: String,
}

impl Envelope {
    pub(crate) fn new(key: &VaultKey) -> Result<Self, VaultError> {
        let mut salt = [0; SALT_BYTES];
        OsRng.fill_bytes(&mut salt);
        let cipher = cipher(key, &salt)?;
        let check = Sealed::new(&cipher, CHECK, b"check")?;
        Ok(Self { version: VERSION, salt: STANDARD.encode(salt), check, secrets: Vec::new() })
    }

    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let envelope: Self = serde_json::from_slice(text).ok()?;
        (envelope.version == VERSION).then_some(envelope)
    }

    /// The JSON text, for people to look at.
    pub(crate) fn text(&self) -> Result<Vec<u8>, VaultError> {
        let mut text = serde_json::to_vec_pretty(self).map_err(|_| VaultError::Encryption)?;
        text.push(b'\n');
        Ok(text)
    }

    pub(crate) fn salt(&self) -> &str {
        &self.salt
    }

    /// Makes the key ready and sees that it is the right one. Slow for passphrases.
    pub(crate) fn cipher(&self, key: &VaultKey, path: &Path) -> Result<Cipher, VaultError> {
        let salt = STANDARD.decode(&self.salt).map_err(|_| VaultError::NoVault(path.into()))?;
        let cipher = cipher(key, &salt)?;
        self.verify(&cipher, path).map(|()| cipher)
    }

    /// Sees that this is the vault's key.
    pub(crate) fn verify(&self, cipher: &Cipher, path: &Path) -> Result<(), VaultError> {
        match self.check.open(cipher, b"check") {
            Some(text) if text.expose_secret() == CHECK => Ok(()),
            _ => Err(VaultError::WrongKey(path.into())),
        }
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = &Id> {
        self.secrets.iter().map(|s| &s.id)
    }

    /// Sets a value, and says whether there was one of this name.
    pub(crate) fn put(&mut self, cipher: &Cipher, id: &Id, value: &SecretString) -> Result<bool, VaultError> {
        let sealed = Sealed::new(cipher, value.expose_secret(), &id.bytes())?;
        let replaced = self.retain(|known| !(known.vault == id.vault && known.name == id.name));
        self.secrets.push(Secret { id: id.clone(), sealed });
        Ok(replaced)
    }

    /// Keeps some values, and says whether any was dropped.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&Id) -> bool) -> bool {
        let before = self.secrets.len();
        self.secrets.retain(|secret| keep(&secret.id));
        self.secrets.len() < before
    }

    pub(crate) fn get(
        &self,
        cipher: &Cipher,
        vault: &str,
        name: &str,
    ) -> Result<Option<SecretString>, VaultError> {
        let found = self.secrets.iter().find(|s| s.id.vault == vault && s.id.name == name);
        found.map(|secret| secret.open(cipher)).transpose()
    }

    /// Every value.
    pub(crate) fn open_all(&self, cipher: &Cipher) -> Vec<(Id, Result<SecretString, VaultError>)> {
        self.secrets.iter().map(|secret| (secret.id.clone(), secret.open(cipher))).collect()
    }
}

impl Id {
    /// What is authenticated with the value. Names hold no zero byte.
    fn bytes(&self) -> Vec<u8> {
        format!("{}\0{}\0{}", self.vault, self.name, self.data).into_bytes()
    }
}

impl Secret {
    fn open(&self, cipher: &Cipher) -> Result<SecretString, VaultError> {
        let damaged = || VaultError::Damaged { vault: self.id.vault.clone(), name: self.id.name.clone() };
        self.sealed.open(cipher, &self.id.bytes()).ok_or_else(damaged)
    }
}

impl Sealed {
    /// Encrypts under a fresh random nonce.
    fn new(cipher: &Cipher, text: &str, bound_to: &[u8]) -> Result<Self, VaultError> {
        let mut nonce = [0; NONCE_BYTES];
        OsRng.fill_bytes(&mut nonce);
        let payload = Payload { msg: text.as_bytes(), aad: bound_to };
        let ciphertext = cipher.encrypt(&Nonce::from(nonce), payload).map_err(|_| VaultError::Encryption)?;
        Ok(Self { nonce: STANDARD.encode(nonce), ciphertext: STANDARD.encode(ciphertext) })
    }

    fn open(&self, cipher: &Cipher, bound_to: &[u8]) -> Option<SecretString> {
        let nonce: [u8; NONCE_BYTES] = STANDARD.decode(&self.nonce).ok()?.try_into().ok()?;
        let ciphertext = STANDARD.decode(&self.ciphertext).ok()?;
        let payload = Payload { msg: &ciphertext, aad: bound_to };
        let text = Zeroizing::new(cipher.decrypt(&Nonce::from(nonce), payload).ok()?);
        std::str::from_utf8(&text).ok().map(SecretString::from)
    }
}

fn cipher(key: &VaultKey, salt: &[u8]) -> Result<Cipher, VaultError> {
    let bytes = key.derive(salt)?;
    Ok(Cipher::new(Key::<Cipher>::from_slice(bytes.as_slice())))
}
