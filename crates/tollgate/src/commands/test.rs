//! `tollgate test`: requests, scripted providers, expectations. The format is in `docs/policy-tests.md`.

mod compare;
mod file;
mod run;

use crate::cli::TestArgs;
use crate::error::CliError;
use crate::output;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tollgate_policy::{Diagnostic, Diagnostics, Location, Severity, Source};

/// Whether a file holds tests, by its name.
pub(crate) fn is_test_file(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.ends_with(".test.yml") || name.ends_with(".test.yaml")
}

/// What is wrong with a test file, for `check`; its policy is looked for, not read.
pub(crate) fn findings(source: Source, path: &Path) -> Diagnostics {
    let name = source.name.clone();
    let file = match file::parse(source, path) {
        Ok(file) => file,
        Err(findings) => return findings.found,
    };
    let named = [("policy", Some(&file.policy)), ("config", file.config.as_ref())];
    let missing = named.into_iter().filter_map(|(key, path)| {
        let path = path.filter(|path| !path.is_file())?;
        let what = if key == "policy" { "policy" } else { "configuration file" };
        Some(Diagnostic {
            severity: Severity::Error,
            file: name.clone(),
            at: Location::START,
            code: "test-file",
            message: format!("there is no {what} {}", path.display()),
            help: Some(format!("`{key}` is relative to this file")),
        })
    });
    Diagnostics::new(missing.collect())
}

/// What came of some tests.
#[derive(Debug, Default)]
struct Tally {
    passed: usize,
    failed: usize,
    /// Files that cannot be run.
    wrong: usize,
}

/// Runs every file; exit code 1 when something failed.
///
/// # Errors
/// Nothing to run.
pub(crate) fn run(args: &TestArgs) -> Result<ExitCode, CliError> {
    let files = files(&args.path)?;
    let runtime = crate::wiring::runtime()?;
    let mut tally = Tally::default();
    for path in &files {
        match file::read(path).and_then(|file| run::all(&file, &runtime)) {
            Ok(results) => {
                let failed = results.iter().filter(|result| result.is_some()).count();
                tally.passed += results.len() - failed;
                tally.failed += failed;
                let state = if failed == 0 { "ok  " } else { "FAIL" };
                output::say(&format!(
                    "{state} {}: {} passed, {failed} failed",
                    path.display(),
                    results.len() - failed
                ));
                results.iter().flatten().for_each(|report| output::print(report));
            }
            Err(said) => {
                tally.wrong += 1;
                output::say(&format!("FAIL {}: cannot be run", path.display()));
                output::complain(&said);
            }
        }
    }
    let mut summary = format!("{} passed, {} failed", tally.passed, tally.failed);
    if tally.wrong > 0 {
        summary.push_str(&format!(", {} not run", output::count(tally.wrong, "file")));
    }
    output::say(&summary);
    Ok(if tally.failed + tally.wrong == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// The test files of paths: a file is one whatever its name, of a folder those with the right ending.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, CliError> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let before = files.len();
            in_folder(path, &mut files)?;
            if files.len() == before {
                return Err(CliError::usage(format!("there is no file *.test.yml in {}", path.display())));
            }
        } else if path.exists() {
            files.push(path.clone());
        } else {
            return Err(CliError::usage(format!("there is no file or folder {}", path.display())));
        }
    }
    Ok(files)
}

fn in_folder(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), CliError> {
    let unreadable = |reason: std::io::Error| CliError::unreadable(folder, &reason);
    let entries = std::fs::read_dir(folder).map_err(unreadable)?;
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in entries {
        let entry = entry.map_err(unreadable)?;
        // A link to a folder could lead in a circle; only folders themselves are entered.
        let is_folder = entry.file_type().map_err(unreadable)?.is_dir();
        if is_folder || is_test_file(&entry.path()) {
            paths.push(entry.path());
        }
    }
    paths.sort();
    for path in paths {
        if path.is_dir() {
            in_folder(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_searched_and_files_taken_as_they_are() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("sub")).unwrap();
        for name in ["b.test.yml", "a.test.yaml", "policy.yml", "sub/c.test.yml", "odd.txt"] {
            std::fs::write(root.path().join(name), "").unwrap();
        }
        let paths = [root.path().to_owned(), root.path().join("odd.txt")];
        let found = files(&paths).unwrap();
        let names: Vec<_> = found.iter().filter_map(|p| p.strip_prefix(root.path()).ok()?.to_str()).collect();
        assert_eq!(names, ["a.test.yaml", "b.test.yml", "sub/c.test.yml", "odd.txt"]);
        assert!(files(&[root.path().join("none")]).is_err());
    }
}
