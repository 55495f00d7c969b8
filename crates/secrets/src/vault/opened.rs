//! A vault as requests read it: decrypted once for each change of the file.

use super::envelope::{Cipher, Envelope};
use super::{VaultError, VaultKey};
use crate::stamp::Stamp;
use arc_swap::ArcSwapOption;
use secrecy::SecretString;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// Larger files are no vault.
const MAX_VAULT: u64 = 16 << 20; // 16 MiB

/// A vault file that is looked at on every lookup, and read when it changed.
pub(crate) struct Opened {
    path: PathBuf,
    key: VaultKey,
    contents: ArcSwapOption<Contents>,
    /// The last key that was derived, with its salt: a change of the file seldom changes the salt, and deriving
    /// takes long.
    derived: ArcSwapOption<(String, Cipher)>,
}

/// What was read. A file that could not be used is remembered too: it would be as slow the next time.
struct Contents {
    stamp: Stamp,
    settled: bool,
    values: HashMap<String, HashMap<String, SecretString>>,
    problem: Option<Problem>,
}

/// What can be wrong with a file that could be read.
#[derive(Clone)]
enum Problem {
    NoVault,
    WrongKey,
    Encryption,
    Damaged(String, String),
}

impl Opened {
    pub(crate) fn new(path: PathBuf, key: VaultKey) -> Self {
        Self { path, key, contents: ArcSwapOption::empty(), derived: ArcSwapOption::empty() }
    }

    pub(crate) fn get(&self, vault: &str, name: &str) -> Option<SecretString> {
        let contents = self.contents().ok()?;
        contents.values.get(vault)?.get(name).cloned()
    }

    /// Why nothing, or not everything, can be read. A file that does not exist is no problem.
    pub(crate) fn problem(&self) -> Option<VaultError> {
        let path = self.path.clone();
        match self.contents() {
            Err(reason) if reason.kind() == io::ErrorKind::NotFound => None,
            Err(reason) => Some(VaultError::Io { path, reason }),
            Ok(contents) => contents.problem.clone().map(|problem| match problem {
                Problem::NoVault => VaultError::NoVault(path),
                Problem::WrongKey => VaultError::WrongKey(path),
                Problem::Encryption => VaultError::Encryption,
                Problem::Damaged(vault, name) => VaultError::Damaged { vault, name },
            }),
        }
    }

    fn contents(&self) -> io::Result<Arc<Contents>> {
        let stamp = Stamp::of(&fs::metadata(&self.path)?);
        if let Some(known) = self.contents.load_full().filter(|known| known.settled && known.stamp == stamp) {
            return Ok(known);
        }
        let file = File::open(&self.path)?;
        let metadata = file.metadata()?;
        let mut text = Vec::new();
        file.take(MAX_VAULT).read_to_end(&mut text)?;
        let stamp = Stamp::of(&metadata);
        let settled = stamp.is_settled(SystemTime::now());
        let mut contents = Contents { stamp, settled, values: HashMap::new(), problem: None };
        match self.decrypt(&text) {
            Ok((envelope, cipher)) => contents.fill(&envelope, &cipher),
            Err(problem) => {
                contents.problem = Some(problem);
                // As slow as a good one, and nobody gains from reading it again at once.
                contents.settled = true;
            }
        }
        let contents = Arc::new(contents);
        self.contents.store(Some(Arc::clone(&contents)));
        Ok(contents)
    }

    fn decrypt(&self, text: &[u8]) -> Result<(Envelope, Cipher), Problem> {
        let envelope = Envelope::parse(text).ok_or(Problem::NoVault)?;
        let derived = self.derived.load_full().filter(|derived| derived.0 == envelope.salt());
        if let Some(derived) = derived
            && envelope.verify(&derived.1, Path::new("")).is_ok()
        {
            return Ok((envelope, derived.1.clone()));
        }
        let cipher = envelope.cipher(&self.key, &self.path).map_err(|error| match error {
            VaultError::WrongKey(_) => Problem::WrongKey,
            VaultError::NoVault(_) => Problem::NoVault,
            _ => Problem::Encryption,
        })?;
        self.derived.store(Some(Arc::new((envelope.salt().to_owned(), cipher.clone()))));
        Ok((envelope, cipher))
    }
}

impl Contents {
    fn fill(&mut self, envelope: &Envelope, cipher: &Cipher) {
        for (id, value) in envelope.open_all(cipher) {
            match value {
                Ok(value) => {
                    self.values.entry(id.vault).or_default().insert(id.name, value);
                }
                Err(_) => self.problem = Some(Problem::Damaged(id.vault, id.name)),
            }
        }
    }
}
