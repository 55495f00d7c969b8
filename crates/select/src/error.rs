//! Why no plan could be made.

use crate::names::NameTrace;
use crate::plan::StrategyReport;
use crate::resolve::{RejectKind, Rejected};

/// Why no plan could be made. [`Self::message`] is the text for the client, without its code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    /// Nobody has a key for any provider that could serve the request.
    #[error(
        "No API key found. Check your SDK / AI Gateway configuration, or add API keys to your AI Gateway."
    )]
    NoKey,
    /// A strategy failed and nothing was left.
    #[error("Model selection failed: {message}")]
    Strategy {
        /// The strategy.
        expression: String,
        /// What went wrong in it.
        message: String,
    },
    /// None of the names is a model that can be used here.
    #[error("No matching models found: {list}")]
    NoMatch {
        /// The names and reasons.
        list: String,
        /// `error.type`: the common reason when there is one.
        kind: &'static str,
    },
    /// Parameters behind a name are wrong, and the policy wants such requests refused.
    #[error("Invalid parameter in the model name: {list}")]
    BadParams {
        /// The parameters and reasons.
        list: String,
    },
    /// Strategies left nothing.
    #[error("Model selection returned no results: {list}")]
    NoResults {
        /// The names and reasons.
        list: String,
    },
    /// A strategy gave something that is no model.
    #[error("Expression '{expression}' must return an AIModel or []AIModel, got {actual}.")]
    WrongType {
        /// The strategy.
        expression: String,
        /// The type it gave.
        actual: String,
    },
    /// No model can be reached in the format of the request.
    #[error(
        "The gateway did not select any models compatible with the {format} API format. Update the gateway configuration to include providers/models that support the {format} format{}",
        below(list)
    )]
    Format {
        /// `openai` or `anthropic`
        format: &'static str,
        /// The names and reasons; empty when the client named nothing.
        list: String,
    },
}

impl SelectError {
    /// The number of `ERR_NGROK_nnnn`.
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            Self::BadParams { .. } => 3801,
            Self::NoKey => 3802,
            Self::Strategy { .. } => 3803,
            Self::NoMatch { .. } => 3804,
            Self::NoResults { .. } => 3805,
            Self::WrongType { .. } => 3806,
            Self::Format { .. } => 3813,
        }
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        status_of_code(self.code())
    }

    /// `error.type` of an OpenAI-style body.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NoMatch { kind, .. } => kind,
            _ => kind_of_status(self.status()),
        }
    }

    /// The text for the client, without the code.
    #[must_use]
    pub fn message(&self) -> String {
        self.to_string()
    }
}

/// An error, with what is known of the way to it.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The error.
    pub error: SelectError,
    /// Names that were turned down.
    pub rejected: Vec<Rejected>,
    /// What each strategy did; empty unless details were asked for.
    pub reports: Vec<StrategyReport>,
    /// What became of each name; empty unless details were asked for or a parameter is not sent.
    pub names: Vec<NameTrace>,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for Refusal {}

/// The HTTP status of an error of the `ai-gateway` action.
#[must_use]
pub fn status_of_code(code: u16) -> u16 {
    match code {
        3800 => 502,
        3801 | 3802 | 3815 | 3817 | 3819 => 400,
        3803..=3806 | 3808 | 3809 | 3813 | 3816 => 422,
        3810 => 504,
        3811 => 413,
        3814 => 404,
        3818 => 403,
        27007 => 401,
        3820 => 410,
        _ => 503,
    }
}

/// `error.type` of an OpenAI-style body for a status.
#[must_use]
pub fn kind_of_status(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 | 529 => "overloaded_error",
        504 => "timeout_error",
        500..=599 => "api_error",
        _ => "invalid_request_error",
    }
}

/// Names and reasons, one each line.
pub(crate) fn reject_list(rejected: &[Rejected]) -> String {
    let line = |one: &Rejected| format!("{} ({})", one.model, one.reason);
    rejected.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A list, if there is one, on lines of its own.
fn below(list: &str) -> String {
    if list.is_empty() { String::new() } else { format!("\n{list}") }
}

/// `error.type` for names that were all turned down.
pub(crate) fn kind_of_rejections(rejected: &[Rejected]) -> &'static str {
    let all = |kind| !rejected.is_empty() && rejected.iter().all(|one| one.kind == kind);
    if all(RejectKind::ProviderNotAllowed) {
        "provider_not_allowed"
    } else if all(RejectKind::ModelNotAllowed) {
        "model_not_allowed"
    } else {
        "model_not_found"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_statuses() {
        let table = [
            (3800, 502),
            (3801, 400),
            (3802, 400),
            (3803, 422),
            (3804, 422),
            (3805, 422),
            (3806, 422),
            (3807, 503),
            (3808, 422),
            (3809, 422),
            (3810, 504),
            (3811, 413),
            (3812, 503),
            (3813, 422),
            (3814, 404),
            (3817, 400),
        ];
        for (code, status) in table {
            assert_eq!(status_of_code(code), status, "{code}");
        }
    }

    #[test]
    fn the_kind_names_a_sole_reason() {
        let one = |kind| Rejected { model: "m".into(), reason: "r".into(), kind };
        let (provider, model) = (one(RejectKind::ProviderNotAllowed), one(RejectKind::ModelNotAllowed));
        assert_eq!(kind_of_rejections(&[provider.clone(), provider.clone()]), "provider_not_allowed");
        assert_eq!(kind_of_rejections(std::slice::from_ref(&model)), "model_not_allowed");
        assert_eq!(kind_of_rejections(&[provider, model]), "model_not_found");
    }

    #[test]
    fn a_format_error_names_what_was_asked_for() {
        let error = |list: &str| SelectError::Format { format: "openai", list: list.to_owned() };
        assert!(error("").message().ends_with("support the openai format"));
        assert!(error("google:x (why)").message().ends_with("support the openai format\ngoogle:x (why)"));
    }
}
