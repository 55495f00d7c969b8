//! Files that only their owner can read, replaced in one step.

use super::VaultError;
use super::envelope::Envelope;
use aes_gcm::aead::OsRng;
use aes_gcm::aead::rand_core::RngCore as _;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Reads a vault file; nothing if there is none.
pub(crate) fn read(path: &Path) -> Result<Option<Envelope>, VaultError> {
    match fs::read(path) {
        Ok(text) => Envelope::parse(&text).map(Some).ok_or_else(|| VaultError::NoVault(path.into())),
        Err(reason) if reason.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(reason) => Err(VaultError::Io { path: path.into(), reason }),
    }
}

/// Replaces a vault file: whoever reads it sees all of the old one or all of the new one, also after a crash.
pub(crate) fn write(path: &Path, envelope: &Envelope) -> Result<(), VaultError> {
    let temporary = beside(path, &format!(".{:016x}.tmp", OsRng.next_u64()));
    let written = create(&temporary, &envelope.text()?)
        .and_then(|()| fs::rename(&temporary, path).map_err(VaultError::io(path)));
    if written.is_err() {
        // The error that is told is the first one.
        let _ = fs::remove_file(&temporary);
        return written;
    }
    sync_folder(path)
}

/// Makes a file of mode 0600 that must not exist, and sees it onto the disk.
pub(crate) fn create(path: &Path, text: &[u8]) -> Result<(), VaultError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let done = options.open(path).and_then(|mut file| {
        file.write_all(text)?;
        file.sync_all()
    });
    done.map_err(VaultError::io(path))
}

/// Waits until no other process changes the vault. The lock ends with the file handle.
pub(crate) fn lock(path: &Path) -> Result<File, VaultError> {
    let path = beside(path, ".lock");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let locked = options.open(&path).and_then(|file| file.lock().map(|()| file));
    locked.map_err(VaultError::io(path))
}

/// Whether group or others have any right to a file.
#[cfg(unix)]
pub(crate) fn is_open_to_others(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(fs::metadata(path)?.permissions().mode() & 0o077 != 0)
}

/// Whether group or others have any right to a file: not known here.
#[cfg(not(unix))]
pub(crate) fn is_open_to_others(_: &Path) -> io::Result<bool> {
    Ok(false)
}

/// A rename is lasting once the folder is on the disk.
#[cfg(unix)]
fn sync_folder(path: &Path) -> Result<(), VaultError> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|f| f.sync_all()).map_err(VaultError::io(folder))
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> Result<(), VaultError> {
    Ok(())
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    name.into()
}
