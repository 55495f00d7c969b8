//! Whether what a client got is what the plan allows.

use super::answers::{foreign, pieces, short};
use super::client::{End, Got};
use super::expect::Effects;
use super::plan::{Client, PROVIDERS, Plan, Surface};
use super::read::{Said, read};
use serde_json::Value as Json;
use std::time::Duration;

/// Codes of errors that say that no provider answered (docs/troubleshooting.md).
const CODES: [&str; 4] = ["ERR_NGROK_3800", "ERR_NGROK_3807", "ERR_NGROK_3810", "ERR_NGROK_3812"];
/// Bytes that belong to no answer, and keys of the gateway.
const NEVER: [&str; 2] = ["STRAY-BYTES", "chaos-key-"];

/// What a client ended up with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    Answered,
    AnsweredByAnother,
    BrokeOff,
    RefusedWithCode,
    ProvidersError,
    PassedOn,
    ClientLeft,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// Not to be excused.
    Surely(String),
    /// It may be that the machine was too slow for the clocks: to be tried again alone.
    Perhaps(String),
}

fn surely(why: impl Into<String>) -> Wrong {
    Wrong::Surely(why.into())
}

fn perhaps(why: impl Into<String>) -> Wrong {
    Wrong::Perhaps(why.into())
}

/// What the run's clocks are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clocks {
    /// `per_request_timeout`, `connect_timeout` and `stream_idle_timeout`.
    pub(crate) attempt: Duration,
    /// `total_timeout`
    pub(crate) total: Duration,
}

/// Judges one request. `lost` says of a candidate that its attempt may have been cut off by another one's fault.
pub(crate) fn judge(
    plan: &Plan,
    got: &Got,
    clocks: Clocks,
    lost: impl Fn(usize) -> bool,
) -> Result<Outcome, Wrong> {
    let head = got.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect::<String>();
    // In the bytes as they came chunk sizes may stand inside a piece.
    for bytes in [&got.raw, &got.body] {
        if let Some(never) = NEVER.iter().find(|never| contains(bytes, never)) {
            return Err(surely(format!("the client got {never}")));
        }
    }
    if let Some(strange) = [head.as_bytes(), &got.body].into_iter().find_map(|b| foreign(b, plan.number)) {
        return Err(surely(format!("bytes of another request: {strange}")));
    }
    let effects = effects_of(plan, lost);
    match &got.end {
        End::Malformed(why) => return Err(surely(format!("broken HTTP: {why}"))),
        End::Hung => return Err(surely(format!("it hangs: {:?}", got.took))),
        End::Left => return Ok(Outcome::ClientLeft),
        End::Broken if got.status == 0 => return Err(surely("the connection was closed without an answer")),
        End::Broken | End::Whole => {}
    }
    in_time(plan, got, clocks, &effects)?;
    if got.status == 200 {
        return answer(plan, got, &effects);
    }
    if got.end == End::Broken {
        return Err(surely(format!("an answer of {} is cut", got.status)));
    }
    let may_pass = reachable(&effects).any(|(_, effects)| effects.passes == Some(got.status));
    if may_pass && got.header("ngrok-error-code").is_none() {
        return Ok(Outcome::PassedOn);
    }
    refusal(plan, got, clocks, &effects)
}

/// What each candidate may come to.
fn effects_of(plan: &Plan, lost: impl Fn(usize) -> bool) -> Vec<Effects> {
    let one = |(at, candidate): (usize, &super::plan::Candidate)| {
        let mut effects = candidate.effects;
        if lost(at) {
            // It may have waited behind one that does not end.
            (effects.slow, effects.fails) = (true, true);
            effects.breaks |= effects.answers && plan.stream;
        }
        effects
    };
    plan.candidates.iter().enumerate().map(one).collect()
}

/// The candidates that may decide: all up to the first that does not fail.
fn reachable(effects: &[Effects]) -> impl Iterator<Item = (usize, &Effects)> {
    let end = effects.iter().position(|effects| !effects.fails).map_or(effects.len(), |at| at + 1);
    effects.iter().enumerate().take(end)
}

fn in_time(plan: &Plan, got: &Got, clocks: Clocks, effects: &[Effects]) -> Result<(), Wrong> {
    let slow = u32::try_from(reachable(effects).filter(|(_, effects)| effects.slow).count()).unwrap_or(0);
    let waiting = (clocks.attempt * slow).min(clocks.total + clocks.attempt);
    // Beside the clocks: pauses of the script, error bodies that stall (1 s each), slow clients.
    let count = u32::try_from(plan.candidates.len()).unwrap_or(3);
    let own = Duration::from_millis(1500) * count + clocks.attempt;
    let slowly = if plan.client == Client::ReadsSlowly { Duration::from_secs(2) } else { Duration::ZERO };
    let most = waiting + own + slowly;
    if got.took > most {
        return Err(perhaps(format!("it took {:?}, and should have taken {most:?} at most", got.took)));
    }
    Ok(())
}

fn answer(plan: &Plan, got: &Got, effects: &[Effects]) -> Result<Outcome, Wrong> {
    if got.end == End::Broken {
        return cut(plan, got, effects);
    }
    let said = read(got, plan.surface).map_err(surely)?;
    let known = pieces(&said.text, plan.number).map_err(surely)?;
    let Some((candidate, count)) = known else {
        return Err(surely(format!(
            "an answer without content: {}",
            short(&String::from_utf8_lossy(&got.body))
        )));
    };
    let effect = may_decide(candidate, effects)?;
    names_provider(plan, got, candidate)?;
    if said.errors.is_empty() {
        complete(plan, &said, count)?;
        if !effect.answers {
            return Err(surely(format!("candidate {candidate} cannot have answered")));
        }
        return Ok(if candidate == 0 { Outcome::Answered } else { Outcome::AnsweredByAnother });
    }
    if said.errors.len() != 1 || said.behind_error || said.closed {
        return Err(surely(format!("a broken stream ends with one error and nothing else: {said:?}")));
    }
    if !effect.breaks {
        return Err(perhaps(format!(
            "candidate {candidate} should not have broken off: {}",
            said.errors.concat()
        )));
    }
    Ok(Outcome::BrokeOff)
}

/// A plain answer that was cut by breaking its framing.
fn cut(plan: &Plan, got: &Got, effects: &[Effects]) -> Result<Outcome, Wrong> {
    if plan.stream {
        return Err(surely("a stream was cut without an error event"));
    }
    match reachable(effects).any(|(_, effects)| effects.breaks) {
        true => Ok(Outcome::BrokeOff),
        false => Err(perhaps(format!("an answer was cut behind {} bytes", got.body.len()))),
    }
}

fn may_decide(candidate: usize, effects: &[Effects]) -> Result<Effects, Wrong> {
    let found = reachable(effects).find(|(at, _)| *at == candidate).map(|(_, effects)| *effects);
    // One before it should have answered, and may have been late.
    found.ok_or_else(|| perhaps(format!("candidate {candidate} was asked, although one before it answers")))
}

fn names_provider(plan: &Plan, got: &Got, candidate: usize) -> Result<(), Wrong> {
    let provider = plan.candidates.get(candidate).and_then(|known| PROVIDERS.get(known.provider));
    let named = provider.map(|(id, _)| format!("{id}:m"));
    let header = got.header("x-tollgate-model").map(str::to_owned);
    if header == named {
        Ok(())
    } else {
        Err(surely(format!("x-tollgate-model is {header:?}, not {named:?}")))
    }
}

fn complete(plan: &Plan, said: &Said, count: usize) -> Result<(), Wrong> {
    if count != plan.pieces || !said.finished {
        let all = plan.pieces;
        return Err(surely(format!(
            "an answer that looks complete has {count} of {all} pieces, finished: {}",
            said.finished
        )));
    }
    Ok(())
}

fn refusal(plan: &Plan, got: &Got, clocks: Clocks, effects: &[Effects]) -> Result<Outcome, Wrong> {
    let text = String::from_utf8_lossy(&got.body).into_owned();
    if let Some(sure) = effects.iter().position(|effects| !effects.fails) {
        return Err(perhaps(format!(
            "candidate {sure} should have answered: {} {}",
            got.status,
            short(&text)
        )));
    }
    let Some(code) = got.header("ngrok-error-code") else {
        let planned = effects.iter().any(|effects| effects.status == Some(got.status));
        let sole = effects.len() == 1;
        return match planned && sole {
            true => Ok(Outcome::ProvidersError),
            false => Err(surely(format!("{} without a code: {}", got.status, short(&text)))),
        };
    };
    let slow = effects.iter().filter(|effects| effects.slow).count();
    let slow = u32::try_from(slow).unwrap_or(0);
    if !CODES.contains(&code) || !(400..600).contains(&got.status) {
        return Err(surely(format!("{} with {code}: {}", got.status, short(&text))));
    }
    if code == "ERR_NGROK_3810" && clocks.attempt * slow < clocks.total {
        return Err(perhaps(format!("{slow} late attempts use up no total_timeout: {}", short(&text))));
    }
    let body: Json = serde_json::from_str(&text).map_err(|_| surely(format!("no JSON: {}", short(&text))))?;
    let message = body.pointer("/error/message").and_then(Json::as_str).unwrap_or("");
    let kind = body.pointer("/error/type").and_then(Json::as_str);
    let outer = body.get("type").and_then(Json::as_str);
    let fits = match plan.surface {
        Surface::Messages => outer == Some("error"),
        _ => body.pointer("/error/code").and_then(Json::as_str) == Some(code),
    };
    if !fits || kind.is_none() || !message.contains(code) {
        return Err(surely(format!("an error in another shape than its dialect's: {}", short(&text))));
    }
    Ok(Outcome::RefusedWithCode)
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::super::answers::{good, piece};
    use super::super::expect::{Shape, effects};
    use super::super::plan::{Candidate, Fault};
    use super::*;
    use tollgate_mock::Http1Fault;

    const CLOCKS: Clocks = Clocks { attempt: Duration::from_secs(2), total: Duration::from_secs(5) };

    fn plan(stream: bool, faults: &[Http1Fault]) -> Plan {
        let shape = Shape { stream, long: false, surface: Surface::Chat, translated: false };
        let candidate = |(provider, fault): (usize, &Http1Fault)| {
            let fault = Fault::One(*fault);
            Candidate { provider, fault, dice: 0, effects: effects(fault, shape) }
        };
        let candidates = faults.iter().enumerate().map(candidate).collect();
        Plan {
            number: 5,
            stream,
            pieces: 3,
            piece_length: 8,
            candidates,
            client: Client::Reads,
            ..Plan::of(1, 5)
        }
        .of_chat()
    }

    impl Plan {
        fn of_chat(self) -> Self {
            Self { surface: Surface::Chat, ..self }
        }
    }

    fn got(plan: &Plan, candidate: usize, change: impl Fn(String) -> String) -> Got {
        let texts: Vec<String> = (0..3).map(|at| piece(5, candidate, at, 8)).collect();
        let good = good(Surface::Chat, plan.stream, &texts);
        let body = change(String::from_utf8(good.parts.concat()).unwrap()).into_bytes();
        let provider = PROVIDERS[plan.candidates[candidate].provider].0;
        let headers = [("content-type", good.kind.to_owned()), ("x-tollgate-model", format!("{provider}:m"))];
        let headers = headers.map(|(name, value)| (name.to_owned(), value)).to_vec();
        let raw = body.clone();
        Got { status: 200, headers, body, raw, end: End::Whole, took: Duration::ZERO, before: vec![] }
    }

    fn judged(plan: &Plan, got: &Got) -> Result<Outcome, Wrong> {
        judge(plan, got, CLOCKS, |_| false)
    }

    #[test]
    fn only_whole_answers_of_the_right_candidate_pass() {
        use Http1Fault as F;
        for stream in [false, true] {
            let two = plan(stream, &[F::CloseBeforeHead, F::None]);
            assert_eq!(judged(&two, &got(&two, 1, |b| b)), Ok(Outcome::AnsweredByAnother));
            assert!(judged(&two, &got(&two, 0, |b| b)).is_err(), "it cannot have answered");
            let one = plan(stream, &[F::None, F::None]);
            assert_eq!(judged(&one, &got(&one, 0, |b| b)), Ok(Outcome::Answered));
            assert!(judged(&one, &got(&one, 1, |b| b)).is_err(), "the first was to answer");
            let (last, other) = (piece(5, 0, 2, 8), piece(6, 0, 2, 8));
            let spoilt: [&dyn Fn(String) -> String; 4] = [
                &|body| body.replace(&last, ""),
                &|body| body.replace(&last, &other),
                &|body| body.replace(&last, &last.to_uppercase()),
                &|body| format!("{body} STRAY-BYTES"),
            ];
            for (at, change) in spoilt.iter().enumerate() {
                assert!(
                    matches!(judged(&one, &got(&one, 0, change)), Err(Wrong::Surely(_))),
                    "{stream} {at}"
                );
            }
            for end in [End::Broken, End::Hung, End::Malformed(String::new())] {
                assert!(judged(&one, &Got { end, ..got(&one, 0, |b| b) }).is_err());
            }
            assert!(judged(&one, &Got { took: Duration::from_secs(60), ..got(&one, 0, |b| b) }).is_err());
        }
    }

    #[test]
    fn a_stream_that_breaks_ends_with_one_error() {
        let broken = plan(true, &[Http1Fault::CutMid, Http1Fault::None]);
        let error = "data: {\"error\":{\"message\":\"x\"}}\n\n";
        let upto = |body: &str| body.split("data: ").take(4).collect::<Vec<_>>().join("data: ");
        let judged = |change: &dyn Fn(String) -> String| judged(&broken, &got(&broken, 0, change));
        assert_eq!(judged(&|body| upto(&body) + error), Ok(Outcome::BrokeOff));
        assert!(judged(&|body| upto(&body)).is_err(), "no error");
        assert!(judged(&|body| upto(&body) + error + error).is_err(), "two errors");
        assert!(judged(&|body| upto(&body) + error + "data: [DONE]\n\n").is_err(), "closed all the same");
    }

    #[test]
    fn errors_have_a_code_and_the_shape_of_their_dialect() {
        let failing = plan(false, &[Http1Fault::CloseBeforeHead, Http1Fault::Page]);
        let headers = vec![("ngrok-error-code".to_owned(), "ERR_NGROK_3807".to_owned())];
        let body = r#"{"error":{"message":"ERR_NGROK_3807: no","type":"t","code":"ERR_NGROK_3807"}}"#;
        let refused = Got { status: 503, headers, body: body.into(), ..got(&failing, 0, |b| b) };
        assert_eq!(judged(&failing, &refused), Ok(Outcome::RefusedWithCode));
        assert!(judged(&failing, &Got { headers: vec![], ..refused.clone() }).is_err(), "no code");
        assert!(judged(&failing, &Got { body: b"<html>".to_vec(), ..refused.clone() }).is_err(), "no JSON");
        assert!(
            judged(&plan(false, &[Http1Fault::Page, Http1Fault::None]), &refused).is_err(),
            "one would answer"
        );
    }
}
