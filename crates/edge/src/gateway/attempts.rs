//! The attempt loop: one candidate and key after the other, until one answers.

use super::call::BuiltCall;
use super::cloud::{self, Token};
use super::cost::{Asked, Came, Charged, Used};
use super::errors::Failure;
use super::health::Course;
use super::noted::note_lost;
use super::passed::passed;
use super::prepare::{Estimates, Prepared};
use super::receive::{Begun, Committed, Expected, Failed, receive};
use super::relay::relay;
use super::report::{Made, Report};
use super::tally::{Timing, millis, note_quota};
use super::tried::{BREAKER_OPEN, not_sent};
use super::wire::Wire;
use super::{Gateway, Incoming, RESULT};
use crate::action::{Flow, RequestCx};
use crate::answer::Fault as PolicyFault;
use crate::client::Over;
use crate::dry::is_stand_in;
use crate::exchange::{Ending, Exchange};
use crate::late_costs;
use secrecy::ExposeSecret;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tollgate_dialect::{AnswerContext, AttemptLine, Scope, Surface, answer_id, limits};
use tollgate_observe::AttemptNotes;
use tollgate_select::{Attempt, Candidate, Fault, Key, Knobs as WalkKnobs, Plan, Reach, Walk};

/// Longest wait for the same model before the next one is asked instead.
const PATIENCE: Duration = Duration::from_secs(5);

/// `ERR_NGROK_3801`
const INVALID_BODY: u16 = 3801;

/// One attempt that is under way or over.
pub(super) struct Try<'a> {
    pub(super) attempt: Attempt,
    pub(super) candidate: &'a Candidate,
    pub(super) key: Option<&'a Key>,
    pub(super) started: Instant,
    /// When the request's head had been read.
    pub(super) arrived: Instant,
    /// Time that earlier attempts of the request took.
    pub(super) waited: Duration,
}

/// How an attempt ended.
enum Tried {
    Committed(Box<Committed>),
    Failed(Box<Failed>),
    /// Nobody waits for an answer any more.
    Over(Over),
}

impl Try<'_> {
    fn asked(&self, surface: Surface) -> Asked<'_> {
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
        while let Some(attempt) = walk.next(|candidate| {
            self.wire(&incoming, &prepared, candidate)?;
            self.keys_in_turn(&prepared, candidate, &mut course)
        }) {
            passed_over(&mut report, (&walk, &mut cx.exchange.record.tried), &prepared, &mut noted);
            if self.out_of_time(&incoming, &mut walk) {
                walk.failed(Fault::AttemptTimeout);
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
            match self.try_patiently(cx, &incoming, &prepared, &mut this, &mut walk, &mut report).await {
                Tried::Committed(answer) => {
                    self.note_well(&mut course, &this);
                    self.metrics.failovers.inc_by(u64::from(walk.attempts() > 1));
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

    /// Whether the time for the whole request is used up; then the walk is over.
    fn out_of_time(&self, incoming: &Incoming, walk: &mut Walk<'_>) -> bool {
        let spent = incoming.started.elapsed() >= self.knobs.total_timeout;
        if spent {
            walk.timed_out(self.knobs.total_timeout);
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
    fn too_large(&self, candidate: &Candidate, estimates: &Estimates<'_>) -> Option<Fault> {
        let max = self.knobs.max_input_tokens?;
        let tokens = estimates.get(candidate.model.tokenizer);
        (tokens > max).then_some(Fault::InputTooLarge { tokens, max })
    }

    /// One attempt, and a second one where the provider asks for no more than a moment's patience.
    async fn try_patiently(
        &self,
        cx: &mut RequestCx<'_>,
        incoming: &Incoming,
        prepared: &Prepared,
        this: &mut Try<'_>,
        walk: &mut Walk<'_>,
        report: &mut Option<Box<Report>>,
    ) -> Tried {
        let left = || self.knobs.total_timeout.saturating_sub(incoming.started.elapsed());
        let tried = self.try_one(cx, incoming, prepared, this, left(), report).await;
        let Tried::Failed(failed) = &tried else { return tried };
        let asked = failed.said.as_ref().is_some_and(|said| said.scope == Scope::InFlight);
        let Some(wait) = failed.retry_after.filter(|wait| asked && *wait <= PATIENCE && *wait < left())
        else {
            return tried;
        };
        if walk.again(failed.fault.clone(), Some(whole_seconds(wait))).is_none() {
            return tried;
        }
        tokio::select! {
            biased;
            () = tokio::time::sleep(wait) => {}
            over = cx.client.gone() => return Tried::Over(over),
        }
        cx.exchange.record.attempts = u32::try_from(walk.attempts()).unwrap_or(u32::MAX);
        // It has the whole time of an attempt, and is measured as one.
        this.waited += this.started.elapsed();
        this.started = Instant::now();
        self.try_one(cx, incoming, prepared, this, left(), report).await
    }

    /// One attempt: sent, and received up to its commit point.
    async fn try_one(
        &self,
        cx: &mut RequestCx<'_>,
        incoming: &Incoming,
        prepared: &Prepared,
        this: &Try<'_>,
        left: Duration,
        report: &mut Option<Box<Report>>,
    ) -> Tried {
        let time = self.knobs.per_request_timeout.min(left);
        let (wire, token, built) = match self.built(cx, incoming, prepared, this, time).await {
            Ok(built) => built,
            Err(fault) => return self.unbuilt(cx.exchange, prepared, this, fault),
        };
        let url = report.is_some().then(|| built.call.url.full.clone());
        let used = Used::default();
        let (id, now) = (cx.exchange.request.id.clone(), cx.exchange.now);
        let context = answer_context(incoming, this.candidate, &id, now);
        let expected = Expected {
            surface: wire.surface,
            translation: wire.translated.then_some((&context, &built.echo)),
            hides_usage: built.asked_for_usage,
            started: this.started,
            deadline: this.started + time,
            used: &used,
            now,
        };
        let upstream = cx.upstream;
        let work = async {
            let reply = upstream.open(built.call).await?;
            receive(reply, &expected).await
        };
        let outcome = tokio::select! {
            biased;
            outcome = work => Ok(outcome),
            over = cx.client.gone() => Err(over),
        };
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(over) => return self.cancelled(cx, this, (wire.surface, &used), over),
        };
        let made = |result: Result<&Committed, &Failed>| Made {
            url: url.unwrap_or_default(),
            key: this.key,
            dropped: built.dropped.clone(),
            took: this.started.elapsed(),
            result: result.map(|c| (c.status, c.headers.clone(), c.head_after)).map_err(Failed::summary),
        };
        match outcome {
            Ok(committed) => {
                cx.exchange.record.dropped.clone_from(&built.dropped);
                if let Some(report) = report {
                    report.made(made(Ok(&committed)));
                }
                Tried::Committed(Box::new(committed))
            }
            Err(failed) => {
                if let Some(report) = report {
                    report.made(made(Err(&failed)));
                }
                let used = (&used, failed.given_up());
                self.charge_failed(cx.exchange, this.asked(wire.surface), used, report.as_deref_mut());
                self.note_failure(cx, this, token.as_ref(), &failed);
                Tried::Failed(Box::new(failed))
            }
        }
    }

    /// An attempt for which nobody waits any more.
    fn cancelled(
        &self,
        cx: &mut RequestCx<'_>,
        this: &Try<'_>,
        (surface, used): (Surface, &Used),
        over: Over,
    ) -> Tried {
        tracing::debug!(request_id = %cx.exchange.request.id, ?over, "the attempt is cancelled");
        self.charge_failed(cx.exchange, this.asked(surface), (used, true), None);
        self.note_over(cx.exchange, this, over);
        Tried::Over(over)
    }

    /// An attempt that has no request to send.
    fn unbuilt(&self, exchange: &mut Exchange, prepared: &Prepared, this: &Try<'_>, fault: Fault) -> Tried {
        self.note_unsent(exchange, this, &fault);
        Tried::Failed(Box::new(self.note_unbuilt(&exchange.request.id, prepared, this, fault).into()))
    }

    /// The request of an attempt: how its candidate is spoken to, and with what proof.
    async fn built(
        &self,
        cx: &mut RequestCx<'_>,
        incoming: &Incoming,
        prepared: &Prepared,
        this: &Try<'_>,
        time: Duration,
    ) -> Result<(Wire, Option<Token>, BuiltCall), Fault> {
        // A dry run exchanges nothing.
        let key = this.key.filter(|_| cx.exchange.trace.is_none());
        if let (None, Some(key)) = (key, this.key.filter(|key| !is_stand_in(key))) {
            cloud::usable(&this.candidate.provider, key.value.expose_secret())?;
        }
        let token = self.token(cx.upstream, &this.candidate.provider, key, time).await?;
        let wire = self.wire(incoming, prepared, this.candidate)?;
        let (target, key) = ((this.candidate, wire), (this.attempt.key, token.as_ref()));
        let built = self.call(cx.exchange, incoming, prepared, target, key, time)?;
        Ok((wire, token, built))
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
fn whole_seconds(wait: Duration) -> u64 {
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

/// What translating the answer of a candidate needs to know.
fn answer_context<'t>(
    incoming: &Incoming,
    candidate: &'t Candidate,
    id: &'t str,
    now: SystemTime,
) -> AnswerContext<'t> {
    AnswerContext {
        surface: incoming.surface,
        provider: &candidate.provider.id,
        model: &candidate.upstream_model,
        id,
        now: now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
        include_usage: incoming.peek.include_usage,
    }
}

fn this_try(
    prepared: &Prepared,
    attempt: Attempt,
    (arrived, waited): (Instant, Duration),
) -> Option<Try<'_>> {
    let candidate = prepared.plan.candidates.get(attempt.candidate)?;
    let chain = prepared.keychain.iter().find(|chain| chain.provider == candidate.provider.id);
    let key = attempt.key.and_then(|index| chain?.keys.get(index)).map(|key| &**key);
    Some(Try { attempt, candidate, key, started: Instant::now(), arrived, waited })
}
