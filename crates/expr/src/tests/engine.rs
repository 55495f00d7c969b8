//! The variables of the engine: values, and soft reads of what is not there.

use super::world::{World, eval, json_of};
use crate::{Program, Scope, Value};
use serde_json::json;

#[test]
fn request() {
    for (source, expected) in [
        ("[req.id, req.method, req.version, req.path]", json!(["req_1", "POST", "HTTP/2.0", "/v1/chat"])),
        ("req.host", json!("Api.Example:8443")),
        (
            "[req.url, req.url.raw]",
            json!([
                "https://api.example:8443/v1/chat?a=1&a=2&B=x%20y",
                "https://Api.Example:8443/v1/./chat?a=1&a=2&B=x%20y",
            ]),
        ),
        (
            "[req.url.host, req.url.path, req.url.raw_path, req.url.scheme]",
            json!(["api.example", "/v1/chat", "/v1/./chat", "https"]),
        ),
        (
            "[req.url.authority, req.url.query, req.url.uri]",
            json!(["Api.Example:8443", "a=1&a=2&B=x%20y", "/v1/chat?a=1&a=2&B=x%20y"]),
        ),
        ("req.url.port", json!(8443)),
        ("req.url.query_params['a']", json!(["1", "2"])),
        (
            "req.url.query_params['B'][0] + getQueryParam('b').join(',') + getQueryParam('a').join(',')",
            json!("x y1,2"),
        ),
        ("hasQueryParam('a') && !hasQueryParam('A') && 'B' in req.url.query_params", json!(true)),
        (
            "[req.content_type, req.content_type.raw]",
            json!(["application/json", "Application/JSON; Charset=\"utf-8\""]),
        ),
        ("req.content_type.parameters.charset", json!("utf-8")),
        ("req.content_type.parameters['none'] == null", json!(true)),
        ("[req.content_length, req.content_encoding]", json!([42, []])),
        (
            "[req.user_agent.name, req.user_agent.version, req.user_agent.os, req.user_agent.os_version, req.user_agent.device]",
            json!(["Safari", "17.1", "iOS", "17.1", "iPhone"]),
        ),
        (
            "req.user_agent.is_mobile && !req.user_agent.is_bot && req.user_agent.startsWith('Mozilla')",
            json!(true),
        ),
    ] {
        assert_eq!(json_of(source), expected, "{source}");
    }
}

#[test]
fn cookies_and_forms_of_access() {
    for (source, expected) in [
        ("req.cookies['s'].map(c, c.value)", json!(["1", "3"])),
        (
            "[req.cookies['t'][0].value, getReqCookie('s').value, req.cookies['none'][0].value]",
            json!(["two", "1", ""]),
        ),
        (
            "[getReqCookie('none').secure, hasReqCookie('s'), hasReqCookie('S'), 't' in req.cookies]",
            json!([false, true, false, true]),
        ),
        ("getReqCookie(vars.name).name", json!("")),
        ("req.trailers['x']", json!([])),
        ("req.url.startsWith('https://') && req.url.contains('chat') && req.url in [req.url]", json!(true)),
        ("req['method'] + req['url']['path']", json!("POST/v1/chat")),
        ("req[vars.name] == null && req['met' + 'hod'] == 'POST'", json!(true)),
        (
            "has(req.content_length) && has(req.headers['tier']) && !has(req.headers['x']) && !has(req.ts.body_received)",
            json!(true),
        ),
    ] {
        assert_eq!(json_of(source), expected, "{source}");
    }
}

#[test]
fn headers_ignore_case_and_absence() {
    for (source, expected) in [
        ("req.headers['Tier'][0] + req.headers['tier'][0] + req.headers.Tier[0]", json!("goldgoldgold")),
        (
            "'User-Agent' in req.headers && 'user-agent' in req.headers && !('X-None' in req.headers)",
            json!(true),
        ),
        ("req.headers.exists(k, k == 'user-agent')", json!(true)),
        ("req.headers['x-none']", json!([])),
        ("req.headers['x-none'][0]", json!("")),
        ("req.headers['x-flags'][7]", json!("")),
        ("req.headers['x-none'][0] == '' && req.headers[vars.name][0] == ''", json!(true)),
        ("'beta' in req.headers['x-flags'] && !('beta' in req.headers['x-none'])", json!(true)),
        ("req.headers['x-flags'].exists(f, f == 'gamma') && req.headers['x-flags'].size() == 2", json!(true)),
        ("req.headers['x-flags'].join(',')", json!("beta,gamma")),
        (
            "req.headers['x-flags'].contains('gam') && req.headers['x-flags'].startsWith('beta, g')",
            json!(true),
        ),
        ("getReqHeader('X-Flags')", json!(["beta", "gamma"])),
        ("getReqHeader('X-' + 'Flags')[1]", json!("gamma")),
        ("hasReqHeader('X-FLAGS') && !hasReqHeader('none') && hasReqHeader('ti' + 'er')", json!(true)),
        ("getReqHeader('Host')[0]", json!("Api.Example:8443")),
        ("req.headers['host'][0] == req.host && hasReqHeader('host')", json!(true)),
        ("req.headers['ti' + 'ER'][0]", json!("gold")),
        ("'v: ' + req.headers['tier']", json!("v: gold")),
    ] {
        assert_eq!(json_of(source), expected, "{source}");
    }
}

#[test]
fn the_documented_guard_fails_closed() {
    let guard = "req.headers['authorization'][0] != 'Bearer ' + secrets.get('gateway-auth','access-token')";
    let program = Program::compile(guard, Scope::Request).unwrap();
    assert_eq!(program.facts().secrets, [("gateway-auth".to_owned(), "access-token".to_owned())]);
    let mut world = World::default();
    assert_eq!(program.test(&world.activation()), Ok(true), "no header: the rule that answers 401 applies");
    for (value, guarded) in
        [("Bearer s3cret", false), ("Bearer s3cre", true), ("bearer s3cret", true), ("", true)]
    {
        world.request.headers.insert("authorization", value.parse().unwrap());
        assert_eq!(program.test(&world.activation()), Ok(guarded), "{value}");
    }
    let one = "secrets.get('token') == 's3cret' && secrets.get('tok' + 'en') in ['x', 's3cret']";
    assert_eq!(eval(one), Ok(true.into()));
    assert_eq!(eval("security.secret('default', 'token').size()"), Ok(Value::Int(6)));
    assert!(eval("'x' == secrets.get('v', 'missing')").is_err());
    // A lone secret is looked up without the interpreter; one whose name is another secret is not a lone one.
    assert_eq!(eval("secrets.get('token')"), Ok("s3cret".into()));
    assert!(eval("secrets.get('missing')").is_err());
    assert!(
        eval("secrets.get('default', secrets.get('token'))").unwrap_err().to_string().contains("no secret")
    );
}

#[test]
fn connection_and_endpoint() {
    for (source, expected) in [
        (
            "[conn.client_ip, conn.server_ip, conn.tls.version, conn.tls.sni]",
            json!(["10.1.2.3", "192.0.2.1", "1.3", "api.example"]),
        ),
        ("[conn.client_port, conn.server_port, conn.bytes_in]", json!([50000, 443, 0])),
        (
            "conn.client_ip.startsWith('10.') && conn.client_ip in ['10.1.2.3'] && conn.client_ip == '10.1.2.3'",
            json!(true),
        ),
        ("conn.client_ip.geo.location.country_code == '' && conn.client_ip.as.number == 0", json!(true)),
        (
            "'proxy.anonymous.tor' in conn.client_ip.categories || conn.client_ip.is_on_blocklist",
            json!(false),
        ),
        ("conn.geo.city + conn.k8s.pod.metadata.name + conn.tls.client.subject.common_name", json!("")),
        ("conn.tls.version < '1.4' && conn.ts.start == req.ts.header_received", json!(true)),
        (
            "[endpoint.id, endpoint.addr, endpoint.url, endpoint.protocol]",
            json!(["ep_1", "api.example:443", "https://api.example", "https"]),
        ),
        ("endpoint.port", json!(443)),
    ] {
        assert_eq!(json_of(source), expected, "{source}");
    }
}

#[test]
fn response() {
    let world = World::default();
    for (source, expected) in [
        ("[res.status_code, res.content_length]", json!([404, 0])),
        ("res.content_type == 'text/html' && res.headers['Content-Type'][0] == 'text/html'", json!(true)),
        ("res.cookies['a'].map(c, c.value)", json!(["2", "1"])),
        ("getResCookie('a').path + getResCookie('zzz').path", json!("/long")),
        (
            "res.cookies['a'][1].secure && res.cookies['a'][1].http_only && !res.cookies['a'][0].secure",
            json!(true),
        ),
        ("[res.cookies['a'][1].same_site, res.cookies['a'][1].unparsed_attributes.odd]", json!(["Lax", "x"])),
        ("res.cookies['a'][1].max_age == duration('1m')", json!(true)),
        ("res.cookies['none'][0].max_age == duration('0s')", json!(true)),
        ("res.cookies['a'][0].expires == timestamp('2015-10-21T07:28:00Z')", json!(true)),
        ("hasResHeader('set-cookie') && getResHeader('none') == [] && hasResCookie('a')", json!(true)),
        ("req.method == 'POST' && res.status_code >= 400", json!(true)),
    ] {
        assert_eq!(world.eval(source, Scope::Response).unwrap().to_json(), expected, "{source}");
    }
}

#[test]
fn results_read_softly_and_variables_strictly() {
    for (source, expected) in [
        ("actions.ngrok.rate_limit.limited", json!(true)),
        ("actions.ngrok.oauth.identity.email.endsWith('@corp.example')", json!(true)),
        ("actions.ngrok.ai_gateway.error.code == null", json!(true)),
        ("actions.ngrok.owasp_crs_request.matched_rules[0].id == null", json!(true)),
        ("actions.ngrok.owasp_crs_request.matched_rules.exists(r, r.id == 1)", json!(false)),
        ("actions.ngrok.owasp_crs_request.matched_rules.filter(r, r.id == 1)", json!([])),
        ("'x' in actions.ngrok.add_headers.headers_added", json!(false)),
        (
            "has(actions.ngrok.rate_limit) && !has(actions.ngrok.redirect) && has(actions.ngrok.rate_limit.limited)",
            json!(true),
        ),
        ("actions.ngrok['rate_limit']['limited']", json!(true)),
        ("actions.ngrok[vars.name] == null", json!(true)),
        ("vars.m.k.deep && vars['m']['k']['deep'] && 'n' in vars", json!(true)),
        ("vars.map(k, k).size() > 3", json!(true)),
    ] {
        assert_eq!(json_of(source), expected, "{source}");
    }
    for source in ["vars.zzz", "vars.m.zzz", "vars.l[9]", "vars.none.x", "json.decode('{}').a.b"] {
        assert!(eval(source).is_err(), "{source}");
    }
}

#[test]
fn nothing_to_read_is_empty() {
    let world = World::default();
    let empty = crate::Activation {
        request: None,
        response: None,
        connection: None,
        endpoint: None,
        vars: None,
        results: None,
        ai: None,
        ..world.activation()
    };
    for source in [
        "req.method + req.headers['x'][0] + req.url + conn.client_ip + endpoint.url + req.user_agent.name",
        "string(req.cookies['a'][0].value) + string(req.url.query_params['a'][0]) + string(req.content_type)",
    ] {
        let program = Program::compile(source, Scope::Response).unwrap();
        let text = program.eval(&empty).unwrap().to_text();
        assert!(text.is_empty() || text == "://", "{source}: {text}");
    }
}
