//! Which crate may know which, and what the pure ones may not know.

use crate::failure::Result;
use crate::workspace::{files, root, shown};
use serde_json::Value as Json;
use std::fs;
use std::path::PathBuf;

/// Crates without I/O, clock and runtime.
pub(super) const PURE: [&str; 7] = [
    "tollgate-address",
    "tollgate-policy",
    "tollgate-expr",
    "tollgate-catalog",
    "tollgate-select",
    "tollgate-dialect",
    "tollgate-cloud",
];

/// The only crate that names Pingora.
const PROXY: &str = "tollgate-edge";

/// The only crate that may have unsafe code, with lints of its own that deny it wherever no reason is given.
const WITH_UNSAFE: &str = "tollgate-waf";

/// What may not come with a pure crate.
const RUNTIMES: [&str; 4] = ["tokio", "hyper", "mio", "pingora-core"];

/// What comes with a pure crate all the same. AWS's signer brings tokio's locks, which it does not use; tokio's I/O
/// would bring mio.
const BROUGHT_ALONG: [(&str, &str); 1] = [("tollgate-cloud", "tokio")];

/// The arrows: a package, and the packages of ours its code may use. Tests may use the mock as well.
const ARROWS: [(&str, &[&str]); 14] = [
    ("tollgate-address", &["tollgate-expr"]),
    ("tollgate-cloud", &[]),
    ("tollgate-expr", &[]),
    ("tollgate-dialect", &[]),
    ("tollgate-mock", &[]),
    ("tollgate-observe", &[]),
    (WITH_UNSAFE, &[]),
    ("tollgate-policy", &["tollgate-expr"]),
    ("tollgate-secrets", &["tollgate-expr"]),
    ("tollgate-catalog", &["tollgate-dialect"]),
    ("tollgate-select", &["tollgate-catalog", "tollgate-dialect", "tollgate-expr"]),
    (
        PROXY,
        &[
            "tollgate-address",
            "tollgate-catalog",
            "tollgate-cloud",
            "tollgate-dialect",
            "tollgate-expr",
            "tollgate-observe",
            "tollgate-policy",
            "tollgate-secrets",
            "tollgate-select",
            WITH_UNSAFE,
        ],
    ),
    (
        "tollgate",
        &[
            "tollgate-address",
            "tollgate-catalog",
            "tollgate-dialect",
            "tollgate-edge",
            "tollgate-expr",
            "tollgate-mock",
            "tollgate-observe",
            "tollgate-policy",
            "tollgate-secrets",
            "tollgate-select",
        ],
    ),
    ("xtask", &["tollgate-mock"]),
];

/// A package of the workspace.
pub(super) struct Package {
    name: String,
    manifest: PathBuf,
    /// Name, and whether only tests use it.
    dependencies: Vec<(String, bool)>,
}

/// The packages in what `cargo metadata` says.
pub(super) fn packages(metadata: &Json) -> Vec<Package> {
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &Json| value.as_array().cloned().unwrap_or_default();
    let package = |value: &Json| Package {
        name: text(&value["name"]),
        manifest: text(&value["manifest_path"]).into(),
        dependencies: list(&value["dependencies"])
            .iter()
            .map(|d| (text(&d["name"]), d["kind"] == "dev"))
            .collect(),
    };
    list(&metadata["packages"]).iter().map(package).collect()
}

pub(super) fn check(packages: &[Package]) -> Vec<String> {
    packages.iter().flat_map(check_one).collect()
}

/// No code but the proxy's names Pingora; comments and texts may.
pub(super) fn pingora_in_code() -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    for file in files(&root().join("crates"), &["rs"])? {
        let path = shown(&file);
        if path.starts_with("crates/edge/") {
            continue;
        }
        let text = fs::read_to_string(&file)?;
        let named = text.lines().enumerate().filter(|(_, line)| names_pingora(line));
        wrong.extend(named.map(|(at, _)| format!("{path}:{}: only crates/edge may name Pingora", at + 1)));
    }
    Ok(wrong)
}

/// Every crate takes over the lints of the workspace, `forbid(unsafe_code)` among them; but for one, which denies it.
pub(super) fn workspace_lints(packages: &[Package]) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    for package in packages {
        let wanted = match package.name == WITH_UNSAFE {
            true => "unsafe_code = \"deny\"",
            false => "[lints]\nworkspace = true",
        };
        if !fs::read_to_string(&package.manifest)?.contains(wanted) {
            wrong.push(format!("{}: lacks `{}`", shown(&package.manifest), wanted.replace('\n', " ")));
        }
    }
    Ok(wrong)
}

/// Runtimes in what `cargo tree --prefix none` says of a pure crate.
pub(super) fn runtime_in(package: &str, tree: &str) -> Vec<String> {
    let comes_with = |runtime: &&&str| tree.lines().any(|line| line.split(' ').next() == Some(**runtime));
    let line = |runtime: &&str| format!("{package}: is pure, but {runtime} comes with it");
    let allowed = |runtime: &&&str| BROUGHT_ALONG.contains(&(package, **runtime));
    RUNTIMES.iter().filter(comes_with).filter(|runtime| !allowed(runtime)).map(line).collect()
}

fn check_one(package: &Package) -> Vec<String> {
    let name = &package.name;
    let Some((_, allowed)) = ARROWS.iter().find(|(known, _)| known == name) else {
        return vec![format!("{name}: has no place among the arrows of xtask/src/structure/arrows.rs")];
    };
    let mut wrong = Vec::new();
    for (dependency, only_tests) in &package.dependencies {
        let ours = ARROWS.iter().any(|(known, _)| known == dependency);
        let test_helper = *only_tests && dependency == "tollgate-mock";
        if ours && !test_helper && !allowed.contains(&dependency.as_str()) {
            wrong.push(format!("{name}: may not depend on {dependency}"));
        }
        if dependency.starts_with("pingora") && name != PROXY {
            wrong.push(format!("{name}: depends on {dependency}; only {PROXY} may"));
        }
    }
    wrong
}

/// Texts do not count: the log filter has to name what it filters.
fn names_pingora(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    let mut outside_of_texts = code.split('"').step_by(2);
    outside_of_texts.any(|part| part.contains("pingora::") || crate_name(part))
}

/// Whether one of Pingora's crates is named here, rather than something that has its name within.
fn crate_name(code: &str) -> bool {
    let words = code.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.into_iter().any(|word| word.starts_with("pingora_"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn findings(name: &str, dependency: &str, kind: &Json) -> Vec<String> {
        let metadata = json!({"packages": [{
            "name": name, "manifest_path": "Cargo.toml", "dependencies": [{"name": dependency, "kind": kind}],
        }]});
        check(&packages(&metadata))
    }

    #[test]
    fn arrows_go_one_way() {
        assert!(findings("tollgate-policy", "tollgate-expr", &Json::Null).is_empty());
        assert_eq!(findings("tollgate-expr", "tollgate-policy", &Json::Null).len(), 1);
        assert_eq!(findings("tollgate-select", "tollgate-edge", &json!("dev")).len(), 1);
        assert!(findings("tollgate-select", "serde", &Json::Null).is_empty());
    }

    #[test]
    fn tests_may_use_the_mock_and_code_may_not() {
        assert!(findings("tollgate-edge", "tollgate-mock", &json!("dev")).is_empty());
        assert_eq!(findings("tollgate-edge", "tollgate-mock", &Json::Null).len(), 1);
    }

    #[test]
    fn pingora_stays_in_the_proxy() {
        assert!(findings(PROXY, "pingora-core", &Json::Null).is_empty());
        assert_eq!(findings("tollgate", "pingora-core", &Json::Null).len(), 1);
        assert!(names_pingora("use pingora_core::server::Server;"));
        assert!(!names_pingora("fn info_and_pingora_at_warn() {"));
        assert!(!names_pingora("// as pingora_core does it"));
        assert!(!names_pingora("filter(\"pingora_core=warn\")"));
    }

    #[test]
    fn unknown_packages_are_noticed() {
        assert_eq!(findings("tollgate-new", "serde", &Json::Null).len(), 1);
    }

    #[test]
    fn a_runtime_in_the_tree_is_found() {
        let tree = "tollgate-expr v0.1.0\nbytes v1.0.0\ntokio-util v0.7.0\n";
        assert!(runtime_in("tollgate-expr", tree).is_empty());
        assert_eq!(runtime_in("tollgate-expr", "bytes v1.0.0\ntokio v1.54.1 (*)\n").len(), 1);
        let brought = "tollgate-cloud v0.1.0\ntokio v1.54.1\n";
        assert!(runtime_in("tollgate-cloud", brought).is_empty());
        assert_eq!(runtime_in("tollgate-cloud", &format!("{brought}mio v1.0.0\n")).len(), 1);
    }
}
