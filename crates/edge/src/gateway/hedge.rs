//! A second attempt beside one whose first content is late: whoever is first has answered, the other is cancelled.
//!
//! Both are values of their own until they are settled, one after the other: charged, noted, reported, and counted for
//! health as any attempt. The loser says nothing of health.

use super::attempts::{Tried, Try, reach, this_try, whole_seconds};
use super::flight::{Flight, Work};
use super::health::Course;
use super::prepare::{Estimates, Prepared};
use super::receive::{Committed, Failed};
use super::report::Report;
use super::tally::{millis, now_ms};
use super::{Gateway, Incoming};
use crate::action::RequestCx;
use crate::client::{Client, Over};
use crate::exchange::Exchange;
use crate::upstream::Call;
use std::pin::Pin;
use std::time::Duration;
use tollgate_catalog::cost;
use tollgate_dialect::{Surface, Usage};
use tollgate_observe::HedgeResult;
use tollgate_select::{Candidate, HedgeAfter, HedgeKnobs, Reserved, Sample, SampleOutcome, Walk};

/// Tokens of an answer for which neither the client nor the model has a smaller limit, for the bound on money.
const ANSWER_TOKENS: u64 = 4096;
/// Where clients write how long an answer may be.
const LIMITS: [&str; 3] = ["max_completion_tokens", "max_tokens", "max_output_tokens"];

type Outcome = Result<Committed, Failed>;
type Flying<'f> = Pin<Box<dyn Future<Output = Outcome> + Send + 'f>>;
/// How an attempt ended, or that nobody waits for it any more.
type Alone = Result<Outcome, Over>;

/// The attempt at hand, with the walk and what is known of health.
pub(super) type AtHand<'h, 'p> = (&'h mut Try<'p>, &'h mut Walk<'p>, &'h mut Course);

/// A second attempt that is about to begin.
struct Second<'p> {
    this: Try<'p>,
    flight: Flight,
    call: Call,
    reserved: Reserved,
}

/// One of two attempts under way.
struct Lane<'f, 'p> {
    this: Try<'p>,
    flight: &'f Flight,
    flying: Flying<'f>,
    course: &'f mut Course,
    second: bool,
}

/// How two attempts at once ended.
struct Ended<'p> {
    tried: Tried,
    /// The one that ended last.
    last: Try<'p>,
    /// What the second one cost, where it failed, in millionths of a dollar.
    second_failed: Option<u64>,
}

impl Gateway {
    /// Whether a request may be hedged, as far as can be seen before its first attempt; it earns its share of a hedge then.
    pub(super) fn may_hedge(&self, exchange: &Exchange, incoming: &Incoming, prepared: &Prepared) -> bool {
        let Some(knobs) = &self.knobs.hedge else { return false };
        // A dry run asks nobody twice, and nobody waits long for a count.
        if exchange.trace.is_some() || incoming.surface == Surface::CountTokens {
            return false;
        }
        self.hedges.request(knobs);
        prepared.plan.candidates.len() > 1 && self.knobs.max_attempts > 1
    }

    /// One attempt, and another one beside it when its first content is late.
    pub(super) async fn try_hedged<'p>(
        &self,
        cx: &mut RequestCx<'_>,
        work: Work<'_, 'p>,
        estimates: &Estimates<'_>,
        (this, walk, course): AtHand<'_, 'p>,
        report: &mut Option<Box<Report>>,
    ) -> Tried {
        let after = if walk.hedged() { None } else { self.hedge_after(this.candidate, work.0) };
        let Some((knobs, after)) = self.knobs.hedge.as_ref().zip(after) else {
            return self.try_patiently(cx, work, this, walk, report).await;
        };
        let (flight, call) = match self.ready(cx, work, this, report.is_some()).await {
            Ok(ready) => ready,
            Err(fault) => return self.unbuilt(cx.exchange, work.1, this, fault),
        };
        let (upstream, first) = (cx.upstream, *this);
        let mut flying: Flying<'_> = Box::pin(flight.fly(upstream, call, work.0, &first));
        let late = tokio::time::sleep(after.saturating_sub(first.started.elapsed()));
        let mut alone = until(&mut flying, &mut *cx.client, late).await.map_err(|()| None);
        if alone.is_err() {
            let at_hand = (&first, &mut *walk, &mut flying);
            alone = self.second(cx, work, (estimates, knobs), at_hand, report.is_some()).await;
        }
        let outcome = match alone {
            Ok(outcome) => outcome,
            Err(None) => alone_of(&mut flying, &mut *cx.client).await,
            Err(Some(second)) => {
                let mut own = course.beside(work.1, second.this.candidate);
                let lane = Lane { this: first, flight: &flight, flying, course: &mut *course, second: false };
                let ended = self.race(cx, work, lane, (*second, &mut own, knobs), walk, report).await;
                if ended.last.attempt != first.attempt {
                    own.swap_blame(course);
                    (*this, *course) = (ended.last, own);
                } else {
                    *this = ended.last;
                }
                return ended.tried;
            }
        };
        drop(flying);
        let tried = match outcome {
            Ok(outcome) => self.landed(cx.exchange, work.1, (this, &flight), outcome, report),
            Err(over) => self.cancelled(cx.exchange, (this, &flight), over),
        };
        self.patiently(tried, cx, work, (this, walk), report).await
    }

    /// How long the first content of a candidate may take. `None` where nobody can say: a percentile of a few answers is
    /// none.
    fn hedge_after(&self, candidate: &Candidate, incoming: &Incoming) -> Option<Duration> {
        let knobs = self.knobs.hedge.as_ref()?;
        let percent = match knobs.after {
            HedgeAfter::Time(time) => return Some(time),
            HedgeAfter::Percentile(percent) => percent,
        };
        let (ms, samples) = candidate.stats.first_content(percent, incoming.peek.stream, now_ms())?;
        (samples >= knobs.min_samples).then(|| Duration::from_millis(ms.into()))
    }

    /// Chooses a second attempt and makes its request, while the first goes on. `Ok` when the first is over before that;
    /// `Err(None)` when there is none to make.
    async fn second<'p>(
        &self,
        cx: &mut RequestCx<'_>,
        work: Work<'_, 'p>,
        (estimates, knobs): (&Estimates<'_>, &HedgeKnobs),
        (first, walk, flying): (&Try<'p>, &mut Walk<'p>, &mut Flying<'_>),
        reports: bool,
    ) -> Result<Alone, Option<Box<Second<'p>>>> {
        let (incoming, prepared) = work;
        let time = self.knobs.per_request_timeout.min(self.left(incoming));
        if time.is_zero() || !repeatable(work, first.candidate) {
            return Err(None);
        }
        let attempt = walk.beside(|candidate| {
            self.wire(incoming, prepared, candidate)?;
            match self.too_large(candidate, estimates) {
                Some(fault) => Err(fault),
                None if !repeatable(work, candidate) => Ok(Vec::new()),
                None => self.well_keys(prepared, candidate),
            }
        });
        let waited = first.waited + first.started.elapsed();
        let Some(this) = attempt.and_then(|attempt| this_try(prepared, attempt, (first.arrived, waited)))
        else {
            return Err(None);
        };
        let request_id = &*cx.exchange.request.id;
        let Candidate { provider, upstream_model, .. } = this.candidate;
        let Some(reserved) = self.reserve(knobs, cx.exchange, (incoming, this.candidate), estimates) else {
            tracing::debug!(request_id, provider = %provider.id, model = %upstream_model, "a hedge is beyond the bounds");
            self.metrics.hedges.count(HedgeResult::Capped);
            walk.unsent();
            return Err(None);
        };
        let token = until(flying, &mut *cx.client, self.token_of(cx.upstream, &this, false, time)).await;
        let fault = match token {
            Ok(alone) => Ok(alone),
            Err(token) => {
                match token.and_then(|token| self.built(cx.exchange, work, (&this, time), token, reports)) {
                    Ok((flight, call)) => {
                        return Err(Some(Box::new(Second { this, flight, call, reserved })));
                    }
                    // Its own turn comes later: then it is said what is wrong.
                    Err(_) => Err(None),
                }
            }
        };
        self.hedges.give_back(knobs, reserved);
        walk.unsent();
        fault
    }

    /// Two attempts at once, until one has answered or both have failed.
    async fn race<'p>(
        &self,
        cx: &mut RequestCx<'_>,
        work: Work<'_, 'p>,
        mut first: Lane<'_, 'p>,
        (second, own, knobs): (Second<'p>, &mut Course, &HedgeKnobs),
        walk: &mut Walk<'p>,
        report: &mut Option<Box<Report>>,
    ) -> Ended<'p> {
        let Second { this, flight, call, reserved } = second;
        cx.exchange.record.attempts = u32::try_from(walk.attempts()).unwrap_or(u32::MAX);
        let Candidate { provider, upstream_model, .. } = this.candidate;
        tracing::debug!(
            request_id = %cx.exchange.request.id, provider = %provider.id, model = %upstream_model,
            "the first content is late: another attempt begins beside"
        );
        let flying: Flying<'_> = Box::pin(flight.fly(cx.upstream, call, work.0, &this));
        let mut second = Lane { this, flight: &flight, flying, course: own, second: true };
        let ended = match until(&mut first.flying, &mut *cx.client, &mut second.flying).await {
            Ok(Ok(outcome)) => self.settled(cx, work, (first, outcome), second, (walk, report)).await,
            Err(outcome) => self.settled(cx, work, (second, outcome), first, (walk, report)).await,
            Ok(Err(over)) => {
                drop(first.flying);
                self.cancelled(cx.exchange, (&first.this, first.flight), over);
                drop(second.flying);
                let tried = self.cancelled(cx.exchange, (&this, &flight), over);
                Ended { tried, last: this, second_failed: None }
            }
        };
        if let Some(micros) = ended.second_failed {
            self.hedges.settle(knobs, reserved, micros);
        }
        self.metrics.hedges.count(match ended {
            Ended { second_failed: Some(_), .. } => HedgeResult::Failed,
            Ended { tried: Tried::Committed(_), last, .. } if last.attempt == this.attempt => {
                HedgeResult::Won
            }
            _ => HedgeResult::Lost,
        });
        ended
    }

    /// One of two attempts is over: it has answered, and the other is cancelled; or it has failed, and the other goes on.
    async fn settled<'p>(
        &self,
        cx: &mut RequestCx<'_>,
        (incoming, prepared): Work<'_, 'p>,
        (sooner, outcome): (Lane<'_, 'p>, Outcome),
        mut later: Lane<'_, 'p>,
        (walk, report): (&mut Walk<'p>, &mut Option<Box<Report>>),
    ) -> Ended<'p> {
        let overlap = sooner.this.started.max(later.this.started).elapsed();
        let (before, second) = (failed_cost(cx.exchange), sooner.second);
        // Closed, or never to be asked again, before anything else is done.
        drop(sooner.flying);
        let over = outcome.as_ref().map_or_else(|failed| walk.stops(&failed.fault), |_| true);
        if over {
            drop(later.flying);
            if outcome.is_ok() && !later.second {
                self.outlasted(&later.this, incoming);
            }
            self.hedged_out(cx.exchange, prepared, (&later.this, later.flight), report);
            walk.called_off(later.this.attempt);
            let before = failed_cost(cx.exchange);
            let last = Try { overlap, ..sooner.this };
            let failed = outcome.is_err() && second;
            let tried = self.landed(cx.exchange, prepared, (&last, sooner.flight), outcome, report);
            let second_failed = failed.then(|| failed_cost(cx.exchange).saturating_sub(before));
            return Ended { tried, last, second_failed };
        }
        let tried = self.landed(cx.exchange, prepared, (&sooner.this, sooner.flight), outcome, report);
        let mut second_failed = second.then(|| failed_cost(cx.exchange).saturating_sub(before));
        if let Tried::Failed(failed) = tried {
            // Whom the request has blamed stands with the first attempt.
            if second {
                sooner.course.swap_blame(later.course);
            }
            self.note_sick(sooner.course, &sooner.this, &failed);
            if second {
                sooner.course.swap_blame(later.course);
            }
            let retry_after = failed.retry_after.map(whole_seconds);
            walk.failed_of(sooner.this.attempt, failed.fault.clone(), retry_after, reach(&failed));
        }
        let last = Try { overlap, ..later.this };
        let before = failed_cost(cx.exchange);
        let outcome = alone_of(&mut later.flying, &mut *cx.client).await;
        drop(later.flying);
        cx.exchange.record.provider = Some(last.candidate.provider.id.clone());
        let failed = later.second && matches!(outcome, Ok(Err(_)));
        let tried = match outcome {
            Ok(outcome) => self.landed(cx.exchange, prepared, (&last, later.flight), outcome, report),
            Err(over) => self.cancelled(cx.exchange, (&last, later.flight), over),
        };
        if failed {
            second_failed = Some(failed_cost(cx.exchange).saturating_sub(before));
        }
        Ended { tried, last, second_failed }
    }

    /// Puts aside what a second attempt may cost. `None` when the bounds do not allow it, or when nobody knows its price.
    fn reserve(
        &self,
        knobs: &HedgeKnobs,
        exchange: &Exchange,
        (incoming, candidate): (&Incoming, &Candidate),
        estimates: &Estimates<'_>,
    ) -> Option<Reserved> {
        let usage = Usage {
            input_tokens: estimates.get(candidate.model.tokenizer),
            output_tokens: self.most_output(incoming, candidate),
            ..Usage::default()
        };
        let worst = cost::of(&candidate.model.pricing, &usage, exchange.now)?;
        self.hedges.take(knobs, worst.micros, now_ms().saturating_mul(1000))
    }

    /// The longest answer that is reckoned with.
    fn most_output(&self, incoming: &Incoming, candidate: &Candidate) -> u64 {
        if incoming.surface == Surface::Embeddings {
            return 0;
        }
        let asked = LIMITS.iter().filter_map(|name| {
            std::str::from_utf8(incoming.peek.raw(&incoming.body, name)?).ok()?.parse::<u64>().ok()
        });
        let limit = asked.min().or(gemini_limit(incoming)).unwrap_or(ANSWER_TOKENS);
        let known = Some(candidate.model.max_output_tokens).filter(|most| *most > 0);
        [known, self.knobs.max_output_tokens].into_iter().flatten().fold(limit, u64::min)
    }

    /// Counts how long the first attempt was waited for: without it, a model that is always too slow would look fast.
    fn outlasted(&self, this: &Try<'_>, incoming: &Incoming) {
        let percentile = |knobs: &HedgeKnobs| matches!(knobs.after, HedgeAfter::Percentile(_));
        if !self.knobs.hedge.as_ref().is_some_and(percentile) {
            return;
        }
        let took = millis(this.started.elapsed());
        this.candidate.stats.record(&Sample {
            at_ms: now_ms(),
            outcome: SampleOutcome::Outlasted,
            upstream_ms: took,
            first_token_ms: incoming.peek.stream.then_some(took),
            ..Sample::default()
        });
    }
}

/// Waits for an attempt, as long as somebody waits for its answer, and for something else.
async fn until<T>(
    flying: &mut Flying<'_>,
    client: &mut dyn Client,
    other: impl Future<Output = T>,
) -> Result<Alone, T> {
    tokio::select! {
        biased;
        outcome = flying.as_mut() => Ok(Ok(outcome)),
        over = client.gone() => Ok(Err(over)),
        other = other => Err(other),
    }
}

/// Waits for an attempt, as long as somebody waits for its answer.
async fn alone_of(flying: &mut Flying<'_>, client: &mut dyn Client) -> Alone {
    tokio::select! {
        biased;
        outcome = flying.as_mut() => Ok(outcome),
        over = client.gone() => Err(over),
    }
}

fn failed_cost(exchange: &Exchange) -> u64 {
    exchange.record.failed_cost_micros.unwrap_or(0)
}

/// `generationConfig.maxOutputTokens`
fn gemini_limit(incoming: &Incoming) -> Option<u64> {
    let config = incoming.peek.raw(&incoming.body, "generationConfig")?;
    serde_json::from_slice::<serde_json::Value>(config).ok()?.get("maxOutputTokens")?.as_u64()
}

/// Whether it does no harm to send a request to two providers: nothing is stored or continued there, and no tool is called
/// by the provider itself.
fn repeatable((incoming, prepared): Work<'_, '_>, candidate: &Candidate) -> bool {
    let merged = prepared.rendered.body_for(&candidate.provider.id);
    let member = |name: &str| -> Option<Vec<u8>> {
        let own = merged.and_then(|body| body.get(name)).map(|value| value.to_string().into_bytes());
        let member = own.or_else(|| incoming.peek.raw(&incoming.body, name).map(<[u8]>::to_vec));
        member.filter(|value| value != b"null")
    };
    let is = |name: &str, word: &str| member(name).is_some_and(|value| value == word.as_bytes());
    // The answers API stores what it is not told to forget.
    let stores =
        if incoming.surface == Surface::Responses { !is("store", "false") } else { is("store", "true") };
    let continues = ["previous_response_id", "conversation", "container", "mcp_servers"];
    let calls = |tools: Vec<u8>| memchr::memmem::find(&tools, b"\"mcp").is_some();
    prepared.bound.is_empty()
        && !stores
        && !is("background", "true")
        && !continues.iter().any(|name| member(name).is_some())
        && !member("tools").is_some_and(calls)
}
