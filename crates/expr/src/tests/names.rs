//! What is refused when a policy is loaded, where, and with what help.

use super::world::faults;
use crate::Scope::{Connect, KeyStrategy, ModelStrategy, Request, Response, Retry};
use crate::{Program, Scope};

/// An expression, where it stands, and how the first fault begins.
const WRONG: &[(&str, Scope, &str)] = &[
    ("reqq.method", Request, "1:1: unknown name `reqq` (help: did you mean `req`?)"),
    (
        "true &&\n  req.haeders['x'][0] == ''",
        Request,
        "2:7: `req` has no field `haeders` (help: did you mean `headers`?)",
    ),
    (
        "req.url.pth",
        Request,
        "1:9: `req.url` (a string with fields) has no field `pth` (help: did you mean `path`?)",
    ),
    ("req['methd']", Request, "1:6: `req` has no field `methd` (help: did you mean `method`?)"),
    ("req.method.size", Request, "1:12: a string has no field `size`"),
    (
        "conn.client_ip.geo.location.contry",
        Request,
        "1:29: `conn.client_ip.geo.location` has no field `contry` (help: did you mean `country`?)",
    ),
    (
        "res.status_code == 200",
        Request,
        "1:1: `res` is not available here (help: it exists in `on_http_response` and `on_event_stream_message`)",
    ),
    (
        "getResHeader('x')",
        Request,
        "1:1: `getResHeader` is not available here (help: it exists in `on_http_response` and `on_event_stream_message`)",
    ),
    (
        "ai.models",
        Response,
        "1:1: `ai` is not available here (help: it exists in `model_selection` and `api_key_selection` strategies of `ai-gateway`)",
    ),
    (
        "ai.keys",
        ModelStrategy,
        "1:4: `ai` has no field `keys` here (help: `ai.keys` exists in `api_key_selection` strategies)",
    ),
    (
        "ai.models",
        KeyStrategy,
        "1:4: `ai` has no field `models` here (help: `ai.models` exists in `model_selection` strategies)",
    ),
    ("ai.modles", ModelStrategy, "1:4: `ai` has no field `modles` here (help: did you mean `models`?)"),
    ("ai.models.filter(m, m.provider == 'x')", ModelStrategy, "1:23: AIModel has no field `provider`"),
    (
        "ai.models.filter(m, m.metadat.x == 'x')",
        ModelStrategy,
        "1:23: AIModel has no field `metadat` (help: did you mean `metadata`?)",
    ),
    ("ai.models[0].idd", ModelStrategy, "1:14: AIModel has no field `idd`"),
    (
        "ai.keys.filter(k, k.quotas.x > 1)",
        KeyStrategy,
        "1:21: AIKey has no field `quotas` (help: did you mean `quota`?)",
    ),
    (
        "actions.ngrok.rate_limt.limited",
        Request,
        "1:15: no action leaves a result `rate_limt` (help: did you mean `rate_limit`?)",
    ),
    (
        "actions.ngrok.openid_connect.identity",
        Request,
        "1:15: no action leaves a result `openid_connect` (help: `openid-connect` leaves `oidc`)",
    ),
    (
        "actions.rate_limit.limited",
        Request,
        "1:8: results of actions are in `actions.ngrok` (help: write `actions.ngrok.rate_limit`)",
    ),
    ("'a'.startWith('b')", Request, "1:5: unknown method `startWith` (help: did you mean `startsWith`?)"),
    ("jsn.decode('x')", Request, "1:1: unknown name `jsn`"),
    ("json.decod('x')", Request, "1:6: unknown function `json.decod` (help: did you mean `json.decode`?)"),
    ("decode('x')", Request, "1:1: unknown function `decode`"),
    ("lower('x')", Request, "1:1: unknown function `lower` (help: write `x.lower(...)`)"),
    ("'a'.inCidrRange('b')", Request, "1:5: unknown method `inCidrRange` (help: write `inCidrRange(...)`)"),
    ("'a'.charAt()", Request, "1:5: `charAt` takes 1 argument, not 0"),
    ("'a'.replace('b')", Request, "1:5: `replace` takes 2 to 3 arguments, not 1"),
    ("rand.double(1)", Request, "1:6: `rand.double` takes no argument, not 1"),
    ("http.get('x')", Request, "1:1: `http.get` is not supported yet"),
    ("'a'.matches('(')", Request, "1:13: bad regular expression: unclosed group"),
    (
        "res.status_code < '200'",
        Response,
        "1:17: `<` compares a number with a string (help: write 200 without quotes)",
    ),
    (
        "'404' == res.status_code",
        Response,
        "1:7: `==` compares a number with a string (help: write 404 without quotes)",
    ),
    (
        "conn.tls.version >= 1.3",
        Request,
        "1:18: `>=` compares a string with a number (help: write '1.3', or make a number of the string: double(...))",
    ),
    (
        "req.headers['x-n'][0] > 5",
        Request,
        "1:23: `>` compares a string with a number (help: write '5', or make a number of the string: int(...))",
    ),
    (
        "conn.client_port == req.method",
        Request,
        "1:18: `==` compares a number with a string (help: make a number of the string: int(...) or double(...))",
    ),
    (
        "req.user_agent.is_bot == 'true'",
        Request,
        "1:23: `==` compares a boolean with a string (help: write true without quotes)",
    ),
    (
        "conn.ts.start > '2024-01-01T00:00:00Z'",
        Request,
        "1:15: `>` compares a timestamp with a string (help: write timestamp('2024-01-01T00:00:00Z'))",
    ),
    (
        "time.now > conn.ts.start",
        Request,
        "1:10: `>` compares a string with a timestamp (help: make a timestamp of the string: timestamp(...))",
    ),
    (
        "req.method == 'GET'",
        Connect,
        "1:1: `req` is not available here (help: it exists in `on_http_request`, `on_http_response` and `on_event_stream_message`)",
    ),
    (
        "conn.tls.version == '1.3'",
        Connect,
        "1:10: `conn.tls.version` is not available here (help: it exists in `on_tcp_connect` behind `terminate-tls`, `on_http_request`, `on_http_response` and `on_event_stream_message`)",
    ),
    (
        "hasReqHeader('x')",
        Connect,
        "1:1: `hasReqHeader` is not available here (help: it exists in `on_http_request`, `on_http_response` and `on_event_stream_message`)",
    ),
    (
        "attempts > 2",
        Request,
        "1:1: `attempts` is not available here (help: it exists in `retry_condition` of `http-request`)",
    ),
    ("last_attempt.reS.x", Retry, "1:14: `last_attempt` has no field `reS` (help: did you mean `res`?)"),
    ("request.method", Request, "1:1: unknown name `request` (help: the request is `req`)"),
    ("[1].sort(x, 1, true)", Request, "1:13: the second argument of `sort` must be a name"),
    ("[1].sort(x, x, true)", Request, "1:13: the two names of `sort` must differ"),
    ("[1].sort(x, y, z < y)", Request, "1:16: unknown name `z`"),
    (
        "req.headers['x-team'] == 'a'",
        Request,
        "1:23: `==` compares a list of strings with a string (help: take one of them: `[0]`, or ask whether it is in the list",
    ),
    (
        "'a' != getQueryParam('x')",
        Request,
        "1:5: `!=` compares a list of strings with a string (help: take one of them",
    ),
    (
        "res.status_code in ['404', '500']",
        Response,
        "1:17: `in` looks for a number among strings (help: write the numbers without quotes)",
    ),
    (
        "conn.tls.version in [1.2, 1.3]",
        Request,
        "1:18: `in` looks for a string among numbers (help: write the numbers in quotes)",
    ),
    ("has(1)", Request, "1:1: `has` takes a field or an element (help: as in `has(a.b)` or `has(a['b'])`)"),
    ("[1].filter(1, true)", Request, "1:12: the first argument of `filter` must be a name"),
    (
        "ai.models.underCost('text.inputt', 1)",
        ModelStrategy,
        "1:21: there is no price type `text.inputt` (help: did you mean `text.input`?)",
    ),
    ("ai.models.sortBy('latency')", ModelStrategy, "1:18: `sortBy` knows no field `latency`"),
    ("ai.models.id", ModelStrategy, "1:11: a list of AIModel has no field `id`"),
    ("X{a: 1}", Request, "1:1: there is no message type `X` (help: write a map: `{'key': value}`)"),
    (
        "vars.a == ${vars.b",
        Request,
        "1:11: `${` inside an expression (help: write the expression without `${` and `}`)",
    ),
    ("vars.a == ${req.methd}", Request, "1:17: `req` has no field `methd` (help: did you mean `method`?)"),
    ("vars.a = 1", Request, "1:8: `=` is not part of the language (help: compare with `==`)"),
    ("vars.a b", Request, "1:8: `b` is unexpected here"),
    ("vars.a ==", Request, "1:10: the expression ends too early"),
    ("f(1", Request, "1:2: this bracket is never closed by `)`"),
    ("for", Request, "1:1: reserved word for"),
    ("  ", Request, "1:1: the expression is empty"),
    ("99999999999999999999", Request, "1:1: invalid int literal"),
    ("a.?b", Request, "1:2: unsupported syntax '.?'"),
];

#[test]
fn wrong_names_are_found_with_the_right_one() {
    for (source, scope, fault) in WRONG.iter().copied() {
        let found = faults(source, scope);
        assert!(
            found.first().is_some_and(|first| first.starts_with(fault)),
            "{source}\n  want {fault}\n  have {found:?}"
        );
    }
}

#[test]
fn every_fault_is_reported() {
    let found = faults("reqq.x == 1 && req.methd == 'GET' && [1].exists(x, y == x)", Request);
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[2].starts_with("1:52: unknown name `y`"), "{found:?}");
}

#[test]
fn free_data_has_free_names() {
    for (source, scope) in [
        ("vars.anything.at.all == 1", Request),
        ("actions.ngrok.http_request.res.body == ''", Request),
        ("json.decode(vars.x).choices[0].message.content == ''", Request),
        ("ai.models.filter(m, m.metadata.anything.x == 1 && m.pricing.foo > 1)", ModelStrategy),
        ("ai.request.model == 'x'", ModelStrategy),
        (
            "ai.models.filter(m, m.provider_id == vars.p && req.method == 'POST' && time.now != '')",
            ModelStrategy,
        ),
        ("ai.keys.filter(k, k.quota.remaining_requests > 100)", KeyStrategy),
        ("[1].map(req, req + 1)", Request),
        ("ai.providers.get('openai').getModel('x').id == 'x'", ModelStrategy),
    ] {
        assert_eq!(faults(source, scope), [] as [String; 0], "{source}");
    }
}

#[test]
fn facts() {
    let facts = |source: &str, scope: Scope| Program::compile(source, scope).unwrap().facts().clone();
    let some = facts("vars.x == req.method && actions.ngrok.log.metadata.a == secrets.get('k')", Request);
    assert_eq!(some.roots.iter().map(String::as_str).collect::<Vec<_>>(), ["actions", "req", "vars"]);
    assert!(some.volatile && some.reads_results && !some.reads_metrics && !some.elementwise);
    assert_eq!(some.secrets, [("default".to_owned(), "k".to_owned())]);
    assert!(facts("time.now == ''", Request).volatile);
    assert!(facts("rand.int() == 1", Request).volatile);
    assert!(facts("ai.models.random()", ModelStrategy).volatile);
    assert!(!facts("ai.models.only(['x'])", ModelStrategy).volatile);
    assert!(
        facts("ai.models.sortBy(m, m.metrics.global.latency.upstream_ms_avg)", ModelStrategy).reads_metrics
    );
    assert!(facts("ai.keys.filter(k, k.error_rate.total < 0.1)", KeyStrategy).reads_metrics);
    assert!(facts("getReqHeader('x') == []", Request).roots.contains("req"));
}

#[test]
fn elementwise_strategies() {
    for (source, expected) in [
        ("ai.models", true),
        ("ai.models.filter(m, m.known)", true),
        ("ai['models'].onlyProviders(['x']).sortBy('price').randomize()", true),
        (
            "ai.models.sortBy(m, m.pricing.input).underCost('text.input', 5).inRegion('x').ignore(vars.l)",
            true,
        ),
        ("ai.models.filter(m, m.id == ai.request.model)", true),
        ("ai.models.filter(m, m.id == ai['request'].model)", true),
        ("ai.models.filter(m, m.pricing.input < ai.models[0].pricing.input)", false),
        ("ai.models.filter(m, ai.providers.exists(p, p.id == m.provider_id))", false),
        ("ai.models.random()", false),
        ("ai.models[0]", false),
        ("ai.models.slice(0, 1)", false),
        ("ai.models.filter(m, m.known) + ai.models", false),
        ("ai.models.map(m, m)", false),
        ("true ? ai.models : ai.models", false),
        ("ai.providers", false),
    ] {
        assert_eq!(
            Program::compile(source, ModelStrategy).unwrap().facts().elementwise,
            expected,
            "{source}"
        );
    }
}
