use super::*;
use crate::Vault;
use std::fs;
use std::path::Path;

const KEY: &str = "correct horse battery staple";

fn key(text: &str) -> VaultKey {
    VaultKey::parse(&SecretString::from(text)).unwrap()
}

/// 32 bytes: no derivation, so it is fast.
fn fast_key(digit: &str) -> VaultKey {
    key(&digit.repeat(64))
}

fn shown(store: &SecretStore, vault: &str, name: &str) -> Option<String> {
    store.get(vault, name).ok().map(|s| s.expose_secret().to_owned())
}

fn put(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn fixed(vault: &str, name: &str, value: &str) -> Source {
    Source::Fixed(vec![(vault.into(), name.into(), SecretString::from(value))])
}

#[test]
fn forms_of_a_directory() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    put(root, "openai/api-key", "sk-1\n");
    put(root, "team/prod/key", "nested");
    put(root, "openrouter", r#"{"api-key": "sk-or", "other": 5}"#);
    put(root, "flat", "docker\n");
    put(root, "bytes/x", "");
    fs::write(root.join("bytes/y"), [0xff, 0xfe]).unwrap();
    let store = SecretStore::new(vec![Source::Directory(root.into())]);
    for (vault, name, value) in [
        ("openai", "api-key", Some("sk-1")),
        ("team/prod", "key", Some("nested")),
        ("team", "prod/key", Some("nested")),
        ("openrouter", "api-key", Some("sk-or")),
        ("openrouter", "other", Some("5")),
        ("openrouter", "none", None),
        ("default", "flat", Some("docker")),
        ("flat", "x", None),
        ("openai", "nothing", None),
        ("bytes", "x", None),
        ("bytes", "y", None),
    ] {
        assert_eq!(shown(&store, vault, name).as_deref(), value, "{vault} {name}");
        assert_eq!(store.exists(vault, name), value.is_some());
    }
}

#[test]
fn no_name_leaves_the_directory() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "outside", "secret");
    put(folder.path(), "inside/vault/name", "fine");
    let store = SecretStore::new(vec![Source::Directory(folder.path().join("inside"))]);
    assert!(store.exists("vault", "name"));
    let absolute = folder.path().join("outside");
    let absolute = absolute.to_str().unwrap();
    for (vault, name) in [
        ("..", "outside"),
        ("vault", "../../outside"),
        ("vault/..", "../outside"),
        (".", "../outside"),
        ("default", "../outside"),
        ("default", absolute),
        (absolute, "x"),
        ("", "vault/name"),
        ("vault\0", "name"),
    ] {
        assert!(!store.exists(vault, name), "{vault} {name}");
    }
}

#[test]
fn a_rotated_value_is_seen_by_the_next_lookup() {
    let folder = tempfile::tempdir().unwrap();
    let store = SecretStore::new(vec![Source::Directory(folder.path().into())]);
    assert_eq!(shown(&store, "v", "n"), None, "may come into being later");
    // The same length, in place, as fast as it goes: neither size nor inode nor, often, the time differs.
    for number in 100..400 {
        put(folder.path(), "v/n", &number.to_string());
        assert_eq!(shown(&store, "v", "n"), Some(number.to_string()));
    }
    // Kubernetes exchanges a link to the folder.
    #[cfg(unix)]
    {
        put(folder.path(), "..1/n", "one");
        put(folder.path(), "..2/n", "two");
        std::os::unix::fs::symlink("..1", folder.path().join("k")).unwrap();
        assert_eq!(shown(&store, "k", "n").as_deref(), Some("one"));
        std::os::unix::fs::symlink("..2", folder.path().join("new")).unwrap();
        fs::rename(folder.path().join("new"), folder.path().join("k")).unwrap();
        assert_eq!(shown(&store, "k", "n").as_deref(), Some("two"));
    }
    fs::remove_file(folder.path().join("v/n")).unwrap();
    assert_eq!(shown(&store, "v", "n"), None, "a removed one is gone");
}

#[test]
fn sources_are_asked_in_order() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "v/a", "file");
    let vault = folder.path().join("vault.json");
    let writer = Vault::open(&vault, fast_key("1")).unwrap();
    for name in ["a", "b", "c"] {
        writer.put("v", name, &SecretString::from("vault")).unwrap();
    }
    let store = SecretStore::new(vec![
        Source::Directory(folder.path().into()),
        fixed("v", "b", "fixed"),
        Source::Vault(vault, fast_key("1")),
    ]);
    let all = ["a", "b", "c", "d"].map(|name| shown(&store, "v", name));
    assert_eq!(all, [Some("file".into()), Some("fixed".into()), Some("vault".into()), None]);
}

#[test]
fn a_vault_changed_by_another_process_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault.json");
    let store = SecretStore::new(vec![Source::Vault(path.clone(), key(KEY))]);
    assert_eq!(shown(&store, "v", "n"), None);
    assert!(store.problems().is_empty(), "a vault need not exist");
    let writer = Vault::open(&path, key(KEY)).unwrap();
    for value in ["one", "two"] {
        writer.put("v", "n", &SecretString::from(value)).unwrap();
        assert_eq!(shown(&store, "v", "n").as_deref(), Some(value));
    }
    assert!(writer.delete("v", "n").unwrap());
    assert_eq!(shown(&store, "v", "n"), None);
}

#[test]
fn problems_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault.json");
    Vault::open(&path, fast_key("1")).unwrap().put("v", "n", &SecretString::from("sk-value")).unwrap();
    let wrong = SecretStore::new(vec![Source::Vault(path.clone(), fast_key("2"))]);
    assert!(!wrong.exists("v", "n"));
    let told = wrong.problems().iter().map(ToString::to_string).collect::<String>();
    assert!(told.contains("the key does not open the vault") && told.contains("vault.json"), "{told}");

    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"n\"", "\"m\"")).unwrap();
    let moved = SecretStore::new(vec![Source::Vault(path.clone(), fast_key("1"))]);
    assert!(!moved.exists("v", "m"), "a value is bound to its name");
    assert!(matches!(moved.problems()[..], [SourceProblem::Vault(VaultError::Damaged { .. })]));
    fs::write(&path, "{}").unwrap();
    assert!(matches!(moved.problems()[..], [SourceProblem::Vault(VaultError::NoVault(_))]));

    let none = SecretStore::new(vec![Source::Directory(folder.path().join("none"))]);
    assert!(matches!(none.problems()[..], [SourceProblem::Directory { .. }]));
}

#[test]
fn nothing_is_shown() {
    let sources = vec![fixed("v", "n", "sk-value"), Source::Vault("x".into(), key("sk-value sk-value"))];
    assert!(!format!("{sources:?}").contains("sk-value"));
    let store = SecretStore::new(sources);
    assert!(!format!("{store:?}").contains("sk-value"));
    let missing = SecretSource::secret(&store, "v", "other").unwrap_err();
    assert_eq!(missing.to_string(), "there is no secret 'other' in vault 'v'");
    assert!(!format!("{:?}", store.get("v", "n").unwrap()).contains("sk-value"));
}

#[test]
fn many_threads() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..20 {
        put(folder.path(), &format!("v/{number}"), &number.to_string());
    }
    let store = SecretStore::new(vec![Source::Directory(folder.path().into())]);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for number in (0..20).cycle().take(500) {
                    assert_eq!(shown(&store, "v", &number.to_string()), Some(number.to_string()));
                }
            });
        }
    });
}
