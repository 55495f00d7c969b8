//! Any bytes are a request of a dialect or refused, and what is written of it for another dialect is JSON that this
//! dialect reads again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tollgate_dialect::{Conversation, Surface, Target, Thinking};

const WAYS: [Thinking; 7] = [
    Thinking::Usual,
    Thinking::Effort,
    Thinking::Object,
    Thinking::Budget,
    Thinking::Adaptive,
    Thinking::Level,
    Thinking::None,
];
/// What is said of a request that says nothing.
const NOTHING: &str = "must have at least one message";
const MODELS: [&str; 4] = ["some-model", "claude-sonnet-4-5", "gemini-3-pro", "gpt-5"];

// The first byte says how the target thinks, and which model it is.
fuzz_target!(|input: (u8, &[u8])| {
    let (way, body) = input;
    for from in Surface::CONVERSATIONS {
        let Ok(mut conversation) = Conversation::read(from, body) else { continue };
        if from == Surface::GenerateContent {
            conversation.named("gemini", way % 2 == 0);
        }
        let _ = conversation.echo();
        for to in Surface::CONVERSATIONS {
            let target = Target {
                surface: to,
                provider: "provider",
                model: MODELS[usize::from(way / 8) % MODELS.len()],
                extensions: &[],
                max_output_tokens: (way % 3 == 0).then_some(4096),
                thinking: WAYS[usize::from(way) % WAYS.len()],
                strip_state: way % 2 == 0,
                completion_tokens: way % 5 == 0,
            };
            let Ok(written) = conversation.write(&target) else { continue };
            serde_json::from_slice::<Value>(&written.body).expect("what is written is no JSON");
            // A request without a conversation is written without one, and refused for that.
            if let Err(error) = Conversation::read(to, &written.body)
                && !error.to_string().ends_with(NOTHING)
            {
                panic!("{} to {}: {error}", from.name(), to.name());
            }
        }
    }
});
