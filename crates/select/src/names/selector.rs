//! Lists of names for failover, `a|b`, and the parameters behind each.

use super::params::{self, UriParams};
use std::sync::Arc;
use tollgate_catalog::Catalog;

/// Names in one list; more would be of use only to keep the gateway busy.
const MAX_PARTS: usize = 32;

/// Names as a configuration writes them: one, or several to fail over with `|`, each with parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Selector {
    text: String,
    leaves: Vec<Leaf>,
}

/// One name of a [`Selector`].
#[derive(Clone, Debug, PartialEq)]
pub struct Leaf {
    /// The name, without parameters.
    pub name: String,
    /// The parameters.
    pub params: Arc<UriParams>,
}

impl Selector {
    /// Reads names that an operator wrote.
    ///
    /// # Errors
    /// What is wrong and what would be right: an empty side, an operator that is not `|`, a bad parameter.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut leaves = Vec::new();
        for part in parts(text)? {
            let (name, query) = split_query(part);
            if name.is_empty() {
                return Err("the name is missing".to_owned());
            }
            let (params, bad) = query.map(params::parse).unwrap_or_default();
            if let Some(bad) = bad.first() {
                return Err(format!("the parameter `{}` {}", bad.name, bad.reason));
            }
            leaves.push(Leaf { name: name.to_owned(), params: Arc::new(params) });
        }
        Ok(Self { text: text.trim().to_owned(), leaves })
    }

    /// The same, where each name must say its backend: `backend:model`.
    ///
    /// # Errors
    /// As [`Self::parse`]; a name without a backend.
    pub fn parse_route(text: &str) -> Result<Self, String> {
        let selector = Self::parse(text)?;
        let without =
            selector.leaves.iter().find(|leaf| prefix(&leaf.name).is_none_or(|(_, model)| model.is_empty()));
        match without {
            Some(leaf) => Err(format!(
                "`{}` does not say its backend; write backend:model, such as openrouter:openai/gpt-4o",
                leaf.name
            )),
            None => Ok(selector),
        }
    }

    /// As it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The names.
    #[must_use]
    pub fn leaves(&self) -> &[Leaf] {
        &self.leaves
    }

    /// The first provider it names that is not one of the catalogue. A name without a prefix is a provider or a known
    /// model, or, if `models` says so, any model.
    #[must_use]
    pub fn unknown_in(&self, catalog: &Catalog, models: bool) -> Option<&str> {
        let known = |name: &str| catalog.provider(name).next().is_some();
        self.leaves.iter().find_map(|leaf| {
            let name = leaf.name.as_str();
            if known(name) {
                return None;
            }
            match prefix(name) {
                Some((provider, _)) if known(provider) => None,
                _ if !catalog.models_named(name).is_empty() => None,
                Some((provider, _)) => Some(provider),
                None => (!models).then_some(name),
            }
        })
    }
}

/// The provider's name before the colon, if there is one: a colon behind a slash is part of the model's name.
pub(crate) fn prefix(name: &str) -> Option<(&str, &str)> {
    let (provider, model) = name.split_once(':')?;
    let (provider, model) = (provider.trim(), model.trim());
    (!provider.is_empty() && !provider.contains('/')).then_some((provider, model))
}

/// A name and what follows its first `?`.
pub(super) fn split_query(part: &str) -> (&str, Option<&str>) {
    match part.split_once('?') {
        Some((name, query)) => (name.trim(), Some(query)),
        None => (part, None),
    }
}

/// Whether a name may be more than a name.
pub(super) fn has_operator(text: &str) -> bool {
    text.bytes().any(|byte| matches!(byte, b'|' | b'^' | b'!' | b'[' | b'?'))
}

/// The sides of `|`. Nothing in square brackets is an operator.
///
/// # Errors
/// What is wrong and what would be right.
pub(super) fn parts(text: &str) -> Result<Vec<&str>, String> {
    let text = text.trim();
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0usize, 0);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'[' => depth += 1,
            b']' => depth = depth.saturating_sub(1),
            b'|' | b'^' | b'!' if depth > 0 => {}
            b'|' => {
                parts.push(text.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            b'^' | b'!' => return Err(foreign(byte).to_owned()),
            _ => {}
        }
    }
    parts.push(text.get(start..).unwrap_or_default());
    if parts.len() > MAX_PARTS {
        return Err(format!("more than {MAX_PARTS} names in one list"));
    }
    for part in &mut parts {
        *part = part.trim();
        if part.is_empty() {
            return Err(
                if text.is_empty() { "the name is missing" } else { "a side of `|` is empty" }.to_owned()
            );
        }
        if part.starts_with('[') {
            return Err(
                "`[...]` before a name is not possible; write conditions as strategies of the policy's \
                        model_selection"
                    .to_owned(),
            );
        }
        if part.starts_with("hybrid:[") {
            return Err("`hybrid:` is not possible; name one model".to_owned());
        }
    }
    Ok(parts)
}

fn foreign(operator: u8) -> &'static str {
    if operator == b'^' {
        "`^` (a draw by weight) is not possible in a name; write a|b to fail over, or spread load with a strategy of \
         the policy, such as ai.models.randomize()"
    } else {
        "`!` (a race) is not possible in a name; write a|b to fail over, or put the fastest first with a strategy of \
         the policy's model_selection"
    }
}
