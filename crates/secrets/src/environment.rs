//! Secrets in environment variables.

use secrecy::SecretString;
use std::ffi::OsString;

const PREFIX: &str = "TOLLGATE_SECRET__";

/// The variables that matter, read once: nobody else can change the environment of a running process.
pub(crate) struct Environment {
    /// Variables of our own, without their prefix. Not a map: few are set, and finding one costs less than spelling the
    /// name of a variable to look it up.
    own: Vec<(Box<str>, SecretString)>,
    /// Vault, name and the value of the variable that usually holds it.
    usual: Vec<(String, String, SecretString)>,
}

/// The variable that holds a secret: `TOLLGATE_SECRET__<VAULT>__<NAME>`, in upper case, where whatever is
/// neither letter nor digit is `_`.
#[must_use]
pub fn variable(vault: &str, name: &str) -> String {
    let spelled: String = spelling(vault, name).map(char::from).collect();
    format!("{PREFIX}{spelled}")
}

/// The letters of a secret's variable behind the prefix.
fn spelling(vault: &str, name: &str) -> impl Iterator<Item = u8> {
    let letter = |c: char| match u8::try_from(c) {
        Ok(byte) if byte.is_ascii_alphanumeric() => byte.to_ascii_uppercase(),
        _ => b'_',
    };
    vault.chars().map(letter).chain(*b"__").chain(name.chars().map(letter))
}

impl Environment {
    /// Keeps what is wanted of the variables. Values that are empty or no UTF-8 count as absent.
    pub(crate) fn new(
        variables: impl IntoIterator<Item = (OsString, OsString)>,
        known: Vec<(String, String, String)>,
    ) -> Self {
        let (mut own, mut usual) = (Vec::new(), Vec::new());
        for (name, value) in variables {
            let (Ok(name), Ok(value)) = (name.into_string(), value.into_string()) else { continue };
            if value.is_empty() {
                continue;
            }
            let value = SecretString::from(value);
            for (vault, secret, _) in known.iter().filter(|(_, _, variable)| *variable == name) {
                usual.push((vault.clone(), secret.clone(), value.clone()));
            }
            if let Some(spelled) = name.strip_prefix(PREFIX) {
                own.push((spelled.into(), value));
            }
        }
        Self { own, usual }
    }

    pub(crate) fn get(&self, vault: &str, name: &str) -> Option<SecretString> {
        let own = self.own.iter().find(|(spelled, _)| spelling(vault, name).eq(spelled.bytes()));
        let usual = || self.usual.iter().find(|(v, n, _)| v == vault && n == name).map(|(_, _, value)| value);
        own.map(|(_, value)| value).or_else(usual).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret as _;

    #[test]
    fn variables() {
        assert_eq!(variable("openai", "api-key"), "TOLLGATE_SECRET__OPENAI__API_KEY");
        assert_eq!(variable("team/prod", "a.b1"), "TOLLGATE_SECRET__TEAM_PROD__A_B1");
        assert_eq!(
            variable("größe", "é"),
            "TOLLGATE_SECRET__GR__E___",
            "a letter is one, however many bytes it has"
        );
    }

    #[test]
    fn the_own_variable_comes_before_the_usual_one() {
        let with = |variables: &[(&str, &str)]| {
            let known = vec![("openai".into(), "api-key".into(), "OPENAI_API_KEY".into())];
            let variables = variables.iter().map(|(n, v)| (OsString::from(n), OsString::from(v)));
            let found = Environment::new(variables, known).get("openai", "api-key");
            found.map(|s| s.expose_secret().to_owned())
        };
        let own = ("TOLLGATE_SECRET__OPENAI__API_KEY", "own");
        let usual = ("OPENAI_API_KEY", "usual");
        assert_eq!(with(&[own, usual]).as_deref(), Some("own"));
        assert_eq!(with(&[usual]).as_deref(), Some("usual"));
        assert_eq!(with(&[("OPENAI_API_KEY", "")]), None, "an empty one is none");
        assert_eq!(with(&[("ANTHROPIC_API_KEY", "other")]), None);
    }
}
