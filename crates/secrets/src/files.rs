//! Secrets in a directory: one value a file, as Kubernetes and Docker mount them.

use crate::names::is_valid_name;
use crate::stamp::Stamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::hash::{BuildHasher as _, RandomState};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;
use zeroize::Zeroizing;

/// Larger files hold no secret.
const MAX_SECRET: u64 = 1 << 20; // 1 MiB
/// How many locks the cache has.
const SHARDS: usize = 16;

type Shard = RwLock<HashMap<PathBuf, Arc<Cached>>>;

/// A directory, and what was read of it.
pub(crate) struct Directory {
    root: PathBuf,
    shards: [Shard; SHARDS],
    hasher: RandomState,
}

struct Cached {
    stamp: Stamp,
    settled: bool,
    text: SecretString,
}

impl Directory {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root, shards: std::array::from_fn(|_| Shard::default()), hasher: RandomState::new() }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// `DIR/<vault>/<name>`; else the member `<name>` of the JSON object in `DIR/<vault>`; else, for the vault
    /// `default`, `DIR/<name>`, which is where Docker mounts a secret.
    pub(crate) fn get(&self, vault: &str, name: &str) -> Option<SecretString> {
        if !is_valid_name(vault) || !is_valid_name(name) {
            return None;
        }
        let folder = self.root.join(vault);
        if let Some(text) = self.read(folder.join(name)) {
            return value(text.text.expose_secret());
        }
        if let Some(data) = self.read(folder) {
            return member(data.text.expose_secret(), name);
        }
        let flat = (vault == "default").then(|| self.read(self.root.join(name)))?;
        value(flat?.text.expose_secret())
    }

    /// A file's text, read again only if the file changed. No lock is held while the file system works.
    fn read(&self, path: PathBuf) -> Option<Arc<Cached>> {
        let metadata = fs::metadata(&path).ok()?;
        if !metadata.is_file() {
            return None;
        }
        let stamp = Stamp::of(&metadata);
        let shard = self.shard(&path);
        let known = shard.read().unwrap_or_else(PoisonError::into_inner).get(&path).cloned();
        if let Some(known) = known.filter(|known| known.settled && known.stamp == stamp) {
            return Some(known);
        }
        let fresh = Arc::new(load(&path)?);
        shard.write().unwrap_or_else(PoisonError::into_inner).insert(path, Arc::clone(&fresh));
        Some(fresh)
    }

    fn shard(&self, path: &Path) -> &Shard {
        let [first, ..] = &self.shards;
        let at = usize::try_from(self.hasher.hash_one(path) % SHARDS as u64).unwrap_or(0);
        self.shards.get(at).unwrap_or(first)
    }
}

/// The stamp is taken before the text: a write in between shows at the next lookup.
fn load(path: &Path) -> Option<Cached> {
    let file = File::open(path).ok()?;
    let metadata = file.metadata().ok()?;
    let capacity = usize::try_from(metadata.len()).ok().filter(|_| metadata.len() <= MAX_SECRET)?;
    // Room for everything at once: a buffer that grows would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(capacity + 1));
    file.take(metadata.len() + 1).read_to_end(&mut bytes).ok()?;
    let text = SecretString::from(std::str::from_utf8(&bytes).ok()?);
    let stamp = Stamp::of(&metadata);
    Some(Cached { stamp, settled: stamp.is_settled(SystemTime::now()), text })
}

/// A file's value: without the newline at its end. An empty one is no value.
fn value(text: &str) -> Option<SecretString> {
    let line = text.strip_suffix('\n').unwrap_or(text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    (!line.is_empty()).then(|| SecretString::from(line))
}

/// A member of a JSON object: a string, or a number or boolean as it is written.
pub(crate) fn member(json: &str, name: &str) -> Option<SecretString> {
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(json).ok()?;
    scalar(members.get(name)?)
}

/// A JSON string's text, or a number or boolean as it is written. Anything else is no value.
pub(crate) fn scalar(raw: &RawValue) -> Option<SecretString> {
    let raw = raw.get();
    match raw.as_bytes().first()? {
        b'"' => {
            let text: Zeroizing<String> = Zeroizing::new(serde_json::from_str(raw).ok()?);
            (!text.is_empty()).then(|| SecretString::from(text.as_str()))
        }
        b'{' | b'[' | b'n' => None,
        _ => Some(SecretString::from(raw)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_members() {
        let shown = |s: Option<SecretString>| s.map(|s| s.expose_secret().to_owned());
        for (text, expected) in [
            ("a", Some("a")),
            ("a\n", Some("a")),
            ("a\r\n", Some("a")),
            ("a\n\n", Some("a\n")),
            (" a ", Some(" a ")),
            ("", None),
            ("\n", None),
        ] {
            assert_eq!(shown(value(text)).as_deref(), expected, "{text:?}");
        }
        let json = r#"{"a": "x\ny", "n": 12, "b": true, "o": {}, "l": [1], "z": null, "e": ""}"#;
        for (name, expected) in [("a", Some("x\ny")), ("n", Some("12")), ("b", Some("true")), ("o", None)] {
            assert_eq!(shown(member(json, name)).as_deref(), expected, "{name}");
        }
        for name in ["l", "z", "e", "missing"] {
            assert_eq!(shown(member(json, name)), None, "{name}");
        }
        assert!(member("not json", "a").is_none());
    }

    #[test]
    fn an_unchanged_file_is_not_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("v");
        fs::write(&path, "old").unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        file.set_modified(SystemTime::now() - std::time::Duration::from_secs(60)).unwrap();
        let directory = Directory::new(folder.path().into());
        let first = directory.read(path.clone()).unwrap();
        assert!(first.settled);
        assert!(Arc::ptr_eq(&first, &directory.read(path.clone()).unwrap()));
        fs::write(&path, "new").unwrap();
        let second = directory.read(path.clone()).unwrap();
        assert_eq!(second.text.expose_secret(), "new");
        assert!(!second.settled, "just written: the next look reads it again");
        assert!(!Arc::ptr_eq(&second, &directory.read(path).unwrap()));
    }
}
