//! What each fault may come to, written down without a look at the gateway: what a person would expect of one attempt.

use super::plan::{Fault, Surface};
use tollgate_mock::{Http1Fault, Http2Fault};

/// The kind of answer that a fault meets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) stream: bool,
    /// A plain answer so long that it is passed on before its end is there.
    pub(crate) long: bool,
    pub(crate) surface: Surface,
    /// The provider speaks another API than the client.
    pub(crate) translated: bool,
}

/// What one attempt may come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Effects {
    /// The whole answer.
    pub(crate) answers: bool,
    /// Nothing of it, so that the next candidate is asked.
    pub(crate) fails: bool,
    /// A part of it, and then a word that it broke.
    pub(crate) breaks: bool,
    /// It takes a whole clock.
    pub(crate) slow: bool,
    /// This status, passed on as it is.
    pub(crate) passes: Option<u16>,
    /// The error of the provider, which a client sees when nobody else was asked.
    pub(crate) status: Option<u16>,
}

const ANSWERS: Effects =
    Effects { answers: true, fails: false, breaks: false, slow: false, passes: None, status: None };
const FAILS: Effects = Effects { answers: false, fails: true, ..ANSWERS };
const LATE: Effects = Effects { slow: true, ..FAILS };
const BREAKS: Effects = Effects { answers: false, breaks: true, ..ANSWERS };
/// What was sent may be lost with the connection.
const LOST: Effects = Effects { fails: true, ..BREAKS };

impl Effects {
    fn slow(self) -> Self {
        Self { slow: true, ..self }
    }
}

/// What an attempt with this fault may come to.
pub(crate) fn effects(fault: Fault, shape: Shape) -> Effects {
    match fault {
        Fault::One(fault) => one(fault, shape),
        Fault::Two(fault) => two(fault, shape),
        // Some of them only say nothing.
        Fault::Connection => LATE,
    }
}

/// A fault behind the first content: a stream breaks, and so does a plain answer that is under way; a short one fails.
fn mid(shape: Shape) -> Effects {
    if shape.stream || (shape.long && !shape.translated) { BREAKS } else { FAILS }
}

/// The same where a reset, or broken framing, may take what came before along.
fn mid_lost(shape: Shape) -> Effects {
    if mid(shape).breaks { LOST } else { FAILS }
}

/// A fault before the content of a stream, and in the middle of a plain answer.
fn before(shape: Shape) -> Effects {
    if shape.stream { FAILS } else { mid(shape) }
}

fn one(fault: Http1Fault, shape: Shape) -> Effects {
    use Http1Fault as F;
    match fault {
        F::None
        | F::LateHead
        | F::TrickleHead
        | F::TrickleBody
        | F::Informational
        | F::LineEnds
        | F::SplitText
        | F::OddChunks
        | F::ClosesAfterwards
        | F::ClosesWhenReused
        | F::ResetsWhenReused
        | F::StrayBytesBehind
        | F::StrayAnswerBehind
        | F::DataAfterDone => ANSWERS,
        // To be repaired or refused (RFC 9112, section 6.3).
        F::LengthAndChunks | F::NoColon => Effects { fails: true, ..ANSWERS },
        F::StallBeforeHead
        | F::StallInHead
        | F::EndlessInformational
        | F::EndlessHead
        | F::CommentsForEver => LATE,
        F::CutBeforeContent | F::CutInFirstContent => before(shape),
        F::ResetBeforeContent if shape.stream => FAILS,
        F::ResetBeforeContent | F::ResetMid => mid_lost(shape),
        F::BadChunkSize | F::HugeChunkSize | F::NegativeChunkSize | F::ShortChunk => mid_lost(shape),
        F::StallBeforeContent => before(shape).slow(),
        F::StallMid => mid(shape).slow(),
        F::TrickleForEver => LATE,
        F::CutMid | F::CutInFrame | F::CutInChunkSize | F::LengthTooShort | F::EndsEarly => mid(shape),
        F::ErrorLater if shape.stream => BREAKS,
        F::ErrorLater => mid(shape),
        F::LengthTooLong | F::NoFinalChunk if shape.stream => ANSWERS,
        F::LengthTooLong | F::NoFinalChunk => mid(shape),
        F::NoDone if !shape.stream || shape.surface == Surface::Chat || shape.translated => ANSWERS,
        F::NoDone if shape.surface == Surface::Responses => BREAKS,
        F::NoDone => Effects { breaks: true, ..ANSWERS },
        F::LongLine if shape.stream && shape.translated => Effects { answers: true, ..BREAKS },
        F::LongLine if shape.stream => ANSWERS,
        // Long enough to be passed on before its end.
        F::LongLine if !shape.translated => BREAKS,
        F::LongLine => FAILS,
        F::Redirect => Effects { answers: false, passes: Some(307), ..ANSWERS },
        F::Status(status) | F::StatusPage(status) | F::StatusLong(status) => {
            Effects { status: Some(status), ..FAILS }
        }
        F::StatusStalls(status) => Effects { status: Some(status), ..LATE },
        F::RefusesEarly => Effects { status: Some(413), ..FAILS },
        _ => FAILS,
    }
}

fn two(fault: Http2Fault, shape: Shape) -> Effects {
    use Http2Fault as F;
    match fault {
        F::None
        | F::LateHead
        | F::Informational
        | F::GracefulGoAway
        | F::ResetNoErrorAfterwards
        | F::SettingsChange
        | F::Trailers
        | F::UnknownFrames
        | F::Pings
        | F::ManySmallFrames => ANSWERS,
        F::StallBefore | F::StallWindow | F::PingFlood | F::EndlessContinuation => LATE,
        F::StallBeforeContent => before(shape).slow(),
        F::StallMid => mid(shape).slow(),
        F::GoAwayMid | F::ResetMid(_) | F::CutMid | F::CutInFrame | F::DataOnIdleStream => mid_lost(shape),
        // Blanks behind the half of a plain answer make it a long one.
        F::BeyondWindow => LOST.slow(),
        F::LengthTooShort => Effects { fails: true, ..mid_lost(shape) },
        F::LengthTooLong if shape.stream => Effects { answers: true, ..LOST },
        F::Status(status) => Effects { status: Some(status), ..FAILS },
        _ => FAILS,
    }
}
