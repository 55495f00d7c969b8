//! OpenRouter's own list of models, read when it is first needed and kept for an hour: prices and models change faster
//! than releases of this program. Without it the embedded snapshot serves. What it says of models that only their authors
//! serve is the authors' price too.

use crate::engine::Shared;
use crate::fetch::Fetch;
use crate::upstream::Upstream;
use http::{HeaderMap, Method};
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use tollgate_catalog::openrouter_models::{self, Listing};
use tollgate_catalog::{Catalog, PriceSource, Provider, RefusedPrice};
use tollgate_dialect::url::join;

/// The provider whose list is read.
pub(crate) const PROVIDER: &str = "openrouter";
/// How it is called where prices come from.
const SOURCE: &str = "OpenRouter's list of models (openrouter.ai/api/v1/models)";
/// How long a list is fresh.
const FRESH: Duration = Duration::from_secs(3600);
/// How long after a failure nobody asks again.
const PAUSE: Duration = Duration::from_secs(60);
/// Time for the request.
const TIME: Duration = Duration::from_secs(20);
/// Most bytes of a list; it had 1 MiB in 2026.
const MOST: usize = 32 << 20; // 32 MiB

/// What is read of the lists of providers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadLists {
    /// Nothing: the embedded snapshot is all there is.
    Nothing,
    /// OpenRouter's models and their prices there.
    OpenRouter,
    /// These, and from them the prices of authors' own models at the authors.
    All,
}

/// When a list was read last, and what is wanted of it.
pub struct Lists {
    wanted: ReadLists,
    /// Prices of the list that were refused and logged, as `provider:model`. No more than there are models.
    refused: Mutex<HashSet<String>>,
    started: Instant,
    /// Milliseconds since `started` until which nobody needs to ask; 0 at first.
    until: AtomicU64,
    asking: AtomicBool,
    /// Told when the catalogue has changed.
    changed: Mutex<Option<Sender<()>>>,
}

impl Lists {
    /// Lists of which this is wanted.
    #[must_use]
    pub fn new(wanted: ReadLists) -> Self {
        let (until, asking) = (AtomicU64::new(0), AtomicBool::new(false));
        let (refused, changed) = (Mutex::default(), Mutex::new(None));
        Self { wanted, refused, started: Instant::now(), until, asking, changed }
    }

    /// Who is told of a new list.
    pub(crate) fn tell(&self, changed: Sender<()>) {
        *self.changed.lock().unwrap_or_else(PoisonError::into_inner) = Some(changed);
    }

    /// Whether a list should be read now; the caller then does.
    fn claim(&self) -> bool {
        let now = self.elapsed();
        self.wanted != ReadLists::Nothing
            && self.until.load(Ordering::Relaxed) <= now
            && !self.asking.swap(true, Ordering::AcqRel)
    }

    /// The catalogue with what the list says of it.
    fn lay(&self, catalog: &Catalog, listing: Listing, now: SystemTime) -> Catalog {
        let day: String = tollgate_observe::rfc3339_millis(now).chars().take("YYYY-MM-DD".len()).collect();
        let from = PriceSource { source: SOURCE.to_owned(), as_of: day };
        let Listing { mut models, prices } = listing;
        for model in &mut models {
            model.price_source = Some(from.clone());
        }
        let catalog = catalog.with_models(PROVIDER, models);
        if self.wanted != ReadLists::All {
            return catalog;
        }
        let (catalog, refused) = catalog.with_list_prices(&Catalog::builtin(), &prices, &from);
        let mut known = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        for RefusedPrice { provider, model, why } in refused {
            if known.insert(format!("{provider}:{model}")) {
                tracing::warn!(%provider, %model, "a price of OpenRouter's list is not believed, the embedded one stays: {why}");
            }
        }
        catalog
    }

    fn rest(&self, time: Duration) {
        let time = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.until.store(self.elapsed().saturating_add(time), Ordering::Relaxed);
        self.asking.store(false, Ordering::Release);
    }

    fn elapsed(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Reads the list in the background, if it is wanted and not fresh. Costs one load of an atomic otherwise.
pub(crate) fn refresh(shared: &Arc<Shared>, upstream: &Arc<dyn Upstream>, provider: &Provider) {
    if !shared.lists.claim() {
        return;
    }
    let (shared, upstream, base) = (Arc::clone(shared), Arc::clone(upstream), provider.base_url.clone());
    tokio::spawn(async move {
        let read = read(&*upstream, &base).await;
        match read {
            Ok(listing) => {
                let count = listing.models.len();
                let catalog = shared.lists.lay(&shared.catalog.load(), listing, SystemTime::now());
                shared.catalog.store(Arc::new(catalog));
                shared.lists.rest(FRESH);
                let changed = shared.lists.changed.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(changed) = &*changed {
                    // The receiver lives as long as the process.
                    let _ = changed.send(());
                }
                tracing::info!(models = count, "read OpenRouter's list of models");
            }
            Err(why) => {
                shared.lists.rest(PAUSE);
                tracing::warn!("OpenRouter's list of models could not be read, the one before serves: {why}");
            }
        }
    });
}

async fn read(upstream: &dyn Upstream, base: &str) -> Result<Listing, String> {
    let url = join(base, None, "/models", None, &[]).map_err(|error| error.to_string())?;
    let fetch = Fetch {
        provider: PROVIDER.into(),
        url: Arc::new(url),
        method: Method::GET,
        headers: HeaderMap::new(),
        body: bytes::Bytes::new(),
        time: TIME,
        most: MOST,
        addresses: None,
    };
    let (status, body) = fetch.run(upstream).await.map_err(|fault| fault.describe().into_owned())?;
    if !status.is_success() {
        return Err(format!("status {}", status.as_u16()));
    }
    let listing = openrouter_models::parse(&body).map_err(|error| error.to_string())?;
    if listing.models.is_empty() { Err("it is empty".to_owned()) } else { Ok(listing) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_and_only_when_wanted() {
        assert!(!Lists::new(ReadLists::Nothing).claim());
        let lists = Lists::new(ReadLists::OpenRouter);
        assert!(lists.claim());
        assert!(!lists.claim(), "somebody is asking");
        lists.rest(FRESH);
        assert!(!lists.claim(), "fresh");
        lists.rest(Duration::ZERO);
        assert!(lists.claim(), "old again");
    }
}
