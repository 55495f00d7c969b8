//! `tollgate check`: every mistake of policies, and of the test files beside them.

use super::test;
use crate::cli::{CheckArgs, LogForm, ServeArgs};
use crate::error::CliError;
use crate::naming::Naming;
use crate::secrets::Secrets;
use crate::settings::{First, settle};
use crate::{output, wiring};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use tollgate_catalog::Catalog;
use tollgate_edge::engine::{Engine, Shared};
use tollgate_edge::internal::Directory;
use tollgate_edge::server::check_policies;
use tollgate_policy::{Diagnostic, Diagnostics, Location, Severity, Source};

/// What came of one file.
struct Checked {
    name: String,
    text: String,
    json: Vec<Value>,
    errors: usize,
    warnings: usize,
}

/// Checks every file, also after a bad one.
///
/// # Errors
/// None of a policy's own: those are printed.
pub(crate) fn run(args: &CheckArgs) -> Result<ExitCode, CliError> {
    let mut checked: Vec<Checked> = Vec::new();
    let settled = args.config.as_ref().map(|config| (config, configured(config, args)));
    let shared = match settled {
        Some((_, Ok((shared, served)))) => {
            checked.extend(served);
            shared
        }
        other => {
            if let Some((config, Err(wrong))) = other {
                checked.push(unusable(config, "config", &wrong));
            }
            let secrets = Secrets::open(&args.secrets, None, &Catalog::builtin())?;
            wiring::shared(Arc::new(secrets), &Naming::default())?
        }
    };
    // A policy of an endpoint was looked at as that endpoint's.
    let told = |path: &&PathBuf| !checked.iter().any(|before| *before.name == *path.display().to_string());
    let rest: Vec<&PathBuf> = args.policy.iter().filter(told).collect();
    checked.extend(rest.into_iter().map(|path| check(path, &shared)));
    match args.format {
        LogForm::Json => {
            let all: Vec<&Value> = checked.iter().flat_map(|file| &file.json).collect();
            output::say(&format!("{:#}", json!({ "diagnostics": all })));
        }
        LogForm::Text => checked.iter().for_each(|file| output::print(&report(file))),
    }
    let good = checked.iter().all(|file| file.errors == 0);
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// What a configuration gives to policies, and what came of the policies of its endpoints.
fn configured(config: &Path, args: &CheckArgs) -> Result<(Shared, Vec<Checked>), CliError> {
    let serve =
        ServeArgs { config: Some(config.to_owned()), secrets: args.secrets.clone(), ..ServeArgs::default() };
    let settings = settle(&serve, First::default())?;
    let mut shared = wiring::shared(Arc::new(settings.secrets), &settings.naming)?;
    let urls = settings.internal.iter().map(|endpoint| endpoint.url.clone()).collect();
    shared.internal = Arc::new(Directory::declare(urls));
    (shared.addressing, _) = wiring::addressing(settings.addresses)?;
    let mut served = Vec::new();
    for (source, found) in check_policies(&settings.endpoints, &settings.internal, &shared) {
        let found = found.map_err(|wrong| CliError::failed(wrong.to_string()))?;
        // Several good policies in one file are said of once, those that are built in not at all.
        let told = served.iter().any(|before: &Checked| before.name == source.name);
        if !found.is_empty() || !told && Path::new(&source.name).exists() {
            served.push(checked(source.name.clone(), found.render_text(&source), &found));
        }
    }
    Ok((shared, served))
}

fn check(path: &Path, shared: &Shared) -> Checked {
    match wiring::source(path) {
        Ok(source) => {
            let found = if test::is_test_file(path) {
                test::findings(source.clone(), path)
            } else {
                Engine::load(&source, shared).diagnostics
            };
            checked(source.name.clone(), found.render_text(&source), &found)
        }
        Err(wrong) => unusable(path, "unreadable", &wrong),
    }
}

/// A file that cannot be checked. In the JSON form this, too, is a finding: a program reads nothing else.
fn unusable(path: &Path, code: &'static str, wrong: &CliError) -> Checked {
    let name = path.display().to_string();
    let said = wrong.to_string();
    let finding = Diagnostic {
        severity: Severity::Error,
        file: name.clone(),
        at: Location::START,
        code,
        message: said.trim_start_matches("error: ").trim_end().to_owned(),
        help: None,
    };
    let found = Diagnostics::new(vec![finding]);
    checked(name, format!("{}\n", said.trim_end()), &found)
}

fn checked(name: String, text: String, found: &Diagnostics) -> Checked {
    let json = found.to_json().get("diagnostics").and_then(Value::as_array).cloned().unwrap_or_default();
    let errors = found.errors().count();
    Checked { name, text, json, errors, warnings: found.len() - errors }
}

fn report(file: &Checked) -> String {
    let Checked { name, text, errors, warnings, .. } = file;
    let counts = match (errors, warnings) {
        (0, 0) => return format!("{name}: good\n"),
        (0, _) => format!("good, {}", output::count(*warnings, "warning")),
        (_, 0) => output::count(*errors, "error"),
        _ => format!("{}, {}", output::count(*errors, "error"), output::count(*warnings, "warning")),
    };
    format!("{text}{name}: {counts}\n")
}

/// A policy's findings, for commands that want a good one.
///
/// # Errors
/// The policy has errors.
pub(crate) fn good(source: &Source, shared: &Shared) -> Result<Arc<Engine>, CliError> {
    let (engine, warnings) = wiring::engine(source, shared)?;
    if !warnings.is_empty() {
        output::complain(&warnings);
    }
    Ok(engine)
}
