//! What an answer of OpenRouter's cost that was cut off before it said so: asked of OpenRouter when the request is over
//! (`GET /generation`), off its way.
//!
//! Source: openrouter.ai/docs, "Get request & usage metadata for a generation". The record comes into being some time
//! after the answer.

use crate::accounts;
use crate::engine::Shared;
use crate::proxy::headers::dollars;
use crate::upstream::Upstream;
use http::HeaderMap;
use secrecy::SecretString;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tollgate_catalog::cost;
use tollgate_observe::ProviderMetrics;

/// How long OpenRouter has to write its record, before the first and before the second question.
const WAITS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(5)];
/// Answers that are asked about at the same time, waits included. What comes beyond is not asked about.
const MOST: usize = 64;
/// Longest identifier, in bytes. OpenRouter's have some thirty.
const LONGEST: usize = 128;

/// Whether such answers are asked about, and how many are.
pub struct LateCosts {
    enabled: bool,
    places: Arc<Semaphore>,
}

/// An answer whose cost is not known.
pub struct Unsettled {
    /// What OpenRouter calls it.
    pub(crate) generation: String,
    /// The request it answered.
    pub(crate) request_id: Arc<str>,
    /// Where OpenRouter is.
    pub(crate) base: String,
    /// The key that was used: others may not see the record.
    pub(crate) key: SecretString,
    /// Where the cost is counted.
    pub(crate) metrics: Arc<ProviderMetrics>,
    /// What was counted of it already, by the price book, in millionths of a dollar.
    pub(crate) counted: u64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Generation {
    total_cost: Option<f64>,
}

impl LateCosts {
    /// `enabled`: OpenRouter is asked.
    #[must_use]
    pub fn new(enabled: bool) -> Self {
        Self { enabled, places: Arc::new(Semaphore::new(MOST)) }
    }

    /// Those that are asked about.
    fn wanted(&self, unsettled: Vec<Unsettled>) -> Vec<Unsettled> {
        if self.enabled { unsettled } else { Vec::new() }
    }

    /// The right to ask about one more answer, if there is room.
    fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }
}

/// What OpenRouter calls the answer with this head.
pub(crate) fn generation(headers: &HeaderMap) -> Option<String> {
    let id = headers.get("x-generation-id")?.to_str().ok()?.trim();
    (!id.is_empty() && id.len() <= LONGEST).then(|| id.to_owned())
}

/// Asks in the background. The access log has its line by then: the cost goes to the metrics and to the program's log.
pub(crate) fn ask(shared: &Shared, upstream: &Arc<dyn Upstream>, unsettled: Vec<Unsettled>) {
    for answer in shared.late_costs.wanted(unsettled) {
        let Unsettled { generation, request_id, .. } = &answer;
        let Some(place) = shared.late_costs.place() else {
            tracing::info!(%request_id, %generation, "no late cost: too many answers are asked about");
            continue;
        };
        let upstream = Arc::clone(upstream);
        tokio::spawn(async move {
            let found = find(&*upstream, &answer).await;
            drop(place);
            settle(&answer, &found);
        });
    }
}

async fn find(upstream: &dyn Upstream, answer: &Unsettled) -> Result<u64, String> {
    let mut why = String::new();
    for wait in WAITS {
        tokio::time::sleep(wait).await;
        let query = [("id".to_owned(), answer.generation.clone())];
        let read =
            accounts::get::<Generation>(upstream, &answer.base, "/generation", &query, &answer.key).await;
        let micros = read.map(|generation| cost::reconcile(None, generation.total_cost).micros);
        match micros {
            Ok(Some(micros)) => return Ok(micros),
            Ok(None) => "its record has no cost".clone_into(&mut why),
            Err(reason) => why = reason,
        }
    }
    Err(why)
}

fn settle(answer: &Unsettled, found: &Result<u64, String>) {
    let Unsettled { generation, request_id, metrics, counted, .. } = answer;
    match found {
        Ok(micros) => {
            // A counter cannot go back: what was counted too much stays.
            metrics.cost(micros.saturating_sub(*counted));
            tracing::info!(%request_id, %generation, cost_usd = dollars(*micros).as_str(), "late cost");
        }
        Err(why) => tracing::info!(%request_id, %generation, "no late cost: {why}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn unsettled() -> Unsettled {
        Unsettled {
            generation: "gen-1".to_owned(),
            request_id: "r".into(),
            base: String::new(),
            key: String::new().into(),
            metrics: tollgate_observe::Metrics::new("test").provider("openrouter"),
            counted: 0,
        }
    }

    #[test]
    fn only_when_wanted_and_only_so_many() {
        assert_eq!(LateCosts::new(true).wanted(vec![unsettled()]).len(), 1);
        let off = LateCosts::new(false);
        assert!(off.wanted(vec![unsettled()]).is_empty());
        let on = LateCosts::new(true);
        let places: Vec<_> = (0..MOST).map(|_| on.place().expect("room")).collect();
        assert!(on.place().is_none());
        drop(places);
        assert!(on.place().is_some(), "room again");
    }

    #[test]
    fn identifiers_are_bounded() {
        let head = |id: &str| {
            HeaderMap::from_iter([(
                http::HeaderName::from_static("x-generation-id"),
                HeaderValue::try_from(id).expect("a value"),
            )])
        };
        assert_eq!(generation(&head("gen-1")).as_deref(), Some("gen-1"));
        for none in ["", " ", &"x".repeat(LONGEST + 1)] {
            assert_eq!(generation(&head(none)), None, "{none}");
        }
        assert_eq!(generation(&HeaderMap::new()), None);
    }
}
