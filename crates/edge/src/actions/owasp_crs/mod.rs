//! What `owasp-crs-request` and `owasp-crs-response` have in common.
//!
//! The firewall itself is in [`tollgate_waf`], which links libmodsecurity, and is only there with the feature `waf`.
//! Without it the two actions are declared, and refused when a policy uses them.

#[cfg(feature = "waf")]
mod guard;
#[cfg(feature = "waf")]
mod judge;

#[cfg(feature = "waf")]
pub(super) use guard::{build_request, build_response};
use tollgate_policy::{Field, Shape};

pub(super) const ON_ERROR: Field = Field::optional(
    "on_error",
    Shape::Enum(&["halt", "continue"]),
    "What becomes of a refusal, and of a failure of the firewall: `halt` answers the client, `continue` only records it: \
     use it to try the rules.",
)
.or("halt");

pub(super) const EXCLUDED: Field = Field::optional(
    "exclude_rule_ids",
    Shape::List { item: &Shape::Int { min: 900_000, max: 999_999 }, min: 0, max: 1000 },
    "Rules of the core rule set that do not run. `matched_rules` of a refused request says which to think about.",
)
.or("[]");

#[cfg(not(feature = "waf"))]
pub(super) use absent::{build as build_request, build as build_response};

#[cfg(not(feature = "waf"))]
mod absent {
    use crate::action::{Action, BuildContext, BuildError};
    use tollgate_policy::Config;

    /// Refuses the action: there is no firewall in this build.
    pub(crate) fn build(_: &Config<'_>, cx: &BuildContext<'_>) -> Result<Box<dyn Action>, BuildError> {
        Err(BuildError {
            at: cx.def.at,
            code: "ERR_NGROK_2201",
            message: format!("the action `{}` is not part of this build", cx.def.spec.name),
            help: Some(
                "build Tollgate with the feature `waf`: `cargo install --locked --path crates/tollgate --features waf`; it \
                 needs libmodsecurity and the core rule set (Debian: apt-get install libmodsecurity-dev modsecurity-crs)"
                    .into(),
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::loads;

    const ACTIONS: [(&str, &str); 2] =
        [("on_http_request", "owasp-crs-request"), ("on_http_response", "owasp-crs-response")];

    #[cfg(not(feature = "waf"))]
    #[test]
    fn a_build_without_the_firewall_refuses_them_by_name_and_says_how_to_build_it() {
        for (phase, action) in ACTIONS {
            let said = loads(&format!("{phase}:\n  - type: {action}\n")).expect_err("there is no firewall");
            let expected = format!("2:11: error: the action `{action}` is not part of this build");
            assert!(
                said.contains(&expected) || said.contains(&format!("the action `{action}` is not part")),
                "{said}"
            );
            assert!(said.contains("--features waf") && said.contains("libmodsecurity-dev"), "{said}");
        }
    }

    #[test]
    fn every_bad_field_is_refused_at_its_place() {
        for (phase, action) in ACTIONS {
            for (config, expected) in [
                ("{on_error: stop}", "halt"),
                ("{on_error: [halt]}", "on_error"),
                ("{process_body: maybe}", "true or false"),
                ("{exclude_rule_ids: 942100}", "list"),
                ("{exclude_rule_ids: [899999]}", "900000"),
                ("{exclude_rule_ids: [1000000]}", "999999"),
                ("{exclude_rule_ids: [x]}", "whole number"),
                ("{paranoia_level: 2}", "paranoia_level"),
            ] {
                let said = loads(&format!("{phase}:\n  - type: {action}\n    config: {config}\n"));
                let said = said.expect_err("a bad field");
                assert!(said.contains(expected) && said.contains(":3:"), "{action} {config}: {said}");
            }
        }
    }

    #[test]
    fn each_has_one_phase() {
        for (phase, action) in [ACTIONS[0], ACTIONS[1]] {
            for other in ["on_tcp_connect", "on_http_request", "on_http_response", "on_event_stream_message"]
            {
                if other != phase {
                    let said =
                        loads(&format!("{other}:\n  - type: {action}\n")).expect_err("not of this phase");
                    assert!(said.contains("2202"), "{other} {action}: {said}");
                }
            }
        }
    }
}
