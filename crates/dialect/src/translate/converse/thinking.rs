//! How a model is told to think, which each author has words of its own for.

use super::family::Family;
use super::names::{Field, Notes};
use crate::Surface;
use crate::effort::{USUAL_LIMIT, budget_of_effort, some_effort_of_budget};
use crate::translate::request::{Reasoning, Request};
use crate::translate::state::State;
use crate::translate::{Target, Thinking};

/// Fewest tokens of thought Claude takes.
const LEAST_BUDGET: u64 = 1024;
/// Most tokens that are allowed to an answer nobody limited, in tokens.
const MODEST_LIMIT: u64 = 32_000;
/// Lowest `top_p` Claude takes while it thinks (Anthropic, "Extended thinking").
const LEAST_TOP_P: f64 = 0.95;

/// What is decided.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Decision {
    /// A member of `additionalModelRequestFields`, its value as JSON.
    pub(super) field: Option<(&'static str, String)>,
    /// `outputConfig.effort`.
    pub(super) effort: Option<&'static str>,
    pub(super) max_tokens: Option<u64>,
    pub(super) temperature: Option<f64>,
    pub(super) top_p: Option<f64>,
    pub(super) top_k: Option<u64>,
}

/// Whether `state` can be read by the model it is sent to.
pub(super) fn readable(state: &State<'_>, target: &Target<'_>, family: Family) -> bool {
    let own = match &state.provider {
        None => true,
        Some(provider) => **provider == *target.provider,
    };
    match state.surface {
        Surface::Converse => own || family == Family::Claude,
        // Claude's signatures are good on every platform that has Claude.
        Surface::Messages => family == Family::Claude,
        _ => false,
    }
}

/// Decides. `forced` says that a tool must be called, `bare_loop` that a tool's result follows a turn without thoughts.
pub(super) fn decide(
    request: &Request<'_>,
    target: &Target<'_>,
    (forced, bare_loop): (bool, bool),
    notes: &mut Notes,
) -> Decision {
    let family = Family::of(target.model);
    let mut decision = Decision {
        max_tokens: request.max_output_tokens,
        temperature: request.temperature,
        top_p: request.top_p,
        top_k: request.top_k,
        ..Decision::default()
    };
    if let Some(reasoning) = &request.reasoning {
        let style = style(target.thinking, family);
        if reasoning.summary.as_deref().is_some_and(|summary| summary != "auto") {
            notes.path("reasoning.summary".to_owned());
        }
        match wanted(reasoning) {
            Wanted::Nothing => {}
            Wanted::Off => off(style, &mut decision, notes),
            // Claude refuses to think when it must call a tool.
            Wanted::On if forced && matches!(style, Style::Budget | Style::Adaptive) => {
                notes.field(Field::Reasoning);
            }
            Wanted::On if bare_loop && style == Style::Budget => notes.field(Field::Reasoning),
            Wanted::On => on(style, reasoning, request, target, &mut decision, notes),
        }
    }
    restrict(family, &mut decision, notes);
    decision
}

/// The ways there are on Bedrock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Budget,
    Adaptive,
    Nova,
    Effort,
    None,
}

fn style(thinking: Thinking, family: Family) -> Style {
    match (thinking, family) {
        (Thinking::None, _) => Style::None,
        (Thinking::Adaptive, _) => Style::Adaptive,
        (_, Family::Nova) => Style::Nova,
        (Thinking::Budget, _) | (_, Family::Claude) => Style::Budget,
        (Thinking::Effort, _) | (_, Family::OpenAi) => Style::Effort,
        // What a model of another author is told by fields it does not know, it answers with an error.
        _ => Style::None,
    }
}

enum Wanted {
    Nothing,
    Off,
    On,
}

fn wanted(reasoning: &Reasoning<'_>) -> Wanted {
    let effort = reasoning.effort.as_deref();
    if reasoning.enabled == Some(false) || effort == Some("none") || reasoning.budget == Some(0) {
        return Wanted::Off;
    }
    let asked = effort.is_some()
        || reasoning.budget.is_some()
        || reasoning.adaptive
        || reasoning.enabled == Some(true);
    if asked { Wanted::On } else { Wanted::Nothing }
}

/// Claude with a budget and Nova do not think unless told to; for the others, there is no word.
fn off(style: Style, decision: &mut Decision, notes: &mut Notes) {
    match style {
        Style::Budget | Style::Nova | Style::None => {}
        Style::Adaptive => notes.field(Field::Reasoning),
        Style::Effort => {
            decision.field = Some(("reasoning_effort", "\"low\"".to_owned()));
            notes.field(Field::Reasoning);
        }
    }
}

fn on(
    style: Style,
    reasoning: &Reasoning<'_>,
    request: &Request<'_>,
    target: &Target<'_>,
    decision: &mut Decision,
    notes: &mut Notes,
) {
    match style {
        Style::None => notes.field(Field::Reasoning),
        Style::Budget => with_budget(reasoning, request, target, decision, notes),
        Style::Adaptive => {
            let display = match reasoning.show {
                None => "",
                Some(true) => r#","display":"summarized""#,
                Some(false) => r#","display":"omitted""#,
            };
            decision.field = Some(("thinking", format!(r#"{{"type":"adaptive"{display}}}"#)));
            decision.effort = effort(reasoning, request, target).map(claude_effort);
        }
        Style::Effort => {
            let word = three(effort(reasoning, request, target).unwrap_or("medium"));
            decision.field = Some(("reasoning_effort", format!("{word:?}")));
        }
        Style::Nova => {
            let mut word = three(effort(reasoning, request, target).unwrap_or("medium"));
            let limited =
                decision.max_tokens.is_some() || decision.temperature.is_some() || decision.top_p.is_some();
            if word == "high" && limited {
                // Amazon Nova 2, "Extended thinking": high effort takes no maxTokens, temperature or topP.
                word = "medium";
                notes.field(Field::Reasoning);
            }
            let value = format!(r#"{{"type":"enabled","maxReasoningEffort":{word:?}}}"#);
            decision.field = Some(("reasoningConfig", value));
        }
    }
}

/// Claude's budget has to be at least 1024 and below the limit of the answer, which therefore is always stated.
fn with_budget(
    reasoning: &Reasoning<'_>,
    request: &Request<'_>,
    target: &Target<'_>,
    decision: &mut Decision,
    notes: &mut Notes,
) {
    let known = target.max_output_tokens.map(|limit| limit.min(MODEST_LIMIT));
    let given = reasoning.budget.filter(|_| reasoning.effort.is_none());
    let limit = request.max_output_tokens.unwrap_or_else(|| {
        // Nobody limited the answer: a given budget gets room behind it.
        let limit = known.unwrap_or(USUAL_LIMIT);
        let roomy = given.map_or(limit, |budget| limit.max(budget.saturating_add(USUAL_LIMIT)));
        target.max_output_tokens.map_or(roomy, |most| roomy.min(most))
    });
    if limit <= LEAST_BUDGET {
        notes.field(Field::Reasoning);
        return;
    }
    let budget =
        given.unwrap_or_else(|| budget_of_effort(reasoning.effort.as_deref().unwrap_or("medium"), limit));
    let budget = budget.clamp(LEAST_BUDGET, limit - 1);
    decision.max_tokens = Some(limit);
    decision.field = Some(("thinking", format!(r#"{{"type":"enabled","budget_tokens":{budget}}}"#)));
    if reasoning.show == Some(false) {
        notes.field(Field::HiddenThoughts);
    }
}

/// What Claude does not take together.
fn restrict(family: Family, decision: &mut Decision, notes: &mut Notes) {
    if decision.temperature.is_some_and(|temperature| temperature > 1.0) {
        // Bedrock's scale ends at 1.
        decision.temperature = Some(1.0);
        notes.field(Field::Temperature);
    }
    let thinks = matches!(decision.field, Some(("thinking", _)));
    if thinks && decision.temperature.is_some_and(|temperature| temperature < 1.0) {
        decision.temperature = None;
        notes.field(Field::Temperature);
    }
    if thinks && decision.top_p.is_some_and(|top_p| top_p < LEAST_TOP_P) {
        decision.top_p = None;
        notes.field(Field::TopP);
    }
    if thinks && decision.top_k.take().is_some() {
        notes.field(Field::TopK);
    }
    // Claude since Opus 4.1 takes one of the two.
    if family == Family::Claude && decision.temperature.is_some() && decision.top_p.take().is_some() {
        notes.field(Field::TopP);
    }
}

/// The effort a client gave, or the one its budget comes to.
fn effort<'r>(reasoning: &'r Reasoning<'_>, request: &Request<'_>, target: &Target<'_>) -> Option<&'r str> {
    if let Some(effort) = reasoning.effort.as_deref() {
        return Some(effort);
    }
    let limit = request.max_output_tokens.or(target.max_output_tokens).unwrap_or(USUAL_LIMIT);
    reasoning.budget.map(|budget| some_effort_of_budget(budget, limit))
}

fn claude_effort(effort: &str) -> &'static str {
    match effort {
        "max" => "max",
        "xhigh" => "xhigh",
        "high" => "high",
        "low" | "minimal" => "low",
        _ => "medium",
    }
}

fn three(effort: &str) -> &'static str {
    match effort {
        "max" | "xhigh" | "high" => "high",
        "low" | "minimal" => "low",
        _ => "medium",
    }
}
