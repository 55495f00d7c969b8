//! Parameters behind a name, in the body that is sent.

use serde_json::{Map, Value as Json};
use std::borrow::Cow;
use tollgate_dialect::Surface;
use tollgate_select::{Candidate, ParamFields, ParamStyle};

/// Fields of chat completions that say the same: of each pair only one may be sent.
const PAIRS: [(&str, &str); 2] = [("reasoning_effort", "reasoning"), ("max_tokens", "max_completion_tokens")];

const TOP_K: &str = "top_k";

/// What is merged into a body, and what has to go.
#[derive(Debug, Default)]
pub(super) struct Merged<'p> {
    /// The parameters of the name, under what the policy forces.
    pub(super) body: Option<Cow<'p, Map<String, Json>>>,
    /// Fields of the client that the parameters replace.
    pub(super) remove: Vec<String>,
    /// Parameters the operation has no field for.
    pub(super) dropped: Vec<&'static str>,
}

/// The parameters of a candidate's name and the policy's `body`, which wins.
pub(super) fn merge<'p>(
    candidate: &Candidate,
    surface: Surface,
    forced: Option<&'p Map<String, Json>>,
) -> Merged<'p> {
    if candidate.params.is_empty() {
        return Merged { body: forced.map(Cow::Borrowed), ..Merged::default() };
    }
    let ParamFields { mut fields, replaces, mut dropped } =
        candidate.params.to_body(surface, style(candidate));
    // Chat completions have no such field; some providers take it all the same.
    let takes_top_k = candidate.provider.extensions.iter().any(|field| field == TOP_K);
    if surface == Surface::ChatCompletions && !takes_top_k && fields.remove(TOP_K).is_some() {
        dropped.push(TOP_K);
    }
    let mut remove = Vec::new();
    for name in replaces {
        let own =
            PAIRS.iter().find_map(|(a, b)| if *a == name { Some(*b) } else { (*b == name).then_some(*a) });
        match own {
            Some(own) if forced.is_some_and(|forced| forced.contains_key(name)) => drop(fields.remove(own)),
            _ => remove.push(name.to_owned()),
        }
    }
    if let Some(forced) = forced {
        lay_over(&mut fields, forced);
    }
    Merged { body: (!fields.is_empty()).then_some(Cow::Owned(fields)), remove, dropped }
}

/// How the parameters of a candidate's name are written.
pub(super) fn style(candidate: &Candidate) -> ParamStyle {
    let Candidate { provider, model, upstream_model, .. } = candidate;
    ParamStyle {
        thinking: model.thinking,
        completion_tokens: provider.wants_completion_tokens(Some(model)),
        minimal_level: upstream_model.contains("flash"),
    }
}

/// Lays `upper` over `fields`: objects deeply, anything else as a whole.
pub(super) fn lay_over(fields: &mut Map<String, Json>, upper: &Map<String, Json>) {
    for (name, value) in upper {
        match (fields.get_mut(name), value) {
            (Some(Json::Object(lower)), Json::Object(upper)) => lay_over(lower, upper),
            _ => drop(fields.insert(name.clone(), value.clone())),
        }
    }
}
