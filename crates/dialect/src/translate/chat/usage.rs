//! Figures, with caches inside the prompt and thoughts inside the completion.

use super::super::writer::Writer;
use crate::Usage;

/// The `usage` object as the next value. What only some providers report is written only where it is not zero.
pub(super) fn write(w: &mut Writer, usage: &Usage) {
    let some = |count: u64| (count > 0).then_some(count);
    w.object(|w| {
        w.member("prompt_tokens", &usage.input_tokens);
        w.member("completion_tokens", &usage.output_tokens);
        w.member("total_tokens", &usage.input_tokens.saturating_add(usage.output_tokens));
        w.member_object("prompt_tokens_details", |w| {
            w.member("cached_tokens", &usage.cached_tokens);
            w.member("audio_tokens", &usage.input_audio_tokens);
            w.optional("cache_write_tokens", some(usage.cache_write_tokens));
            w.optional("image_tokens", some(usage.input_image_tokens));
        });
        w.member_object("completion_tokens_details", |w| {
            w.member("reasoning_tokens", &usage.reasoning_tokens);
            w.member("audio_tokens", &usage.output_audio_tokens);
            w.optional("image_tokens", some(usage.output_image_tokens));
        });
        w.optional("cost", usage.cost);
        if let Some(cost) = usage.upstream_cost {
            w.member_object("cost_details", |w| w.member("upstream_inference_cost", &cost));
        }
    });
}
