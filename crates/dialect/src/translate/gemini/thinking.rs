//! `thinkingConfig`: a number of tokens for Gemini 2.5, a level since Gemini 3
//! (<https://ai.google.dev/gemini-api/docs/thinking>).

use super::super::request::{Reasoning, Request};
use super::super::{Target, Thinking};
use super::vocabulary::Lost;
use crate::effort::{USUAL_LIMIT, effort_of_budget};

/// Most tokens of thought: Gemini 2.5 Pro, and the others. More, or fewer than the least, is refused
/// (firebase-ios-sdk, `ThinkingConfig.swift`: Pro 128 to 32768, Flash 0 to 24576).
const BUDGET_PRO: u64 = 32_768;
const BUDGET_FLASH: u64 = 24_576;
/// Fewest tokens of thought every model takes (2.5 Flash-Lite, 512 to 24576; it can be switched off).
const BUDGET_LEAST: u64 = 512;
/// Fewest tokens of thought of a model that always thinks (2.5 Pro).
const BUDGET_LEAST_PRO: u64 = 128;

/// What stands in `thinkingConfig`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Config {
    pub(super) include: Option<bool>,
    pub(super) budget: Option<i64>,
    pub(super) level: Option<&'static str>,
}

/// How a request's reasoning is said to a target. `None`: nothing is to be said.
pub(super) fn config(request: &Request<'_>, target: &Target<'_>, lost: &mut Lost) -> Option<Config> {
    let reasoning = request.reasoning.as_ref()?;
    if target.thinking == Thinking::None {
        let off = reasoning.enabled == Some(false) || reasoning.effort.as_deref() == Some("none");
        lost.when(!off, lost.words.reasoning);
        return None;
    }
    let limit = request.max_output_tokens.or(target.max_output_tokens);
    // Who asks for thought expects to see it; Google leaves it out unless it is asked for.
    let asked = reasoning.effort.as_deref().is_some_and(|effort| effort != "none")
        || reasoning.budget.is_some_and(|budget| budget > 0)
        || reasoning.summary.is_some();
    let asked = asked && reasoning.enabled != Some(false);
    let mut config = Config { include: reasoning.show.or(asked.then_some(true)), ..Config::default() };
    if by_level(target) {
        config.level = level(reasoning, limit, target.model, lost);
    } else {
        config.budget = budget(reasoning, limit, target.model, lost);
    }
    (config != Config::default()).then_some(config)
}

/// Whether a model is of Gemini 3 or later: those have levels, and check the signatures of calls.
pub(super) fn is_three(model: &str) -> bool {
    let major = model.split("gemini-").nth(1).and_then(|rest| rest.split(['.', '-']).next());
    major.and_then(|major| major.parse::<u32>().ok()).map_or_else(
        // `gemini-flash-latest` and the like stand for the newest.
        || model.contains("gemini-") && model.ends_with("-latest"),
        |major| major >= 3,
    )
}

fn by_level(target: &Target<'_>) -> bool {
    match target.thinking {
        Thinking::Level => true,
        Thinking::Budget => false,
        _ => is_three(target.model),
    }
}

fn level(
    reasoning: &Reasoning<'_>,
    limit: Option<u64>,
    model: &str,
    lost: &mut Lost,
) -> Option<&'static str> {
    let flash = model.contains("flash");
    let least = if flash { "MINIMAL" } else { "LOW" };
    let effort = match (reasoning.enabled, reasoning.effort.as_deref(), reasoning.budget) {
        (Some(false), _, _) => "none",
        (_, Some(effort), _) => effort,
        (_, None, Some(budget)) => effort_of_budget(budget, limit.unwrap_or(USUAL_LIMIT)),
        // As much as the model likes is what it does by itself.
        _ => return None,
    };
    Some(match effort {
        // These models cannot be told not to think at all.
        "none" => {
            lost.add(lost.words.reasoning);
            least
        }
        "minimal" => least,
        "low" => "LOW",
        // The first Pro of Gemini 3 knew two levels only; 3.1 Pro has this one too, the Flash models all four.
        "medium" if !model.contains("gemini-3-pro") => "MEDIUM",
        _ => "HIGH",
    })
}

fn budget(reasoning: &Reasoning<'_>, limit: Option<u64>, model: &str, lost: &mut Lost) -> Option<i64> {
    let pro = model.contains("-pro");
    let (least, most) = match () {
        () if pro => (BUDGET_LEAST_PRO, BUDGET_PRO),
        () if model.contains("-lite") => (BUDGET_LEAST, BUDGET_FLASH),
        () => (1, BUDGET_FLASH),
    };
    let wanted = match (reasoning.enabled, reasoning.effort.as_deref(), reasoning.budget) {
        (Some(false), _, _) | (_, Some("none"), _) | (_, None, Some(0)) if pro => {
            lost.add(lost.words.reasoning);
            BUDGET_LEAST_PRO
        }
        (Some(false), _, _) | (_, Some("none"), _) | (_, _, Some(0)) => 0,
        (_, Some(effort), None) => share(effort, limit, most),
        // What the client names is its own business, as far as the model takes it.
        (_, _, Some(budget)) => budget.clamp(least, most),
        (Some(true), None, None) => return Some(-1),
        (None, None, None) => return reasoning.adaptive.then_some(-1),
    };
    i64::try_from(wanted).ok()
}

/// A word as a number of tokens: a share of the limit of the answer, if there is one, else the numbers of Google's own
/// table (ai.google.dev/gemini-api/docs/openai, "Thinking").
fn share(effort: &str, limit: Option<u64>, most: u64) -> u64 {
    let (percent, table) = match effort {
        "minimal" => (10, 1_024),
        "low" => (20, 1_024),
        "medium" => (50, 8_192),
        "high" => (80, BUDGET_FLASH),
        _ => (95, most),
    };
    limit.map_or(table, |limit| (limit.saturating_mul(percent) / 100).clamp(BUDGET_LEAST, most))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Surface;

    fn said(model: &str, thinking: Thinking, request: &Request<'_>) -> (Option<Config>, Vec<String>) {
        let target = Target {
            surface: Surface::GenerateContent,
            provider: "google",
            model,
            extensions: &[],
            max_output_tokens: None,
            thinking,
            strip_state: false,
            completion_tokens: false,
        };
        let mut lost = Lost::new(Surface::ChatCompletions);
        (config(request, &target, &mut lost), lost.names)
    }

    fn request(reasoning: Reasoning<'static>, limit: Option<u64>) -> Request<'static> {
        Request { reasoning: Some(reasoning), max_output_tokens: limit, ..Request::default() }
    }

    #[test]
    fn generations() {
        for (model, want) in [
            ("gemini-2.5-pro", false),
            ("gemini-2.0-flash-001", false),
            ("gemini-3-pro-preview", true),
            ("gemini-3.6-flash", true),
            ("google/gemini-3.1-pro-preview", true),
            ("gemini-10-flash", true),
            ("gemini-flash-latest", true),
            ("gemini-embedding-001", false),
            ("gemma-3-27b", false),
        ] {
            assert_eq!(is_three(model), want, "{model}");
        }
    }

    #[test]
    fn words_become_what_the_model_takes() {
        let effort = |effort: &'static str| Reasoning { effort: Some(effort.into()), ..Reasoning::default() };
        for (model, word, limit, level, budget) in [
            ("gemini-3.6-flash", "minimal", None, Some("MINIMAL"), None),
            ("gemini-3.1-pro-preview", "minimal", None, Some("LOW"), None),
            ("gemini-3.1-pro-preview", "medium", None, Some("MEDIUM"), None),
            ("gemini-3-pro-preview", "medium", None, Some("HIGH"), None),
            ("gemini-3.6-flash", "xhigh", None, Some("HIGH"), None),
            ("gemini-2.5-flash", "low", None, None, Some(1_024)),
            ("gemini-2.5-flash", "medium", None, None, Some(8_192)),
            ("gemini-2.5-flash", "high", Some(10_000), None, Some(8_000)),
            ("gemini-2.5-flash", "max", Some(100_000), None, Some(24_576)),
            ("gemini-2.5-pro", "max", None, None, Some(32_768)),
            ("gemini-2.5-flash", "low", Some(1_000), None, Some(512)),
            ("gemini-2.5-flash", "none", None, None, Some(0)),
        ] {
            let want = Config { include: (word != "none").then_some(true), level, budget };
            let got = said(model, Thinking::Usual, &request(effort(word), limit));
            assert_eq!(got, (Some(want), vec![]), "{model} {word}");
        }
        let (got, lost) = said("gemini-2.5-pro", Thinking::Usual, &request(effort("none"), None));
        assert_eq!((got.unwrap().budget, lost), (Some(128), vec!["reasoning_effort".to_owned()]));
        let (got, lost) = said("gemini-3.6-flash", Thinking::Usual, &request(effort("none"), None));
        assert_eq!((got.unwrap().level, lost.len()), (Some("MINIMAL"), 1));
        let (got, lost) = said("gemini-2.0-flash", Thinking::None, &request(effort("low"), None));
        assert_eq!((got, lost.len()), (None, 1));
        assert_eq!(said("x", Thinking::None, &request(effort("none"), None)).1, Vec::<String>::new());
    }

    #[test]
    fn budgets() {
        let budget = |budget| Reasoning { budget: Some(budget), show: Some(true), ..Reasoning::default() };
        for (tokens, limit, word) in [
            (1_024, 4_096, "LOW"),
            (2_048, 4_096, "MEDIUM"),
            (4_000, 4_096, "HIGH"),
            (1_025, 4_097, "LOW"),
            (1_060, 4_097, "MEDIUM"),
        ] {
            let (got, _) = said("m", Thinking::Level, &request(budget(tokens), Some(limit)));
            let want = Config { include: Some(true), level: Some(word), budget: None };
            assert_eq!(got, Some(want), "{tokens}");
        }
        let (got, _) = said("gemini-2.5-flash", Thinking::Usual, &request(budget(99_999), None));
        assert_eq!(got.unwrap().budget, Some(24_576));
        for (model, tokens, want, lost) in [
            ("gemini-2.5-pro", 100, 128, 0),
            ("gemini-2.5-pro", 99_999, 32_768, 0),
            ("gemini-2.5-pro", 0, 128, 1),
            ("gemini-2.5-flash", 100, 100, 0),
            ("gemini-2.5-flash", 0, 0, 0),
            ("gemini-2.5-flash-lite", 100, 512, 0),
            ("gemini-2.5-flash-lite", 0, 0, 0),
        ] {
            let (got, names) = said(model, Thinking::Usual, &request(budget(tokens), None));
            assert_eq!((got.unwrap().budget, names.len()), (Some(want), lost), "{model} {tokens}");
        }
        let on = Reasoning { enabled: Some(true), ..Reasoning::default() };
        assert_eq!(
            said("gemini-2.5-flash", Thinking::Usual, &request(on.clone(), None)).0.unwrap().budget,
            Some(-1)
        );
        assert_eq!(said("gemini-3.6-flash", Thinking::Usual, &request(on, None)).0, None);
    }
}
