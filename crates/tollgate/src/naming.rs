//! What is said about names and identity outside of a policy: flags, then environment variables, then the configuration
//! file.

use crate::error::CliError;
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use serde_json::Value as Json;
use tollgate_edge::gateway::identity::{Identity, IdentityFields, IdentityRule};
use tollgate_select::{AliasRule, Aliases, Names, Replaced, Selector, UriOptions};

/// A JSON list of aliases. Not a flag's variable: the flag has a shorter form.
const MODEL_ALIASES: &str = "TOLLGATE_MODEL_ALIASES";

/// Flags about names and identity.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct NameArgs {
    /// Provider for names without a prefix that nothing knows; or models to fail over,
    /// `openai:gpt-4o|openrouter:openai/gpt-4o`, which also serve requests that name none. Without a policy it is asked
    /// with the gateway's key, if there is one
    #[arg(long, value_name = "SEL", env = "TOLLGATE_DEFAULT_BACKEND", value_parser = Selector::parse)]
    pub(crate) default_backend: Option<Selector>,
    /// Every request asks for this model, whatever the client names; without a prefix, at the default backend
    #[arg(long, value_name = "SEL", env = "TOLLGATE_FORCE_MODEL", value_parser = Selector::parse)]
    pub(crate) force_model: Option<Selector>,
    /// Every request goes to this backend and model, before --force-model and all else
    #[arg(long, value_name = "BACKEND:MODEL[?PARAMS]", env = "TOLLGATE_STATIC_ROUTE", value_parser = Selector::parse_route)]
    pub(crate) static_route: Option<Selector>,
    /// Rewrites names of clients by a regular expression: `^gpt-(.*)=openrouter:openai/gpt-\1`; may be repeated, the
    /// first that matches counts [env: TOLLGATE_MODEL_ALIASES, a JSON list of {pattern, replacement}]
    #[arg(long = "model-alias", value_name = "PATTERN=REPLACEMENT", value_parser = parse_alias)]
    pub(crate) model_aliases: Vec<AliasRule>,
    /// The application's name for providers, whatever the client sends
    #[arg(long, value_name = "TITLE", env = "TOLLGATE_APP_TITLE", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) identity_title: Option<String>,
    /// The application's address for providers
    #[arg(long, value_name = "URL", env = "TOLLGATE_APP_URL", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) identity_url: Option<String>,
    /// The User-Agent for providers
    #[arg(long, value_name = "TEXT", env = "TOLLGATE_APP_USER_AGENT", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) identity_user_agent: Option<String>,
}

/// What the configuration file says of the same.
#[derive(Debug, Default)]
pub(crate) struct FileNames {
    /// `default_backend`
    pub(crate) default_backend: Option<Selector>,
    /// `force_model`
    pub(crate) force_model: Option<Selector>,
    /// `backends.static_route`
    pub(crate) static_route: Option<Selector>,
    /// `model_aliases`
    pub(crate) aliases: Option<Aliases>,
    /// `uri_params`
    pub(crate) uri_params: UriOptions,
    /// `identity`
    pub(crate) identity: Identity,
}

/// What holds.
#[derive(Debug, Default)]
pub(crate) struct Naming {
    /// The rules for names.
    pub(crate) names: Names,
    /// Who is said to be behind requests.
    pub(crate) identity: Identity,
}

/// Settles what holds.
///
/// # Errors
/// A bad alias or a value that no header can carry.
pub(crate) fn settle(args: &NameArgs, file: FileNames) -> Result<Naming, CliError> {
    let env = std::env::var(MODEL_ALIASES).ok().filter(|text| !text.trim().is_empty());
    settle_with(args, env.as_deref(), file)
}

fn settle_with(args: &NameArgs, env_aliases: Option<&str>, file: FileNames) -> Result<Naming, CliError> {
    let aliases = if !args.model_aliases.is_empty() {
        compiled("--model-alias", &args.model_aliases)?
    } else if let Some(text) = env_aliases {
        compiled(MODEL_ALIASES, &parse_aliases(text)?)?
    } else {
        file.aliases.unwrap_or_default()
    };
    let route = args.static_route.clone().or(file.static_route);
    let model = args.force_model.clone().or(file.force_model);
    let fixed = |flag: &str, text: &Option<String>| {
        let fields = IdentityFields {
            mode: Some("override"),
            override_value: text.as_deref(),
            ..IdentityFields::default()
        };
        let rule = text.is_some().then(|| IdentityRule::read(&fields)).transpose();
        rule.map_err(|wrong| CliError::usage(format!("{flag}: the value {}; {}", wrong.message, wrong.help)))
    };
    let identity = Identity {
        title: fixed("--identity-title", &args.identity_title)?,
        url: fixed("--identity-url", &args.identity_url)?,
        user_agent: fixed("--identity-user-agent", &args.identity_user_agent)?,
        categories: None,
    };
    Ok(Naming {
        names: Names {
            aliases,
            uri_params: file.uri_params,
            default_backend: args.default_backend.clone().or(file.default_backend),
            replaced: route.map(Replaced::Route).or(model.map(Replaced::Model)),
        },
        identity: identity.or(&file.identity),
    })
}

fn compiled(source: &str, rules: &[AliasRule]) -> Result<Aliases, CliError> {
    Aliases::compile(rules).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(|error| format!("{source}: {error}")).collect();
        CliError::usage(lines.join("\n"))
    })
}

/// `PATTERN=REPLACEMENT`, split at the first `=`.
fn parse_alias(text: &str) -> Result<AliasRule, String> {
    let (pattern, replacement) = text.split_once('=').ok_or("write PATTERN=REPLACEMENT")?;
    Ok(AliasRule { pattern: pattern.to_owned(), replacement: replacement.to_owned(), match_query: false })
}

fn parse_aliases(text: &str) -> Result<Vec<AliasRule>, CliError> {
    let wrong = |why: &str| {
        let help = "write [{\"pattern\": \"^gpt-(.*)\", \"replacement\": \"openrouter:openai/gpt-\\\\1\"}]";
        CliError::usage(format!("{MODEL_ALIASES}: {why}; {help}"))
    };
    let list: Vec<Json> =
        serde_json::from_str(text).map_err(|error| wrong(&format!("no JSON list ({error})")))?;
    let rule = |(index, item): (usize, &Json)| {
        let map = item.as_object().ok_or_else(|| wrong(&format!("item {index} is no object")))?;
        let known = |name: &&String| !matches!(name.as_str(), "pattern" | "replacement" | "match_query");
        if let Some(name) = map.keys().find(known) {
            return Err(wrong(&format!("item {index} has an unknown key `{name}`")));
        }
        let text = |name: &str| {
            let value = map.get(name).and_then(Json::as_str).map(str::to_owned);
            value.ok_or_else(|| wrong(&format!("item {index} needs `{name}`, a text")))
        };
        let match_query = match map.get("match_query") {
            None => false,
            Some(value) => value.as_bool().ok_or_else(|| wrong("`match_query` is true or false"))?,
        };
        Ok(AliasRule { pattern: text("pattern")?, replacement: text("replacement")?, match_query })
    };
    list.iter().enumerate().map(rule).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alias(pattern: &str) -> AliasRule {
        AliasRule { pattern: pattern.into(), replacement: "openrouter:x".into(), match_query: false }
    }

    fn first_pattern(naming: &Naming) -> &str {
        naming.names.aliases.rule(0).map_or("", |rule| rule.pattern.as_str())
    }

    #[test]
    fn flags_come_before_the_environment_and_that_before_the_file() {
        let file = || FileNames {
            aliases: Some(Aliases::compile(&[alias("^file")]).unwrap()),
            default_backend: Selector::parse("openai").ok(),
            force_model: Selector::parse("file").ok(),
            ..FileNames::default()
        };
        let env = "[{\"pattern\": \"^env\", \"replacement\": \"openrouter:x\"}]";
        let flags = NameArgs {
            model_aliases: vec![alias("^flag")],
            default_backend: Selector::parse("openrouter").ok(),
            ..NameArgs::default()
        };
        let none = NameArgs::default();
        assert_eq!(first_pattern(&settle_with(&none, None, file()).unwrap()), "^file");
        assert_eq!(first_pattern(&settle_with(&none, Some(env), file()).unwrap()), "^env");
        let all = settle_with(&flags, Some(env), file()).unwrap();
        assert_eq!(first_pattern(&all), "^flag");
        assert_eq!(all.names.default_backend.map(|s| s.text().to_owned()).as_deref(), Some("openrouter"));
        assert!(matches!(all.names.replaced, Some(Replaced::Model(_))));
        let route = NameArgs { static_route: Selector::parse_route("openai:x").ok(), ..NameArgs::default() };
        assert!(matches!(
            settle_with(&route, None, file()).unwrap().names.replaced,
            Some(Replaced::Route(_))
        ));
    }

    #[test]
    fn identity_flags_override_the_file() {
        let rule = |text: &str| {
            let fields =
                IdentityFields { mode: Some("override"), override_value: Some(text), ..Default::default() };
            IdentityRule::read(&fields).ok()
        };
        let file = FileNames {
            identity: Identity { title: rule("file"), url: rule("https://file"), ..Identity::default() },
            ..FileNames::default()
        };
        let args = NameArgs { identity_title: Some("flag".into()), ..NameArgs::default() };
        let identity = settle_with(&args, None, file).unwrap().identity;
        assert_eq!((identity.title, identity.url), (rule("flag"), rule("https://file")));
        let bad = NameArgs { identity_url: Some("a\nb".into()), ..NameArgs::default() };
        let said = settle_with(&bad, None, FileNames::default()).expect_err("two lines").to_string();
        assert!(said.contains("--identity-url"), "{said}");
    }

    #[test]
    fn bad_lists_of_the_environment_are_named() {
        for (text, why) in [
            ("{}", "no JSON list"),
            ("[1]", "item 0 is no object"),
            ("[{\"pattern\": \"a\"}]", "item 0 needs `replacement`"),
            ("[{\"pattern\": \"a\", \"replacement\": \"b\", \"x\": 1}]", "unknown key `x`"),
            ("[{\"pattern\": \"(\", \"replacement\": \"b\"}]", "model_aliases[0].pattern"),
        ] {
            let said = settle_with(&NameArgs::default(), Some(text), FileNames::default()).expect_err(text);
            let said = said.to_string();
            assert!(said.contains("TOLLGATE_MODEL_ALIASES") && said.contains(why), "{said}");
        }
        assert!(parse_alias("nothing").is_err());
        assert_eq!(parse_alias("^a=openrouter:x?top_p=1").unwrap().replacement, "openrouter:x?top_p=1");
    }
}
