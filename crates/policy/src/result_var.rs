//! What an action leaves behind for later rules: the declaration of `actions.ngrok.<action>.*`.

/// What a result holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Holds {
    /// Text.
    Text,
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Int,
    /// A list.
    List,
    /// A mapping.
    Map,
    /// A value of any kind.
    Any,
}

impl Holds {
    /// Its name in the documentation.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::List => "list",
            Self::Map => "map",
            Self::Any => "any",
        }
    }
}

/// One result of an action.
#[derive(Clone, Copy, Debug)]
pub struct ResultVar {
    /// Its path behind `actions.ngrok.<result_name>.`; `[]` stands for each item of a list: `tokens[].payload`.
    pub path: &'static str,
    /// What it holds.
    pub holds: Holds,
    /// What it says: one sentence of Markdown.
    pub doc: &'static str,
    /// Whether it can be null or missing.
    pub may_be_absent: bool,
    /// Whether it is this project's own and not part of ngrok's language.
    pub extension: bool,
}

impl ResultVar {
    /// `error.code`, of actions that can fail.
    pub const ERROR_CODE: Self =
        Self::new("error.code", Holds::Text, "Why it failed, as `ERR_NGROK_…`; else empty.");
    /// `error.message`, of actions that can fail.
    pub const ERROR_MESSAGE: Self =
        Self::new("error.message", Holds::Text, "The same for people; else empty.");

    /// A result that is always there when the action has run.
    #[must_use]
    pub const fn new(path: &'static str, holds: Holds, doc: &'static str) -> Self {
        Self { path, holds, doc, may_be_absent: false, extension: false }
    }

    /// The same, null or missing at times.
    #[must_use]
    pub const fn or_absent(self) -> Self {
        Self { may_be_absent: true, ..self }
    }

    /// The same, marked as not being part of ngrok's language.
    #[must_use]
    pub const fn ours(self) -> Self {
        Self { extension: true, ..self }
    }
}
