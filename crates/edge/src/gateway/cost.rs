//! What an answer cost: as its provider says, else by the price book.

use super::Gateway;
use std::time::SystemTime;
use tollgate_catalog::cost::{self, Settled};
use tollgate_dialect::Usage;
use tollgate_select::Candidate;

impl Gateway {
    /// The cost of an answer with these figures.
    pub(super) fn settle(&self, candidate: &Candidate, usage: &Usage, now: SystemTime) -> Settled {
        let computed = cost::of(&candidate.model.pricing, usage, now).map(|cost| cost.micros);
        let settled = cost::reconcile(computed, usage.cost);
        if settled.suspicious {
            tracing::warn!(
                provider = %candidate.provider.id, model = %candidate.upstream_model,
                "the provider reports a cost of 0 for a model that is not free; the price book counts"
            );
        }
        settled
    }
}
