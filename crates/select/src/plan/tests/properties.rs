//! What holds for every request and policy.

use crate::plan::{Fallthrough, Order};
use crate::testing::{Case, custom, provider};
use proptest::prelude::*;
use std::collections::HashSet;

const NAMES: [&str; 12] = [
    "gpt-4o",
    "openai:gpt-4o",
    "azure:gpt-4o",
    "openai:gpt-4o-2024-05-13",
    "mine:m1",
    "m1",
    "openrouter:a/b",
    "mine:unknown",
    "anthropic/claude-3.5-sonnet",
    "foo:bar",
    "claude-opus-4-1",
    "deepseek-chat",
];

/// Strategies whose result depends on single models only.
const ELEMENTWISE: [&str; 9] = [
    "ai.models",
    "ai.models.filter(m, m.provider_id == 'openai')",
    "ai.models.filter(m, !m.known)",
    "ai.models.filter(m, m.metrics.global.error_rate.total < 0.1).sortBy('price')",
    "ai.models.onlyProviders(['azure', 'openrouter'])",
    "ai.models.ignoreProviders(['openai']).sortBy(m, m.pricing.text.output)",
    "ai.models.only(['m1', 'openai:gpt-4o', 'deepseek-chat'])",
    "ai.models.underCost('text.input', 5)",
    "ai.models.filter(m, m.metadata.tier == 'gold')",
];

/// Strategies that look at the whole list.
const WHOLE: [&str; 3] = [
    "ai.models.only(['gpt-4o'])[0]",
    "ai.models.get('mine', 'm1')",
    "ai.models.filter(m, size(ai.models) > 3)",
];

fn case() -> Case {
    Case::new(&[custom("azure", &["gpt-4o"]), custom("mine", &["m1", "m2"]), provider("openai", &[])])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn plans_hold_what_was_asked_for_once(
        names in prop::collection::vec(prop::sample::select(&NAMES[..]), 1..5),
        strategies in prop::collection::vec(
            prop::sample::select([&ELEMENTWISE[..], &WHOLE[..]].concat()), 0..4),
        first_match: bool,
        by_strategy: bool,
        stop: bool,
    ) {
        let mut case = case().models(&names).strategies(&strategies)
            .fallthrough(if first_match { Fallthrough::FirstMatch } else { Fallthrough::Tiers })
            .order(if by_strategy { Order::Strategy } else { Order::Client });
        if stop && !strategies.is_empty() {
            case = case.stop_after(0);
        }
        // `run` also compares the plan with and without details.
        let outcome = case.run();
        if let Ok(candidates) = &outcome {
            prop_assert!(!candidates.is_empty());
            let distinct: HashSet<&String> = candidates.iter().collect();
            prop_assert_eq!(distinct.len(), candidates.len());
        }
        if let Ok(plan) = case.plan(false) {
            let positions: Vec<usize> = plan.candidates.iter().map(|candidate| {
                let requested = candidate.requested.as_deref().expect("the client named models");
                names.iter().position(|name| *name == requested).expect("a name of the client")
            }).collect();
            prop_assert!(by_strategy || positions.is_sorted());
        }
        for strategy in &case.selection.strategies {
            let source = strategy.program.source();
            prop_assert_eq!(strategy.program.facts().elementwise, ELEMENTWISE.contains(&source), "{}", source);
        }
    }
}
