//! Writing a request for Google.

use super::super::request::{Function, Json, Output, Request, Tool, ToolChoice};
use super::super::writer::Writer;
use super::super::{Target, Translated, Unsupported};
use super::turns::{Arranger, Content, Piece, system};
use super::vocabulary::Lost;
use super::{thinking, write_parts};
use crate::Surface;
use crate::json;
use std::borrow::Cow;

/// Most `stopSequences` (ai.google.dev/api/generate-content#GenerationConfig).
const STOPS: usize = 5;

/// Top-level fields of Google's own, in both spellings, that a client of another dialect may send.
const OWN: [(&str, &str); 4] = [
    ("safetySettings", "safety_settings"),
    ("cachedContent", "cached_content"),
    ("labels", "labels"),
    ("serviceTier", "service_tier"),
];

pub(in super::super) fn write_request(
    request: &Request<'_>,
    from: Surface,
    target: &Target<'_>,
) -> Result<Translated, Unsupported> {
    let mut lost = Lost::new(from);
    let system = system(request, &mut lost)?;
    let contents = Arranger::new(request, target).contents(&mut lost)?;
    let mut w = Writer::with_capacity(1024);
    w.object(|w| {
        w.member_array("contents", |w| contents.iter().for_each(|content| write_content(w, content)));
        if !system.is_empty() {
            w.member_object("systemInstruction", |w| {
                w.member_array("parts", |w| system.iter().for_each(|text| write_parts::text(w, text, None)));
            });
        }
        write_tools(w, request, from, &mut lost);
        write_tool_config(w, request, from, &mut lost);
        let config = generation_config(request, from, target, &mut lost);
        if config != "{}" {
            w.key("generationConfig").raw(&config);
        }
        write_aside(w, request, from, target, &mut lost);
    });
    lost.when(request.user.is_some(), lost.words.user);
    lost.when(request.verbosity.is_some(), lost.words.verbosity);
    lost.when(request.parallel_tool_calls == Some(false), lost.words.parallel);
    Ok(Translated { body: w.finish(), lost: lost.names })
}

fn write_content(w: &mut Writer, content: &Content<'_>) {
    w.object(|w| {
        w.member("role", if content.model { "model" } else { "user" });
        w.member_array("parts", |w| content.pieces.iter().for_each(|piece| write_piece(w, piece)));
    });
}

fn write_piece(w: &mut Writer, piece: &Piece<'_>) {
    match piece {
        Piece::Text(text, signature) => write_parts::text(w, text, *signature),
        Piece::Thought(text, signature) => write_parts::thought(w, text, *signature),
        Piece::Call { id, name, arguments, signature } => {
            write_parts::call(w, id, name, arguments, *signature)
        }
        Piece::Media(medium) => write_parts::medium(w, medium),
        Piece::Result { id, name, text, is_error, media } => w.object(|w| {
            w.member_object("functionResponse", |w| {
                w.optional("id", Some(id).filter(|id| !id.is_empty()));
                w.member("name", name);
                w.key("response");
                write_response(w, text, *is_error);
                if !media.is_empty() {
                    w.member_array("parts", |w| {
                        media.iter().for_each(|medium| write_parts::medium(w, medium))
                    });
                }
            });
        }),
    }
}

/// `response` is an object. A text that is one is written as it is, unless its members would mean something else.
fn write_response(w: &mut Writer, text: &str, is_error: bool) {
    let members = text.trim_start().starts_with('{').then(|| json::members(text.as_bytes()).ok()).flatten();
    let means_itself = members.is_some_and(|object| {
        object.members.iter().all(|member| {
            let key = text.as_bytes().get(member.key.clone()).and_then(json::string);
            key.is_some_and(|key| !matches!(&*key, "output" | "error" | "result"))
        })
    });
    match (is_error, means_itself) {
        (true, _) => w.object(|w| w.member("error", text)),
        (false, true) => w.raw(text.trim()),
        (false, false) => w.object(|w| w.member("output", text)),
    }
}

fn write_tools(w: &mut Writer, request: &Request<'_>, from: Surface, lost: &mut Lost) {
    let functions = || functions(request);
    let mut native = Vec::new();
    for (at, tool) in request.tools.iter().enumerate() {
        match tool {
            Tool::Native(tool) if from == Surface::GenerateContent => native.push(tool),
            Tool::Native(_) => lost.add(&format!("tools[{at}]")),
            Tool::Function(_) => {}
        }
    }
    if functions().next().is_none() && native.is_empty() {
        return;
    }
    w.member_array("tools", |w| {
        if functions().next().is_some() {
            w.object(|w| {
                w.member_array("functionDeclarations", |w| {
                    for function in functions() {
                        lost.when(function.strict == Some(true), lost.words.strict);
                        lost.when(function.cache.is_some(), lost.words.tool_cache);
                        w.object(|w| {
                            w.member("name", &function.name);
                            w.optional("description", function.description.as_ref());
                            w.optional("parametersJsonSchema", function.parameters.as_ref());
                        });
                    }
                });
            });
        }
        native.iter().for_each(|tool| w.value(tool));
    });
}

fn functions<'r, 'a>(request: &'r Request<'a>) -> impl Iterator<Item = &'r Function<'a>> {
    request.tools.iter().filter_map(|tool| match tool {
        Tool::Function(function) => Some(function),
        Tool::Native(_) => None,
    })
}

fn write_tool_config(w: &mut Writer, request: &Request<'_>, from: Surface, lost: &mut Lost) {
    let choice = request.tool_choice.as_ref();
    // Without functions there is nothing to choose from, and Google refuses a request that does.
    let any = functions(request).next().is_some();
    let forced = !matches!(choice, None | Some(ToolChoice::Auto | ToolChoice::None));
    lost.when(forced && !any, lost.words.tool_choice);
    let aside = || {
        let own = request.aside.iter().filter(|_| from == Surface::GenerateContent);
        own.filter_map(|(name, value)| Some((below(name, "toolConfig", "tool_config")?, value)))
    };
    let choice = choice.filter(|_| any);
    if choice.is_none() && aside().next().is_none() {
        return;
    }
    w.member_object("toolConfig", |w| {
        if let Some(choice) = choice {
            w.member_object("functionCallingConfig", |w| match choice {
                ToolChoice::Auto => w.member("mode", "AUTO"),
                ToolChoice::None => w.member("mode", "NONE"),
                ToolChoice::Required => w.member("mode", "ANY"),
                ToolChoice::Named(name) => {
                    w.member("mode", "ANY");
                    w.member("allowedFunctionNames", &[name]);
                }
                ToolChoice::Among(names) => {
                    w.member("mode", "ANY");
                    w.member("allowedFunctionNames", names);
                }
            });
        }
        aside().for_each(|(name, value)| w.member(name, value));
    });
}

/// The name of a field of the side-car that stood below another one.
fn below<'n>(name: &'n str, camel: &str, snake: &str) -> Option<&'n str> {
    name.strip_prefix(camel).or_else(|| name.strip_prefix(snake))?.strip_prefix('.')
}

fn generation_config(request: &Request<'_>, from: Surface, target: &Target<'_>, lost: &mut Lost) -> String {
    let mut w = Writer::with_capacity(256);
    w.object(|w| {
        w.optional("maxOutputTokens", request.max_output_tokens);
        w.optional("temperature", request.temperature);
        w.optional("topP", request.top_p);
        w.optional("topK", request.top_k);
        w.optional("candidateCount", request.candidates.filter(|count| *count > 1));
        w.optional("frequencyPenalty", request.frequency_penalty);
        w.optional("presencePenalty", request.presence_penalty);
        // int32 at Google, 64 bits elsewhere.
        let seed = request.seed.and_then(|seed| i32::try_from(seed).ok());
        lost.when(request.seed.is_some() && seed.is_none(), "seed");
        w.optional("seed", seed);
        if !request.stop.is_empty() {
            w.member("stopSequences", request.stop.get(..STOPS).unwrap_or(&request.stop));
            lost.when(request.stop.len() > STOPS, &format!("{}[{STOPS}]", lost.words.stop));
        }
        match &request.output {
            Output::Text => {}
            Output::Json => w.member("responseMimeType", "application/json"),
            Output::Schema { schema, .. } => {
                w.member("responseMimeType", "application/json");
                w.member("responseJsonSchema", schema);
            }
        }
        if let Some(config) = thinking::config(request, target, lost) {
            w.member_object("thinkingConfig", |w| {
                w.optional("includeThoughts", config.include);
                w.optional("thinkingBudget", config.budget);
                w.optional("thinkingLevel", config.level);
            });
        }
        if from == Surface::GenerateContent {
            for (name, value) in &request.aside {
                if let Some(name) = below(name, "generationConfig", "generation_config") {
                    w.member(name, value);
                }
            }
        }
    });
    String::from_utf8(w.finish()).unwrap_or_default()
}

fn write_aside(w: &mut Writer, request: &Request<'_>, from: Surface, target: &Target<'_>, lost: &mut Lost) {
    let google = from == Surface::GenerateContent;
    let inside = |name: &str| {
        below(name, "toolConfig", "tool_config")
            .or_else(|| below(name, "generationConfig", "generation_config"))
            .is_some()
    };
    for (name, value) in &request.aside {
        let own = OWN.iter().find(|(camel, snake)| name == camel || name == snake).map(|(camel, _)| *camel);
        match own {
            _ if google && inside(name) => {}
            Some("serviceTier") => match service_tier(value) {
                Some(Some(tier)) => w.member("serviceTier", &tier),
                Some(None) => {}
                None => lost.add(name),
            },
            // OpenAI's `metadata` has another name, so that a field of this name can only be meant for Google.
            Some(own) => w.member(own, value),
            None if google || target.extensions.iter().any(|known| known == name) => w.member(name, value),
            None => lost.add(name),
        }
    }
}

/// OpenAI's words for what is paid and how fast it comes, in Google's. `Some(None)`: it need not be said.
fn service_tier(value: &Json<'_>) -> Option<Option<Cow<'static, str>>> {
    match value.as_str()?.to_ascii_lowercase().as_str() {
        "auto" => Some(None),
        "default" | "standard" | "standard_only" => Some(Some("standard".into())),
        tier @ ("flex" | "priority") => Some(Some(tier.to_owned().into())),
        _ => None,
    }
}
