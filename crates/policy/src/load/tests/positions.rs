use crate::testing::{loaded, positions};

#[test]
fn each_error_of_a_file_is_found_where_it_is() {
    let text = "\
on_http_request:
  - nmae: x
    expressions:
      - true
    actions:
      - type: denny
      - type: rate-limit
        config:
          name: [a]
          capacity: 0
          burst: 3
      - type: ai-gateway
        config:
          only_allow_configured_models: 'yes'
          per_request_timeout: 30
          on_error: stop
          headers: {'bad header': x}
          model_selection: {}
on_http_respnse: []
on_tcp_connect:
  - type: restrict-ips
";
    assert_eq!(
        positions(text),
        [
            "2:5 2236",
            "6:15 2201",
            "8:9 2203",
            "9:17 2203",
            "10:21 2215",
            "11:11 2203",
            "14:41 2203",
            "15:32 2228",
            "16:21 2222",
            "17:21 2210",
            "18:28 2203",
            "19:1 2236",
            "21:11 2201",
        ]
    );
}

/// A character CEL does not know, in every style of scalar.
#[test]
fn expression_errors_point_into_the_scalar() {
    for (scalar, line, column) in [
        ("a.§b", 3, 11),
        ("'a.§b'", 3, 12),
        ("'''x'' == §'", 3, 19),
        ("\"'\\u0041' == §\"", 3, 22),
        ("|\n          'a' == 'b' ||\n            §\n", 5, 13),
        (">-\n          'a' == 'b' ||\n          §\n", 5, 11),
        (">\n\n          'a' == 'b'\n\n          || §\n", 7, 14),
        ("\"'a' ==\n           §\"", 4, 12),
        ("a ==\n           §", 4, 12),
    ] {
        let text =
            format!("on_http_request:\n  - expressions:\n      - {scalar}\n    actions: [{{type: deny}}]\n");
        let found = loaded(&text).diagnostics;
        let at = found.iter().next().unwrap_or_else(|| panic!("{text}")).at;
        assert_eq!((at.line, at.column), (line, column), "{text}");
    }
}

#[test]
fn template_errors_point_into_the_scalar() {
    let text = "on_http_request:\n  - type: ai-gateway\n    config:\n      headers:\n        x: \"a ${req.§method}\"\n      body:\n        deep: [{k: 'x ${ § }'}]\n";
    let found = loaded(text).diagnostics;
    let places: Vec<_> = found.iter().map(|d| (d.at.line, d.at.column, d.code)).collect();
    assert_eq!(places, [(5, 21, "ERR_NGROK_2224"), (7, 26, "ERR_NGROK_2224")], "{found:?}");
}

#[test]
fn strategies_are_compiled_as_strategies() {
    let text = "on_http_request:\n  - type: ai-gateway\n    config:\n      model_selection:\n        strategy:\n          - ai.models.§\n";
    let found = loaded(text).diagnostics;
    let places: Vec<_> = found.iter().map(|d| (d.at.line, d.at.column, d.code)).collect();
    assert_eq!(places, [(6, 23, "ERR_NGROK_2200")], "{found:?}");
}

#[test]
fn several_gateways_are_allowed() {
    let text = "on_http_request:\n  - type: ai-gateway\n  - type: ai-gateway\n";
    assert_eq!(positions(text), Vec::<String>::new());
}

#[test]
fn too_many_rules_and_actions_are_refused() {
    let rules =
        format!("on_http_request:\n{}", "  - type: set-vars\n    config: {vars: {a: 1}}\n".repeat(513));
    assert_eq!(positions(&rules), ["1:1 2264"]);
    let actions = format!("on_http_request:\n  - actions:\n{}", "      - type: ai-gateway\n".repeat(65));
    assert_eq!(positions(&actions), ["2:5 2265"]);
}

#[test]
fn an_actions_own_checks_run_beside_the_shapes_of_its_fields() {
    let limit = |name: &str| {
        format!(
            "on_http_request:\n  - type: rate-limit\n    config:\n      name: {name}\n      capacity: 13\n      bucket_key: [conn.client_ip]\n"
        )
    };
    assert_eq!(positions(&limit("[a]")).len(), 2, "the name's shape, and what the action says of 13");
    let same_line = "on_http_request:\n  - type: rate-limit\n    config: {name: [a], capacity: 13, bucket_key: [conn.client_ip]}\n";
    assert_eq!(positions(same_line).len(), 1, "what follows from a wrong shape is not reported");
}
