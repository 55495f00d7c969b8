//! `tollgate explain`: what would be tried for a request, and why not the rest.

mod script;
mod text;

use crate::cli::ExplainArgs;
use crate::commands::check;
use crate::error::CliError;
use crate::secrets::{Secrets, StandIns, stand_in};
use crate::{naming, output, settings, wiring};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use std::process::ExitCode;
use std::sync::Arc;
use tollgate_catalog::Catalog;
use tollgate_dialect::{Endpoint, methods, route};
use tollgate_edge::explain::{DryRequest, explain};

/// Explains the request; exit code 1 when it would be refused.
///
/// # Errors
/// A policy with errors, a request that cannot be one.
pub(crate) fn run(args: &ExplainArgs) -> Result<ExitCode, CliError> {
    let from_stdin = |path: &std::path::Path| path.as_os_str() == "-";
    if from_stdin(&args.policy) && args.body_file.as_deref().is_some_and(from_stdin) {
        return Err(CliError::usage("only one of policy and --body-file can come from standard input"));
    }
    let request = request(args)?;
    let real = Secrets::open(&args.secrets, None, &Catalog::builtin())?;
    let secrets = Arc::new(StandIns::new(real));
    let file = args.config.as_deref().map(settings::read_config).transpose()?.unwrap_or_default();
    let naming = naming::settle(&args.names, file.names)?;
    let mut shared = wiring::shared(Arc::<StandIns<Secrets>>::clone(&secrets), &naming)?;
    if args.config.is_some() {
        (shared.addressing, _) = wiring::addressing(file.addresses)?;
    }
    let source = wiring::source(&args.policy)?;
    let engine = check::good(&source, &shared)?;
    wiring::known_backends(&shared, &engine)?;
    let script = script::parse_all(&args.outcome).map_err(CliError::Usage)?;
    let script = script::resolve(script, &engine, &shared).map_err(CliError::Usage)?;
    let scripted = !script.is_empty();
    let line = format!("{} {}", request.method, request.uri);
    let explanation = wiring::runtime()?.block_on(explain(&engine, &shared, request, script));
    if args.json {
        output::say(&format!("{:#}", explanation.json(&source.name, scripted)));
    } else {
        output::print(&text::render(&line, &source.name, &explanation, scripted));
    }
    for (vault, name) in secrets.missing() {
        output::complain(&format!(
            "note: there is no secret '{name}' in vault '{vault}'; explained with `{}` in its place",
            stand_in(&vault, &name)
        ));
    }
    if args.body.is_none() && args.body_file.is_none() && matches!(route(&args.path), Endpoint::Ai(_)) {
        output::complain(
            "note: explained for the body {}, which names no model; give one with --body '{\"model\": \"...\"}'",
        );
    }
    Ok(if explanation.refused() { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

fn request(args: &ExplainArgs) -> Result<DryRequest, CliError> {
    let usage = |what: &str, text: &str, why: String| CliError::usage(format!("{what} `{text}`: {why}"));
    if !args.path.starts_with('/') {
        return Err(usage("--path", &args.path, "must begin with `/`".into()));
    }
    let uri: Uri = args
        .path
        .parse()
        .map_err(|why: http::uri::InvalidUri| usage("--path", &args.path, why.to_string()))?;
    let endpoint = route(uri.path());
    let body = body(args, &endpoint)?;
    let method = match &args.method {
        Some(method) => method
            .to_ascii_uppercase()
            .parse()
            .map_err(|_| usage("--method", method, "is no method".into()))?,
        None => methods(&endpoint).first().cloned().unwrap_or(if body.is_empty() {
            Method::GET
        } else {
            Method::POST
        }),
    };
    let mut headers = HeaderMap::new();
    for line in &args.headers {
        let (name, value) = header(line).map_err(|why| usage("--header", shown(line), why))?;
        headers.append(name, value);
    }
    complete(&mut headers, !body.is_empty());
    Ok(DryRequest { method, uri, headers, body, client_ip: args.client_ip })
}

fn body(args: &ExplainArgs, endpoint: &Endpoint) -> Result<Bytes, CliError> {
    if let Some(text) = &args.body {
        return Ok(Bytes::from(text.clone()));
    }
    match &args.body_file {
        Some(path) => Ok(Bytes::from(wiring::source(path)?.text.as_bytes().to_vec())),
        None if matches!(endpoint, Endpoint::Ai(_)) => Ok(Bytes::from_static(b"{}")),
        None => Ok(Bytes::new()),
    }
}

/// `name: value`
fn header(line: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = line.split_once(':').ok_or("write NAME: VALUE")?;
    let name = name.trim().parse().map_err(|_| "the name is not a header's")?;
    let value =
        HeaderValue::try_from(value.trim()).map_err(|_| "the value has characters a header cannot have")?;
    Ok((name, value))
}

/// A header without its value, which may be a key.
fn shown(line: &str) -> &str {
    line.split(':').next().unwrap_or("")
}

/// What every client sends.
pub(crate) fn complete(headers: &mut HeaderMap, has_body: bool) {
    headers.entry(http::header::HOST).or_insert(HeaderValue::from_static("localhost"));
    if has_body {
        headers.entry(http::header::CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    fn asked(line: &[&str]) -> Result<DryRequest, String> {
        let words = ["tollgate", "explain", "p.yml"].iter().chain(line);
        let Ok(Cli { command: Command::Explain(args) }) = Cli::try_parse_from(words) else {
            panic!("{line:?}")
        };
        request(&args).map_err(|error| error.to_string())
    }

    #[test]
    fn the_method_is_the_one_the_path_wants() {
        for (path, method) in [("/v1/chat/completions", "POST"), ("/v1/models", "GET"), ("/anything", "GET")]
        {
            assert_eq!(
                asked(&["--path", path]).map(|r| r.method.to_string()),
                Ok(method.to_owned()),
                "{path}"
            );
        }
        let posted = asked(&["--path", "/anything", "--body", "x"]).unwrap();
        assert_eq!((posted.method, &*posted.body), (Method::POST, &b"x"[..]));
    }

    #[test]
    fn headers_are_read_and_completed() {
        let request = asked(&["--body", "{}", "-H", "X-Team: a:b", "-H", "host: h"]).unwrap();
        let get = |name: &str| request.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or("");
        assert_eq!((get("x-team"), get("host"), get("content-type")), ("a:b", "h", "application/json"));
    }

    #[test]
    fn what_is_no_request_is_named_without_header_values() {
        assert!(asked(&["--path", "v1"]).is_err_and(|e| e.contains("must begin with `/`")));
        assert!(asked(&["--header", "nothing"]).is_err_and(|e| e.contains("NAME: VALUE")));
        let said = asked(&["--header", "authorization: secret\u{7f}"]).expect_err("a control character");
        assert!(said.contains("authorization") && !said.contains("secret"), "{said}");
    }
}
