//! What the client is told when nothing worked.

use super::{End, Failure, Walk};
use crate::error::{kind_of_status, status_of_code};
use crate::fault::Fault;
use crate::plan::Plan;
use std::fmt::Write as _;
use std::time::Duration;

/// What the client sees when every attempt failed (`error_passthrough`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Passthrough {
    /// The provider's answer when there was exactly one attempt, else the gateway's summary.
    #[default]
    Auto,
    /// The provider's last answer.
    Last,
    /// Always the gateway's summary.
    Aggregate,
}

/// The answer to a request that nobody served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The number of `ERR_NGROK_nnnn`.
    pub code: u16,
    /// HTTP status.
    pub status: u16,
    /// `error.type` of an OpenAI-style body.
    pub kind: &'static str,
    /// The message, without its code.
    pub message: String,
    /// The field of the request to blame.
    pub param: Option<String>,
    /// The failure (index into [`Walk::failures`]) whose HTTP answer goes to the client as it is. The other fields
    /// then serve logs and results only.
    pub pass_through: Option<usize>,
    /// The smallest `retry-after` seen, in seconds.
    pub retry_after_s: Option<u64>,
    /// Whether the client's own retry is worth its while; `false` becomes `x-should-retry: false`.
    pub should_retry: Option<bool>,
}

/// One line for each failure: `[429] openai/gpt-4o: 429 Too Many Requests`; without a status `[0]`. The same as
/// the lines of an error body, which are added where a message lacks them.
#[must_use]
pub fn errlist(plan: &Plan, failures: &[Failure]) -> String {
    let mut text = String::new();
    for failure in failures {
        let Some(candidate) = plan.candidates.get(failure.candidate) else { continue };
        if !text.is_empty() {
            text.push('\n');
        }
        let (label, why) = (failure.fault.status().unwrap_or(0), failure.fault.describe());
        let (provider, model) = (&candidate.provider.id, &candidate.upstream_model);
        // Writing to a string cannot fail.
        let _ = write!(text, "[{label}] {provider}/{model}: {why}");
    }
    text
}

pub(super) fn verdict(walk: &Walk<'_>) -> Verdict {
    match walk.end {
        Some(End::TimedOut(total)) => Verdict::new(
            3810,
            format!(
                "Request timed out after {}. Try a shorter prompt or increase your timeout.",
                duration_text(total)
            ),
        ),
        Some(End::Capped) => Verdict::new(
            3812,
            format!("Too many failed attempts to upstream providers. Errors:\n{}", walk.errlist()),
        )
        .retry_after(walk.failures()),
        end => failed(walk, end),
    }
}

/// The rules for a walk that ended by itself, or was stopped by a status.
fn failed(walk: &Walk<'_>, end: Option<End>) -> Verdict {
    let failures = walk.failures();
    let mut sent = failures.iter().enumerate().filter(|(_, failure)| failure.sent);
    let Some((first, sole)) = sent.next() else { return nothing_sent(walk) };
    let (last, last_failure) = sent.next_back().unwrap_or((first, sole));
    let alone = first == last;
    let status = common_status(failures).unwrap_or(503);
    let mut verdict = if alone && sole.fault.status().is_none() && is_network(&sole.fault) {
        let why = sole.fault.describe();
        Verdict::new(3800, format!("Could not reach the AI provider. The upstream request failed: {why}."))
    } else {
        let mut verdict = Verdict::new(3807, format!("All providers failed:\n{}", walk.errlist()));
        verdict.status = status;
        verdict.kind = kind_of_status(status);
        verdict
    };
    let passes = match walk.knobs.passthrough {
        _ if end == Some(End::Stopped) => true,
        Passthrough::Auto => alone,
        Passthrough::Last => true,
        Passthrough::Aggregate => false,
    };
    // Only an HTTP error has a body to pass; an error inside a 200 has not.
    if passes && let Fault::Status(status) = last_failure.fault {
        verdict.pass_through = Some(last);
        verdict.status = status;
        verdict.kind = kind_of_status(status);
        verdict.should_retry = None;
    }
    verdict.retry_after(failures)
}

/// No request was sent: the candidates failed for want of a key, or for the size of the prompt.
fn nothing_sent(walk: &Walk<'_>) -> Verdict {
    let faults = || walk.failures().iter().map(|failure| &failure.fault);
    let all = |test: fn(&Fault) -> bool| faults().all(test);
    let first = walk.failures().first();
    let provider = first
        .and_then(|failure| walk.plan.candidates.get(failure.candidate))
        .map_or("", |candidate| candidate.provider.id.as_str());
    match first.map(|failure| &failure.fault) {
        Some(Fault::InputTooLarge { tokens, max }) if all(|f| matches!(f, Fault::InputTooLarge { .. })) => {
            Verdict::new(
                3811,
                format!("Input too large: {tokens} tokens (max {max}). Shorten your prompt."),
            )
        }
        Some(Fault::KeySelection(why)) if all(|f| matches!(f, Fault::KeySelection(_))) => {
            Verdict::new(3808, format!("API key selection strategy failed: {why}"))
        }
        Some(Fault::UnusableKey { why, configured }) if all(is_unusable) => Verdict::new(
            3817,
            match configured {
                true => format!(
                    "API key required for provider {provider}. The key that the gateway has for it cannot be used; the gateway's log says why."
                ),
                false => format!(
                    "API key required for provider {provider}. The key you sent cannot be used: {why}."
                ),
            },
        ),
        Some(Fault::ForeignKey) if all(|f| matches!(f, Fault::ForeignKey)) => Verdict::new(
            3817,
            format!(
                "API key required for provider {provider}. The key you sent belongs to another provider and was not forwarded."
            ),
        ),
        Some(Fault::GatewayKey) if all(|f| matches!(f, Fault::GatewayKey)) => Verdict::new(
            27007,
            "The API key you sent is not valid. This gateway issues no keys of its own: send a provider's key."
                .to_owned(),
        ),
        Some(Fault::Unreadable { why, field }) if all(|f| matches!(f, Fault::Unreadable { .. })) => {
            let mut verdict = Verdict::new(3801, format!("Invalid request body: {why}"));
            verdict.param = field.as_deref().map(str::to_owned);
            verdict
        }
        Some(_) if all(is_untranslatable) => Verdict::new(
            3813,
            format!("No model can take this request as it is:\n{}", walk.errlist()),
        ),
        Some(_) if all(|f| is_unusable(f) || matches!(f, Fault::NoKey | Fault::ForeignKey | Fault::GatewayKey)) => Verdict::new(
            3802,
            "No API key found. Check your SDK / AI Gateway configuration, or add API keys to your AI Gateway."
                .to_owned(),
        ),
        _ => Verdict::new(3807, format!("All providers failed:\n{}", walk.errlist())),
    }
}

/// There is a key, but none that can be used; noted again for further models of the same provider.
fn is_unusable(fault: &Fault) -> bool {
    matches!(fault, Fault::UnusableKey { .. } | Fault::KeyRefusedBefore)
}

/// What the request says is the reason, not the provider.
fn is_untranslatable(fault: &Fault) -> bool {
    matches!(fault, Fault::Unreadable { .. } | Fault::Untranslatable(_) | Fault::BoundState(_))
}

impl Verdict {
    fn new(code: u16, message: String) -> Self {
        let status = status_of_code(code);
        let should_retry = matches!(code, 3807 | 3810 | 3812).then_some(false);
        let kind = kind_of_status(status);
        Self {
            code,
            status,
            kind,
            message,
            param: None,
            pass_through: None,
            retry_after_s: None,
            should_retry,
        }
    }

    fn retry_after(mut self, failures: &[Failure]) -> Self {
        self.retry_after_s = failures.iter().filter_map(|failure| failure.retry_after_s).min();
        self
    }
}

/// The status all requests that were sent ended with, when it is one and the same.
fn common_status(failures: &[Failure]) -> Option<u16> {
    let mut statuses = failures.iter().filter(|failure| failure.sent).map(|failure| failure.fault.status());
    let first = statuses.next()??;
    // A status below 400 inside an error object is no status of a failed answer.
    (first >= 400 && statuses.all(|status| status == Some(first))).then_some(first)
}

fn is_network(fault: &Fault) -> bool {
    matches!(fault, Fault::Dns | Fault::Connect | Fault::Tls | Fault::Closed)
}

/// `6m`, `1m30s`, `500ms`
fn duration_text(duration: Duration) -> String {
    let ms = duration.as_millis();
    let (minutes, seconds, rest) = (ms / 60_000, ms / 1000 % 60, ms % 1000);
    match (minutes, seconds, rest) {
        (0, 0, rest) => format!("{rest}ms"),
        (0, seconds, 0) => format!("{seconds}s"),
        (0, _, _) => format!("{ms}ms"),
        (minutes, 0, 0) => format!("{minutes}m"),
        (minutes, seconds, _) => format!("{minutes}m{seconds}s"),
    }
}
