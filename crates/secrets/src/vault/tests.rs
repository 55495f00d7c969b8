use super::*;
use std::fs;

fn key(digit: &str) -> VaultKey {
    VaultKey::parse(&SecretString::from(digit.repeat(64))).unwrap()
}

fn secret(text: &str) -> SecretString {
    SecretString::from(text)
}

fn value(vault: &Vault, v: &str, n: &str) -> Option<String> {
    vault.get(v, n).unwrap().map(|s| s.expose_secret().to_owned())
}

fn names(path: &Path) -> Vec<String> {
    Vault::list(path).unwrap().into_iter().map(|e| format!("{}/{}", e.vault, e.name)).collect()
}

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn create_list_delete() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault.json");
    let vault = Vault::open(&path, key("a")).unwrap();
    assert!(Vault::list(&path).unwrap().is_empty());
    assert!(!vault.put("v", "b", &secret("sk-one")).unwrap());
    assert!(vault.put("v", "b", &secret("sk-two")).unwrap(), "replaced");
    vault.put("v", "a", &secret("ключ\n")).unwrap();
    vault.put("u", "a", &secret("x")).unwrap();
    assert_eq!(names(&path), ["u/a", "v/a", "v/b"]);
    let vault = Vault::open(&path, key("a")).unwrap();
    assert_eq!(value(&vault, "v", "b").as_deref(), Some("sk-two"));
    assert_eq!(value(&vault, "v", "a").as_deref(), Some("ключ\n"));
    assert!(vault.delete("v", "a").unwrap() && !vault.delete("v", "a").unwrap());
    assert!(vault.delete_all("v").unwrap());
    assert_eq!(names(&path), ["u/a"]);
}

#[test]
fn data_of_a_secret() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault.json");
    let vault = Vault::open(&path, key("a")).unwrap();
    vault.put_data("openrouter", &secret(r#"{"api-key": "sk-or", "n": 1}"#)).unwrap();
    vault.put("openrouter", "extra", &secret("x")).unwrap();
    assert_eq!(value(&vault, "openrouter", "api-key").as_deref(), Some("sk-or"));
    vault.put_data("openrouter", &secret(r#"{"api-key": "sk-new"}"#)).unwrap();
    assert_eq!(names(&path), ["openrouter/api-key", "openrouter/extra"], "n is gone, extra was no data");
    assert_eq!(value(&vault, "openrouter", "api-key").as_deref(), Some("sk-new"));
    for bad in ["[]", "sk-or", "{\"a\": {}}", "{\"a\": null}", "{\"a\": \"\"}", "{\"../a\": \"x\"}"] {
        let error = vault.put_data("openrouter", &secret(bad)).unwrap_err();
        assert!(!error.to_string().contains("sk-or"), "{error}");
    }
    assert_eq!(value(&vault, "openrouter", "api-key").as_deref(), Some("sk-new"), "nothing was changed");
}

#[test]
fn the_file_shows_nothing_and_is_the_owners() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault.json");
    let vault = Vault::open(&path, key("a")).unwrap();
    vault.put("v", "n", &secret("sk-value")).unwrap();
    vault.put("v", "m", &secret("sk-value")).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert!(!text.contains("sk-value"));
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["version"], 1);
    let (one, two) = (&json["secrets"][0], &json["secrets"][1]);
    assert!(one["nonce"] != two["nonce"] && one["ciphertext"] != two["ciphertext"]);
    #[cfg(unix)]
    assert_eq!((mode(&path), mode(&folder.path().join("vault.json.lock"))), (0o600, 0o600));
    let files = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(files, 2, "no temporary file is left");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        vault.put("v", "m", &secret("x")).unwrap();
        assert_eq!(mode(&path), 0o600, "every change makes it the owner's again");
    }
}

#[test]
fn wrong_keys_and_damage() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault.json");
    let vault = Vault::open(&path, key("a")).unwrap();
    vault.put("v", "n", &secret("sk-value")).unwrap();
    vault.delete("v", "n").unwrap();
    assert!(matches!(Vault::open(&path, key("b")), Err(VaultError::WrongKey(_))), "an empty one too");
    let stale = Vault { path: path.clone(), key: key("b") };
    assert!(matches!(stale.put("v", "n", &secret("x")), Err(VaultError::WrongKey(_))));

    vault.put("v", "n", &secret("one")).unwrap();
    vault.put("v", "m", &secret("two")).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let swapped = text.replace("\"n\"", "\"x\"").replace("\"m\"", "\"n\"").replace("\"x\"", "\"m\"");
    fs::write(&path, swapped).unwrap();
    assert!(matches!(vault.get("v", "n"), Err(VaultError::Damaged { .. })));
    for text in ["", "{}", "{\"version\": 2}", "not json"] {
        fs::write(&path, text).unwrap();
        assert!(matches!(Vault::open(&path, key("a")), Err(VaultError::NoVault(_))), "{text}");
        assert!(
            matches!(vault.put("v", "n", &secret("x")), Err(VaultError::NoVault(_))),
            "never overwritten"
        );
    }
}

#[test]
fn forms_of_a_key() {
    let bytes = |text: &str| VaultKey::parse(&secret(text)).map(|k| *k.derive(b"salt").unwrap());
    let ones = [0x11_u8; 32];
    assert_eq!(bytes(&"11".repeat(32)).unwrap(), ones);
    assert_eq!(bytes(" ERERERERERERERERERERERERERERERERERERERERERE=\n").unwrap(), ones);
    assert_eq!(bytes("ERERERERERERERERERERERERERERERERERERERERERE").unwrap(), ones);
    let url_safe = bytes("_-8RERERERERERERERERERERERERERERERERERERERE").unwrap();
    assert_eq!(url_safe[..2], [0xff, 0xef]);
    let phrase = bytes("correct horse battery staple").unwrap();
    assert_ne!(phrase, bytes("correct horse battery stapl").unwrap());
    for short in ["", "           ", "hunter2"] {
        assert!(matches!(VaultKey::parse(&secret(short)), Err(VaultError::ShortKey)));
    }
    assert_eq!(format!("{:?}", VaultKey::parse(&secret("correct horse battery")).unwrap()), "VaultKey(***)");
}

#[test]
fn passphrases_with_another_salt_give_another_key() {
    let phrase = VaultKey::parse(&secret("correct horse battery staple")).unwrap();
    assert_ne!(*phrase.derive(b"one").unwrap(), *phrase.derive(b"two").unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault.json");
    Vault::open(&path, phrase.clone()).unwrap().put("v", "n", &secret("x")).unwrap();
    assert_eq!(value(&Vault::open(&path, phrase).unwrap(), "v", "n").as_deref(), Some("x"));
    let other = VaultKey::parse(&secret("correct horse battery stapler")).unwrap();
    assert!(matches!(Vault::open(&path, other), Err(VaultError::WrongKey(_))));
}

#[test]
fn key_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault.json");
    let file = VaultKey::file_beside(&path);
    let made = VaultKey::find_or_create(&path).unwrap();
    #[cfg(unix)]
    assert_eq!(mode(&file), 0o600);
    let again = VaultKey::find_or_create(&path).unwrap();
    assert_eq!(*made.derive(b"").unwrap(), *again.derive(b"").unwrap());
    assert_eq!(*made.derive(b"").unwrap(), *VaultKey::from_file(&file).unwrap().derive(b"").unwrap());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(VaultKey::find(&path), Err(VaultError::OpenKeyFile(_))));
    }
    fs::remove_file(&file).unwrap();
    assert!(VaultKey::find(&path).unwrap().is_none());
}

#[test]
fn concurrent_changes_are_all_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault.json");
    std::thread::scope(|scope| {
        for number in 0..8 {
            let vault = Vault::open(&path, key("a")).unwrap();
            scope.spawn(move || vault.put("v", &number.to_string(), &secret("x")).unwrap());
        }
    });
    assert_eq!(Vault::list(&path).unwrap().len(), 8);
}

#[test]
fn names_that_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault::open(folder.path().join("vault.json"), key("a")).unwrap();
    for (v, n) in [("", "n"), ("v", ""), ("..", "n"), ("v", "a b"), ("v", "a\0b")] {
        assert!(matches!(vault.put(v, n, &secret("x")), Err(VaultError::BadName(_))), "{v} {n}");
    }
    assert!(matches!(vault.put("v", "n", &secret("")), Err(VaultError::EmptyValue { .. })));
}
