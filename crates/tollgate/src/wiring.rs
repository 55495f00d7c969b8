//! Puts the parts together: policies, shared state, runtimes.

use crate::config::{FileAddresses, FileIpPolicies, read_ip_policies};
use crate::error::CliError;
use crate::naming::Naming;
use arc_swap::ArcSwap;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use tollgate_catalog::Catalog;
use tollgate_edge::engine::{Engine, Shared};
use tollgate_edge::reload::{self, DataFile};
use tollgate_edge::{Addressing, IpPolicies, IpPolicySet};
use tollgate_expr::SecretSource;
use tollgate_expr::nearest;
use tollgate_policy::Source;
use tollgate_select::{Names, Replaced, Selector};

/// The version of the program.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The policy of `tollgate run` without one: every provider of the catalogue, each client with its own key.
pub(crate) const DEFAULT_POLICY: &str = "on_http_request:\n  - type: ai-gateway\n";

/// The policy where the configuration file lists backends: these with the gateway's own keys, the others with the
/// client's.
pub(crate) fn policy_with_keys(providers: &[String]) -> String {
    let entries = providers.iter().map(|id| {
        format!(
            "        - id: {id}\n          api_keys: [{{value: \"${{secrets.get('{id}', 'api-key')}}\"}}]\n"
        )
    });
    format!("{DEFAULT_POLICY}    config:\n      providers:\n{}", entries.collect::<String>())
}

/// A policy's text; `-` is standard input.
///
/// # Errors
/// A file that cannot be read or is no text.
pub(crate) fn source(path: &Path) -> Result<Source, CliError> {
    if path.as_os_str() == "-" {
        let mut text = String::new();
        let read = std::io::stdin().lock().read_to_string(&mut text);
        return read
            .map(|_| Source::new("<stdin>", text))
            .map_err(|reason| CliError::failed(format!("cannot read standard input: {reason}")));
    }
    let text = std::fs::read_to_string(path).map_err(|reason| CliError::unreadable(path, &reason))?;
    Ok(Source::new(path.display().to_string(), text))
}

/// The state of a process around its policies.
///
/// # Errors
/// The system gives no random bytes; a default backend that is no provider.
pub(crate) fn shared(
    secrets: Arc<dyn SecretSource + Send + Sync>,
    naming: &Naming,
) -> Result<Shared, CliError> {
    Ok(Shared {
        catalog: ArcSwap::new(Catalog::builtin()),
        outbound: Arc::default(),
        internal: Arc::default(),
        jwks: Arc::default(),
        logins: Arc::default(),
        lists: tollgate_edge::Lists::new(tollgate_edge::ReadLists::Nothing),
        late_costs: tollgate_edge::LateCosts::new(false),
        accounts: Arc::default(),
        tokens: tollgate_edge::TokenCache::default(),
        ledger: Arc::default(),
        stats: tollgate_select::Metrics::new(),
        metrics: Arc::new(tollgate_observe::Metrics::new(VERSION)),
        secrets,
        gates: tollgate_edge::Gates::default(),
        key_salt: salt()?,
        names: naming.names.clone(),
        identity: naming.identity.clone(),
        addressing: tollgate_edge::Addressing::default(),
    })
}

/// Opens what a configuration file says of addresses: for the state of a process, and to be watched.
///
/// # Errors
/// What is wrong with which file.
pub(crate) fn addressing(addresses: FileAddresses) -> Result<(Addressing, Vec<DataFile>), CliError> {
    let FileAddresses { files, region, ip_policies } = addresses;
    let (source, mut watched) =
        files.open().map_err(|said| CliError::failed(said.replace('\n', "\nerror: ")))?;
    let store = Arc::new(IpPolicies::known(IpPolicySet::default()));
    match ip_policies {
        None => {}
        Some(FileIpPolicies::Inline(policies)) => store.replace(policies),
        Some(FileIpPolicies::File(path)) => {
            let store = Arc::clone(&store);
            let opened = DataFile::open("ip_policies_file", &path, move |path| {
                let text = String::from_utf8(reload::read(path)?)
                    .map_err(|_| format!("cannot read {}: it is not UTF-8", path.display()))?;
                let policies = read_ip_policies(Source::new(path.display().to_string(), text))?;
                let count = policies.len();
                store.replace(policies);
                Ok(if count == 1 { "1 IP policy".to_owned() } else { format!("{count} IP policies") })
            });
            watched.push(opened.map_err(|said| match said.starts_with("cannot read") {
                true => CliError::failed(said),
                false => CliError::Said(said),
            })?);
        }
    }
    let region = region.unwrap_or_default().into();
    Ok((Addressing { source, region, ip_policies: store }, watched))
}

/// An engine, with its warnings; or all of its errors.
///
/// # Errors
/// The policy has errors; the text is what `check` prints.
pub(crate) fn engine(source: &Source, shared: &Shared) -> Result<(Arc<Engine>, String), CliError> {
    let loaded = Engine::load(source, shared);
    let text = loaded.diagnostics.render_text(source);
    loaded.engine.map(|engine| (Arc::new(engine), text.clone())).ok_or(CliError::Said(text))
}

/// Sees that backends of flags and configuration are providers of the catalogue or of a policy. A policy's own providers are not known
/// before it is loaded, so this asks the loaded gateways.
///
/// # Errors
/// No gateway knows one of the providers.
pub(crate) fn known_backends(shared: &Shared, engine: &Engine) -> Result<(), CliError> {
    if engine.gateways().next().is_none() {
        return Ok(());
    }
    let Names { default_backend, replaced, .. } = &shared.names;
    let known = |selector: &Selector, models: bool| {
        engine.gateways().any(|gateway| selector.unknown_in(gateway.catalog(), models).is_none())
    };
    let replaced = replaced.as_ref();
    let named = [
        ("the default backend", default_backend.as_ref(), false),
        (replaced.map_or("", Replaced::option), replaced.map(Replaced::selector), true),
    ];
    for (option, selector, models) in named {
        let Some(selector) = selector.filter(|selector| !known(selector, models)) else { continue };
        let catalog = shared.catalog.load();
        let name = selector.unknown_in(&catalog, models).unwrap_or(selector.text());
        let said = no_provider(&catalog, name);
        return Err(CliError::failed(format!("{option} `{}`: {said}", selector.text())));
    }
    Ok(())
}

/// Says that there is no such provider, and which was probably meant.
pub(crate) fn no_provider(catalog: &Catalog, name: &str) -> String {
    if let Some(provider) = catalog.listed_only(name) {
        return provider.how_to_list();
    }
    let all = || catalog.providers().iter().chain(catalog.unlisted());
    let ids: Vec<&str> = all().map(|provider| provider.id.as_str()).collect();
    let names = all().flat_map(|p| std::iter::once(&p.id).chain(&p.aliases));
    let help = match nearest(name, names.map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the providers are {}", ids.join(", ")),
    };
    format!("there is no provider `{name}`; {help}")
}

/// A runtime for a command that ends by itself.
///
/// # Errors
/// The system gives no threads.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, CliError> {
    let built = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    built.map_err(|reason| CliError::failed(format!("cannot start: {reason}")))
}

/// 16 random bytes from the operating system.
fn salt() -> Result<[u8; 16], CliError> {
    let mut bytes = [0; 16];
    let read = std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    read.map_err(|reason| CliError::failed(format!("no random bytes from /dev/urandom: {reason}")))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn salts_differ() {
        assert_ne!(salt().unwrap(), salt().unwrap());
    }

    #[test]
    fn a_misspelt_provider_is_put_right() {
        let said = no_provider(&Catalog::builtin(), "opnerouter");
        assert!(said.ends_with("did you mean `openrouter`?"), "{said}");
        assert!(no_provider(&Catalog::builtin(), "xyzzy").contains("anthropic, "));
        let said = no_provider(&Catalog::builtin(), "Azure");
        assert!(said.ends_with("`providers: [{id: azure, settings: {resource: my-resource}}]`"), "{said}");
    }

    #[test]
    fn the_default_policy_loads() {
        let shared = shared(Arc::new(tollgate_expr::NoSecrets), &Naming::default()).unwrap();
        let (engine, warnings) = engine(&Source::new("built-in", DEFAULT_POLICY), &shared).unwrap();
        assert_eq!((engine.gateways().count(), warnings.as_str()), (1, ""));
    }
}
