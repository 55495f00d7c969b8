//! What strategies see: models, providers, authors and keys as entities of the policy language.

mod author;
mod fields;
mod key;
mod model;
mod provider;
mod scope;

#[cfg(test)]
mod tests;

pub(crate) use author::AuthorEntity;
pub(crate) use key::KeyEntity;
pub(crate) use model::{ModelEntity, Shared};
pub(crate) use provider::ProviderEntity;
pub(crate) use scope::{AiScope, request_value};
