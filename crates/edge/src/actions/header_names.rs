//! What `add-headers`, `remove-headers` and `custom-response` share: which headers a policy may not touch, and
//! safe values.

use crate::action::BuildError;
use crate::answer::Fault;
use http::{HeaderName, HeaderValue};
use tollgate_expr::{Activation, Template};
use tollgate_policy::{Checker, Config};

/// Headers of the connection and of the gateway: never a policy's.
const RESERVED: &[&str] = &[
    "connection",
    "content-length",
    "keep-alive",
    "ngrok-error-code",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Reports every name that a policy may not set or remove.
pub(super) fn check(names: &[(&str, Config<'_>)], more: &[&str], checker: &mut Checker) {
    for (name, at) in names {
        let lower = name.to_ascii_lowercase();
        let ours = lower.starts_with("x-tollgate-");
        if ours || RESERVED.contains(&lower.as_str()) || more.contains(&lower.as_str()) {
            let message = format!("the header `{lower}` cannot be changed by a policy");
            checker.error(at, "ERR_NGROK_2219", message, Some("leave this header out".into()));
        }
    }
}

/// A header with a template as its value.
#[derive(Clone, Debug)]
pub(crate) struct HeaderTemplate {
    pub(crate) name: HeaderName,
    pub(crate) value: Template,
}

/// The entries of a map of headers.
pub(crate) fn templates(map: Option<Config<'_>>) -> Result<Vec<HeaderTemplate>, BuildError> {
    let entries = map.map(|map| map.entries()).unwrap_or_default();
    entries
        .into_iter()
        .map(|(name, value)| {
            let bad = |message: String| BuildError {
                at: value.location(),
                code: "ERR_NGROK_2208",
                message,
                help: None,
            };
            let parsed =
                HeaderName::try_from(name).map_err(|_| bad(format!("`{name}` is no header name")))?;
            let value = value.template().unwrap_or_else(|| Template::literal(""));
            Ok(HeaderTemplate { name: parsed, value })
        })
        .collect()
}

impl HeaderTemplate {
    /// The value for one request. CR, LF and NUL are refused, so that no header can be injected.
    pub(crate) fn render(&self, activation: &Activation<'_>) -> Result<HeaderValue, Fault> {
        let field = || format!("header `{}`", self.name);
        let text = self.value.render(activation).map_err(|e| Fault::interpolation(&field(), &e))?;
        HeaderValue::try_from(&*text).map_err(|_| {
            Fault::policy(2211, format!("the value of {} has characters no header may have", field()))
        })
    }
}
