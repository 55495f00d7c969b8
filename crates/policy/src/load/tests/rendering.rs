use crate::testing::rendered;
use insta::assert_snapshot;

#[test]
fn misspelt_names() {
    let text = r#"on_http_reqest:
  - type: deny
on_http_request:
  - nmae: x
    expression: ["true"]
    actions:
      - type: ratelimit
      - type: frobnicate
      - type: jwt-validation
"#;
    assert_snapshot!(rendered(text), @r#"
    policy.yml:1:1: error: there is no phase `on_http_reqest` [ERR_NGROK_2236]
      1 | on_http_reqest:
        | ^^^^^^^^^^^^^^
    help: did you mean `on_http_request`?

    policy.yml:4:5: error: there is no `nmae` in a rule [ERR_NGROK_2236]
      4 |   - nmae: x
        |     ^^^^
    help: did you mean `name`?

    policy.yml:5:5: error: there is no `expression` in a rule [ERR_NGROK_2236]
      5 |     expression: ["true"]
        |     ^^^^^^^^^^
    help: write `expressions:` with a list of CEL expressions

    policy.yml:7:15: error: there is no action `ratelimit` [ERR_NGROK_2201]
      7 |       - type: ratelimit
        |               ^^^^^^^^^
    help: did you mean `rate-limit`?

    policy.yml:8:15: error: there is no action `frobnicate` [ERR_NGROK_2201]
      8 |       - type: frobnicate
        |               ^^^^^^^^^^

    policy.yml:9:15: error: the action `jwt-validation` is not supported yet [ERR_NGROK_2201]
      9 |       - type: jwt-validation
        |               ^^^^^^^^^^^^^^
    "#);
}

#[test]
fn wrong_types_say_what_would_be_right() {
    let text = r#"on_http_request:
  - type: ai-gateway
    config:
      only_allow_configured_models: "yes"
      max_input_tokens: "100"
      per_request_timeout: 30
      on_error: hlat
      headers: [x-a]
      model_selection:
        strategy: ai.models
      providers:
        id: openai
"#;
    assert_snapshot!(rendered(text), @r#"
    policy.yml:4:37: error: `only_allow_configured_models` must be true or false, not the text "yes" [ERR_NGROK_2203]
      4 |       only_allow_configured_models: "yes"
        |                                     ^^^^^
    help: write true, without quotes

    policy.yml:5:25: error: `max_input_tokens` must be a whole number from 1 to 500000, not the text "100" [ERR_NGROK_2203]
      5 |       max_input_tokens: "100"
        |                         ^^^^^
    help: write 100, without quotes

    policy.yml:6:28: error: `per_request_timeout` needs a unit: it is a duration, not a number [ERR_NGROK_2228]
      6 |       per_request_timeout: 30
        |                            ^^
    help: write "30s"

    policy.yml:7:17: error: `on_error` must be `halt` or `continue`, not the text "hlat" [ERR_NGROK_2222]
      7 |       on_error: hlat
        |                 ^^^^
    help: did you mean `halt`?

    policy.yml:8:16: error: `headers` must be a mapping, not a list [ERR_NGROK_2203]
      8 |       headers: [x-a]
        |                ^
    help: remove the `- ` and write `key: value` lines

    policy.yml:10:19: error: `model_selection.strategy` must be a list, not the text "ai.models" [ERR_NGROK_2203]
      10 |         strategy: ai.models
         |                   ^^^^^^^^^
    help: write it as a list item: `- ` and then a CEL expression

    policy.yml:12:9: error: `providers` must be a list, not a mapping [ERR_NGROK_2203]
      12 |         id: openai
         |         ^
    help: write `- ` in front of each item
    "#);
}

#[test]
fn ranges_and_limits() {
    let text = "on_http_request:
  - type: ai-gateway
    config:
      max_input_tokens: 600000
      per_request_timeout: 1h
      max_body: 2TB
      model_selection: {strategy: []}
      providers:
        - {id: a, weight: 1.5, strip: [a, b, c, d]}
        - {id: ~}
  - type: deny
    config: {status_code: 99}
";
    assert_snapshot!(rendered(text), @r#"
    policy.yml:4:25: error: `max_input_tokens` must be a whole number from 1 to 500000, not 600000 [ERR_NGROK_2215]
      4 |       max_input_tokens: 600000
        |                         ^^^^^^

    policy.yml:5:28: error: `per_request_timeout` must be at most 10m, not 1h [ERR_NGROK_2225]
      5 |       per_request_timeout: 1h
        |                            ^^

    policy.yml:6:17: error: `max_body` has an unknown unit; use KB, MB, GB, KiB, MiB or GiB [ERR_NGROK_2228]
      6 |       max_body: 2TB
        |                 ^^^
    help: write 64KiB or 32MiB

    policy.yml:7:35: error: `model_selection.strategy` needs at least 1 item [ERR_NGROK_2223]
      7 |       model_selection: {strategy: []}
        |                                   ^

    policy.yml:9:27: error: `providers[0].weight` must be a number from 0 to 1, not 1.5 [ERR_NGROK_2215]
      9 |         - {id: a, weight: 1.5, strip: [a, b, c, d]}
        |                           ^^^

    policy.yml:9:39: error: `providers[0].strip` has 4 items; at most 3 are allowed [ERR_NGROK_2218]
      9 |         - {id: a, weight: 1.5, strip: [a, b, c, d]}
        |                                       ^

    policy.yml:10:16: error: `providers[1].id` must be text, not nothing [ERR_NGROK_2203]
      10 |         - {id: ~}
         |                ^
    help: give it a value, or `""`, or remove the key

    policy.yml:12:27: error: `status_code` must be a status from 200 to 599, not 99 [ERR_NGROK_2215]
      12 |     config: {status_code: 99}
         |                           ^^
    "#);
}

#[test]
fn missing_and_unknown_fields() {
    let text = r#"on_http_request:
  - type: rate-limit
    config:
      capcity: 5
      bucket_key: ["conn.client_ip"]
  - type: set-vars
"#;
    assert_snapshot!(rendered(text), @r#"
    policy.yml:3:5: error: `name` is missing [ERR_NGROK_2203]
      3 |     config:
        |     ^^^^^^
    help: add `name:` with text

    policy.yml:4:7: error: there is no field `capcity` [ERR_NGROK_2203]
      4 |       capcity: 5
        |       ^^^^^^^
    help: did you mean `capacity`?

    policy.yml:6:11: error: `vars` is missing [ERR_NGROK_2203]
      6 |   - type: set-vars
        |           ^^^^^^^^
    help: add `vars:` with a list of mappings, or a mapping
    "#);
}

#[test]
fn durations() {
    let text = "on_http_request:
  - type: ai-gateway
    config:
      per_request_timeout: 1d
      max_input_tokens: ${vars.n}
";
    assert_snapshot!(rendered(text), @r#"
    policy.yml:4:28: error: `per_request_timeout` cannot be in days [ERR_NGROK_2228]
      4 |       per_request_timeout: 1d
        |                            ^^
    help: write "24h"

    policy.yml:5:25: error: `max_input_tokens` cannot hold a `${}` expression [ERR_NGROK_2204]
      5 |       max_input_tokens: ${vars.n}
        |                         ^^^^^^^^^
    help: write a whole number from 1 to 500000
    "#);
}

#[test]
fn shapes_of_stale_pages() {
    let text = r#"on_http_request:
  - if: ["true"]
    actions: [{type: deny}]
  - expressions:
      - type: deny
    actions: [{type: deny}]
  - type: deny
    code: 403
  - name: nothing
  - deny
"#;
    assert_snapshot!(rendered(text), @r#"
    policy.yml:2:5: error: there is no `if` in a rule [ERR_NGROK_2236]
      2 |   - if: ["true"]
        |     ^^
    help: write `expressions:` with a list of CEL expressions

    policy.yml:5:9: error: an action cannot stand in `expressions` [ERR_NGROK_2236]
      5 |       - type: deny
        |         ^
    help: move it into `actions`

    policy.yml:8:5: error: there is no `code` in an action [ERR_NGROK_2236]
      8 |     code: 403
        |     ^^^^
    help: write `config:` and below it `status_code:`

    policy.yml:9:5: error: this rule has no actions [ERR_NGROK_2206]
      9 |   - name: nothing
        |     ^
    help: add `actions:` with at least one `- type: ...`

    policy.yml:10:5: error: a rule must be a mapping, not text [ERR_NGROK_2236]
      10 |   - deny
         |     ^^^^
    help: write `type: deny`
    "#);
}

#[test]
fn unquoted_expressions() {
    let text = "on_http_request:
  - expressions:
      - req.headers['a'][0] == 'b: c'
      - [1, 2]
    actions: [{type: deny}]
";
    assert_snapshot!(rendered(text), @r#"
    policy.yml:3:9: error: an expression must be text, not a mapping [ERR_NGROK_2236]
      3 |       - req.headers['a'][0] == 'b: c'
        |         ^
    help: quote it: "req.headers['a'][0] == 'b: c'"

    policy.yml:4:9: error: an expression must be text, not a list [ERR_NGROK_2236]
      4 |       - [1, 2]
        |         ^
    help: quote it: "[1, 2]"
    "#);
}

#[test]
fn an_exclamation_mark_is_a_tag() {
    let text = "on_http_request:
  - expressions:
      - !req.url.path.startsWith('/a')
      - !('x' in req.headers)
    actions: [{type: deny}]
";
    assert_snapshot!(rendered(text), @r#"
    policy.yml:3:9: error: `!req.url.path.startsWith('/a')` is read as a YAML tag, and tags mean nothing here [ERR_NGROK_2236]
      3 |       - !req.url.path.startsWith('/a')
        |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    help: quote it: "!req.url.path.startsWith('/a')"

    policy.yml:4:9: error: `!('x'` is read as a YAML tag, and tags mean nothing here [ERR_NGROK_2236]
      4 |       - !('x' in req.headers)
        |         ^^^^^
    help: quote it: "!('x' in req.headers)"
    "#);
}

#[test]
fn a_quote_that_ends_too_soon() {
    let text = "on_http_request:
  - expressions:
      - 'beta' in req.headers['x-flags']
    actions: [{type: deny}]
";
    assert_snapshot!(rendered(text), @r#"
    policy.yml:3:16: error: this is not valid YAML: invalid trailing content after single-quoted scalar [ERR_NGROK_2236]
      3 |       - 'beta' in req.headers['x-flags']
        |                ^
    help: quote it: "'beta' in req.headers['x-flags']"
    "#);
}

#[test]
fn an_ampersand_and_an_asterisk() {
    let text = "on_http_request:
  - expressions:
      - *nothing
    actions: [{type: deny}]
";
    assert_snapshot!(rendered(text), @r#"
    policy.yml:3:9: error: `*` begins a YAML alias, and there is no anchor of that name [ERR_NGROK_2236]
      3 |       - *nothing
        |         ^^^^^^^^
    help: quote it: "*nothing"
    "#);
}

#[test]
fn tabs() {
    let text = "on_http_request:\n\t- type: deny\n";
    assert_snapshot!(rendered(text), @r#"
    policy.yml:2:2: error: this is not valid YAML: tabs disallowed within this context (block indentation) [ERR_NGROK_2236]
      2 |  - type: deny
        |  ^
    help: indent with spaces; YAML does not allow tabs
    "#);
}

#[test]
fn phases_and_places() {
    let text = "on_tcp_connect:
  - type: restrict-ips
on_event_stream_message: []
on_http_request:
  - type: compress-response
  - type: deny
  - type: ai-gateway
on_http_response:
  type: ai-gateway
";
    assert_snapshot!(rendered(text), @r#"
    policy.yml:2:11: error: the action `restrict-ips` is not supported yet [ERR_NGROK_2201]
      2 |   - type: restrict-ips
        |           ^^^^^^^^^^^^

    policy.yml:5:11: error: `compress-response` cannot run in `on_http_request` [ERR_NGROK_2202]
      5 |   - type: compress-response
        |           ^^^^^^^^^^^^^^^^^
    help: it runs in `on_http_response`

    policy.yml:9:9: error: `ai-gateway` cannot run in `on_http_response` [ERR_NGROK_2202]
      9 |   type: ai-gateway
        |         ^^^^^^^^^^
    help: it runs in `on_http_request`
    "#);
}

#[test]
fn twice_the_same_key() {
    let text = "on_http_request:
  - type: deny
    type: ai-gateway
    config: {status_code: 404, status_code: 403}
";
    assert_snapshot!(rendered(text), @r#"
    policy.yml:3:5: error: the key `type` is already on line 2 [ERR_NGROK_2236]
      3 |     type: ai-gateway
        |     ^^^^
    help: remove one of the two

    policy.yml:4:32: error: the key `status_code` is already on line 4 [ERR_NGROK_2236]
      4 |     config: {status_code: 404, status_code: 403}
        |                                ^^^^^^^^^^^
    help: remove one of the two

    policy.yml:4:32: error: there is no field `status_code` [ERR_NGROK_2203]
      4 |     config: {status_code: 404, status_code: 403}
        |                                ^^^^^^^^^^^
    help: the fields are `only_allow_configured_models`, `max_input_tokens`, `per_request_timeout`, `on_error`, `headers`, `body`, `max_body`, `model_selection` and `providers`
    "#);
}

#[test]
fn a_list_at_the_top() {
    let text = "- type: deny
";
    assert_snapshot!(rendered(text), @r#"
    policy.yml:1:1: error: a policy is a mapping of phases, not a list [ERR_NGROK_2236]
      1 | - type: deny
        | ^
    help: put the list under `on_http_request:`
    "#);
}

#[test]
fn variables() {
    let text = "on_http_request:
  - type: set-vars
    config:
      vars:
        - a: 1
          b: 2
        - not-a-name: 3
";
    assert_snapshot!(rendered(text), @r#"
    policy.yml:5:11: error: `vars[0]` has 2 entries; at most 1 is allowed [ERR_NGROK_2218]
      5 |         - a: 1
        |           ^

    policy.yml:7:11: error: `not-a-name` is not a name that expressions can read [ERR_NGROK_2204]
      7 |         - not-a-name: 3
        |           ^^^^^^^^^^
    help: use letters, digits and `_`, and begin with a letter
    "#);
}

#[test]
fn expressions_with_mistakes() {
    let text = r#"on_http_request:
  - expressions:
      - req.method = 'POST'
      - "req.haeders['x-\\u0061'][0] == 'b'"
      - >-
        req.url.path.startsWith('/v1') &&
        req.url.path.startWith('/v2')
    actions:
      - type: set-vars
        config:
          vars:
            - a: "x ${req.headers['y'} z"
            - b: |
                first ${req.method}
                second ${nothing.here}
            - c: ${req.method
      - type: ai-gateway
        config:
          model_selection:
            strategy:
              - ai.modles.filter(m, m.provider == 'openai')
              - ai.models.filter(m, m.prvider == 'openai')
"#;
    assert_snapshot!(rendered(text), @r#"
    policy.yml:3:20: error: `=` is not part of the language [ERR_NGROK_2200]
      3 |       - req.method = 'POST'
        |                    ^
    help: compare with `==`

    policy.yml:4:14: error: `req` has no field `haeders` [ERR_NGROK_2200]
      4 |       - "req.haeders['x-\\u0061'][0] == 'b'"
        |              ^^^^^^^
    help: did you mean `headers`?

    policy.yml:7:22: error: unknown method `startWith` [ERR_NGROK_2200]
      7 |         req.url.path.startWith('/v2')
        |                      ^^^^^^^^^
    help: did you mean `startsWith`?

    policy.yml:12:34: error: this bracket is never closed by `]` [ERR_NGROK_2224]
      12 |             - a: "x ${req.headers['y'} z"
         |                                  ^

    policy.yml:15:26: error: unknown name `nothing` [ERR_NGROK_2224]
      15 |                 second ${nothing.here}
         |                          ^^^^^^^

    policy.yml:16:18: error: `${` without its `}` [ERR_NGROK_2224]
      16 |             - c: ${req.method
         |                  ^
    help: a literal `${` is written `$${`

    policy.yml:21:20: error: `ai` has no field `modles` here [ERR_NGROK_2200]
      21 |               - ai.modles.filter(m, m.provider == 'openai')
         |                    ^^^^^^
    help: did you mean `models`?

    policy.yml:22:39: error: AIModel has no field `prvider` [ERR_NGROK_2200]
      22 |               - ai.models.filter(m, m.prvider == 'openai')
         |                                       ^^^^^^^
    "#);
}

#[test]
fn a_comment_that_cuts_an_expression() {
    let text = "on_http_request:
  - expressions:
      - req.url.path == '/a #b'
    actions: [{type: deny}]
";
    assert_snapshot!(rendered(text), @r#"
    policy.yml:3:25: error: this string literal has no end [ERR_NGROK_2200]
      3 |       - req.url.path == '/a #b'
        |                         ^
    help: ` #` begins a comment in YAML; quote it: "req.url.path == '/a #b'"
    "#);
}
