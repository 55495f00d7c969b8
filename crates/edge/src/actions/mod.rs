//! The actions. One file each: fields, documentation, and what it does.
//!
//! To add one, copy the file of the action most like it and add a line to [`ALL`].

use crate::action::ActionType;
use std::sync::LazyLock;
use tollgate_policy::ActionSpec;

mod add_headers;
mod ai_gateway;
mod custom_response;
mod deny;
pub(crate) mod header_names;
mod log;
mod remove_headers;
mod set_vars;

/// Every action that can be used in a policy, in the order of the documentation.
pub const ALL: &[&ActionType] = &[
    &add_headers::ACTION,
    &ai_gateway::ACTION,
    &custom_response::ACTION,
    &deny::ACTION,
    &log::ACTION,
    &remove_headers::ACTION,
    &set_vars::ACTION,
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
