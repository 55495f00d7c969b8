//! Access tokens, kept until shortly before they expire.
//!
//! No lock is held while a token is fetched: [`TokenCache::lookup`] says at once what to do, and makes sure that one
//! caller at a time does it.

#[cfg(test)]
mod tests;

use crate::AccessToken;
use secrecy::{ExposeSecret, SecretString};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A token is renewed this long before it expires, or when a fifth of its life is left if that is shorter.
const EARLY: Duration = Duration::from_secs(300);
/// A token is not used any more this long before it expires: the request with it needs time to arrive. At most half of
/// its life.
const MARGIN: Duration = Duration::from_secs(20);
/// How long whoever fetches is waited for; and how long after one early renewal the next one is tried.
const CLAIM_LIFE: Duration = Duration::from_secs(15);
/// Most accounts that are kept.
const LIMIT: usize = 1024;

/// Tokens by account and scope. Clones share them.
#[derive(Clone, Default)]
pub struct TokenCache {
    entries: Arc<Mutex<Entries>>,
}

impl std::fmt::Debug for TokenCache {
    /// Only how many there are.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenCache").field("entries", &self.lock().map.len()).finish()
    }
}

/// What to do.
#[derive(Debug)]
pub enum Lookup {
    /// Use the token.
    Ready(Arc<SecretString>),
    /// Use the token, and renew it besides: nobody else does.
    Renew(Arc<SecretString>, Claim),
    /// Fetch a token: nobody else does.
    Fetch(Claim),
    /// Somebody else fetches one: look again in a moment.
    Wait,
}

/// The right, and the duty, to fetch a token. Dropping it gives it back.
#[must_use = "whoever has the claim is the only one who fetches the token"]
pub struct Claim {
    entries: Arc<Mutex<Entries>>,
    key: Key,
    number: u64,
}

impl std::fmt::Debug for Claim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Claim").field("account", &self.key.0).finish_non_exhaustive()
    }
}

/// Account and scope.
type Key = (String, String);

#[derive(Default)]
struct Entries {
    map: HashMap<Key, Entry>,
    /// Claims so far.
    claims: u64,
}

#[derive(Default)]
struct Entry {
    token: Option<Held>,
    /// The claim that is out, and since when.
    claim: Option<(u64, Instant)>,
    /// When the last claim was given out.
    claimed: Option<Instant>,
}

struct Held {
    token: Arc<SecretString>,
    renew: Instant,
    expire: Instant,
}

impl TokenCache {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Says what to do for a token of an account (its `client_email`) with a scope.
    #[must_use]
    pub fn lookup(&self, account: &str, scope: &str, now: Instant) -> Lookup {
        let key = (account.to_owned(), scope.to_owned());
        let mut entries = self.lock();
        let entries = &mut *entries;
        if !entries.map.contains_key(&key) && entries.map.len() >= LIMIT {
            make_room(&mut entries.map, now);
        }
        let entry = entries.map.entry(key.clone()).or_default();
        let recently = |since: Instant| now.saturating_duration_since(since) < CLAIM_LIFE;
        let taken = entry.claim.is_some_and(|(_, since)| recently(since));
        let held = entry.token.as_ref().filter(|held| now < held.expire);
        let token = held.map(|held| held.token.clone());
        let due = held.is_none_or(|held| now >= held.renew);
        // A renewal that failed is not repeated with every request.
        let wait = taken || (token.is_some() && entry.claimed.is_some_and(recently));
        match token {
            Some(token) if !due || wait => return Lookup::Ready(token),
            None if wait => return Lookup::Wait,
            _ => {}
        }
        entries.claims += 1;
        entry.claim = Some((entries.claims, now));
        entry.claimed = Some(now);
        let claim = Claim { entries: self.entries.clone(), key, number: entries.claims };
        match token {
            Some(token) => Lookup::Renew(token, claim),
            None => Lookup::Fetch(claim),
        }
    }

    /// Forgets a token that was refused, unless there is another one by now.
    pub fn reject(&self, account: &str, scope: &str, token: &SecretString) {
        let mut entries = self.lock();
        let Some(entry) = entries.map.get_mut(&(account.to_owned(), scope.to_owned())) else { return };
        // Not a comparison with a secret a stranger sent: both are ours.
        if entry.token.as_ref().is_some_and(|held| held.token.expose_secret() == token.expose_secret()) {
            entry.token = None;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        lock(&self.entries)
    }
}

impl Claim {
    /// Keeps the token that was fetched; `asked` is when it was asked for.
    pub fn store(self, token: AccessToken, asked: Instant) -> Arc<SecretString> {
        let life = token.expires_in;
        let early = EARLY.min(life / 5);
        let margin = MARGIN.min(life / 2);
        let fetched = Arc::new(token.token);
        let held = Held {
            token: fetched.clone(),
            renew: asked + life.saturating_sub(early.max(margin)),
            expire: asked + (life - margin),
        };
        let mut entries = lock(&self.entries);
        let entry = entries.map.entry(self.key.clone()).or_default();
        // Of two that were fetched at once, the one that lives longer is kept.
        if entry.token.as_ref().is_none_or(|known| known.expire <= held.expire) {
            entry.token = Some(held);
        }
        drop(entries);
        fetched
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut entries = lock(&self.entries);
        if let Some(entry) = entries.map.get_mut(&self.key) {
            // A claim that ran out may be somebody else's by now.
            entry.claim = entry.claim.filter(|(number, _)| *number != self.number);
        }
    }
}

/// A panic elsewhere leaves the entries as whole as they were.
fn lock(entries: &Mutex<Entries>) -> MutexGuard<'_, Entries> {
    entries.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets go of what has expired; if that is nothing, of what expires first.
fn make_room(map: &mut HashMap<Key, Entry>, now: Instant) {
    let expire = |entry: &Entry| entry.token.as_ref().map(|held| held.expire);
    map.retain(|_, entry| entry.claim.is_some() || expire(entry).is_some_and(|expire| expire > now));
    if map.len() >= LIMIT {
        let first = map.iter().min_by_key(|(_, entry)| expire(entry)).map(|(key, _)| key.clone());
        first.and_then(|key| map.remove(&key));
    }
}
