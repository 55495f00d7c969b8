//! Records of databases: what is read of them, and nothing else.
//!
//! The fields are those of MaxMind's City and ASN databases
//! (<https://dev.maxmind.com/geoip/docs/databases/city-and-country/>,
//! <https://dev.maxmind.com/geoip/docs/databases/asn/>).

use serde::Deserialize;
use serde::de::{Deserializer, Visitor};
use std::fmt;

/// Where an address is.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Place<'a> {
    #[serde(borrow)]
    pub(super) city: Named<'a>,
    #[serde(borrow)]
    pub(super) continent: Named<'a>,
    #[serde(borrow)]
    pub(super) country: Country<'a>,
    #[serde(borrow)]
    pub(super) location: Location<'a>,
    #[serde(borrow)]
    pub(super) postal: Postal<'a>,
    #[serde(borrow)]
    pub(super) registered_country: Country<'a>,
    #[serde(borrow)]
    pub(super) subdivisions: Vec<Named<'a>>,
}

/// Something with names by language.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Named<'a> {
    #[serde(borrow)]
    pub(super) names: Names<'a>,
}

/// Names.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Names<'a> {
    /// In English.
    pub(super) en: Option<&'a str>,
}

/// A country.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Country<'a> {
    pub(super) iso_code: Option<&'a str>,
    pub(super) is_in_european_union: bool,
    #[serde(borrow)]
    pub(super) names: Names<'a>,
}

/// Coordinates and what hangs on them.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Location<'a> {
    /// Kilometres.
    pub(super) accuracy_radius: Number,
    pub(super) latitude: Number,
    pub(super) longitude: Number,
    pub(super) metro_code: Number,
    pub(super) time_zone: Option<&'a str>,
}

/// A postal code.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Postal<'a> {
    pub(super) code: Option<&'a str>,
}

/// Whose an address is.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct System<'a> {
    pub(super) autonomous_system_number: Number,
    pub(super) autonomous_system_organization: Option<&'a str>,
}

/// A number of any width, as its shortest text: publishers differ in widths.
#[derive(Debug, Default)]
pub(super) struct Number(Option<String>);

impl Number {
    /// The text; empty when there is no number.
    pub(super) fn text(&self) -> String {
        self.0.clone().unwrap_or_default()
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyNumber)
    }
}

struct AnyNumber;

impl Visitor<'_> for AnyNumber {
    type Value = Number;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_u64<E>(self, number: u64) -> Result<Number, E> {
        Ok(Number(Some(number.to_string())))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Number, E> {
        Ok(Number(Some(number.to_string())))
    }

    fn visit_f32<E>(self, number: f32) -> Result<Number, E> {
        Ok(Number(Some(number.to_string())))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Number, E> {
        Ok(Number(Some(number.to_string())))
    }
}
