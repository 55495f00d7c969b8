//! `tollgate check`: every mistake of policies, and of the test files beside them.

use super::test;
use crate::cli::{CheckArgs, LogForm};
use crate::error::CliError;
use crate::naming::Naming;
use crate::secrets::Secrets;
use crate::{output, settings, wiring};
use serde_json::{Value, json};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use tollgate_catalog::Catalog;
use tollgate_edge::engine::{Engine, Shared};
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
    let secrets = Secrets::open(&args.secrets, None, &Catalog::builtin())?;
    let mut shared = wiring::shared(Arc::new(secrets), &Naming::default())?;
    let mut checked: Vec<Checked> = Vec::new();
    if let Some(config) = &args.config {
        match settings::read_config(config).and_then(|file| wiring::addressing(file.addresses)) {
            Ok((addressing, _)) => shared.addressing = addressing,
            Err(wrong) => checked.push(unusable(config, "config", &wrong)),
        }
    }
    checked.extend(args.policy.iter().map(|path| check(path, &shared)));
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
