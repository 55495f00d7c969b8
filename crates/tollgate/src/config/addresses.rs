//! The keys about addresses: `addresses`, `region`, `ip_policies` and `ip_policies_file`.

use crate::decode::{Reader, joined};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tollgate_address::{IpPolicy, IpRule, Network};
use tollgate_edge::{AddressFiles, IpPolicySet};
use tollgate_policy::{Node, NodeValue, Source};

/// The code of findings in a file of IP policies.
const CODE: &str = "ip-policies";
/// Longest description of a rule, in bytes.
const DESCRIPTION: usize = 255;
/// Longest metadata of a rule, in bytes.
const METADATA: usize = 4096;
/// Longest name of a region, in bytes.
const REGION: usize = 64;

/// What the file says of addresses.
#[derive(Debug, Default)]
pub(crate) struct FileAddresses {
    /// `addresses`
    pub(crate) files: AddressFiles,
    /// `region`
    pub(crate) region: Option<String>,
    /// The IP policies; none when the file has none.
    pub(crate) ip_policies: Option<FileIpPolicies>,
}

/// Where IP policies are.
#[derive(Debug)]
pub(crate) enum FileIpPolicies {
    /// In the configuration file.
    Inline(IpPolicySet),
    /// In a file of their own, which is followed.
    File(PathBuf),
}

/// Reads the keys. `folder` is what paths are relative to.
pub(super) fn read(reader: &mut Reader, root: &Node, folder: &Path) -> FileAddresses {
    let files = root.get("addresses").map(|node| files(reader, node, folder)).unwrap_or_default();
    let region = reader.parsed_at(root, "", "region", parse_region);
    let inline = root.entry("ip_policies").map(|(key, node)| (key.at, policies(reader, node)));
    let file = root.get("ip_policies_file").and_then(|node| path(reader, node, "ip_policies_file", folder));
    let ip_policies = match (inline, file) {
        (Some((at, _)), Some(_)) => {
            let help =
                "keep `ip_policies_file`, which is also followed when it changes, or the policies in place";
            reader.error(at, "the IP policies are given twice", Some(help.into()));
            None
        }
        (Some((_, policies)), None) => Some(FileIpPolicies::Inline(policies)),
        (None, file) => file.map(FileIpPolicies::File),
    };
    FileAddresses { files, region, ip_policies }
}

/// A name for the place where the gateway runs.
///
/// # Errors
/// It cannot be a label.
pub(crate) fn parse_region(text: &str) -> Result<String, String> {
    let good = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    match !text.is_empty() && text.len() <= REGION && text.chars().all(good) {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "write a word of letters, digits, `-`, `_` and `.` such as eu, of at most {REGION} bytes"
        )),
    }
}

fn files(reader: &mut Reader, node: &Node, folder: &Path) -> AddressFiles {
    let mut files = AddressFiles::default();
    if !reader.mapping(node, "addresses", &["city", "asn", "categories"]) {
        return files;
    }
    let database = |reader: &mut Reader, key: &str| {
        node.get(key).and_then(|node| path(reader, node, &joined("addresses", key), folder))
    };
    files.city = database(reader, "city");
    files.asn = database(reader, "asn");
    let Some(node) = node.get("categories") else { return files };
    for (index, item) in reader.list(node, "addresses.categories").unwrap_or_default().iter().enumerate() {
        let at = format!("addresses.categories[{index}]");
        if !reader.mapping(item, &at, &["name", "file"]) {
            continue;
        }
        let name = reader.required(item, &at, "name");
        let name = name.and_then(|node| reader.parsed(node, &joined(&at, "name"), category));
        let file = reader.required(item, &at, "file");
        let file = file.and_then(|node| path(reader, node, &joined(&at, "file"), folder));
        files.categories.extend(name.zip(file));
    }
    files
}

fn path(reader: &mut Reader, node: &Node, path: &str, folder: &Path) -> Option<PathBuf> {
    reader.text(node, path).map(|text| folder.join(text))
}

fn category(text: &str) -> Result<String, &'static str> {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
    match text.split('.').all(|part| !part.is_empty() && part.chars().all(good)) {
        true => Ok(text.to_owned()),
        false => Err(
            "write words of small letters, digits, `-` and `_` with dots between, such as proxy.anonymous.tor",
        ),
    }
}

/// Reads a file of IP policies: `ip_policies` as it stands in the configuration file.
///
/// # Errors
/// All mistakes, as `check` prints them.
pub(crate) fn read_ip_policies(source: Source) -> Result<IpPolicySet, String> {
    let mut reader = Reader::new(source, CODE);
    let read = reader.root().map(|root| {
        if !reader.mapping(&root, "", &["ip_policies"]) {
            return IpPolicySet::default();
        }
        reader.required(&root, "", "ip_policies").map(|node| policies(&mut reader, node)).unwrap_or_default()
    });
    reader.finish(read).map_err(|findings| findings.to_string())
}

fn policies(reader: &mut Reader, node: &Node) -> IpPolicySet {
    let mut all = IpPolicySet::default();
    if !matches!(node.value, NodeValue::Map(_)) {
        reader.wrong(node, "ip_policies", "a mapping", Some("write `ipp_office: {rules: [...]}`".into()));
    }
    for (key, policy) in node.entries() {
        let path = joined("ip_policies", &key.text);
        if key.text.is_empty() {
            reader.error(key.at, "an IP policy needs an id", Some("write one such as ipp_office".into()));
        }
        if !reader.mapping(policy, &path, &["rules"]) {
            continue;
        }
        let path = joined(&path, "rules");
        let Some(rules) = reader.required(policy, &joined("ip_policies", &key.text), "rules") else {
            continue;
        };
        let items = reader.list(rules, &path).unwrap_or_default();
        let rules = items
            .iter()
            .enumerate()
            .filter_map(|(index, item)| rule(reader, item, &format!("{path}[{index}]")));
        let policy: IpPolicy = rules.collect();
        all.insert(key.text.to_string(), policy);
    }
    all
}

fn rule(reader: &mut Reader, node: &Node, path: &str) -> Option<IpRule> {
    if !reader.mapping(node, path, &["cidr", "action", "description", "metadata"]) {
        return None;
    }
    let cidr = reader.required(node, path, "cidr");
    let cidr = cidr.and_then(|cidr| {
        reader.parsed(cidr, &joined(path, "cidr"), |text| match text.parse::<Network>() {
            Ok(network) => Ok((network, Arc::from(text.trim()))),
            Err(wrong) => {
                Err(format!("`{text}` {wrong}; write a network such as 10.0.0.0/8 or 2001:db8::/32"))
            }
        })
    });
    let action = reader.required(node, path, "action");
    let allow = action.and_then(|action| {
        reader.parsed(action, &joined(path, "action"), |text| match text {
            "allow" => Ok(true),
            "deny" => Ok(false),
            _ => Err("write allow or deny"),
        })
    });
    // Both are for people who read the file.
    for (key, most) in [("description", DESCRIPTION), ("metadata", METADATA)] {
        reader.parsed_at(node, path, key, |text| match text.len() {
            bytes if bytes > most => Err(format!("has {bytes} bytes; at most {most} are allowed")),
            _ => Ok(()),
        });
    }
    let ((network, written), allow) = cidr.zip(allow)?;
    Some(IpRule { network, written, allow })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Result<FileAddresses, String> {
        let source = Source::new("tollgate.yml", text);
        crate::config::read(source, Path::new("/etc/tollgate")).map(|config| config.addresses)
    }

    #[test]
    fn every_key_is_read() {
        let text = "\
addresses:
  city: GeoLite2-City.mmdb
  asn: /data/asn.mmdb
  categories:
    - {name: proxy.anonymous.tor, file: lists/tor.txt}
    - {name: blocklist.own, file: lists/own.txt}
region: eu-1
ip_policies:
  ipp_office:
    rules:
      - {cidr: 203.0.113.0/24, action: allow, description: Berlin, metadata: 'team: a'}
      - {cidr: 203.0.113.7, action: deny}
  ipp_none: {rules: []}
";
        let read = config(text).unwrap();
        assert_eq!(read.files.city, Some("/etc/tollgate/GeoLite2-City.mmdb".into()));
        assert_eq!(read.files.asn, Some("/data/asn.mmdb".into()));
        let tor = ("proxy.anonymous.tor".to_owned(), PathBuf::from("/etc/tollgate/lists/tor.txt"));
        assert_eq!((read.files.categories.len(), &read.files.categories[0]), (2, &tor));
        assert_eq!(read.region.as_deref(), Some("eu-1"));
        let Some(FileIpPolicies::Inline(policies)) = read.ip_policies else { panic!("inline policies") };
        let office = &policies["ipp_office"];
        let at = |address: &str| address.parse().unwrap();
        assert_eq!(office.allows(at("203.0.113.9")).map(|n| &**n), Some("203.0.113.0/24"));
        assert_eq!(office.denies(at("203.0.113.7")).map(|n| &**n), Some("203.0.113.7"));
        assert!(policies["ipp_none"].allows_nobody());
        let file = config("ip_policies_file: p.yml\n").unwrap().ip_policies;
        assert!(matches!(file, Some(FileIpPolicies::File(path)) if path == Path::new("/etc/tollgate/p.yml")));
        assert!(config("threads: 1\n").unwrap().ip_policies.is_none());
    }

    #[test]
    fn mistakes_are_named_with_place_and_remedy() {
        for (text, expected) in [
            ("addresses: {citi: a}\n", &["1:13", "did you mean `city`?"][..]),
            ("addresses: a.mmdb\n", &["`addresses` must be a mapping"]),
            ("addresses: {city: [a]}\n", &["`addresses.city` must be text, not a list"]),
            ("addresses: {categories: {name: a, file: b}}\n", &["`addresses.categories` must be a list"]),
            ("addresses: {categories: [{name: a.b}]}\n", &["`addresses.categories[0].file` is missing"]),
            ("addresses: {categories: [{name: Tor Exits, file: b}]}\n", &["proxy.anonymous.tor"]),
            ("addresses: {categories: [{name: a..b, file: b}]}\n", &["`addresses.categories[0].name`"]),
            ("region: 'eu west'\n", &["`region`: write a word"]),
            ("ip_policies: [a]\n", &["`ip_policies` must be a mapping"]),
            ("ip_policies: {ipp_a: [a]}\n", &["`ip_policies.ipp_a` must be a mapping"]),
            ("ip_policies: {ipp_a: {}}\n", &["`ip_policies.ipp_a.rules` is missing"]),
            (
                "ip_policies:\n  ipp_a:\n    rules:\n      - {cidr: 10.0.0.0/99, action: allow}\n",
                &["4:16", "`10.0.0.0/99` has a prefix of more than 32 bits"],
            ),
            ("ip_policies: {a: {rules: [{cidr: 10.0.0.1, action: permit}]}}\n", &["write allow or deny"]),
            (
                "ip_policies: {a: {rules: [{cidr: 10.0.0.1}]}}\n",
                &["`ip_policies.a.rules[0].action` is missing"],
            ),
            ("ip_policies: {a: {rules: [{cdr: 10.0.0.1, action: deny}]}}\n", &["did you mean `cidr`?"]),
            ("ip_policies: {}\nip_policies_file: a\n", &["1:1", "given twice"]),
        ] {
            let said = config(text).map(|_| ()).expect_err(text);
            for part in expected {
                assert!(said.contains(part), "{part} is not in:\n{said}");
            }
        }
        let long = format!(
            "ip_policies: {{a: {{rules: [{{cidr: ::/0, action: deny, description: {}}}]}}}}\n",
            "x".repeat(256)
        );
        let said = config(&long).map(|_| ()).expect_err("too long");
        assert!(said.contains("has 256 bytes; at most 255"), "{said}");
    }

    #[test]
    fn a_file_of_policies_is_as_strict() {
        let read = |text: &str| read_ip_policies(Source::new("p.yml", text));
        let good = "ip_policies:\n  ipp_a: {rules: [{cidr: '::/0', action: allow}]}\n";
        assert!(read(good).is_ok_and(|policies| policies.contains_key("ipp_a")));
        let said = read("ipp_a: {rules: []}\n").map(|_| ()).expect_err("no such key");
        assert!(said.contains("p.yml:1:1: error: there is no key `ipp_a` [ip-policies]"), "{said}");
        assert!(read("# nothing\n").is_err_and(|said| said.contains("`ip_policies` is missing")));
        assert!(read("a: [").is_err());
    }
}
