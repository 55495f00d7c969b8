//! From the events of one dialect to those of another, one by one.

use super::answer::Event;
use super::lost::lose;
use super::{AnswerContext, Codec, DecodeError, Echo, chat, codec, converse, gemini, messages, responses};
use crate::{Frame, Surface, Usage};

/// Follows one stream. Comments pass as they are; an event may become none, one or several.
#[derive(Debug)]
pub struct StreamTranslator {
    from: Decoder,
    to: Encoder,
    lost: Vec<String>,
    usage: Usage,
}

/// Reads the events of a provider.
#[derive(Debug)]
enum Decoder {
    Chat(chat::Decoder),
    Responses(responses::Decoder),
    Messages(messages::Decoder),
    Gemini(gemini::Decoder),
    Converse(converse::Decoder),
}

/// Writes the events of a client's dialect.
#[derive(Debug)]
enum Encoder {
    Chat(chat::Encoder),
    Responses(Box<responses::Encoder>),
    Messages(Box<messages::Encoder>),
    Gemini(gemini::Encoder),
}

impl StreamTranslator {
    /// From a provider's operation to the client's (`context.surface`).
    #[must_use]
    pub fn new(from: Surface, context: &AnswerContext<'_>) -> Self {
        let from = match codec(from) {
            Codec::Responses => Decoder::Responses(responses::Decoder::default()),
            Codec::Messages => Decoder::Messages(messages::Decoder::default()),
            Codec::Gemini => Decoder::Gemini(gemini::Decoder::default()),
            Codec::Converse => Decoder::Converse(converse::Decoder::default()),
            Codec::Chat => Decoder::Chat(chat::Decoder::default()),
        };
        let to = match codec(context.surface) {
            Codec::Responses => Encoder::Responses(Box::new(responses::Encoder::new(context))),
            Codec::Messages => Encoder::Messages(Box::new(messages::Encoder::new(context))),
            Codec::Gemini => Encoder::Gemini(gemini::Encoder::new(context)),
            // No client speaks Converse, so it has no encoder.
            Codec::Chat | Codec::Converse => Encoder::Chat(chat::Encoder::new(context)),
        };
        Self { from, to, lost: Vec::new(), usage: Usage::default() }
    }

    /// With what the answer repeats of its request ([`super::Conversation::echo`]); before the first frame.
    #[must_use]
    pub fn with_echo(mut self, echo: &Echo) -> Self {
        if let Encoder::Responses(encoder) = &mut self.to {
            encoder.repeat(echo);
        }
        self
    }

    /// Translates one frame of the provider; what the client gets for it is appended to `out`.
    ///
    /// # Errors
    /// The frame is not of the provider's dialect. Errors the provider states are not for here: `StreamReader` finds
    /// them.
    pub fn frame(&mut self, frame: &Frame, out: &mut Vec<u8>) -> Result<(), DecodeError> {
        if frame.comment_only() {
            out.extend_from_slice(&frame.raw);
            return Ok(());
        }
        if frame.overflow() {
            let reason = "is too long to be translated".to_owned();
            return Err(DecodeError::Value { path: "an event".to_owned(), reason });
        }
        let (name, data) = (frame.event(), frame.data());
        let Self { from, to, lost, usage } = self;
        let mut sink = |event: Event<'_>| sink(to, lost, usage, event, out);
        match from {
            Decoder::Chat(decoder) => decoder.read(&data, &mut sink),
            Decoder::Responses(decoder) => decoder.read(name, &data, &mut sink),
            Decoder::Messages(decoder) => decoder.read(name, &data, &mut sink),
            Decoder::Gemini(decoder) => decoder.read(&data, &mut sink),
            Decoder::Converse(decoder) => decoder.read(name, &data, &mut sink),
        }
    }

    /// The provider's stream has come to its proper end: writes what ends the client's.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        let Self { from, to, lost, usage } = self;
        let mut sink = |event: Event<'_>| sink(to, lost, usage, event, out);
        match from {
            Decoder::Chat(decoder) => decoder.finish(&mut sink),
            Decoder::Responses(decoder) => decoder.finish(&mut sink),
            Decoder::Messages(decoder) => decoder.finish(&mut sink),
            Decoder::Gemini(decoder) => decoder.finish(&mut sink),
            Decoder::Converse(decoder) => decoder.finish(&mut sink),
        }
    }

    /// What could not be carried so far.
    #[must_use]
    pub fn lost(&self) -> &[String] {
        &self.lost
    }
}

fn sink(to: &mut Encoder, lost: &mut Vec<String>, usage: &mut Usage, event: Event<'_>, out: &mut Vec<u8>) {
    let event = match event {
        Event::Lost(path) => {
            lose(lost, path);
            return;
        }
        // Figures are running totals, not always all of them: the client gets the largest of each.
        Event::Usage(seen) => {
            usage.merge_max(&seen);
            Event::Usage(*usage)
        }
        event => event,
    };
    let left = match to {
        Encoder::Chat(encoder) => encoder.write(event, out),
        Encoder::Responses(encoder) => encoder.write(event, out),
        Encoder::Messages(encoder) => encoder.write(event, out),
        Encoder::Gemini(encoder) => encoder.write(event, out),
    };
    if let Some(path) = left {
        lose(lost, path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Splitter;
    use bytes::Bytes;

    #[test]
    fn a_frame_that_was_not_read_is_not_swallowed() {
        let mut splitter = Splitter::new();
        splitter.feed(Bytes::from(vec![b'x'; crate::sse::FRAME_LIMIT + 1]));
        let frame = splitter.next().unwrap();
        let context = AnswerContext {
            surface: Surface::Messages,
            provider: "p",
            model: "m",
            id: "i",
            now: 0,
            include_usage: false,
        };
        let mut out = Vec::new();
        let error = StreamTranslator::new(Surface::ChatCompletions, &context).frame(&frame, &mut out);
        assert_eq!(error.unwrap_err().to_string(), "'an event' is too long to be translated");
        assert!(out.is_empty());
    }
}
