//! Writing a request for a provider.

use super::super::request::{Json, Output, Request, Role};
use super::super::writer::Writer;
use super::super::{Target, Thinking, Translated, Unsupported};
use super::arrange::{Arranged, arrange};
use super::blocks::write_content;
use super::names::Setting;
use super::schema;
use super::thinking::Plan;
use super::tools::Tools;
use crate::Surface;

/// Of the models that think adaptively, only this generation takes sampling parameters: Claude Opus 4.7 and whatever
/// came later answer 400 (migration guide of Claude Opus 4.7).
const SAMPLED: [&str; 2] = ["4-6", "4.6"];

/// Thinking leaves the model this much freedom at least.
const LEAST_TOP_P: f64 = 0.95;

/// Writes a request as Messages.
pub(in super::super) fn write_request(
    request: &Request<'_>,
    from: Surface,
    target: &Target<'_>,
) -> Result<Translated, Unsupported> {
    if request.candidates.is_some_and(|candidates| candidates > 1) {
        return Err(Unsupported(format!("more than one answer ('{}')", Setting::Candidates.of(from))));
    }
    let mut lost = Vec::new();
    let Arranged { system, messages } = arrange(request, from, target, &mut lost)?;
    let tools = Tools::plan(request, from, &messages, &mut lost)?;
    let thinking = Plan::of(request, from, target, &messages, tools.forced(), &mut lost);
    let sampling = if from != Surface::Messages && fixed_sampling(target) {
        Sampling::fixed(request, from, &mut lost)
    } else {
        Sampling::of(request, from, thinking.thinks(), &mut lost)
    };
    leave(request, from, &mut lost);
    let mut w = Writer::with_capacity(capacity(request));
    w.object(|w| {
        w.member("model", target.model);
        w.member("max_tokens", &thinking.limit);
        if !system.is_empty() {
            w.key("system");
            write_content(w, &system);
        }
        w.member_array("messages", |w| {
            for message in &messages {
                w.object(|w| {
                    w.member("role", role(message.role));
                    w.key("content");
                    write_content(w, &message.blocks);
                });
            }
        });
        tools.write(w);
        thinking.write(w);
        write_output(w, request, from, thinking.effort);
        sampling.write(w);
        write_stop(w, request, from, &mut lost);
        if let Some(user) = &request.user {
            w.member_object("metadata", |w| w.member("user_id", user));
        }
        if request.stream {
            w.member("stream", &true);
        }
        write_aside(w, request, from, target, &mut lost);
    });
    Ok(Translated { body: w.finish(), lost })
}

fn role(role: Role) -> &'static str {
    match role {
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::System => "system",
    }
}

/// Room for the texts, which are most of a body.
fn capacity(request: &Request<'_>) -> usize {
    512 + request.turns.len() * 256 + request.tools.len() * 512
}

/// Settings this API does not have.
fn leave(request: &Request<'_>, from: Surface, lost: &mut Vec<String>) {
    let output = match &request.output {
        Output::Json => Some(Setting::Output),
        Output::Schema { description: Some(_), .. } => Some(Setting::OutputDescription),
        _ => None,
    };
    let left = [
        request.frequency_penalty.filter(|penalty| *penalty != 0.0).map(|_| Setting::FrequencyPenalty),
        request.presence_penalty.filter(|penalty| *penalty != 0.0).map(|_| Setting::PresencePenalty),
        request.seed.map(|_| Setting::Seed),
        request.verbosity.as_ref().map(|_| Setting::Verbosity),
        output,
    ];
    lost.extend(left.into_iter().flatten().map(|setting| setting.of(from).to_owned()));
    if let Output::Schema { schema, .. } = &request.output
        && from != Surface::Messages
        && schema::is_open(schema)
    {
        lost.push(format!("{}.additionalProperties", Setting::Output.of(from)));
    }
}

/// Whether a model takes no sampling parameters.
fn fixed_sampling(target: &Target<'_>) -> bool {
    target.thinking == Thinking::Adaptive && !SAMPLED.iter().any(|name| target.model.contains(name))
}

/// How the next token is chosen.
#[derive(Debug)]
struct Sampling {
    temperature: Option<f64>,
    top_p: Option<f64>,
    top_k: Option<u64>,
}

impl Sampling {
    /// Nothing is said; 1 is what temperature and `top_p` are then.
    fn fixed(request: &Request<'_>, from: Surface, lost: &mut Vec<String>) -> Self {
        let differs = |value: Option<f64>| value.is_some_and(|value| (value - 1.0).abs() > f64::EPSILON);
        let left = [
            differs(request.temperature).then_some(Setting::Temperature),
            differs(request.top_p).then_some(Setting::TopP),
            request.top_k.map(|_| Setting::TopK),
        ];
        lost.extend(left.into_iter().flatten().map(|setting| setting.of(from).to_owned()));
        Self { temperature: None, top_p: None, top_k: None }
    }

    /// Temperatures end at 1 here. A model that thinks takes only the usual one, no `top_k`, and hardly any `top_p`;
    /// newer models do not take temperature and `top_p` at once. 1 is what both are when they are not said.
    fn of(request: &Request<'_>, from: Surface, thinks: bool, lost: &mut Vec<String>) -> Self {
        let Request { mut temperature, mut top_p, mut top_k, .. } = *request;
        let mut left = |setting: Setting| lost.push(setting.of(from).to_owned());
        if temperature.is_some_and(|temperature| temperature > 1.0) {
            temperature = Some(1.0);
            left(Setting::Temperature);
        }
        if thinks {
            if temperature.take().is_some_and(|temperature| temperature < 1.0) {
                left(Setting::Temperature);
            }
            if top_p.take_if(|top_p| *top_p < LEAST_TOP_P).is_some() {
                left(Setting::TopP);
            }
            if top_k.take().is_some() {
                left(Setting::TopK);
            }
        }
        let both = from != Surface::Messages && temperature.is_some() && top_p.is_some();
        let one_is_usual = |top_p: &mut Option<f64>, temperature: &mut Option<f64>| {
            top_p.take_if(|top_p| *top_p >= 1.0).or_else(|| temperature.take_if(|it| *it >= 1.0)).is_some()
        };
        if both && !one_is_usual(&mut top_p, &mut temperature) {
            top_p = None;
            left(Setting::TopP);
        }
        Self { temperature, top_p, top_k }
    }

    fn write(&self, w: &mut Writer) {
        w.optional("temperature", self.temperature);
        w.optional("top_p", self.top_p);
        w.optional("top_k", self.top_k);
    }
}

fn write_output(w: &mut Writer, request: &Request<'_>, from: Surface, effort: Option<&str>) {
    let schema = match &request.output {
        Output::Schema { schema, .. } => Some(schema),
        _ => None,
    };
    if schema.is_none() && effort.is_none() {
        return;
    }
    w.member_object("output_config", |w| {
        w.optional("effort", effort);
        if let Some(schema) = schema {
            w.member_object("format", |w| {
                w.member("type", "json_schema");
                match from {
                    Surface::Messages => w.member("schema", schema),
                    _ => schema::write(w.key("schema"), schema),
                }
            });
        }
    });
}

/// "each stop sequence must contain non-whitespace"
fn write_stop(w: &mut Writer, request: &Request<'_>, from: Surface, lost: &mut Vec<String>) {
    let blank = |text: &str| text.trim().is_empty();
    for (at, _) in request.stop.iter().enumerate().filter(|(_, text)| blank(text)) {
        lost.push(format!("{}[{at}]", Setting::Stop.of(from)));
    }
    if request.stop.iter().any(|text| !blank(text)) {
        w.member_array("stop_sequences", |w| {
            request.stop.iter().filter(|text| !blank(text)).for_each(|text| w.text(text));
        });
    }
}

/// The side-car: all of it in its own dialect, elsewhere what means the same here.
fn write_aside(
    w: &mut Writer,
    request: &Request<'_>,
    from: Surface,
    target: &Target<'_>,
    lost: &mut Vec<String>,
) {
    for (name, value) in &request.aside {
        let own = from == Surface::Messages || same_meaning(name, value);
        if own || target.extensions.iter().any(|extension| extension == name) {
            w.member(name, value);
        } else {
            lost.push(name.clone().into_owned());
        }
    }
}

/// `cache_control` at the top is Anthropic's, also in OpenRouter's chat; of the service tiers only `auto` is one that
/// both OpenAI and Anthropic know.
fn same_meaning(name: &str, value: &Json<'_>) -> bool {
    match name {
        "cache_control" => matches!(value, Json::Object(_)),
        "service_tier" => value.as_str() == Some("auto"),
        _ => false,
    }
}
