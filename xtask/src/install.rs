//! Installs what is pinned, once: a virtual environment of Python, a folder of Node's.

use crate::failure::{Result, said};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The interpreter of a virtual environment in `folder` that holds exactly what `requirements` says.
pub(crate) fn python(folder: &Path, requirements: &Path) -> Result<PathBuf> {
    let interpreter = folder.join("bin/python");
    let stamp = folder.join("installed.txt");
    if !same(requirements, &stamp) || !interpreter.exists() {
        to_end(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder))?;
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"];
        to_end(Command::new(&interpreter).args(pip).arg(requirements))?;
        // Last, so that an installation that broke off is begun anew.
        fs::copy(requirements, &stamp)?;
    }
    Ok(interpreter)
}

/// Sees that `folder`, which has `package.json` and its lock file, has `node_modules` as the lock file says.
pub(crate) fn node(folder: &Path) -> Result<()> {
    let lock = folder.join("package-lock.json");
    let stamp = folder.join("node_modules/.installed");
    if !same(&lock, &stamp) {
        to_end(Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(folder))?;
        fs::copy(&lock, &stamp)?;
    }
    Ok(())
}

fn same(a: &Path, b: &Path) -> bool {
    matches!((fs::read(a), fs::read(b)), (Ok(a), Ok(b)) if a == b)
}

fn to_end(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command.status().map_err(|why| said(format!("{program}: {why}")))?;
    if status.success() { Ok(()) } else { Err(said(format!("{command:?} failed"))) }
}
