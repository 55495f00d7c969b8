//! Where this process looks for secrets, and the stand-ins of commands that send nothing.

use crate::cli::SecretArgs;
use crate::config::Place;
use crate::error::CliError;
use secrecy::SecretString;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use tollgate_catalog::Catalog;
use tollgate_secrets::{MissingSecret, SecretSource, SecretStore, Source, VaultKey};

/// The places of a process, in order.
pub(crate) struct Secrets {
    places: Vec<Opened>,
}

enum Opened {
    Store(SecretStore),
    /// A vault whose key did not exist yet when the process began: `tollgate secrets create` makes both.
    Later {
        path: PathBuf,
        store: OnceLock<SecretStore>,
    },
}

impl Secrets {
    /// Opens the places: those of the command line first, then those of the configuration file, or else the
    /// environment and the local vault.
    ///
    /// # Errors
    /// A vault's key that cannot be used.
    pub(crate) fn open(
        args: &SecretArgs,
        file: Option<&[Place]>,
        catalog: &Catalog,
    ) -> Result<Self, CliError> {
        let places = in_order(args, file, default_vault());
        let open = |place: Place| match place {
            Place::Folder(path) => Ok(store(Source::Directory(path))),
            Place::Environment => Ok(store(Source::Environment { known: usual_variables(catalog) })),
            Place::Vault(path) => match VaultKey::find(&path) {
                Ok(Some(key)) => Ok(store(Source::Vault(path, key))),
                Ok(None) => Ok(Opened::Later { path, store: OnceLock::new() }),
                Err(wrong) => Err(CliError::failed(wrong.to_string())),
            },
        };
        Ok(Self { places: places.into_iter().map(open).collect::<Result<_, _>>()? })
    }

    /// Why places give nothing, for the operator.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for place in &self.places {
            match place {
                Opened::Store(store) => problems.extend(store.problems().iter().map(ToString::to_string)),
                Opened::Later { path, .. } if path.exists() => problems.push(format!(
                    "the vault {} has no key: set {} or put the key into {}",
                    path.display(),
                    tollgate_secrets::KEY_VARIABLE,
                    VaultKey::file_beside(path).display()
                )),
                Opened::Later { .. } => {}
            }
        }
        problems
    }
}

impl SecretSource for Secrets {
    fn secret(&self, vault: &str, name: &str) -> Result<SecretString, MissingSecret> {
        let found = self.places.iter().find_map(|place| match place {
            Opened::Store(store) => store.get(vault, name).ok(),
            Opened::Later { path, store } => later(path, store)?.get(vault, name).ok(),
        });
        found.ok_or_else(|| MissingSecret { vault: vault.into(), name: name.into() })
    }
}

fn store(source: Source) -> Opened {
    Opened::Store(SecretStore::new(vec![source]))
}

/// The vault, once somebody has made it.
fn later<'a>(path: &Path, opened: &'a OnceLock<SecretStore>) -> Option<&'a SecretStore> {
    if opened.get().is_none() && path.exists() {
        let key = VaultKey::find(path).ok()??;
        return Some(opened.get_or_init(|| SecretStore::new(vec![Source::Vault(path.to_owned(), key)])));
    }
    opened.get()
}

fn in_order(args: &SecretArgs, file: Option<&[Place]>, default_vault: Option<PathBuf>) -> Vec<Place> {
    let mut places: Vec<Place> = args.secrets_dir.iter().cloned().map(Place::Folder).collect();
    let flagged = args.vault_file.clone().map(Place::Vault);
    match file {
        Some(listed) => {
            places.extend(listed.iter().cloned());
            places.extend(flagged);
        }
        None => {
            places.push(Place::Environment);
            places.extend(flagged.or(default_vault.map(Place::Vault)));
        }
    }
    places
}

/// The variables in which keys of built-in providers usually are: `OPENAI_API_KEY` is `('openai', 'api-key')`.
fn usual_variables(catalog: &Catalog) -> Vec<(String, String, String)> {
    let known = |provider: &std::sync::Arc<tollgate_catalog::Provider>| {
        provider
            .key_env
            .as_ref()
            .map(|variable| (provider.id.clone(), "api-key".to_owned(), variable.clone()))
    };
    catalog.providers().iter().chain(catalog.unlisted()).filter_map(known).collect()
}

/// `tollgate/vault.json` in the user's configuration folder; none when there is no such folder.
pub(crate) fn default_vault() -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let config = folder("XDG_CONFIG_HOME").or_else(|| folder("HOME").map(|home| home.join(".config")))?;
    Some(config.join("tollgate").join("vault.json"))
}

/// Real secrets, and a stand-in for each one that is missing: for `explain`, which sends nothing.
pub(crate) struct StandIns<S> {
    real: S,
    missing: Mutex<BTreeSet<(String, String)>>,
}

impl<S> StandIns<S> {
    /// Stand-ins for what `real` does not have.
    pub(crate) fn new(real: S) -> Self {
        Self { real, missing: Mutex::default() }
    }

    /// What was asked for and is missing: vault and name.
    pub(crate) fn missing(&self) -> Vec<(String, String)> {
        self.missing.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

/// The stand-in of a secret; long enough to be told from others when it is shown trimmed.
pub(crate) fn stand_in(vault: &str, name: &str) -> String {
    format!("{}{vault}-{name}", tollgate_edge::dry::STAND_IN)
}

impl<S: SecretSource> SecretSource for StandIns<S> {
    fn secret(&self, vault: &str, name: &str) -> Result<SecretString, MissingSecret> {
        self.real.secret(vault, name).or_else(|missing| {
            let mut seen = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
            seen.insert((missing.vault, missing.name));
            Ok(SecretString::from(stand_in(vault, name)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    #[test]
    fn flags_come_first_and_the_file_replaces_the_defaults() {
        let args = SecretArgs { secrets_dir: Some("d".into()), vault_file: None };
        let folder = Place::Folder("d".into());
        let vault = || Place::Vault("home".into());
        assert_eq!(in_order(&args, None, Some("home".into())), [folder.clone(), Place::Environment, vault()]);
        assert_eq!(in_order(&args, Some(&[vault()]), None), [folder, vault()]);
        let args = SecretArgs { secrets_dir: None, vault_file: Some("flag".into()) };
        let flagged = Place::Vault("flag".into());
        assert_eq!(in_order(&args, None, Some("home".into())), [Place::Environment, flagged]);
    }

    #[test]
    fn usual_variables_are_those_of_the_catalogue() {
        let known = usual_variables(&Catalog::builtin());
        let openrouter = ("openrouter".into(), "api-key".into(), "OPENROUTER_API_KEY".into());
        assert!(known.contains(&openrouter), "{known:?}");
        let azure = ("azure".into(), "api-key".into(), "AZURE_OPENAI_API_KEY".into());
        assert!(known.contains(&azure), "also of providers that only policies bring in: {known:?}");
    }

    #[test]
    fn a_vault_made_after_the_start_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vault.json");
        let place = Opened::Later { path: path.clone(), store: OnceLock::new() };
        let secrets = Secrets { places: vec![place] };
        assert!(secrets.secret("v", "n").is_err());
        let vault = tollgate_secrets::Vault::open(&path, VaultKey::find_or_create(&path).unwrap()).unwrap();
        vault.put("v", "n", &SecretString::from("value")).unwrap();
        assert_eq!(secrets.secret("v", "n").unwrap().expose_secret(), "value");
    }

    #[test]
    fn stand_ins_are_remembered() {
        let secrets = StandIns::new(tollgate_expr::NoSecrets);
        assert_eq!(secrets.secret("v", "n").unwrap().expose_secret(), "sk-placeholder-v-n");
        assert_eq!(secrets.missing(), [("v".to_owned(), "n".to_owned())]);
    }
}
