//! OpenAI's Responses.

use super::answer::{Answer, Event};
use super::request::Request;
use super::{AnswerContext, DecodeError, Echo, Target, Translated, Unsupported};
use crate::Surface;

pub(super) fn read_request(_body: &[u8]) -> Result<Request<'_>, DecodeError> {
    Ok(Request::default())
}

pub(super) fn write_request(
    _request: &Request<'_>,
    _from: Surface,
    _target: &Target<'_>,
) -> Result<Translated, Unsupported> {
    Err(Unsupported("not written yet".into()))
}

pub(super) fn read_answer(_body: &[u8]) -> Result<Answer<'_>, DecodeError> {
    Ok(Answer::default())
}

pub(super) fn write_answer(_answer: &Answer<'_>, _context: &AnswerContext<'_>, _echo: &Echo) -> Translated {
    Translated::default()
}

pub(super) fn echo(_request: &Request<'_>) -> Echo {
    Echo::default()
}

#[derive(Debug, Default)]
pub(super) struct Decoder {}

impl Decoder {
    pub(super) fn read(
        &mut self,
        _name: Option<&str>,
        _data: &[u8],
        _sink: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), DecodeError> {
        Ok(())
    }

    pub(super) fn finish(&mut self, _sink: &mut dyn FnMut(Event<'_>)) {}
}

#[derive(Debug)]
pub(super) struct Encoder {}

impl Encoder {
    pub(super) fn new(_context: &AnswerContext<'_>) -> Self {
        Self {}
    }

    pub(super) fn repeat(&mut self, _echo: &Echo) {}

    pub(super) fn write(&mut self, _event: Event<'_>, _out: &mut Vec<u8>) {}
}
