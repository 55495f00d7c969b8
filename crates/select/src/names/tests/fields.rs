//! Parameters as fields of bodies.

use crate::names::ParamStyle;
use crate::names::params::parse;
use serde_json::{Value, json};
use tollgate_dialect::{Surface, Thinking};

fn fields(
    params: &str,
    surface: Surface,
    style: ParamStyle,
) -> (Value, Vec<&'static str>, Vec<&'static str>) {
    let made = parse(params).0.to_body(surface, style);
    (Value::from(made.fields), made.replaces, made.dropped)
}

#[test]
fn every_operation_has_its_own_fields() {
    let all = "temperature=0.5&top_p=0.9&top_k=4&reasoning_effort=high&verbosity=low&max_tokens=9&seed=3";
    let style = |thinking| ParamStyle { thinking, minimal_level: true, ..ParamStyle::default() };
    let table = [
        (
            Surface::ChatCompletions,
            Thinking::Usual,
            json!({"temperature": 0.5, "top_p": 0.9, "top_k": 4, "reasoning_effort": "high", "verbosity": "low", "max_tokens": 9, "seed": 3}),
            &[][..],
        ),
        (
            Surface::Responses,
            Thinking::Usual,
            json!({"temperature": 0.5, "top_p": 0.9, "text": {"verbosity": "low"}, "reasoning": {"effort": "high"}, "max_output_tokens": 9}),
            &["top_k", "seed"],
        ),
        (
            Surface::Messages,
            Thinking::Usual,
            json!({"temperature": 0.5, "top_p": 0.9, "top_k": 4, "output_config": {"effort": "high"}, "max_tokens": 9}),
            &["verbosity", "seed"],
        ),
        (
            Surface::GenerateContent,
            Thinking::Level,
            json!({"generationConfig": {"temperature": 0.5, "topP": 0.9, "topK": 4, "seed": 3, "thinkingConfig": {"thinkingLevel": "high"}, "maxOutputTokens": 9}}),
            &["verbosity"],
        ),
        (
            Surface::Converse,
            Thinking::Usual,
            json!({"inferenceConfig": {"temperature": 0.5, "topP": 0.9, "maxTokens": 9}}),
            &["top_k", "verbosity", "seed", "reasoning_effort"],
        ),
        (
            Surface::Completions,
            Thinking::Usual,
            json!({"temperature": 0.5, "top_p": 0.9, "top_k": 4, "seed": 3, "max_tokens": 9}),
            &["verbosity", "reasoning_effort"],
        ),
        (
            Surface::Embeddings,
            Thinking::Usual,
            json!({}),
            &["temperature", "top_p", "top_k", "verbosity", "seed", "reasoning_effort", "max_tokens"],
        ),
    ];
    for (surface, thinking, expected, dropped) in table {
        let (got, _, missing) = fields(all, surface, style(thinking));
        assert_eq!(got, expected, "{surface:?}");
        assert_eq!(missing, dropped, "{surface:?}");
    }
}

#[test]
fn thinking_is_said_in_the_words_of_the_model() {
    use Surface::{ChatCompletions as Chat, GenerateContent as Gemini, Messages, Responses};
    let table = [
        (Chat, Thinking::Object, "max", json!({"reasoning": {"effort": "xhigh"}})),
        (Chat, Thinking::Object, "none", json!({"reasoning": {"effort": "none"}})),
        (Chat, Thinking::Effort, "max", json!({"reasoning_effort": "max"})),
        (Chat, Thinking::None, "low", json!({})),
        (Responses, Thinking::Object, "max", json!({"reasoning": {"effort": "xhigh"}})),
        (Messages, Thinking::Adaptive, "minimal", json!({"output_config": {"effort": "low"}})),
        (Messages, Thinking::Usual, "none", json!({"thinking": {"type": "disabled"}})),
        (Messages, Thinking::Budget, "high", json!({})),
        (
            Gemini,
            Thinking::Budget,
            "medium",
            json!({"generationConfig": {"thinkingConfig": {"thinkingBudget": 8192}}}),
        ),
        (
            Gemini,
            Thinking::Level,
            "none",
            json!({"generationConfig": {"thinkingConfig": {"thinkingLevel": "minimal"}}}),
        ),
        (Gemini, Thinking::Usual, "low", json!({})),
    ];
    for (surface, thinking, effort, expected) in table {
        let style = ParamStyle { thinking, minimal_level: true, ..ParamStyle::default() };
        let (got, _, dropped) = fields(&format!("reasoning_effort={effort}"), surface, style);
        assert_eq!(got, expected, "{surface:?} {thinking:?} {effort}");
        assert_eq!(dropped.is_empty(), expected != json!({}), "{surface:?} {thinking:?} {effort}");
    }
    let style = ParamStyle { thinking: Thinking::Object, completion_tokens: true, ..ParamStyle::default() };
    let made = fields("reasoning_effort=low&max_tokens=5", Surface::ChatCompletions, style);
    assert_eq!(made.0, json!({"reasoning": {"effort": "low"}, "max_completion_tokens": 5}));
    assert_eq!(made.1, ["reasoning_effort", "max_tokens"]);
    let pro = ParamStyle { thinking: Thinking::Level, ..ParamStyle::default() };
    for effort in ["none", "minimal", "low"] {
        let (got, ..) = fields(&format!("reasoning_effort={effort}"), Surface::GenerateContent, pro);
        assert_eq!(got["generationConfig"]["thinkingConfig"]["thinkingLevel"], "low", "{effort}");
    }
}
