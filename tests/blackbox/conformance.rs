//! The language, case by case: policies of `tests/conformance/*.yml`, and what the built binary does with them.
//!
//! A file has a list of `cases`. A case has a `policy` as text and either `refused` (what `tollgate check` says) or `requests`
//! with what must come back. What a case does not say is not compared. `UPSTREAM` in a policy is the URL of the server
//! behind the gateway.

use crate::support::*;
use serde_json::{Map, Value};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use tollgate_policy::{Source, parse};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/conformance")
}

/// `<<ab*3>>` is `ababab`: for what is too long to be written out.
fn expanded(text: &str) -> String {
    let mut parts = text.split("<<");
    let mut out = parts.next().unwrap_or("").to_owned();
    for part in parts {
        let (repeated, rest) = part.split_once(">>").expect("`<<` is closed by `>>`");
        let (what, times) = repeated.rsplit_once('*').expect("`<<what*times>>`");
        out.push_str(&what.repeat(times.parse().expect("a number")));
        out.push_str(rest);
    }
    out
}

fn expand(value: Value) -> Value {
    match value {
        Value::String(text) => expanded(&text).into(),
        Value::Array(items) => items.into_iter().map(expand).collect(),
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, expand(value))).collect(),
        other => other,
    }
}

/// The cases of a file, and keys that nobody reads refused: a misspelt expectation must not pass.
fn cases(file: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(folder().join(file)).unwrap();
    let source = Source::new(file, text);
    let tree = parse(&source)
        .unwrap_or_else(|wrong| panic!("{file}:{}: {}", wrong.at.line, wrong.message))
        .to_json();
    let cases = expand(tree["cases"].clone()).as_array().expect("a list of cases").clone();
    for case in &cases {
        only(case, &["name", "policy", "json", "upstream", "secrets", "warns", "refused", "requests"]);
        for request in case["requests"].as_array().into_iter().flatten() {
            let asks = ["send", "headers", "body", "times", "h2"];
            let expects = ["status", "code", "says", "contains", "answer", "upstream", "logs", "closes"];
            only(request, &[asks.as_slice(), &expects].concat());
        }
        only(&case["refused"], &["code", "at", "says", "help"]);
        assert!(case["refused"].is_object() || case["requests"].is_array(), "{case} expects nothing");
    }
    cases
}

fn only(value: &Value, keys: &[&str]) {
    for key in value.as_object().into_iter().flat_map(Map::keys) {
        assert!(keys.contains(&key.as_str()), "nobody reads `{key}` of {value}");
    }
}

/// Runs all cases of a file, and says of all what is wrong.
async fn conforms(file: &str) {
    let mut wrong = String::new();
    let cases = cases(file);
    assert!(!cases.is_empty());
    for case in cases {
        let name = case["name"].as_str().expect("a name").to_owned();
        let policy = case["policy"].as_str().expect("a policy as text").to_owned();
        let mut forms = vec![policy.clone()];
        if case["json"] == true {
            let tree = parse(&Source::new("policy.yml", policy)).expect("YAML");
            forms.push(tree.to_json().to_string());
        }
        for form in forms {
            for said in one(&case, &form).await {
                let _ = writeln!(wrong, "{file}: {name}: {said}");
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

async fn one(case: &Value, policy: &str) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("policy.yml");
    std::fs::write(&file, policy.replace("UPSTREAM", "http://127.0.0.1:1")).unwrap();
    let checked = run(&["check", file.to_str().unwrap()]).await;
    let said = format!("{}{}", checked.stdout, checked.stderr);
    if case["refused"].is_object() {
        return refused(&case["refused"], checked.code, &said);
    }
    let mut wrong = Vec::new();
    if checked.code != Some(0) {
        return vec![format!("does not load: {said}")];
    }
    let warned = said.matches(": warning: ").count();
    let warns: Vec<&str> = texts(&case["warns"]);
    let missing_secrets = said.matches("[missing-secret]").count();
    if warned - missing_secrets != warns.len() || !warns.iter().all(|warning| said.contains(warning)) {
        wrong.push(format!("warns otherwise than {warns:?}: {said}"));
    }
    wrong.extend(requests(case, policy).await);
    wrong
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        Value::String(text) => vec![text],
        _ => Vec::new(),
    }
}

fn refused(expected: &Value, code: Option<i32>, said: &str) -> Vec<String> {
    let mut wanted = vec![format!("[{}]", expected["code"].as_str().expect("a code"))];
    wanted.extend(
        expected["at"]
            .as_str()
            .map(|at| format!("policy.yml:{at}{}", if at.ends_with(':') { "" } else { ": error: " })),
    );
    wanted.extend(expected["says"].as_str().map(str::to_owned));
    wanted.extend(expected["help"].as_str().map(str::to_owned));
    let missing: Vec<String> = wanted.into_iter().filter(|text| !said.contains(text)).collect();
    if code == Some(1) && missing.is_empty() {
        return Vec::new();
    }
    vec![format!("is refused otherwise ({code:?}), without {missing:?}: {said}")]
}

/// Who is behind the gateway: an echo, nobody, a port that is closed, or an answer that is written out.
enum Behind {
    Echo(EchoServer),
    Raw(RawUpstream),
    Closed(String),
    Nobody,
}

impl Behind {
    async fn new(case: &Value) -> Self {
        match case["upstream"].as_str() {
            None => Self::Echo(EchoServer::start().await),
            Some("none") => Self::Nobody,
            Some("closed") => Self::Closed(format!("http://{}", nobody())),
            Some(answer) => {
                let (head, body) = answer.split_once("\n\n").unwrap_or((answer, ""));
                let head = head.trim_end().replace('\n', "\r\n");
                Self::Raw(RawUpstream::start(format!("{head}\r\n\r\n{body}"), Then::Close).await)
            }
        }
    }

    fn url(&self) -> Option<String> {
        match self {
            Self::Echo(echo) => Some(echo.url()),
            Self::Raw(raw) => Some(raw.url()),
            Self::Closed(url) => Some(url.clone()),
            Self::Nobody => None,
        }
    }
}

async fn requests(case: &Value, policy: &str) -> Vec<String> {
    let behind = Behind::new(case).await;
    let policy = policy.replace("UPSTREAM", &behind.url().unwrap_or_default());
    let mut builder = Gateway::builder(&policy);
    if let Some(url) = behind.url() {
        builder = builder.args(&["--upstream", &url]);
    }
    for (vault, secrets) in case["secrets"].as_object().into_iter().flatten() {
        for (name, value) in secrets.as_object().into_iter().flatten() {
            let variable = format!("TOLLGATE_SECRET__{vault}__{name}").to_uppercase();
            builder = builder.env(&variable, value.as_str().expect("a text"));
        }
    }
    let gateway = builder.start().await;
    let mut wrong = Vec::new();
    for request in case["requests"].as_array().into_iter().flatten() {
        for _ in 0..request["times"].as_u64().unwrap_or(1) {
            let found = match request["closes"] == true {
                true => closed(&gateway, request).await,
                false => compared(&gateway, request).await,
            };
            wrong.extend(found.into_iter().map(|said| format!("{}: {said}", request["send"])));
        }
    }
    wrong
}

fn line(request: &Value) -> (&str, &str) {
    request["send"].as_str().and_then(|line| line.split_once(' ')).expect("`send: METHOD /path`")
}

/// Whether the connection ends without an answer.
async fn closed(gateway: &Gateway, request: &Value) -> Vec<String> {
    let (method, path) = line(request);
    let mut raw = RawConnection::open(gateway.addr).await;
    raw.write(format!("{method} {path} HTTP/1.1\r\nhost: h\r\n\r\n")).await;
    let came = raw.everything().await;
    if came.is_empty() {
        Vec::new()
    } else {
        vec![format!("is answered: {}", String::from_utf8_lossy(&came))]
    }
}

async fn compared(gateway: &Gateway, request: &Value) -> Vec<String> {
    let (method, path) = line(request);
    let mut ask = get(path).method(method).body(request["body"].as_str().unwrap_or("").to_owned());
    for (name, values) in request["headers"].as_object().into_iter().flatten() {
        for value in texts(values) {
            ask = ask.header(name, value);
        }
    }
    let answer = gateway.send(if request["h2"] == true { ask.h2() } else { ask }).await;
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    let mut wrong = Vec::new();
    let mut same = |what: &str, wanted: &Value, came: Value| {
        if !wanted.is_null() && *wanted != came {
            wrong.push(format!("{what} is {came}, not {wanted} ({} {text:?})", answer.status));
        }
    };
    same("status", &request["status"], answer.status.into());
    // An error code is always expected or absent: nobody forgets it.
    let code = request["code"].as_str().unwrap_or("");
    same("code", &code.into(), answer.code().into());
    same("body", &request["says"], text.clone().into());
    for (name, value) in request["answer"].as_object().into_iter().flatten() {
        let lines: Vec<&str> = answer.headers.get_all(name).iter().filter_map(|v| v.to_str().ok()).collect();
        match value {
            Value::Null if !lines.is_empty() => wrong.push(format!("{name} is {lines:?}, not absent")),
            Value::Null => {}
            wanted if texts(wanted) != lines => wrong.push(format!("{name} is {lines:?}, not {wanted}")),
            _ => {}
        }
    }
    for part in texts(&request["contains"]).into_iter().filter(|part| !text.contains(part)) {
        wrong.push(format!("{part:?} is not in the body: {text:?}"));
    }
    if let Some(wanted) = request["upstream"].as_object() {
        let told: Value = serde_json::from_str(&text).unwrap_or_default();
        for (name, value) in wanted {
            let came = if name == "uri" || name == "method" || name == "bytes" {
                &told[name]
            } else {
                &told["headers"][name]
            };
            if came != value {
                wrong.push(format!("the upstream got {name} {came}, not {value}"));
            }
        }
    }
    if !request["logs"].is_null() {
        let line = gateway.log_of(&answer).await;
        let entries = line["traffic_policy"]["logs"].as_array().cloned().unwrap_or_default();
        let logs: Value = entries.iter().map(|entry| entry["metadata"].clone()).collect();
        if logs != request["logs"] {
            wrong.push(format!("the log has {logs}, not {}: {line}", request["logs"]));
        }
    }
    wrong
}

macro_rules! files {
    ($($name:ident: $file:literal),* $(,)?) => {
        $(#[tokio::test] async fn $name() { conforms($file).await; })*

        #[test]
        fn every_file_is_run() {
            let run = [$($file),*];
            for file in std::fs::read_dir(folder()).unwrap() {
                let name = file.unwrap().file_name().into_string().unwrap();
                assert!(run.contains(&name.as_str()), "nothing runs {name}");
            }
        }
    };
}

files! {
    the_document: "document.yml",
    conditions: "conditions.yml",
    values: "values.yml",
    documents_that_are_refused: "refused-documents.yml",
    fields_that_are_refused: "refused-fields.yml",
    actions: "actions.yml",
    errors: "errors.yml",
}
