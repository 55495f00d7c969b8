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
