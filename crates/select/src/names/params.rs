//! Parameters behind a name: `openrouter:openai/gpt-4o?temperature=0.7&top_p=0.9`.

use serde_json::{Map, Value, json};
use tollgate_expr::nearest;

/// Every parameter.
const NAMES: [&str; 7] =
    ["temperature", "top_p", "top_k", "reasoning_effort", "verbosity", "max_tokens", "seed"];
/// Whole numbers beyond this are not exact in JSON (RFC 8259, section 6).
const MAX_WHOLE: f64 = 9_007_199_254_740_991.0;
/// Characters of a name or value that a reason repeats.
const SHOWN: usize = 40;

/// The parameters behind a name. They win over those in a request's body.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UriParams {
    /// From 0 to 2.
    pub temperature: Option<f64>,
    /// From 0 to 1.
    pub top_p: Option<f64>,
    /// At least 1.
    pub top_k: Option<u64>,
    /// How much a model thinks.
    pub reasoning_effort: Option<Effort>,
    /// How much it says.
    pub verbosity: Option<Verbosity>,
    /// Tokens of the answer, at least 1.
    pub max_tokens: Option<u64>,
    /// For answers that can be had again.
    pub seed: Option<i64>,
}

/// `reasoning_effort`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Not at all.
    None,
    /// `minimal`
    Minimal,
    /// `low`
    Low,
    /// `medium`
    Medium,
    /// `high`
    High,
    /// `xhigh`
    XHigh,
    /// `max`
    Max,
}

/// `verbosity`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verbosity {
    /// `low`
    Low,
    /// `medium`
    Medium,
    /// `high`
    High,
}

/// A parameter that is not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadParam {
    /// Its name, cut where it is very long.
    pub name: String,
    /// Why, to be read after the name: `must be ...`, `is not ...`.
    pub reason: String,
}

impl Effort {
    /// Every effort, from the least.
    pub const ALL: [Self; 7] =
        [Self::None, Self::Minimal, Self::Low, Self::Medium, Self::High, Self::XHigh, Self::Max];

    /// The word in names and bodies.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::XHigh => "xhigh",
            Self::Max => "max",
        }
    }
}

impl Verbosity {
    /// Every verbosity, from the least.
    pub const ALL: [Self; 3] = [Self::Low, Self::Medium, Self::High];

    /// The word in names and bodies.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

impl UriParams {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// These, and those of `other` that are not among them.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        Self {
            temperature: self.temperature.or(other.temperature),
            top_p: self.top_p.or(other.top_p),
            top_k: self.top_k.or(other.top_k),
            reasoning_effort: self.reasoning_effort.or(other.reasoning_effort),
            verbosity: self.verbosity.or(other.verbosity),
            max_tokens: self.max_tokens.or(other.max_tokens),
            seed: self.seed.or(other.seed),
        }
    }

    /// As JSON, by the names they have in a URI.
    #[must_use]
    pub fn to_json(&self) -> Map<String, Value> {
        let values = [
            self.temperature.map(number),
            self.top_p.map(number),
            self.top_k.map(Value::from),
            self.reasoning_effort.map(|effort| effort.name().into()),
            self.verbosity.map(|verbosity| verbosity.name().into()),
            self.max_tokens.map(Value::from),
            self.seed.map(Value::from),
        ];
        let named = NAMES.into_iter().zip(values);
        named.filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}

/// A number as people write it: `1`, not `1.0`.
fn number(value: f64) -> Value {
    match whole(value) {
        Some(whole) => whole.into(),
        None => json!(value),
    }
}

/// Reads what stands behind the `?`: what is good, and what is not. Of duplicates the last counts; blank values count
/// as not there.
pub(super) fn parse(query: &str) -> (UriParams, Vec<BadParam>) {
    let mut pairs: Vec<(String, String)> = Vec::new();
    let mut bad = Vec::new();
    if query.is_empty() {
        bad.push(BadParam { name: "?".to_owned(), reason: "is followed by no name=value".to_owned() });
    }
    for piece in query.split('&').filter(|piece| !piece.is_empty()) {
        let Some((name, value)) = piece.split_once('=') else {
            bad.push(BadParam { name: shown(&decode(piece)), reason: "is not name=value".to_owned() });
            continue;
        };
        let (name, value) = (decode(name).trim().to_owned(), decode(value).trim().to_owned());
        if value.is_empty() {
            continue;
        }
        match pairs.iter_mut().find(|(other, _)| *other == name) {
            Some((_, earlier)) => *earlier = value,
            None => pairs.push((name, value)),
        }
    }
    let mut params = UriParams::default();
    for (name, value) in pairs {
        if let Err(reason) = set(&mut params, &name, &value) {
            bad.push(BadParam { name: shown(&name), reason });
        }
    }
    (params, bad)
}

fn set(params: &mut UriParams, name: &str, value: &str) -> Result<(), String> {
    let wrong = |what: &str| format!("must be {what}, not `{}`", shown(value));
    let ranged = |max: f64| {
        let number = value.parse::<f64>().ok().filter(|number| (0.0..=max).contains(number));
        number.ok_or_else(|| wrong(&format!("a number from 0 to {max}")))
    };
    let count = || {
        let number = value.parse::<f64>().ok().and_then(whole).and_then(|whole| u64::try_from(whole).ok());
        number.filter(|number| *number >= 1).ok_or_else(|| wrong("a whole number of at least 1"))
    };
    let word = |words: &[&'static str]| {
        let found = words.iter().position(|word| word.eq_ignore_ascii_case(value));
        found.ok_or_else(|| wrong(&format!("one of {}", words.join(", "))))
    };
    match name {
        "temperature" => params.temperature = Some(ranged(2.0)?),
        "top_p" => params.top_p = Some(ranged(1.0)?),
        "top_k" => params.top_k = Some(count()?),
        "max_tokens" => params.max_tokens = Some(count()?),
        "reasoning_effort" => {
            params.reasoning_effort = Effort::ALL.get(word(&Effort::ALL.map(Effort::name))?).copied();
        }
        "verbosity" => {
            params.verbosity = Verbosity::ALL.get(word(&Verbosity::ALL.map(Verbosity::name))?).copied()
        }
        "seed" => {
            let seed = value.parse::<i64>().ok().or_else(|| value.parse::<f64>().ok().and_then(whole));
            params.seed = Some(seed.ok_or_else(|| wrong("a whole number"))?);
        }
        _ => {
            return Err(match nearest(name, NAMES) {
                Some(near) => format!("is not known; did you mean `{near}`?"),
                None => format!("is not known; the parameters are {}", NAMES.join(", ")),
            });
        }
    }
    Ok(())
}

/// A number without a fraction that JSON holds exactly.
fn whole(number: f64) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "whole, and within what a double holds exactly")]
    (number.fract() == 0.0 && number.abs() <= MAX_WHOLE).then_some(number as i64)
}

/// Decodes `%xx` and `+`. A broken escape stays as it is; bytes that are no UTF-8 become U+FFFD.
fn decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after) {
            (b'%', [high, low, tail @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    out.push(high * 16 + low);
                    rest = tail;
                }
                _ => out.push(b'%'),
            },
            (b'+', _) => out.push(b' '),
            _ => out.push(byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(SHOWN).collect()
}
