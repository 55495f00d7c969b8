//! What is refused when a policy is loaded. What the action does is seen in black-box tests.

use crate::testing::{Tested, loads};

fn pair() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(vec!["a.test".to_owned()]).expect("a certificate");
    (made.cert.pem(), made.signing_key.serialize_pem())
}

fn policy(config: &serde_json::Value) -> String {
    let action = serde_json::json!({"type": "terminate-tls", "config": config});
    serde_json::json!({"on_tcp_connect": [action]}).to_string()
}

#[test]
fn bad_fields_are_refused_where_they_stand() {
    for (config, code, said) in [
        ("min_version: '1.1'", "2222", "`min_version` must be `1.2` or `1.3`"),
        ("max_version: 1.4", "2222", "`max_version` must be `1.2` or `1.3`"),
        ("min_version: '1.3', max_version: '1.2'", "2204", "must not be newer than `max_version`"),
        ("server_certificate: '${secrets.get(\"a\", \"b\")}'", "2240", "also needs `server_private_key`"),
        ("server_private_key: '${secrets.get(\"a\", \"b\")}'", "2240", "also needs `server_certificate`"),
        ("server_certificate: x, server_private_key: '${conn.tls.sni}'", "2204", "the certificate is none"),
        ("server_certificate: '${conn.tls.sni}', server_private_key: x", "2204", "the private key is none"),
        ("server_certificate: '${req.method}', server_private_key: x", "2224", "`req` is not available here"),
        ("mutual_tls_certificate_authorities: [ca_2abc]", "2204", "ids of authorities mean nothing here"),
        ("mutual_tls_certificate_authorities: {a: b}", "2203", "must be a list"),
        ("mutual_tls_verification_strategy: verify", "2222", "`mutual_tls_verification_strategy` must be"),
        (
            "mutual_tls_verification_strategy: require-and-verify",
            "2240",
            "also needs `mutual_tls_certificate_authorities`",
        ),
        ("cipher: x", "2203", "`cipher`"),
    ] {
        let policy = format!("on_tcp_connect:\n  - type: terminate-tls\n    config: {{{config}}}\n");
        let found = loads(&policy).expect_err(config);
        assert!(found.contains(&format!("ERR_NGROK_{code}")) && found.contains(said), "{config}: {found}");
        assert!(found.contains("test.yml:3:"), "{config}: {found}");
    }
    let found = loads("on_http_request:\n  - type: terminate-tls\n").expect_err("another phase");
    assert!(found.contains("ERR_NGROK_2202"), "{found}");
}

#[test]
fn what_is_written_out_is_looked_at() {
    let ((cert, key), (other, _)) = (pair(), pair());
    let with = |cert: &str, key: &str| {
        loads(&policy(&serde_json::json!({"server_certificate": cert, "server_private_key": key})))
    };
    assert!(with(&cert, &key).is_ok());
    let found = with(&other, &key).expect_err("they do not fit");
    assert!(found.contains("does not belong to the certificate"), "{found}");
    let authorities = serde_json::json!({"mutual_tls_certificate_authorities": [cert, other]});
    assert!(loads(&policy(&authorities)).is_ok());
    for strategy in ["require-any", "request"] {
        let alone = serde_json::json!({"mutual_tls_verification_strategy": strategy});
        assert!(loads(&policy(&alone)).is_ok(), "{strategy}");
    }
    // Versions may be written as numbers.
    assert!(loads("on_tcp_connect:\n  - type: terminate-tls\n    config: {min_version: 1.3}\n").is_ok());
}

#[test]
fn the_rest_of_the_handshake_is_seen_behind_it_only() {
    let rule = |name: &str| format!("  - expressions: [\"{name} != ''\"]\n    actions: [{{type: deny}}]\n");
    for name in ["conn.tls.sni", "conn.tls.ja4_fingerprint"] {
        assert!(loads(&format!("on_tcp_connect:\n{}", rule(name))).is_ok(), "{name}");
    }
    for name in [
        "conn.tls.version",
        "conn.tls.cipher_suite",
        "conn.tls.negotiated_alpn",
        "conn.tls.client.subject",
        "conn.tls.server.san",
    ] {
        let found = loads(&format!("on_tcp_connect:\n{}", rule(name))).expect_err(name);
        assert!(found.contains("behind `terminate-tls`"), "{found}");
        let before = format!("on_tcp_connect:\n{}  - type: terminate-tls\n", rule(name));
        assert!(loads(&before).is_err(), "{name}");
        let behind = format!("on_tcp_connect:\n  - type: terminate-tls\n{}", rule(name));
        assert!(loads(&behind).is_ok(), "{}", loads(&behind).unwrap_err());
    }
    let within = "on_tcp_connect:\n  - actions:\n      - type: terminate-tls\n      - type: log\n        config:\n          \
                  metadata: {version: '${conn.tls.version}'}\n";
    assert!(loads(within).is_ok(), "{}", loads(within).unwrap_err());
}

#[test]
fn without_tls_it_closes() {
    assert!(!Tested::new("on_tcp_connect:\n  - type: terminate-tls\n").connects());
}
