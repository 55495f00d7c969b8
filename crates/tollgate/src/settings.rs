//! What is served: flags and environment variables (clap merges these two), then the configuration file, then defaults.

use crate::cli::{Admin, LogForm, ServeArgs};
use crate::config::{self, ConfigFile, FileAddresses, FileLimits, FilePolicy};
use crate::error::CliError;
use crate::naming::{self, Naming};
use crate::secrets::Secrets;
use crate::wiring;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tollgate_catalog::Catalog;
use tollgate_edge::Outbound;
use tollgate_edge::limits::Limits;
use tollgate_edge::listener::Protocol;
use tollgate_edge::load::LoadLimits;
use tollgate_edge::server::{DRAIN, EndpointOptions, InternalOptions, UpstreamOptions};
use tollgate_expr::SecretSource as _;
use tollgate_policy::Source;

/// Bytes of request bodies held at once, all listeners together: 256 MiB.
const BUFFERED_BODIES: usize = 256 << 20;
const LISTEN: ([u8; 4], u16) = ([127, 0, 0, 1], 8080);
const ADMIN: ([u8; 4], u16) = ([127, 0, 0, 1], 4040);

/// Everything `run` needs to know.
pub(crate) struct Settings {
    /// The listeners.
    pub(crate) endpoints: Vec<EndpointOptions>,
    /// The endpoints that only others can reach.
    pub(crate) internal: Vec<InternalOptions>,
    /// The admin listener.
    pub(crate) admin: Option<SocketAddr>,
    /// The places of secrets.
    pub(crate) secrets: Secrets,
    /// Rules for names, and identity.
    pub(crate) naming: Naming,
    /// Form of the logs.
    pub(crate) log_format: LogForm,
    /// Worker threads of each listener.
    pub(crate) threads: usize,
    /// How long requests in flight may take to end.
    pub(crate) drain: Duration,
    /// Bytes of request bodies held at once.
    pub(crate) buffered_bodies: usize,
    /// Connections and requests at once.
    pub(crate) load: LoadLimits,
    /// Which servers actions may call beside those a policy names.
    pub(crate) targets: Outbound,
    /// Facts about addresses, the region, IP policies.
    pub(crate) addresses: FileAddresses,
}

/// What the command line says of the first endpoint.
#[derive(Debug, Default)]
pub(crate) struct First {
    /// POLICY or `--traffic-policy-file`.
    pub(crate) policy: Option<PathBuf>,
    /// `--listen` or `--url`.
    pub(crate) listen: Option<SocketAddr>,
    /// `--upstream` or UPSTREAM.
    pub(crate) upstream: Option<String>,
}

/// Settles everything, and reads the files that are named.
///
/// # Errors
/// A file that cannot be read, a configuration with mistakes, half a certificate.
pub(crate) fn settle(args: &ServeArgs, first: First) -> Result<Settings, CliError> {
    let file = match &args.config {
        Some(path) => read_config(path)?,
        None => ConfigFile::default(),
    };
    let tls = match (&args.tls_cert, &args.tls_key) {
        (Some(cert), Some(key)) => Some((cert.clone(), key.clone())),
        (None, None) => None,
        (Some(_), None) => return Err(CliError::usage("--tls-cert also needs --tls-key")),
        (None, Some(_)) => return Err(CliError::usage("--tls-key also needs --tls-cert")),
    };
    let defaults = Limits::default();
    let limits = Limits {
        max_body: args.max_body.or(file.limits.max_body).unwrap_or(defaults.max_body),
        body_timeout: file.limits.body_timeout.unwrap_or(defaults.body_timeout),
        header_timeout: file.limits.header_timeout.unwrap_or(defaults.header_timeout),
        write_timeout: file.limits.write_timeout.unwrap_or(defaults.write_timeout),
        idle_timeout: file.limits.idle_timeout.unwrap_or(defaults.idle_timeout),
        ..defaults
    };
    let load = load(args, &file.limits);
    let naming = naming::settle(&args.names, file.names)?;
    let secrets = Secrets::open(&args.secrets, file.secrets.as_deref(), &Catalog::builtin())?;
    let keyed = keyed_backends(&naming, &secrets, &file.backends);
    let (inner, mut listed): (Vec<_>, Vec<_>) =
        file.endpoints.into_iter().partition(|endpoint| endpoint.internal.is_some());
    if listed.is_empty() {
        listed.push(config::Endpoint::default());
    }
    let internal = inner.into_iter().filter_map(|endpoint| internal(endpoint).transpose());
    let internal = internal.collect::<Result<_, _>>()?;
    let mut endpoints = Vec::new();
    for (index, mut endpoint) in listed.into_iter().enumerate() {
        if index == 0 {
            endpoint.listen = first.listen.or(endpoint.listen);
            if let Some(url) = first.upstream.clone() {
                endpoint.upstreams = vec![UpstreamOptions { url, weight: 1 }];
            }
            endpoint.tls = tls.clone().or(endpoint.tls);
            endpoint.policy = first.policy.clone().map(FilePolicy::File).or(endpoint.policy);
        }
        endpoints.push(options(endpoint, index, limits, (&file.backends, &keyed))?);
    }
    let buffered_bodies = file.limits.buffered_bodies.unwrap_or(BUFFERED_BODIES.max(limits.max_body));
    Ok(Settings {
        endpoints,
        internal,
        admin: match args.admin.or(file.admin).unwrap_or(Admin::At(ADMIN.into())) {
            Admin::Off => None,
            Admin::At(address) => Some(address),
        },
        secrets,
        naming,
        log_format: args.log_format.or(file.log_format).unwrap_or(LogForm::Text),
        threads: args.threads.or(file.threads).map_or_else(cpus, usize::from),
        drain: args.drain_timeout.or(file.drain_timeout).unwrap_or(DRAIN),
        buffered_bodies,
        load,
        targets: file.targets,
        addresses: FileAddresses { region: args.region.clone().or(file.addresses.region), ..file.addresses },
    })
}

/// How much is served at once.
fn load(args: &ServeArgs, file: &FileLimits) -> LoadLimits {
    let defaults = LoadLimits::default();
    LoadLimits {
        connections: args.max_connections.or(file.connections).unwrap_or(defaults.connections),
        requests: args.max_requests.or(file.requests).unwrap_or(defaults.requests),
        queue_size: file.queue_size.unwrap_or(defaults.queue_size),
        queue_timeout: file.queue_timeout.unwrap_or(defaults.queue_timeout),
    }
}

/// The providers that are used with the gateway's keys where there is no policy: those that `backends` lists, and those
/// that an option names as a backend, if there is a key for them. Whoever names a backend and has put its key into the
/// environment wants it to be used; a client's key does not go there then.
fn keyed_backends(naming: &Naming, secrets: &Secrets, listed: &[String]) -> Vec<String> {
    let mut keyed = listed.to_vec();
    let catalog = Catalog::builtin();
    for id in naming.names.backends(&catalog) {
        if !keyed.contains(&id) && secrets.secret(&id, "api-key").is_ok() {
            keyed.push(id);
        }
    }
    keyed
}

fn options(
    endpoint: config::Endpoint,
    index: usize,
    limits: Limits,
    (backends, keyed): (&[String], &[String]),
) -> Result<EndpointOptions, CliError> {
    if let (Some(_), Some(provider)) = (&endpoint.policy, backends.first()) {
        return Err(CliError::failed(format!(
            "`backends.{provider}` of the configuration file has no effect beside a policy; list the provider in the \
             policy, under `providers` of ai-gateway"
        )));
    }
    let unsaid = if endpoint.tls.is_some() { Protocol::Https } else { Protocol::Http };
    let protocol = endpoint.protocol.unwrap_or(unsaid);
    let (policy, file) = match endpoint.policy {
        Some(policy) => written(policy)?,
        None if !protocol.is_http() => (Source::new("built-in (no rules)", "on_tcp_connect: []\n"), None),
        None if keyed.is_empty() && !endpoint.upstreams.is_empty() => {
            (Source::new("built-in (everything goes to the upstream)", "{}\n"), None)
        }
        None if keyed.is_empty() => (
            Source::new("built-in (every provider, each client with its own key)", wiring::DEFAULT_POLICY),
            None,
        ),
        None => {
            let name = format!("built-in (with the gateway's key for {})", keyed.join(", "));
            (Source::new(name, wiring::policy_with_keys(keyed)), None)
        }
    };
    Ok(EndpointOptions {
        name: endpoint
            .name
            .unwrap_or_else(|| if index == 0 { "default".into() } else { format!("endpoint-{}", index + 1) }),
        listen: endpoint.listen.unwrap_or_else(|| LISTEN.into()),
        protocol,
        tls: endpoint.tls,
        upstreams: endpoint.upstreams,
        health_check: endpoint.health_check,
        policy,
        file,
        limits,
    })
}

/// A policy's text, and the file to watch for changes of it.
fn written(policy: FilePolicy) -> Result<(Source, Option<PathBuf>), CliError> {
    Ok(match policy {
        FilePolicy::File(path) => {
            let watched = (path.as_os_str() != "-").then(|| path.clone());
            (wiring::source(&path)?, watched)
        }
        FilePolicy::Inline(source) => (source, None),
    })
}

/// An endpoint that only others can reach; without a policy everything goes to its servers.
fn internal(endpoint: config::Endpoint) -> Result<Option<InternalOptions>, CliError> {
    let Some(url) = endpoint.internal else { return Ok(None) };
    let name = endpoint.name.unwrap_or_else(|| url.host.clone());
    let (policy, file) = match endpoint.policy {
        Some(policy) => written(policy)?,
        None => (Source::new(format!("{url} (everything goes to its upstream)"), "{}\n"), None),
    };
    let (upstreams, health_check) = (endpoint.upstreams, endpoint.health_check);
    Ok(Some(InternalOptions { url, name, upstreams, health_check, policy, file }))
}

/// Reads a configuration file.
///
/// # Errors
/// It cannot be read, or has mistakes.
pub(crate) fn read_config(path: &Path) -> Result<ConfigFile, CliError> {
    let text = std::fs::read_to_string(path).map_err(|reason| CliError::unreadable(path, &reason))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    config::read(Source::new(path.display().to_string(), text), folder).map_err(CliError::Said)
}

fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The address in `--url`: what ngrok calls the public address is the listener here.
///
/// # Errors
/// Usage: a name that is not this machine's, a path, https without a certificate.
pub(crate) fn listen_of_url(url: &str, has_certificate: bool) -> Result<SocketAddr, CliError> {
    let (https, rest) = match url.split_once("://") {
        Some(("http", rest)) => (false, rest),
        Some(("https", rest)) => (true, rest),
        Some((scheme, _)) => {
            return Err(CliError::usage(format!(
                "--url: `{scheme}` is not supported; write http:// or https://"
            )));
        }
        None => (has_certificate, url),
    };
    if https != has_certificate {
        let wrong =
            if https { "https needs --tls-cert and --tls-key" } else { "with --tls-cert it is https://" };
        return Err(CliError::usage(format!("--url: {wrong}")));
    }
    let host = rest.strip_suffix('/').unwrap_or(rest);
    if host.contains('/') {
        return Err(CliError::usage(format!("--url: `{url}` has a path; a listener serves every path")));
    }
    let without_port = host.parse::<std::net::IpAddr>().is_ok() || host == "localhost";
    let standard = if https { 443 } else { 80 };
    let full = if without_port { format!("{host}:{standard}") } else { host.to_owned() };
    crate::cli::parse_address(&full).map_err(|_| {
        CliError::usage(format!(
            "--url: `{host}` is no address of this machine; write http://127.0.0.1:8080, or http://0.0.0.0:8080 for \
             every network, and point the name there"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn port(settings: &Settings) -> Vec<u16> {
        settings.endpoints.iter().map(|endpoint| endpoint.listen.port()).collect()
    }

    fn forced(settings: &Settings) -> Option<&str> {
        settings.naming.names.replaced.as_ref().map(|replaced| replaced.selector().text())
    }

    #[test]
    fn listed_backends_have_keys_where_there_is_no_policy() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("tollgate.yml");
        fs::write(&config, "default_backend: openrouter\nbackends: {openrouter: {type: openrouter}}\n")
            .unwrap();
        let args = ServeArgs { config: Some(config), ..ServeArgs::default() };
        let settings = settle(&args, First::default()).unwrap();
        let policy = &settings.endpoints[0].policy;
        assert!(policy.text.contains("secrets.get('openrouter', 'api-key')"), "{}", policy.text);
        let policy = folder.path().join("policy.yml");
        fs::write(&policy, "on_http_request: []\n").unwrap();
        let first = First { policy: Some(policy), ..First::default() };
        let said = settle(&args, first).map(|_| ()).expect_err("both").to_string();
        assert!(said.contains("`backends.openrouter`") && said.contains("`providers`"), "{said}");
    }

    #[test]
    fn a_backend_that_an_option_names_has_the_key_there_is() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("openrouter")).unwrap();
        fs::write(folder.path().join("openrouter/api-key"), "sk-or-v1-x").unwrap();
        let policy = |change: fn(&mut ServeArgs)| {
            let mut args = ServeArgs::default();
            args.secrets.secrets_dir = Some(folder.path().to_owned());
            change(&mut args);
            settle(&args, First::default()).unwrap().endpoints.remove(0).policy.text.to_string()
        };
        for change in [
            (|args: &mut ServeArgs| args.names.default_backend = selector("openrouter"))
                as fn(&mut ServeArgs),
            |args| args.names.default_backend = selector("cerebras:x|openrouter:openai/gpt-4o?top_p=0.5"),
            |args| args.names.static_route = selector("openrouter:x/y"),
            |args| args.names.force_model = selector("openrouter:x/y"),
        ] {
            let text = policy(change);
            assert!(
                text.contains("secrets.get('openrouter', 'api-key')") && !text.contains("cerebras"),
                "{text}"
            );
        }
        // Nobody has said that the key is for what clients name themselves.
        assert_eq!(policy(|_| {}), wiring::DEFAULT_POLICY);
        assert_eq!(policy(|args| args.names.default_backend = selector("cerebras")), wiring::DEFAULT_POLICY);
    }

    fn selector(text: &str) -> Option<tollgate_select::Selector> {
        tollgate_select::Selector::parse(text).ok()
    }

    #[test]
    fn the_defaults() {
        let settings = settle(&ServeArgs::default(), First::default()).unwrap();
        assert_eq!(port(&settings), [8080]);
        assert_eq!(settings.admin.map(|a| a.port()), Some(4040));
        assert_eq!(&*settings.endpoints[0].policy.text, wiring::DEFAULT_POLICY);
        assert_eq!((settings.log_format, settings.threads), (LogForm::Text, cpus()));
        assert_eq!(settings.buffered_bodies, 256 << 20);
    }

    #[test]
    fn flags_come_before_the_file_and_the_file_before_the_defaults() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("tollgate.yml");
        fs::write(folder.path().join("one.yml"), "on_http_request: []\n").unwrap();
        fs::write(folder.path().join("two.yml"), "on_http_response: []\n").unwrap();
        let text = "endpoints:\n  - {listen: '127.0.0.1:1111', upstream: 1, traffic_policy_file: one.yml}\n  \
                    - {listen: '127.0.0.1:2222', upstream: 2, traffic_policy_file: one.yml}\n\
                    admin: {listen: none}\nforce_model: file\nthreads: 7\nlimits: {max_body: 1KiB}\n";
        fs::write(&config, text).unwrap();
        let mut args = ServeArgs { config: Some(config), ..ServeArgs::default() };

        let settings = settle(&args, First::default()).unwrap();
        assert_eq!(port(&settings), [1111, 2222]);
        assert_eq!((settings.admin, settings.threads), (None, 7));
        assert_eq!(forced(&settings), Some("file"));
        assert_eq!(settings.endpoints[1].limits.max_body, 1024);
        assert!(settings.endpoints[0].file.as_ref().is_some_and(|file| file.ends_with("one.yml")));

        args.threads = Some(2);
        args.names.force_model = tollgate_select::Selector::parse("flag").ok();
        args.max_body = Some(2048);
        let first = First {
            policy: Some(folder.path().join("two.yml")),
            listen: Some(SocketAddr::from(([127, 0, 0, 1], 3333))),
            upstream: Some("3".into()),
        };
        let settings = settle(&args, first).unwrap();
        assert_eq!(port(&settings), [3333, 2222], "only the first endpoint changes");
        assert_eq!(settings.threads, 2);
        assert_eq!(forced(&settings), Some("flag"));
        assert_eq!(settings.endpoints[1].limits.max_body, 2048);
        let upstreams: Vec<_> =
            settings.endpoints.iter().flat_map(|e| &e.upstreams).map(|one| one.url.as_str()).collect();
        assert_eq!(upstreams, ["3", "2"]);
        assert!(settings.endpoints[0].policy.text.contains("on_http_response"));
        assert!(settings.endpoints[1].policy.text.contains("on_http_request"));
    }

    #[test]
    fn half_a_certificate_is_wrong_usage() {
        let args = ServeArgs { tls_cert: Some("a".into()), ..ServeArgs::default() };
        assert!(
            matches!(settle(&args, First::default()), Err(CliError::Usage(why)) if why.contains("--tls-key"))
        );
    }

    #[test]
    fn files_that_are_missing_are_named() {
        let args = ServeArgs { config: Some("no-such.yml".into()), ..ServeArgs::default() };
        let why = settle(&args, First::default()).map(|_| ()).expect_err("no such file").to_string();
        assert!(why.starts_with("error: cannot read no-such.yml: "), "{why}");
    }

    #[test]
    fn urls_of_listeners() {
        let at = |url: &str, tls| listen_of_url(url, tls).map(|a| a.to_string()).map_err(|e| e.to_string());
        assert_eq!(at("http://127.0.0.1:9000", false), Ok("127.0.0.1:9000".into()));
        assert_eq!(at("http://localhost:9000/", false), Ok("127.0.0.1:9000".into()));
        assert_eq!(at("0.0.0.0:9000", false), Ok("0.0.0.0:9000".into()));
        assert_eq!(at("https://0.0.0.0", true), Ok("0.0.0.0:443".into()));
        for (url, tls, why) in [
            ("https://127.0.0.1:1", false, "--tls-cert and --tls-key"),
            ("http://127.0.0.1:1", true, "https://"),
            ("http://gateway.example", false, "no address of this machine"),
            ("http://127.0.0.1:1/v1", false, "path"),
            ("tcp://127.0.0.1:1", false, "not supported"),
        ] {
            assert!(at(url, tls).is_err_and(|said| said.contains(why)), "{url}");
        }
    }
}
