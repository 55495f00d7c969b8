//! What is counted of the health of targets.

use crate::status::ProviderStatus;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::collections::HashSet;

/// What a breaker is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerDomain {
    /// A provider.
    Provider,
    /// A model at a provider.
    Model,
    /// A key of a provider.
    Key,
}

/// What a breaker does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerStep {
    /// It opens, for the first time or because the probe failed.
    Open,
    /// A request tries.
    HalfOpen,
    /// It closes.
    Closed,
}

impl BreakerDomain {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Provider, Self::Model, Self::Key];

    /// The label's value.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Model => "model",
            Self::Key => "key",
        }
    }
}

impl BreakerStep {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Open, Self::HalfOpen, Self::Closed];

    /// The label's value.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::HalfOpen => "half_open",
            Self::Closed => "closed",
        }
    }
}

type Labels<const N: usize> = [(&'static str, String); N];

/// The families, with a label `provider` each.
#[derive(Debug, Default)]
pub(super) struct BreakerFamilies {
    open: Family<Labels<2>, Gauge>,
    transitions: Family<Labels<3>, Counter>,
    cooldowns: Family<Labels<2>, Counter>,
}

/// One provider's counters.
#[derive(Debug)]
pub(super) struct BreakerCounters {
    transitions: [[Counter; BreakerStep::ALL.len()]; BreakerDomain::ALL.len()],
    cooldowns: [Counter; BreakerDomain::ALL.len()],
}

impl BreakerFamilies {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("breaker_open", "Circuit breakers that are open or half-open", self.open.clone());
        registry.register(
            "breaker_transitions",
            "Changes of circuit breakers, by what they are for and where they went",
            self.transitions.clone(),
        );
        registry.register(
            "quota_cooldowns",
            "Times a model or a key was left alone because its quota was used up",
            self.cooldowns.clone(),
        );
    }

    /// `provider` is a label's value already.
    pub(super) fn provider(&self, provider: &str) -> BreakerCounters {
        let label =
            |domain: BreakerDomain| [("provider", provider.to_owned()), ("domain", domain.name().to_owned())];
        BreakerCounters {
            transitions: BreakerDomain::ALL.map(|domain| {
                BreakerStep::ALL.map(|step| {
                    let [provider, domain] = label(domain);
                    self.transitions.get_or_create_owned(&[provider, domain, ("to", step.name().to_owned())])
                })
            }),
            cooldowns: BreakerDomain::ALL.map(|domain| self.cooldowns.get_or_create_owned(&label(domain))),
        }
    }

    /// Sets the gauges to what the status page says; a provider that is on it no more has no series. Providers that share
    /// a label are added up.
    pub(super) fn show(&self, providers: &[ProviderStatus], label: impl Fn(&str) -> String) {
        self.open.clear();
        let is_open = |state: &str| {
            i64::from([BreakerStep::Open, BreakerStep::HalfOpen].iter().any(|step| step.name() == state))
        };
        let mut seen = HashSet::new();
        for provider in providers.iter().filter(|provider| seen.insert(&provider.id)) {
            let models = provider.models.iter().map(|model| is_open(&model.breaker)).sum();
            let keys = provider.keys.iter().map(|key| is_open(&key.breaker)).sum();
            for (domain, open) in
                BreakerDomain::ALL.into_iter().zip([is_open(&provider.breaker), models, keys])
            {
                let labels = [("provider", label(&provider.id)), ("domain", domain.name().to_owned())];
                self.open.get_or_create(&labels).inc_by(open);
            }
        }
    }
}

impl BreakerCounters {
    pub(super) fn moved(&self, domain: BreakerDomain, step: BreakerStep) {
        if let Some(counter) = self.transitions.get(domain as usize).and_then(|row| row.get(step as usize)) {
            counter.inc();
        }
    }

    pub(super) fn cooled(&self, domain: BreakerDomain) {
        if let Some(counter) = self.cooldowns.get(domain as usize) {
            counter.inc();
        }
    }
}
