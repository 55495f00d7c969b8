//! Every YAML block of the documentation is something that loads: a policy, rules of one, the `config` of `ai-gateway`,
//! its `providers`, a configuration file, or policy tests. What a block is, it tells by its keys.

use crate::commands::test;
use crate::config::{self, FilePolicy};
use crate::naming::Naming;
use crate::wiring;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tollgate_edge::engine::{Engine, Shared};
use tollgate_expr::{MissingSecret, SecretSource};
use tollgate_policy::{Node, NodeValue, Phase, Source, parse};

/// Has every secret.
struct All;

impl SecretSource for All {
    fn secret(&self, _vault: &str, _name: &str) -> Result<secrecy::SecretString, MissingSecret> {
        Ok("sample-value-1".to_owned().into())
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn pages(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            pages(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

/// The blocks of a page that are marked as YAML: the line each begins on, and its text.
fn blocks(page: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, String, bool)> = None;
    for (index, line) in page.lines().enumerate() {
        match (line.trim_start().strip_prefix("```"), &mut open) {
            (Some(kind), None) => {
                let yaml = ["yaml", "yml"].contains(&kind.split(' ').next().unwrap_or("").trim());
                open = Some((index + 2, String::new(), yaml));
            }
            (Some(_), Some(_)) => {
                let (at, text, yaml) = open.take().unwrap();
                blocks.extend(yaml.then_some((at, text)));
            }
            (None, Some((_, text, _))) => text.push_str(&format!("{line}\n")),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    blocks
}

fn indented(text: &str, by: usize) -> String {
    text.lines().map(|line| format!("{:by$}{line}\n", "")).collect()
}

/// What is wrong with a policy.
fn policy(source: &Source, shared: &Shared) -> Result<(), String> {
    let found = Engine::load(source, shared).diagnostics;
    // The firewall is not part of every build; the rest of its configuration is checked.
    let wrong = found.errors().any(|error| !error.message.ends_with("is not part of this build"));
    if wrong { Err(found.render_text(source)) } else { Ok(()) }
}

fn gateway(config: &str, shared: &Shared) -> Result<(), String> {
    let whole = format!("on_http_request:\n  - type: ai-gateway\n    config:\n{}", indented(config, 6));
    policy(&Source::new("sample", whole), shared)
}

/// Rules, of whatever phase they can stand in.
fn rules(text: &str, shared: &Shared) -> Result<(), String> {
    let in_phase = |phase: &Phase| {
        policy(&Source::new("sample", format!("{}:\n{}", phase.key(), indented(text, 2))), shared)
    };
    let said: Vec<String> = Phase::ALL.iter().filter_map(|phase| in_phase(phase).err()).collect();
    if said.len() < Phase::ALL.len() { Ok(()) } else { Err(said.concat()) }
}

fn configuration(source: Source, shared: &Shared) -> Result<(), String> {
    for endpoint in config::read(source, Path::new("/etc/tollgate"))?.endpoints {
        if let Some(FilePolicy::Inline(source)) = endpoint.policy {
            policy(&source, shared)?;
        }
    }
    Ok(())
}

fn loads(text: &str, tree: &Node, shared: &Shared) -> Result<(), String> {
    let source = Source::new("sample", text);
    let has = |name: &str| tree.get(name).is_some();
    match &tree.value {
        NodeValue::List(items) => match items.first() {
            Some(item) if item.get("type").is_some() || item.get("actions").is_some() => rules(text, shared),
            _ => gateway(&format!("providers:\n{}", indented(text, 2)), shared),
        },
        _ if has("traffic_policy") || Phase::ALL.iter().any(|phase| has(phase.key())) => {
            policy(&source, shared)
        }
        _ if has("tests") => {
            let found = test::findings(source.clone(), &root().join("policies/sample.test.yml"));
            if found.has_errors() { Err(found.render_text(&source)) } else { Ok(()) }
        }
        _ => configuration(source, shared)
            .or_else(|one| gateway(text, shared).map_err(|other| format!("{one}\nor\n{other}"))),
    }
}

#[test]
fn every_yaml_block_of_the_documentation_loads() {
    let shared = wiring::shared(Arc::new(All), &Naming::default()).unwrap();
    let mut all = vec![root().join("README.md")];
    pages(&root().join("docs"), &mut all);
    let mut seen = 0;
    let mut wrong = Vec::new();
    for page in &all {
        for (line, text) in blocks(&std::fs::read_to_string(page).unwrap()) {
            seen += 1;
            let loaded = match parse(&Source::new("sample", text.clone())) {
                Ok(tree) => loads(&text, &tree, &shared),
                Err(said) => Err(said.message),
            };
            if let Err(said) = loaded {
                wrong.push(format!("{}:{line}: {said}\n", page.display()));
            }
        }
    }
    assert!(seen > 50, "only {seen} blocks");
    assert!(wrong.is_empty(), "{} of {seen}:\n{}", wrong.len(), wrong.concat());
}

#[test]
fn a_sample_that_does_not_load_is_found() {
    let shared = wiring::shared(Arc::new(All), &Naming::default()).unwrap();
    for bad in [
        "on_http_request:\n  - type: denyy\n",
        "- type: deny\n  config: {statuscode: 1}\n",
        "- id: my own\n  base_url: 7\n",
        "model_selection: {strategyy: []}\n",
        "endpoints:\n  - listens: 1\n",
        "endpoints:\n  - listen: 127.0.0.1:1\n    traffic_policy:\n      on_http_request:\n        - type: denyy\n",
        "policy: nobody.yml\ntests: []\n",
    ] {
        let tree = parse(&Source::new("sample", bad)).unwrap();
        assert!(loads(bad, &tree, &shared).is_err(), "{bad}");
    }
}
