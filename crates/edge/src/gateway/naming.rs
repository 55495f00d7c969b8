//! `model_aliases`, `uri_params`, `default_backend` and `identity` of an `ai-gateway`: checked and read.

use super::identity::{Identity, IdentityError, IdentityFields, IdentityRule};
use tollgate_policy::{Checker, Config};
use tollgate_select::{AliasRule, Aliases, Names, OnInvalid, Selector, UriOptions};

/// The code of an invalid value.
const VALUE: &str = "ERR_NGROK_2204";

/// Checks beyond the shapes of the fields.
pub(super) fn check(config: &Config<'_>, checker: &mut Checker) {
    let entries = config.get("model_aliases").map(|list| list.as_list()).unwrap_or_default();
    if let Err(errors) = Aliases::compile(&rules(config)) {
        for error in errors {
            let entry = entries.get(error.index).copied().unwrap_or(*config);
            let at = entry.get(error.field).unwrap_or(entry);
            let message = format!("`model_aliases[{}].{}` {}", error.index, error.field, error.message);
            checker.error(at, VALUE, message, error.help);
        }
    }
    if let Some(at) = config.get("default_backend")
        && let Some(Err(wrong)) = at.as_str().map(Selector::parse)
    {
        let help = "write a provider, or models to fail over: openai:gpt-4o|openrouter:openai/gpt-4o";
        checker.error(at, VALUE, format!("`default_backend`: {wrong}"), Some(help.into()));
    }
    for part in PARTS {
        let Some(at) = config.get("identity").and_then(|identity| identity.get(part)) else { continue };
        if let Err(IdentityError { field, message, help }) = IdentityRule::read(&fields(&at)) {
            let message = format!("`identity.{part}.{field}` {message}");
            checker.error(at.get(field).unwrap_or(at), VALUE, message, Some(help.into()));
        }
    }
}

/// The rules for names: what the action says, over what the process was started with.
pub(super) fn names(config: &Config<'_>, global: &Names) -> Names {
    let mut names = global.clone();
    if config.get("model_aliases").is_some() {
        // `check` has reported what is wrong with them.
        names.aliases = Aliases::compile(&rules(config)).unwrap_or_default();
    }
    if let Some(backend) = config.get("default_backend").and_then(|at| Selector::parse(at.as_str()?).ok()) {
        names.default_backend = Some(backend);
    }
    if let Some(options) = config.get("uri_params") {
        let UriOptions { enabled, on_invalid } = names.uri_params;
        names.uri_params = UriOptions {
            enabled: options.get("enabled").and_then(|c| c.as_bool()).unwrap_or(enabled),
            on_invalid: match options.get("on_invalid").and_then(|c| c.as_str()) {
                Some("reject") => OnInvalid::Reject,
                Some(_) => OnInvalid::Ignore,
                None => on_invalid,
            },
        };
    }
    names
}

/// Who is said to be behind requests: what the action says, over what the process was started with.
pub(super) fn identity(config: &Config<'_>, global: &Identity) -> Identity {
    let Some(config) = config.get("identity") else { return global.clone() };
    let [user_agent, title, url, categories] =
        PARTS.map(|part| config.get(part).and_then(|at| IdentityRule::read(&fields(&at)).ok()));
    Identity { user_agent, title, url, categories }.or(global)
}

const PARTS: [&str; 4] = ["user_agent", "title", "url", "categories"];

fn rules(config: &Config<'_>) -> Vec<AliasRule> {
    let entries = config.get("model_aliases").map(|list| list.as_list()).unwrap_or_default();
    let rule = |entry: &Config<'_>| {
        let text = |name: &str| entry.get(name).and_then(|c| c.as_str()).unwrap_or("").to_owned();
        AliasRule {
            pattern: text("pattern"),
            replacement: text("replacement"),
            match_query: entry.get("match_query").and_then(|c| c.as_bool()).unwrap_or(false),
        }
    };
    entries.iter().map(rule).collect()
}

fn fields<'a>(config: &Config<'a>) -> IdentityFields<'a> {
    let text = |name: &str| config.get(name).and_then(|c| c.as_str());
    IdentityFields {
        mode: text("mode"),
        override_value: text("override_value"),
        default_value: text("default_value"),
        passthrough_name: text("passthrough_name"),
    }
}
