//! `check`, `test`, `schema`, `models`, `demo`: what they say and how they end.

use crate::support::*;
use serde_json::{Value, json};
use std::path::PathBuf;

fn policies() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../policies")
}

fn write(dir: &tempfile::TempDir, name: &str, text: &str) -> String {
    let path = dir.path().join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

const BAD: &str = "\
on_http_request:
  - expressions:
      - \"req.headres['x'][0] == 'y'\"
    actions:
      - type: custom-respones
  - type: ai-gateway
    config:
      providers:
        - id: openruoter
      total_timeout: 5
      max_input_tokens: 0
      model_selection:
        strategy:
          - \"ai.models.filtre(m, true)\"
      on_eror: halt
";

#[tokio::test]
async fn check_finds_every_mistake_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let file = write(&dir, "bad.yml", BAD);
    let exit = run(&["check", &file]).await;
    assert_eq!(exit.code, Some(1), "{exit:?}");
    let text = format!("{}{}", exit.stdout, exit.stderr);
    for (line, column, help) in [
        (3, 14, "headers"),
        (5, 15, "custom-response"),
        (9, 15, "openrouter"),
        (10, 22, ""),
        (11, 25, ""),
        (14, 24, "filter"),
        (15, 7, "on_error"),
    ] {
        let found = text.lines().position(|l| l.starts_with(&format!("{file}:{line}:{column}: error: ")));
        let at = found.unwrap_or_else(|| panic!("nothing about {line}:{column} in\n{text}"));
        let block: Vec<&str> = text.lines().skip(at).take(5).collect();
        assert!(block.iter().any(|l| l.contains('^')), "a caret: {block:#?}");
        assert!(
            help.is_empty() || block.iter().any(|l| l.contains("help:") && l.contains(help)),
            "{help}: {block:#?}"
        );
    }
    let exit = run(&["check", &file, "--format", "json"]).await;
    assert_eq!(exit.code, Some(1));
    let json: Value = serde_json::from_str(&exit.stdout).unwrap();
    let all = json["diagnostics"].as_array().unwrap();
    assert_eq!(all.len(), 7, "{json:#}");
    for diagnostic in all {
        for name in
            ["file", "line", "column", "end_line", "end_column", "severity", "code", "message", "help"]
        {
            assert!(diagnostic.get(name).is_some(), "{name} is missing: {diagnostic}");
        }
        assert_eq!((&diagnostic["file"], &diagnostic["severity"]), (&json!(file), &json!("error")));
    }
}

#[tokio::test]
async fn exit_codes_of_check() {
    let dir = tempfile::tempdir().unwrap();
    let good = write(&dir, "good.yml", "on_http_request:\n  - type: deny\n");
    let bad = write(&dir, "bad.yml", "on_http_request:\n  - type: dney\n");
    let missing = "on_http_request:\n  - type: deny\n    config: {}\n  - expressions: [\"secrets.get('a', 'b') == 'c'\"]\n    actions: [{type: deny}]\n";
    let missing = write(&dir, "missing.yml", missing);
    for (args, code) in [
        (vec!["check", &good], 0),
        (vec!["check", &bad], 1),
        (vec!["check", &good, &bad], 1),
        (vec!["check", &missing], 0),
        (vec!["check"], 2),
        (vec!["check", "--format", "xml", &good], 2),
        (vec!["nonsense"], 2),
        (vec!["check", "/nonexistent.yml"], 1),
    ] {
        let exit = run(&args).await;
        assert_eq!(exit.code, Some(code), "{args:?}: {exit:?}");
    }
    let exit = run(&["check", &missing]).await;
    assert!(
        format!("{}{}", exit.stdout, exit.stderr).contains("warning"),
        "a missing secret is one: {exit:?}"
    );
}

#[tokio::test]
async fn hostile_policies_are_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned()
        + &(0..9)
            .map(|n| {
                format!(
                    "b{n}: &b{n} [{}]\n",
                    vec![if n == 0 { "*a".into() } else { format!("*b{}", n - 1) }; 9].join(", ")
                )
            })
            .collect::<String>();
    let parentheses = format!(
        "on_http_request:\n  - expressions: [\"{}true{}\"]\n    actions: [{{type: deny}}]\n",
        "(".repeat(5000),
        ")".repeat(5000)
    );
    for (name, text) in [
        ("aliases", bomb),
        ("deep", format!("{}{}", "[".repeat(100_000), "]".repeat(100_000))),
        ("parentheses", parentheses),
        (
            "choices",
            format!(
                "on_http_request:\n  - expressions: [\"{}true{}\"]\n    actions: [{{type: deny}}]\n",
                "true ? ".repeat(500),
                " : true".repeat(500)
            ),
        ),
        ("long", "x".repeat(5 << 20)),
        ("control", "\u{0}\u{1}\u{2}".to_owned()),
    ] {
        let file = write(&dir, name, &text);
        let started = std::time::Instant::now();
        let exit = run(&["check", &file]).await;
        assert_eq!(exit.code, Some(1), "{name}: {:?}", exit.stderr.get(..500.min(exit.stderr.len())));
        assert!(started.elapsed() < std::time::Duration::from_secs(5), "{name}: {:?}", started.elapsed());
    }
}

#[tokio::test]
async fn actions_that_are_not_built_yet_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = write(&dir, "p.yml", "on_http_request:\n  - type: saml\n    config: {idp_metadata: '<x>'}\n");
    let exit = run(&["check", &file]).await;
    let text = format!("{}{}", exit.stdout, exit.stderr);
    assert!(exit.code == Some(1) && text.contains("saml") && text.contains("not supported yet"), "{text}");
}

#[tokio::test]
async fn the_policies_of_this_repository_are_good() {
    let files: Vec<String> = std::fs::read_dir(policies())
        .unwrap()
        .map(|entry| entry.unwrap().path().to_str().unwrap().to_owned())
        .filter(|path| path.ends_with(".yml") && !path.ends_with(".test.yml"))
        .collect();
    assert!(files.len() >= 8, "{files:?}");
    let args: Vec<&str> = std::iter::once("check").chain(files.iter().map(String::as_str)).collect();
    let exit = run(&args).await;
    assert_eq!(exit.code, Some(0), "{exit:?}");
    let exit = run(&["test", policies().to_str().unwrap()]).await;
    assert_eq!(exit.code, Some(0), "{exit:?}");
}

#[tokio::test]
async fn a_policy_test_that_fails_shows_the_difference() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir, "p.yml", "on_http_request:\n  - type: deny\n    config: {status_code: 404}\n");
    let test = |status: u16| {
        format!(
            "policy: p.yml\ntests:\n  - name: it is closed\n    request: {{path: /x}}\n    expect: {{status: {status}}}\n"
        )
    };
    let good = write(&dir, "good.test.yml", &test(404));
    assert_eq!(run(&["test", &good]).await.code, Some(0));
    let bad = write(&dir, "bad.test.yml", &test(403));
    let exit = run(&["test", &bad]).await;
    let text = format!("{}{}", exit.stdout, exit.stderr);
    assert!(
        exit.code == Some(1) && text.contains("it is closed") && text.contains("403") && text.contains("404"),
        "{text}"
    );
}

#[tokio::test]
async fn schema_and_models() {
    let exit = run(&["schema"]).await;
    let schema: Value = serde_json::from_str(&exit.stdout).unwrap();
    assert!(exit.code == Some(0) && schema["$schema"].is_string(), "{exit:?}");
    for word in ["on_http_request", "ai-gateway", "api_keys", "custom-response", "per_request_timeout"] {
        assert!(exit.stdout.contains(word), "{word}");
    }
    let exit = run(&["models", "--provider", "anthropic", "--json"]).await;
    assert_eq!(exit.code, Some(0));
    assert!(exit.stdout.contains("claude-3-5-sonnet-20241022") && !exit.stdout.contains("gpt-4o"));
    let exit = run(&["models"]).await;
    assert!(exit.code == Some(0) && exit.stdout.contains("openrouter"));
    assert!(exit.stdout.contains("{id: vertex, settings: {project: my-project, location: europe-west4}}"));
}

/// Clouds and servers of one's own are providers too, although only policies bring them in.
#[tokio::test]
async fn models_of_providers_that_only_policies_bring_in() {
    for (name, entry, words) in [
        ("azure", "{id: azure, settings: {resource: my-resource}}", "name of your deployment"),
        ("aws-bedrock", "{id: bedrock, settings: {region: eu-central-1}}", "inference profiles"),
        ("vertex", "{id: vertex, settings: {project: my-project, location: europe-west4}}", "gemini-2.5-pro"),
        ("ollama", "{id: ollama}", "any name passes through"),
        ("LM-Studio", "{id: lmstudio}", "any name passes through"),
        ("vllm", "{id: vllm}", "any name passes through"),
    ] {
        let exit = run(&["models", "--provider", name]).await;
        assert_eq!(exit.code, Some(0), "{exit:?}");
        for word in [entry, words] {
            assert!(exit.stdout.contains(word), "{name}: {word} is missing in {}", exit.stdout);
        }
        let exit = run(&["models", "--provider", name, "--json"]).await;
        let told: Value = serde_json::from_str(&exit.stdout).unwrap();
        assert_eq!(told["providers"][0]["only_when_listed"], true, "{told}");
        let models = told["models"].as_array().unwrap().len();
        assert_eq!(told["providers"][0]["models"], models, "{told}");
    }
    // The entry it shows is one that works.
    let dir = tempfile::tempdir().unwrap();
    let entry = "{id: azure, settings: {resource: my-resource}}";
    let file = write(
        &dir,
        "azure.yml",
        &format!("on_http_request:\n  - type: ai-gateway\n    config:\n      providers: [{entry}]\n"),
    );
    assert_eq!(run(&["check", &file]).await.code, Some(0));
    let exit = run(&["models", "--policy", &file, "--provider", "azure"]).await;
    assert!(exit.code == Some(0) && !exit.stdout.contains("only in a policy"), "{exit:?}");
    let exit = run(&["models", "--provider", "azur"]).await;
    assert!(exit.code == Some(1) && exit.stderr.contains("did you mean `azure`?"), "{exit:?}");
    let default = write(&dir, "plain.yml", "on_http_request:\n  - type: ai-gateway\n");
    let exit = run(&["explain", &default, "--body", r#"{"model": "azure:mine"}"#]).await;
    assert!(exit.stdout.contains("exists only in a policy that lists it"), "{exit:?}");
    let exit =
        run(&["run", "--default-backend", "ollama", "--listen", "127.0.0.1:0", "--admin", "none"]).await;
    assert!(exit.code == Some(1) && exit.stderr.contains("`providers: [{id: ollama}]`"), "{exit:?}");
}

#[tokio::test]
async fn the_demo_tour() {
    let exit = run(&["demo", "--once", "--listen", "127.0.0.1:0"]).await;
    assert_eq!(exit.code, Some(0), "{exit:?}");
    for word in ["anthropic", "openrouter", "503", "429"] {
        assert!(exit.stdout.contains(word), "{word} is missing in\n{}", exit.stdout);
    }
}
