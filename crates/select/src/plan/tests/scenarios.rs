//! What users do: the situations the policy language promises to handle.

use crate::metrics::{Sample, SampleOutcome};
use crate::plan::{Fallthrough, Order, plan};
use crate::resolve::RejectKind;
use crate::testing::{Case, NOW_MS, activation, custom, provider, strings, universe};
use crate::universe::Options;
use std::cell::Cell;
use tollgate_catalog::{ModelOverlay, ProviderOverlay};
use tollgate_dialect::Surface;

const ANTHROPIC: &str = "ai.models.filter(m, m.provider_id == 'anthropic')";
const OPENROUTER: &str = "ai.models.filter(m, m.provider_id == 'openrouter')";

/// Two providers, one strategy each; the client names an unknown model of either.
fn two_providers(models: &[&str]) -> Case {
    Case::new(&[provider("anthropic", &[]), provider("openrouter", &[])])
        .models(models)
        .strategies(&[ANTHROPIC, OPENROUTER])
}

const BOTH: [&str; 2] = ["anthropic:claude-x-preview", "openrouter:anthropic/claude-3.5-sonnet"];

#[test]
fn the_second_strategy_is_the_fallback() {
    let expected = strings(&["anthropic:claude-x-preview", "openrouter:anthropic/claude-3.5-sonnet"]);
    assert_eq!(two_providers(&BOTH).run(), Ok(expected));
}

#[test]
fn first_match_never_falls_back() {
    let case = two_providers(&BOTH).fallthrough(Fallthrough::FirstMatch);
    assert_eq!(case.run(), Ok(strings(&["anthropic:claude-x-preview"])));
    let plan = case.plan(false).expect("one candidate");
    assert_eq!(plan.rejected[0].kind, RejectKind::Strategy);
}

#[test]
fn first_match_judges_emptiness_after_the_filters() {
    let case = two_providers(&BOTH[1..]).fallthrough(Fallthrough::FirstMatch);
    assert_eq!(case.run(), Ok(strings(&["openrouter:anthropic/claude-3.5-sonnet"])));
}

#[test]
fn a_strategy_that_matches_nothing_hands_over() {
    assert_eq!(two_providers(&BOTH[1..]).run(), Ok(strings(&["openrouter:anthropic/claude-3.5-sonnet"])));
    let case = two_providers(&BOTH[1..]).stop_after(0);
    assert_eq!(case.run(), Ok(strings(&["openrouter:anthropic/claude-3.5-sonnet"])));
}

#[test]
fn a_strategy_may_be_the_last_word() {
    assert_eq!(two_providers(&BOTH).stop_after(0).run(), Ok(strings(&["anthropic:claude-x-preview"])));
}

#[test]
fn whose_order_counts() {
    let reversed = [BOTH[1], BOTH[0]];
    let anthropic_first = strings(&["anthropic:claude-x-preview", "openrouter:anthropic/claude-3.5-sonnet"]);
    let openrouter_first = strings(&["openrouter:anthropic/claude-3.5-sonnet", "anthropic:claude-x-preview"]);
    assert_eq!(two_providers(&reversed).order(Order::Client).run(), Ok(openrouter_first));
    assert_eq!(two_providers(&reversed).order(Order::Strategy).run(), Ok(anthropic_first));
}

#[test]
fn nothing_left_after_the_filters() {
    let case = two_providers(&[]).model("openai:gpt-4o");
    assert_eq!(case.run(), Err(3805));
    let refusal = case.plan(true).expect_err("nothing left");
    assert!(refusal.error.message().contains("openai:gpt-4o (filtered out by model selection strategy)"));
    assert_eq!((refusal.error.status(), refusal.reports.len()), (422, 2));
}

#[test]
fn auto_and_no_model_are_the_same() {
    let case = || Case::new(&[]).strategies(&["ai.models.onlyProviders(['openai']).sortBy('price')"]);
    let chosen = case().run().expect("models of one provider");
    assert!(chosen.len() > 10 && chosen.iter().all(|name| name.starts_with("openai:")));
    assert_eq!(case().model("ngrok/auto").run(), Ok(chosen.clone()));
    assert_eq!(case().models(&["NGROK/auto"]).run(), Ok(chosen));
    let by_expression =
        Case::new(&[]).strategies(&["ai.models.onlyProviders(['openai']).sortBy(m, m.pricing.input)"]);
    assert_eq!(by_expression.run(), case().run());
}

#[test]
fn auto_without_strategies_takes_what_has_a_key() {
    let case = Case::new(&[provider("groq", &[])]).keyed(|p| p.id == "groq" || p.id == "anthropic");
    let chosen = case.run().expect("two providers have keys");
    assert!(chosen[0].starts_with("groq:"));
    assert!(chosen.iter().all(|name| name.starts_with("groq:") || name.starts_with("anthropic:")));
    assert_eq!(Case::new(&[]).keyed(|_| false).run(), Err(3802));
}

#[test]
fn auto_among_names_stands_for_what_is_not_named() {
    let case = Case::new(&[])
        .models(&["openai:gpt-4o", "ngrok/auto", "anthropic:claude-opus-4-1"])
        .keyed(|provider| provider.id == "anthropic");
    let chosen = case.run().expect("candidates");
    assert_eq!(chosen.first().map(String::as_str), Some("openai:gpt-4o"));
    assert_eq!(chosen.last().map(String::as_str), Some("anthropic:claude-opus-4-1"));
    assert!(chosen.len() > 5 && chosen[1..].iter().all(|name| name.starts_with("anthropic:")));
    let case = case.strategies(&["ai.models.only(['deepseek-chat', 'gpt-4o', 'claude-opus-4-1'])"]);
    let expected = strings(&["openai:gpt-4o", "deepseek:deepseek-chat", "anthropic:claude-opus-4-1"]);
    assert_eq!(case.run(), Ok(expected));
}

#[test]
fn metadata_most_models_lack() {
    let budget = |provider: ProviderOverlay| {
        let metadata = serde_json::json!({"tier": "budget"}).as_object().cloned().expect("an object");
        ProviderOverlay { metadata, ..provider }
    };
    let case = Case::new(&[budget(custom("mine", &["m1", "m2"]))]);
    let case = case.strategies(&["ai.models.filter(m, m.metadata.tier == 'budget')"]);
    assert_eq!(case.run(), Ok(strings(&["mine:m1", "mine:m2"])));
    let case = case.strategies(&["ai.models.filter(m, m.getMetadata('tier') == 'budget')"]).model("mine:m2");
    assert_eq!(case.run(), Ok(strings(&["mine:m2"])));
}

#[test]
fn only_configured_models_with_names_of_all_kinds() {
    let house = ModelOverlay { id: "h-1".into(), aliases: strings(&["house"]), ..ModelOverlay::default() };
    let listed = [ProviderOverlay { models: vec![house], ..custom("mine", &[]) }, custom("other", &["h-2"])];
    let options = Options { only_allow_configured_models: true, ..Options::default() };
    let case = Case::of(universe(&listed, options)).models(&["house", "mine:h-9", "other:h-1", "gpt-4o"]);
    assert_eq!(case.run(), Ok(strings(&["mine:h-1"])));
    assert_eq!(case.plan(false).expect("one").rejected.len(), 3);
    let auto = Case::of(universe(&listed, options)).strategies(&["ai.models"]);
    assert_eq!(auto.run(), Ok(strings(&["mine:h-1", "other:h-2"])));
}

#[test]
fn an_error_is_passed_over_and_told_at_the_end() {
    let broken = "ai.models.filter(m, m.metrics.api_keys['nobody'].request_count > 0)";
    let case = Case::new(&[]).model("gpt-4o").strategies(&[broken, "ai.models"]);
    assert_eq!(case.run(), Ok(strings(&["openai:gpt-4o"])));
    assert!(case.plan(true).expect("a plan").reports[0].error.is_some());
    assert_eq!(case.strategies(&[broken]).run(), Err(3803));
    let wrong = Case::new(&[]).model("gpt-4o").strategies(&["ai.models.size()"]);
    assert_eq!(wrong.run(), Err(3806));
    let message = wrong.plan(false).expect_err("a number").error.message();
    assert!(
        message.starts_with("Expression 'ai.models.size()' must return an AIModel or []AIModel, got int"),
        "{message}"
    );
    assert_eq!(Case::new(&[]).strategies(&["ai.providers"]).run(), Err(3806));
    assert_eq!(Case::new(&[]).strategies(&["ai.models.map(m, m.id)"]).run(), Err(3806));
    assert_eq!(Case::new(&[]).strategies(&["ai.models.get('openai', 'no-such')"]).run(), Err(3805));
}

#[test]
fn reports_tell_each_step() {
    let listed = [provider("openai", &["gpt-4o"]), provider("anthropic", &[])];
    let options = Options { only_allow_configured_providers: true, ..Options::default() };
    let case = Case::of(universe(&listed, options)).models(&["gpt-4o", "openai:new"]).strategies(&[
        "ai.models.only(['gpt-4o', 'gpt-5', 'deepseek-chat'])",
        "ai.models.filter(m, !m.known || m.id == 'gpt-4o')",
    ]);
    let reports = case.plan(true).expect("a plan").reports;
    assert_eq!(reports.len(), 2);
    assert_eq!(reports[0].candidates_returned.len(), 3);
    assert_eq!(reports[0].candidates_after_allowed_filter, ["gpt-5", "gpt-4o"]);
    assert_eq!(reports[0].candidates_after_client_filter, ["gpt-4o"]);
    assert_eq!(reports[0].models_to_try, ["gpt-4o"]);
    assert_eq!(reports[1].candidates_after_client_filter, ["gpt-4o", "openai:new"]);
    assert_eq!(reports[1].models_to_try, ["openai:new"]);
}

#[test]
fn strategies_see_what_happened() {
    let case = Case::new(&[])
        .models(&["openai:gpt-4o", "anthropic:claude-opus-4-1"])
        .strategies(&["ai.models.filter(m, m.metrics.global.error_rate.total < 0.5)"]);
    assert_eq!(case.run().expect("no history").len(), 2);
    let failed = Sample { at_ms: NOW_MS, outcome: SampleOutcome::Server, ..Sample::default() };
    case.universe.metrics().get("openai", "gpt-4o").record(&failed);
    assert_eq!(case.run(), Ok(strings(&["anthropic:claude-opus-4-1"])));
}

#[test]
fn strategies_see_the_request_and_tokens_are_counted_only_for_them() {
    let counted = Cell::new(0);
    let count = || {
        counted.set(counted.get() + 1);
        200_000
    };
    let run = |source: &str| {
        counted.set(0);
        let case = Case::new(&[]).model("gpt-4o").strategies(&[source]);
        let ok = case.with_ask(|ask| {
            let ask = crate::Ask { input_tokens: &count, ..*ask };
            plan(&case.universe, &ask, &case.selection, &activation(), false).is_ok()
        });
        (ok, counted.get())
    };
    assert_eq!(run("ai.models"), (true, 0));
    assert_eq!(run("ai.models.filter(m, ai.request.path.startsWith('/v1/'))"), (true, 0));
    assert_eq!(run("ai.models.filter(m, ai.request.input_tokens < 1000)"), (false, 1));
    assert_eq!(
        run("ai.models.filter(m, m.max_context_window == 0 || ai.request.input_tokens > 1000)"),
        (true, 1)
    );
}

#[test]
fn embeddings_go_to_models_that_do_them() {
    let case =
        Case::new(&[]).surface(Surface::Embeddings).strategies(&["ai.models.onlyProviders(['openai'])"]);
    let chosen = case.run().expect("embedding models");
    assert!(chosen.iter().all(|name| name.contains("embedding")), "{chosen:?}");
    assert!(chosen.contains(&"openai:text-embedding-3-small".to_owned()));
}
