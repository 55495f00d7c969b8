//! `usageMetadata`: Google counts thoughts beside the candidates.

use super::super::writer::Writer;
use crate::Usage;

/// The figures as a member of an answer.
pub(super) fn write(w: &mut Writer, usage: &Usage) {
    w.member_object("usageMetadata", |w| {
        w.member("promptTokenCount", &usage.input_tokens);
        w.member("candidatesTokenCount", &usage.output_tokens.saturating_sub(usage.reasoning_tokens));
        w.member("totalTokenCount", &usage.input_tokens.saturating_add(usage.output_tokens));
        w.optional("cachedContentTokenCount", some(usage.cached_tokens));
        w.optional("thoughtsTokenCount", some(usage.reasoning_tokens));
        let input = usage.input_tokens;
        details(w, "promptTokensDetails", input, usage.input_image_tokens, usage.input_audio_tokens);
        let output = usage.output_tokens.saturating_sub(usage.reasoning_tokens);
        details(w, "candidatesTokensDetails", output, usage.output_image_tokens, usage.output_audio_tokens);
    });
}

fn some(count: u64) -> Option<u64> {
    Some(count).filter(|count| *count > 0)
}

/// `ModalityTokenCount`s, where there is more than text.
fn details(w: &mut Writer, name: &str, all: u64, image: u64, audio: u64) {
    if image == 0 && audio == 0 {
        return;
    }
    let text = all.saturating_sub(image).saturating_sub(audio);
    w.member_array(name, |w| {
        for (modality, count) in [("TEXT", text), ("IMAGE", image), ("AUDIO", audio)] {
            if count > 0 {
                w.object(|w| {
                    w.member("modality", modality);
                    w.member("tokenCount", &count);
                });
            }
        }
    });
}
