//! The actions. One file each: fields, documentation, and what it does.
//!
//! To add one, copy the file of the action most like it and add a line to [`ALL`].

use crate::action::ActionType;
use std::sync::LazyLock;
use tollgate_policy::ActionSpec;

mod add_headers;
mod ai_gateway;
#[cfg(test)]
mod bad_input;
mod basic_auth;
pub(crate) mod bucket_key;
pub(crate) mod circuit_breaker;
mod close_connection;
mod compress_response;
mod concurrency_limit;
mod custom_response;
#[cfg(test)]
mod declared_results;
mod deny;
mod find_replace;
mod forward_internal;
mod gate;
pub(crate) mod header_names;
mod held_text;
mod http_request;
#[cfg(test)]
mod interpolated;
mod jwt_validation;
mod log;
pub(crate) mod login;
mod oauth;
mod openid_connect;
mod owasp_crs;
mod owasp_crs_request;
mod owasp_crs_response;
mod pattern;
pub(crate) mod rate_limit;
mod redirect;
mod remove_headers;
mod request_body_find_replace;
mod response_body_find_replace;
mod restrict_ips;
mod set_vars;
mod sse_find_replace;
mod terminate_tls;
mod url_edit;
mod url_rewrite;
pub(crate) mod verify_webhook;

/// Every action that can be used in a policy, in the order of the documentation.
pub const ALL: &[&ActionType] = &[
    &add_headers::ACTION,
    &ai_gateway::ACTION,
    &basic_auth::ACTION,
    &circuit_breaker::ACTION,
    &close_connection::ACTION,
    &compress_response::ACTION,
    &concurrency_limit::ACTION,
    &custom_response::ACTION,
    &deny::ACTION,
    &forward_internal::ACTION,
    &http_request::ACTION,
    &jwt_validation::ACTION,
    &log::ACTION,
    &oauth::ACTION,
    &openid_connect::ACTION,
    &owasp_crs_request::ACTION,
    &owasp_crs_response::ACTION,
    &rate_limit::ACTION,
    &redirect::ACTION,
    &remove_headers::ACTION,
    &request_body_find_replace::ACTION,
    &response_body_find_replace::ACTION,
    &restrict_ips::ACTION,
    &set_vars::ACTION,
    &sse_find_replace::ACTION,
    &terminate_tls::ACTION,
    &url_rewrite::ACTION,
    &verify_webhook::ACTION,
];

static SPECS: LazyLock<Vec<&'static ActionSpec>> = LazyLock::new(|| ALL.iter().map(|a| a.spec).collect());

/// The declarations of all actions.
#[must_use]
pub fn specs() -> &'static [&'static ActionSpec] {
    &SPECS
}

/// The action of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static ActionType> {
    ALL.iter().copied().find(|action| action.spec.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::loads;
    use std::path::{Path, PathBuf};

    fn docs() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
    }

    /// Compares a generated page with the one in `docs/`; with `TOLLGATE_UPDATE_DOCS=1` writes it.
    fn same(page: &Path, generated: &str) {
        if std::env::var_os("TOLLGATE_UPDATE_DOCS").is_some() {
            std::fs::create_dir_all(page.parent().expect("a folder")).expect("the folder of the page");
            std::fs::write(page, generated).expect("the page is written");
        }
        let written = std::fs::read_to_string(page).unwrap_or_default();
        let name = page.file_name().unwrap_or_default().display();
        assert!(written == generated, "docs/…/{name} is stale; run `make docs` and look at the difference");
    }

    #[test]
    fn the_example_of_every_action_loads() {
        for action in ALL {
            let phases = action.spec.phases;
            let usual = phases.iter().find(|phase| **phase == tollgate_policy::Phase::HttpRequest);
            let phase = usual.or(phases.first()).expect("a phase").key();
            let policy = format!("{phase}:\n{}", indent(action.spec.example));
            if action.spec.name.starts_with("owasp-crs") && cfg!(not(feature = "waf")) {
                // Their fields are checked; that there is no firewall is the only complaint.
                let said = loads(&policy).expect_err("there is no firewall");
                assert!(
                    said.matches("error: ").count() == 1 && said.contains("not part of this build"),
                    "{said}"
                );
                continue;
            }
            assert!(loads(&policy).is_ok(), "{}: {}", action.spec.name, loads(&policy).unwrap_err());
        }
    }

    fn indent(yaml: &str) -> String {
        yaml.lines().map(|line| format!("  {line}\n")).collect()
    }

    #[test]
    fn actions_are_in_the_order_of_the_alphabet_and_found_by_name() {
        let names: Vec<&str> = ALL.iter().map(|a| a.spec.name).collect();
        assert!(names.is_sorted(), "{names:?}");
        assert!(
            names.iter().all(|name| find(name).is_some() && tollgate_policy::KNOWN_ACTIONS.contains(name))
        );
    }

    #[test]
    fn the_pages_of_the_actions_are_up_to_date() {
        for action in ALL {
            let page = docs().join("actions").join(format!("{}.md", action.spec.name));
            same(&page, &tollgate_policy::document_action(action.spec));
        }
    }

    #[test]
    fn the_list_of_actions_is_up_to_date() {
        same(&docs().join("actions/README.md"), &tollgate_policy::document_actions(specs()));
    }

    #[test]
    fn the_page_of_compatibility_is_up_to_date() {
        let page = tollgate_policy::document_compatibility(specs(), tollgate_expr::DIFFERENCES);
        same(&docs().join("traffic-policy.md"), &page);
    }

    #[test]
    fn the_schema_is_up_to_date() {
        let schema = serde_json::to_string_pretty(&tollgate_policy::json_schema(specs())).expect("JSON");
        same(&docs().join("policy.schema.json"), &(schema + "\n"));
    }

    #[test]
    fn actions_of_the_language_that_are_not_built_yet_are_refused_by_name() {
        let missing = tollgate_policy::KNOWN_ACTIONS.iter().filter(|name| find(name).is_none());
        for name in missing {
            let said =
                loads(&format!("on_http_request:\n  - type: {name}\n")).expect_err("it is not built yet");
            assert!(said.contains(name) && said.contains("not supported yet"), "{said}");
        }
    }
}
