//! Public keys of who issues tokens, fetched and kept: by URL, for all policies of the process.
//!
//! Keys are fresh for 15 minutes. Then they are used on while they are fetched again in the background, for a day if the
//! server does not answer. A token with a key that is not known asks early, at most once a minute, so that a new key is
//! accepted at once and made-up ones cannot make the gateway knock at the server's door.

use crate::fetch::Fetch;
use crate::upstream::{Addresses, Upstream};
use foldhash::HashMap;
use http::{HeaderMap, Method};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tollgate_cloud::KeySet;
use tollgate_dialect::url::JoinedUrl;

/// How long keys are fresh.
const FRESH: Duration = Duration::from_secs(15 * 60);
/// How long they are used when they cannot be fetched again.
const USABLE: Duration = Duration::from_secs(24 * 3600);
/// How often unknown keys may ask early.
const EARLY: Duration = Duration::from_secs(60);
/// How long after a failure nobody asks again: while there are keys, and while there are none.
const PAUSE: Duration = Duration::from_secs(30);
const PAUSE_WITHOUT: Duration = Duration::from_secs(2);
/// Time for a request.
const TIME: Duration = Duration::from_secs(5);
/// Most bytes of a set.
const MOST: usize = 256 * 1024;
/// URLs that are kept; a policy may compute them.
const MOST_URLS: usize = 1000;

/// Sets of keys by URL.
#[derive(Default)]
pub struct Jwks {
    known: Mutex<HashMap<String, Arc<Entry>>>,
}

impl std::fmt::Debug for Jwks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Jwks").finish_non_exhaustive()
    }
}

/// Where a set is, and which addresses may be asked for it.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) url: Arc<JoinedUrl>,
    pub(crate) addresses: Arc<dyn Addresses>,
}

#[derive(Default)]
struct Entry {
    state: Mutex<State>,
    /// Held by who asks.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Clone, Default)]
struct State {
    keys: Option<(Arc<KeySet>, Instant)>,
    failed: Option<Instant>,
    early: Option<Instant>,
    /// Somebody asks in the background.
    renewing: bool,
}

/// What is to be done for somebody who wants keys.
enum Next {
    Use(Arc<KeySet>),
    /// These are used, and others fetched.
    Renew(Arc<KeySet>),
    Fetch,
    Nothing,
}

impl State {
    fn next(&mut self, now: Instant) -> Next {
        let age = |since: Instant| now.saturating_duration_since(since);
        let rests = |pause| self.failed.is_some_and(|failed| age(failed) < pause);
        match &self.keys {
            Some((keys, since)) if age(*since) < FRESH => Next::Use(Arc::clone(keys)),
            Some((keys, since)) if age(*since) < USABLE => {
                let keys = Arc::clone(keys);
                if self.renewing || rests(PAUSE) {
                    return Next::Use(keys);
                }
                self.renewing = true;
                Next::Renew(keys)
            }
            _ if rests(PAUSE_WITHOUT) => Next::Nothing,
            _ => Next::Fetch,
        }
    }

    /// Whether an unknown key may ask early, now.
    fn claim_early(&mut self, now: Instant) -> bool {
        let may = self.early.is_none_or(|early| now.saturating_duration_since(early) >= EARLY);
        if may {
            self.early = Some(now);
        }
        may
    }

    fn usable(&self, now: Instant) -> Option<Arc<KeySet>> {
        let keys = self.keys.as_ref().filter(|(_, since)| now.saturating_duration_since(*since) < USABLE);
        keys.map(|(keys, _)| Arc::clone(keys))
    }
}

impl Entry {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(&self, place: &Place, upstream: &dyn Upstream) {
        let asked = fetch(place, upstream).await;
        let mut state = self.state();
        match asked {
            Ok(keys) => {
                state.keys = Some((Arc::new(keys), Instant::now()));
                state.failed = None;
            }
            Err(why) => {
                let url = place.url.without_query();
                tracing::warn!(url, "public keys for tokens could not be read: {why}");
                state.failed = Some(Instant::now());
            }
        }
    }
}

impl Jwks {
    fn entry(&self, url: &str) -> Arc<Entry> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = known.get(url) {
            return Arc::clone(entry);
        }
        if known.len() >= MOST_URLS {
            known.clear();
        }
        Arc::clone(known.entry(url.to_owned()).or_default())
    }

    /// The keys at a place; `None` when there are none and the server does not give any.
    pub(crate) async fn get(&self, place: &Place, upstream: &dyn Upstream) -> Option<Arc<KeySet>> {
        let entry = self.entry(&place.url.full);
        let next = entry.state().next(Instant::now());
        match next {
            Next::Use(keys) => Some(keys),
            Next::Nothing => None,
            Next::Renew(keys) => {
                renew(entry, place, upstream).await;
                Some(keys)
            }
            Next::Fetch => {
                let _asking = entry.asking.lock().await;
                // Perhaps somebody has asked meanwhile.
                let next = entry.state().next(Instant::now());
                if matches!(next, Next::Fetch) {
                    entry.ask(place, upstream).await;
                }
                entry.state().usable(Instant::now())
            }
        }
    }

    /// The keys at a place after one was not found among `seen`; `None` when there are no others.
    pub(crate) async fn get_early(
        &self,
        place: &Place,
        seen: &Arc<KeySet>,
        upstream: &dyn Upstream,
    ) -> Option<Arc<KeySet>> {
        let entry = self.entry(&place.url.full);
        let _asking = entry.asking.lock().await;
        let others = || entry.state().usable(Instant::now()).filter(|keys| !Arc::ptr_eq(keys, seen));
        if let Some(others) = others() {
            return Some(others);
        }
        let may = entry.state().claim_early(Instant::now());
        if may {
            entry.ask(place, upstream).await;
        }
        others()
    }
}

/// Fetches keys again, in the background where there is one.
async fn renew(entry: Arc<Entry>, place: &Place, upstream: &dyn Upstream) {
    let Some(detached) = upstream.detached() else {
        entry.ask(place, upstream).await;
        entry.state().renewing = false;
        return;
    };
    let place = place.clone();
    tokio::spawn(async move {
        let asking = entry.asking.lock().await;
        entry.ask(&place, &*detached).await;
        entry.state().renewing = false;
        drop(asking);
    });
}

async fn fetch(place: &Place, upstream: &dyn Upstream) -> Result<KeySet, String> {
    let fetch = Fetch {
        provider: Arc::from("jwks"),
        url: Arc::clone(&place.url),
        method: Method::GET,
        headers: HeaderMap::new(),
        body: bytes::Bytes::new(),
        time: TIME,
        most: MOST,
        addresses: Some(Arc::clone(&place.addresses)),
    };
    let (status, body) = fetch.run(upstream).await.map_err(|fault| fault.describe().into_owned())?;
    if !status.is_success() {
        return Err(format!("status {}", status.as_u16()));
    }
    KeySet::parse(&body).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::{Call, Reply};
    use async_trait::async_trait;
    use bytes::Bytes;
    use http::StatusCode;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use tollgate_select::Fault;

    const SET: &str =
        r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

    #[derive(Default)]
    struct Server {
        asked: AtomicUsize,
        down: AtomicBool,
    }

    struct Document(Option<Bytes>);

    #[async_trait]
    impl Upstream for Server {
        async fn open(&self, _call: Call) -> Result<Box<dyn Reply>, Fault> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            if self.down.load(Ordering::SeqCst) {
                return Err(Fault::Connect);
            }
            Ok(Box::new(Document(Some(Bytes::from_static(SET.as_bytes())))))
        }
    }

    #[async_trait]
    impl Reply for Document {
        fn status(&self) -> StatusCode {
            StatusCode::OK
        }
        fn take_headers(&mut self) -> HeaderMap {
            HeaderMap::new()
        }
        async fn chunk(&mut self) -> Result<Option<Bytes>, Fault> {
            Ok(self.0.take())
        }
        async fn done(self: Box<Self>) {}
    }

    struct All;
    impl Addresses for All {
        fn allows(&self, _: std::net::SocketAddr) -> bool {
            true
        }
    }

    fn place() -> Place {
        let url = crate::web_url::parse("https://issuer.example/jwks").expect("a URL");
        Place { url: Arc::new(url), addresses: Arc::new(All) }
    }

    fn asked(server: &Server) -> usize {
        server.asked.load(Ordering::SeqCst)
    }

    #[tokio::test]
    async fn one_request_serves_all_who_wait_and_all_who_follow() {
        let (jwks, server, place) = (Jwks::default(), Server::default(), place());
        let both = tokio::join!(jwks.get(&place, &server), jwks.get(&place, &server));
        assert!(both.0.is_some() && both.1.is_some());
        assert!(jwks.get(&place, &server).await.is_some());
        assert_eq!(asked(&server), 1);
    }

    #[tokio::test]
    async fn unknown_keys_ask_once_a_minute() {
        let (jwks, server, place) = (Jwks::default(), Server::default(), place());
        let first = jwks.get(&place, &server).await.expect("keys");
        let second = jwks.get_early(&place, &first, &server).await.expect("others");
        assert!(!Arc::ptr_eq(&first, &second));
        assert!(jwks.get_early(&place, &second, &server).await.is_none(), "not twice in a minute");
        assert!(jwks.get_early(&place, &first, &server).await.is_some(), "who saw the older ones gets these");
        assert_eq!(asked(&server), 2);
    }

    #[tokio::test]
    async fn without_an_answer_there_are_no_keys_and_nobody_asks_at_once_again() {
        let (jwks, server, place) = (Jwks::default(), Server::default(), place());
        server.down.store(true, Ordering::SeqCst);
        assert!(jwks.get(&place, &server).await.is_none());
        assert!(jwks.get(&place, &server).await.is_none());
        assert_eq!(asked(&server), 1);
    }

    #[test]
    fn keys_grow_old() {
        let start = Instant::now();
        let keys = Arc::new(KeySet::parse(SET.as_bytes()).expect("a set"));
        let fresh = State { keys: Some((keys, start)), ..State::default() };
        let word = |state: &mut State, after: u64| match state.next(start + Duration::from_secs(after)) {
            Next::Use(_) => "use",
            Next::Renew(_) => "renew",
            Next::Fetch => "fetch",
            Next::Nothing => "nothing",
        };
        assert_eq!(word(&mut fresh.clone(), 14 * 60 + 59), "use");
        let mut stale = fresh.clone();
        assert_eq!((word(&mut stale, 15 * 60), word(&mut stale, 15 * 60 + 1)), ("renew", "use"), "once");
        let failed = start + Duration::from_secs(16 * 60);
        let mut stale = State { failed: Some(failed), ..fresh.clone() };
        assert_eq!((word(&mut stale, 16 * 60 + 29), word(&mut stale, 16 * 60 + 30)), ("use", "renew"));
        assert_eq!(word(&mut fresh.clone(), 24 * 3600 - 1), "renew");
        assert_eq!(word(&mut fresh.clone(), 24 * 3600), "fetch", "too old to be used");
        assert!(fresh.usable(start + Duration::from_secs(24 * 3600)).is_none());
        let mut none = State { failed: Some(start), ..State::default() };
        assert_eq!((word(&mut none, 1), word(&mut none, 2)), ("nothing", "fetch"));
        let mut early = State::default();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(early.claim_early(at(0)) && !early.claim_early(at(59)) && early.claim_early(at(60)));
    }
}
