//! What `cargo run -p xtask -- instructions` counts: each function of `measured`, called once from `main`.

#![expect(clippy::expect_used, reason = "a bench that cannot go on says so")]

mod common;

use tollgate_dialect::Surface;
use tollgate_dialect::Surface::{ChatCompletions, Converse, GenerateContent, Messages, Responses};

fn main() {
    let (bytes, seen) = common::peeked();
    let stream = common::stream(ChatCompletions);
    let (chat, converse) = (common::frames(ChatCompletions), common::frames(Converse));
    let (messages, gemini) = (common::frames(Messages), common::frames(GenerateContent));
    let mut out = Vec::new();
    measured::peek(&bytes);
    measured::splice(&bytes, &seen);
    measured::split(&stream);
    measured::request_chat_messages();
    measured::request_chat_gemini();
    measured::request_messages_responses();
    measured::request_responses_converse();
    measured::stream_chat_messages(&chat, &mut out);
    measured::stream_messages_responses(&messages, &mut out);
    measured::stream_gemini_chat(&gemini, &mut out);
    measured::stream_converse_gemini(&converse, &mut out);
}

/// Named in `limits.json`. `black_box` behind each call keeps it a call: a jump would not be seen to end.
mod measured {
    use super::{ChatCompletions, Converse, GenerateContent, Messages, Responses, common, request};
    use bytes::Bytes;
    use std::hint::black_box;
    use tollgate_dialect::{Frame, Peek};

    #[inline(never)]
    pub(super) fn peek(body: &Bytes) {
        black_box(tollgate_dialect::peek(body).expect("the request is right"));
        black_box(());
    }

    #[inline(never)]
    pub(super) fn splice(body: &Bytes, seen: &Peek) {
        common::splice(body, seen);
        black_box(());
    }

    #[inline(never)]
    pub(super) fn split(stream: &Bytes) {
        black_box(common::split(stream));
        black_box(());
    }

    #[inline(never)]
    pub(super) fn request_chat_messages() {
        request(ChatCompletions, Messages);
        black_box(());
    }

    #[inline(never)]
    pub(super) fn request_chat_gemini() {
        request(ChatCompletions, GenerateContent);
        black_box(());
    }

    #[inline(never)]
    pub(super) fn request_messages_responses() {
        request(Messages, Responses);
        black_box(());
    }

    #[inline(never)]
    pub(super) fn request_responses_converse() {
        request(Responses, Converse);
        black_box(());
    }

    #[inline(never)]
    pub(super) fn stream_chat_messages(frames: &[Frame], out: &mut Vec<u8>) {
        common::translate_stream(ChatCompletions, Messages, frames, out);
        black_box(());
    }

    #[inline(never)]
    pub(super) fn stream_messages_responses(frames: &[Frame], out: &mut Vec<u8>) {
        common::translate_stream(Messages, Responses, frames, out);
        black_box(());
    }

    #[inline(never)]
    pub(super) fn stream_gemini_chat(frames: &[Frame], out: &mut Vec<u8>) {
        common::translate_stream(GenerateContent, ChatCompletions, frames, out);
        black_box(());
    }

    #[inline(never)]
    pub(super) fn stream_converse_gemini(frames: &[Frame], out: &mut Vec<u8>) {
        common::translate_stream(Converse, GenerateContent, frames, out);
        black_box(());
    }
}

fn request(from: Surface, to: Surface) {
    common::translate_request(from, to, common::request(from));
}
