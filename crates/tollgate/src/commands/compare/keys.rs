//! The policy of a comparison without one: the built-in providers whose keys are at hand.

use crate::wiring;
use std::collections::BTreeSet;
use std::sync::Arc;
use tollgate_catalog::{Catalog, Provider};
use tollgate_policy::Source;
use tollgate_secrets::SecretSource;

/// The policy, and which of the models it cannot serve.
#[derive(Debug)]
pub(super) struct BuiltIn {
    /// Its text.
    pub(super) policy: Source,
    /// For each model why it need not be asked, if so.
    pub(super) lacking: Vec<Option<String>>,
}

/// Finds the keys. Nobody's key is asked for but that of the catalogue's providers.
pub(super) fn built_in(models: &[String], catalog: &Catalog, secrets: &dyn SecretSource) -> BuiltIn {
    let has_key = |provider: &Provider| secrets.secret(&provider.id, "api-key").is_ok();
    let with_key: Vec<String> =
        catalog.providers().iter().filter(|p| has_key(p)).map(|p| p.id.clone()).collect();
    // Servers of one's own are asked only when they are named.
    let local: BTreeSet<&str> = models
        .iter()
        .filter_map(|model| unlisted(model, catalog))
        .filter(|provider| provider.local)
        .map(|provider| provider.id.as_str())
        .collect();
    let name = match with_key.as_slice() {
        [] => "built-in (no keys)".to_owned(),
        keys => format!("built-in (with keys for {})", keys.join(", ")),
    };
    let mut text = wiring::policy_with_keys(&with_key);
    local.iter().for_each(|id| text.push_str(&format!("        - id: {id}\n")));
    if with_key.is_empty() && local.is_empty() {
        text = wiring::DEFAULT_POLICY.to_owned();
    }
    let lacking = models.iter().map(|model| lacking(model, catalog, &with_key)).collect();
    BuiltIn { policy: Source::new(name, text), lacking }
}

/// The provider of a prefix that only a policy brings in.
fn unlisted<'c>(model: &str, catalog: &'c Catalog) -> Option<&'c Arc<Provider>> {
    let (prefix, _) = model.split_once(':')?;
    let known = catalog.provider(prefix).next().is_some();
    catalog.unlisted().iter().find(|provider| !known && provider.is_named(prefix))
}

/// What is missing for a model; names nobody knows are left to the gateway, which has more to say of them.
fn lacking(model: &str, catalog: &Catalog, with_key: &[String]) -> Option<String> {
    if let Some(provider) = unlisted(model, catalog) {
        let id = &provider.id;
        return (!provider.local).then(|| {
            format!("{id} needs to know whose it is: list it in a policy with its `settings`, and add --policy FILE")
        });
    }
    let prefixed = model.split_once(':').and_then(|(prefix, _)| catalog.provider(prefix).next());
    let providers: Vec<Arc<Provider>> = match prefixed {
        Some(provider) => vec![Arc::clone(provider)],
        None => {
            let name = model.split('?').next().unwrap_or(model);
            catalog.models_named(name).into_iter().map(|(provider, ..)| provider).collect()
        }
    };
    if providers.is_empty() || providers.iter().any(|provider| with_key.contains(&provider.id)) {
        return None;
    }
    let mut variables: Vec<&str> = Vec::new();
    for variable in providers.iter().filter_map(|provider| provider.key_env.as_deref()) {
        if !variables.contains(&variable) {
            variables.push(variable);
        }
    }
    let ids: Vec<&str> = providers.iter().map(|provider| provider.id.as_str()).collect();
    let first = ids.first().copied().unwrap_or_default();
    Some(format!(
        "no key for {}: set {}, or `tollgate secrets create --vault {first} --name api-key --value -`",
        ids.join(" or "),
        variables.join(" or ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::naming::Naming;
    use secrecy::SecretString;
    use tollgate_secrets::MissingSecret;

    struct Keys(&'static [&'static str]);

    impl SecretSource for Keys {
        fn secret(&self, vault: &str, name: &str) -> Result<SecretString, MissingSecret> {
            let found = self.0.contains(&vault) && name == "api-key";
            let missing = || MissingSecret { vault: vault.into(), name: name.into() };
            found.then(|| SecretString::from("k")).ok_or_else(missing)
        }
    }

    fn of(models: &[&str], keys: &'static [&'static str]) -> BuiltIn {
        let models: Vec<String> = models.iter().map(|model| (*model).to_owned()).collect();
        built_in(&models, &Catalog::builtin(), &Keys(keys))
    }

    #[test]
    fn only_providers_with_keys_and_named_servers_are_listed() {
        let built = of(&["ollama:llama3.2", "gpt-4o", "openai:x?top_p=1"], &["openai", "mine"]);
        let text = &built.policy.text;
        assert!(text.contains("- id: openai") && text.contains("- id: ollama"), "{text}");
        assert!(!text.contains("mine") && !text.contains("anthropic") && !text.contains("vllm"), "{text}");
        assert_eq!(built.lacking, [None, None, None]);
    }

    #[test]
    fn every_such_policy_loads() {
        for keys in [&[][..], &["openai", "anthropic", "openrouter"]] {
            for models in [&[][..], &["ollama:a", "vllm:b"]] {
                let built = of(models, keys);
                let shared = wiring::shared(Arc::new(Keys(keys)), &Naming::default()).unwrap();
                let (_, warnings) = wiring::engine(&built.policy, &shared).unwrap();
                assert_eq!(warnings, "");
            }
        }
    }

    #[test]
    fn a_missing_key_is_named_by_its_variable() {
        let models = ["openai:gpt-4o", "claude-3.5-sonnet", "azure:gpt-4o", "nobody:knows", "no-such-model"];
        let [first, second, azure, nobody, unknown] = of(&models, &["groq"]).lacking.try_into().unwrap();
        assert!(
            first.is_some_and(|why| why.contains("set OPENAI_API_KEY,") && why.contains("--vault openai"))
        );
        assert!(second.is_some_and(|why| why.contains("ANTHROPIC_API_KEY")));
        assert!(azure.is_some_and(|why| why.contains("--policy")));
        assert_eq!((nobody, unknown), (None, None), "the gateway says what is wrong with these");
    }
}
