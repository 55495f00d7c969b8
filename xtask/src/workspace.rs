//! Where things are in the working copy, and what Cargo says of it.

use crate::failure::{Result, said};
use serde_json::Value as Json;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Folders that hold nothing of ours.
const FOREIGN: [&str; 4] = ["target", "node_modules", ".cache", ".git"];

/// The folder of the root `Cargo.toml`.
pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// A folder below `.cache`, made if it is not there. It is not under version control.
pub(crate) fn cache(name: &str) -> Result<PathBuf> {
    let folder = root().join(".cache").join(name);
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// A program in the folder of the profile (`debug`, `release`).
pub(crate) fn built(profile: &str, program: &str) -> PathBuf {
    root().join("target").join(profile).join(program)
}

/// All files below a folder with one of these extensions, sorted. A folder that does not exist has none.
pub(crate) fn files(folder: &Path, extensions: &[&str]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let entry = entry?;
            let (path, kind) = (entry.path(), entry.file_type()?);
            let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
            if kind.is_dir() && !FOREIGN.contains(&name) {
                folders.push(path);
            } else if kind.is_file() && has_extension(&path, extensions) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The path as it is written in messages: relative to the root.
pub(crate) fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// `cargo metadata` of the workspace's own packages.
pub(crate) fn metadata() -> Result<Json> {
    let arguments = ["metadata", "--no-deps", "--format-version", "1", "--locked"];
    Ok(serde_json::from_str(&cargo_output(&arguments)?)?)
}

/// What a `cargo` command writes to its standard output.
pub(crate) fn cargo_output(arguments: &[&str]) -> Result<String> {
    let output = Command::new("cargo").args(arguments).current_dir(root()).output()?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(said(format!("`cargo {}` failed:\n{why}", arguments.join(" "))));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    path.extension().and_then(OsStr::to_str).is_some_and(|found| extensions.contains(&found))
}
