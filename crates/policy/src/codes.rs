//! The published codes of load-time findings.

/// An expression does not compile.
pub(crate) const EXPRESSION: &str = "ERR_NGROK_2200";
/// Unknown action type.
pub(crate) const UNKNOWN_ACTION: &str = "ERR_NGROK_2201";
/// The action cannot run in this phase.
pub(crate) const WRONG_PHASE: &str = "ERR_NGROK_2202";
/// A `config` that cannot be decoded: wrong type, unknown or missing field.
pub(crate) const CONFIG: &str = "ERR_NGROK_2203";
/// A field with an invalid value.
pub(crate) const VALUE: &str = "ERR_NGROK_2204";
/// A rule without actions.
pub(crate) const NO_ACTIONS: &str = "ERR_NGROK_2206";
/// An action that nothing can reach.
pub(crate) const UNREACHABLE: &str = "ERR_NGROK_2207";
/// A header name that is too long.
pub(crate) const HEADER_NAME_LENGTH: &str = "ERR_NGROK_2208";
/// A header name with characters it cannot have.
pub(crate) const HEADER_NAME: &str = "ERR_NGROK_2210";
/// A header value that is too long.
pub(crate) const HEADER_VALUE_LENGTH: &str = "ERR_NGROK_2209";
/// A header value with characters it cannot have.
pub(crate) const HEADER_VALUE: &str = "ERR_NGROK_2211";
/// Too many headers.
pub(crate) const TOO_MANY_HEADERS: &str = "ERR_NGROK_2212";
/// A header that differs from another by the case of its letters only.
pub(crate) const HEADER_TWICE: &str = "ERR_NGROK_375";
/// A number outside of its range.
pub(crate) const RANGE: &str = "ERR_NGROK_2215";
/// Too many entries in a field.
pub(crate) const TOO_MANY: &str = "ERR_NGROK_2218";
/// Not one of the valid values.
pub(crate) const NOT_ONE_OF: &str = "ERR_NGROK_2222";
/// Something that must not be empty is.
pub(crate) const EMPTY: &str = "ERR_NGROK_2223";
/// A `${}` template does not compile.
pub(crate) const TEMPLATE: &str = "ERR_NGROK_2224";
/// A duration over its limit.
pub(crate) const DURATION: &str = "ERR_NGROK_2225";
/// A field that cannot be parsed.
pub(crate) const UNPARSABLE: &str = "ERR_NGROK_2228";
/// A document that cannot be read as a policy.
pub(crate) const UNREADABLE: &str = "ERR_NGROK_2236";
/// Too many rules.
pub(crate) const TOO_MANY_RULES: &str = "ERR_NGROK_2264";
/// Too many items in a rule.
pub(crate) const TOO_MANY_IN_RULE: &str = "ERR_NGROK_2265";
