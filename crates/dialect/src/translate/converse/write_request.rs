//! A request for Bedrock.

use super::blocks::json_text;
use super::family::Family;
use super::names::{Field, Notes, name};
use super::plan::{Plan, plan};
use super::thinking::{Decision, decide};
use super::tools::Tools;
use super::write_blocks;
use crate::Surface;
use crate::translate::messages::schema;
use crate::translate::request::{Json, Output, Request};
use crate::translate::writer::Writer;
use crate::translate::{Target, Translated, Unsupported};
use std::borrow::Cow;

/// Fields at the top of Converse's body that have no place in a request of no dialect.
const OWN: [&str; 5] =
    ["guardrailConfig", "performanceConfig", "promptVariables", "requestMetadata", "serviceTier"];
/// The member for what goes beyond Converse.
const EXTRA: &str = "additionalModelRequestFields";
/// The member that names what is wanted of the model's own answer.
const EXTRA_PATHS: &str = "additionalModelResponseFieldPaths";

pub(in crate::translate) fn write_request(
    request: &Request<'_>,
    from: Surface,
    target: &Target<'_>,
) -> Result<Translated, Unsupported> {
    if request.candidates.is_some_and(|count| count > 1) {
        return Err(Unsupported("several answers to one request".into()));
    }
    let mut notes = Notes::new(request, from);
    let family = Family::of(target.model);
    let plan = plan(request, target, &mut notes)?;
    let tools = Tools::of(request, &plan, family, &mut notes);
    let bare_loop = plan.tool_loop_without_thought();
    let decision = decide(request, target, (tools.forced(), bare_loop), &mut notes);
    let extra = Extra::of(request, family, &decision, &mut notes);
    lose(request, &mut notes);

    let mut w = Writer::with_capacity(1024);
    w.object(|w| {
        write_conversation(&plan, w);
        write_inference(request, &decision, w);
        tools.write(w);
        write_output(request, family, &decision, &mut notes, w);
        extra.write(w);
        write_aside(request, family, target, &mut notes, w);
    });
    Ok(Translated { body: w.finish(), lost: notes.lost })
}

fn write_conversation(plan: &Plan<'_>, w: &mut Writer) {
    w.member_array("messages", |w| {
        for message in &plan.messages {
            w.object(|w| {
                w.member("role", if message.assistant { "assistant" } else { "user" });
                w.member_array("content", |w| write_blocks::write(&message.blocks, w));
            });
        }
    });
    if !plan.system.is_empty() {
        w.member_array("system", |w| write_blocks::write(&plan.system, w));
    }
}

fn write_inference(request: &Request<'_>, decision: &Decision, w: &mut Writer) {
    let any = decision.max_tokens.is_some()
        || decision.temperature.is_some()
        || decision.top_p.is_some()
        || !request.stop.is_empty();
    if !any {
        return;
    }
    w.member_object("inferenceConfig", |w| {
        w.optional("maxTokens", decision.max_tokens);
        w.optional("temperature", decision.temperature);
        w.optional("topP", decision.top_p);
        if !request.stop.is_empty() {
            w.member("stopSequences", &request.stop);
        }
    });
}

fn write_output(
    request: &Request<'_>,
    family: Family,
    decision: &Decision,
    notes: &mut Notes,
    w: &mut Writer,
) {
    let schema = match &request.output {
        Output::Text => None,
        Output::Json => {
            notes.field(Field::Output);
            None
        }
        Output::Schema { name, description, schema, strict: _ } => Some((name, description, schema)),
    };
    if schema.is_none() && decision.effort.is_none() {
        return;
    }
    let fits = family.wants_closed_schemas(notes.from());
    if let Some((.., schema)) = schema
        && fits
        && schema::is_open(schema)
    {
        notes.path(format!("{}.additionalProperties", name(notes.from(), Field::Output)));
    }
    w.member_object("outputConfig", |w| {
        if let Some((title, description, schema)) = schema {
            w.member_object("textFormat", |w| {
                w.member("type", "json_schema");
                w.member_object("structure", |w| {
                    w.member_object("jsonSchema", |w| {
                        // The schema is a text here.
                        w.member("schema", &if fits { closed(schema) } else { json_text(schema) });
                        w.optional("name", title.as_ref());
                        w.optional("description", description.as_ref());
                    });
                });
            });
        }
        w.optional("effort", decision.effort);
    });
}

/// A schema as Claude's grammar takes it.
fn closed(schema: &Json<'_>) -> String {
    let mut w = Writer::default();
    schema::write(&mut w, schema);
    String::from_utf8_lossy(&w.finish()).into_owned()
}

/// What goes beyond Converse.
struct Extra<'r> {
    own: Vec<(Cow<'r, str>, Cow<'r, str>)>,
    paths: Option<String>,
}

impl<'r> Extra<'r> {
    fn of(request: &'r Request<'_>, family: Family, decision: &Decision, notes: &mut Notes) -> Self {
        let mut own: Vec<(Cow<'r, str>, Cow<'r, str>)> = Vec::new();
        // What the client says in Bedrock's own words counts more than what is made of its dialect's.
        if let Some(Json::Object(members)) = aside(request, EXTRA) {
            for (name, value) in members.iter() {
                own.push((Cow::Owned(name.to_owned()), Cow::Owned(json_text(value))));
            }
        }
        if let Some((name, value)) = &decision.field {
            add(&mut own, name, value.clone());
        }
        match (decision.top_k, family) {
            (None, _) => {}
            (Some(top_k), Family::Claude) => add(&mut own, "top_k", top_k.to_string()),
            (Some(top_k), Family::Nova) => {
                add(&mut own, "inferenceConfig", format!(r#"{{"topK":{top_k}}}"#));
            }
            (Some(_), _) => notes.field(Field::TopK),
        }
        if let Some(beta) = aside(request, "anthropic_beta").filter(|_| family == Family::Claude) {
            add(&mut own, "anthropic_beta", json_text(beta));
        }
        let paths = match aside(request, EXTRA_PATHS) {
            Some(paths) => Some(json_text(paths)),
            // Which text ended the answer is told on request only.
            None if family == Family::Claude && !request.stop.is_empty() => {
                Some(r#"["/stop_sequence"]"#.to_owned())
            }
            None => None,
        };
        Self { own, paths }
    }

    fn write(&self, w: &mut Writer) {
        if !self.own.is_empty() {
            w.member_object(EXTRA, |w| {
                for (name, value) in &self.own {
                    w.key(name).raw(value);
                }
            });
        }
        if let Some(paths) = &self.paths {
            w.key(EXTRA_PATHS).raw(paths);
        }
    }
}

fn add<'r>(own: &mut Vec<(Cow<'r, str>, Cow<'r, str>)>, name: &'static str, value: String) {
    if own.iter().all(|(known, _)| known != name) {
        own.push((Cow::Borrowed(name), Cow::Owned(value)));
    }
}

fn aside<'r, 'a>(request: &'r Request<'a>, name: &str) -> Option<&'r Json<'a>> {
    request.aside.iter().find(|(known, _)| known == name).map(|(_, value)| value)
}

fn write_aside(
    request: &Request<'_>,
    family: Family,
    target: &Target<'_>,
    notes: &mut Notes,
    w: &mut Writer,
) {
    for (name, value) in &request.aside {
        let done = match &**name {
            EXTRA => value.is_object(),
            EXTRA_PATHS => true,
            "anthropic_beta" => family == Family::Claude,
            "service_tier" => write_tier(request, value, notes, w),
            _ => false,
        };
        if done {
            continue;
        }
        if OWN.contains(&&**name) || target.extensions.iter().any(|known| known == name) {
            w.member(name, value);
        } else {
            notes.path(name.clone().into_owned());
        }
    }
}

/// OpenAI's tiers have Bedrock's names. Anthropic's words mean something else.
fn write_tier(request: &Request<'_>, value: &Json<'_>, notes: &Notes, w: &mut Writer) -> bool {
    if !matches!(notes.from(), Surface::ChatCompletions | Surface::Responses)
        || aside(request, "serviceTier").is_some()
    {
        return false;
    }
    match value.as_str() {
        // As the account has it: what Bedrock does without a word.
        Some("auto") => true,
        Some(tier @ ("default" | "flex" | "priority")) => {
            w.member_object("serviceTier", |w| w.member("type", tier));
            true
        }
        _ => false,
    }
}

/// Names what Converse has no field for.
fn lose(request: &Request<'_>, notes: &mut Notes) {
    for (there, field) in [
        (request.frequency_penalty.is_some(), Field::FrequencyPenalty),
        (request.presence_penalty.is_some(), Field::PresencePenalty),
        (request.seed.is_some(), Field::Seed),
        (request.user.is_some(), Field::User),
        (request.verbosity.is_some(), Field::Verbosity),
    ] {
        if there {
            notes.field(field);
        }
    }
}
