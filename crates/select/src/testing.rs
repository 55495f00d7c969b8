//! What the tests of this crate share.

use crate::Refusal;
use crate::metrics::Metrics;
use crate::plan::{Candidate, Fallthrough, OnFailure, Order, Plan, Selection, Strategy, plan};
use crate::resolve::Ask;
use crate::universe::{Options, Universe};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};
use tollgate_catalog::{Catalog, Model, ModelOverlay, Provider, ProviderOverlay};
use tollgate_dialect::Surface;
use tollgate_expr::{Activation, NoSecrets, Program, Scope};

/// The time of all tests, in milliseconds since the Unix epoch.
pub(crate) const NOW_MS: u64 = 1_800_000_000_000;

pub(crate) fn activation() -> Activation<'static> {
    Activation::new(&NoSecrets, UNIX_EPOCH + Duration::from_millis(NOW_MS))
}

/// A provider of a policy, with model ids.
pub(crate) fn provider(id: &str, models: &[&str]) -> ProviderOverlay {
    ProviderOverlay {
        id: id.into(),
        models: models
            .iter()
            .map(|id| ModelOverlay { id: (*id).into(), ..ModelOverlay::default() })
            .collect(),
        ..ProviderOverlay::default()
    }
}

/// A provider of a policy that is no built-in one.
pub(crate) fn custom(id: &str, models: &[&str]) -> ProviderOverlay {
    ProviderOverlay { base_url: Some(format!("https://{id}.example.com/v1")), ..provider(id, models) }
}

/// The built-in catalogue with a policy's providers.
pub(crate) fn universe(overlays: &[ProviderOverlay], options: Options) -> Universe {
    let catalog = match overlays {
        [] => Catalog::builtin(),
        overlays => Arc::new(Catalog::builtin().with_overlays(overlays).expect("the overlays are valid")),
    };
    Universe::new(catalog, options, &Metrics::new())
}

pub(crate) fn strings(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// A request, and what a policy says about it.
pub(crate) struct Case {
    pub(crate) universe: Universe,
    pub(crate) surface: Surface,
    pub(crate) model: Option<String>,
    pub(crate) models: Vec<String>,
    pub(crate) selection: Selection,
    pub(crate) keyed: fn(&Provider) -> bool,
    pub(crate) mount: Option<&'static str>,
}

impl Case {
    pub(crate) fn new(overlays: &[ProviderOverlay]) -> Self {
        Self::of(universe(overlays, Options::default()))
    }

    pub(crate) fn of(universe: Universe) -> Self {
        Self {
            universe,
            surface: Surface::ChatCompletions,
            model: None,
            models: Vec::new(),
            selection: Selection::default(),
            keyed: |_| true,
            mount: None,
        }
    }

    pub(crate) fn model(mut self, model: &str) -> Self {
        self.model = Some(model.into());
        self
    }

    pub(crate) fn models(mut self, models: &[&str]) -> Self {
        self.models = strings(models);
        self
    }

    pub(crate) fn surface(mut self, surface: Surface) -> Self {
        self.surface = surface;
        self
    }

    pub(crate) fn strategies(mut self, sources: &[&str]) -> Self {
        self.selection.strategies = sources.iter().map(|source| strategy(source)).collect();
        self
    }

    pub(crate) fn stop_after(mut self, strategy: usize) -> Self {
        self.selection.strategies[strategy].on_failure = OnFailure::Stop;
        self
    }

    pub(crate) fn fallthrough(mut self, fallthrough: Fallthrough) -> Self {
        self.selection.fallthrough = fallthrough;
        self
    }

    pub(crate) fn order(mut self, order: Order) -> Self {
        self.selection.order = order;
        self
    }

    pub(crate) fn keyed(mut self, keyed: fn(&Provider) -> bool) -> Self {
        self.keyed = keyed;
        self
    }

    pub(crate) fn with_ask<R>(&self, run: impl FnOnce(&Ask<'_>) -> R) -> R {
        run(&Ask {
            model: self.model.as_deref(),
            models: &self.models,
            surface: self.surface,
            format: self.surface.format(),
            stream: false,
            user_agent: "test/1",
            path: "/v1/test",
            mount_backend: self.mount,
            input_tokens: &|| 1234,
            has_key: &self.keyed,
        })
    }

    pub(crate) fn plan(&self, detail: bool) -> Result<Plan, Box<Refusal>> {
        self.universe.metrics().clock().set(activation().now);
        self.with_ask(|ask| plan(&self.universe, ask, &self.selection, &activation(), detail))
    }

    /// The candidates as `provider:upstream model`, the same with and without details; or the code of the error.
    pub(crate) fn run(&self) -> Result<Vec<String>, u16> {
        let outcome =
            |detail| self.plan(detail).map(|plan| shown(&plan)).map_err(|refusal| refusal.error.code());
        let (short, long) = (outcome(false), outcome(true));
        assert_eq!(short, long, "details change the plan");
        short
    }
}

pub(crate) fn shown(plan: &Plan) -> Vec<String> {
    plan.candidates.iter().map(|c| format!("{}:{}", c.provider.id, c.upstream_model)).collect()
}

pub(crate) fn program(source: &str, scope: Scope) -> Program {
    Program::compile(source, scope).unwrap_or_else(|issues| {
        panic!("{source}: {}", issues.first().map_or("", |issue| issue.message.as_str()))
    })
}

pub(crate) fn strategy(source: &str) -> Strategy {
    Strategy { program: program(source, Scope::ModelStrategy), on_failure: OnFailure::Next }
}

/// A plan of `provider:model` candidates.
pub(crate) fn made(candidates: &[&str]) -> Plan {
    let metrics = Metrics::new();
    let candidate = |name: &&str| {
        let (provider, model) = name.split_once(':').expect("provider:model");
        Candidate {
            provider: Arc::new(Provider { id: provider.into(), ..Provider::default() }),
            model: Arc::new(Model { id: model.into(), ..Model::default() }),
            upstream_model: model.into(),
            requested: None,
            params: Arc::default(),
            stats: metrics.get(provider, model),
        }
    };
    Plan { candidates: candidates.iter().map(candidate).collect(), ..Plan::default() }
}
