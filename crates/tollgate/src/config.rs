//! The configuration file, `tollgate.yml`: what is in it, strictly read.
//!
//! Paths in it are relative to the file's folder.

mod addresses;
mod inline;
mod limits;
mod names;
#[cfg(test)]
mod tests;
mod upstreams;

pub(crate) use self::addresses::{FileAddresses, FileIpPolicies, parse_region, read_ip_policies};
pub(crate) use self::limits::{FileLimits, parse_count};
use crate::cli::{Admin, LogForm, parse_address, parse_admin};
use crate::decode::{Reader, joined};
use crate::naming::FileNames;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tollgate_edge::internal::InternalUrl;
use tollgate_edge::listener::Protocol;
use tollgate_edge::pool::HealthCheck;
use tollgate_edge::server::UpstreamOptions;
use tollgate_edge::{BadTarget, Outbound};
use tollgate_policy::{Node, Source, parse_duration};

/// The code of findings in this file.
const CODE: &str = "config";

/// What the file says; everything is optional.
#[derive(Debug, Default)]
pub(crate) struct ConfigFile {
    /// The listeners, in the order of the file.
    pub(crate) endpoints: Vec<Endpoint>,
    /// `admin.listen`
    pub(crate) admin: Option<Admin>,
    /// `secrets`: the places, in order.
    pub(crate) secrets: Option<Vec<Place>>,
    /// The keys about names and identity.
    pub(crate) names: FileNames,
    /// The providers under `backends`, by id: they are used with the gateway's own keys where there is no policy.
    pub(crate) backends: Vec<String>,
    /// `log_format`
    pub(crate) log_format: Option<LogForm>,
    /// `threads`
    pub(crate) threads: Option<u16>,
    /// `drain_timeout`
    pub(crate) drain_timeout: Option<Duration>,
    /// `limits`
    pub(crate) limits: FileLimits,
    /// `http_request_targets` and `reserved_targets`
    pub(crate) targets: Outbound,
    /// `addresses`, `region` and the IP policies.
    pub(crate) addresses: FileAddresses,
}

/// One endpoint: a listener, or an internal one.
#[derive(Debug, Default)]
pub(crate) struct Endpoint {
    /// Its name.
    pub(crate) name: Option<String>,
    /// Where it listens.
    pub(crate) listen: Option<SocketAddr>,
    /// `protocol`
    pub(crate) protocol: Option<Protocol>,
    /// Certificate and key.
    pub(crate) tls: Option<(PathBuf, PathBuf)>,
    /// Its address, when only other endpoints can reach it.
    pub(crate) internal: Option<InternalUrl>,
    /// `upstream`, `upstreams`
    pub(crate) upstreams: Vec<UpstreamOptions>,
    /// `health_check`
    pub(crate) health_check: Option<HealthCheck>,
    /// The policy.
    pub(crate) policy: Option<FilePolicy>,
}

/// Where an endpoint's policy is.
#[derive(Debug)]
pub(crate) enum FilePolicy {
    /// In a file of its own.
    File(PathBuf),
    /// In the configuration file.
    Inline(Source),
}

/// A place where secrets are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A folder with one value a file.
    Folder(PathBuf),
    /// Environment variables.
    Environment,
    /// A vault file.
    Vault(PathBuf),
}

/// Reads a configuration. `folder` is what its paths are relative to.
///
/// # Errors
/// All mistakes, as `check` prints them.
pub(crate) fn read(source: Source, folder: &Path) -> Result<ConfigFile, String> {
    let mut reader = Reader::new(source, CODE);
    let config = reader.root().map(|root| Decoder { reader: &mut reader, folder }.file(&root));
    reader.finish(config).map_err(|findings| findings.to_string())
}

struct Decoder<'a> {
    reader: &'a mut Reader,
    folder: &'a Path,
}

impl Decoder<'_> {
    fn file(&mut self, root: &Node) -> ConfigFile {
        let mut config = ConfigFile::default();
        const KEYS: [&str; 20] = [
            "endpoints",
            "admin",
            "secrets",
            "default_backend",
            "backends",
            "force_model",
            "log_format",
            "threads",
            "drain_timeout",
            "limits",
            "traffic_policy_file",
            "model_aliases",
            "uri_params",
            "identity",
            "http_request_targets",
            "reserved_targets",
            "addresses",
            "region",
            "ip_policies",
            "ip_policies_file",
        ];
        if !self.reader.mapping(root, "", &KEYS) {
            return config;
        }
        if let Some((key, _)) = root.entry("traffic_policy_file") {
            let help = "write `endpoints:` with `- traffic_policy_file: ...` below it".to_owned();
            self.reader.error(key.at, "`traffic_policy_file` belongs to an endpoint", Some(help));
        }
        if let Some(node) = root.get("endpoints") {
            config.endpoints = self.endpoints(node);
        }
        if let Some(node) = root.get("admin")
            && self.reader.mapping(node, "admin", &["listen"])
        {
            config.admin = self.reader.parsed_at(node, "admin", "listen", parse_admin);
        }
        config.secrets = root.get("secrets").map(|node| self.places(node));
        (config.names, config.backends) = names::read(self.reader, root);
        config.log_format = self.reader.parsed_at(root, "", "log_format", |text| match text {
            "text" => Ok(LogForm::Text),
            "json" => Ok(LogForm::Json),
            _ => Err("write text or json"),
        });
        config.threads = self.reader.parsed_at(root, "", "threads", |text| match text.parse() {
            Ok(threads @ 1..=1024) => Ok(threads),
            _ => Err("write a number from 1 to 1024"),
        });
        config.drain_timeout = self.reader.parsed_at(root, "", "drain_timeout", parse_duration);
        if let Some(node) = root.get("limits") {
            config.limits = limits::read(self.reader, node);
        }
        config.targets = self.targets(root);
        config.addresses = addresses::read(self.reader, root, self.folder);
        config
    }

    fn endpoints(&mut self, node: &Node) -> Vec<Endpoint> {
        let Some(items) = self.reader.list(node, "endpoints") else { return Vec::new() };
        if items.is_empty() {
            self.reader.error(
                node.at,
                "`endpoints` has no entries",
                Some("remove the key for the defaults".into()),
            );
        }
        let mut endpoints: Vec<Endpoint> = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let path = format!("endpoints[{index}]");
            let endpoint = self.endpoint(item, &path);
            let same_name =
                endpoint.name.is_some() && endpoints.iter().any(|other| other.name == endpoint.name);
            if same_name {
                self.reader.error(
                    item.at,
                    format!("`{path}.name` is the name of another endpoint already"),
                    None,
                );
            }
            let listen = endpoint.listen.filter(|address| address.port() != 0);
            if listen.is_some() && endpoints.iter().any(|other| other.listen == listen) {
                self.reader.error(
                    item.at,
                    format!("`{path}.listen` is the address of another endpoint already"),
                    None,
                );
            }
            let same_url = endpoint.internal.is_some()
                && endpoints.iter().any(|other| other.internal == endpoint.internal);
            if same_url {
                let help = "for several servers behind one name, write `upstreams:` with a list".to_owned();
                let message = format!("`{path}.url` is the address of another endpoint already");
                self.reader.error(item.at, message, Some(help));
            }
            let public = items.iter().filter(|item| item.get("url").is_none()).count();
            if public > 1 && item.get("listen").is_none() && item.get("url").is_none() {
                let help = "each of several endpoints needs an address of its own: `listen: 127.0.0.1:8081`"
                    .to_owned();
                self.reader.error(item.at, format!("`{path}.listen` is missing"), Some(help));
            }
            endpoints.push(endpoint);
        }
        endpoints
    }

    fn endpoint(&mut self, node: &Node, path: &str) -> Endpoint {
        let mut endpoint = Endpoint::default();
        let keys = [
            "name",
            "listen",
            "url",
            "protocol",
            "tls",
            "upstream",
            "upstreams",
            "health_check",
            "traffic_policy_file",
            "traffic_policy",
        ];
        if !self.reader.mapping(node, path, &keys) {
            return endpoint;
        }
        endpoint.name = self.reader.text_at(node, path, "name");
        endpoint.listen = self.reader.parsed_at(node, path, "listen", parse_address);
        endpoint.protocol = self.reader.parsed_at(node, path, "protocol", |text| {
            Protocol::parse(text).ok_or("write http, https, tcp or tls")
        });
        endpoint.tls = node.get("tls").and_then(|tls| self.tls(tls, &joined(path, "tls")));
        (endpoint.upstreams, endpoint.health_check) = upstreams::read(self.reader, node, path);
        endpoint.policy = self.policy(node, path);
        if let Some(url) = node.get("url") {
            endpoint.internal = self.internal(node, url, path);
            if endpoint.upstreams.is_empty() && endpoint.policy.is_none() {
                let help = "add `upstream: http://127.0.0.1:3000`, or a policy that answers".to_owned();
                self.reader.error(
                    node.at,
                    format!("`{path}` has neither an upstream nor a policy"),
                    Some(help),
                );
            }
        }
        endpoint
    }

    /// The address of an endpoint that only others can reach.
    fn internal(&mut self, node: &Node, url: &Node, path: &str) -> Option<InternalUrl> {
        for key in ["listen", "protocol", "tls"] {
            if let Some((key, _)) = node.entry(key) {
                let help = format!(
                    "an endpoint with a `url` is reached by forward-internal alone; remove `{}`",
                    key.text
                );
                self.reader.error(key.at, format!("`{path}` has both `url` and `{}`", key.text), Some(help));
            }
        }
        let parse = |text: &str| {
            let read = text.parse::<InternalUrl>();
            read.map_err(|wrong| format!("{wrong}; write `listen` for an endpoint that clients reach"))
        };
        self.reader.parsed(url, &joined(path, "url"), parse)
    }

    fn tls(&mut self, node: &Node, path: &str) -> Option<(PathBuf, PathBuf)> {
        if !self.reader.mapping(node, path, &["cert", "key"]) {
            return None;
        }
        let cert = self.reader.required(node, path, "cert").and_then(|n| self.path(n, &joined(path, "cert")));
        let key = self.reader.required(node, path, "key").and_then(|n| self.path(n, &joined(path, "key")));
        cert.zip(key)
    }

    fn policy(&mut self, node: &Node, path: &str) -> Option<FilePolicy> {
        let file =
            node.get("traffic_policy_file").and_then(|n| self.path(n, &joined(path, "traffic_policy_file")));
        let Some((key, inline)) = node.entry("traffic_policy") else { return file.map(FilePolicy::File) };
        if file.is_some() {
            let help =
                "keep `traffic_policy_file`, which is also reloaded when it changes, or the policy in place"
                    .to_owned();
            self.reader.error(key.at, format!("`{path}` has two policies"), Some(help));
        }
        Some(FilePolicy::Inline(inline::source(self.reader.source(), key, inline)))
    }

    fn places(&mut self, node: &Node) -> Vec<Place> {
        let items = self.reader.list(node, "secrets").unwrap_or_default();
        let mut places = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let path = format!("secrets[{index}]");
            if !self.reader.mapping(item, &path, &["dir", "env", "vault_file"]) {
                continue;
            }
            if item.entries().len() != 1 {
                let help = "the order counts, so write one `- ` for each place".to_owned();
                self.reader.error(item.at, format!("`{path}` must name one place"), Some(help));
                continue;
            }
            if let Some(node) = item.get("dir") {
                places.extend(self.path(node, &joined(&path, "dir")).map(Place::Folder));
            }
            if let Some(node) = item.get("vault_file") {
                places.extend(self.path(node, &joined(&path, "vault_file")).map(Place::Vault));
            }
            if let Some(node) = item.get("env") {
                match node.text() {
                    Some("true") => places.push(Place::Environment),
                    Some("false") => {}
                    _ => self.reader.wrong(node, &joined(&path, "env"), "true or false", None),
                }
            }
        }
        places
    }

    /// Which servers may be called beside those that are named.
    fn targets(&mut self, root: &Node) -> Outbound {
        let hosts = self.hosts(root, "http_request_targets", |text| Outbound::parse([text]));
        let reserved = self.hosts(root, "reserved_targets", |text| Outbound::default().with_reserved([text]));
        let listed = Outbound::parse(hosts.iter().map(String::as_str));
        listed.and_then(|list| list.with_reserved(reserved.iter().map(String::as_str))).unwrap_or_default()
    }

    fn hosts(
        &mut self,
        root: &Node,
        key: &str,
        read: impl Fn(&str) -> Result<Outbound, BadTarget>,
    ) -> Vec<String> {
        let Some(node) = root.get(key) else { return Vec::new() };
        let mut hosts = Vec::new();
        for (index, item) in self.reader.list(node, key).unwrap_or_default().iter().enumerate() {
            let checked = |text: &str| read(text).map(|_| text.to_owned());
            hosts.extend(self.reader.parsed(item, &format!("{key}[{index}]"), checked));
        }
        hosts
    }

    fn path(&mut self, node: &Node, path: &str) -> Option<PathBuf> {
        self.reader.text(node, path).map(|text| self.folder.join(text))
    }
}
