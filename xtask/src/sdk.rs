//! The official SDKs, a browser with a certified OpenID provider, and a collector of traces against the built binary:
//! installs pinned versions, runs their tests.
//!
//! The tests find the binary in `TOLLGATE_BIN` and the mock providers in `MOCK_BIN`, and write what they saw to the
//! folder in `MATRIX_FOLDER`. Installing is skipped while the pins have not changed.

use crate::failure::{Result, said};
use crate::install;
use crate::matrix;
use crate::step::{self, Done};
use crate::workspace::{cache, root};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const PYTHON: &str = "SDKs for Python";
const NODE: &str = "SDKs for Node";
const LOGIN: &str = "logins in a browser";
/// What the tests of traces are called.
pub(crate) const TRACES: &str = "traces in a collector";

/// Runs all; a failure of one does not hide the others.
pub(crate) fn run(binary: &Path) -> Result<Vec<Done>> {
    // What an earlier run saw says nothing of this one.
    if matrix::folder().exists() {
        fs::remove_dir_all(matrix::folder())?;
    }
    let python = python(binary).unwrap_or_else(|why| step::not_run(PYTHON, &why.to_string()));
    let node =
        |name, folder| node(name, folder, binary).unwrap_or_else(|why| step::not_run(name, &why.to_string()));
    Ok(vec![python, node(NODE, "tests/sdk/node"), node(LOGIN, "tests/sdk/login")])
}

/// Traces of a gateway that was built with them.
pub(crate) fn traces(gateway: &Path, mock: &Path) -> Result<Done> {
    let mut pytest = pytest("tests/traces", "venv-traces")?;
    pytest.env("TOLLGATE_OTEL_BIN", gateway).env("MOCK_BIN", mock);
    step::run(TRACES, &mut pytest, step::pytest)
}

/// The tests of a folder, in an environment with what it pins.
fn pytest(folder: &str, environment: &str) -> Result<Command> {
    let interpreter = install::python(&cache(environment)?, &root().join(folder).join("requirements.txt"))?;
    let mut pytest = Command::new(interpreter);
    pytest.args(["-m", "pytest", "-q", "-p", "no:cacheprovider", folder]).current_dir(root());
    pytest.env("PYTHONDONTWRITEBYTECODE", "1");
    Ok(pytest)
}

fn python(binary: &Path) -> Result<Done> {
    let mut pytest = pytest("tests/sdk/python", "venv")?;
    pytest.env("TOLLGATE_BIN", binary);
    pytest.env("MOCK_BIN", binary.with_file_name("mock-providers")).env("MATRIX_FOLDER", matrix::folder());
    step::run(PYTHON, &mut pytest, step::pytest)
}

fn node(name: &str, place: &str, binary: &Path) -> Result<Done> {
    let folder = root().join(place);
    install::node(&folder)?;
    let mut tests: Vec<PathBuf> = fs::read_dir(&folder)?.flatten().map(|entry| entry.path()).collect();
    tests.retain(|path| path.to_string_lossy().ends_with(".test.mjs"));
    tests.sort();
    if tests.is_empty() {
        return Err(said(format!("{place} has no *.test.mjs")));
    }
    let mut node = Command::new("node");
    // Files by name: what a folder means here differs between versions of Node.
    node.args(["--test", "--test-reporter=spec"])
        .args(tests)
        .current_dir(&folder)
        .env("TOLLGATE_BIN", binary)
        .env("MOCK_BIN", binary.with_file_name("mock-providers"))
        .env("MATRIX_FOLDER", matrix::folder());
    step::run(name, &mut node, step::node_test)
}
