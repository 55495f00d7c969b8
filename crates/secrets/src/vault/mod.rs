//! The local vault: a file of encrypted values.

mod envelope;
mod error;
mod file;
mod key;
mod opened;

pub use error::VaultError;
pub use key::{KEY_VARIABLE, VaultKey};
pub(crate) use opened::Opened;

use crate::files::scalar;
use crate::names::is_valid_name;
use envelope::{Envelope, Id};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A vault that can be changed. Changes by several processes at once do not get lost: each is made under a lock
/// file, on what the file holds by then, and replaces it in one step.
#[derive(Debug)]
pub struct Vault {
    path: PathBuf,
    key: VaultKey,
}

/// What a vault holds, without the value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct VaultEntry {
    /// The vault's name, or that of a secret with data.
    pub vault: String,
    /// The secret's name, or that of a member of the data.
    pub name: String,
    /// Whether it came as a member of a secret's data.
    pub data: bool,
}

impl Vault {
    /// Opens a vault. A file that does not exist is an empty vault; the first change makes it.
    ///
    /// # Errors
    /// The file cannot be read, is no vault, or was made with another key.
    pub fn open(path: impl Into<PathBuf>, key: VaultKey) -> Result<Self, VaultError> {
        let path = path.into();
        if let Some(envelope) = file::read(&path)? {
            envelope.cipher(&key, &path)?;
        }
        Ok(Self { path, key })
    }

    /// Sets a value, and says whether there was one before.
    ///
    /// # Errors
    /// A name that is not allowed, an empty value, or a file that cannot be read or written.
    pub fn put(&self, vault: &str, name: &str, value: &SecretString) -> Result<bool, VaultError> {
        let id = id(vault, name, false)?;
        if value.expose_secret().is_empty() {
            return Err(VaultError::EmptyValue { vault: vault.into(), name: name.into() });
        }
        self.change(|envelope, cipher| envelope.put(cipher, &id, value))
    }

    /// Sets a secret that has data: a JSON object, whose members are then found as `get(secret, member)`. Members
    /// it had before and has no more are gone.
    ///
    /// # Errors
    /// As [`put`](Self::put); text that is no JSON object of strings, numbers and booleans.
    pub fn put_data(&self, secret: &str, json: &SecretString) -> Result<(), VaultError> {
        let members: BTreeMap<String, &RawValue> =
            serde_json::from_str(json.expose_secret()).map_err(|_| VaultError::NoObject)?;
        let mut values = Vec::new();
        for (name, raw) in &members {
            let value = scalar(raw)
                .ok_or_else(|| VaultError::EmptyValue { vault: secret.into(), name: name.clone() })?;
            values.push((id(secret, name, true)?, value));
        }
        self.change(|envelope, cipher| {
            envelope.retain(|id| !(id.data && id.vault == secret));
            values.iter().try_for_each(|(id, value)| envelope.put(cipher, id, value).map(drop))
        })
    }

    /// Removes a value, and says whether there was one.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn delete(&self, vault: &str, name: &str) -> Result<bool, VaultError> {
        self.change(|envelope, _| Ok(envelope.retain(|id| !(id.vault == vault && id.name == name))))
    }

    /// Removes every value of a vault, or every member of a secret with data, and says whether there was one.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn delete_all(&self, vault: &str) -> Result<bool, VaultError> {
        self.change(|envelope, _| Ok(envelope.retain(|id| id.vault != vault)))
    }

    /// A value, if there is one.
    ///
    /// # Errors
    /// The file cannot be read, or was changed by somebody without the key.
    pub fn get(&self, vault: &str, name: &str) -> Result<Option<SecretString>, VaultError> {
        let Some(envelope) = file::read(&self.path)? else { return Ok(None) };
        let cipher = envelope.cipher(&self.key, &self.path)?;
        envelope.get(&cipher, vault, name)
    }

    /// What a vault file holds. Needs no key: names are not encrypted.
    ///
    /// # Errors
    /// The file cannot be read or is no vault.
    pub fn list(path: &Path) -> Result<Vec<VaultEntry>, VaultError> {
        let envelope = file::read(path)?;
        let mut entries: Vec<VaultEntry> = envelope
            .iter()
            .flat_map(Envelope::ids)
            .map(|id| VaultEntry { vault: id.vault.clone(), name: id.name.clone(), data: id.data })
            .collect();
        entries.sort();
        Ok(entries)
    }

    fn change<T>(
        &self,
        change: impl FnOnce(&mut Envelope, &envelope::Cipher) -> Result<T, VaultError>,
    ) -> Result<T, VaultError> {
        let _lock = file::lock(&self.path)?;
        let mut envelope = match file::read(&self.path)? {
            Some(envelope) => envelope,
            None => Envelope::new(&self.key)?,
        };
        let cipher = envelope.cipher(&self.key, &self.path)?;
        let result = change(&mut envelope, &cipher)?;
        file::write(&self.path, &envelope)?;
        Ok(result)
    }
}

fn id(vault: &str, name: &str, data: bool) -> Result<Id, VaultError> {
    for name in [vault, name] {
        if !is_valid_name(name) {
            return Err(VaultError::BadName(name.into()));
        }
    }
    Ok(Id { vault: vault.into(), name: name.into(), data })
}

#[cfg(test)]
mod tests;
