use super::*;
use crate::translate::request::{Function, Reasoning, Tool, ToolChoice};
use serde_json::json;

fn reasoning(effort: Option<&'static str>, budget: Option<u64>) -> Option<Reasoning<'static>> {
    Some(Reasoning { effort: effort.map(Into::into), budget, ..Reasoning::default() })
}

fn ask(reasoning: Option<Reasoning<'static>>) -> Request<'static> {
    Request { reasoning, max_output_tokens: Some(10_000), ..user(vec![Part::text("a")]) }
}

fn own(request: &Request<'_>, target: &Target<'_>) -> (Value, Vec<String>) {
    let (body, lost) = write(request, Surface::ChatCompletions, target).unwrap();
    (body["additionalModelRequestFields"].clone(), lost)
}

#[test]
fn each_author_is_told_in_its_own_words() {
    let nova = "us.amazon.nova-2-lite-v1:0";
    let enabled = |budget: u64| json!({"thinking": {"type": "enabled", "budget_tokens": budget}});
    let none = || Value::Null;
    for (model, effort, budget, want, lost) in [
        (CLAUDE, Some("high"), None, enabled(8000), 0),
        (CLAUDE, Some("minimal"), None, enabled(1024), 0),
        (CLAUDE, Some("max"), None, enabled(9500), 0),
        (CLAUDE, None, Some(3000), enabled(3000), 0),
        (CLAUDE, None, Some(50_000), enabled(9999), 0),
        (CLAUDE, Some("low"), Some(9000), enabled(2000), 0),
        (CLAUDE, Some("none"), None, none(), 0),
        (CLAUDE, None, Some(0), none(), 0),
        (
            nova,
            Some("low"),
            None,
            json!({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}}),
            0,
        ),
        (
            nova,
            Some("high"),
            None,
            json!({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "medium"}}),
            1,
        ),
        ("openai.gpt-oss-20b-1:0", None, Some(9000), json!({"reasoning_effort": "high"}), 0),
        ("openai.gpt-oss-20b-1:0", Some("none"), None, json!({"reasoning_effort": "low"}), 1),
        ("meta.llama3-8b-instruct-v1:0", Some("high"), None, none(), 1),
        ("arn:aws:bedrock:us-east-1:1:application-inference-profile/x", Some("high"), None, none(), 1),
    ] {
        let got = own(&ask(reasoning(effort, budget)), &target(model));
        assert_eq!((got.0, got.1.len()), (want, lost), "{model} {effort:?} {budget:?}");
    }
    let free = Request { max_output_tokens: None, ..ask(reasoning(Some("high"), None)) };
    let high = json!({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}});
    assert_eq!(own(&free, &target(nova)), (high, vec![]), "without a limit nothing speaks against it");
}

#[test]
fn styles_of_the_catalogue_win() {
    let adaptive = Target { thinking: Thinking::Adaptive, ..target(CLAUDE) };
    let (body, lost) = write(&ask(reasoning(Some("xhigh"), None)), Surface::Messages, &adaptive).unwrap();
    assert_eq!(body["additionalModelRequestFields"], json!({"thinking": {"type": "adaptive"}}));
    assert_eq!((&body["outputConfig"], lost.len()), (&json!({"effort": "xhigh"}), 0));
    let shown = Some(Reasoning { adaptive: true, show: Some(false), ..Reasoning::default() });
    let (body, _) = write(&ask(shown), Surface::Messages, &adaptive).unwrap();
    let want = json!({"thinking": {"type": "adaptive", "display": "omitted"}});
    assert_eq!((&body["additionalModelRequestFields"], body.get("outputConfig")), (&want, None));
    let mute = Target { thinking: Thinking::None, ..target(CLAUDE) };
    let (own, lost) = own(&ask(reasoning(Some("high"), None)), &mute);
    assert_eq!((own, lost), (Value::Null, vec!["reasoning_effort".to_owned()]));
}

#[test]
fn the_answers_limit_is_stated_beside_a_budget() {
    let unlimited = |effort, budget| Request { max_output_tokens: None, ..ask(reasoning(effort, budget)) };
    let small = Target { max_output_tokens: Some(8192), ..target(CLAUDE) };
    let large = Target { max_output_tokens: Some(128_000), ..target(CLAUDE) };
    for (request, target, limit, budget) in [
        (unlimited(Some("medium"), None), target(CLAUDE), 4096, 2048),
        (unlimited(None, Some(16_000)), target(CLAUDE), 20_096, 16_000),
        (unlimited(None, Some(16_000)), small, 8192, 8191),
        (unlimited(Some("high"), None), large, 32_000, 25_600),
    ] {
        let (body, _) = write(&request, Surface::Messages, &target).unwrap();
        assert_eq!(body["inferenceConfig"]["maxTokens"], limit);
        assert_eq!(body["additionalModelRequestFields"]["thinking"]["budget_tokens"], budget);
    }
    let tight = Request { max_output_tokens: Some(1024), ..ask(reasoning(Some("high"), None)) };
    let (own, lost) = own(&tight, &target(CLAUDE));
    assert_eq!((own, lost), (Value::Null, vec!["reasoning_effort".to_owned()]), "no room for thoughts");
}

#[test]
fn what_claude_refuses_while_thinking_is_left_out() {
    let mut request = ask(reasoning(Some("high"), None));
    request.temperature = Some(0.2);
    request.top_p = Some(0.5);
    request.top_k = Some(5);
    let (body, lost) = chat(&request);
    assert_eq!(body["inferenceConfig"], json!({"maxTokens": 10_000}));
    assert_eq!(lost, ["temperature", "top_p", "top_k"]);
    request.temperature = Some(1.0);
    request.top_p = None;
    request.top_k = None;
    let (body, lost) = chat(&request);
    assert_eq!(body["inferenceConfig"], json!({"maxTokens": 10_000, "temperature": 1.0}));
    assert_eq!(lost, Vec::<String>::new());
}

#[test]
fn thinking_gives_way_to_tools() {
    let mut forced = ask(reasoning(Some("high"), None));
    forced.tools = vec![Tool::Function(Function { name: "f".into(), ..Function::default() })];
    forced.tool_choice = Some(ToolChoice::Required);
    let (own_fields, lost) = own(&forced, &target(CLAUDE));
    assert_eq!((own_fields, lost), (Value::Null, vec!["reasoning_effort".to_owned()]));

    let mut looped = Request { tool_choice: None, ..forced };
    looped.turns.push(turn(Role::Assistant, vec![call("c", "f", "{}")]));
    looped.turns.push(turn(Role::User, vec![result("c", "x")]));
    let (own_fields, lost) = own(&looped, &target(CLAUDE));
    assert_eq!(
        (own_fields, lost),
        (Value::Null, vec!["reasoning_effort".to_owned()]),
        "a turn without its thoughts"
    );
    looped.turns.push(turn(Role::Assistant, vec![Part::text("done")]));
    looped.turns.push(turn(Role::User, vec![Part::text("thanks")]));
    assert_ne!(own(&looped, &target(CLAUDE)).0, Value::Null, "the loop is over");
}
