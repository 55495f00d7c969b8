//! The key of a vault, and where it comes from.

use super::{VaultError, file};
use aes_gcm::aead::OsRng;
use aes_gcm::{Aes256Gcm, KeyInit as _};
use base64::Engine as _;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret as _, SecretString};
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The environment variable that holds the key.
pub const KEY_VARIABLE: &str = "TOLLGATE_VAULT_KEY";

/// Shorter passphrases are guessed sooner or later.
const MIN_PASSPHRASE: usize = 12;

/// scrypt's cost: 2^15 rounds of 8 blocks, 32 MiB and about a tenth of a second. RFC 7914, section 2.
const SCRYPT_LOG_N: u8 = 15;
const SCRYPT_R: u32 = 8;
const SCRYPT_P: u32 = 1;

/// The key of a vault: 32 bytes, or a passphrase from which they are derived with scrypt.
#[derive(Clone)]
pub struct VaultKey(Kind);

#[derive(Clone)]
enum Kind {
    Bytes(Zeroizing<[u8; 32]>),
    Passphrase(SecretString),
}

impl VaultKey {
    /// Reads a key: 64 hexadecimal digits or the base64 form of 32 bytes (either alphabet, padded or not) are the
    /// key itself; any other text of at least 12 characters is a passphrase. Space around it is dropped.
    ///
    /// # Errors
    /// [`VaultError::ShortKey`]
    pub fn parse(text: &SecretString) -> Result<Self, VaultError> {
        let text = text.expose_secret().trim();
        if let Some(bytes) = hex(text).or_else(|| base64(text)) {
            return Ok(Self(Kind::Bytes(bytes)));
        }
        if text.chars().count() < MIN_PASSPHRASE {
            return Err(VaultError::ShortKey);
        }
        Ok(Self(Kind::Passphrase(SecretString::from(text))))
    }

    /// The key for a vault: from [`KEY_VARIABLE`] if that is set, else from the key file beside the vault, which
    /// is the vault's path and `.key`. Gives nothing if there is neither.
    ///
    /// # Errors
    /// A key that is too short, a key file that cannot be read or that others can read.
    pub fn find(vault: &Path) -> Result<Option<Self>, VaultError> {
        if let Some(text) = std::env::var_os(KEY_VARIABLE).and_then(|v| v.into_string().ok())
            && !text.is_empty()
        {
            return Self::parse(&SecretString::from(text)).map(Some);
        }
        let path = Self::file_beside(vault);
        if path.exists() { Self::from_file(&path).map(Some) } else { Ok(None) }
    }

    /// As [`find`](Self::find), and makes the key file, with mode 0600, if there is no key yet.
    ///
    /// # Errors
    /// As [`find`](Self::find); a key file that cannot be written.
    pub fn find_or_create(vault: &Path) -> Result<Self, VaultError> {
        if let Some(key) = Self::find(vault)? {
            return Ok(key);
        }
        let path = Self::file_beside(vault);
        let bytes = Zeroizing::new(<[u8; 32]>::from(Aes256Gcm::generate_key(OsRng)));
        let text = Zeroizing::new(STANDARD.encode(bytes.as_slice()) + "\n");
        match file::create(&path, text.as_bytes()) {
            // Another process was faster: its key is the one.
            Err(VaultError::Io { reason, .. }) if reason.kind() == std::io::ErrorKind::AlreadyExists => {
                Self::from_file(&path)
            }
            made => made.map(|()| Self(Kind::Bytes(bytes))),
        }
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// A file that cannot be read, that others can read, or that holds too short a key.
    pub fn from_file(path: &Path) -> Result<Self, VaultError> {
        if file::is_open_to_others(path).map_err(VaultError::io(path))? {
            return Err(VaultError::OpenKeyFile(path.into()));
        }
        let text = Zeroizing::new(std::fs::read_to_string(path).map_err(VaultError::io(path))?);
        Self::parse(&SecretString::from(text.as_str()))
    }

    /// Where [`find`](Self::find) looks for the key file of a vault.
    #[must_use]
    pub fn file_beside(vault: &Path) -> PathBuf {
        let mut path = OsString::from(vault);
        path.push(".key");
        path.into()
    }

    /// The 32 bytes for a vault with this salt.
    pub(crate) fn derive(&self, salt: &[u8]) -> Result<Zeroizing<[u8; 32]>, VaultError> {
        match &self.0 {
            Kind::Bytes(bytes) => Ok(bytes.clone()),
            Kind::Passphrase(text) => {
                let parameters = scrypt::Params::new(SCRYPT_LOG_N, SCRYPT_R, SCRYPT_P, 32)
                    .map_err(|_| VaultError::Encryption)?;
                let mut bytes = Zeroizing::new([0; 32]);
                scrypt::scrypt(text.expose_secret().as_bytes(), salt, &parameters, bytes.as_mut_slice())
                    .map_err(|_| VaultError::Encryption)?;
                Ok(bytes)
            }
        }
    }
}

impl fmt::Debug for VaultKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VaultKey(***)")
    }
}

fn hex(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = Zeroizing::new([0; 32]);
    for (byte, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

fn base64(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let engines: [GeneralPurpose; 4] = [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD];
    engines.iter().find_map(|engine| {
        let bytes = Zeroizing::new(engine.decode(text).ok()?);
        <[u8; 32]>::try_from(bytes.as_slice()).ok().map(Zeroizing::new)
    })
}
