//! What a deployment says about names: aliases, parameters behind a `?`, lists for failover, where names go that
//! nothing knows, and a name that replaces all others.
//!
//! Rules are compiled once, when they are loaded; whatever is wrong with one is said then. [`expand()`] applies them to
//! the names of a request. What a name means at a provider is the business of `resolve`.

mod alias;
mod body;
mod expand;
mod params;
mod selector;
#[cfg(test)]
mod tests;

pub use alias::{AliasError, AliasRule, Aliases};
pub use body::{ParamFields, ParamStyle};
pub use params::{BadParam, Effort, UriParams, Verbosity};
pub use selector::{Leaf, Selector};

pub(crate) use expand::{Expanded, Name, expand, no_params};
pub(crate) use selector::prefix;

use std::sync::Arc;
use tollgate_catalog::Catalog;

/// The rules for names of one gateway.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// `model_aliases`
    pub aliases: Aliases,
    /// `uri_params`
    pub uri_params: UriOptions,
    /// `default_backend`: where names go that have no prefix and that nothing knows; its models are used when a
    /// request names none.
    pub default_backend: Option<Selector>,
    /// What replaces the names of every request.
    pub replaced: Option<Replaced>,
}

/// What replaces the names of every request.
#[derive(Clone, Debug, PartialEq)]
pub enum Replaced {
    /// `--force-model`: another model; the backend stays the default one, unless the name has a prefix.
    Model(Selector),
    /// `--static-route`: backend and model.
    Route(Selector),
}

/// `uri_params`: what becomes of `?name=value` behind a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UriOptions {
    /// Whether clients may write parameters. Those of aliases and other rules count in any case.
    pub enabled: bool,
    /// What happens to parameters that are unknown or out of range.
    pub on_invalid: OnInvalid,
}

impl Default for UriOptions {
    fn default() -> Self {
        Self { enabled: true, on_invalid: OnInvalid::Ignore }
    }
}

/// What happens to parameters that are unknown or out of range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnInvalid {
    /// They are left out, with a warning in the log.
    #[default]
    Ignore,
    /// The request is refused with 400.
    Reject,
}

impl Names {
    /// The ids of the providers that the default backend and the replacement name, each once.
    #[must_use]
    pub fn backends(&self, catalog: &Catalog) -> Vec<String> {
        let replaced = self.replaced.as_ref().map(Replaced::selector);
        let leaves = self.default_backend.iter().chain(replaced).flat_map(Selector::leaves);
        let mut ids: Vec<String> = Vec::new();
        for leaf in leaves {
            let name = prefix(&leaf.name).map_or(leaf.name.as_str(), |(provider, _)| provider);
            for provider in catalog.provider(name) {
                if !ids.contains(&provider.id) {
                    ids.push(provider.id.clone());
                }
            }
        }
        ids
    }
}

impl Replaced {
    /// The names that are used.
    #[must_use]
    pub fn selector(&self) -> &Selector {
        let (Self::Model(selector) | Self::Route(selector)) = self;
        selector
    }

    /// The name of the option, for people and logs.
    #[must_use]
    pub fn option(&self) -> &'static str {
        match self {
            Self::Model(_) => "force-model",
            Self::Route(_) => "static-route",
        }
    }
}

/// One name of a request with what the rules made of it, for `explain`.
#[derive(Clone, Debug, PartialEq)]
pub struct NameTrace {
    /// What the client wrote; empty when it named nothing.
    pub asked: String,
    /// What is looked up; with the backend's prefix where it goes to the default backend, `|` between several.
    pub becomes: String,
    /// Position of the alias that applied.
    pub alias: Option<usize>,
    /// What chose the name or its backend: `default-backend`, `force-model`, `static-route`, or `path` where the
    /// request's path stands for a backend.
    pub by: Option<&'static str>,
    /// The parameters that are sent.
    pub params: Arc<UriParams>,
    /// The parameters that are not.
    pub ignored: Vec<BadParam>,
}
