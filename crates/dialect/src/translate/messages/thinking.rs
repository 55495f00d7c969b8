//! How much the model thinks: reading `thinking`, and choosing what to write.

use super::super::error::DecodeError;
use super::super::fields::{Fields, Path};
use super::super::request::{Json, Reasoning, Request, Role};
use super::super::writer::Writer;
use super::super::{Target, Thinking};
use super::arrange::Message;
use super::blocks::Block;
use super::names::Setting;
use super::read_blocks::Reader;
use crate::Surface;
use crate::effort::{USUAL_LIMIT, budget_of_effort, some_effort_of_budget};

/// Fewest tokens of thought the API takes; it also wants fewer than `max_tokens` (`ThinkingConfigEnabled`).
const LEAST_BUDGET: u64 = 1024;
/// Most output tokens asked for on behalf of a client that set no limit: what every model since Claude 4 can write.
const MOST_UNASKED: u64 = 32_000;

/// Models that always think: they answer 400 to `disabled` (Amazon Bedrock, "Adaptive thinking"; OpenRouter's migration
/// page of Claude Opus 5.5).
const ALWAYS: [&str; 6] = ["fable", "mythos", "-5-1", "-5.1", "-5-5", "-5.5"];
/// Models that answer 400 to `disabled` too, and think only when they are told to (the same page; migration guide of
/// Claude Opus 5: without `thinking` Opus 4.8 does not think, Opus 5 does).
const ONLY_IF_ASKED: [&str; 4] = ["opus-4-7", "opus-4.7", "opus-4-8", "opus-4.8"];

/// Reads `thinking`.
pub(super) fn read<'a>(
    asked: Json<'a>,
    path: &Path<'_>,
    reader: &mut Reader<'a>,
    reasoning: &mut Reasoning<'a>,
) -> Result<(), DecodeError> {
    let mut asked = Fields::of(asked, path)?;
    match &*asked.required_text("type")? {
        "enabled" => {
            reasoning.enabled = Some(true);
            // Where thinking is switched on like this, thoughts are shown unless the client wants them hidden.
            reasoning.show = Some(true);
        }
        "disabled" => reasoning.enabled = Some(false),
        "adaptive" => (reasoning.enabled, reasoning.adaptive) = (Some(true), true),
        "between_tools" => {
            (reasoning.enabled, reasoning.adaptive) = (Some(true), true);
            reader.lost.push(path.key("type").to_string());
        }
        _ => {
            let reason = "must be 'enabled', 'disabled' or 'adaptive'";
            return Err(DecodeError::value(&path.key("type"), reason));
        }
    }
    reasoning.budget = asked.whole("budget_tokens")?;
    match asked.text("display")?.as_deref() {
        None => {}
        Some("summarized") => reasoning.show = Some(true),
        Some("omitted") => reasoning.show = Some(false),
        Some(_) => reader.lost.push(path.key("display").to_string()),
    }
    reader.leave(asked);
    Ok(())
}

/// What is written about thinking, and the limit that depends on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// `max_tokens`.
    pub(super) limit: u64,
    mode: Mode,
    /// `output_config.effort`.
    pub(super) effort: Option<&'static str>,
    display: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Unsaid,
    Disabled,
    Adaptive,
    Budget(u64),
}

impl Plan {
    /// Chooses how a request's wish is said to a target.
    pub(super) fn of(
        request: &Request<'_>,
        from: Surface,
        target: &Target<'_>,
        messages: &[Message<'_>],
        forced: bool,
        lost: &mut Vec<String>,
    ) -> Self {
        let most = target.max_output_tokens;
        let limit = request
            .max_output_tokens
            .unwrap_or_else(|| most.map_or(USUAL_LIMIT, |most| most.min(MOST_UNASKED)));
        let mut plan = Self { limit, mode: Mode::Unsaid, effort: None, display: None };
        let Some(asked) = &request.reasoning else { return plan };
        if matches!(asked.summary.as_deref(), Some("concise" | "detailed")) {
            lost.push(Setting::Summary.of(from).to_owned());
        }
        // The word alone, or all of what was asked.
        let word_only = asked.effort.is_some() && asked.enabled.is_none() && asked.budget.is_none();
        let name = if word_only { Setting::Effort } else { Setting::Reasoning };
        let mut leave = || lost.push(name.of(from).to_owned());
        match wish(asked) {
            Wish::Nothing if asked.show.is_some() => leave(),
            Wish::Nothing => {}
            Wish::Off if target.thinking == Thinking::None => {}
            Wish::Off => {
                plan.effort = asked.effort.as_deref().filter(|_| from == Surface::Messages).and_then(word);
                if ALWAYS.iter().any(|name| target.model.contains(name)) {
                    plan.effort = plan.effort.or(Some("low"));
                    leave();
                } else if !ONLY_IF_ASKED.iter().any(|name| target.model.contains(name)) {
                    plan.mode = Mode::Disabled;
                }
            }
            Wish::On if target.thinking == Thinking::None => leave(),
            // In its own dialect effort is also how long an answer is, with or without thoughts.
            Wish::On if from == Surface::Messages && asked.enabled.is_none() => plan.say_effort(asked, leave),
            Wish::On if forced || prefilled(messages) => leave(),
            Wish::On if is_adaptive(asked, target.thinking) => plan.adapt(asked, target, request, leave),
            Wish::On if loop_without_thoughts(messages) => {
                plan.mode = Mode::Disabled;
                leave();
            }
            Wish::On => plan.budget(asked, from, target, request, leave),
        }
        plan
    }

    /// Whether the model will think, as far as the request says.
    pub(super) fn thinks(&self) -> bool {
        matches!(self.mode, Mode::Adaptive | Mode::Budget(_))
    }

    /// Writes the member `thinking`.
    pub(super) fn write(&self, w: &mut Writer) {
        let kind = match self.mode {
            Mode::Unsaid => return,
            Mode::Disabled => "disabled",
            Mode::Adaptive => "adaptive",
            Mode::Budget(_) => "enabled",
        };
        w.member_object("thinking", |w| {
            w.member("type", kind);
            if let Mode::Budget(budget) = self.mode {
                w.member("budget_tokens", &budget);
            }
            w.optional("display", self.display);
        });
    }

    fn say_effort(&mut self, asked: &Reasoning<'_>, leave: impl FnOnce()) {
        self.effort = asked.effort.as_deref().and_then(word);
        if self.effort.is_none() {
            leave();
        }
    }

    fn adapt(
        &mut self,
        asked: &Reasoning<'_>,
        target: &Target<'_>,
        request: &Request<'_>,
        leave: impl FnOnce(),
    ) {
        self.mode = Mode::Adaptive;
        self.display = asked.show.map(|show| if show { "summarized" } else { "omitted" });
        if asked.effort.is_some() {
            self.say_effort(asked, leave);
        } else if let Some(budget) = asked.budget {
            let most = request.max_output_tokens.or(target.max_output_tokens).unwrap_or(USUAL_LIMIT);
            self.effort = Some(some_effort_of_budget(budget, most));
        }
    }

    fn budget(
        &mut self,
        asked: &Reasoning<'_>,
        from: Surface,
        target: &Target<'_>,
        request: &Request<'_>,
        leave: impl FnOnce(),
    ) {
        let own = from == Surface::Messages;
        // In its own dialect a budget and an effort are two things.
        let share = asked.effort.as_deref().filter(|_| !(own && asked.budget.is_some()));
        let budget = match (share, asked.budget) {
            (Some(effort), _) => budget_of_effort(effort, self.limit),
            (None, Some(budget)) => budget,
            // Adaptive thinking is as much as `high` when nothing is said.
            (None, None) => budget_of_effort(if asked.adaptive { "high" } else { "medium" }, self.limit),
        }
        .max(LEAST_BUDGET);
        if request.max_output_tokens.is_none() && budget >= self.limit {
            // The client left the limit to us: the answer has to fit behind the thoughts.
            self.limit = budget.saturating_add(self.limit).min(target.max_output_tokens.unwrap_or(u64::MAX));
        }
        if self.limit <= LEAST_BUDGET {
            return leave();
        }
        self.mode = Mode::Budget(budget.min(self.limit - 1));
        self.display = (asked.show == Some(false)).then_some("omitted");
        if own {
            self.effort = asked.effort.as_deref().and_then(word);
        }
    }
}

/// What a client wants.
enum Wish {
    Nothing,
    Off,
    On,
}

fn wish(asked: &Reasoning<'_>) -> Wish {
    let none = match asked.effort.as_deref() {
        Some(effort) => effort == "none",
        None => asked.budget == Some(0),
    };
    if asked.enabled == Some(false) || none {
        return Wish::Off;
    }
    let on =
        asked.enabled == Some(true) || asked.effort.is_some() || asked.budget.is_some() || asked.adaptive;
    if on { Wish::On } else { Wish::Nothing }
}

fn is_adaptive(asked: &Reasoning<'_>, style: Thinking) -> bool {
    match style {
        Thinking::Adaptive | Thinking::Effort | Thinking::Level => true,
        Thinking::Budget => false,
        Thinking::Usual | Thinking::Object | Thinking::None => asked.adaptive,
    }
}

/// An answer that is to be continued cannot begin with thoughts.
fn prefilled(messages: &[Message<'_>]) -> bool {
    messages.last().is_some_and(|last| last.role == Role::Assistant)
}

/// With a budget, the turn whose tools have just been run must begin with its thoughts.
fn loop_without_thoughts(messages: &[Message<'_>]) -> bool {
    let [.., calls, results] = messages else { return false };
    results.blocks.first().is_some_and(Block::is_tool_result)
        && !calls.blocks.first().is_some_and(Block::is_thought)
}

/// An effort in the API's words.
fn word(effort: &str) -> Option<&'static str> {
    Some(match effort {
        "minimal" | "low" => "low",
        "medium" => "medium",
        "high" => "high",
        "xhigh" => "xhigh",
        "max" => "max",
        _ => return None,
    })
}
