//! What was expected against what came.

use super::file::{AttemptExpect, Expect};
use std::fmt;
use tollgate_edge::dry::{key_fits, sent_key};
use tollgate_edge::explain::Explanation;
use tollgate_edge::upstream::Call;
use tollgate_select::trim_key;

/// The longest part of a body that is shown, in characters.
const SHOWN_BODY: usize = 300;

/// One field that is not as expected.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Difference {
    field: String,
    expected: String,
    came: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "      {}", self.field)?;
        writeln!(f, "        - expected {}", self.expected)?;
        writeln!(f, "        + came     {}", self.came)
    }
}

/// A request that was sent.
#[derive(Debug)]
pub(super) struct Sent {
    provider: String,
    model: String,
    key: Option<String>,
    outcome: String,
}

/// Every field that is not as expected.
pub(super) fn compare(expect: &Expect, came: &Explanation) -> Vec<Difference> {
    let mut differences = Vec::new();
    let mut differs = |field: &str, expected: &str, came: String| {
        if expected != came {
            differences.push(Difference { field: field.to_owned(), expected: expected.to_owned(), came });
        }
    };
    let none = || "none".to_owned();
    if let Some(action) = &expect.action {
        differs("action", action, came.ended.as_ref().map_or_else(none, |ended| ended.action.to_owned()));
    }
    if let Some(status) = &expect.status {
        differs(
            "status",
            &status.to_string(),
            came.status.map_or_else(none, |status| status.as_u16().to_string()),
        );
    }
    if let Some(endpoint) = &expect.forwarded_to {
        differs("forwarded_to", endpoint, came.trace.forwarded_to.clone().unwrap_or_else(none));
    }
    let header = |name: &str| {
        came.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    if let Some(error) = &expect.error {
        differs("error", error, header("ngrok-error-code").unwrap_or_else(none));
    }
    for (name, value) in &expect.headers {
        let absent = || "(absent)".to_owned();
        let expected = value.clone().unwrap_or_else(absent);
        differs(&format!("headers.{name}"), &expected, header(name.as_str()).unwrap_or_else(absent));
    }
    if let Some(expected) = &expect.attempts {
        differences.extend(attempts(expected, &sent(came)));
    }
    let body = String::from_utf8_lossy(&came.body);
    for text in expect.body_contains.iter().filter(|text| !body.contains(text.as_str())) {
        let shown: String =
            body.chars().take(SHOWN_BODY).map(|c| if c.is_control() { ' ' } else { c }).collect();
        let came = if shown.is_empty() { "(an empty body)".to_owned() } else { shown };
        differences.push(Difference { field: "body_contains".into(), expected: text.clone(), came });
    }
    differences
}

/// The attempts, with the keys that were sent: the trace shows them trimmed.
fn sent(came: &Explanation) -> Vec<Sent> {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or("").to_owned();
    let pairs = came.trace.attempts.iter().zip(of_providers(came));
    let sent = pairs.map(|(attempt, call)| Sent {
        provider: text(&attempt["provider"]),
        model: text(&attempt["model"]),
        key: sent_key(call).map(str::to_owned),
        outcome: text(&attempt["outcome"]),
    });
    sent.collect()
}

/// The calls that were attempts; others are those of actions, which have rules for addresses.
fn of_providers(came: &Explanation) -> impl Iterator<Item = &Call> {
    came.calls.iter().filter(|call| call.addresses.is_none())
}

fn attempts(expected: &[AttemptExpect], came: &[Sent]) -> Vec<Difference> {
    if expected.len() != came.len() {
        let lines: Vec<String> = came.iter().map(shown).collect();
        let came = if lines.is_empty() {
            "none".to_owned()
        } else {
            format!("{}: {}", came.len(), lines.join("; "))
        };
        return vec![Difference { field: "attempts".into(), expected: expected.len().to_string(), came }];
    }
    let mut differences = Vec::new();
    for (index, (expected, came)) in expected.iter().zip(came).enumerate() {
        let mut differs =
            |field: &str, expected: &Option<String>, fits: &dyn Fn(&str) -> bool, came: String| {
                if let Some(expected) = expected.as_ref().filter(|expected| !fits(expected)) {
                    differences.push(Difference {
                        field: format!("attempts[{index}].{field}"),
                        expected: expected.clone(),
                        came,
                    });
                }
            };
        let same_id = |text: &str| text.eq_ignore_ascii_case(&came.provider);
        differs("provider", &expected.provider, &same_id, came.provider.clone());
        differs("model", &expected.model, &|text| text == came.model, came.model.clone());
        differs("key", &expected.key, &|pattern| key_fits(pattern, came.key.as_deref()), shown_key(came));
        differs("outcome", &expected.outcome, &|text| text == came.outcome, came.outcome.clone());
    }
    differences
}

fn shown(sent: &Sent) -> String {
    format!("{}:{} ({}) {}", sent.provider, sent.model, shown_key(sent), sent.outcome)
}

fn shown_key(sent: &Sent) -> String {
    sent.key.as_deref().map_or_else(|| "none".to_owned(), trim_key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(key: Option<&str>) -> Sent {
        Sent {
            provider: "openai".into(),
            model: "m".into(),
            key: key.map(str::to_owned),
            outcome: "ok".into(),
        }
    }

    #[test]
    fn only_what_is_written_is_compared() {
        let key = Some("sk-00000000000000000000-aaaa");
        assert_eq!(attempts(&[AttemptExpect::default()], &[sent(key)]), []);
        let expected = AttemptExpect {
            provider: Some("OpenAI".into()),
            key: Some("...aaaa".into()),
            ..AttemptExpect::default()
        };
        assert_eq!(attempts(&[expected], &[sent(key)]), []);
    }

    #[test]
    fn a_difference_names_the_field_and_never_a_whole_key() {
        let expected = AttemptExpect {
            key: Some("...bbbb".into()),
            outcome: Some("503".into()),
            ..AttemptExpect::default()
        };
        let found = attempts(&[expected], &[sent(Some("sk-00000000000000000000-aaaa"))]);
        let fields: Vec<_> = found.iter().map(|d| d.field.as_str()).collect();
        assert_eq!(fields, ["attempts[0].key", "attempts[0].outcome"]);
        assert_eq!(found[0].came, "sk-0000...aaaa");
    }

    #[test]
    fn all_attempts_count() {
        let found = attempts(&[], &[sent(None)]);
        assert_eq!(
            found[0].to_string(),
            "      attempts\n        - expected 0\n        + came     1: openai:m (none) ok\n"
        );
        assert_eq!(attempts(&[AttemptExpect::default()], &[])[0].came, "none");
    }
}
