//! What no compiler checks. Each check gives lines; none at all is good.

mod arrows;
mod documented;
mod sizes;

use crate::failure::{Result, said};
use crate::workspace::{cargo_output, metadata, root};
use std::fs;

/// The top level of the repository. Names that begin with a dot are free.
const TOP_LEVEL: [&str; 14] = [
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "Makefile",
    "README.md",
    "clippy.toml",
    "crates",
    "deny.toml",
    "docs",
    "examples",
    "policies",
    "rustfmt.toml",
    "tests",
];
/// Folders that are there without being the project's, and this one.
const ALSO: [&str; 2] = ["target", "xtask"];

/// Runs every check and shows all that is wrong.
pub(crate) fn check() -> Result<()> {
    let metadata = metadata()?;
    let packages = arrows::packages(&metadata);
    let mut wrong = top_level()?;
    wrong.extend(sizes::check()?);
    wrong.extend(arrows::check(&packages));
    wrong.extend(arrows::pingora_in_code()?);
    wrong.extend(arrows::workspace_lints(&packages)?);
    for package in arrows::PURE {
        let tree = cargo_output(&["tree", "--locked", "-p", package, "-e", "normal", "--prefix", "none"])?;
        wrong.extend(arrows::runtime_in(package, &tree));
    }
    let manifest = fs::read_to_string(root().join("Cargo.toml"))?;
    let page = fs::read_to_string(root().join("docs/dependencies.md"))?;
    wrong.extend(documented::check(&manifest, &page));
    for line in &wrong {
        eprintln!("{line}");
    }
    if !wrong.is_empty() {
        return Err(said(format!("structure: {} findings", wrong.len())));
    }
    println!("structure: ok ({} packages)", packages.len());
    Ok(())
}

fn top_level() -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    for entry in fs::read_dir(root())? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let known = TOP_LEVEL.contains(&name.as_str()) || ALSO.contains(&name.as_str());
        if !known && !name.starts_with('.') {
            wrong.push(format!("{name}: does not belong at the top level"));
        }
    }
    Ok(wrong)
}
