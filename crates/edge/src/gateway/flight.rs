//! One attempt as a value: its request is made, is under way up to its commit point without anything of the client's
//! request in its hands, and is then settled.

use super::attempts::{Tried, Try, whole_seconds};
use super::cloud::{self, Token};
use super::cost::Used;
use super::prepare::Prepared;
use super::receive::{Committed, Expected, Failed, receive};
use super::report::{Made, Report};
use super::wire::Wire;
use super::{Gateway, Incoming};
use crate::action::RequestCx;
use crate::client::Over;
use crate::dry::is_stand_in;
use crate::exchange::Exchange;
use crate::upstream::{Call, Upstream};
use secrecy::ExposeSecret;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tollgate_dialect::{AnswerContext, Echo, Scope, Surface};
use tollgate_select::{Fault, Walk};

/// Longest wait for the same model before the next one is asked instead.
const PATIENCE: Duration = Duration::from_secs(5);

/// What every attempt of a request is made of.
pub(super) type Work<'i, 'p> = (&'i Incoming, &'p Prepared);

/// What is known of an attempt beside whom it asks.
pub(super) struct Flight {
    wire: Wire,
    token: Option<Token>,
    echo: Echo,
    /// What was left out of its request.
    dropped: Vec<String>,
    hides_usage: bool,
    /// For the report, where there is one.
    url: Option<String>,
    /// What it has said of its cost so far.
    used: Used,
    request_id: Arc<str>,
    now: SystemTime,
    deadline: Instant,
}

impl Flight {
    /// The operation on the provider's side.
    pub(super) fn surface(&self) -> Surface {
        self.wire.surface
    }

    pub(super) fn used(&self) -> &Used {
        &self.used
    }

    /// Sends the request and reads the answer up to its commit point. Dropping the future closes the connection.
    pub(super) async fn fly(
        &self,
        upstream: &dyn Upstream,
        call: Call,
        incoming: &Incoming,
        this: &Try<'_>,
    ) -> Result<Committed, Failed> {
        let context = AnswerContext {
            surface: incoming.surface,
            provider: &this.candidate.provider.id,
            model: &this.candidate.upstream_model,
            id: &self.request_id,
            now: self.now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
            include_usage: incoming.peek.include_usage,
        };
        let expected = Expected {
            surface: self.wire.surface,
            translation: self.wire.translated.then_some((&context, &self.echo)),
            hides_usage: self.hides_usage,
            started: this.started,
            deadline: self.deadline,
            used: &self.used,
            now: self.now,
        };
        let reply = upstream.open(call).await?;
        receive(reply, &expected).await
    }
}

impl Gateway {
    /// How much of the time for the whole request is left.
    pub(super) fn left(&self, incoming: &Incoming) -> Duration {
        self.knobs.total_timeout.saturating_sub(incoming.started.elapsed())
    }

    /// One attempt, and a second one where the provider asks for no more than a moment's patience.
    pub(super) async fn try_patiently(
        &self,
        cx: &mut RequestCx<'_>,
        work: Work<'_, '_>,
        this: &mut Try<'_>,
        walk: &mut Walk<'_>,
        report: &mut Option<Box<Report>>,
    ) -> Tried {
        let tried = self.try_one(cx, work, this, report).await;
        self.patiently(tried, cx, work, (this, walk), report).await
    }

    /// Waits and tries once more, where the provider asks for no more than a moment's patience.
    pub(super) async fn patiently(
        &self,
        tried: Tried,
        cx: &mut RequestCx<'_>,
        work: Work<'_, '_>,
        (this, walk): (&mut Try<'_>, &mut Walk<'_>),
        report: &mut Option<Box<Report>>,
    ) -> Tried {
        let Tried::Failed(failed) = &tried else { return tried };
        let asked = failed.said.as_ref().is_some_and(|said| said.scope == Scope::InFlight);
        let patient = |wait: &Duration| asked && *wait <= PATIENCE && *wait < self.left(work.0);
        let Some(wait) = failed.retry_after.filter(patient) else { return tried };
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
        self.try_one(cx, work, this, report).await
    }

    /// One attempt: sent, and received up to its commit point.
    async fn try_one(
        &self,
        cx: &mut RequestCx<'_>,
        work: Work<'_, '_>,
        this: &Try<'_>,
        report: &mut Option<Box<Report>>,
    ) -> Tried {
        let (flight, call) = match self.ready(cx, work, this, report.is_some()).await {
            Ok(ready) => ready,
            Err(fault) => return self.unbuilt(cx.exchange, work.1, this, fault),
        };
        let outcome = tokio::select! {
            biased;
            outcome = flight.fly(cx.upstream, call, work.0, this) => Ok(outcome),
            over = cx.client.gone() => Err(over),
        };
        match outcome {
            Ok(outcome) => self.landed(cx.exchange, work.1, (this, &flight), outcome, report),
            Err(over) => self.cancelled(cx.exchange, (this, &flight), over),
        }
    }

    /// The request of an attempt, ready to be sent.
    pub(super) async fn ready(
        &self,
        cx: &mut RequestCx<'_>,
        work: Work<'_, '_>,
        this: &Try<'_>,
        reports: bool,
    ) -> Result<(Flight, Call), Fault> {
        let time = self.knobs.per_request_timeout.min(self.left(work.0));
        let dry = cx.exchange.trace.is_some();
        let token = self.token_of(cx.upstream, this, dry, time).await?;
        self.built(cx.exchange, work, (this, time), token, reports)
    }

    /// The token of an attempt, where its provider wants one.
    pub(super) async fn token_of(
        &self,
        upstream: &dyn Upstream,
        this: &Try<'_>,
        dry: bool,
        time: Duration,
    ) -> Result<Option<Token>, Fault> {
        // A dry run exchanges nothing.
        let key = this.key.filter(|_| !dry);
        if let (None, Some(key)) = (key, this.key.filter(|key| !is_stand_in(key))) {
            cloud::usable(&this.candidate.provider, key.value.expose_secret())?;
        }
        self.token(upstream, &this.candidate.provider, key, time).await
    }

    /// The request of an attempt: how its candidate is spoken to, and with what proof.
    pub(super) fn built(
        &self,
        exchange: &Exchange,
        (incoming, prepared): Work<'_, '_>,
        (this, time): (&Try<'_>, Duration),
        token: Option<Token>,
        reports: bool,
    ) -> Result<(Flight, Call), Fault> {
        let wire = self.wire(incoming, prepared, this.candidate)?;
        let (target, key) = ((this.candidate, wire), (this.attempt.key, token.as_ref()));
        let built = self.call(exchange, incoming, prepared, target, key, time)?;
        let flight = Flight {
            wire,
            token,
            echo: built.echo,
            dropped: built.dropped,
            hides_usage: built.asked_for_usage,
            url: reports.then(|| built.call.url.full.clone()),
            used: Used::default(),
            request_id: Arc::clone(&exchange.request.id),
            now: exchange.now,
            deadline: this.started + time,
        };
        Ok((flight, built.call))
    }

    /// An attempt that came to an answer, or failed.
    pub(super) fn landed(
        &self,
        exchange: &mut Exchange,
        prepared: &Prepared,
        (this, flight): (&Try<'_>, &Flight),
        outcome: Result<Committed, Failed>,
        report: &mut Option<Box<Report>>,
    ) -> Tried {
        if let Some(report) = report {
            let result = outcome.as_ref().map(|c| (c.status, c.headers.clone(), c.head_after));
            report.back_to(this.candidate, prepared);
            report.made(Made {
                url: flight.url.clone().unwrap_or_default(),
                key: this.key,
                dropped: flight.dropped.clone(),
                took: this.started.elapsed(),
                overlap: this.overlap,
                result: result.map_err(Failed::summary),
            });
        }
        match outcome {
            Ok(committed) => {
                exchange.record.dropped.clone_from(&flight.dropped);
                Tried::Committed(Box::new(committed))
            }
            Err(failed) => {
                let used = (&flight.used, failed.given_up());
                self.charge_failed(exchange, this.asked(flight.surface()), used, report.as_deref_mut());
                self.note_failure(exchange, this, flight.token.as_ref(), &failed);
                Tried::Failed(Box::new(failed))
            }
        }
    }

    /// An attempt that is given up because another one has answered, or has said that no other can.
    pub(super) fn hedged_out(
        &self,
        exchange: &mut Exchange,
        prepared: &Prepared,
        (this, flight): (&Try<'_>, &Flight),
        report: &mut Option<Box<Report>>,
    ) {
        if let Some(report) = report {
            report.back_to(this.candidate, prepared);
            report.made(Made::cut(this, flight));
        }
        let used = (flight.used(), true);
        self.charge_failed(exchange, this.asked(flight.surface()), used, report.as_deref_mut());
        self.note_hedged_out(exchange, this);
    }

    /// An attempt for which nobody waits any more.
    pub(super) fn cancelled(
        &self,
        exchange: &mut Exchange,
        (this, flight): (&Try<'_>, &Flight),
        over: Over,
    ) -> Tried {
        tracing::debug!(request_id = %exchange.request.id, ?over, "the attempt is cancelled");
        self.charge_failed(exchange, this.asked(flight.surface()), (flight.used(), true), None);
        self.note_over(exchange, this, over);
        Tried::Over(over)
    }

    /// An attempt that has no request to send.
    pub(super) fn unbuilt(
        &self,
        exchange: &mut Exchange,
        prepared: &Prepared,
        this: &Try<'_>,
        fault: Fault,
    ) -> Tried {
        self.note_unsent(exchange, this, &fault);
        Tried::Failed(Box::new(self.note_unbuilt(&exchange.request.id, prepared, this, fault).into()))
    }
}

impl<'a> Made<'a> {
    /// A request that was cut short for another one's answer.
    fn cut(this: &Try<'a>, flight: &Flight) -> Self {
        Self {
            url: flight.url.clone().unwrap_or_default(),
            key: this.key,
            dropped: flight.dropped.clone(),
            took: this.started.elapsed(),
            overlap: this.overlap,
            result: Err(Failed::cut()),
        }
    }
}
