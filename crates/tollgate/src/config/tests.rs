use super::*;
use std::time::Duration;
use tollgate_select::Selector;

fn config(text: &str) -> Result<ConfigFile, String> {
    read(Source::new("tollgate.yml", text), Path::new("/etc/tollgate"))
}

const FULL: &str = "\
endpoints:
  - name: ai
    listen: 0.0.0.0:8443
    tls: {cert: certs/a.pem, key: /keys/a.key}
    upstream: {url: http://127.0.0.1:3000}
    traffic_policy_file: policies/openrouter-failover.yml
  - name: inner
    listen: 127.0.0.1:8081
    upstream: 3000
    traffic_policy:
      # A comment.
      on_http_request:
        - type: deny
          config: {status_code: 4040}
admin: {listen: 127.0.0.1:4041}
secrets: [{dir: /run/secrets}, {env: true}, {vault_file: vault.json}]
default_backend: openrouter
force_model: openai:gpt-4o
log_format: json
threads: 3
limits: {max_body: 1MiB, buffered_bodies: 8MiB, body_timeout: 5s, header_timeout: 4s, write_timeout: 30s, idle_timeout: 75s,
         connections: 900, requests: 300, queue: {size: 0, timeout: 500ms}}
http_request_targets: ['*.tenants.example', 10.0.0.0/8]
";

#[test]
fn every_key_is_read() {
    let config = config(FULL).unwrap();
    let [ai, inner] = config.endpoints.as_slice() else { panic!("{config:?}") };
    assert_eq!(ai.name.as_deref(), Some("ai"));
    assert_eq!(ai.listen.map(|a| a.port()), Some(8443));
    assert_eq!(ai.tls, Some(("/etc/tollgate/certs/a.pem".into(), "/keys/a.key".into())));
    assert_eq!(ai.upstreams[0].url, "http://127.0.0.1:3000");
    let file = Path::new("/etc/tollgate/policies/openrouter-failover.yml");
    assert!(matches!(&ai.policy, Some(FilePolicy::File(path)) if path == file));
    assert_eq!(inner.upstreams[0].url, "3000");
    assert_eq!(config.admin, parse_admin("127.0.0.1:4041").ok());
    let vault = Place::Vault("/etc/tollgate/vault.json".into());
    assert_eq!(config.secrets, Some(vec![Place::Folder("/run/secrets".into()), Place::Environment, vault]));
    let text = |selector: &Option<Selector>| selector.as_ref().map(|s| s.text().to_owned());
    assert_eq!(text(&config.names.default_backend).as_deref(), Some("openrouter"));
    assert_eq!(text(&config.names.force_model).as_deref(), Some("openai:gpt-4o"));
    assert_eq!((config.log_format, config.threads), (Some(LogForm::Json), Some(3)));
    let limits = FileLimits {
        max_body: Some(1 << 20),
        buffered_bodies: Some(8 << 20),
        connections: Some(900),
        requests: Some(300),
        queue_size: Some(0),
        queue_timeout: Some(Duration::from_millis(500)),
        header_timeout: Some(Duration::from_secs(4)),
        body_timeout: Some(Duration::from_secs(5)),
        write_timeout: Some(Duration::from_secs(30)),
        idle_timeout: Some(Duration::from_secs(75)),
    };
    assert_eq!(config.limits, limits);
    assert_eq!(Ok(config.targets), Outbound::parse(["*.tenants.example", "10.0.0.0/8"]));
}

#[test]
fn protocols_are_named() {
    let read = |name: &str| config(&format!("endpoints: [{{protocol: {name}}}]\n"));
    for (name, protocol) in
        [("http", Protocol::Http), ("https", Protocol::Https), ("tcp", Protocol::Tcp), ("tls", Protocol::Tls)]
    {
        assert_eq!(read(name).unwrap().endpoints[0].protocol, Some(protocol));
    }
    assert_eq!(config("endpoints: [{}]\n").unwrap().endpoints[0].protocol, None);
    let said = read("udp").unwrap_err();
    assert!(said.contains("endpoints[0].protocol") && said.contains("http, https, tcp or tls"), "{said}");
    let said = config("endpoints: [{url: 'https://a.internal', upstream: 1, protocol: tcp}]\n").unwrap_err();
    assert!(said.contains("both `url` and `protocol`"), "{said}");
}

#[test]
fn targets_are_hosts() {
    let said = config("http_request_targets: [a.example, 'http://b']\n").unwrap_err();
    assert!(said.contains("http_request_targets[1]") && said.contains("10.0.0.0/8"), "{said}");
    assert!(config("http_request_targets: a.example\n").is_err());
    let said = config("reserved_targets: [169.254.170.2, 10.0.0.1]\n").unwrap_err();
    assert!(said.contains("reserved_targets[1]") && said.contains("169.254.0.0/16"), "{said}");
    let read = config("reserved_targets: [169.254.170.2]\nhttp_request_targets: [a]\n").map(|c| c.targets);
    assert_eq!(
        read,
        Outbound::parse(["a"]).unwrap().with_reserved(["169.254.170.2"]).map_err(|e| e.to_string())
    );
}

#[test]
fn names_and_identity_are_read() {
    let text = "\
model_aliases:
  - {pattern: '^gpt-(.*)', replacement: \"openrouter:openai/gpt-\\\\1\"}
  - {pattern: '^(?P<v>.*)$', replacement: 'openrouter:x/\\g<v>', match_query: true}
uri_params: {enabled: false, on_invalid: reject}
identity:
  user_agent: {mode: override, override_value: MyApp/1.0.0}
  title: {default_value: Mine, passthrough_name: X-App}
backends:
  default_backend: openai:gpt-4o|openrouter:openai/gpt-4o
  static_route: openrouter:x/y?temperature=0.1
  openrouter: {type: openrouter}
  gemini: {}
";
    let config = config(text).unwrap();
    let names = &config.names;
    let rules = names.aliases.as_ref().unwrap();
    assert_eq!(rules.rule(0).unwrap().replacement, r"openrouter:openai/gpt-\1");
    assert!(rules.rule(1).is_some_and(|rule| rule.match_query));
    assert!(
        !names.uri_params.enabled && names.identity.user_agent.is_some() && names.identity.title.is_some()
    );
    let leaves = |selector: &Option<Selector>| selector.as_ref().map_or(0, |s| s.leaves().len());
    assert_eq!((leaves(&names.default_backend), leaves(&names.static_route)), (2, 1));
    assert_eq!(config.backends, ["openrouter", "google"]);
}

#[test]
fn an_inline_policy_keeps_its_lines_and_columns() {
    let config = config(FULL).unwrap();
    let Some(FilePolicy::Inline(source)) = &config.endpoints[1].policy else { panic!("{config:?}") };
    assert_eq!(source.name, "tollgate.yml");
    let node = parse_node(source);
    let status = node.get("on_http_request").unwrap();
    assert_eq!(status.at.line, 13, "{:?}", source.text);
    assert!(!source.text.contains("admin"));
}

#[test]
fn an_inline_policy_that_cannot_be_cut_out_is_written_anew() {
    for text in [
        "endpoints:\n  - traffic_policy: {on_http_request: [{type: deny}]}\n",
        "endpoints:\n  - upstream: &u http://a\n    traffic_policy:\n      on_http_request:\n        - {type: deny, name: *u}\n",
    ] {
        let config = config(text).unwrap();
        let Some(FilePolicy::Inline(source)) = &config.endpoints[0].policy else { panic!("{config:?}") };
        assert_eq!(source.name, "tollgate.yml (traffic_policy)");
        assert!(parse_node(source).get("on_http_request").is_some());
    }
}

fn parse_node(source: &Source) -> Node {
    tollgate_policy::parse(source).unwrap()
}

#[test]
fn a_file_without_content_is_the_defaults() {
    let config = config("# nothing\n").unwrap();
    assert!(config.endpoints.is_empty() && config.secrets.is_none());
}

#[test]
fn mistakes_are_named_with_place_and_remedy() {
    for (text, expected) in [
        ("endpoint: []\n", &["tollgate.yml:1:1: error", "did you mean `endpoints`?"][..]),
        (
            "model_aliases:\n  - {pattern: ^a, replacement: openrouter:b}\n  - {pattern: '(', replacement: x}\n",
            &["3:15", "`model_aliases[1].pattern` is no regular expression"],
        ),
        ("model_aliases: [{pattern: '', replacement: x}]\n", &["`model_aliases[0].pattern` is empty"]),
        ("model_aliases: [{pattern: a}]\n", &["`model_aliases[0].replacement` is missing"]),
        (
            "model_aliases: [{pattern: a, replacement: b, flags: i}]\n",
            &["there is no key `model_aliases[0].flags`"],
        ),
        ("model_aliases: {pattern: a}\n", &["`model_aliases` must be a list"]),
        ("identity: {user_agent: {mode: override}}\n", &["`identity.user_agent.override_value` is missing"]),
        ("identity: {referer: {mode: override}}\n", &["there is no key `identity.referer`"]),
        ("identity: {title: {mode: override, override_value: \"a\\nb\"}}\n", &["cannot carry"]),
        ("uri_params: {on_invalid: fail}\n", &["`uri_params.on_invalid`: write ignore or reject"]),
        ("uri_params: {enabled: maybe}\n", &["`uri_params.enabled`: write true or false"]),
        ("default_backend: a^b\n", &["`default_backend`: `^` (a draw by weight)"]),
        (
            "backends: {static_route: gpt-4o}\n",
            &["`backends.static_route`: `gpt-4o` does not say its backend"],
        ),
        ("backends: {openrouter: {type: openai}}\n", &["`backends.openrouter.type`: must be `openrouter`"]),
        ("backends: {openruoter: {}}\n", &["there is no key `backends.openruoter`"]),
        ("limits: {header_timeout: 0s}\n", &["1:26", "`limits.header_timeout`: must be longer than nothing"]),
        ("limits: {write_timeout: soon}\n", &["1:25", "`limits.write_timeout`"]),
        ("limits: {idle_timeout: 500ms}\n", &["`limits.idle_timeout`: must be from 1s to 24h"]),
        ("limits: {idle_timeout: 1500ms}\n", &["`limits.idle_timeout`: must be in whole seconds"]),
        ("limits: {connections: 0}\n", &["1:23", "`limits.connections`: write a number from 1 to"]),
        ("limits: {requests: many}\n", &["`limits.requests`: write a number from 1 to"]),
        ("limits: {queue: 5}\n", &["`limits.queue` must be a mapping, not a number"]),
        ("limits: {queue: {size: -1}}\n", &["`limits.queue.size`: write a number from 0 to"]),
        ("limits: {queue: {timeout: 0s}}\n", &["`limits.queue.timeout`: must be longer than nothing"]),
        ("limits: {queue: {length: 5}}\n", &["there is no key `limits.queue.length`"]),
        ("limits: {conections: 5}\n", &["did you mean `connections`?"]),
        ("limits: {max_body: big}\n", &["`limits.max_body`: must begin with a whole number"]),
        ("admin: {listen: ':4040'}\n", &["`admin.listen`: say where"]),
        ("admin: 4040\n", &["`admin` must be a mapping, not a number"]),
        ("endpoints: [{tls: {cert: a}}]\n", &["`endpoints[0].tls.key` is missing"]),
        ("endpoints: [{listen: 127.0.0.1:1}, {name: b}]\n", &["`endpoints[1].listen` is missing"]),
        ("endpoints: [{listen: '1'}, {listen: '127.0.0.1:1'}]\n", &["address of another endpoint"]),
        ("endpoints: [{name: a, listen: '1'}, {name: a, listen: '2'}]\n", &["name of another endpoint"]),
        ("endpoints: [{traffic_policy_file: a, traffic_policy: {}}]\n", &["has two policies"]),
        ("endpoints: []\n", &["`endpoints` has no entries"]),
        ("secrets: [{dir: a, env: true}]\n", &["`secrets[0]` must name one place"]),
        ("secrets: [{env: yes please}]\n", &["`secrets[0].env` must be true or false"]),
        ("default_backend: a\nbackends: {default_backend: b}\n", &["2:1", "set twice"]),
        ("log_format: xml\n", &["write text or json"]),
        ("threads: 0\n", &["from 1 to 1024"]),
        ("traffic_policy_file: a\n", &["belongs to an endpoint"]),
    ] {
        let said = config(text).expect_err(text);
        for part in expected {
            assert!(said.contains(part), "{part} is not in:\n{said}");
        }
    }
}
