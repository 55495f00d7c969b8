//! The attempt loop: one candidate and key after the other, until one answers.

use super::cost::{Asked, Came, Charged};
use super::errors::Failure;
use super::flight::Work;
use super::health::Course;
use super::hedge::AtHand;
use super::noted::note_lost;
use super::passed::passed;
use super::prepare::{Estimates, Prepared};
use super::receive::{Begun, Committed, Failed};
use super::relay::relay;
use super::report::Report;
use super::tally::{Timing, millis, note_quota};
use super::tried::{BREAKER_OPEN, not_sent};
use super::{Gateway, Incoming, RESULT};
use crate::action::{Flow, RequestCx};
use crate::answer::Fault as PolicyFault;
use crate::client::Over;
use crate::exchange::Ending;
use crate::late_costs;
use std::time::{Duration, Instant};
use tollgate_dialect::{AttemptLine, Scope, Surface, answer_id, limits};
use tollgate_observe::AttemptNotes;
use tollgate_select::{Attempt, Candidate, Fault, Key, Knobs as WalkKnobs, Plan, Reach, Walk};

/// `ERR_NGROK_3801`
const INVALID_BODY: u16 = 3801;

/// One attempt that is under way or over.
#[derive(Clone, Copy)]
pub(super) struct Try<'a> {
    pub(super) attempt: Attempt,
    pub(super) candidate: &'a Candidate,
    pub(super) key: Option<&'a Key>,
    pub(super) started: Instant,
    /// When the request's head had been read.
    pub(super) arrived: Instant,
    /// Time that earlier attempts of the request took.
    pub(super) waited: Duration,
    /// How much of its own time another attempt had too.
    pub(super) overlap: Duration,
}

/// How an attempt ended.
pub(super) enum Tried {
    Committed(Box<Committed>),
    Failed(Box<Failed>),
    /// Nobody waits for an answer any more.
    Over(Over),
}

impl Try<'_> {
    pub(super) fn asked(&self, surface: Surface) -> Asked<'_> {
        Asked { candidate: self.candidate, key: self.key, surface }
    }
}

impl Gateway {
    /// Walks the plan until an answer is committed, then relays it.
    pub(super) async fn attempt_all(
        &self,
        cx: &mut RequestCx<'_>,
        incoming: Box<Incoming>,
        mut prepared: Box<Prepared>,
    ) -> Result<Flow, PolicyFault> {
        let mut report = prepared.report.take();
        let estimates = Estimates::new(&incoming);
        let mut committed = None;
        let mut walk = Walk::new(&prepared.plan, self.walk_knobs());
        let mut course = Course::new(&self.knobs.health, cx.exchange);
        let mut last = None;
        let (mut noted, mut waited) = (0, Duration::ZERO);
        let hedges = self.knobs.hedge.is_some() && self.may_hedge(cx.exchange, &incoming, &prepared);
        while let Some(attempt) = walk.next(|candidate| {
            self.wire(&incoming, &prepared, candidate)?;
            self.keys_in_turn(&prepared, candidate, &mut course)
        }) {
            passed_over(&mut report, (&walk, &mut cx.exchange.record.tried), &prepared, &mut noted);
            if self.out_of_time(&incoming, &mut walk) {
                break;
            }
            let Some(mut this) = this_try(&prepared, attempt, (incoming.started, waited)) else { break };
            if let Some(fault) = self.too_large(this.candidate, &estimates) {
                walk.failed(fault);
                continue;
            }
            if !self.admits(&mut course, attempt.candidate, this.candidate) && walk.postpone() {
                cx.exchange.record.tried.push(not_sent(this.candidate, BREAKER_OPEN));
                continue;
            }
            if let Some(report) = &mut report {
                report.candidate(this.candidate, &prepared);
            }
            note_attempt(cx, &walk, this.candidate);
            let at_hand = (&mut this, &mut walk, &mut course);
            match self.attempt(cx, (&incoming, &prepared), &estimates, hedges, at_hand, &mut report).await {
                Tried::Committed(answer) => {
                    self.note_well(&mut course, &this);
                    self.metrics
                        .failovers
                        .inc_by(u64::from(walk.failures().iter().any(|failure| failure.sent)));
                    committed = Some((this, answer));
                    break;
                }
                Tried::Over(over) => return self.given_up(cx, incoming.surface, over).await,
                Tried::Failed(failed) => {
                    self.note_sick(&mut course, &this, &failed);
                    let retry_after = failed.retry_after.map(whole_seconds);
                    waited = this.waited + this.started.elapsed();
                    walk.failed_with(failed.fault.clone(), retry_after, reach(&failed));
                    last = Some((failed, this.key));
                    if self.out_of_time(&incoming, &mut walk) {
                        break;
                    }
                }
            }
        }
        // What is relayed from here on may last: whoever waits to try something must not wait for it.
        drop(course);
        passed_over(&mut report, (&walk, &mut cx.exchange.record.tried), &prepared, &mut noted);
        match committed {
            Some((this, answer)) => Ok(self.answered(cx, incoming, &this, answer, report).await),
            None => self.exhausted(cx, incoming.surface, (&walk, &prepared.plan), last, report).await,
        }
    }

    /// The next attempt, with another one beside it where the policy wants that.
    async fn attempt<'p>(
        &self,
        cx: &mut RequestCx<'_>,
        work: Work<'_, 'p>,
        estimates: &Estimates<'_>,
        hedges: bool,
        (this, walk, course): AtHand<'_, 'p>,
        report: &mut Option<Box<Report>>,
    ) -> Tried {
        if hedges {
            // Boxed: requests that are not hedged must not carry the place of two attempts.
            Box::pin(self.try_hedged(cx, work, estimates, (this, walk, course), report)).await
        } else {
            self.try_patiently(cx, work, this, walk, report).await
        }
    }

    /// Whether the time for the whole request is used up; then the walk is over.
    fn out_of_time(&self, incoming: &Incoming, walk: &mut Walk<'_>) -> bool {
        let spent = incoming.started.elapsed() >= self.knobs.total_timeout;
        if spent {
            walk.timed_out(self.knobs.total_timeout);
            walk.failed(Fault::AttemptTimeout);
        }
        spent
    }

    fn walk_knobs(&self) -> WalkKnobs {
        WalkKnobs {
            max_attempts: self.knobs.max_attempts,
            stop_on: self.knobs.stop_on_client_error.clone(),
            passthrough: self.knobs.error_passthrough,
            ..WalkKnobs::default()
        }
    }

    /// The size of the prompt, for a candidate whose encoding decides.
    pub(super) fn too_large(&self, candidate: &Candidate, estimates: &Estimates<'_>) -> Option<Fault> {
        let max = self.knobs.max_input_tokens?;
        let tokens = estimates.get(candidate.model.tokenizer);
        (tokens > max).then_some(Fault::InputTooLarge { tokens, max })
    }

    /// Relays a committed answer and counts it, once, however it ends.
    async fn answered(
        &self,
        cx: &mut RequestCx<'_>,
        incoming: Box<Incoming>,
        this: &Try<'_>,
        committed: Box<Committed>,
        mut report: Option<Box<Report>>,
    ) -> Flow {
        let Candidate { provider, upstream_model, .. } = this.candidate;
        cx.exchange.record.provider = Some(provider.id.clone());
        cx.exchange.record.model_served = Some(upstream_model.clone());
        super::trace::attempt(cx.exchange, this.candidate, this.key, "ok");
        if let Some(key) = this.key {
            note_quota(key, &committed.headers);
        }
        let begun = self.note_begun(cx, &incoming, this, &committed);
        if let Some(report) = &mut report {
            report.success(this.candidate);
            report.lost(&cx.exchange.record.dropped);
            if let Begun::Whole { usage, .. } = &committed.begun {
                report.tokens(*usage, 0);
                report.cost(&begun, &cx.exchange.record);
            }
            cx.exchange.set_result(RESULT, || report.value());
        }
        let gateway = this.started.saturating_duration_since(incoming.started).saturating_sub(this.waited);
        let gateway_ms = millis(gateway);
        let (surface, started, asked) = (incoming.surface, incoming.started, incoming.body.len());
        // Nothing will be sent again: a long stream must not keep a long prompt in memory.
        drop(incoming);
        cx.exchange.body = None;
        cx.client.release_body();
        cx.exchange.late_logs = report.as_ref().map(|_| Vec::new());
        let generation = late_costs::generation(&committed.headers);
        let relayed = relay(cx, committed, surface, self.knobs.stream_idle_timeout).await;
        // What a stream loses after its head can be in no header any more.
        note_lost(&mut cx.exchange.record, &relayed.lost);
        cx.exchange.record.told = relayed.told;
        let came = if relayed.ending == Ending::Truncated { Came::Failed } else { Came::Answered };
        let reported = (relayed.usage.as_ref(), came);
        let charged = self.charge_finally(cx.exchange, this.candidate, surface, reported);
        if relayed.ending != Ending::Complete {
            let known = (relayed.usage.as_ref(), charged.micros);
            self.ask_later(cx.exchange, this.asked(surface), generation, known);
        }
        if let Some(mut report) = report {
            // For what reads results when the request is over: a stream's tokens are known only now.
            report.tokens(relayed.usage, relayed.content_frames);
            report.cost(&charged, &cx.exchange.record);
            report.lost(&cx.exchange.record.dropped);
            report.ended(this.started.elapsed());
            cx.exchange.set_result(RESULT, || report.value());
            cx.exchange.settle_logs();
        }
        self.record_answer(cx, this, &relayed, &Timing { started, gateway_ms, asked });
        Flow::Answered
    }

    /// Notes what is known of an answer before its head is sent: its cost, what it lost, who stores it.
    fn note_begun(
        &self,
        cx: &mut RequestCx<'_>,
        incoming: &Incoming,
        this: &Try<'_>,
        committed: &Committed,
    ) -> Charged {
        let usage = match &committed.begun {
            Begun::Whole { usage, .. } => usage.as_ref(),
            _ => None,
        };
        let reported = (usage, Came::Answered);
        let charged = self.charge(cx.exchange, this.candidate, incoming.surface, reported);
        let record = &mut cx.exchange.record;
        record.upstream_request_id = limits::request_id(&committed.headers);
        let provider = this.candidate.provider.id.as_str();
        let stores = incoming.surface == Surface::Responses;
        match &committed.begun {
            Begun::Whole { body, lost, served_by, .. } => {
                record.reported(served_by);
                note_lost(record, lost);
                if let Some(id) = stores.then(|| answer_id(body)).flatten() {
                    self.ledger.note(&id, provider);
                }
            }
            Begun::Stream(stream) => {
                if let Some(served_by) = stream.reader.served_by() {
                    record.reported(served_by);
                }
                note_lost(record, stream.lost());
                if let Some(id) = stream.reader.answer_id().filter(|_| stores) {
                    self.ledger.note(id, provider);
                }
            }
            Begun::Part { .. } | Begun::Opaque => {}
        }
        charged
    }

    /// Nobody waits for an answer any more.
    async fn given_up(
        &self,
        cx: &mut RequestCx<'_>,
        surface: Surface,
        over: Over,
    ) -> Result<Flow, PolicyFault> {
        match over {
            Over::ClientGone => {
                cx.exchange.record.outcome = Ending::ClientGone;
                Ok(Flow::Answered)
            }
            Over::Stopping => self.fail(cx, Some(surface), Failure::stopping()).await,
        }
    }

    /// Nothing answered.
    async fn exhausted(
        &self,
        cx: &mut RequestCx<'_>,
        surface: Surface,
        (walk, plan): (&Walk<'_>, &Plan),
        last: Option<(Box<Failed>, Option<&Key>)>,
        report: Option<Box<Report>>,
    ) -> Result<Flow, PolicyFault> {
        cx.exchange.record.attempts = u32::try_from(walk.attempts()).unwrap_or(u32::MAX);
        let verdict = walk.verdict();
        // A request nobody can read is the client's own affair: there is nothing to say of providers.
        let lines = if verdict.code == INVALID_BODY { Vec::new() } else { attempt_lines(walk, plan) };
        let mut failure = Failure::verdict(&verdict, lines);
        if verdict.pass_through.is_some() {
            let id: &str = &cx.exchange.request.id;
            failure.passed = last.and_then(|(last, key)| passed(*last, key, surface, id));
        }
        if let Some(report) = report {
            cx.exchange.set_result(RESULT, || report.value());
        }
        self.fail(cx, Some(surface), failure).await
    }
}

/// Notes down whom the request is about to be sent to.
fn note_attempt(cx: &mut RequestCx<'_>, walk: &Walk<'_>, candidate: &Candidate) {
    let record = &mut cx.exchange.record;
    record.attempts = u32::try_from(walk.attempts()).unwrap_or(u32::MAX);
    record.provider = Some(candidate.provider.id.clone());
    record.upstream_request_id = None;
}

/// Reports the candidates that were passed over since the last time, `noted` failures ago.
fn passed_over(
    report: &mut Option<Box<Report>>,
    (walk, tried): (&Walk<'_>, &mut AttemptNotes),
    prepared: &Prepared,
    noted: &mut usize,
) {
    let fresh = walk.failures().get(*noted..).unwrap_or_default();
    *noted = walk.failures().len();
    for failure in fresh.iter().filter(|failure| !failure.sent) {
        let Some(candidate) = prepared.plan.candidates.get(failure.candidate) else { continue };
        tried.push(not_sent(candidate, failure.fault.kind()));
        if let Some(report) = report {
            report.passed_over(candidate, prepared, &failure.fault);
        }
    }
}

/// What was tried, for the list in an error body.
fn attempt_lines(walk: &Walk<'_>, plan: &Plan) -> Vec<AttemptLine> {
    let line = |failure: &tollgate_select::Failure| {
        let candidate = plan.candidates.get(failure.candidate)?;
        Some(AttemptLine {
            status: failure.fault.status(),
            target: format!("{}/{}", candidate.provider.id, candidate.upstream_model),
            reason: failure.fault.describe().into_owned(),
        })
    };
    walk.failures().iter().filter_map(line).collect()
}

/// Seconds, rounded up: who comes back too early is sent away again.
pub(super) fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

/// What a failure holds for, beyond its attempt.
pub(super) fn reach(failed: &Failed) -> Reach {
    match failed.said.as_ref().map(|said| said.scope) {
        Some(Scope::Account) => Reach::Key,
        Some(Scope::FreeModels) => Reach::FreeModels,
        Some(Scope::Model) => Reach::Model,
        _ => Reach::Attempt,
    }
}

pub(super) fn this_try(
    prepared: &Prepared,
    attempt: Attempt,
    (arrived, waited): (Instant, Duration),
) -> Option<Try<'_>> {
    let candidate = prepared.plan.candidates.get(attempt.candidate)?;
    let chain = prepared.keychain.iter().find(|chain| chain.provider == candidate.provider.id);
    let key = attempt.key.and_then(|index| chain?.keys.get(index)).map(|key| &**key);
    let (started, overlap) = (Instant::now(), Duration::ZERO);
    Some(Try { attempt, candidate, key, started, arrived, waited, overlap })
}
