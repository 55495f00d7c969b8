//! The tour: four requests, each with what happened and whether it is what should happen.

use super::client::ask;
use super::secrets::Anthropic;
use super::trace::{Attempt, Trace};
use super::{Gateway, Stage};
use crate::output;
use serde_json::{Value as Json, json};
use std::time::{Duration, Instant};

/// How long a request's line in the access log may take.
const LOGGED: Duration = Duration::from_secs(5);
/// How long an answer may take.
const ANSWERED: Duration = Duration::from_secs(30);
/// How much of an answer is shown, in words.
const WORDS: usize = 12;

/// The client names both; every scene sends these.
const MODELS: [&str; 2] = ["anthropic:claude-3.5-sonnet", "openrouter:anthropic/claude-3.5-sonnet"];

/// One request of the tour.
struct Scene {
    title: &'static str,
    about: &'static str,
    stream: bool,
    anthropic: Anthropic,
    /// Providers and outcomes.
    expected: &'static [(&'static str, &'static str)],
}

const SCENES: [Scene; 4] = [
    Scene {
        title: "1. A normal request",
        about: "The client names two models; the first one answers.",
        stream: false,
        anthropic: Anthropic::Up,
        expected: &[("anthropic", "ok")],
    },
    Scene {
        title: "2. The same, streamed",
        about: "Every event goes to the client as it comes.",
        stream: true,
        anthropic: Anthropic::Up,
        expected: &[("anthropic", "ok")],
    },
    Scene {
        title: "3. The provider is down",
        about: "Anthropic answers 503 now. The client gets OpenRouter's stream and notices nothing.",
        stream: true,
        anthropic: Anthropic::Down,
        expected: &[("anthropic", "503"), ("openrouter", "ok")],
    },
    Scene {
        title: "4. The key is used up",
        about: "Anthropic is back, but our key there has no quota left: 429, and OpenRouter answers.",
        stream: false,
        anthropic: Anthropic::UsedUp,
        expected: &[("anthropic", "429"), ("openrouter", "ok")],
    },
];

/// Goes through all scenes; whether all went as they should.
pub(super) async fn run(stage: &Stage, gateway: &Gateway) -> bool {
    output::say(&format!(
        "A gateway on http://{} before mock providers on {}; nothing leaves this machine.\nThe policy:\n",
        gateway.address,
        stage.mock.url()
    ));
    output::say(&super::indented(super::policy::rules(&stage.policy.text)));
    let mut good = 0;
    for scene in &SCENES {
        stage.secrets.set(scene.anthropic);
        good += usize::from(play(scene, gateway).await);
    }
    output::say(&format!("{good} of {} went as they should.", SCENES.len()));
    if good == SCENES.len() {
        output::say(
            "\nNext: `tollgate demo` for your own requests, `tollgate run policies/openrouter-failover.yml` for real providers.",
        );
    }
    good == SCENES.len()
}

async fn play(scene: &Scene, gateway: &Gateway) -> bool {
    let body = body(scene);
    output::say(&format!("{}\n{}\n\n  POST /v1/chat/completions\n  {body}", scene.title, scene.about));
    output::print("  answer: ");
    let mut shown = Words::default();
    let asked = ask(gateway.address, &body, |text| output::print(shown.take(text)));
    let answer = match tokio::time::timeout(ANSWERED, asked).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(wrong)) => return failed(&wrong),
        Err(_) => return failed("no answer in time"),
    };
    output::say(if shown.cut { " ..." } else { "" });
    let Some(trace) = logged(gateway, &answer.request_id) else {
        return failed("the request is not in the access log");
    };
    output::print(&format!("\n  {}\n", trace.render().replace('\n', "\n  ").trim_end()));
    match wrong(scene, answer.status, &answer.text, &trace.attempts()) {
        None => {
            output::say("  as expected\n");
            true
        }
        Some(wrong) => failed(&wrong),
    }
}

fn failed(why: &str) -> bool {
    output::say(&format!("\n  NOT as expected: {why}\n"));
    false
}

fn body(scene: &Scene) -> Json {
    let messages = json!([{"role": "user", "content": "What does a toll gate do?"}]);
    let mut body = json!({"models": MODELS, "messages": messages});
    if let (true, Some(body)) = (scene.stream, body.as_object_mut()) {
        body.insert("stream".into(), true.into());
    }
    body
}

/// Waits for the request's line.
fn logged(gateway: &Gateway, request_id: &str) -> Option<Trace> {
    let until = Instant::now() + LOGGED;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let trace = gateway.traces.recv_timeout(left).ok()?;
        if trace.request_id() == request_id {
            return Some(trace);
        }
    }
}

/// What is not as it should be.
fn wrong(scene: &Scene, status: u16, text: &str, attempts: &[Attempt]) -> Option<String> {
    if status != 200 {
        return Some(format!("the status is {status}"));
    }
    if text.trim().is_empty() {
        return Some("the answer is empty".to_owned());
    }
    let came: Vec<(&str, &str)> =
        attempts.iter().map(|a| (a.provider.as_str(), a.outcome.as_str())).collect();
    (came != scene.expected).then(|| format!("the attempts should be {:?}", scene.expected))
}

/// Lets the first words through.
#[derive(Default)]
struct Words {
    seen: usize,
    in_word: bool,
    cut: bool,
}

impl Words {
    fn take<'a>(&mut self, text: &'a str) -> &'a str {
        for (at, c) in text.char_indices() {
            let begins = !c.is_whitespace() && !self.in_word;
            self.in_word = !c.is_whitespace();
            self.seen += usize::from(begins);
            self.cut |= self.seen > WORDS;
            // A line end would break the page.
            if self.cut || c.is_control() {
                return text.get(..at).unwrap_or("");
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(provider: &str, outcome: &str) -> Attempt {
        let text = String::new;
        Attempt {
            provider: provider.into(),
            outcome: outcome.into(),
            model: text(),
            key: text(),
            reason: text(),
            ms: text(),
        }
    }

    #[test]
    fn words_are_counted_across_parts() {
        let mut words = Words::default();
        let text = "a b c d e f g h i j k";
        assert_eq!(words.take(text), text);
        assert_eq!((words.take(" l"), words.take("mn o"), words.cut), (" l", "mn ", true));
        assert_eq!(words.take(" p"), "", "nothing more");
    }

    #[test]
    fn a_scene_that_goes_wrong_is_noticed() {
        let [_, _, down, _] = &SCENES;
        let good = [attempt("anthropic", "503"), attempt("openrouter", "ok")];
        assert_eq!(wrong(down, 200, "hi", &good), None);
        assert!(wrong(down, 200, "hi", &good[1..]).is_some());
        assert!(wrong(down, 503, "hi", &good).is_some() && wrong(down, 200, " ", &good).is_some());
    }
}
