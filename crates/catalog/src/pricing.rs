//! Price types by name, as strategies write them.

use crate::model::{Model, Pricing};
use thiserror::Error;

/// A price type that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{kind}` is not a price type (they are: {})", names())]
pub struct UnknownPriceKind {
    /// What was asked for.
    pub kind: String,
}

/// Reads one price.
pub type ReadPrice = fn(&Pricing) -> Option<f64>;

/// Every price type, with how to read it.
///
/// `text.*` are US dollars per million tokens, `tools.*` US dollars per unit named.
pub const PRICE_KINDS: [(&str, ReadPrice); 10] = [
    ("text.input", |p| p.input),
    ("text.output", |p| p.output),
    ("text.input_cache_write", |p| p.input_cache_write),
    ("text.input_cache_read", |p| p.input_cache_read),
    ("text.input_batch", |p| p.input_batch),
    ("text.output_batch", |p| p.output_batch),
    ("tools.web_search.per_search_call", |p| p.web_search),
    ("tools.code_interpreter.per_execution_call", |p| p.code_interpreter),
    ("tools.file_search.per_storage_gb", |p| p.file_search_storage_gb),
    ("tools.image_generation.per_image_generation", |p| p.image_generation),
];

impl Model {
    /// The price of type `kind`; `None` when the catalogue does not know it.
    ///
    /// # Errors
    /// When there is no such price type.
    pub fn price(&self, kind: &str) -> Result<Option<f64>, UnknownPriceKind> {
        let found = PRICE_KINDS.iter().find(|(name, _)| *name == kind);
        let (_, read) = found.ok_or_else(|| UnknownPriceKind { kind: kind.to_owned() })?;
        Ok(read(&self.pricing))
    }
}

impl Pricing {
    /// These prices, with those of `below` where these are unknown.
    pub(crate) fn or(self, below: &Self) -> Self {
        Self {
            input: self.input.or(below.input),
            output: self.output.or(below.output),
            input_cache_write: self.input_cache_write.or(below.input_cache_write),
            input_cache_read: self.input_cache_read.or(below.input_cache_read),
            input_batch: self.input_batch.or(below.input_batch),
            output_batch: self.output_batch.or(below.output_batch),
            web_search: self.web_search.or(below.web_search),
            code_interpreter: self.code_interpreter.or(below.code_interpreter),
            file_search_storage_gb: self.file_search_storage_gb.or(below.file_search_storage_gb),
            image_generation: self.image_generation.or(below.image_generation),
        }
    }

    /// The first price that is negative or not a number, by its price type.
    pub(crate) fn first_invalid(&self) -> Option<&'static str> {
        let invalid = |price: f64| !price.is_finite() || price < 0.0;
        PRICE_KINDS.iter().find(|(_, read)| read(self).is_some_and(invalid)).map(|(name, _)| *name)
    }
}

fn names() -> String {
    PRICE_KINDS.map(|(name, _)| name).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_price_type_reads_its_own_field() {
        let pricing = Pricing {
            input: Some(1.0),
            output: Some(2.0),
            input_cache_write: Some(3.0),
            input_cache_read: Some(4.0),
            input_batch: Some(5.0),
            output_batch: Some(6.0),
            web_search: Some(7.0),
            code_interpreter: Some(8.0),
            file_search_storage_gb: Some(9.0),
            image_generation: Some(10.0),
        };
        let model = Model { pricing, ..Model::default() };
        for (number, (kind, _)) in (1..).zip(PRICE_KINDS) {
            assert_eq!(model.price(kind), Ok(Some(f64::from(number))), "{kind}");
        }
    }

    #[test]
    fn unknown_prices_and_unknown_types_differ() {
        let model = Model::default();
        assert_eq!(model.price("text.input"), Ok(None));
        let error = model.price("price").expect_err("no such type");
        assert!(error.to_string().contains("text.input_cache_read"), "{error}");
    }

    #[test]
    fn invalid_prices_are_named() {
        for bad in [-0.1, f64::NAN, f64::INFINITY] {
            let pricing = Pricing { input: Some(0.0), input_batch: Some(bad), ..Pricing::default() };
            assert_eq!(pricing.first_invalid(), Some("text.input_batch"));
        }
        assert_eq!(Pricing::default().first_invalid(), None);
    }
}
