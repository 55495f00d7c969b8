//! Secrets in environment variables.

use secrecy::SecretString;
use std::collections::HashMap;
use std::ffi::OsString;

const PREFIX: &str = "TOLLGATE_SECRET__";

/// The variables that matter, read once: nobody else can change the environment of a running process.
pub(crate) struct Environment {
    values: HashMap<String, SecretString>,
    /// `(vault, name)` and the variable that usually holds it.
    known: Vec<(String, String, String)>,
}

/// The variable that holds a secret: `TOLLGATE_SECRET__<VAULT>__<NAME>`, in upper case, where whatever is
/// neither letter nor digit is `_`.
#[must_use]
pub fn variable(vault: &str, name: &str) -> String {
    let plain = |text: &str| -> String {
        let letters =
            text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
        letters.collect()
    };
    format!("{PREFIX}{}__{}", plain(vault), plain(name))
}

impl Environment {
    /// Keeps what is wanted of the variables. Values that are empty or no UTF-8 count as absent.
    pub(crate) fn new(
        variables: impl IntoIterator<Item = (OsString, OsString)>,
        known: Vec<(String, String, String)>,
    ) -> Self {
        let mut values = HashMap::new();
        for (name, value) in variables {
            let (Ok(name), Ok(value)) = (name.into_string(), value.into_string()) else { continue };
            let wanted = name.starts_with(PREFIX) || known.iter().any(|(_, _, variable)| *variable == name);
            if wanted && !value.is_empty() {
                values.insert(name, SecretString::from(value));
            }
        }
        Self { values, known }
    }

    pub(crate) fn get(&self, vault: &str, name: &str) -> Option<SecretString> {
        let usual = || {
            let known = self.known.iter().find(|(v, n, _)| v == vault && n == name);
            known.and_then(|(_, _, variable)| self.values.get(variable))
        };
        self.values.get(&variable(vault, name)).or_else(usual).cloned()
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
