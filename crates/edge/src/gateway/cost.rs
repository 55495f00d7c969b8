//! What an answer cost: as its provider says, else by the price book.

use super::Gateway;
use crate::exchange::Exchange;
use std::time::SystemTime;
use tollgate_catalog::cost;
use tollgate_dialect::{Surface, Usage};
use tollgate_select::Candidate;

/// What an answer cost, in millionths of a dollar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Charged {
    /// What the provider charges; `None` when nobody knows.
    pub(super) micros: Option<u64>,
    /// With one's own key at the provider behind OpenRouter: what that one charges besides.
    pub(super) upstream_micros: Option<u64>,
    suspicious: bool,
}

impl Charged {
    fn of(candidate: &Candidate, usage: &Usage, now: SystemTime) -> Self {
        // With one's own key OpenRouter asks for a fee, which the price book does not have and which may be nothing.
        let fee = usage.upstream_cost.is_some() && usage.cost.is_some();
        let prices = Some(&candidate.model.pricing).filter(|_| !fee);
        let computed = prices.and_then(|prices| cost::of(prices, usage, now)).map(|cost| cost.micros);
        let settled = cost::reconcile(computed, usage.cost);
        let upstream_micros = cost::reconcile(None, usage.upstream_cost).micros;
        Self { micros: settled.micros, upstream_micros, suspicious: settled.suspicious }
    }
}

impl Gateway {
    /// Notes the cost of an answer with these figures in the request's record.
    pub(super) fn charge(
        &self,
        exchange: &mut Exchange,
        candidate: &Candidate,
        surface: Surface,
        usage: Option<&Usage>,
    ) -> Charged {
        // Counting tokens uses none.
        let Some(usage) = usage.filter(|_| surface != Surface::CountTokens) else {
            return Charged::default();
        };
        let charged = Charged::of(candidate, usage, exchange.now);
        exchange.record.cost_micros = charged.micros;
        exchange.record.upstream_cost_micros = charged.upstream_micros;
        charged
    }

    /// The same when the answer is over: then it is counted, too.
    pub(super) fn charge_finally(
        &self,
        exchange: &mut Exchange,
        candidate: &Candidate,
        surface: Surface,
        usage: Option<&Usage>,
    ) {
        if self.charge(exchange, candidate, surface, usage).suspicious {
            tracing::warn!(
                provider = %candidate.provider.id, model = %candidate.upstream_model,
                "the provider reports a cost of 0 for a model that is not free; the price book counts"
            );
        }
        let runtime = self.runtime.get(&candidate.provider);
        if let (Some(runtime), Some(micros)) = (runtime, exchange.record.cost_micros) {
            runtime.metrics.cost(micros);
        }
    }
}
