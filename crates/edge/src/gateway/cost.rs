//! What an attempt cost: as its provider says, else by the price book.

use super::Gateway;
use super::report::Report;
use crate::exchange::Exchange;
use crate::late_costs::{self, Unsettled};
use crate::lists;
use http::HeaderMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;
use tollgate_catalog::cost::{self, Parts, Source};
use tollgate_dialect::{Surface, Usage};
use tollgate_select::{Candidate, Key};

/// What an attempt cost, in millionths of a dollar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Charged {
    /// What the provider charges; `None` when nobody knows.
    pub(super) micros: Option<u64>,
    /// Where that is from.
    pub(super) source: Source,
    /// The parts by the price book; they add up to what was computed, not to what was reported.
    pub(super) parts: Option<Parts>,
    /// With one's own key at the provider behind OpenRouter: what that one charges besides.
    pub(super) upstream_micros: Option<u64>,
    suspicious: bool,
}

/// What an attempt came to, as far as it matters for its cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// To an answer.
    Answered,
    /// To an error, or to a part of an answer.
    Failed,
}

/// What an attempt has said so far, whatever becomes of it.
#[derive(Debug, Default)]
pub(super) struct Used(Mutex<Said>);

#[derive(Clone, Debug, Default)]
struct Said {
    usage: Option<Usage>,
    /// What OpenRouter calls the answer.
    generation: Option<String>,
}

impl Used {
    /// Notes what was reported, if anything was.
    pub(super) fn note(&self, usage: Option<Usage>) {
        if usage.is_some() {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).usage = usage;
        }
    }

    /// Notes the head of the answer.
    pub(super) fn begun(&self, headers: &HeaderMap) {
        let generation = late_costs::generation(headers);
        if generation.is_some() {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).generation = generation;
        }
    }

    fn get(&self) -> Said {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Who was asked.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) candidate: &'a Candidate,
    pub(super) key: Option<&'a Key>,
    pub(super) surface: Surface,
}

impl Charged {
    fn of(candidate: &Candidate, surface: Surface, usage: &Usage, came: Came, now: SystemTime) -> Self {
        let openrouter = candidate.provider.id == lists::PROVIDER;
        // With one's own key OpenRouter asks for a fee, which the price book does not have and which may be nothing.
        let fee = usage.upstream_cost.is_some() && usage.cost.is_some();
        // It charges nothing for answers that failed, nor for those without a word (openrouter.ai/docs, "Zero Completion
        // Insurance").
        let insured = came == Came::Failed || (usage.output_tokens == 0 && surface.is_conversation());
        let believed = fee || (openrouter && insured && usage.cost == Some(0.0));
        let free = openrouter && came == Came::Failed && usage.cost.is_none();
        let prices = Some(&candidate.model.pricing).filter(|_| !believed && !free);
        let computed = prices.and_then(|prices| cost::of(prices, usage, now));
        let settled = cost::reconcile(computed.map(|cost| cost.micros), usage.cost);
        let upstream_micros = cost::reconcile(None, usage.upstream_cost).micros;
        Self {
            micros: settled.micros,
            source: settled.source,
            parts: computed.map(|cost| cost.parts),
            upstream_micros,
            suspicious: settled.suspicious,
        }
    }

    /// Who says so, as people read it.
    pub(super) fn source_name(&self) -> Option<&'static str> {
        match self.source {
            Source::Reported => Some("reported"),
            Source::Computed => Some("computed"),
            Source::Unknown => None,
        }
    }
}

impl Gateway {
    /// Notes the cost of an answer with these figures in the request's record.
    pub(super) fn charge(
        &self,
        exchange: &mut Exchange,
        candidate: &Candidate,
        surface: Surface,
        (usage, came): (Option<&Usage>, Came),
    ) -> Charged {
        // Counting tokens uses none.
        let usage = usage.filter(|_| surface != Surface::CountTokens);
        let charged =
            usage.map(|usage| Charged::of(candidate, surface, usage, came, exchange.now)).unwrap_or_default();
        let record = &mut exchange.record;
        let failed = record.failed_cost_micros.unwrap_or(0);
        record.cost_micros = charged.micros.map(|micros| micros.saturating_add(failed));
        record.cost_source = charged.source_name();
        record.cost_parts = charged.parts.map(|parts| parts.amounts());
        record.upstream_cost_micros = charged.upstream_micros;
        charged
    }

    /// The same when the answer is over: then it is counted, too.
    pub(super) fn charge_finally(
        &self,
        exchange: &mut Exchange,
        candidate: &Candidate,
        surface: Surface,
        reported: (Option<&Usage>, Came),
    ) -> Charged {
        let charged = self.charge(exchange, candidate, surface, reported);
        self.count(candidate, &charged);
        charged
    }

    /// Notes and counts what a failed attempt cost, where it said what it used. An attempt that said nothing has no cost.
    /// `given_up`: the gateway did not wait for its end.
    pub(super) fn charge_failed(
        &self,
        exchange: &mut Exchange,
        asked: Asked<'_>,
        (used, given_up): (&Used, bool),
        report: Option<&mut Report>,
    ) {
        let Asked { candidate, surface, .. } = asked;
        let Said { usage, generation } = used.get();
        let usage = usage.filter(|_| surface != Surface::CountTokens);
        let charged = usage.map(|usage| Charged::of(candidate, surface, &usage, Came::Failed, exchange.now));
        if given_up {
            let counted = charged.and_then(|charged| charged.micros);
            self.ask_later(exchange, asked, generation, (usage.as_ref(), counted));
        }
        let (Some(usage), Some(charged)) = (usage, charged) else { return };
        self.count(candidate, &charged);
        let record = &mut exchange.record;
        if let Some(micros) = charged.micros {
            let sum = record.failed_cost_micros.unwrap_or(0).saturating_add(micros);
            record.failed_cost_micros = Some(sum);
            record.cost_micros = Some(sum);
        }
        if let Some(report) = report {
            report.used(&usage);
            report.cost(&charged, record);
        }
    }

    /// Has OpenRouter asked later what an answer cost that ended before it said so. `counted`: what was counted of it, in
    /// millionths of a dollar.
    pub(super) fn ask_later(
        &self,
        exchange: &mut Exchange,
        asked: Asked<'_>,
        generation: Option<String>,
        (usage, counted): (Option<&Usage>, Option<u64>),
    ) {
        let Asked { candidate, key, .. } = asked;
        let provider = &candidate.provider;
        let silent = usage.is_none_or(|usage| usage.cost.is_none());
        let wanted = provider.id == lists::PROVIDER && silent;
        let (Some(generation), Some(key), true) = (generation, key, wanted) else { return };
        let Some(runtime) = self.runtime.get(provider) else { return };
        exchange.unsettled.push(Unsettled {
            generation,
            request_id: Arc::clone(&exchange.request.id),
            base: provider.base_url.clone(),
            key: key.value.clone(),
            metrics: Arc::clone(&runtime.metrics),
            counted: counted.unwrap_or(0),
        });
    }

    fn count(&self, candidate: &Candidate, charged: &Charged) {
        if charged.suspicious {
            tracing::warn!(
                provider = %candidate.provider.id, model = %candidate.upstream_model,
                "the provider reports a cost of 0 for a model that is not free; the price book counts"
            );
        }
        let Some(runtime) = self.runtime.get(&candidate.provider) else { return };
        if let Some(micros) = charged.micros {
            runtime.metrics.cost(micros);
        }
        if let Some(parts) = charged.parts {
            runtime.metrics.cost_parts(&parts.amounts());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_counted_under_their_names() {
        assert_eq!(Parts::NAMES, tollgate_observe::COST_PARTS);
    }
}
