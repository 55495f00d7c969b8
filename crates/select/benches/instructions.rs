//! What `cargo run -p xtask -- instructions` counts: each function of `measured`, called once from `main`.

#![expect(clippy::expect_used, reason = "a bench that cannot go on says so")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tollgate_catalog::{Catalog, ModelOverlay, ProviderOverlay};
use tollgate_dialect::Surface;
use tollgate_expr::{Activation, NoSecrets, Program, Scope};
use tollgate_select::{Ask, Metrics, OnFailure, Options, Sample, Selection, Strategy, Universe, plan};

/// Providers, and models of each: made up, so that a new price list changes no count.
const PROVIDERS: usize = 20;
const MODELS: usize = 25;
/// Any time; milliseconds since the Unix epoch.
const NOW_MS: u64 = 1_800_000_000_000;
/// A bucket of the rolling metrics.
const BUCKET_MS: u64 = 30_000;
/// Times each is called; the counts are means.
const ROUNDS: u64 = 16;

fn main() {
    let metrics = Metrics::new();
    let universe = universe(&metrics);
    let (bench, cheapest) = (of_the_bench(), selection(&["ai.models.sortBy(m, m.pricing.input)"]));
    metrics.clock().set_ms(NOW_MS);
    // Once without being measured: what is made when it is first needed is made here.
    planned(&universe, &bench, &[], NOW_MS);
    planned(&universe, &cheapest, &[], NOW_MS);
    for _ in 0..ROUNDS {
        measured::select_500_kept(&universe, &bench);
        measured::select_500_sorted(&universe, &cheapest);
        measured::select_two_named(&universe, &bench);
        measured::select_by_default(&universe, &Selection::default());
    }
    for round in 1..=ROUNDS {
        metrics.clock().set_ms(NOW_MS + round * BUCKET_MS);
        measured::select_500_anew(&universe, &bench, NOW_MS + round * BUCKET_MS);
    }
}

/// Named in `limits.json`. `black_box` behind each call keeps it a call: a jump would not be seen to end. Its word keeps the
/// functions apart: the compiler makes one of those that are the same.
mod measured {
    use super::{NOW_MS, planned};
    use std::hint::black_box;
    use tollgate_select::{Selection, Universe};

    /// The strategies of `make bench` over 500 models, whose totals are as they were read last.
    #[inline(never)]
    pub(super) fn select_500_kept(universe: &Universe, selection: &Selection) {
        planned(universe, selection, &[], NOW_MS);
        black_box("select_500_kept");
    }

    /// The same when a bucket of each model's window has just gone out of date.
    #[inline(never)]
    pub(super) fn select_500_anew(universe: &Universe, selection: &Selection, now_ms: u64) {
        planned(universe, selection, &[], now_ms);
        black_box("select_500_anew");
    }

    /// All 500, sorted by price.
    #[inline(never)]
    pub(super) fn select_500_sorted(universe: &Universe, selection: &Selection) {
        planned(universe, selection, &[], NOW_MS);
        black_box("select_500_sorted");
    }

    /// The client names two of the 500, as in `make bench`.
    #[inline(never)]
    pub(super) fn select_two_named(universe: &Universe, selection: &Selection) {
        planned(universe, selection, &["p3:p3-model-7", "p11:p11-model-20"], NOW_MS);
        black_box("select_two_named");
    }

    /// No strategy, and a name without its provider.
    #[inline(never)]
    pub(super) fn select_by_default(universe: &Universe, selection: &Selection) {
        planned(universe, selection, &["p7-model-3"], NOW_MS);
        black_box("select_by_default");
    }
}

/// Plans a request, which must find something.
fn planned(universe: &Universe, selection: &Selection, names: &[&str], now_ms: u64) {
    let models: Vec<String> = names.iter().skip(1).map(|name| (*name).to_owned()).collect();
    let ask = Ask {
        model: names.first().copied(),
        models: &models,
        surface: Surface::ChatCompletions,
        format: Surface::ChatCompletions.format(),
        stream: false,
        user_agent: "bench/1",
        path: "/v1/chat/completions",
        mount_backend: None,
        input_tokens: &|| 50,
        has_key: &|_| true,
    };
    let activation = Activation::new(&NoSecrets, time(now_ms));
    let plan = plan(universe, &ask, selection, &activation, false).expect("there is something to try");
    std::hint::black_box(plan);
}

/// 500 models and no other, each of which was used already.
fn universe(metrics: &Metrics) -> Universe {
    let builtin = Catalog::builtin();
    let none = builtin.providers().iter().map(|provider| ProviderOverlay {
        id: provider.id.clone(),
        disabled: true,
        ..ProviderOverlay::default()
    });
    let overlays: Vec<ProviderOverlay> = none.chain((0..PROVIDERS).map(provider)).collect();
    let catalog = builtin.with_overlays(&overlays).expect("the providers are right");
    for (provider, model) in (0..PROVIDERS).flat_map(|p| (0..MODELS).map(move |m| (p, m))) {
        let sample = Sample { at_ms: NOW_MS, upstream_ms: 400, gateway_ms: 1, ..Sample::default() };
        metrics.get(&format!("p{provider}"), &format!("p{provider}-model-{model}")).record(&sample);
    }
    let universe = Universe::new(catalog.into(), Options::default(), metrics);
    let listed = universe.allowed(Surface::ChatCompletions).count();
    assert_eq!(listed, PROVIDERS * MODELS, "models to choose from");
    universe
}

fn provider(number: usize) -> ProviderOverlay {
    let model = |model: usize| ModelOverlay {
        id: format!("p{number}-model-{model}"),
        max_context_window: Some(128_000),
        ..ModelOverlay::default()
    };
    ProviderOverlay {
        id: format!("p{number}"),
        base_url: Some(format!("https://p{number}.example.com/v1")),
        models: (0..MODELS).map(model).collect(),
        ..ProviderOverlay::default()
    }
}

/// The strategies of `make bench`, with providers of ours.
fn of_the_bench() -> Selection {
    selection(&[
        "ai.models.filter(m, m.provider_id == 'p3' && m.metrics.global.error_rate.total < 0.5)",
        "ai.models.filter(m, m.provider_id == 'p11' && m.metrics.global.error_rate.total < 0.5)",
    ])
}

fn selection(sources: &[&str]) -> Selection {
    let strategy = |source: &&str| Strategy {
        program: Program::compile(source, Scope::ModelStrategy).expect("the strategy is right"),
        on_failure: OnFailure::Next,
    };
    Selection { strategies: sources.iter().map(strategy).collect(), ..Selection::default() }
}

fn time(ms: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(ms)
}
