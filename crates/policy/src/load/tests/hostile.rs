use crate::testing::loaded;
use proptest::prelude::*;
use std::time::Instant;

const VALID: &str = "\
# A policy with a bit of everything.
on_http_request:
  - name: guard
    expressions:
      - \"req.method == 'POST'\"
      - >-
        req.url.path.startsWith('/v1') &&
        size(req.headers) > 0
    actions:
      - type: rate-limit
        config: {name: a, capacity: 10, bucket_key: [\"req.headers['x'][0]\"]}
      - type: set-vars
        config:
          vars:
            - who: ${req.headers['x-user'][0]}
            - list: [1, \"b ${req.method}\", null]
  - type: ai-gateway
    config:
      per_request_timeout: 1m30s
      headers: {x-a: 'it''s ${req.method}'}
      body: {nested: {deep: [\"${req.method}\"]}}
on_http_response: []
";

#[test]
fn the_seed_is_valid() {
    let found = loaded(VALID);
    assert!(found.policy.is_some(), "{:?}", found.diagnostics);
}

#[test]
fn hostile_expressions_are_refused_at_once() {
    let many = 5_000;
    for (refused, expression) in [
        (true, format!("{}true{}", "(".repeat(many), ")".repeat(many))),
        (true, format!("{}{}", "[".repeat(many), "]".repeat(many))),
        (true, format!("x{}", ".a".repeat(many))),
        (true, format!("'{}'", "a".repeat(200_000))),
        (true, format!("true{}", " || true".repeat(many))),
        // Chains of signs are folded while they are read, so these are harmless.
        (false, format!("{}true", "!".repeat(many))),
        (false, format!("{}1 == 1", "-".repeat(many))),
    ] {
        let text = format!(
            "on_http_request:\n  - expressions:\n      - \"{expression}\"\n    actions:\n      - type: set-vars\n        config:\n          vars: {{a: \"${{{expression}}}\"}}\n"
        );
        let started = Instant::now();
        let found = loaded(&text);
        let start: String = expression.chars().take(10).collect();
        assert!(found.policy.is_none() || !refused, "{start}");
        assert!(started.elapsed().as_secs() < 5, "{start}: {:?}", started.elapsed());
        assert!(found.diagnostics.errors().all(|d| d.message.len() < 1_000), "{start}");
    }
}

#[test]
fn a_flood_of_errors_is_cut() {
    let text = format!(
        "on_http_request:\n  - type: ai-gateway\n    config:\n{}",
        (0..5_000).map(|n| format!("      k{n}: 1\n")).collect::<String>()
    );
    assert_eq!(loaded(&text).diagnostics.len(), 500);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_text_never_panics(text in "\\PC{0,300}") {
        check(&text)?;
    }

    #[test]
    fn a_mutated_policy_never_panics(cuts in prop::collection::vec((0usize..700, 0usize..12, "[-a:${}\n '\"\\[\\]!&*|>#\t,é(]{0,4}"), 1..5)) {
        let mut text: Vec<char> = VALID.chars().collect();
        for (at, remove, insert) in cuts {
            let at = at.min(text.len());
            let end = (at + remove).min(text.len());
            text.splice(at..end, insert.chars());
        }
        check(&text.into_iter().collect::<String>())?;
    }
}

/// Whatever the text, there is a policy or an error, and every finding points into the text.
fn check(text: &str) -> Result<(), TestCaseError> {
    let found = loaded(text);
    prop_assert_eq!(found.policy.is_none(), found.diagnostics.has_errors());
    let lines = text.split(['\n', '\r']).count();
    for finding in &found.diagnostics {
        prop_assert!(finding.at.line >= 1 && finding.at.line <= lines + 1, "{:?}", finding);
        prop_assert!(finding.at.column >= 1, "{:?}", finding);
        prop_assert!((finding.at.end_line, finding.at.end_column) >= (finding.at.line, finding.at.column));
    }
    let _ = found.diagnostics.render_text(&crate::testing::source(text));
    let _ = found.diagnostics.to_json();
    Ok(())
}
