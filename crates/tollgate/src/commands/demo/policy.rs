//! The policy of the demo: the published one, with the mock's addresses and a line in the log for each request.

/// The policy anybody can run.
const PUBLISHED: &str = include_str!("../../../../../policies/openrouter-failover.yml");

/// Records the way of a request, which the demo shows as a table.
const LOGGED: &str = "\
on_http_response:
  - type: log
    config:
      metadata:
        ai_gateway: ${actions.ngrok.ai_gateway}
";

/// The published policy, whose providers are at the mock.
pub(super) fn for_mock(mock: &str) -> String {
    let places = [("anthropic", "/anthropic/v1"), ("openrouter", "/openrouter/api/v1")];
    let mut text = String::new();
    for line in PUBLISHED.lines() {
        text.push_str(line);
        text.push('\n');
        let place = places.iter().find(|(id, _)| line.trim() == format!("- id: {id}"));
        if let Some((_, path)) = place {
            let indentation = line.len() - line.trim_start().len() + "- ".len();
            text.push_str(&format!("{}base_url: {mock}{path}\n", " ".repeat(indentation)));
        }
    }
    text + LOGGED
}

/// A policy without the comments on top.
pub(super) fn rules(text: &str) -> &str {
    text.find("\non_").and_then(|at| text.get(at + 1..)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::demo::DemoSecrets;
    use crate::naming::Naming;
    use crate::wiring;
    use std::sync::Arc;
    use tollgate_policy::Source;

    #[test]
    fn every_provider_of_the_published_policy_is_at_the_mock() {
        let text = for_mock("http://127.0.0.1:1");
        let providers = text.matches("- id: ").count();
        assert!(providers > 0);
        assert_eq!(text.matches("base_url: http://127.0.0.1:1/").count(), providers, "{text}");
        let shared = wiring::shared(Arc::new(DemoSecrets::default()), &Naming::default()).unwrap();
        let (_, warnings) = wiring::engine(&Source::new("demo", rules(&text)), &shared).unwrap();
        assert_eq!(warnings, "", "every secret it names is there");
    }
}
