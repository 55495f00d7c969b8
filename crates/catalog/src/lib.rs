//! Providers, models, prices and aliases: embedded data and what a policy adds. Pure.

mod model;
mod overlay;

pub use model::{
    Alias, AliasKind, ApiSurface, AuthStyle, Author, Datacenter, Model, Pricing, Provider, Tokenizer,
};
pub use overlay::{ModelOverlay, ProviderOverlay};
