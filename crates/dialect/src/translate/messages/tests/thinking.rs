//! How much to think, from every dialect's words into Anthropic's.

use super::*;
use crate::translate::request::{Reasoning, Thought, Tool, ToolChoice};
use crate::translate::state::{State, StateKind};
use serde_json::json;

fn effort(effort: &'static str) -> Reasoning<'static> {
    Reasoning { effort: Some(effort.into()), ..Reasoning::default() }
}

fn budget(budget: u64) -> Reasoning<'static> {
    Reasoning { budget: Some(budget), ..Reasoning::default() }
}

/// `thinking`, `output_config` and what is lost, of a chat request with a limit of 10 000 tokens.
fn said(reasoning: Reasoning<'_>, thinking: Thinking) -> (Value, Value, String) {
    let request = Request { reasoning: Some(reasoning), max_output_tokens: Some(10_000), ..question() };
    let target = Target { thinking, ..TARGET };
    let (body, lost) = written(&request, Surface::ChatCompletions, &target).unwrap();
    (body["thinking"].clone(), body["output_config"].clone(), lost.join(" "))
}

#[test]
fn budgets() {
    for (asked, want) in [
        (effort("max"), 9_500),
        (effort("xhigh"), 9_500),
        (effort("high"), 8_000),
        (effort("medium"), 5_000),
        (effort("low"), 2_000),
        (effort("minimal"), 1_024),
        (budget(3_000), 3_000),
        (budget(10), 1_024),
        (budget(50_000), 9_999),
        (Reasoning { budget: Some(3_000), ..effort("high") }, 8_000),
        (Reasoning { enabled: Some(true), ..Reasoning::default() }, 5_000),
    ] {
        for style in [Thinking::Usual, Thinking::Budget, Thinking::Object] {
            let (thinking, config, lost) = said(asked.clone(), style);
            assert_eq!(thinking, json!({"type": "enabled", "budget_tokens": want}), "{asked:?}");
            assert_eq!((config, &*lost), (Value::Null, ""), "{asked:?}");
        }
    }
}

#[test]
fn efforts() {
    for (asked, want) in [
        (effort("max"), json!({"effort": "max"})),
        (effort("xhigh"), json!({"effort": "xhigh"})),
        (effort("minimal"), json!({"effort": "low"})),
        (budget(1_024), json!({"effort": "low"})),
        (budget(2_500), json!({"effort": "low"})),
        (budget(6_000), json!({"effort": "medium"})),
        (budget(6_002), json!({"effort": "high"})),
        (Reasoning { enabled: Some(true), ..Reasoning::default() }, Value::Null),
    ] {
        let (thinking, config, lost) = said(asked.clone(), Thinking::Adaptive);
        assert_eq!((thinking, config, &*lost), (json!({"type": "adaptive"}), want, ""), "{asked:?}");
    }
}

#[test]
fn off_as_each_model_takes_it() {
    let off = Reasoning { enabled: Some(false), effort: Some("none".into()), ..Reasoning::default() };
    let disabled = json!({"type": "disabled"});
    for (model, thinking, config, lost) in [
        ("claude-opus-5", disabled.clone(), Value::Null, ""),
        ("claude-sonnet-4-6", disabled.clone(), Value::Null, ""),
        ("claude-3-5-sonnet-20241022", disabled, Value::Null, ""),
        ("claude-opus-4-7", Value::Null, Value::Null, ""),
        ("anthropic/claude-opus-4.8", Value::Null, Value::Null, ""),
        ("claude-opus-5-5", Value::Null, json!({"effort": "low"}), "reasoning"),
        ("claude-fable-5", Value::Null, json!({"effort": "low"}), "reasoning"),
        ("claude-haiku-5.5", Value::Null, json!({"effort": "low"}), "reasoning"),
    ] {
        let request = Request { reasoning: Some(off.clone()), ..question() };
        let target = Target { model, thinking: Thinking::Adaptive, ..TARGET };
        let (body, named) = written(&request, Surface::ChatCompletions, &target).unwrap();
        let got = (body["thinking"].clone(), body["output_config"].clone(), named.join(" "));
        assert_eq!(got, (thinking, config, lost.to_owned()), "{model}");
    }
}

#[test]
fn off_shown_and_hidden() {
    let shown = |show, style| said(Reasoning { show: Some(show), ..effort("high") }, style).0;
    let manual = |display: Option<&str>| match display {
        Some(display) => json!({"type": "enabled", "budget_tokens": 8000, "display": display}),
        None => json!({"type": "enabled", "budget_tokens": 8000}),
    };
    assert_eq!(shown(true, Thinking::Usual), manual(None), "shown by itself");
    assert_eq!(shown(false, Thinking::Usual), manual(Some("omitted")));
    assert_eq!(shown(true, Thinking::Adaptive), json!({"type": "adaptive", "display": "summarized"}));
    assert_eq!(shown(false, Thinking::Adaptive), json!({"type": "adaptive", "display": "omitted"}));
    for off in [effort("none"), budget(0), Reasoning { enabled: Some(false), ..Reasoning::default() }] {
        assert_eq!(
            said(off.clone(), Thinking::Usual),
            (json!({"type": "disabled"}), Value::Null, String::new())
        );
        assert_eq!(said(off, Thinking::None), (Value::Null, Value::Null, String::new()));
    }
    assert_eq!(said(effort("high"), Thinking::None), (Value::Null, Value::Null, "reasoning_effort".into()));
    let only_shown = Reasoning { show: Some(true), summary: Some("detailed".into()), ..Reasoning::default() };
    assert_eq!(
        said(only_shown, Thinking::Usual),
        (Value::Null, Value::Null, "reasoning.summary reasoning".into())
    );
}

#[test]
fn thoughts_need_room() {
    let request = Request { reasoning: Some(effort("high")), max_output_tokens: Some(1_000), ..question() };
    let (body, lost) = written(&request, Surface::Responses, &TARGET).unwrap();
    assert_eq!((body.get("thinking"), &lost[..]), (None, &["reasoning.effort".to_owned()][..]));
    // A limit that is ours to set grows with the budget.
    let request = Request { reasoning: Some(budget(40_000)), ..question() };
    let (body, _) = written(&request, Surface::GenerateContent, &TARGET).unwrap();
    assert_eq!(body["max_tokens"], json!(64_000));
    assert_eq!(body["thinking"], json!({"type": "enabled", "budget_tokens": 40_000}));
}

#[test]
fn sampling_gives_way() {
    let request = Request {
        reasoning: Some(effort("high")),
        temperature: Some(0.5),
        top_p: Some(0.5),
        top_k: Some(5),
        ..question()
    };
    let (body, lost) = written(&request, Surface::ChatCompletions, &TARGET).unwrap();
    assert_eq!(lost, ["temperature", "top_p", "top_k"]);
    assert_eq!([body.get("temperature"), body.get("top_p"), body.get("top_k")], [None; 3]);
    let request = Request { temperature: Some(1.0), top_p: Some(0.95), top_k: None, ..request };
    let (body, lost) = written(&request, Surface::ChatCompletions, &TARGET).unwrap();
    assert_eq!((&body["top_p"], lost.len()), (&json!(0.95), 0));
}

#[test]
fn what_must_be_called_is_not_thought_about() {
    let tool = Tool::Function(crate::translate::request::Function { name: "f".into(), ..Default::default() });
    let request = Request {
        reasoning: Some(effort("high")),
        tools: vec![tool],
        tool_choice: Some(ToolChoice::Required),
        ..question()
    };
    for thinking in [Thinking::Usual, Thinking::Adaptive] {
        let target = Target { thinking, ..TARGET };
        let (body, lost) = written(&request, Surface::ChatCompletions, &target).unwrap();
        assert_eq!((body.get("thinking"), &lost[..]), (None, &["reasoning_effort".to_owned()][..]));
    }
    let request = Request {
        reasoning: Some(effort("high")),
        turns: vec![turn(Role::Assistant, vec![Part::text("The answer is (")])],
        ..question()
    };
    let (body, lost) = written(&request, Surface::ChatCompletions, &TARGET).unwrap();
    assert_eq!((body.get("thinking"), &lost[..]), (None, &["reasoning_effort".to_owned()][..]));
}

/// A loop of tools that began without thoughts goes on without.
#[test]
fn loops_keep_their_thoughts() {
    let state =
        State { data: "sig".into(), surface: Surface::Messages, provider: None, kind: StateKind::Signature };
    let thought = Part::Reasoning(Thought { text: "t".into(), state: Some(state), ..Thought::default() });
    let request = |first: Vec<Part<'static>>| Request {
        reasoning: Some(effort("high")),
        turns: vec![
            turn(Role::User, vec![Part::text("a")]),
            turn(Role::Assistant, first),
            turn(Role::User, vec![result("c", "r")]),
        ],
        ..question()
    };
    let disabled = json!({"type": "disabled"});
    let lost = ["reasoning_effort".to_owned()];
    let without = request(vec![call("c", "f", "{}")]);
    let (body, left) = written(&without, Surface::ChatCompletions, &TARGET).unwrap();
    assert_eq!((&body["thinking"], &left[..]), (&disabled, &lost[..]));
    let adaptive = Target { thinking: Thinking::Adaptive, ..TARGET };
    let (body, left) = written(&without, Surface::ChatCompletions, &adaptive).unwrap();
    assert_eq!((&body["thinking"], left.len()), (&json!({"type": "adaptive"}), 0), "only budgets ask for it");
    let with = request(vec![thought, call("c", "f", "{}")]);
    let (body, left) = written(&with, Surface::ChatCompletions, &TARGET).unwrap();
    assert_eq!((&body["thinking"]["type"], left.len()), (&json!("enabled"), 0));
}

/// In its own dialect an effort is no wish to think, and stands beside a budget.
#[test]
fn effort_in_its_own_dialect() {
    let body = |more: Value| {
        let mut body = json!({"model": "claude-sonnet-4-5", "max_tokens": 9000, "messages": [{"role": "user", "content": "a"}]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    for given in [
        body(json!({"output_config": {"effort": "low"}})),
        body(json!({"output_config": {"effort": "low"}, "thinking": {"type": "disabled"}})),
        body(
            json!({"output_config": {"effort": "low"}, "thinking": {"type": "enabled", "budget_tokens": 2000}}),
        ),
        body(json!({"output_config": {"effort": "max"}, "thinking": {"type": "adaptive"}})),
    ] {
        let translated = again(&given, &TARGET);
        assert_eq!((json(&translated.body), translated.lost), (given, vec![]));
    }
    // A model that only takes budgets.
    let target = Target { thinking: Thinking::Budget, ..TARGET };
    let translated = again(&body(json!({"thinking": {"type": "adaptive"}})), &target);
    assert_eq!(json(&translated.body)["thinking"], json!({"type": "enabled", "budget_tokens": 7200}));
    let target = Target { thinking: Thinking::None, ..TARGET };
    let translated = again(&body(json!({"output_config": {"effort": "low"}})), &target);
    assert_eq!(translated.lost, ["output_config.effort"]);
}
