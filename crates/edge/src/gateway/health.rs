//! The health of targets: who goes last in a plan, which request tries what rested, and what an outcome says of whom.
//!
//! The breakers themselves are in [`tollgate_select`], beside the rolling metrics: shared by all listeners and kept over
//! reloads of a policy.

use super::Gateway;
use super::attempts::{Try, reach};
use super::prepare::{Keychain, Prepared};
use super::receive::Failed;
use super::report::Report;
use super::tally::{millis, now_ms};
use crate::exchange::{Ending, Exchange};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tollgate_dialect::{Scope, limits};
use tollgate_observe::{BreakerDomain, BreakerStep};
use tollgate_select::{
    Admission, Blow, Breaker, Candidate, Change, Fault, HealthKnobs, Key, OutcomeClass, Plan, Probe, Reach,
    Resting, Spent,
};

/// One request's dealings with what rests: the probes it holds, and whom it has blamed already.
#[derive(Default)]
pub(super) struct Course {
    on: bool,
    /// The candidate that was let in last.
    at: Option<usize>,
    /// Of the candidate at hand: whether its keys are the policy's own, and whether all of them rest.
    configured: bool,
    keys_rest: bool,
    provider_probe: Option<Probe>,
    model_probe: Option<Probe>,
    key_probe: Option<(usize, Probe)>,
    /// Candidates and providers that a failure of this request was counted against: a second key of the same target
    /// that fails in the same way says nothing new.
    models_blamed: Vec<usize>,
    providers_blamed: Vec<usize>,
}

impl Course {
    /// A dry run leaves no trace, and a policy may do without.
    pub(super) fn new(knobs: &HealthKnobs, exchange: &Exchange) -> Self {
        Self { on: knobs.enabled && exchange.trace.is_none(), ..Self::default() }
    }

    /// The dealings of an attempt that is made beside another one: it probes nothing.
    pub(super) fn beside(&self, prepared: &Prepared, candidate: &Candidate) -> Self {
        let chain = prepared.keychain.iter().find(|chain| chain.provider == candidate.provider.id);
        Self { on: self.on, configured: chain.is_some_and(|chain| chain.configured), ..Self::default() }
    }

    /// Hands over whom the request has blamed already: of two attempts the one that is settled has it.
    pub(super) fn swap_blame(&mut self, other: &mut Self) {
        std::mem::swap(&mut self.models_blamed, &mut other.models_blamed);
        std::mem::swap(&mut self.providers_blamed, &mut other.providers_blamed);
    }

    fn release(&mut self) {
        (self.provider_probe, self.model_probe, self.key_probe) = (None, None, None);
    }
}

/// Whom a change is about.
struct About<'a> {
    domain: BreakerDomain,
    candidate: &'a Candidate,
    key: Option<&'a Key>,
}

impl Gateway {
    /// Puts candidates that rest behind those that do not, each part in its own order, and tells the report why.
    pub(super) fn rest_last(&self, plan: &mut Plan, keychain: &[Keychain], report: &mut Option<Box<Report>>) {
        if !self.knobs.health.enabled || plan.candidates.len() < 2 {
            return;
        }
        let now = now_ms();
        let troubled: Vec<&Keychain> = keychain.iter().filter(|chain| !has_well_key(chain, now)).collect();
        let rests = |candidate: &Candidate| {
            candidate.stats.health().rests(now).or_else(|| {
                let chain = troubled.iter().find(|chain| chain.provider == candidate.provider.id)?;
                keys_rest(chain, candidate, now)
            })
        };
        if plan.candidates.iter().all(|candidate| rests(candidate).is_none()) {
            return;
        }
        let (mut well, mut resting) = (Vec::new(), Vec::new());
        for candidate in std::mem::take(&mut plan.candidates) {
            match rests(&candidate) {
                None => well.push(candidate),
                Some(why) => {
                    if let Some(report) = report {
                        report.rests(&candidate, why);
                    }
                    resting.push(candidate);
                }
            }
        }
        well.append(&mut resting);
        plan.candidates = well;
    }

    /// The keys of a candidate whose turn has come: those that rest last. The first one that is not closed may be one
    /// that this request is to try.
    pub(super) fn keys_in_turn(
        &self,
        prepared: &Prepared,
        candidate: &Candidate,
        course: &mut Course,
    ) -> Result<Vec<Option<usize>>, Fault> {
        let chain = prepared.keychain.iter().find(|chain| chain.provider == candidate.provider.id);
        let Some(chain) = chain else { return Err(Fault::NoKey) };
        let order = chain.order.clone()?;
        (course.configured, course.keys_rest, course.key_probe) = (chain.configured, false, None);
        let now = now_ms();
        let key = |index: Option<usize>| chain.keys.get(index?);
        let health = |index: Option<usize>| key(index).map(|key| key.stats.health());
        let well = |index: &Option<usize>| health(*index).is_none_or(|health| health.is_well(now));
        if !course.on || !chain.configured || order.iter().all(well) {
            return Ok(order);
        }
        let (model, free) = (candidate.stats.health().id, candidate.is_free());
        let (mut fit, mut resting) = (Vec::new(), Vec::new());
        for index in order {
            let fits = match (health(index), index) {
                (Some(health), _) if health.cooldown.left_ms(model, free, now) > 0 => false,
                (Some(health), Some(at)) if fit.is_empty() => match health.breaker.admit(now) {
                    Admission::Free => true,
                    Admission::Resting => false,
                    Admission::Probe(probe) => {
                        let about = About {
                            domain: BreakerDomain::Key,
                            candidate,
                            key: key(index).map(AsRef::as_ref),
                        };
                        self.tried(&about);
                        course.key_probe = Some((at, probe));
                        true
                    }
                },
                (Some(health), _) => health.breaker.is_closed(),
                (None, _) => true,
            };
            if fits { fit.push(index) } else { resting.push(index) }
        }
        course.keys_rest = fit.is_empty();
        fit.append(&mut resting);
        Ok(fit)
    }

    /// The keys with which a candidate may be asked beside another one: nothing of it is in doubt.
    pub(super) fn well_keys(
        &self,
        prepared: &Prepared,
        candidate: &Candidate,
    ) -> Result<Vec<Option<usize>>, Fault> {
        let chain = prepared.keychain.iter().find(|chain| chain.provider == candidate.provider.id);
        let Some(chain) = chain else { return Err(Fault::NoKey) };
        let mut order = chain.order.clone()?;
        let (health, now) = (candidate.stats.health(), now_ms());
        if !self.knobs.health.enabled {
            return Ok(order);
        }
        let in_doubt = !health.provider.is_closed() || !health.breaker.is_closed();
        if in_doubt || health.cooldown.left_of_all_ms(now) > 0 {
            return Ok(Vec::new());
        }
        let (model, free) = (health.id, candidate.is_free());
        order.retain(|index| {
            let key = index.and_then(|index| chain.keys.get(index)).filter(|_| chain.configured);
            key.map(|key| key.stats.health()).is_none_or(|health| {
                health.breaker.is_closed() && health.cooldown.left_ms(model, free, now) == 0
            })
        });
        Ok(order)
    }

    /// Whether a candidate may be tried now: it is well, or this request is the one that tries it.
    pub(super) fn admits(&self, course: &mut Course, index: usize, candidate: &Candidate) -> bool {
        if !course.on || course.at.replace(index) == Some(index) {
            return true;
        }
        (course.provider_probe, course.model_probe) = (None, None);
        let (health, now) = (candidate.stats.health(), now_ms());
        let mut admitted = !course.keys_rest && health.cooldown.left_of_all_ms(now) == 0;
        for (domain, breaker) in
            [(BreakerDomain::Provider, &health.provider), (BreakerDomain::Model, &health.breaker)]
        {
            match breaker.admit(now) {
                Admission::Free => {}
                Admission::Resting => admitted = false,
                Admission::Probe(probe) if domain == BreakerDomain::Provider => {
                    course.provider_probe = Some(probe);
                }
                Admission::Probe(probe) => course.model_probe = Some(probe),
            }
        }
        if !admitted {
            course.release();
        }
        for (domain, probe) in
            [(BreakerDomain::Provider, &course.provider_probe), (BreakerDomain::Model, &course.model_probe)]
        {
            if probe.is_some() {
                self.tried(&About { domain, candidate, key: None });
            }
        }
        admitted
    }

    /// An answer has begun: its target is well.
    pub(super) fn note_well(&self, course: &mut Course, this: &Try<'_>) {
        if !course.on {
            return;
        }
        let (knobs, now) = (&self.knobs.health, now_ms());
        let (candidate, health) = (this.candidate, this.candidate.stats.health());
        let closed = |domain, key, breaker: &Breaker| {
            self.changed(&About { domain, candidate, key }, breaker.succeeded(knobs, now));
        };
        closed(BreakerDomain::Provider, None, &health.provider);
        closed(BreakerDomain::Model, None, &health.breaker);
        health.cooldown.used(health.id, false);
        if let Some(key) = this.key.filter(|_| course.configured) {
            closed(BreakerDomain::Key, Some(key), &key.stats.health().breaker);
            key.stats.health().cooldown.used(health.id, candidate.is_free());
        }
        course.release();
    }

    /// An attempt failed: counts it against the one who is to blame, once for a request.
    pub(super) fn note_sick(&self, course: &mut Course, this: &Try<'_>, failed: &Failed) {
        if !course.on {
            return;
        }
        let reach = reach(failed);
        match failed.fault.class() {
            OutcomeClass::Hard | OutcomeClass::Transient if !self.had_its_time(this, &failed.fault) => {}
            _ if failed.fault.is_unreachable() => self.unreachable(course, this),
            OutcomeClass::Transient => self.broken(course, this, failed),
            OutcomeClass::Quota => self.spent(course, this, failed, reach),
            OutcomeClass::Key if reach == Reach::Key && failed.fault.status() != Some(401) => {
                self.spent(course, this, failed, reach);
            }
            // A 403 may be about the model, or about what was asked: only a 401 is surely about the key.
            OutcomeClass::Key if failed.fault.status() != Some(403) => self.refused(course, this),
            _ => {}
        }
        // Its one attempt is over, whatever came of it.
        if course.key_probe.as_ref().is_some_and(|(key, _)| Some(*key) == this.attempt.key) {
            course.key_probe = None;
        }
    }

    /// How a relayed answer ended.
    pub(super) fn note_ended(&self, exchange: &Exchange, candidate: &Candidate, ending: Ending) {
        let knobs = &self.knobs.health;
        if !knobs.enabled || exchange.trace.is_some() {
            return;
        }
        let breaker = &candidate.stats.health().breaker;
        match ending {
            Ending::Truncated => {
                let change = breaker.failed(Blow::Cut, None, None, (knobs, now_ms()));
                self.changed(&About { domain: BreakerDomain::Model, candidate, key: None }, change);
            }
            Ending::Complete => breaker.completed(),
            _ => {}
        }
    }

    /// Whether a timeout says something of the provider: an attempt that began when little of the request's time was left
    /// had no chance.
    fn had_its_time(&self, this: &Try<'_>, fault: &Fault) -> bool {
        let full = self.knobs.per_request_timeout.min(self.knobs.total_timeout);
        let full = match fault {
            Fault::ConnectTimeout => full.min(self.knobs.connect_timeout),
            Fault::HeadTimeout | Fault::ContentTimeout | Fault::AttemptTimeout => full,
            _ => Duration::ZERO,
        };
        // Clocks of timers and ours are not quite the same.
        this.started.elapsed() >= full.mul_f64(0.9)
    }

    fn unreachable(&self, course: &mut Course, this: &Try<'_>) {
        let at = (&self.knobs.health, now_ms());
        let breaker = &this.candidate.stats.health().provider;
        if !is_new(&mut course.providers_blamed, Arc::as_ptr(breaker).addr()) {
            return;
        }
        let change = breaker.failed(Blow::Failure, None, course.provider_probe.as_ref(), at);
        self.changed(
            &About { domain: BreakerDomain::Provider, candidate: this.candidate, key: None },
            change,
        );
    }

    fn broken(&self, course: &mut Course, this: &Try<'_>, failed: &Failed) {
        if !is_new(&mut course.models_blamed, this.attempt.candidate) {
            return;
        }
        let at = (&self.knobs.health, now_ms());
        let (candidate, health) = (this.candidate, this.candidate.stats.health());
        let asked = failed.retry_after.map(|wait| millis(wait).into());
        let change = health.breaker.failed(Blow::Failure, asked, course.model_probe.as_ref(), at);
        self.changed(&About { domain: BreakerDomain::Model, candidate, key: None }, change);
        // Clients can make up names of models: only those somebody knows say something of the provider.
        let blow = Blow::Model(candidate.model.known.then_some(health.id));
        let change = health.provider.failed(blow, None, course.provider_probe.as_ref(), at);
        self.changed(&About { domain: BreakerDomain::Provider, candidate, key: None }, change);
    }

    fn refused(&self, course: &Course, this: &Try<'_>) {
        let Some(key) = this.key.filter(|_| course.configured) else { return };
        let probe = course.key_probe.as_ref().filter(|(index, _)| Some(*index) == this.attempt.key);
        let at = (&self.knobs.health, now_ms());
        let breaker = &key.stats.health().breaker;
        let change = breaker.failed(Blow::AtOnce, None, probe.map(|(_, probe)| probe), at);
        let about = About { domain: BreakerDomain::Key, candidate: this.candidate, key: Some(key) };
        self.changed(&about, change);
    }

    /// A quota is used up: of the model for everybody, of the key, or of the key for this model.
    fn spent(&self, course: &Course, this: &Try<'_>, failed: &Failed, reach: Reach) {
        let asked: Option<u64> = asked_for(failed).map(|wait| millis(wait).into());
        let in_flight = failed.said.as_ref().is_some_and(|said| said.scope == Scope::InFlight);
        if in_flight && asked.is_none() {
            return;
        }
        let (candidate, health) = (this.candidate, this.candidate.stats.health());
        let at = (&self.knobs.health, now_ms());
        let key = this.key.filter(|_| course.configured);
        let (domain, length) = match (reach, key) {
            (Reach::Model, _) => (BreakerDomain::Model, health.cooldown.cool(Spent::Whole, asked, at)),
            (_, Some(key)) => {
                let whole = reach == Reach::Key || failed.fault.status() == Some(402);
                let spent = match reach {
                    _ if whole => Spent::Whole,
                    Reach::FreeModels => Spent::FreeModels,
                    _ => Spent::Model(health.id),
                };
                (BreakerDomain::Key, key.stats.health().cooldown.cool(spent, asked, at))
            }
            // Without any key the limit is the server's own, and everybody's.
            (_, None) if this.key.is_none() => {
                (BreakerDomain::Model, health.cooldown.cool(Spent::Whole, asked, at))
            }
            // A client's key is the client's own affair.
            _ => return,
        };
        if let Some(length) = length {
            let (provider, model) = (candidate.provider.id.as_str(), candidate.upstream_model.as_str());
            tracing::info!(
                provider,
                model,
                domain = domain.name(),
                key = key.map(|key| key.id.as_str()),
                cooldown_ms = length,
                "a quota is used up"
            );
            if let Some(runtime) = self.runtime.get(&candidate.provider) {
                runtime.metrics.cooled(domain);
            }
        }
    }

    fn tried(&self, about: &About<'_>) {
        let (provider, model, key) = about.names();
        tracing::info!(
            provider,
            model,
            domain = about.domain.name(),
            key,
            "circuit breaker half open: this request tries"
        );
        if let Some(runtime) = self.runtime.get(&about.candidate.provider) {
            runtime.metrics.breaker(about.domain, BreakerStep::HalfOpen);
        }
    }

    fn changed(&self, about: &About<'_>, change: Option<Change>) {
        let Some(change) = change else { return };
        let ((provider, model, key), domain) = (about.names(), about.domain.name());
        let step = match change {
            Change::Opened(cooldown_ms) => {
                tracing::warn!(provider, model, domain, key, cooldown_ms, "circuit breaker opened");
                BreakerStep::Open
            }
            Change::Closed => {
                tracing::info!(provider, model, domain, key, "circuit breaker closed");
                BreakerStep::Closed
            }
        };
        if let Some(runtime) = self.runtime.get(&about.candidate.provider) {
            runtime.metrics.breaker(about.domain, step);
        }
    }
}

impl About<'_> {
    /// Provider, model and key for the log: what the breaker is of, and no more.
    fn names(&self) -> (&str, Option<&str>, Option<&str>) {
        let model = (self.domain == BreakerDomain::Model).then_some(self.candidate.upstream_model.as_str());
        (&self.candidate.provider.id, model, self.key.map(|key| key.id.as_str()))
    }
}

/// Adds to a list what is not in it; answers whether it was not.
fn is_new(list: &mut Vec<usize>, one: usize) -> bool {
    let new = !list.contains(&one);
    if new {
        list.push(one);
    }
    new
}

/// How long a provider asks to be left alone: what it says, or when what is used up is counted anew.
fn asked_for(failed: &Failed) -> Option<Duration> {
    failed.retry_after.or_else(|| {
        let seen = limits::read(&failed.answer.as_ref()?.headers, SystemTime::now())?;
        let requests = seen.reset_requests.filter(|_| seen.remaining_requests == Some(0));
        requests.max(seen.reset_tokens.filter(|_| seen.remaining_tokens == Some(0)))
    })
}

/// Whether some key of a chain needs no second look. Clients' own keys have no health here.
fn has_well_key(chain: &Keychain, now_ms: u64) -> bool {
    let well = |index: &Option<usize>| {
        let key = index.and_then(|index| chain.keys.get(index));
        key.is_none_or(|key| key.stats.health().is_well(now_ms))
    };
    !chain.configured || chain.order.as_ref().map_or(true, |order| order.iter().any(well))
}

/// Whether all keys of a chain rest for a model.
fn keys_rest(chain: &Keychain, candidate: &Candidate, now_ms: u64) -> Option<Resting> {
    let (model, free) = (candidate.stats.health().id, candidate.is_free());
    let order = chain.order.as_ref().ok()?;
    let mut soonest = u64::MAX;
    for index in order {
        let key = chain.keys.get((*index)?)?;
        soonest = soonest.min(key.stats.health().rests(model, free, now_ms)?);
    }
    Some(Resting::Keys(soonest))
}
