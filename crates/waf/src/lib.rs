//! A web application firewall: the [OWASP core rule set](https://coreruleset.org) on
//! [libmodsecurity](https://github.com/owasp-modsecurity/ModSecurity), version 3.
//!
//! `CoreRules` judges requests and responses; below it lies a safe interface to the library. This is the only crate of
//! the workspace with `unsafe` in it, and nothing outside of it can misuse the library. It knows nothing of the proxy.
//!
//! Judging blocks and computes, for a millisecond and more: callers keep it away from threads that serve others.
//!
//! Without the feature `linked` only what needs no library is built.

#[cfg(feature = "linked")]
mod core_rules;
#[cfg(feature = "linked")]
mod ffi;
#[cfg(any(feature = "linked", test))]
mod line;
#[cfg(feature = "linked")]
mod rule_set;
mod sample;
#[cfg(all(feature = "linked", test))]
mod tests;
#[cfg(feature = "linked")]
mod transaction;
mod verdict;

#[cfg(feature = "linked")]
pub use core_rules::CoreRules;
pub use sample::{SAMPLE, Sample};
#[cfg(feature = "linked")]
pub use transaction::EngineError;
pub use verdict::{MatchedRule, Request, Response, Verdict};
