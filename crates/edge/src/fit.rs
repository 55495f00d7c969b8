//! Whether a policy fits the endpoint it is for.

use crate::action::Action;
use crate::actions;
use crate::engine::{Engine, LoadedEngine, Shared, diagnostic};
use crate::listener::Protocol;
use crate::phase::Rule;
use tollgate_policy::{Diagnostic, Location, Severity, Source, Terminating};

/// The action that needs TLS.
const TERMINATE_TLS: &str = "terminate-tls";
/// The action that takes the place of an upstream.
const FORWARD: &str = "forward-internal";

/// What an endpoint is, as far as its policy has to fit it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// What is spoken.
    pub protocol: Protocol,
    /// Whether it has a certificate of its own.
    pub certificate: bool,
    /// Whether only other endpoints reach it.
    pub internal: bool,
    /// Whether there are servers behind it.
    pub upstream: bool,
}

/// Loads a policy for an endpoint. What does not fit is an error where it is written; what is left open, a warning.
#[must_use]
pub fn load(source: &Source, shared: &Shared, place: Place) -> LoadedEngine {
    let loaded = Engine::load(source, shared);
    let Some(engine) = loaded.engine else { return loaded };
    let wrong = unfit(&engine, source, place);
    let fits = wrong.is_empty();
    let found = wrong.into_iter().chain(unanswered(&engine, source, place));
    LoadedEngine { diagnostics: loaded.diagnostics.with(found), engine: fits.then_some(engine) }
}

/// Requests that may come to their end without an answer.
fn unanswered(engine: &Engine, source: &Source, place: Place) -> Option<Diagnostic> {
    if place.upstream || !place.protocol.is_http() || engine.request.iter().any(ends_everything) {
        return None;
    }
    let at = engine.request.last().map_or(Location::START, |rule| rule.at);
    let message = "requests that no rule ends are answered 404: this endpoint has no upstream".to_owned();
    let help = "end with a rule without `expressions` that answers, or give the endpoint an upstream";
    Some(diagnostic(source, at, Severity::Warning, "ERR_NGROK_2235", message, Some(help.to_owned())))
}

/// Whether a rule is there for every request, and has an action that answers. One that goes on after a failure counts:
/// what it does then is known only when it fails.
fn ends_everything(rule: &Rule) -> bool {
    let ends = |name: &str| {
        let spec = actions::find(name).map(|action| action.spec);
        spec.is_some_and(|spec| matches!(spec.terminating, Terminating::Always | Terminating::OnSuccess))
    };
    rule.expressions.is_empty() && rule.kinds.iter().any(|(name, _)| ends(name))
}

fn unfit(engine: &Engine, source: &Source, place: Place) -> Vec<Diagnostic> {
    let protocol = place.protocol.name();
    let error = |at, code, message, help: &str| {
        diagnostic(source, at, Severity::Error, code, message, Some(help.to_owned()))
    };
    let mut found = Vec::new();
    if place.internal && place.protocol.is_http() {
        let rule = engine.connect.first();
        return Vec::from_iter(rule.map(|rule| {
            let message =
                "`on_tcp_connect` never runs on an internal endpoint: nobody connects to it".to_owned();
            let help = "move the rules to the endpoints with `listen`, or to `on_http_request`";
            error(rule.at, "ERR_NGROK_2262", message, help)
        }));
    }
    found.extend(phases_unfit(engine, source, place));
    let forwards = of_kind(&engine.connect, FORWARD).map(|(_, at)| at).next();
    if let Some(at) = forwards.filter(|_| place.protocol.is_http()) {
        let message = format!(
            "a connection of an endpoint of protocol `{protocol}` is HTTP, and cannot be forwarded as it is"
        );
        let help = "move the rule to `on_http_request`, or write `protocol: tcp` or `tls` at the endpoint";
        found.push(error(at, "ERR_NGROK_2205", message, help));
    }
    if !place.protocol.is_http() && !place.upstream && forwards.is_none() {
        let message =
            format!("protocol `{protocol}` passes connections on, and there is nowhere to pass them to");
        let help =
            "add `upstream: tcp://HOST:PORT` to the endpoint, or `forward-internal` to `on_tcp_connect`";
        found.push(error(Location::START, "ERR_NGROK_2235", message, help));
    }
    let terminates = terminations(&engine.connect).next().is_some();
    if place.protocol == Protocol::Https && !place.internal && !place.certificate && !terminates {
        let message = "the endpoint has no certificate, and no `terminate-tls` brings one".to_owned();
        let help = "add `tls:` to the endpoint, or `terminate-tls` with a certificate to `on_tcp_connect`";
        found.push(error(Location::START, "ERR_NGROK_2234", message, help));
    }
    for (at, needs_certificate) in terminations(&engine.connect) {
        if place.protocol == Protocol::Http {
            let message =
                "`terminate-tls` cannot run on an endpoint of protocol `http`: it has no TLS".to_owned();
            let help = "write `protocol: https` at the endpoint, or give it a certificate";
            found.push(error(at, "ERR_NGROK_2205", message, help));
        } else if needs_certificate && !place.certificate {
            let message =
                "there is no certificate to show: neither the endpoint nor this action has one".to_owned();
            let help = "add `tls:` to the endpoint, or `server_certificate` and `server_private_key` here";
            found.push(error(at, "ERR_NGROK_2234", message, help));
        }
    }
    found
}

/// The phases of requests, on an endpoint that reads none.
fn phases_unfit(engine: &Engine, source: &Source, place: Place) -> Vec<Diagnostic> {
    if place.protocol.is_http() {
        return Vec::new();
    }
    let phases = [
        ("on_http_request", &engine.request),
        ("on_http_response", &engine.response),
        ("on_event_stream_message", &engine.events),
    ];
    let first = |(phase, rules): (&'static str, &Vec<Rule>)| Some((phase, rules.first()?.at));
    let found = phases.into_iter().filter_map(first).map(|(phase, at)| {
        let message = format!("`{phase}` cannot run on an endpoint of protocol `{}`", place.protocol.name());
        let help =
            "such an endpoint runs `on_tcp_connect` only; remove the rules, or write `protocol: https`";
        diagnostic(source, at, Severity::Error, "ERR_NGROK_2230", message, Some(help.to_owned()))
    });
    found.collect()
}

/// Where handshakes are completed by rules, and whether with the endpoint's certificate.
fn terminations(rules: &[Rule]) -> impl Iterator<Item = (Location, bool)> {
    of_kind(rules, TERMINATE_TLS).map(|(action, at)| (at, action.needs_certificate()))
}

/// The actions of a type, and where they stand.
fn of_kind<'r>(rules: &'r [Rule], kind: &'static str) -> impl Iterator<Item = (&'r dyn Action, Location)> {
    let actions = rules.iter().flat_map(|rule| rule.actions.iter().zip(&rule.kinds));
    actions.filter(move |(_, (name, _))| *name == kind).map(|(action, (_, at))| (&**action, *at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::shared;

    fn loaded(policy: &str, protocol: Protocol, certificate: bool) -> Result<(), String> {
        let source = Source::new("test.yml", policy);
        let loaded =
            load(&source, &shared(&[]), Place { protocol, certificate, internal: false, upstream: true });
        let text = loaded.diagnostics.render_text(&source);
        loaded.engine.map(|_| ()).ok_or(text)
    }

    #[test]
    fn nobody_connects_to_an_internal_endpoint() {
        let source = Source::new("test.yml", "on_tcp_connect:\n  - type: deny\n");
        let place = Place { internal: true, ..Place::default() };
        let loaded = load(&source, &shared(&[]), place);
        let text = loaded.diagnostics.render_text(&source);
        assert!(loaded.engine.is_none() && text.contains("ERR_NGROK_2262"), "{text}");
    }

    #[test]
    fn what_no_rule_ends_needs_an_upstream() {
        let said = |policy: &str, upstream: bool| {
            let source = Source::new("p.yml", policy);
            let loaded = load(&source, &shared(&[]), Place { upstream, ..Place::default() });
            assert!(loaded.engine.is_some());
            loaded.diagnostics.render_text(&source)
        };
        let guard =
            "on_http_request:\n  - expressions: [\"req.method == 'PUT'\"]\n    actions: [{type: deny}]\n";
        let text = said(guard, false);
        assert!(text.contains("p.yml:2:5: warning:") && text.contains("ERR_NGROK_2235"), "{text}");
        assert_eq!(said(guard, true), "");
        for last in ["custom-response", "ai-gateway", "deny"] {
            assert_eq!(said(&format!("{guard}  - type: {last}\n"), false), "", "{last}");
        }
        assert!(said("on_http_response: []\n", false).contains("p.yml:1:1: warning"));
    }

    #[test]
    fn policies_fit_their_endpoints() {
        use Protocol::{Http, Https, Tcp, Tls};
        let terminate = "on_tcp_connect:\n  - type: terminate-tls\n";
        let own = "on_tcp_connect:\n  - type: terminate-tls\n    config:\n      server_certificate: ${conn.tls.sni}\n      \
                   server_private_key: ${conn.tls.sni}\n";
        let request = "on_http_request:\n  - type: deny\n";
        let response =
            "on_tcp_connect: []\non_http_response:\n  - type: log\n    config: {metadata: {a: b}}\n";
        let none = "on_tcp_connect: []\n";
        for (policy, protocol, certificate, code) in [
            (terminate, Https, true, ""),
            (terminate, Tls, true, ""),
            (terminate, Tcp, true, ""),
            (terminate, Http, false, "test.yml:2:11: error: `terminate-tls` cannot run"),
            (terminate, Https, false, "test.yml:2:11: error: there is no certificate"),
            (terminate, Tls, false, "test.yml:2:11: error: there is no certificate"),
            (own, Https, false, ""),
            (own, Tcp, false, ""),
            (own, Http, false, "ERR_NGROK_2205"),
            (request, Http, false, ""),
            (request, Https, true, ""),
            (request, Https, false, "ERR_NGROK_2234"),
            (request, Tcp, false, "`on_http_request` cannot run on an endpoint of protocol `tcp`"),
            (response, Tls, false, "test.yml:3:5: error: `on_http_response` cannot run"),
            (none, Tls, false, ""),
            (none, Tcp, false, ""),
            (none, Https, true, ""),
        ] {
            match loaded(policy, protocol, certificate) {
                Ok(()) => assert_eq!(code, "", "{policy} {protocol:?}"),
                Err(said) => {
                    assert!(!code.is_empty() && said.contains(code), "{policy} {protocol:?}: {said}")
                }
            }
        }
    }
}
