//! What a client may have meant by a name that found nothing.

use crate::catalog::{Catalog, fold};
use crate::model::Provider;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Most suggestions for one name.
const MAX_SUGGESTIONS: usize = 3;
/// Longest name, in bytes, that is compared: ids are at most 255 bytes.
const MAX_NAME: usize = 255;
/// Most edits (insert, delete, replace, swap) between a name and a suggestion.
const MAX_EDITS: usize = 2;

impl Catalog {
    /// Names near `name`, best first: `openrouter:NAME` when it has a slash, then known names at most two edits
    /// away. Disabled providers and models are not suggested.
    #[must_use]
    pub fn nearest(&self, name: &str) -> Vec<String> {
        let name = name.trim();
        if name.is_empty() || name.len() > MAX_NAME {
            return Vec::new();
        }
        let mut suggestions = match name.split_once(':') {
            Some((prefix, rest)) => self.nearest_qualified(prefix, rest),
            None => Vec::new(),
        };
        if suggestions.is_empty() && name.contains('/') {
            suggestions = self.for_slash(name);
        }
        for near in self.nearest_bare(name) {
            if !suggestions.contains(&near) {
                suggestions.push(near);
            }
        }
        suggestions.truncate(MAX_SUGGESTIONS);
        suggestions
    }

    /// A misspelt provider, or a misspelt model of a known one.
    fn nearest_qualified(&self, prefix: &str, rest: &str) -> Vec<String> {
        if self.provider(prefix).next().is_none() {
            let names = usable(&self.providers).flat_map(|p| std::iter::once(&p.id).chain(&p.aliases));
            return near(prefix, names).into_iter().map(|provider| format!("{provider}:{rest}")).collect();
        }
        let models = self.provider(prefix).filter(|p| !p.disabled).flat_map(|p| &p.models);
        let ids = models.filter(|model| !model.disabled).map(|model| &model.id);
        near(rest, ids).into_iter().map(|model| format!("{}:{model}", prefix.trim())).collect()
    }

    /// `author/model` is how OpenRouter spells its models.
    fn for_slash(&self, name: &str) -> Vec<String> {
        let mut suggestions = Vec::new();
        if self.provider("openrouter").any(|provider| !provider.disabled) {
            suggestions.push(format!("openrouter:{name}"));
        }
        if let Some((author, model)) = name.split_once('/') {
            let native = self.provider(author).filter(|provider| !provider.disabled);
            let known = native.filter(|p| self.model_at(p, model).is_some_and(|(model, _)| !model.disabled));
            suggestions.extend(known.map(|provider| format!("{}:{model}", provider.id)));
        }
        suggestions
    }

    fn nearest_bare(&self, name: &str) -> Vec<String> {
        let providers = usable(&self.providers).filter(|provider| !provider.prefix_required);
        let models = providers.flat_map(|provider| &provider.models).filter(|model| !model.disabled);
        let names = models.flat_map(|model| {
            std::iter::once(&model.id).chain(model.aliases.iter().map(|alias| &alias.name))
        });
        near(name, names)
    }
}

fn usable(providers: &[std::sync::Arc<Provider>]) -> impl Iterator<Item = &Provider> {
    providers.iter().map(AsRef::as_ref).filter(|provider| !provider.disabled)
}

/// The candidates within reach of `name`, nearest first, then by name.
pub(crate) fn near<'a>(name: &str, candidates: impl Iterator<Item = &'a String>) -> Vec<String> {
    let name = fold(name);
    // Two edits turn any short name into another one, so short names get fewer.
    let reach = MAX_EDITS.min(name.len() / 3);
    // Of names that differ in case only, the first is kept: ids come before aliases.
    let mut rated: BTreeMap<(usize, Cow<'a, str>), &str> = BTreeMap::new();
    for other in candidates {
        let folded = fold(other);
        if let Some(edits) = distance(&name, &folded, reach).filter(|edits| *edits > 0) {
            rated.entry((edits, folded)).or_insert(other);
        }
    }
    rated.into_values().take(MAX_SUGGESTIONS).map(str::to_owned).collect()
}

/// Edits between two names, a swap of neighbours counting once (optimal string alignment), if at most `reach`.
fn distance(a: &str, b: &str, reach: usize) -> Option<usize> {
    if a.len().abs_diff(b.len()) > reach {
        return None;
    }
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (row, &x) in a.iter().enumerate() {
        let mut this = vec![row + 1];
        for (column, &y) in b.iter().enumerate() {
            let at = |line: &[usize], column: usize| line.get(column).copied().unwrap_or(usize::MAX / 2);
            let mut best = at(&last, column) + usize::from(x != y);
            best = best.min(at(&last, column + 1) + 1).min(at(&this, column) + 1);
            let swapped =
                row > 0 && column > 0 && a.get(row - 1) == Some(&y) && b.get(column - 1) == Some(&x);
            if swapped {
                best = best.min(at(&before, column - 1) + 1);
            }
            this.push(best);
        }
        if this.iter().min().is_some_and(|best| *best > reach) {
            return None;
        }
        before = std::mem::replace(&mut last, this);
    }
    last.last().copied().filter(|edits| *edits <= reach)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits() {
        let table = [
            ("gpt-4o", "gpt-4o", Some(0)),
            ("gtp-4o", "gpt-4o", Some(1)),
            ("gpt4o", "gpt-4o", Some(1)),
            ("gpt-4oo", "gpt-4o", Some(1)),
            ("gpt-5", "gpt-4o", Some(2)),
            ("claude", "gpt-4o", None),
            ("", "ab", Some(2)),
            ("", "abc", None),
        ];
        for (a, b, expected) in table {
            assert_eq!(distance(a, b, 2), expected, "{a} {b}");
            assert_eq!(distance(b, a, 2), expected, "{b} {a}");
        }
    }

    #[test]
    fn suggestions() {
        let catalog = Catalog::builtin();
        let first = |name: &str| catalog.nearest(name).into_iter().next();
        let table = [
            ("anthropic/claude-3.5-sonnet", Some("openrouter:anthropic/claude-3.5-sonnet")),
            ("openai/gpt-4o", Some("openrouter:openai/gpt-4o")),
            ("GTP-4o", Some("gpt-4o")),
            ("claude-sonet-4-5", Some("claude-sonnet-4-5")),
            ("opnai:gpt-4o", Some("openai:gpt-4o")),
            ("open_router:meta-llama/x", Some("open-router:meta-llama/x")),
            ("openai:gtp-4o", Some("openai:gpt-4o")),
            ("zzzzzz", None),
            ("ab", None),
            ("", None),
            (":", None),
        ];
        for (name, expected) in table {
            assert_eq!(first(name).as_deref(), expected, "{name}");
        }
        assert_eq!(catalog.nearest("openai/gpt-4o").get(1).map(String::as_str), Some("openai:gpt-4o"));
        assert!(catalog.nearest(&"a/".repeat(200)).is_empty(), "long names are not compared");
        assert!(catalog.nearest("gpt-4.").len() <= MAX_SUGGESTIONS);
    }
}
