//! What happens in each request: a function of the seed and the request's number, and of nothing else.

use super::dice::Dice;
use super::expect::{Effects, Shape, effects};
use std::time::Duration;
use tollgate_mock::{Http1Fault, Http2Fault};

/// The operation that a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Surface {
    Chat,
    Messages,
    Responses,
    Embeddings,
}

impl Surface {
    /// The path below the gateway.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Chat => "/v1/chat/completions",
            Self::Messages => "/v1/messages",
            Self::Responses => "/v1/responses",
            Self::Embeddings => "/v1/embeddings",
        }
    }
}

/// How a provider can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// HTTP/1.1 in all dialects.
    Plain,
    /// The same, but only chat completions: other conversations are translated.
    ChatOnly,
    /// HTTP/1.1 in TLS.
    Secure,
    /// HTTP/2 in TLS, so many streams a connection.
    Two(u32),
    /// Nobody listens.
    Nobody,
    /// Connections come about and break: before a request, or in the handshake.
    Rude {
        /// The address says `https`.
        tls: bool,
    },
}

/// The providers, by their place.
pub(crate) const PROVIDERS: [(&str, Kind); 9] = [
    ("plain-a", Kind::Plain),
    ("plain-b", Kind::Plain),
    ("chat-only", Kind::ChatOnly),
    ("secure", Kind::Secure),
    ("two-single", Kind::Two(1)),
    ("two-many", Kind::Two(100)),
    ("nobody", Kind::Nobody),
    ("rude", Kind::Rude { tls: false }),
    ("rude-tls", Kind::Rude { tls: true }),
];

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Fault {
    One(Http1Fault),
    Two(Http2Fault),
    Connection,
}

/// One provider that may be tried.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) provider: usize,
    pub(crate) fault: Fault,
    /// Varies what the fault does.
    pub(crate) dice: u64,
    pub(crate) effects: Effects,
}

/// What the client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    /// Reads everything.
    Reads,
    /// Reads in small parts, with pauses.
    ReadsSlowly,
    /// Leaves after so long, whatever has come; with a reset or in order.
    LeavesAfter(Duration, bool),
    /// Leaves after so many bytes of the answer.
    LeavesAt(usize, bool),
}

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) number: u64,
    pub(crate) surface: Surface,
    pub(crate) stream: bool,
    /// Pieces of the answer, and the length of each.
    pub(crate) pieces: usize,
    pub(crate) piece_length: usize,
    pub(crate) prompt_length: usize,
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) client: Client,
    /// The client goes on with the connection of its request before.
    pub(crate) keeps: bool,
}

impl Plan {
    /// The plan of a request.
    pub(crate) fn of(seed: u64, number: u64) -> Self {
        let mut dice = Dice::of(seed, number);
        let all = [Surface::Chat, Surface::Chat, Surface::Messages, Surface::Responses, Surface::Embeddings];
        let surface = dice.pick(&all).unwrap_or(Surface::Chat);
        let stream = surface != Surface::Embeddings && dice.percent(60);
        let long = !stream && dice.percent(6);
        let (pieces, piece_length) = match (long, stream) {
            (true, _) => (350, 2000),
            (_, true) => (2 + small(dice.below(12)), small(dice.below(80))),
            _ => (1 + small(dice.below(4)), small(dice.below(3000))),
        };
        let prompt_length = match dice.below(100) {
            0..=84 => small(dice.below(3000)),
            85..=96 => small(dice.below(200_000)),
            _ => small(500_000 + dice.below(2_000_000)),
        };
        let client = match dice.below(100) {
            0..=6 => Client::LeavesAfter(Duration::from_millis(dice.below(700)), dice.percent(50)),
            7..=12 => Client::LeavesAt(1 + small(dice.below(1500)), dice.percent(50)),
            13..=17 => Client::ReadsSlowly,
            _ => Client::Reads,
        };
        let keeps = dice.percent(60);
        let shape = Shape { stream, long, surface, translated: false };
        let candidates = candidates(&mut dice, shape);
        Self { number, surface, stream, pieces, piece_length, prompt_length, candidates, client, keeps }
    }

    /// The API in which a candidate is asked.
    pub(crate) fn wire(&self, provider: usize) -> Surface {
        if translated(self.surface, provider) { Surface::Chat } else { self.surface }
    }

    /// The place of a provider among the candidates.
    pub(crate) fn candidate(&self, provider: usize) -> Option<(usize, &Candidate)> {
        self.candidates.iter().enumerate().find(|(_, candidate)| candidate.provider == provider)
    }
}

fn small(number: u64) -> usize {
    usize::try_from(number).unwrap_or(0)
}

fn translated(surface: Surface, provider: usize) -> bool {
    let chat_only = PROVIDERS.get(provider).is_some_and(|(_, kind)| *kind == Kind::ChatOnly);
    chat_only && matches!(surface, Surface::Messages | Surface::Responses)
}

/// One to three different providers.
fn candidates(dice: &mut Dice, shape: Shape) -> Vec<Candidate> {
    let count = 1 + dice.below(3);
    let mut left: Vec<usize> = (0..PROVIDERS.len()).collect();
    let mut chosen = Vec::new();
    for _ in 0..count {
        // The last three never answer: seldom.
        let fair = left.iter().filter(|provider| **provider < 6).count() as u64;
        let end = if dice.percent(12) { left.len() as u64 } else { fair };
        let provider = left.remove(small(dice.below(end.max(1))).min(left.len() - 1));
        let kind = PROVIDERS.get(provider).map_or(Kind::Nobody, |(_, kind)| *kind);
        if kind == Kind::ChatOnly && shape.surface == Surface::Embeddings {
            continue;
        }
        let shape = Shape { translated: translated(shape.surface, provider), ..shape };
        let fault = match kind {
            Kind::Two(_) => Fault::Two(two(dice, shape)),
            Kind::Nobody | Kind::Rude { .. } => Fault::Connection,
            _ => Fault::One(one(dice, shape)),
        };
        chosen.push(Candidate { provider, fault, dice: dice.next(), effects: effects(fault, shape) });
    }
    if chosen.is_empty() {
        let fault = Fault::One(Http1Fault::None);
        chosen.push(Candidate { provider: 0, fault, dice: dice.next(), effects: effects(fault, shape) });
    }
    chosen
}

/// Statuses of failing providers.
const STATUSES: [u16; 15] = [400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 504, 529];
/// Error codes of streams: NO_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, REFUSED_STREAM, CANCEL, ENHANCE_YOUR_CALM,
/// HTTP_1_1_REQUIRED, and one that does not exist (RFC 9113, section 7).
const RESETS: [u32; 8] = [0, 2, 3, 7, 8, 11, 13, 0xdead];

fn one(dice: &mut Dice, shape: Shape) -> Http1Fault {
    use Http1Fault as F;
    if dice.percent(30) {
        return F::None;
    }
    let status = dice.pick(&STATUSES).unwrap_or(500);
    // Costly ones are seldom.
    if dice.percent(2) {
        let rare = [F::LongLine, F::LongLineFirst, F::StatusStalls(status), F::StatusLong(status)];
        return dice.pick(&rare).unwrap_or(F::None);
    }
    let fault = dice.pick(&usual(status)).unwrap_or(F::None);
    // Nothing limits how long a plain answer takes once it is on its way, as long as it keeps coming.
    if fault == F::TrickleForEver && shape.long && !shape.translated { F::StallMid } else { fault }
}

/// All that are not costly.
fn usual(status: u16) -> Vec<Http1Fault> {
    use Http1Fault as F;
    [
        [F::LateHead, F::TrickleHead, F::TrickleBody, F::Informational, F::LineEnds, F::SplitText],
        [
            F::ClosesAfterwards,
            F::ClosesWhenReused,
            F::ResetsWhenReused,
            F::OddChunks,
            F::DataAfterDone,
            F::NoDone,
        ],
        [
            F::StrayBytesBehind,
            F::StrayAnswerBehind,
            F::LengthAndChunks,
            F::TwoLengths,
            F::NegativeLength,
            F::None,
        ],
        [
            F::CloseBeforeHead,
            F::ResetBeforeHead,
            F::StallBeforeHead,
            F::RefusesEarly,
            F::CutInHead,
            F::ResetInHead,
        ],
        [F::StallInHead, F::EndlessHead, F::EndlessInformational, F::NoColon, F::NulInHeader, F::GiantHeader],
        [F::SwitchingProtocols, F::OldHttp, F::WrongVersion, F::Garbage, F::Redirect, F::NoContent],
        [
            F::CutBeforeContent,
            F::ResetBeforeContent,
            F::StallBeforeContent,
            F::CutInFirstContent,
            F::NotModified,
            F::Page,
        ],
        [F::CommentsThenCut, F::CommentsForEver, F::EmptyBody, F::ErrorObject, F::HalfGzip, F::ErrorLater],
        [F::CutMid, F::CutInFrame, F::CutInChunkSize, F::ResetMid, F::StallMid, F::TrickleForEver],
        [
            F::LengthTooLong,
            F::LengthTooShort,
            F::NoFinalChunk,
            F::BadChunkSize,
            F::HugeChunkSize,
            F::NegativeChunkSize,
        ],
        [
            F::ShortChunk,
            F::EndsEarly,
            F::Status(status),
            F::StatusPage(status),
            F::Status(status),
            F::Status(status),
        ],
    ]
    .concat()
}

fn two(dice: &mut Dice, shape: Shape) -> Http2Fault {
    use Http2Fault as F;
    let code = dice.pick(&RESETS).unwrap_or(2);
    let status = dice.pick(&STATUSES).unwrap_or(500);
    // The servers' side of flow control is not written: their answers have to fit.
    if shape.long {
        return dice
            .pick(&[F::GoAwayBefore, F::ResetBefore(code), F::Status(status), F::CutBefore])
            .unwrap_or(F::CutBefore);
    }
    if dice.percent(30) {
        return F::None;
    }
    let all = [
        [
            F::LateHead,
            F::Informational,
            F::GracefulGoAway,
            F::ResetNoErrorAfterwards,
            F::SettingsChange,
            F::Trailers,
        ],
        [
            F::UnknownFrames,
            F::Pings,
            F::ManySmallFrames,
            F::GoAwayBefore,
            F::GoAwayError,
            F::ResetBefore(code),
        ],
        [
            F::CutBefore,
            F::ConnectionResetBefore,
            F::StallBefore,
            F::StallWindow,
            F::CutInHead,
            F::EndlessContinuation,
        ],
        [
            F::BadHead,
            F::PushPromise,
            F::BadSettings,
            F::StallBeforeContent,
            F::EndsBeforeContent,
            F::GoAwayMid,
        ],
        [F::ResetMid(code), F::CutMid, F::CutInFrame, F::StallMid, F::BeyondWindow, F::DataOnIdleStream],
        [
            F::LengthTooShort,
            F::LengthTooLong,
            F::PingFlood,
            F::Status(status),
            F::ResetBefore(code),
            F::ResetMid(code),
        ],
    ];
    dice.pick(all.as_flattened()).unwrap_or(F::None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_plan_is_the_same_every_time_and_all_faults_come() {
        let mut seen = BTreeSet::new();
        for number in 0..5000 {
            let plan = Plan::of(3, number);
            assert_eq!(format!("{plan:?}"), format!("{:?}", Plan::of(3, number)));
            assert!(!plan.candidates.is_empty() && plan.candidates.len() <= 3);
            let providers: BTreeSet<usize> = plan.candidates.iter().map(|c| c.provider).collect();
            assert_eq!(providers.len(), plan.candidates.len(), "each once");
            seen.extend(plan.candidates.iter().map(|c| c.fault));
        }
        let name = |fault: &Fault| format!("{fault:?}").replace(|c: char| c.is_ascii_digit(), "");
        let kinds: BTreeSet<String> = seen.iter().map(name).collect();
        assert!(kinds.len() > 90, "{} kinds", kinds.len());
        assert_ne!(format!("{:?}", Plan::of(3, 1)), format!("{:?}", Plan::of(4, 1)));
    }
}
