//! Fields that a provider ignores or refuses in the client's own dialect, and knows in another one.

use super::prepare::Prepared;
use super::{Gateway, Incoming, params};
use tollgate_dialect::{FieldPath, Surface, fields_present};
use tollgate_policy::{Checker, Config};
use tollgate_select::Candidate;

/// The gaps of one provider that a request falls into.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Need {
    pub(crate) provider: String,
    /// Each field once, in the order of the body.
    pub(crate) fields: Vec<String>,
    /// Those whose values say something.
    saying: Vec<String>,
}

impl Gateway {
    /// What the request asks of each provider that is known not to do it in the client's dialect.
    pub(super) fn needs(incoming: &Incoming, candidates: &[Candidate]) -> Vec<Need> {
        let mut needs: Vec<Need> = Vec::new();
        for Candidate { provider, .. } in candidates {
            let gaps = provider.gaps(incoming.surface);
            if gaps.is_empty() || needs.iter().any(|need| need.provider == provider.id) {
                continue;
            }
            let mut need = Need { provider: provider.id.clone(), fields: Vec::new(), saying: Vec::new() };
            for found in fields_present(&incoming.body, &incoming.peek, gaps) {
                let name = found.path.as_str();
                let lists = [Some(&mut need.fields), found.says.then_some(&mut need.saying)];
                for list in lists.into_iter().flatten().filter(|list| !list.iter().any(|known| known == name))
                {
                    list.push(name.to_owned());
                }
            }
            needs.push(need);
        }
        needs
    }

    /// The dialect in which a candidate does all of the request, where the client's own has a gap in it.
    pub(super) fn around_gaps(
        &self,
        incoming: &Incoming,
        prepared: &Prepared,
        candidate: &Candidate,
    ) -> Option<Surface> {
        let Candidate { provider, model, .. } = candidate;
        if self.knobs.native_only || self.reasons(incoming, prepared, candidate).is_empty() {
            return None;
        }
        let own = provider.serves(incoming.surface) && model.serves(incoming.surface);
        own.then(|| provider.wire_around(incoming.surface, model)).flatten()
    }

    /// The fields for whose sake a candidate is not spoken to in the client's dialect: of the body, and those that
    /// parameters behind the model's name would add to it.
    pub(super) fn reasons(
        &self,
        incoming: &Incoming,
        prepared: &Prepared,
        candidate: &Candidate,
    ) -> Vec<String> {
        let Candidate { provider, params: named, .. } = candidate;
        let need = prepared.needs.iter().find(|need| need.provider == provider.id);
        let mut fields = need.map_or(Vec::new(), |need| need.fields.clone());
        let gaps = provider.gaps(incoming.surface);
        if !gaps.is_empty() && !named.is_empty() {
            let added = named.to_body(incoming.surface, params::style(candidate)).fields;
            let added = gaps.iter().filter_map(FieldPath::top_level).filter(|name| added.contains_key(*name));
            for name in added {
                if !fields.iter().any(|known| known == name) {
                    fields.push(name.to_owned());
                }
            }
        }
        fields
    }
}

/// Fields that are sent to a provider in the client's dialect although they have no effect there.
pub(super) fn unheeded<'p>(prepared: &'p Prepared, provider: &str) -> &'p [String] {
    let need = prepared.needs.iter().find(|need| need.provider == provider);
    need.map_or(&[], |need| &need.saying)
}

/// Reads `surface_gaps` of a provider in a policy. What is no path has been refused.
pub(super) fn read(provider: &Config<'_>) -> Vec<(Surface, Vec<FieldPath>)> {
    let path = |(text, _): (String, Config<'_>)| text.parse().ok();
    let lists = provider.get("surface_gaps").map(|gaps| gaps.entries()).unwrap_or_default();
    let lists = lists.into_iter().filter_map(|(name, list)| {
        let surface = Surface::CONVERSATIONS.into_iter().find(|surface| surface.name() == name)?;
        Some((surface, texts(&list).into_iter().filter_map(path).collect()))
    });
    lists.collect()
}

/// Checks the paths below `surface_gaps`, each at its place.
pub(super) fn check(provider: &Config<'_>, checker: &mut Checker) {
    for (_, list) in provider.get("surface_gaps").map(|gaps| gaps.entries()).unwrap_or_default() {
        let mut seen: Vec<String> = Vec::new();
        for (text, at) in texts(&list) {
            let help = "write it like `response_format`, `tools[].function.strict` or \
                        `messages[].content[].cache_control`";
            if let Err(error) = text.parse::<FieldPath>() {
                let message = format!("`{text}` is no path to a field: {error}");
                checker.error(at, "ERR_NGROK_2204", message, Some(help.to_owned()));
            } else if seen.contains(&text) {
                checker.error(at, "ERR_NGROK_2204", format!("`{text}` is listed twice"), None);
            } else {
                seen.push(text);
            }
        }
    }
}

/// The items of a list, given as strings or as `{name: …}`.
fn texts<'a>(list: &Config<'a>) -> Vec<(String, Config<'a>)> {
    let text = |item: &Config<'a>| {
        let at = item.get("name").unwrap_or(*item);
        Some((at.as_str()?.to_owned(), at))
    };
    list.as_list().iter().filter_map(text).collect()
}
