//! The certificate and key of an endpoint, in files that may change while it serves.

use super::pem::Identity;
use arc_swap::ArcSwap;
use secrecy::SecretString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// The files are looked at this often.
const POLL: Duration = Duration::from_secs(2);

/// The files of an endpoint, and what was in them last.
pub struct Certificates {
    cert: PathBuf,
    key: PathBuf,
    now: ArcSwap<Identity>,
    /// The state of the files before they were read.
    read: Seen,
}

impl Certificates {
    /// Reads them.
    ///
    /// # Errors
    /// What is wrong with which file.
    pub fn load(cert: &Path, key: &Path) -> Result<Self, String> {
        let before = seen(cert, key);
        let now = ArcSwap::from_pointee(read(cert, key)?);
        Ok(Self { cert: cert.to_owned(), key: key.to_owned(), now, read: before })
    }

    /// What is shown to clients now.
    #[must_use]
    pub fn identity(&self) -> Arc<Identity> {
        self.now.load_full()
    }
}

/// Enough of the state of both files to tell that they may have changed.
type Seen = [Option<(SystemTime, u64, PathBuf)>; 2];

fn seen(cert: &Path, key: &Path) -> Seen {
    [cert, key].map(|file| {
        let metadata = std::fs::metadata(file).ok()?;
        Some((metadata.modified().ok()?, metadata.len(), std::fs::canonicalize(file).ok()?))
    })
}

/// Takes new certificates into use when their files change, as those of Let's Encrypt do every few weeks. Connections that
/// are open keep theirs. Files that cannot be used leave the ones before in force.
pub fn watch(all: Vec<Arc<Certificates>>) {
    if all.is_empty() {
        return;
    }
    let mut watched: Vec<_> = all.into_iter().map(|one| (one.read.clone(), one)).collect();
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(POLL);
            for (before, certificates) in &mut watched {
                let now = seen(&certificates.cert, &certificates.key);
                if now != *before {
                    *before = now;
                    certificates.renew();
                }
            }
        }
    });
}

impl Certificates {
    fn renew(&self) {
        let file = self.cert.display();
        match read(&self.cert, &self.key) {
            Ok(identity) if identity.digest == self.now.load().digest => {}
            Ok(identity) => {
                self.now.store(Arc::new(identity));
                tracing::info!(%file, "the endpoint's certificate was renewed");
            }
            // Two files are not written at the same time: this may be over with the next look.
            Err(why) => tracing::error!(
                %file,
                "the changed certificate is not used; the one before stays in force: {why}"
            ),
        }
    }
}

fn read(cert: &Path, key: &Path) -> Result<Identity, String> {
    let text =
        |file: &Path| std::fs::read_to_string(file).map_err(|why| format!("{}: {why}", file.display()));
    let (chain, secret) = (text(cert)?, SecretString::from(text(key)?));
    Identity::parse(&chain, &secret)
        .map_err(|why| format!("{why} ({} and {})", cert.display(), key.display()))
}
