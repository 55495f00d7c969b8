//! Providers, models, prices and aliases: embedded data and what a policy adds. Pure.
//!
//! [`Catalog::builtin`] holds the embedded data (`data/providers/*.yml`); [`Catalog::with_overlays`] adds a
//! policy's `providers`. A catalogue never changes afterwards, so its indexes are built with it.

mod address;
mod apply;
mod base_url;
mod catalog;
mod check;
pub mod cost;
mod data;
mod embedded;
mod list_prices;
mod live;
mod matched;
mod metadata;
mod model;
pub mod openrouter_models;
mod overlay;
mod params;
mod price;
mod pricing;
mod provider;
mod suggest;
mod variant;
mod wire;

pub use catalog::{Catalog, Found};
pub use check::OverlayError;
pub use data::DataError;
pub use list_prices::{ListPrice, RefusedPrice};
pub use matched::Matched;
pub use model::{
    Alias, AliasKind, ApiSurface, AuthStyle, Author, Datacenter, Model, PriceSource, Provider, Tokenizer,
};
pub use overlay::{ModelOverlay, ProviderOverlay};
pub use params::{CacheControl, Params, ReasoningParam, StreamUsage};
pub use price::Price;
pub use pricing::{PRICE_KINDS, Pricing, ReadPrice, Tier, UnknownPriceKind};
