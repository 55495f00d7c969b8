//! Legacy completions: platform.openai.com/docs/api-reference/completions

use super::Event;
use super::chat::{set, usage};
use super::draft::Draft;
use serde_json::{Value, json};

/// `text_completion`
pub(crate) fn whole(draft: &mut Draft) -> Value {
    let id = draft.ids.word("cmpl-", 29);
    let mut answer = event(draft, &id, &draft.text(), Some(reason(draft)));
    if !draft.omit_usage {
        set(&mut answer, "usage", usage(draft));
    }
    answer
}

/// The same object again and again, each with a piece of the text.
pub(crate) fn streamed(draft: &mut Draft) -> Vec<Event> {
    let id = draft.ids.word("cmpl-", 29);
    let mut events: Vec<Event> =
        draft.chunks.iter().map(|text| Event::data(&event(draft, &id, text, None), true)).collect();
    events.push(Event::data(&event(draft, &id, "", Some(reason(draft))), false));
    if !draft.omit_usage && (draft.include_usage || draft.is_openrouter()) {
        let mut last = event(draft, &id, "", None);
        set(&mut last, "choices", json!([]));
        set(&mut last, "usage", usage(draft));
        events.push(Event::data(&last, false));
    }
    events.push(Event::done());
    events
}

fn reason(draft: &Draft) -> String {
    draft.finish_word(["stop", "stop", "length", "content_filter"])
}

fn event(draft: &Draft, id: &str, text: &str, reason: Option<String>) -> Value {
    json!({
        "id": id,
        "object": "text_completion",
        "created": draft.created,
        "model": draft.model,
        "choices": [{"text": text, "index": 0, "logprobs": null, "finish_reason": reason}],
    })
}
