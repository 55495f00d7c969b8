//! The providers of `tollgate demo`.

use crate::script::{Behaviour, Fault, Flavour, RateLimit, Rule, Script};
use std::collections::BTreeMap;

/// What `tollgate demo` talks to: three providers on one port, below `/anthropic/v1`, `/openai/v1` and
/// `/openrouter/api/v1`.
///
/// Any key is good, any model answers at the pace of a real one, except for names that end like this:
///
/// | model | what happens |
/// |---|---|
/// | `…-down` | 503 (Anthropic: 529), at once |
/// | `…-limited` | 429 with `retry-after: 7` and rate limit headers |
/// | `…-quota` | 402: no money left |
/// | `…-denied` | 401 |
/// | `…-missing` | 404 |
/// | `…-slow` | the first content comes after 5 seconds |
/// | `…-hang` | nothing ever comes |
/// | `…-stall` | three chunks, then nothing more |
/// | `…-cut` | three chunks, then the connection ends |
/// | `…-broken` | status 200, but the stream (or the body) is an error |
/// | `…-fails` | three chunks, then an error event |
/// | `…-garbage` | status 200 with something that is not JSON |
/// | `…-html` | 502 with a web page |
/// | `…-refused` | the connection ends without an answer |
/// | `…-flaky` | 503 and a normal answer in turn, ten times, then normal |
///
/// and for keys that end like this:
///
/// | key | what happens |
/// |---|---|
/// | `…-exhausted` | 429: the key's quota is used up |
/// | `…-revoked` | 401 |
/// | `…-down` | 503: stands for a provider that is down for everybody |
#[must_use]
pub fn demo_script() -> Script {
    let mut script = Script { otherwise: paced(Behaviour::default()), ..Script::default() };
    script.models = BTreeMap::from([
        (Flavour::OpenAi, names(&["gpt-5", "gpt-5-mini", "gpt-4.1", "gpt-4o", "gpt-4o-mini"])),
        (Flavour::Anthropic, names(&["claude-opus-4-5", "claude-sonnet-4-5", "claude-haiku-4-5"])),
        (
            Flavour::OpenRouter,
            names(&["anthropic/claude-sonnet-4.5", "openai/gpt-4o", "google/gemini-2.5-pro"]),
        ),
    ]);
    let quota = Behaviour {
        message: Some("You exceeded your current quota, please check your plan and billing details.".into()),
        ..Behaviour::status(429)
    };
    script = script
        .when_key("*-exhausted", [quota])
        .when_key("*-revoked", [Behaviour::status(401)])
        .when_key("*-down", [Behaviour::status(503)])
        .rule(Rule {
            provider: Some(Flavour::Anthropic),
            model: Some("*-down".into()),
            answers: vec![Behaviour::status(529)],
            ..Rule::default()
        });
    for (ending, behaviour) in endings() {
        script = script.model(&format!("*-{ending}"), [behaviour]);
    }
    let flaky = [Behaviour::status(503), paced(Behaviour::default())];
    let turns = flaky.iter().cycle().take(20).cloned();
    script.model("*-flaky", turns)
}

fn endings() -> Vec<(&'static str, Behaviour)> {
    let limited = Behaviour {
        rate_limit: Some(RateLimit { limit: 60, remaining: 0, reset_s: 7 }),
        ..Behaviour::status(429).header("retry-after", "7")
    };
    vec![
        ("down", Behaviour::status(503)),
        ("limited", limited),
        ("quota", Behaviour::status(402)),
        ("denied", Behaviour::status(401)),
        ("missing", Behaviour::status(404)),
        ("slow", paced(Behaviour::default()).first_content_after_ms(5000)),
        ("hang", Behaviour::fault(Fault::Hang)),
        ("stall", paced(Behaviour::fault(Fault::StallMidStream(3)))),
        ("cut", paced(Behaviour::fault(Fault::CutAfterChunks(3)))),
        ("broken", Behaviour::fault(Fault::ErrorFirst)),
        ("fails", paced(Behaviour::fault(Fault::ErrorAfterChunks(3)))),
        ("garbage", Behaviour::fault(Fault::Garbage)),
        ("html", Behaviour::fault(Fault::Html)),
        ("refused", Behaviour::fault(Fault::CloseBeforeHead)),
    ]
}

/// Fast enough for a tour, slow enough to be seen.
fn paced(behaviour: Behaviour) -> Behaviour {
    behaviour.first_content_after_ms(120).chunk_every_ms(25)
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|n| (*n).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ending_of_the_table_has_a_rule() {
        let script = demo_script();
        let source = include_str!("demo.rs");
        let documented = source.lines().filter_map(|l| l.strip_prefix("/// | `…-")?.split_once('`'));
        let mut count = 0;
        for (ending, _) in documented {
            let pattern = Some(format!("*-{ending}"));
            assert!(script.rules.iter().any(|r| r.model == pattern || r.key == pattern), "{ending}");
            count += 1;
        }
        assert_eq!(count, 18);
    }
}
