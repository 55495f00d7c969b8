//! `tollgate secrets`: the local vault. Never prints a value.

use crate::cli::{CreateArgs, DeleteArgs, ListArgs, SecretsCommand, VaultArgs};
use crate::error::CliError;
use crate::output;
use crate::secrets::default_vault;
use crate::table::Table;
use secrecy::SecretString;
use serde_json::json;
use std::fs::DirBuilder;
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tollgate_secrets::{Vault, VaultError, VaultKey};

/// Carries out the command.
///
/// # Errors
/// A vault that cannot be read or written, or a name or value that is not allowed.
pub(crate) fn run(command: &SecretsCommand) -> Result<ExitCode, CliError> {
    match command {
        SecretsCommand::Create(args) => create(args),
        SecretsCommand::List(args) => list(args),
        SecretsCommand::Delete(args) => delete(args),
    }?;
    Ok(ExitCode::SUCCESS)
}

fn create(args: &CreateArgs) -> Result<(), CliError> {
    let path = vault_path(&args.place)?;
    match (&args.secret_data, &args.vault, &args.value) {
        (Some(data), None, None) => {
            let data = given(data, false)?;
            open(&path)?.put_data(&args.name, &data).map_err(failed)?;
            output::say(&format!("stored the values of `{}` in {}", args.name, path.display()));
            output::say(&format!("read one with secrets.get('{}', '<key>')", args.name));
        }
        (None, vault, Some(value)) => {
            // Where `secrets.get` with one argument looks.
            let vault = vault.as_deref().unwrap_or("default");
            let value = given(value, true)?;
            let replaced = open(&path)?.put(vault, &args.name, &value).map_err(failed)?;
            let verb = if replaced { "replaced" } else { "stored" };
            output::say(&format!("{verb} `{}` of vault `{vault}` in {}", args.name, path.display()));
            output::say(&format!("read it with secrets.get('{vault}', '{}')", args.name));
        }
        _ => {
            return Err(CliError::usage(
                "give either [--vault V] --name N --value VALUE, or --name N --secret-data JSON; `-` as VALUE or JSON \
                 reads standard input",
            ));
        }
    }
    Ok(())
}

fn list(args: &ListArgs) -> Result<(), CliError> {
    let path = vault_path(&args.place)?;
    let entries = Vault::list(&path).map_err(failed)?;
    if args.json {
        let all: Vec<_> = entries.iter().map(|e| json!({"vault": e.vault, "name": e.name})).collect();
        output::say(&format!("{:#}", json!({ "secrets": all })));
        return Ok(());
    }
    if entries.is_empty() {
        output::say(&format!("there are no secrets in {}", path.display()));
        return Ok(());
    }
    let mut table = Table::new(&["vault", "name"]);
    entries.into_iter().for_each(|entry| table.row([entry.vault, entry.name]));
    output::print(&table.render(0));
    Ok(())
}

fn delete(args: &DeleteArgs) -> Result<(), CliError> {
    let path = vault_path(&args.place)?;
    let missing = |what: String| CliError::failed(format!("there is no {what} in {}", path.display()));
    if !path.exists() {
        return Err(CliError::failed(format!("there is no vault at {}", path.display())));
    }
    let vault = open(&path)?;
    match &args.vault {
        Some(name) => {
            if !vault.delete(name, &args.name).map_err(failed)? {
                return Err(missing(format!("secret `{}` of vault `{name}`", args.name)));
            }
            output::say(&format!("deleted `{}` of vault `{name}`", args.name));
        }
        None => {
            if !vault.delete_all(&args.name).map_err(failed)? {
                return Err(missing(format!("secret `{}`", args.name)));
            }
            output::say(&format!("deleted `{}` and all its values", args.name));
        }
    }
    Ok(())
}

/// A value of the command line, or standard input for `-`. Of a plain value the newline at its end is dropped.
fn given(text: &str, plain: bool) -> Result<SecretString, CliError> {
    if text != "-" {
        return Ok(SecretString::from(text));
    }
    if std::io::stdin().is_terminal() {
        output::complain("type the value, then Enter and Ctrl-D");
    }
    let mut read = String::new();
    let done = std::io::stdin().lock().read_to_string(&mut read);
    done.map_err(|reason| CliError::failed(format!("cannot read standard input: {reason}")))?;
    if plain {
        let line = read.strip_suffix('\n').unwrap_or(&read);
        read = line.strip_suffix('\r').unwrap_or(line).to_owned();
    }
    Ok(SecretString::from(read))
}

fn vault_path(args: &VaultArgs) -> Result<PathBuf, CliError> {
    args.vault_file.clone().or_else(default_vault).ok_or_else(|| {
        CliError::usage("there is no home folder for the vault; say where it is with --vault-file FILE")
    })
}

/// Opens the vault; makes its folder and key, readable by their owner alone.
fn open(path: &Path) -> Result<Vault, CliError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        let made = builder.create(folder);
        made.map_err(|reason| {
            CliError::failed(format!("cannot make the folder {}: {reason}", folder.display()))
        })?;
    }
    let key = VaultKey::find_or_create(path).map_err(failed)?;
    Vault::open(path, key).map_err(failed)
}

fn failed(error: VaultError) -> CliError {
    match error {
        VaultError::BadName(_) | VaultError::NoObject | VaultError::EmptyValue { .. } => {
            CliError::usage(error.to_string())
        }
        _ => CliError::failed(error.to_string()),
    }
}
