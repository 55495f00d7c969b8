//! Runs the tests of a file.

use super::compare::compare;
use super::file::{Case, TestFile};
use crate::naming::Naming;
use crate::{settings, wiring};
use std::sync::Arc;
use tokio::runtime::Runtime;
use tollgate_edge::Addressing;
use tollgate_edge::explain::explain;
use tollgate_policy::Source;
use tollgate_secrets::{SecretStore, Source as Place};

/// Where the generator of chance begins in each test.
const SEED: u64 = 1;

/// Runs all tests; for each one nothing, or a report of its failure.
///
/// # Errors
/// The policy or the configuration cannot be read or has errors.
pub(super) fn all(file: &TestFile, runtime: &Runtime) -> Result<Vec<Option<String>>, String> {
    let policy = wiring::source(&file.policy).map_err(|error| error.to_string())?;
    let config = file.config.as_deref().map(settings::read_config).transpose().map_err(|e| e.to_string())?;
    // Without a configuration nobody can say which IP policies there are.
    let addressing = config.map_or(Ok(Addressing::default()), |config| {
        wiring::addressing(config.addresses).map(|(addressing, _)| addressing)
    });
    let addressing = addressing.map_err(|error| error.to_string())?;
    file.cases.iter().map(|case| one(file, case, (&policy, &addressing), runtime)).collect()
}

/// Everything is made anew: no count, no metric and no open breaker outlives a test.
fn one(
    file: &TestFile,
    case: &Case,
    (policy, addressing): (&Source, &Addressing),
    runtime: &Runtime,
) -> Result<Option<String>, String> {
    fastrand::seed(SEED);
    let secrets = SecretStore::new(vec![Place::Fixed(file.secrets.clone())]);
    let mut shared =
        wiring::shared(Arc::new(secrets), &Naming::default()).map_err(|error| error.to_string())?;
    shared.addressing = addressing.clone();
    // A missing secret is a warning, and may be what is tested.
    let (engine, _) = wiring::engine(policy, &shared).map_err(|error| error.to_string())?;
    let explained = runtime.block_on(explain(&engine, &shared, case.request.clone(), case.script.clone()));
    let differences = compare(&case.expect, &explained);
    if differences.is_empty() {
        return Ok(None);
    }
    let mut report = format!("  {}:{}: {}\n", file.path.display(), case.at.line, case.name);
    differences.iter().for_each(|difference| report.push_str(&difference.to_string()));
    Ok(Some(report))
}
