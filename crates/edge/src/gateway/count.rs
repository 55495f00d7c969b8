//! `POST /v1/messages/count_tokens` for models whose provider cannot count: the gateway's own estimate.

use super::prepare::Prepared;
use super::{Gateway, Incoming};
use crate::answer::Answer;
use crate::exchange::Exchange;
use bytes::Bytes;
use http::StatusCode;
use tollgate_catalog::Tokenizer;
use tollgate_dialect::{Surface, tokens};

impl Gateway {
    /// The count, if the first model in question has a provider without this operation.
    pub(super) fn count_here(
        &self,
        exchange: &mut Exchange,
        incoming: &Incoming,
        prepared: &Prepared,
    ) -> Option<Answer> {
        if incoming.surface != Surface::CountTokens {
            return None;
        }
        let first = prepared.plan.candidates.first()?;
        if first.provider.serves(Surface::CountTokens) {
            return None;
        }
        let o200k = first.model.tokenizer == Tokenizer::O200kBase;
        let count = tokens::estimate(Surface::CountTokens, &incoming.body, o200k);
        exchange.record.provider = Some(first.provider.id.clone());
        exchange.record.model_served = Some(first.upstream_model.clone());
        let body = Bytes::from(format!(r#"{{"input_tokens":{count}}}"#));
        Some(Answer { response_phase: true, ..Answer::json(StatusCode::OK, body) })
    }
}
