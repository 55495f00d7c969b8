//! Who may call.

use super::Checked;
use crate::answer::errors::Problem;
use crate::request::Facts;
use crate::script::{Flavour, Script, Surface};
use crate::{aws, google};

/// Checks the key. Cloud platforms check it always, the others if the script names keys.
pub(super) fn check(facts: &Facts, script: &Script) -> Checked {
    if facts.surface == Surface::Token {
        return Ok(());
    }
    let key = usable(facts);
    if let Some(keys) = script.keys.get(&facts.flavour) {
        return if key.is_some_and(|key| keys.contains(&key)) { Ok(()) } else { Err(unauthorised(facts)) };
    }
    match facts.flavour {
        Flavour::Bedrock => match aws::refusal(facts) {
            Some((exception, message)) => Err(Problem::new(403, message).code(exception)),
            None => Ok(()),
        },
        Flavour::Vertex if !key.as_deref().is_some_and(google::is_issued) => Err(unauthorised(facts)),
        Flavour::Azure if key.is_none() => Err(unauthorised(facts)),
        _ => Ok(()),
    }
}

/// The key, if it came in a way that this API reads.
fn usable(facts: &Facts) -> Option<String> {
    let has = |name: &str| facts.headers.contains_key(name);
    let readable = match facts.flavour {
        Flavour::Azure => has("api-key") || has("authorization"),
        Flavour::Google if facts.speaks_gemini() => has("x-goog-api-key") || facts.parameter("key").is_some(),
        _ => has("authorization") || (facts.speaks_messages() && has("x-api-key")) || has("api-key"),
    };
    facts.key.clone().filter(|_| readable)
}

fn unauthorised(facts: &Facts) -> Problem {
    match (facts.flavour, usable(facts)) {
        (Flavour::OpenAi, Some(key)) => {
            let message = format!(
                "Incorrect API key provided: {}. You can find your API key at \
                 https://platform.openai.com/account/api-keys.",
                masked(&key)
            );
            Problem::new(401, message).code("invalid_api_key")
        }
        (Flavour::OpenAi, None) => Problem::new(
            401,
            "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer \
             auth (i.e. Authorization: Bearer YOUR_KEY).",
        )
        .kind("invalid_request_error"),
        (Flavour::Anthropic, Some(_)) => Problem::new(401, "invalid x-api-key"),
        (Flavour::Anthropic, None) => Problem::new(401, "x-api-key header is required"),
        (Flavour::OpenRouter, Some(_)) => Problem::new(401, "User not found."),
        (Flavour::OpenRouter, None) => Problem::new(401, "No cookie auth credentials found"),
        (Flavour::Google, Some(_)) => {
            Problem::bad("API key not valid. Please pass a valid API key.").reason("API_KEY_INVALID")
        }
        (Flavour::Google, None) => Problem::new(
            403,
            "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or \
             other form of API consumer identity to call this API.",
        ),
        (Flavour::Vertex, _) => Problem::scripted(401, None).reason("ACCESS_TOKEN_TYPE_UNSUPPORTED"),
        (Flavour::Bedrock, _) => Problem::new(403, "Authentication failed: Please make sure your API Key is valid."),
        (Flavour::Azure, _) => Problem::new(
            401,
            "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for \
             an active subscription and use a correct regional API endpoint for your resource.",
        ),
    }
}

/// As OpenAI shows keys: eight characters at the front, four at the end.
fn masked(key: &str) -> String {
    let letters: Vec<char> = key.chars().collect();
    if letters.len() <= 16 {
        return "*".repeat(letters.len());
    }
    let front: String = letters.iter().take(8).collect();
    let end: String = letters.iter().skip(letters.len() - 4).collect();
    format!("{front}{}{end}", "*".repeat(letters.len() - 12))
}
