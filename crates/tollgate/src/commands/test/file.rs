//! A test file: strictly read.

use crate::commands::explain::complete;
use crate::decode::{Findings, Reader, joined};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use secrecy::SecretString;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use tollgate_edge::dry::{Outcome, ScriptedOutcome};
use tollgate_edge::explain::DryRequest;
use tollgate_policy::{Location, Node, NodeValue, Source};

/// The code of findings in these files.
const CODE: &str = "test-file";

/// A file of tests.
#[derive(Debug)]
pub(super) struct TestFile {
    /// The file itself, as it was named.
    pub(super) path: PathBuf,
    /// The policy under test.
    pub(super) policy: PathBuf,
    /// A configuration file; what it says of addresses counts.
    pub(super) config: Option<PathBuf>,
    /// Vault, name and value.
    pub(super) secrets: Vec<(String, String, SecretString)>,
    /// In order.
    pub(super) cases: Vec<Case>,
}

/// One test.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) at: Location,
    pub(super) request: DryRequest,
    pub(super) script: Vec<ScriptedOutcome>,
    pub(super) expect: Expect,
}

/// What is compared; nothing else is.
#[derive(Debug, Default)]
pub(super) struct Expect {
    pub(super) action: Option<String>,
    pub(super) status: Option<u16>,
    pub(super) error: Option<String>,
    pub(super) forwarded_to: Option<String>,
    pub(super) attempts: Option<Vec<AttemptExpect>>,
    pub(super) headers: Vec<(HeaderName, Option<String>)>,
    pub(super) body_contains: Vec<String>,
}

/// What is compared of an attempt.
#[derive(Debug, Default)]
pub(super) struct AttemptExpect {
    pub(super) provider: Option<String>,
    pub(super) model: Option<String>,
    pub(super) key: Option<String>,
    pub(super) outcome: Option<String>,
}

/// Reads a file.
///
/// # Errors
/// All mistakes, as `check` prints them.
pub(super) fn read(path: &Path) -> Result<TestFile, String> {
    let source = crate::wiring::source(path).map_err(|error| error.to_string())?;
    parse(source, path).map_err(|findings| findings.to_string())
}

/// Reads the text of a file.
///
/// # Errors
/// All mistakes.
pub(super) fn parse(source: Source, path: &Path) -> Result<TestFile, Findings> {
    let mut reader = Reader::new(source, CODE);
    let file = reader.root().and_then(|root| decode(&mut reader, &root, path));
    reader.finish(file)
}

fn decode(reader: &mut Reader, root: &Node, path: &Path) -> Option<TestFile> {
    if !reader.mapping(root, "", &["policy", "config", "secrets", "tests"]) {
        return None;
    }
    let policy = reader.required(root, "", "policy").and_then(|node| reader.text(node, "policy"));
    let config = reader.text_at(root, "", "config");
    let secrets = root.get("secrets").map(|node| secrets(reader, node)).unwrap_or_default();
    let tests = reader.required(root, "", "tests").and_then(|node| {
        let items = reader.list(node, "tests")?;
        if items.is_empty() {
            reader.error(node.at, "`tests` needs at least one entry", None);
        }
        Some(items)
    });
    let mut cases: Vec<Case> = Vec::new();
    for (index, item) in tests.unwrap_or_default().iter().enumerate() {
        let Some(case) = case(reader, item, &format!("tests[{index}]")) else { continue };
        if let Some(first) = cases.iter().find(|other| other.name == case.name) {
            let help = Some(format!("the other one is on line {}", first.at.line));
            reader.error(case.at, "two tests have this name", help);
        }
        cases.push(case);
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let config = config.map(|config| folder.join(config));
    Some(TestFile { path: path.to_owned(), policy: folder.join(policy?), config, secrets, cases })
}

fn secrets(reader: &mut Reader, node: &Node) -> Vec<(String, String, SecretString)> {
    let mut all = Vec::new();
    if !matches!(node.value, NodeValue::Map(_)) {
        reader.wrong(node, "secrets", "a mapping", Some("write `VAULT: {NAME: VALUE}`".into()));
    }
    for (vault, values) in node.entries() {
        let path = joined("secrets", &vault.text);
        if !matches!(values.value, NodeValue::Map(_)) {
            reader.wrong(values, &path, "a mapping", Some("write `VAULT: {NAME: VALUE}`".into()));
        }
        for (name, value) in values.entries() {
            if let Some(value) = reader.text(value, &joined(&path, &name.text)) {
                all.push((vault.text.to_string(), name.text.to_string(), value.into()));
            }
        }
    }
    all
}

fn case(reader: &mut Reader, node: &Node, path: &str) -> Option<Case> {
    if !reader.mapping(node, path, &["name", "request", "outcomes", "expect"]) {
        return None;
    }
    let name = reader.required(node, path, "name");
    let at = name.map_or(node.at, |name| name.at);
    let name = name.and_then(|node| reader.text(node, &joined(path, "name")));
    let empty = Node::empty_map(node.at);
    let request = request(reader, node.get("request").unwrap_or(&empty), &joined(path, "request"));
    let script = node
        .get("outcomes")
        .map(|node| outcomes(reader, node, &joined(path, "outcomes")))
        .unwrap_or_default();
    let expect =
        reader.required(node, path, "expect").and_then(|node| expect(reader, node, &joined(path, "expect")));
    Some(Case { name: name?, at, request: request?, script, expect: expect? })
}

fn request(reader: &mut Reader, node: &Node, path: &str) -> Option<DryRequest> {
    if !reader.mapping(node, path, &["method", "path", "headers", "client_ip", "body"]) {
        return None;
    }
    let method = reader.parsed_at(node, path, "method", |text| text.parse::<Method>());
    let uri = reader.parsed_at(node, path, "path", |text| match text.parse::<Uri>() {
        Ok(uri) if text.starts_with('/') => Ok(uri),
        Ok(_) => Err("must begin with `/`".to_owned()),
        Err(wrong) => Err(wrong.to_string()),
    });
    let client_ip = reader.parsed_at(node, path, "client_ip", |text| text.parse::<IpAddr>());
    let mut headers = HeaderMap::new();
    if let Some(node) = node.get("headers") {
        read_headers(reader, node, &joined(path, "headers"), &mut headers);
    }
    let (body, is_json) = match node.get("body") {
        None => (Bytes::new(), false),
        Some(node) => match &node.value {
            NodeValue::Map(_) => (Bytes::from(node.to_json().to_string()), true),
            NodeValue::Text(text) => (Bytes::from(text.clone()), false),
            _ => {
                reader.wrong(node, &joined(path, "body"), "a mapping or text", None);
                return None;
            }
        },
    };
    complete(&mut headers, is_json);
    Some(DryRequest {
        method: method.unwrap_or(Method::POST),
        uri: uri.unwrap_or_else(|| Uri::from_static("/v1/chat/completions")),
        headers,
        body,
        client_ip: client_ip.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
    })
}

fn read_headers(reader: &mut Reader, node: &Node, path: &str, headers: &mut HeaderMap) {
    if !matches!(node.value, NodeValue::Map(_)) {
        return reader.wrong(node, path, "a mapping", Some("write `NAME: VALUE`".into()));
    }
    for (key, value) in node.entries() {
        let path = joined(path, &key.text);
        let Ok(name) = key.text.parse::<HeaderName>() else {
            reader.error(key.at, format!("`{}` is not the name of a header", key.text), None);
            continue;
        };
        let values = match &value.value {
            NodeValue::List(items) => items.as_slice(),
            _ => std::slice::from_ref(value),
        };
        for value in values {
            if let Some(value) = reader.parsed(value, &path, HeaderValue::from_str) {
                headers.append(name.clone(), value);
            }
        }
    }
}

fn outcomes(reader: &mut Reader, node: &Node, path: &str) -> Vec<ScriptedOutcome> {
    let items = reader.list(node, path).unwrap_or_default();
    let mut script = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let path = format!("{path}[{index}]");
        if !reader.mapping(item, &path, &["target", "key", "result"]) {
            continue;
        }
        let target =
            reader.required(item, &path, "target").and_then(|n| reader.text(n, &joined(&path, "target")));
        let key = reader.text_at(item, &path, "key");
        let result = reader.required(item, &path, "result");
        let outcome = result.and_then(|node| reader.parsed(node, &joined(&path, "result"), scripted));
        if let (Some(target), Some(outcome)) = (target, outcome) {
            script.push(ScriptedOutcome { target, key, outcome, once: false });
        }
    }
    script
}

fn scripted(text: &str) -> Result<Outcome, String> {
    match text.parse() {
        Ok(Outcome::Status(200..=299)) => Err("write `ok`, or a status from 300 to 599".to_owned()),
        Ok(outcome) => Ok(outcome),
        Err(bad) => Err(bad.to_string()),
    }
}

fn expect(reader: &mut Reader, node: &Node, path: &str) -> Option<Expect> {
    let keys = ["action", "status", "error", "forwarded_to", "attempts", "headers", "body_contains"];
    if !reader.mapping(node, path, &keys) {
        return None;
    }
    if node.entries().is_empty() {
        reader.error(node.at, format!("`{path}` needs at least one key"), None);
    }
    let mut expect = Expect {
        action: reader.text_at(node, path, "action"),
        error: reader.text_at(node, path, "error"),
        forwarded_to: reader.text_at(node, path, "forwarded_to"),
        ..Expect::default()
    };
    expect.status =
        reader.parsed_at(node, path, "status", |text| match text.parse::<u16>().map(StatusCode::from_u16) {
            Ok(Ok(status)) => Ok(status.as_u16()),
            _ => Err("is no status"),
        });
    if let Some(node) = node.get("attempts") {
        expect.attempts = attempts(reader, node, &joined(path, "attempts"));
    }
    if let Some(node) = node.get("headers") {
        expect.headers = expected_headers(reader, node, &joined(path, "headers"));
    }
    if let Some(node) = node.get("body_contains") {
        let path = joined(path, "body_contains");
        let items = match &node.value {
            NodeValue::List(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        expect.body_contains = items.iter().filter_map(|item| reader.text(item, &path)).collect();
    }
    Some(expect)
}

fn attempts(reader: &mut Reader, node: &Node, path: &str) -> Option<Vec<AttemptExpect>> {
    let items = reader.list(node, path)?;
    let mut attempts = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let path = format!("{path}[{index}]");
        if reader.mapping(item, &path, &["provider", "model", "key", "outcome"]) {
            attempts.push(AttemptExpect {
                provider: reader.text_at(item, &path, "provider"),
                model: reader.text_at(item, &path, "model"),
                key: reader.text_at(item, &path, "key"),
                outcome: reader
                    .parsed_at(item, &path, "outcome", |text| text.parse::<Outcome>().map(|o| o.to_string())),
            });
        }
    }
    Some(attempts)
}

fn expected_headers(reader: &mut Reader, node: &Node, path: &str) -> Vec<(HeaderName, Option<String>)> {
    let mut headers = Vec::new();
    if !matches!(node.value, NodeValue::Map(_)) {
        reader.wrong(
            node,
            path,
            "a mapping",
            Some("write `NAME: VALUE`, or `NAME: null` for a header that is absent".into()),
        );
    }
    for (key, value) in node.entries() {
        let Ok(name) = key.text.parse::<HeaderName>() else {
            reader.error(key.at, format!("`{}` is not the name of a header", key.text), None);
            continue;
        };
        let value =
            if value.is_null() { Some(None) } else { reader.text(value, &joined(path, &key.text)).map(Some) };
        headers.extend(value.map(|value| (name, value)));
    }
    headers
}

#[cfg(test)]
mod tests;
