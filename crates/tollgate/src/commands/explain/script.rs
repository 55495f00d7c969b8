//! `--outcome`: what the providers are made to do.

use crate::wiring;
use tollgate_edge::dry::ScriptedOutcome;
use tollgate_edge::engine::{Engine, Shared};

/// Reads `provider=outcome,provider:model=outcome`. Names of models may hold `:` and `=`, so the last `=` counts.
///
/// # Errors
/// What is wrong with which entry.
pub(super) fn parse_all(texts: &[String]) -> Result<Vec<ScriptedOutcome>, String> {
    let entries =
        texts.iter().flat_map(|text| text.split(',')).map(str::trim).filter(|entry| !entry.is_empty());
    entries.map(parse).collect()
}

fn parse(entry: &str) -> Result<ScriptedOutcome, String> {
    let wrong = |why: &str| format!("--outcome `{entry}`: {why}");
    let (target, outcome) =
        entry.rsplit_once('=').ok_or_else(|| wrong("write PROVIDER=OUTCOME or PROVIDER:MODEL=OUTCOME"))?;
    let outcome = outcome.parse().map_err(|bad: tollgate_edge::dry::BadOutcome| wrong(&bad.to_string()))?;
    let target = target.trim().to_owned();
    if target.is_empty() || target.starts_with(':') || target.ends_with(':') {
        return Err(wrong("the provider or model is missing"));
    }
    Ok(ScriptedOutcome { target, key: None, outcome, once: false })
}

/// Replaces other names of providers by their ids, and refuses names no gateway of the policy knows: such an entry
/// would silently do nothing.
///
/// # Errors
/// There is no such provider.
pub(super) fn resolve(
    script: Vec<ScriptedOutcome>,
    engine: &Engine,
    shared: &Shared,
) -> Result<Vec<ScriptedOutcome>, String> {
    if engine.gateways().next().is_none() {
        return Ok(script);
    }
    let resolve = |entry: ScriptedOutcome| {
        let (name, model) = match entry.target.split_once(':') {
            Some((name, model)) => (name, Some(model)),
            None => (entry.target.as_str(), None),
        };
        let known = engine
            .gateways()
            .find_map(|gateway| gateway.catalog().provider(name).next().map(|p| p.id.clone()));
        let id = known
            .ok_or_else(|| format!("--outcome: {}", wiring::no_provider(&shared.catalog.load(), name)))?;
        let target = model.map_or(id.clone(), |model| format!("{id}:{model}"));
        Ok(ScriptedOutcome { target, ..entry })
    };
    script.into_iter().map(resolve).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tollgate_edge::dry::Outcome;

    fn parsed(text: &str) -> Result<Vec<(String, Outcome)>, String> {
        parse_all(&[text.to_owned()]).map(|all| all.into_iter().map(|o| (o.target, o.outcome)).collect())
    }

    #[test]
    fn the_last_equals_sign_separates() {
        let expected = vec![
            ("anthropic".to_owned(), Outcome::Status(503)),
            ("openai:gpt-4o".to_owned(), Outcome::Timeout),
            ("openrouter:a/b:free=x".to_owned(), Outcome::Cut),
        ];
        assert_eq!(parsed("anthropic=503, openai:gpt-4o=timeout,openrouter:a/b:free=x=cut,"), Ok(expected));
    }

    #[test]
    fn wrong_entries_are_named() {
        for (text, why) in [
            ("anthropic", "write PROVIDER=OUTCOME"),
            ("anthropic=broken", "error_in_stream"),
            ("anthropic=99", "a status from 200 to 599"),
            ("=503", "is missing"),
            ("openai:=503", "is missing"),
        ] {
            let said = parsed(text).expect_err(text);
            assert!(said.contains(why) && said.contains(text), "{said}");
        }
    }
}
