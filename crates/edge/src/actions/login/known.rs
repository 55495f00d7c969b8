//! What logins of all policies share: what issuers say of themselves, states that were used, sessions being renewed.

use super::endpoints::{Endpoints, read_description};
use super::failure::Failure;
use super::session::Session;
use crate::fetch::Fetch;
use crate::upstream::{Addresses, Upstream};
use foldhash::HashMap;
use http::{HeaderMap, Method};
use quick_cache::sync::Cache;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tollgate_dialect::url::JoinedUrl;

/// How long a description is not asked for again.
const FRESH: Duration = Duration::from_secs(3600);
/// How long it is used when it cannot be fetched again.
const USABLE: Duration = Duration::from_secs(24 * 3600);
/// How long after a failure nobody asks again: while there is a description, and while there is none.
const PAUSE: Duration = Duration::from_secs(30);
const PAUSE_WITHOUT: Duration = Duration::from_secs(2);
/// Time for a request to a provider.
pub(super) const TIME: Duration = Duration::from_secs(10);
/// Most bytes of an answer of a provider.
pub(super) const MOST: usize = 256 * 1024;
/// Issuers that are kept.
const MOST_ISSUERS: usize = 1000;
/// States that are remembered.
const MOST_STATES: usize = 16_384;
/// Renewals that are remembered; each holds a session with its tokens.
const MOST_RENEWALS: usize = 1024;
/// How long the result of a renewal serves those who still come with the session before it. A failure serves only those
/// who have waited for it.
const SERVES: Duration = Duration::from_secs(60);

/// The state of all logins of the process.
pub struct Logins {
    issuers: Mutex<HashMap<String, Arc<Issuer>>>,
    /// States of attempts that have come back.
    used: Cache<String, ()>,
    renewals: Cache<String, Arc<Renewal>>,
}

impl Default for Logins {
    fn default() -> Self {
        Self { issuers: Mutex::default(), used: Cache::new(MOST_STATES), renewals: Cache::new(MOST_RENEWALS) }
    }
}

impl std::fmt::Debug for Logins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Logins").finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Issuer(tokio::sync::Mutex<Description>);

#[derive(Default)]
struct Description {
    known: Option<(Endpoints, Instant)>,
    failed: Option<(Failure, Instant)>,
}

/// What became of a session that was renewed.
#[derive(Clone, Debug)]
pub(super) enum Renewed {
    /// It goes on like this.
    Session(Box<Session>),
    /// The provider does not vouch for the user any more.
    Lost,
    /// It could not be asked.
    Failed(Failure),
}

#[derive(Default)]
struct Renewal(tokio::sync::Mutex<Option<(Renewed, Instant)>>);

impl Description {
    /// The endpoints, where nothing has to be fetched; `None` where something has.
    fn ready(&self, now: Instant) -> Option<Result<Endpoints, Failure>> {
        let age = |since: Instant| now.saturating_duration_since(since);
        let failed = |pause| self.failed.as_ref().filter(|(_, at)| age(*at) < pause);
        match &self.known {
            Some((endpoints, since)) if age(*since) < FRESH => Some(Ok(endpoints.clone())),
            Some((endpoints, since)) if age(*since) < USABLE && failed(PAUSE).is_some() => {
                Some(Ok(endpoints.clone()))
            }
            _ => failed(PAUSE_WITHOUT).map(|(failure, _)| Err(failure.clone())),
        }
    }

    /// What is said now that a request has ended.
    fn settle(&mut self, asked: Result<Endpoints, Failure>, now: Instant) -> Result<Endpoints, Failure> {
        match asked {
            Ok(endpoints) => {
                *self = Self { known: Some((endpoints.clone(), now)), failed: None };
                Ok(endpoints)
            }
            Err(failure) => {
                self.failed = Some((failure.clone(), now));
                let age = |since: Instant| now.saturating_duration_since(since);
                let usable = self.known.as_ref().filter(|(_, since)| age(*since) < USABLE);
                usable.map(|(endpoints, _)| endpoints.clone()).ok_or(failure)
            }
        }
    }
}

impl Logins {
    /// The endpoints of an issuer, which describes itself at this URL.
    pub(super) async fn endpoints(
        &self,
        issuer: &str,
        url: &Arc<JoinedUrl>,
        addresses: &Arc<dyn Addresses>,
        upstream: &dyn Upstream,
    ) -> Result<Endpoints, Failure> {
        let entry = {
            let mut issuers = self.issuers.lock().unwrap_or_else(PoisonError::into_inner);
            if issuers.len() >= MOST_ISSUERS {
                issuers.clear();
            }
            Arc::clone(issuers.entry(issuer.to_owned()).or_default())
        };
        // Who comes while another asks waits for the answer.
        let mut description = entry.0.lock().await;
        if let Some(ready) = description.ready(Instant::now()) {
            return ready;
        }
        let asked = fetch(issuer, url, addresses, upstream).await;
        if let Err(failure) = &asked {
            tracing::warn!(issuer, "what an issuer says of itself could not be read: {}", failure.message);
        }
        description.settle(asked, Instant::now())
    }

    /// Notes that an attempt has come back; `false` when it has before. For this process only: beyond it, the provider
    /// takes no code twice.
    pub(super) fn first_use(&self, state: &str) -> bool {
        let mut fresh = false;
        // Of several that come at once, one makes the entry and the others wait for it.
        let made = self.used.get_or_insert_with(state, || {
            fresh = true;
            Ok::<_, Infallible>(())
        });
        fresh && made.is_ok()
    }

    /// Renews a session once, whoever comes with it at the same time or a little later: a refresh token may be good for
    /// one use only.
    pub(super) async fn renewed<F>(&self, key: &str, renew: F) -> Renewed
    where
        F: Future<Output = Renewed> + Send,
    {
        let made = self.renewals.get_or_insert_with(key, || Ok::<_, Infallible>(Arc::default()));
        let renewal: Arc<Renewal> = made.unwrap_or_default();
        let came = Instant::now();
        let mut result = renewal.0.lock().await;
        if let Some((renewed, at)) = &*result {
            let failed = matches!(renewed, Renewed::Failed(_));
            if *at >= came || (!failed && at.elapsed() < SERVES) {
                return renewed.clone();
            }
        }
        let renewed = renew.await;
        *result = Some((renewed.clone(), Instant::now()));
        renewed
    }
}

async fn fetch(
    issuer: &str,
    url: &Arc<JoinedUrl>,
    addresses: &Arc<dyn Addresses>,
    upstream: &dyn Upstream,
) -> Result<Endpoints, Failure> {
    let fetch = Fetch {
        provider: Arc::from("login"),
        url: Arc::clone(url),
        method: Method::GET,
        headers: HeaderMap::new(),
        body: bytes::Bytes::new(),
        time: TIME,
        most: MOST,
        addresses: Some(Arc::clone(addresses)),
    };
    let (status, body) = fetch.run(upstream).await.map_err(|fault| Failure::unreachable(&fault))?;
    if !status.is_success() {
        return Err(Failure::status(status, "its description (`/.well-known/openid-configuration`)"));
    }
    read_description(&body, issuer).map_err(|wrong| {
        Failure::description(&format!("what the issuer says of itself cannot be used: {wrong}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoints() -> Endpoints {
        let url = Arc::new(crate::web_url::parse("https://a.example/").expect("a URL"));
        Endpoints { authorize: Arc::clone(&url), token: url, userinfo: None, signed: None, basic: true }
    }

    fn word(ready: Option<Result<Endpoints, Failure>>) -> &'static str {
        match ready {
            Some(Ok(_)) => "known",
            Some(Err(_)) => "failed",
            None => "ask",
        }
    }

    #[test]
    fn descriptions_grow_old() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut description = Description::default();
        assert_eq!(word(description.ready(start)), "ask");
        assert!(description.settle(Err(Failure::description("down")), start).is_err());
        assert_eq!((word(description.ready(at(1))), word(description.ready(at(2)))), ("failed", "ask"));
        assert!(description.settle(Ok(endpoints()), at(2)).is_ok());
        assert_eq!((word(description.ready(at(3601))), word(description.ready(at(3602)))), ("known", "ask"));
        assert!(
            description.settle(Err(Failure::description("down")), at(3602)).is_ok(),
            "the old ones are used on"
        );
        assert_eq!((word(description.ready(at(3631))), word(description.ready(at(3632)))), ("known", "ask"));
        assert!(
            description.settle(Err(Failure::description("down")), at(2 + 24 * 3600)).is_err(),
            "not for ever"
        );
    }

    #[test]
    fn a_state_is_used_once() {
        let logins = Logins::default();
        assert!(logins.first_use("a") && logins.first_use("b") && !logins.first_use("a"));
    }

    #[tokio::test]
    async fn a_session_is_renewed_once_for_all_who_come_with_it() {
        let logins = Logins::default();
        let count = std::sync::atomic::AtomicUsize::new(0);
        let renew = || async {
            tokio::task::yield_now().await;
            count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            Renewed::Lost
        };
        let all = tokio::join!(
            logins.renewed("a", renew()),
            logins.renewed("a", renew()),
            logins.renewed("b", renew())
        );
        assert!(matches!(all, (Renewed::Lost, Renewed::Lost, Renewed::Lost)));
        logins.renewed("a", renew()).await;
        assert_eq!(count.load(std::sync::atomic::Ordering::SeqCst), 2, "once for a, once for b");
    }
}
