//! Providers, models, prices and aliases: embedded data and what a policy adds. Pure.
//!
//! [`Catalog::builtin`] holds the embedded data (`data/providers/*.yml`); [`Catalog::with_overlays`] adds a
//! policy's `providers`. A catalogue never changes afterwards, so its indexes are built with it.

mod apply;
mod base_url;
mod catalog;
mod check;
mod data;
mod embedded;
mod matched;
mod metadata;
mod model;
mod overlay;
mod pricing;
mod provider;
mod suggest;

pub use catalog::{Catalog, Found};
pub use check::OverlayError;
pub use data::DataError;
pub use matched::Matched;
pub use model::{
    Alias, AliasKind, ApiSurface, AuthStyle, Author, Datacenter, Model, Pricing, Provider, Tokenizer,
};
pub use overlay::{ModelOverlay, ProviderOverlay};
pub use pricing::{PRICE_KINDS, ReadPrice, UnknownPriceKind};
