//! What is known of every request, and of a model over all of its requests.

use super::answer::{self, Answer};
use serde_json::{Value as Json, json};
use std::time::Duration;
use tollgate_edge::direct::Delivery;
use tollgate_edge::proxy::headers::dollars;

/// An answer that was written in less says nothing about speed: it came at once, from a buffer.
const SHORTEST: Duration = Duration::from_millis(1);

/// One request.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Run {
    /// `provider:model` that answered.
    pub(super) answered_by: Option<String>,
    /// Attempts made.
    pub(super) attempts: u32,
    /// Tokens of the request, as the provider counted them.
    pub(super) input_tokens: Option<u64>,
    /// Tokens of the answer, reasoning included.
    pub(super) output_tokens: Option<u64>,
    /// Millionths of a dollar.
    pub(super) cost_micros: Option<u64>,
    /// When the first content came; streams only.
    pub(super) first: Option<Duration>,
    /// When the answer was complete.
    pub(super) total: Duration,
    /// Output tokens a second, from the first content on.
    pub(super) speed: Option<f64>,
    /// Fields that were not carried over.
    pub(super) dropped: Vec<String>,
    /// Why the answer ended.
    pub(super) finish_reason: Option<String>,
    /// What it says.
    pub(super) answer: String,
    /// What went wrong.
    pub(super) error: Option<String>,
}

/// All requests to a model.
#[derive(Debug)]
pub(super) struct Compared {
    /// The model as it was asked for.
    pub(super) model: String,
    /// Its requests, in order; none when it was not asked at all.
    pub(super) runs: Vec<Run>,
    /// Why it was not asked.
    pub(super) lacking: Option<String>,
}

/// The middle, the best and the worst of a figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) best: f64,
    pub(super) worst: f64,
}

impl Run {
    /// The figures of what was delivered.
    pub(super) fn of(delivery: &Delivery) -> Self {
        let Answer { text, finish_reason, first, thoughts, error } = answer::read(delivery);
        let record = &delivery.record;
        let known = |count: u64| (count > 0).then_some(count);
        let output_tokens = known(record.output_tokens);
        // What was thought before the first content, and not shown, was not written after it.
        let hidden = if thoughts { 0 } else { record.reasoning_tokens };
        let writing = first.map(|first| delivery.took.saturating_sub(first)).filter(|took| *took >= SHORTEST);
        let written = output_tokens.map(|tokens| tokens.saturating_sub(hidden)).filter(|tokens| *tokens > 0);
        let speed = written.zip(writing).map(|(tokens, took)| tokens as f64 / took.as_secs_f64());
        let served = record.provider.as_ref().zip(record.model_served.as_ref());
        Self {
            answered_by: served.map(|(provider, model)| format!("{provider}:{model}")),
            attempts: record.attempts,
            input_tokens: known(record.input_tokens),
            output_tokens,
            cost_micros: record.cost_micros,
            first,
            total: delivery.took,
            speed,
            dropped: record.dropped.clone(),
            finish_reason,
            answer: text,
            error,
        }
    }

    fn json(&self) -> Json {
        json!({
            "answered_by": self.answered_by,
            "answer": self.answer,
            "finish_reason": self.finish_reason,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "cost_usd": self.cost_micros.map(dollars),
            "first_token_ms": self.first.map(millis),
            "total_ms": millis(self.total),
            "tokens_per_second": self.speed.map(tenths),
            "attempts": self.attempts,
            "dropped": self.dropped,
            "error": self.error,
        })
    }
}

impl Compared {
    /// The run whose answer is shown: the first good one, else the first.
    pub(super) fn shown(&self) -> Option<&Run> {
        self.good().next().or(self.runs.first())
    }

    /// What went wrong, if anything did.
    pub(super) fn error(&self) -> Option<String> {
        if let Some(lacking) = &self.lacking {
            return Some(lacking.clone());
        }
        let error = self.runs.iter().find_map(|run| run.error.clone())?;
        let failed = self.runs.iter().filter(|run| run.error.is_some()).count();
        Some(match self.runs.len() {
            1 => error,
            all => format!("{failed} of {all} requests failed: {error}"),
        })
    }

    /// Who answered, each once.
    pub(super) fn answered_by(&self) -> Vec<&str> {
        distinct(self.runs.iter().filter_map(|run| run.answered_by.as_deref()))
    }

    /// Fields that were not carried over, each once.
    pub(super) fn dropped(&self) -> Vec<&str> {
        distinct(self.runs.iter().flat_map(|run| &run.dropped).map(String::as_str))
    }

    pub(super) fn input_tokens(&self) -> Option<u64> {
        self.whole(|run| run.input_tokens)
    }

    pub(super) fn output_tokens(&self) -> Option<u64> {
        self.whole(|run| run.output_tokens)
    }

    pub(super) fn cost_micros(&self) -> Option<u64> {
        self.whole(|run| run.cost_micros)
    }

    /// Attempts, also of requests that failed.
    pub(super) fn attempts(&self) -> Option<u64> {
        let counts: Vec<f64> = self.runs.iter().map(|run| f64::from(run.attempts)).collect();
        median(counts).map(whole)
    }

    /// Milliseconds to the first content.
    pub(super) fn first_ms(&self) -> Option<Spread> {
        spread(self.good().filter_map(|run| run.first.map(millis)), Better::Less)
    }

    /// Milliseconds to the end.
    pub(super) fn total_ms(&self) -> Option<Spread> {
        spread(self.good().map(|run| millis(run.total)), Better::Less)
    }

    /// Output tokens a second.
    pub(super) fn speed(&self) -> Option<Spread> {
        spread(self.good().filter_map(|run| run.speed), Better::More)
    }

    /// The form of `--json`.
    pub(super) fn json(&self) -> Json {
        let shown = self.shown();
        let (first, total, speed) = (self.first_ms(), self.total_ms(), self.speed());
        let cost =
            spread(self.good().filter_map(|run| run.cost_micros).map(|micros| micros as f64), Better::Less);
        let figures = |read: fn(Spread) -> f64| {
            let cost = cost.map(|cost| dollars(whole(read(cost))));
            (cost, [first, total, speed].map(|figure| figure.map(|figure| tenths(read(figure)))))
        };
        let end = |read: fn(Spread) -> f64| {
            let (cost, [first, total, speed]) = figures(read);
            json!({
                "cost_usd": cost,
                "first_token_ms": first,
                "total_ms": total,
                "tokens_per_second": speed,
            })
        };
        let (cost, [first, total, speed]) = figures(|spread| spread.median);
        json!({
            "model": self.model,
            "answered_by": shown.and_then(|run| run.answered_by.as_deref()),
            "runs": self.runs.iter().map(Run::json).collect::<Vec<_>>(),
            "answer": shown.map(|run| run.answer.as_str()),
            "input_tokens": self.input_tokens(),
            "output_tokens": self.output_tokens(),
            "cost_usd": cost,
            "first_token_ms": first,
            "total_ms": total,
            "tokens_per_second": speed,
            "best": end(|spread| spread.best),
            "worst": end(|spread| spread.worst),
            "attempts": self.attempts(),
            "dropped": self.dropped(),
            "error": self.error(),
        })
    }

    fn good(&self) -> impl Iterator<Item = &Run> {
        self.runs.iter().filter(|run| run.error.is_none())
    }

    /// The median of a count.
    fn whole(&self, read: impl Fn(&Run) -> Option<u64>) -> Option<u64> {
        median(self.good().filter_map(read).map(|count| count as f64).collect()).map(whole)
    }
}

/// Which end of a figure is the good one.
#[derive(Clone, Copy)]
enum Better {
    Less,
    More,
}

fn spread(figures: impl Iterator<Item = f64>, better: Better) -> Option<Spread> {
    let figures: Vec<f64> = figures.collect();
    let least = figures.iter().copied().reduce(f64::min)?;
    let most = figures.iter().copied().reduce(f64::max)?;
    let (best, worst) = match better {
        Better::Less => (least, most),
        Better::More => (most, least),
    };
    Some(Spread { median: median(figures)?, best, worst })
}

/// The middle figure, or between the two in the middle.
fn median(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    let upper = figures.get(figures.len() / 2)?;
    let lower = figures.get(figures.len().saturating_sub(1) / 2)?;
    Some(f64::midpoint(*lower, *upper))
}

/// Halves go up.
fn whole(figure: f64) -> u64 {
    figure.round() as u64
}

fn millis(time: Duration) -> f64 {
    tenths(time.as_secs_f64() * 1e3)
}

fn tenths(figure: f64) -> f64 {
    (figure * 10.0).round() / 10.0
}

fn distinct<'t>(texts: impl Iterator<Item = &'t str>) -> Vec<&'t str> {
    let mut seen = Vec::new();
    for text in texts {
        if !seen.contains(&text) {
            seen.push(text);
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(total: u64, speed: f64, cost: u64) -> Run {
        Run {
            total: Duration::from_millis(total),
            first: Some(Duration::from_millis(total / 2)),
            speed: Some(speed),
            cost_micros: Some(cost),
            attempts: 1,
            ..Run::default()
        }
    }

    fn compared(runs: Vec<Run>) -> Compared {
        Compared { model: "m".into(), runs, lacking: None }
    }

    #[test]
    fn medians() {
        for (figures, middle) in [
            (vec![], None),
            (vec![3.0], Some(3.0)),
            (vec![9.0, 1.0], Some(5.0)),
            (vec![9.0, 1.0, 2.0], Some(2.0)),
            (vec![4.0, 1.0, 3.0, 2.0], Some(2.5)),
        ] {
            assert_eq!(median(figures.clone()), middle, "{figures:?}");
        }
    }

    #[test]
    fn best_is_least_time_and_most_speed() {
        let json = compared(vec![run(300, 10.0, 5), run(100, 30.0, 7), run(200, 20.0, 1_000_006)]).json();
        let at =
            |part: &str, name: &str| json.pointer(&format!("{part}/{name}")).cloned().unwrap_or_default();
        for (name, middle, best, worst) in [
            ("total_ms", json!(200.0), json!(100.0), json!(300.0)),
            ("first_token_ms", json!(100.0), json!(50.0), json!(150.0)),
            ("tokens_per_second", json!(20.0), json!(30.0), json!(10.0)),
            ("cost_usd", json!("0.000007"), json!("0.000005"), json!("1.000006")),
        ] {
            assert_eq!(
                (at("", name), at("/best", name), at("/worst", name)),
                (middle, best, worst),
                "{name}"
            );
        }
    }

    #[test]
    fn failed_requests_are_told_and_not_measured() {
        let failed = Run { error: Some("no".into()), answer: "half".into(), ..run(9000, 1.0, 9) };
        let one = compared(vec![failed.clone()]);
        assert_eq!((one.error().as_deref(), one.total_ms(), one.cost_micros()), (Some("no"), None, None));
        assert_eq!(one.shown().map(|run| run.answer.as_str()), Some("half"));
        let good = Run { answer: "whole".into(), ..run(100, 1.0, 1) };
        let two = compared(vec![failed, good]);
        assert_eq!(two.error().as_deref(), Some("1 of 2 requests failed: no"));
        assert_eq!(two.json()["total_ms"], json!(100.0));
        assert_eq!(two.json()["answer"], "whole");
        let never = Compared { lacking: Some("no key".into()), ..compared(Vec::new()) };
        let json = never.json();
        assert_eq!(
            (&json["error"], &json["answer"], &json["attempts"]),
            (&json!("no key"), &Json::Null, &Json::Null)
        );
    }

    #[test]
    fn what_is_not_known_is_null() {
        let json = compared(vec![Run::default()]).json();
        for name in
            ["input_tokens", "output_tokens", "cost_usd", "first_token_ms", "tokens_per_second", "error"]
        {
            assert_eq!(json[name], Json::Null, "{name}");
            assert_eq!(json["runs"][0][name], Json::Null, "{name}");
        }
    }

    #[test]
    fn hidden_thoughts_do_not_count_as_written() {
        let frame = |after, data: &str| tollgate_edge::direct::Part {
            after: Duration::from_millis(after),
            data: format!("data: {data}\n\n").into(),
        };
        let mut delivery = Delivery {
            status: Some(http::StatusCode::OK),
            headers: http::HeaderMap::from_iter([(
                http::header::CONTENT_TYPE,
                http::HeaderValue::from_static("text/event-stream"),
            )]),
            parts: vec![
                frame(1000, r#"{"choices":[{"delta":{"content":"Yes"},"finish_reason":"stop"}]}"#),
                frame(2000, "[DONE]"),
            ],
            cut: false,
            took: Duration::from_millis(2000),
            record: tollgate_edge::exchange::Record {
                output_tokens: 110,
                reasoning_tokens: 100,
                ..Default::default()
            },
        };
        assert_eq!(Run::of(&delivery).speed, Some(10.0));
        delivery.parts.insert(0, frame(1000, r#"{"choices":[{"delta":{"reasoning":"Hm"}}]}"#));
        assert_eq!(Run::of(&delivery).speed, Some(110.0));
        delivery.took = Duration::from_millis(1000);
        assert_eq!(Run::of(&delivery).speed, None, "all at once");
    }
}
