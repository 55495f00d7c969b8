//! Providers of every dialect behind one gateway, all on one mock that refuses what the real ones refuse.

use super::{Client, Gateway, ai_gateway, anthropic, custom, merge, mock};
use serde_json::{Value, json};
use tollgate_mock::{Behaviour, Flavour, MockServer, Recorded, Rule, Script, Surface};

/// A mock and the gateway in front of it.
pub(crate) struct World {
    pub(crate) mock: MockServer,
    pub(crate) gateway: Gateway,
}

/// A provider with one dialect, and a model of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Provider {
    pub(crate) name: &'static str,
    pub(crate) model: &'static str,
    pub(crate) surface: Surface,
    pub(crate) flavour: Flavour,
}

/// OpenAI, chat completions only.
pub(crate) const CHATTY: Provider = Provider {
    name: "chatty:gpt-5-mini",
    model: "gpt-5-mini",
    surface: Surface::ChatCompletions,
    flavour: Flavour::OpenAi,
};
/// OpenAI, responses only.
pub(crate) const RESPY: Provider = Provider {
    name: "respy:gpt-5-mini",
    model: "gpt-5-mini",
    surface: Surface::Responses,
    flavour: Flavour::OpenAi,
};
/// OpenRouter, chat completions only: it shows thoughts.
pub(crate) const ROUTED: Provider = Provider {
    name: "routed:anthropic/claude-sonnet-4.5",
    model: "anthropic/claude-sonnet-4.5",
    surface: Surface::ChatCompletions,
    flavour: Flavour::OpenRouter,
};
pub(crate) const CLAUDE: Provider = Provider {
    name: "anthropic:claude-sonnet-4-5",
    model: "claude-sonnet-4-5",
    surface: Surface::Messages,
    flavour: Flavour::Anthropic,
};
pub(crate) const GEMINI: Provider = Provider {
    name: "google:gemini-2.5-flash",
    model: "gemini-2.5-flash",
    surface: Surface::GenerateContent,
    flavour: Flavour::Google,
};

pub(crate) const PROVIDERS: [Provider; 5] = [CHATTY, RESPY, ROUTED, CLAUDE, GEMINI];

impl Provider {
    /// Whether it speaks the client's own dialect.
    pub(crate) fn speaks(self, client: Client) -> bool {
        let own = match client {
            Client::Chat => Surface::ChatCompletions,
            Client::Responses => Surface::Responses,
            Client::Messages => Surface::Messages,
            Client::Gemini => Surface::GenerateContent,
        };
        self.surface == own
    }

    /// A rule of a script for what it is asked.
    pub(crate) fn answers(self, answers: impl IntoIterator<Item = Behaviour>) -> Rule {
        Rule {
            provider: Some(self.flavour),
            surface: Some(self.surface),
            answers: answers.into_iter().collect(),
            ..Rule::default()
        }
    }
}

/// The configuration of all providers on a mock.
pub(crate) fn providers(mock: &MockServer) -> Value {
    let one = |id: &str, path: &str, surface: &str, model: &str| {
        let provider =
            custom(id, &format!("{}/{path}", mock.url()), &[&format!("key-of-{id}-0123456789abcdef")]);
        let features = ["reasoning", "tool-calling", "vision", "structured-output"];
        let more = json!({
            "supported_api_surfaces": [{"format": "openai", "surface": surface}],
            "models": [{"id": model, "supported_features": features, "max_output_tokens": 32768}],
        });
        merge(provider, more)
    };
    let google = json!({
        "id": "google", "base_url": format!("{}/google/v1beta", mock.url()),
        "api_keys": [{"value": "AIza-test-ffffffffffffffffffff-6666"}],
    });
    json!([
        one("chatty", "openai/v1", "chat-completions", CHATTY.model),
        one("respy", "openai/v1", "responses", RESPY.model),
        merge(
            one("routed", "openrouter/api/v1", "chat-completions", ROUTED.model),
            json!({
                "reasoning": "keep",
                "extensions": [{"name": "reasoning"}],
                "models": [{"id": ROUTED.model, "supported_features": ["reasoning", "tool-calling"], "thinking": "object"}],
            })
        ),
        merge(anthropic(mock), json!({"supported_api_surfaces": [{"format": "anthropic"}]})),
        merge(google, json!({"supported_api_surfaces": [{"format": "gemini"}]})),
    ])
}

impl World {
    /// With a strict mock.
    pub(crate) async fn new(script: Script) -> Self {
        Self::with(script, json!({})).await
    }

    /// The same with more in the configuration.
    pub(crate) async fn with(mut script: Script, more: Value) -> Self {
        script.strict = true;
        let mock = mock(script).await;
        let config = merge(json!({"providers": providers(&mock)}), more);
        let gateway = Gateway::start(&ai_gateway(config)).await;
        Self { mock, gateway }
    }

    /// The last request that a provider got.
    pub(crate) fn last(&self) -> Recorded {
        self.mock.requests().pop().expect("a request")
    }
}
