//! `sse-find-replace`: changes the messages of a stream, one by one, on their way.

use super::find_replace::{Replacement, check, one, result};
use super::held_text::Window;
use crate::action::{Action, ActionType, BuildContext, BuildError};
use crate::events::{EventCx, EventFilter};
use async_trait::async_trait;
use std::sync::Arc;
use tollgate_dialect::sse::Event;
use tollgate_expr::Template;
use tollgate_policy::{ActionSpec, Config, Field, Holds, Phase, ResultVar, Shape, Terminating};

pub(super) static ACTION: ActionType = ActionType {
    spec: &SPEC,
    build: |config, cx| {
        let items = config.get("replacements").map(|list| list.as_list()).unwrap_or_default();
        let rules = items.iter().map(|item| rule(item, cx)).collect::<Result<_, _>>()?;
        let hold_back =
            config.get("hold_back").and_then(|n| n.as_u64()).and_then(|n| usize::try_from(n).ok());
        Ok(Box::new(SseFindReplace { rules: Arc::new(rules), hold_back: hold_back.unwrap_or(0) }))
    },
};

const FIELD: Field = Field::optional(
    "field",
    Shape::Template,
    "Which field of a message: `data` or `retry`. A `retry` that is no number any more keeps its value.",
)
.or("data");

static SPEC: ActionSpec = ActionSpec {
    name: "sse-find-replace",
    result_name: "sse_find_replace",
    summary: "Searches each message of a stream of events and replaces what matches. Messages go on one by one, as they come. \
              Only `data` and `retry` can be changed; several `data:` lines are one text with line ends.",
    phases: &[Phase::EventStreamMessage],
    terminating: Terminating::Never,
    results: &[ResultVar::new("replacements", Holds::List, "One entry for each rule that matched, in their order."), ResultVar::new("replacements[].replacement_index", Holds::Int, "The place of the rule, from 0."), ResultVar::new("replacements[].matched_content", Holds::Text, "The first text that matched it.")],
    differences: &["Patterns are those of Rust's `regex`, of RE2's family, with the ASCII meaning of `\\d`, `\\w`, `\\s`, `\\b`; `\\C` and `\\Q…\\E` are not known.", "In a stream that has begun, a failing `${}` leaves the message as it is, and is logged."],
    fields: &[
        Field::required(
            "replacements",
            Shape::List {
                item: &Shape::Object(&[super::find_replace::FROM, super::find_replace::TO, FIELD]),
                min: 1,
                max: 100,
            },
            "Applied one after the other, each to what the one before has left.",
        ),
        Field::optional(
            "hold_back",
            Shape::Int { min: 0, max: 64 },
            "Models send a few letters a message, so that what is searched for is often split. With a number of messages here, \
             the texts of that many are held back and searched together with the next, in the streams of Chat Completions, \
             Responses, Messages and Gemini. The price: a word reaches the client that many messages later, and then as \
             part of a message that may have grown. A match over more messages than that is not found, nor one over messages of \
             several choices by turns. What has no text of the answer (errors, thoughts, arguments of calls, the whole text \
             that Responses repeats at its end) is searched message by message. What is held back is lost when the upstream \
             breaks off. `0`: each message alone, all of its data.",
        )
        .or("0")
        .ours(),
    ],
    check: Some(check),
    example: "- type: sse-find-replace\n  config:\n    replacements:\n      - from: '(?i)acme corp'\n        to: the customer\n    hold_back: 4\n",
};

struct SseFindReplace {
    rules: Arc<Vec<Rule>>,
    hold_back: usize,
}

struct Rule {
    replacement: Replacement,
    field: Template,
}

fn rule(item: &Config<'_>, cx: &BuildContext<'_>) -> Result<Rule, BuildError> {
    let field = item.get("field");
    let template = field.and_then(|field| field.template()).unwrap_or_else(|| Template::literal("data"));
    if template.is_literal() && !["data", "retry"].contains(&template.source()) {
        return Err(BuildError {
            at: field.map_or(cx.def.at, |field| field.location()),
            code: "ERR_NGROK_2222",
            message: format!("`field` cannot be `{}`", template.source()),
            help: Some("it is `data` or `retry`".into()),
        });
    }
    Ok(Rule { replacement: one(item), field: template })
}

#[async_trait]
impl Action for SseFindReplace {
    fn on_events(&self) -> Option<Box<dyn EventFilter>> {
        let rules = Arc::clone(&self.rules);
        Some(match self.hold_back {
            0 => Box::new(EachAlone { rules }),
            most => Box::new(Together { rules, window: Window::new(most) }),
        })
    }
}

/// Each message by itself.
struct EachAlone {
    rules: Arc<Vec<Rule>>,
}

impl EventFilter for EachAlone {
    fn event(&mut self, cx: &mut EventCx<'_>, mut event: Event, out: &mut Vec<Event>) {
        let mut matched = Vec::new();
        for (index, rule) in self.rules.iter().enumerate() {
            if let Some(first) = rule.apply(cx, &mut event) {
                matched.push((index, first));
            }
        }
        cx.exchange.set_result(SPEC.result_name, || result(&matched));
        out.push(event);
    }
}

impl Rule {
    /// Whether it changes `retry`, and not the data.
    fn is_retry(&self, cx: &EventCx<'_>) -> bool {
        let activation = cx.exchange.activation_with(cx.response);
        self.field.render(&activation).is_ok_and(|field| field == "retry")
    }

    /// Changes a field of a message; gives the first match. An error leaves the message as it is, and is logged: a stream
    /// that has begun cannot become an error.
    fn apply(&self, cx: &EventCx<'_>, event: &mut Event) -> Option<String> {
        let activation = cx.exchange.activation_with(cx.response);
        let id = &cx.exchange.request.id;
        let ready = match self.replacement.ready(&activation) {
            Ok(ready) => ready,
            Err(fault) => {
                tracing::warn!(request_id = %id, code = fault.code, "a message stays as it is: {}", fault.message);
                return None;
            }
        };
        let retry = self.is_retry(cx);
        let text = if retry { event.retry() } else { event.data() }?;
        let first = ready.from.find(text)?.as_str().to_owned();
        let replaced = ready.from.replace_all(text, ready.to.as_str()).into_owned();
        if retry {
            event.set_retry(&replaced)
        } else {
            event.set_data(replaced)
        }
        Some(first)
    }
}

/// The texts of several messages together.
struct Together {
    rules: Arc<Vec<Rule>>,
    window: Window,
}

impl EventFilter for Together {
    fn event(&mut self, cx: &mut EventCx<'_>, mut event: Event, out: &mut Vec<Event>) {
        let mut matched = Vec::new();
        for (index, rule) in self.rules.iter().enumerate() {
            if rule.is_retry(cx)
                && let Some(first) = rule.apply(cx, &mut event)
            {
                matched.push((index, first));
            }
        }
        // A message without a text of the answer is searched by itself: errors, arguments of calls, thoughts, and the whole
        // text that some streams repeat at their end.
        let mut alone = self.window.push(event, out);
        for (index, rule) in self.rules.iter().enumerate() {
            if rule.is_retry(cx) {
                continue;
            }
            if let Some(event) = &mut alone {
                matched.extend(rule.apply(cx, event).map(|first| (index, first)));
                continue;
            }
            if let Ok(ready) = rule.replacement.ready(&cx.exchange.activation_with(cx.response))
                && let Some(first) = self.window.replace(&ready.from, &ready.to)
            {
                matched.push((index, first));
            }
        }
        out.extend(alone);
        self.window.release(out);
        cx.exchange.set_result(SPEC.result_name, || result(&matched));
    }

    fn flush(&mut self, _cx: &mut EventCx<'_>, out: &mut Vec<Event>) {
        self.window.release_all(out);
    }
}
