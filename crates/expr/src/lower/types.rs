//! What is known of an expression's type without running it: as much as soft reads and checks of names need.

use crate::engine::Kind;
use crate::ops::Reading;
use crate::value::EntityKind;

/// A type, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ty {
    /// Nothing is known: user data, read strictly.
    Any,
    /// A scalar.
    Scalar(Kind),
    /// The lines of a header or query parameter.
    Lines,
    /// Lines by name.
    Multimap,
    /// Lists of cookies by name.
    Cookies,
    /// A list of cookies.
    CookieList,
    /// Free data of the engine, read softly.
    Soft,
    /// A list of models, providers, authors or keys.
    Entities(EntityKind),
    /// One of these.
    Entity(EntityKind),
    /// Below one of these.
    Part,
    /// Below a `metadata` field.
    Metadata,
}

impl Ty {
    /// How reading below this treats what is missing, and the type of what is read.
    pub(crate) fn below(self, key: Option<&str>) -> (Reading, Self) {
        match self {
            Self::Any | Self::Scalar(_) => (Reading::Strict, Self::Any),
            Self::Lines => (Reading::Strict, Self::Scalar(Kind::Text)),
            Self::Multimap => (Reading::Soft, Self::Lines),
            Self::Cookies => (Reading::Soft, Self::CookieList),
            Self::CookieList | Self::Soft => (Reading::Soft, Self::Soft),
            Self::Entities(kind) => (Reading::Strict, Self::Entity(kind)),
            Self::Entity(kind) => match key {
                Some("metadata") => (Reading::Part, Self::Metadata),
                Some("models") if kind == EntityKind::Provider => {
                    (Reading::Part, Self::Entities(EntityKind::Model))
                }
                _ => (Reading::Part, Self::Part),
            },
            Self::Part => (Reading::Part, Self::Part),
            Self::Metadata => (Reading::Metadata, Self::Metadata),
        }
    }

    /// The type of what a comprehension visits.
    pub(crate) fn element(self) -> Self {
        match self {
            Self::Entities(kind) => Self::Entity(kind),
            Self::Lines | Self::Multimap | Self::Cookies => Self::Scalar(Kind::Text),
            Self::CookieList | Self::Soft => Self::Soft,
            Self::Part => Self::Part,
            Self::Metadata => Self::Metadata,
            Self::Any | Self::Scalar(_) | Self::Entity(_) => Self::Any,
        }
    }

    /// What a value of this type is called, when it is known to be no boolean.
    pub(crate) fn never_boolean(self) -> Option<&'static str> {
        match self {
            Self::Scalar(Kind::Text) => Some("a text"),
            Self::Scalar(Kind::Int) => Some("a number"),
            Self::Scalar(Kind::Time) => Some("a time"),
            Self::Lines | Self::CookieList | Self::Entities(_) => Some("a list"),
            Self::Multimap | Self::Cookies => Some("a map"),
            Self::Scalar(Kind::Bool)
            | Self::Any
            | Self::Soft
            | Self::Entity(_)
            | Self::Part
            | Self::Metadata => None,
        }
    }

    /// Whether `null` can stand where a list or map is expected, and means an empty one.
    pub(crate) fn is_soft(self) -> bool {
        matches!(self, Self::Soft | Self::Part | Self::Metadata | Self::Entities(_))
    }
}
