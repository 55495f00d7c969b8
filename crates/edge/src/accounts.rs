//! What OpenRouter says of the accounts behind the configured keys (`GET /key`, `GET /credits`): asked when somebody
//! looks at `/status`, kept for a minute.

use crate::fetch::Fetch;
use crate::upstream::Upstream;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tollgate_dialect::url::join;
use tollgate_observe::AccountStatus;
use tollgate_select::Key;

/// How long an answer is kept.
const KEPT: Duration = Duration::from_secs(60);
/// Time for one request; somebody waits for the page.
const TIME: Duration = Duration::from_secs(2);
/// Most bytes of an answer.
const MOST: usize = 64 * 1024;
/// Keys that are asked about.
const KEYS: usize = 100;

/// Accounts by key id.
#[derive(Default)]
pub struct Accounts {
    known: Mutex<HashMap<String, (Instant, AccountStatus)>>,
    /// Held while somebody asks.
    asking: tokio::sync::Mutex<()>,
}

impl Accounts {
    /// What is known of a key's account.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<AccountStatus> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&key.id).map(|(_, account)| account.clone())
    }

    /// Asks about keys nobody has asked about for a minute, about all of them at once.
    pub(crate) async fn refresh(&self, upstream: &Arc<dyn Upstream>, base: &str, keys: &[Arc<Key>]) {
        // Who comes meanwhile waits for these answers, and asks nothing.
        let _asking = self.asking.lock().await;
        let mut asks = JoinSet::new();
        for key in keys.iter().take(KEYS).filter(|key| !self.is_fresh(key)) {
            let (upstream, base, key) = (Arc::clone(upstream), base.to_owned(), Arc::clone(key));
            asks.spawn(async move { (key.id.clone(), ask(&*upstream, &base, &key).await) });
        }
        while let Some(asked) = asks.join_next().await {
            let Ok((id, account)) = asked else { continue };
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if known.len() >= KEYS && !known.contains_key(&id) {
                known.clear();
            }
            known.insert(id, (Instant::now(), account));
        }
    }

    fn is_fresh(&self, key: &Key) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&key.id).is_some_and(|(at, _)| at.elapsed() < KEPT)
    }
}

impl std::fmt::Debug for Accounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Accounts").finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Data<T> {
    data: T,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct KeyData {
    limit: Option<f64>,
    limit_remaining: Option<f64>,
    limit_reset: Option<String>,
    usage: Option<f64>,
    is_free_tier: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct CreditData {
    total_credits: Option<f64>,
    total_usage: Option<f64>,
}

async fn ask(upstream: &dyn Upstream, base: &str, key: &Key) -> AccountStatus {
    let (own, credits) = tokio::join!(
        get::<KeyData>(upstream, base, "/key", &[], &key.value),
        get::<CreditData>(upstream, base, "/credits", &[], &key.value)
    );
    let error = own.as_ref().err().cloned();
    let own = own.unwrap_or_default();
    // Not every key may ask for the balance: then it is not known.
    let balance = credits.ok().and_then(|credits| Some(credits.total_credits? - credits.total_usage?));
    AccountStatus {
        exhausted: own.limit_remaining.is_some_and(|left| left <= 0.0)
            || balance.is_some_and(|left| left <= 0.0),
        limit_usd: own.limit,
        limit_remaining_usd: own.limit_remaining,
        limit_reset: own.limit_reset,
        usage_usd: own.usage,
        free_tier: own.is_free_tier,
        balance_usd: balance,
        error,
    }
}

/// What OpenRouter's API has under `path`, asked with `key`.
///
/// # Errors
/// Why there is no answer, for people.
pub(crate) async fn get<T: for<'de> Deserialize<'de>>(
    upstream: &dyn Upstream,
    base: &str,
    path: &str,
    query: &[(String, String)],
    key: &SecretString,
) -> Result<T, String> {
    let url = join(base, None, path, None, query).map_err(|error| error.to_string())?;
    let mut headers = HeaderMap::new();
    let mut bearer = HeaderValue::try_from(format!("Bearer {}", key.expose_secret()))
        .map_err(|_| "the key has characters a header cannot have".to_owned())?;
    bearer.set_sensitive(true);
    headers.insert(AUTHORIZATION, bearer);
    let fetch = Fetch {
        provider: crate::lists::PROVIDER.into(),
        url: Arc::new(url),
        method: Method::GET,
        headers,
        body: bytes::Bytes::new(),
        time: TIME,
        most: MOST,
        addresses: None,
    };
    let (status, body) = fetch.run(upstream).await.map_err(|fault| fault.describe().into_owned())?;
    if !status.is_success() {
        return Err(format!("status {}", status.as_u16()));
    }
    let read: Data<T> = serde_json::from_slice(&body).map_err(|_| "not the expected JSON".to_owned())?;
    Ok(read.data)
}
