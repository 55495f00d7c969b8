//! `tollgate compare`: one prompt, several models.

use crate::support::*;
use serde_json::{Value, json};
use std::path::PathBuf;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tollgate_mock::{Behaviour, Fault, MockServer, Rule, Script};

const MODELS: [&str; 3] = ["gpt-4o", "anthropic:claude-3.5-sonnet", "google:gemini-2.5-flash"];

/// A folder with a prompt, and with a policy whose providers speak three dialects.
struct Stage {
    mock: MockServer,
    dir: TempDir,
    policy: String,
}

impl Stage {
    async fn new(script: Script) -> Self {
        let mock = mock(script).await;
        let only = |format: &str| json!({"supported_api_surfaces": [{"format": format}]});
        let google = json!({
            "id": "google", "base_url": format!("{}/google/v1beta", mock.url()),
            "api_keys": [{"value": "AIza-test"}],
        });
        let (anthropic, google) = (merge(anthropic(&mock), only("anthropic")), merge(google, only("gemini")));
        let config = json!({"providers": [openai(&mock), anthropic, google]});
        let mut stage = Self { mock, dir: tempfile::tempdir().unwrap(), policy: String::new() };
        stage.write("prompt.txt", "Say hello.\n");
        stage.policy = stage.write("policy.yml", &ai_gateway(config));
        stage
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path: PathBuf = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn prompt(&self) -> String {
        self.dir.path().join("prompt.txt").to_str().unwrap().to_owned()
    }

    /// `compare` of the prompt under the policy.
    async fn compare(&self, models: &[&str], flags: &[&str]) -> Exit {
        let prompt = self.prompt();
        let mut args = vec!["compare", &prompt, "--policy", &self.policy];
        args.extend(models.iter().flat_map(|model| ["--model", model]));
        args.extend(flags);
        run(&args).await
    }

    async fn json(&self, models: &[&str], flags: &[&str]) -> (Exit, Value) {
        let flags: Vec<&str> = flags.iter().copied().chain(["--json"]).collect();
        let exit = self.compare(models, &flags).await;
        let json = serde_json::from_str(&exit.stdout).unwrap_or_else(|_| panic!("{exit:#?}"));
        (exit, json)
    }
}

/// What goes wrong with one model, whichever provider has it.
fn failing(model: &str, behaviour: Behaviour) -> Script {
    Script::default().rule(Rule { model: Some(model.into()), answers: vec![behaviour], ..Rule::default() })
}

#[tokio::test]
async fn three_dialects_side_by_side() {
    let words =
        Behaviour { chunk_delay_ms: 5, ..Behaviour::chunks(["Hel", "lo ", "to ", "all ", "of ", "you."]) };
    let stage = Stage::new(Script::always(words)).await;
    let (exit, json) = stage.json(&MODELS, &[]).await;
    assert_eq!(exit.code, Some(0), "{exit:#?}");
    assert_eq!(json["prompt_file"], stage.prompt());
    let results = json["results"].as_array().unwrap();
    let served = ["openai:gpt-4o", "anthropic:claude-3-5-sonnet-20241022", "google:gemini-2.5-flash"];
    for ((result, model), served) in results.iter().zip(MODELS).zip(served) {
        assert_eq!((&result["model"], &result["answered_by"]), (&json!(model), &json!(served)), "{result:#}");
        assert_eq!((&result["answer"], &result["error"]), (&json!("Hello to all of you."), &Value::Null));
        assert_eq!((&result["attempts"], &result["dropped"]), (&json!(1), &json!([])), "{result:#}");
        let figure = |name: &str| result[name].as_f64().unwrap_or_else(|| panic!("{name}: {result:#}"));
        assert!(figure("input_tokens") > 0.0 && figure("output_tokens") > 0.0, "{result:#}");
        assert!(figure("first_token_ms") < figure("total_ms"), "{result:#}");
        assert!(figure("tokens_per_second") > 0.0, "{result:#}");
        let cost = result["cost_usd"].as_str().unwrap_or_else(|| panic!("{result:#}"));
        assert!(cost.parse::<f64>().is_ok_and(|cost| cost > 0.0) && cost.contains('.'), "{cost}");
        let runs = result["runs"].as_array().unwrap();
        assert_eq!((runs.len(), &runs[0]["answer"]), (1, &result["answer"]));
    }
    assert_eq!(results.len(), 3);
    let asked = stage.mock.requests();
    assert_eq!(asked.len(), 3);
    assert!(asked.iter().any(|r| r.path_and_query.contains(":streamGenerateContent")), "{asked:#?}");
    assert!(asked.iter().any(|r| r.path_and_query.ends_with("/messages") && r.json()["stream"] == true));
    // Without a terminal: a line a request, and nothing that moves.
    for n in 1..=3 {
        assert!(exit.stderr.lines().any(|line| line.starts_with(&format!("{n}/3 "))), "{}", exit.stderr);
    }
    assert!(!exit.stderr.contains(['\r', '\u{1b}']), "{:?}", exit.stderr);
    for key in [ANTHROPIC_KEY, "AIza-test"] {
        assert!(!exit.stdout.contains(key) && !exit.stderr.contains(key));
    }
}

#[tokio::test]
async fn the_table_has_no_colours_without_a_terminal() {
    let stage = Stage::new(Script::always(Behaviour::text("Hello there."))).await;
    let exit = stage.compare(&MODELS, &[]).await;
    assert_eq!(exit.code, Some(0), "{exit:#?}");
    let row = |name: &str| {
        let line = exit.stdout.lines().find(|line| line.starts_with(&format!("│ {name} ")));
        line.unwrap_or_else(|| panic!("no {name} in\n{}", exit.stdout)).to_owned()
    };
    assert!(exit.stdout.contains("gpt-4o") && exit.stdout.contains("claude-3.5-sonnet"), "{}", exit.stdout);
    assert_eq!(row("answer").matches("Hello there.").count(), 3);
    assert_eq!(row("cost").matches("$0.000").count(), 3);
    for name in ["answered by", "attempts", "input tokens", "output tokens", "first token", "total"] {
        row(name);
    }
    assert!(!exit.stdout.contains('\u{1b}'), "{}", exit.stdout);
    assert!(exit.stdout.lines().all(|line| line.chars().count() <= 100), "{}", exit.stdout);

    let full = stage.compare(&MODELS, &["--full"]).await;
    assert!(full.stdout.contains("== gpt-4o ==\nHello there.\n"), "{}", full.stdout);
}

#[tokio::test]
async fn a_model_that_fails_has_its_error_in_its_column() {
    for (behaviour, said) in [
        (Behaviour::status(500), "500"),
        (Behaviour::status(401), "401"),
        (Behaviour::fault(Fault::ErrorAfterChunks(1)), ""),
        (Behaviour::fault(Fault::CutAfterChunks(1)), "broke off"),
        (Behaviour::fault(Fault::Garbage), ""),
    ] {
        let stage = Stage::new(failing("claude*", behaviour.clone())).await;
        let (exit, json) = stage.json(&MODELS, &[]).await;
        assert_eq!(exit.code, Some(1), "{behaviour:?} {exit:#?}");
        let errors: Vec<&Value> = json["results"].as_array().unwrap().iter().map(|r| &r["error"]).collect();
        let [Value::Null, Value::String(error), Value::Null] = errors.as_slice() else {
            panic!("{behaviour:?} {json:#}")
        };
        assert!(error.contains(said), "{behaviour:?}: {error}");
        assert_eq!(json["results"][1]["cost_usd"], Value::Null);
        let table = stage.compare(&MODELS, &[]).await;
        assert_eq!(table.code, Some(1));
        assert!(table.stdout.contains("│ error"), "{}", table.stdout);
        assert!(table.stderr.contains("failed after"), "{}", table.stderr);
    }
}

#[tokio::test]
async fn names_nobody_knows_are_explained_by_the_gateway() {
    let stage = Stage::new(Script::default()).await;
    let (exit, json) = stage.json(&["gpt-4oo", "gpt-4o"], &[]).await;
    assert_eq!(exit.code, Some(1));
    let error = json["results"][0]["error"].as_str().unwrap();
    assert!(error.contains("422") && error.contains("gpt-4o"), "{error}");
    assert_eq!(json["results"][1]["error"], Value::Null);
}

#[tokio::test]
async fn failover_and_dropped_fields_are_told() {
    let (first, second) = (mock(Script::always(Behaviour::status(503))).await, mock(Script::default()).await);
    let stage = Stage::new(Script::default()).await;
    let policy = stage.write("two.yml", &two_tiers(&first, &second, json!({})));
    let body =
        json!({"logit_bias": {"1": 1}, "models": ["x"], "model": "y", "messages": prompt()["messages"]});
    let file = stage.write("request.json", &body.to_string());
    let both = "anthropic:claude-3.5-sonnet";
    let exit = run(&["compare", &file, "--policy", &policy, "-m", both, "--json"]).await;
    let json: Value = serde_json::from_str(&exit.stdout).unwrap_or_else(|_| panic!("{exit:#?}"));
    assert_eq!(exit.code, Some(1), "only Anthropic has this name: {json:#}");

    let anthropic = Stage::new(Script::default()).await;
    let exit = run(&["compare", &file, "--policy", &anthropic.policy, "-m", both, "--json"]).await;
    let json: Value = serde_json::from_str(&exit.stdout).unwrap_or_else(|_| panic!("{exit:#?}"));
    assert_eq!(json["results"][0]["dropped"], json!(["logit_bias"]), "{json:#}");

    let one = custom("one", &format!("{}/v1", first.url()), &[KEY_ONE]);
    let two = custom("two", &format!("{}/v1", second.url()), &[KEY_TWO]);
    let models = json!({"models": [{"id": "m"}]});
    let config = json!({"providers": [merge(one, models.clone()), merge(two, models)]});
    let policy = stage.write("failover.yml", &ai_gateway(config));
    let exit = run(&["compare", &file, "--policy", &policy, "-m", "m", "--json"]).await;
    let json: Value = serde_json::from_str(&exit.stdout).unwrap_or_else(|_| panic!("{exit:#?}"));
    let result = &json["results"][0];
    assert_eq!((exit.code, &result["attempts"]), (Some(0), &json!(2)), "{json:#}");
    assert_eq!(result["answered_by"], "two:m");
    assert_eq!(result["cost_usd"], Value::Null, "nobody knows the price");
}

#[tokio::test]
async fn repeated_requests_have_a_median_and_two_ends() {
    let stage = Stage::new(Script::default()).await;
    let (exit, json) = stage.json(&MODELS[..2], &["--repeat", "3", "--parallel", "2"]).await;
    assert_eq!((exit.code, stage.mock.requests().len()), (Some(0), 6), "{exit:#?}");
    for result in json["results"].as_array().unwrap() {
        let mut totals: Vec<f64> =
            result["runs"].as_array().unwrap().iter().map(|run| run["total_ms"].as_f64().unwrap()).collect();
        totals.sort_by(f64::total_cmp);
        assert_eq!(totals.len(), 3);
        assert_eq!(result["best"]["total_ms"], json!(totals[0]));
        assert_eq!(result["total_ms"], json!(totals[1]));
        assert_eq!(result["worst"]["total_ms"], json!(totals[2]));
    }
    assert!(exit.stderr.contains("6/6 "), "{}", exit.stderr);
    let table = stage.compare(&MODELS[..1], &["--repeat", "2"]).await;
    assert!(table.stdout.contains("medians"), "{}", table.stdout);
}

#[tokio::test]
async fn flags_change_what_is_sent() {
    let stage = Stage::new(Script::default()).await;
    let asked = |stage: &Stage| stage.mock.requests().last().unwrap().json();
    let flags = ["--no-stream", "--max-tokens", "7", "--system", "Be brief."];
    let (_, json) = stage.json(&["gpt-4o"], &flags).await;
    let body = asked(&stage);
    assert_eq!((body.get("stream"), &body["max_tokens"]), (None, &json!(7)), "{body}");
    assert_eq!(body["messages"][0], json!({"role": "system", "content": "Be brief."}));
    assert_eq!(body["messages"][1], json!({"role": "user", "content": "Say hello."}));
    let result = &json["results"][0];
    assert_eq!((&result["first_token_ms"], &result["tokens_per_second"]), (&Value::Null, &Value::Null));
    assert!(result["answer"].as_str().is_some_and(|text| !text.is_empty()) && result["cost_usd"].is_string());
    stage.json(&["openai:o3"], &["--max-tokens", "7"]).await;
    let body = asked(&stage);
    assert_eq!((body.get("max_tokens"), &body["max_completion_tokens"]), (None, &json!(7)), "{body}");
    assert_eq!(body["stream"], true);
}

#[tokio::test]
async fn the_prompt_can_come_from_standard_input() {
    let stage = Stage::new(Script::default()).await;
    let args = ["compare", "-", "--policy", &stage.policy, "-m", "gpt-4o", "--json"];
    let mut child = command().args(args).stdin(std::process::Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"From a pipe").await.unwrap();
    let output = soon(child.wait_with_output()).await.unwrap();
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &json["prompt_file"]), (Some(0), &json!("-")));
    assert_eq!(stage.mock.requests()[0].json()["messages"][0]["content"], "From a pipe");
}

#[tokio::test]
async fn without_a_policy_a_missing_key_is_named() {
    let stage = Stage::new(Script::default()).await;
    let prompt = stage.prompt();
    let exit = run(&["compare", &prompt, "-m", "groq:llama-3.3-70b", "-m", "azure:gpt-4o", "--json"]).await;
    let json: Value = serde_json::from_str(&exit.stdout).unwrap_or_else(|_| panic!("{exit:#?}"));
    let error = |at: usize| json["results"][at]["error"].as_str().unwrap_or_default().to_owned();
    assert_eq!(exit.code, Some(1));
    assert!(error(0).contains("GROQ_API_KEY"), "{json:#}");
    assert!(error(1).contains("--policy"), "{json:#}");
    assert_eq!(json["results"][0]["runs"], json!([]), "nothing was sent");
}

#[tokio::test]
async fn wrong_usage_and_prompts_that_are_none() {
    let stage = Stage::new(Script::default()).await;
    let (prompt, empty) = (stage.prompt(), stage.write("empty.txt", "\n"));
    let no_messages = stage.write("none.json", "{\"model\": \"x\"}");
    for (args, code, said) in [
        (vec!["compare", &prompt], 2, "--model"),
        (vec!["compare", &prompt, "-m", "x", "--repeat", "0"], 2, "--repeat"),
        (vec!["compare", "-", "-m", "x", "--policy", "-"], 2, "standard input"),
        (vec!["compare", "/nonexistent", "-m", "x"], 1, "/nonexistent"),
        (vec!["compare", &empty, "-m", "x"], 1, "empty"),
        (vec!["compare", &no_messages, "-m", "x"], 1, "messages"),
        (vec!["compare", &prompt, "-m", "x", "--policy", "/nonexistent"], 1, "/nonexistent"),
    ] {
        let exit = run(&args).await;
        assert_eq!(exit.code, Some(code), "{args:?}: {exit:?}");
        assert!(exit.stderr.contains(said) && exit.stdout.is_empty(), "{args:?}: {exit:?}");
    }
    assert!(stage.mock.requests().is_empty());
}

#[tokio::test]
async fn control_c_ends_it() {
    let stage = Stage::new(Script::always(Behaviour::fault(Fault::StallMidStream(1)))).await;
    let prompt = stage.prompt();
    let args = ["compare", &prompt, "--policy", &stage.policy, "-m", "gpt-4o"];
    let mut child = command().args(args).spawn().unwrap();
    soon(async {
        while stage.mock.requests().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let id = child.id().unwrap().to_string();
    tokio::process::Command::new("kill").args(["-INT", &id]).status().await.unwrap();
    assert_eq!(soon(child.wait()).await.unwrap().code(), Some(130));
    soon(async {
        while stage.mock.open_streams() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
