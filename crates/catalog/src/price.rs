//! One price, exact.

use serde::de::Visitor;
use serde::{Deserializer, Serializer};
use std::fmt;

/// Decimal places of a dollar in a pico-dollar.
const PICO: u32 = 12;
/// Decimal places of a dollar in a pico-dollar a token, when the price is for a million tokens.
const PICO_PER_MILLION: u32 = 6;

/// A price in pico-dollars (10⁻¹² US dollars) for one unit: a token, a call, a picture.
///
/// A dollar for a million tokens is 1,000,000 pico-dollars a token. The largest price is about 18 million dollars a
/// unit. There are no negative prices, and a price that is not known is no `Price`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Price(u64);

impl Price {
    /// Free of charge.
    pub const ZERO: Self = Self(0);

    /// From pico-dollars a unit.
    #[must_use]
    pub const fn from_pico(pico: u64) -> Self {
        Self(pico)
    }

    /// Pico-dollars a unit.
    #[must_use]
    pub const fn pico(self) -> u64 {
        self.0
    }

    /// From dollars for a million units, as people write token prices. `None` when it is negative, no number or too
    /// large.
    #[must_use]
    pub fn per_million(dollars: f64) -> Option<Self> {
        Self::scaled(&decimal_of(dollars)?, PICO_PER_MILLION)
    }

    /// From dollars for one unit. `None` when it is negative, no number or too large.
    #[must_use]
    pub fn per_unit(dollars: f64) -> Option<Self> {
        Self::scaled(&decimal_of(dollars)?, PICO)
    }

    /// From the decimal text of dollars for one unit, such as OpenRouter's `"0.00000025"`.
    #[must_use]
    pub fn parse_per_unit(text: &str) -> Option<Self> {
        Self::scaled(text, PICO)
    }

    /// Dollars for a million units: the number as it is written in price lists.
    #[must_use]
    pub fn dollars_per_million(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// Dollars for one unit.
    #[must_use]
    pub fn dollars(self) -> f64 {
        self.0 as f64 / 1e12
    }

    /// Dollars for one unit as exact decimal text, such as OpenRouter's `"0.00000025"`: what
    /// [`Self::parse_per_unit`] reads.
    #[must_use]
    pub fn text_per_unit(self) -> String {
        let text = format!("{}.{:012}", self.0 / 1_000_000_000_000, self.0 % 1_000_000_000_000);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }

    /// Half of it, rounded up, so that what costs something does not become free.
    #[must_use]
    pub(crate) const fn half(self) -> Self {
        Self(self.0.div_ceil(2))
    }

    fn scaled(text: &str, places: u32) -> Option<Self> {
        let pico = scaled(text, places)?;
        // Less than half a pico-dollar is still not nothing.
        let nothing = !text.bytes().any(|byte| matches!(byte, b'1'..=b'9'));
        Some(Self(if pico == 0 && !nothing { 1 } else { pico }))
    }
}

/// The shortest decimal text that reads as this number, without an exponent.
pub(crate) fn decimal_of(number: f64) -> Option<String> {
    (number.is_finite() && number >= 0.0).then(|| format!("{}", number.abs()))
}

/// A decimal number times ten to the power of `places`, rounded half up. Takes `12`, `0.5`, `.5`, `1e-7`; no sign but
/// `+`. `None` for anything else, and for what does not fit.
pub(crate) fn scaled(text: &str, places: u32) -> Option<u64> {
    let text = text.trim();
    let text = text.strip_prefix('+').unwrap_or(text);
    let (number, exponent) = match text.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = || whole.bytes().chain(fraction.bytes());
    if digits().next().is_none() || digits().any(|byte| !byte.is_ascii_digit()) {
        return None;
    }
    // How many of the digits are before the rounding; later ones only decide how it is rounded.
    let whole_digits = i64::try_from(whole.len()).ok()?;
    let kept = whole_digits.checked_add(exponent.into())?.checked_add(places.into())?;
    let mut value: u64 = 0;
    let mut digits = digits();
    for at in 0..kept {
        let Some(digit) = digits.next() else {
            // Only zeros follow; a value that is not zero overflows after twenty of them.
            for _ in at..kept.min(at.saturating_add(20)) {
                value = value.checked_mul(10)?;
            }
            return Some(value);
        };
        value = value.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
    }
    let up = kept >= 0 && digits.next().is_some_and(|digit| digit >= b'5');
    value.checked_add(u64::from(up))
}

/// Token prices in data: dollars per million.
pub(crate) mod per_million {
    use super::{Deserializer, Places, Price, Serializer};

    pub(crate) fn serialize<S: Serializer>(price: &Option<Price>, to: S) -> Result<S::Ok, S::Error> {
        match price {
            Some(price) => to.serialize_some(&price.dollars_per_million()),
            None => to.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Price>, D::Error> {
        from.deserialize_any(Places(super::PICO_PER_MILLION)).map(Some)
    }
}

/// Prices of calls and pictures in data: dollars for one.
pub(crate) mod per_unit {
    use super::{Deserializer, Places, Price, Serializer};

    pub(crate) fn serialize<S: Serializer>(price: &Option<Price>, to: S) -> Result<S::Ok, S::Error> {
        match price {
            Some(price) => to.serialize_some(&price.dollars()),
            None => to.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Price>, D::Error> {
        from.deserialize_any(Places(super::PICO)).map(Some)
    }
}

/// Reads a number, or its text, as a price.
struct Places(u32);

impl Visitor<'_> for Places {
    type Value = Price;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a price in US dollars, not negative")
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Price, E> {
        let price = decimal_of(number).and_then(|text| Price::scaled(&text, self.0));
        price.ok_or_else(|| E::custom("a price is negative or too large"))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Price, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Price, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Price, E> {
        Price::scaled(text, self.0).ok_or_else(|| E::custom("a price is negative, too large or no number"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact() {
        for (text, places, expected) in [
            ("0", 6, Some(0)),
            ("1", 6, Some(1_000_000)),
            ("2.5", 6, Some(2_500_000)),
            ("0.0000025", 12, Some(2_500_000)),
            (".5", 1, Some(5)),
            ("5.", 1, Some(50)),
            ("+7", 0, Some(7)),
            ("0.1", 12, Some(100_000_000_000)),
            ("1e-7", 12, Some(100_000)),
            ("2.5E-06", 12, Some(2_500_000)),
            ("1e3", 2, Some(100_000)),
            ("0.00000000000049", 12, Some(0)),
            ("0.0000000000005", 12, Some(1)),
            ("0.00000000000005", 12, Some(0)),
            ("1.9999999", 6, Some(2_000_000)),
            ("18446744073709551615", 0, Some(u64::MAX)),
            ("18446744073709551616", 0, None),
            ("1e400", 0, None),
            ("0e400", 0, Some(0)),
            ("1e-400", 12, Some(0)),
            ("1e99999999999", 0, None),
            ("-1", 6, None),
            ("-0", 6, None),
            ("", 6, None),
            (".", 6, None),
            ("1.2.3", 6, None),
            ("1_000", 6, None),
            ("NaN", 6, None),
            ("0x10", 6, None),
        ] {
            assert_eq!(scaled(text, places), expected, "{text} with {places} places");
        }
    }

    #[test]
    fn numbers_of_price_lists_come_back_as_they_were() {
        for dollars in [0.0, 0.003625, 0.02, 0.1, 0.29, 1.1, 2.5, 3.75, 18.75, 75.0, 600.0, 1e9] {
            let price = Price::per_million(dollars).expect("a price");
            assert_eq!(price.dollars_per_million(), dollars);
        }
        for dollars in [0.0, 0.01, 0.0025, 0.1, 17.0] {
            assert_eq!(Price::per_unit(dollars).expect("a price").dollars(), dollars);
        }
        assert_eq!(Price::per_million(1.1), Some(Price::from_pico(1_100_000)));
    }

    #[test]
    fn texts_are_exact() {
        for text in ["0", "1", "10", "0.00000025", "0.000000000001", "18000000", "2.5", "0.1"] {
            assert_eq!(Price::parse_per_unit(text).unwrap().text_per_unit(), text);
        }
    }

    #[test]
    fn what_is_no_price() {
        for number in [-0.1, f64::NAN, f64::INFINITY, f64::MAX] {
            assert_eq!((Price::per_million(number), Price::per_unit(number)), (None, None), "{number}");
        }
        assert_eq!(Price::parse_per_unit("-1"), None);
    }

    #[test]
    fn a_tiny_price_is_not_free() {
        assert_eq!(Price::parse_per_unit("0.0000000000000001"), Some(Price::from_pico(1)));
        assert_eq!(Price::parse_per_unit("0.000"), Some(Price::ZERO));
        assert_eq!(Price::from_pico(1).half(), Price::from_pico(1));
    }
}
