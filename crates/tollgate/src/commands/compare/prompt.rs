//! The prompt file, and the request it makes for each model.

use super::args::CompareArgs;
use crate::error::CliError;
use crate::wiring;
use bytes::Bytes;
use serde_json::{Map, Value as Json, json};
use std::path::Path;
use tollgate_catalog::Catalog;

/// The fields that limit an answer's tokens; providers differ in which they take.
const LIMITS: [&str; 2] = ["max_tokens", "max_completion_tokens"];

/// A chat completion without a model.
#[derive(Debug)]
pub(super) struct Prompt {
    body: Map<String, Json>,
    limit: Option<u64>,
}

impl Prompt {
    /// Reads the file and applies the flags.
    ///
    /// # Errors
    /// It cannot be read, is empty, or is JSON without messages.
    pub(super) fn read(args: &CompareArgs) -> Result<Self, CliError> {
        let source = wiring::source(&args.prompt_file)?;
        let is_json = args.prompt_file.extension().is_some_and(|end| end.eq_ignore_ascii_case("json"));
        let mut body = body(&source.text, is_json)
            .map_err(|why| CliError::failed(format!("{}: {why}", shown(&args.prompt_file))))?;
        for replaced in ["model", "models", "stream"] {
            body.remove(replaced);
        }
        if args.no_stream {
            body.remove("stream_options");
        } else {
            body.insert("stream".into(), true.into());
        }
        if let Some(system) = &args.system {
            instruct(&mut body, system);
        }
        if args.max_tokens.is_some() {
            LIMITS.iter().for_each(|field| drop(body.remove(*field)));
        }
        Ok(Self { body, limit: args.max_tokens })
    }

    /// The request's body for a model.
    pub(super) fn body_for(&self, model: &str, catalog: &Catalog) -> Bytes {
        let mut body = Map::new();
        body.insert("model".into(), model.into());
        body.extend(self.body.iter().map(|(name, value)| (name.clone(), value.clone())));
        if let Some(limit) = self.limit {
            let [older, newer] = LIMITS;
            let field = if takes_newer(model, catalog) { newer } else { older };
            body.insert(field.into(), limit.into());
        }
        Bytes::from(Json::Object(body).to_string())
    }
}

/// The file's name as it was given.
pub(super) fn shown(path: &Path) -> String {
    if path.as_os_str() == "-" { "<stdin>".into() } else { path.display().to_string() }
}

/// A JSON object with messages is a body; any other text is what the user says.
fn body(text: &str, is_json: bool) -> Result<Map<String, Json>, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("the prompt is empty".into());
    }
    match serde_json::from_str(text) {
        Ok(Json::Object(body)) if body.get("messages").is_some_and(Json::is_array) => return Ok(body),
        Err(wrong) if is_json => return Err(format!("no JSON ({wrong})")),
        Ok(_) if is_json => {
            return Err(
                "no chat completion: write {\"messages\": [{\"role\": \"user\", \"content\": \"...\"}]}"
                    .into(),
            );
        }
        _ => {}
    }
    let mut body = Map::new();
    body.insert("messages".into(), json!([{"role": "user", "content": text}]));
    Ok(body)
}

/// Puts a system message first; those that stand there already go.
fn instruct(body: &mut Map<String, Json>, system: &str) {
    let Some(Json::Array(messages)) = body.get_mut("messages") else { return };
    messages.retain(|message| !matches!(message["role"].as_str(), Some("system" | "developer")));
    messages.insert(0, json!({"role": "system", "content": system}));
}

/// Whether the model's provider takes only the newer name of the limit.
fn takes_newer(model: &str, catalog: &Catalog) -> bool {
    let name = model.split('?').next().unwrap_or(model);
    let qualified =
        name.split_once(':').and_then(|(prefix, id)| Some((catalog.provider(prefix).next()?, id)));
    match qualified {
        Some((provider, id)) => {
            let found = catalog.model_at(provider, id).map(|(model, _)| model);
            provider.wants_completion_tokens(found.as_deref())
        }
        None => {
            let found = catalog.models_named(name);
            found.first().is_some_and(|(provider, model, _)| provider.wants_completion_tokens(Some(model)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    fn prompt(file: &str, text: &str, flags: &[&str]) -> Result<Json, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(file);
        std::fs::write(&path, text).unwrap();
        let words = ["tollgate", "compare", path.to_str().unwrap(), "-m", "x"];
        let Command::Compare(args) = Cli::parse_from(words.iter().chain(flags)).command else {
            panic!("{flags:?}")
        };
        let prompt = Prompt::read(&args).map_err(|error| error.to_string())?;
        Ok(serde_json::from_slice(&prompt.body_for("gpt-4o", &Catalog::builtin())).unwrap())
    }

    #[test]
    fn a_text_is_what_the_user_says() {
        for text in ["Hello\n", " {braces} ", "{\"a\": 1}", "[1]"] {
            let body = prompt("p.txt", text, &["--no-stream"]).unwrap();
            let user = json!([{"role": "user", "content": text.trim()}]);
            assert_eq!(body, json!({"model": "gpt-4o", "messages": user}));
        }
        assert!(prompt("p.txt", " \n", &[]).is_err_and(|e| e.contains("empty")));
    }

    #[test]
    fn a_body_keeps_all_but_its_models() {
        let text = r#"{"model": "a", "models": ["b"], "stream": false, "temperature": 0, "messages": [
            {"role": "developer", "content": "old"}, {"role": "user", "content": "Hi"}]}"#;
        let body = prompt("p.json", text, &[]).unwrap();
        assert_eq!(
            (&body["model"], &body["stream"], &body["temperature"]),
            (&json!("gpt-4o"), &json!(true), &json!(0))
        );
        assert!(body.get("models").is_none() && body["messages"][0]["content"] == "old");
        let body = prompt("p.json", text, &["--system", "new"]).unwrap();
        assert_eq!(body["messages"][0], json!({"role": "system", "content": "new"}));
        assert_eq!(body["messages"].as_array().map(Vec::len), Some(2), "{body}");
        assert!(prompt("p.json", "{", &[]).is_err_and(|e| e.contains("no JSON")));
        assert!(prompt("p.json", "{}", &[]).is_err_and(|e| e.contains("messages")));
    }

    #[test]
    fn a_limit_has_the_name_the_model_takes() {
        let catalog = Catalog::builtin();
        for (model, newer) in [
            ("openai:o3", true),
            ("o3", true),
            ("openai:gpt-99", true),
            ("openai:gpt-4o?temperature=0", false),
            ("anthropic:claude-3.5-sonnet", false),
            ("nobody:knows", false),
        ] {
            assert_eq!(takes_newer(model, &catalog), newer, "{model}");
        }
        let body =
            prompt("p.json", r#"{"messages": [], "max_completion_tokens": 5}"#, &["--max-tokens", "9"]);
        let body = body.unwrap();
        assert_eq!((&body["max_tokens"], body.get("max_completion_tokens")), (&json!(9), None));
    }
}
