//! The keys about names and identity: `default_backend`, `backends`, `force_model`, `model_aliases`, `uri_params`,
//! `identity`.

use crate::decode::{Reader, joined};
use crate::naming::FileNames;
use tollgate_catalog::Catalog;
use tollgate_edge::gateway::identity::{Identity, IdentityFields, IdentityRule};
use tollgate_policy::Node;
use tollgate_select::{AliasRule, Aliases, OnInvalid, Selector, UriOptions};

/// Reads them; with the providers that `backends` lists, by their ids.
pub(super) fn read(reader: &mut Reader, root: &Node) -> (FileNames, Vec<String>) {
    let mut names = FileNames {
        default_backend: reader.parsed_at(root, "", "default_backend", Selector::parse),
        force_model: reader.parsed_at(root, "", "force_model", Selector::parse),
        ..FileNames::default()
    };
    let listed = backends(reader, root, &mut names);
    names.aliases = root.get("model_aliases").and_then(|node| aliases(reader, node));
    if let Some(node) = root.get("uri_params") {
        names.uri_params = uri_params(reader, node);
    }
    if let Some(node) = root.get("identity") {
        names.identity = identity(reader, node);
    }
    (names, listed)
}

/// `backends`: `default_backend` and `static_route`, and providers that are used with the gateway's own keys.
fn backends(reader: &mut Reader, root: &Node, names: &mut FileNames) -> Vec<String> {
    let Some((key, node)) = root.entry("backends") else { return Vec::new() };
    let catalog = Catalog::builtin();
    let mut keys = vec!["default_backend", "static_route"];
    let provider = |name: &str| catalog.provider(name).next();
    keys.extend(node.entries().iter().map(|(key, _)| &*key.text).filter(|name| provider(name).is_some()));
    if !reader.mapping(node, "backends", &keys) {
        return Vec::new();
    }
    let nested = reader.parsed_at(node, "backends", "default_backend", Selector::parse);
    if names.default_backend.is_some() && nested.is_some() {
        reader.error(key.at, "`default_backend` is set twice", Some("keep one of the two".into()));
    }
    names.default_backend = names.default_backend.take().or(nested);
    names.static_route = reader.parsed_at(node, "backends", "static_route", Selector::parse_route);
    let mut listed = Vec::new();
    for (key, block) in node.entries() {
        let Some(provider) = provider(&key.text) else { continue };
        let path = joined("backends", &key.text);
        if reader.mapping(block, &path, &["type", "connector"]) {
            for kind in ["type", "connector"] {
                reader.parsed_at(block, &path, kind, |text| match provider.is_named(text) {
                    true => Ok(()),
                    false => Err(format!(
                        "must be `{}`; a backend of your own is listed in a policy, under `providers` of ai-gateway",
                        provider.id
                    )),
                });
            }
            listed.push(provider.id.clone());
        }
    }
    listed
}

fn aliases(reader: &mut Reader, node: &Node) -> Option<Aliases> {
    let items = reader.list(node, "model_aliases")?;
    let mut rules = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let path = format!("model_aliases[{index}]");
        if !reader.mapping(item, &path, &["pattern", "replacement", "match_query"]) {
            return None;
        }
        let mut text = |key: &str| {
            let node = reader.required(item, &path, key)?;
            // An empty text is a finding of the rules.
            node.text().map(str::to_owned).or_else(|| reader.text(node, &joined(&path, key)))
        };
        let (pattern, replacement) = (text("pattern"), text("replacement"));
        let match_query = flag(reader, item, &path, "match_query").unwrap_or(false);
        let (Some(pattern), Some(replacement)) = (pattern, replacement) else { return None };
        rules.push(AliasRule { pattern, replacement, match_query });
    }
    match Aliases::compile(&rules) {
        Ok(aliases) => Some(aliases),
        Err(errors) => {
            for error in errors {
                let item = items.get(error.index).unwrap_or(node);
                let at = item.get(error.field).map_or(item.at, |field| field.at);
                let message = format!("`model_aliases[{}].{}` {}", error.index, error.field, error.message);
                reader.error(at, message, error.help);
            }
            None
        }
    }
}

fn uri_params(reader: &mut Reader, node: &Node) -> UriOptions {
    let mut options = UriOptions::default();
    if reader.mapping(node, "uri_params", &["enabled", "on_invalid"]) {
        options.enabled = flag(reader, node, "uri_params", "enabled").unwrap_or(options.enabled);
        let on_invalid = reader.parsed_at(node, "uri_params", "on_invalid", |text| match text {
            "ignore" => Ok(OnInvalid::Ignore),
            "reject" => Ok(OnInvalid::Reject),
            _ => Err("write ignore or reject"),
        });
        options.on_invalid = on_invalid.unwrap_or_default();
    }
    options
}

fn identity(reader: &mut Reader, node: &Node) -> Identity {
    if !reader.mapping(node, "identity", &["user_agent", "title", "url", "categories"]) {
        return Identity::default();
    }
    let mut part = |name: &str| rule(reader, node.get(name)?, &joined("identity", name));
    Identity {
        user_agent: part("user_agent"),
        title: part("title"),
        url: part("url"),
        categories: part("categories"),
    }
}

fn rule(reader: &mut Reader, node: &Node, path: &str) -> Option<IdentityRule> {
    const KEYS: [&str; 4] = ["mode", "override_value", "default_value", "passthrough_name"];
    if !reader.mapping(node, path, &KEYS) {
        return None;
    }
    let [mode, override_value, default_value, passthrough_name] =
        KEYS.map(|key| reader.text_at(node, path, key));
    let fields = IdentityFields {
        mode: mode.as_deref(),
        override_value: override_value.as_deref(),
        default_value: default_value.as_deref(),
        passthrough_name: passthrough_name.as_deref(),
    };
    match IdentityRule::read(&fields) {
        Ok(rule) => Some(rule),
        Err(wrong) => {
            let at = node.get(wrong.field).map_or(node.at, |field| field.at);
            let message = format!("`{}` {}", joined(path, wrong.field), wrong.message);
            reader.error(at, message, Some(wrong.help.to_owned()));
            None
        }
    }
}

fn flag(reader: &mut Reader, node: &Node, path: &str, key: &str) -> Option<bool> {
    reader.parsed_at(node, path, key, |text| text.parse::<bool>().map_err(|_| "write true or false"))
}
