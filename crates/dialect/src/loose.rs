//! Reading parts of provider JSON without trusting its types.
//!
//! Providers disagree on whether a field is a string, a list or null. These types accept anything and keep
//! only what is asked of them, so an odd field never makes a whole event unreadable.

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use smallvec::SmallVec;
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

/// Whether something is there: not null, not false, not an empty string, list or object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filled(pub(crate) bool);

/// A string, if it is one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Text<'a>(pub(crate) Option<Cow<'a, str>>);

impl Text<'_> {
    /// The string, if it is there and not empty.
    pub(crate) fn get(&self) -> Option<&str> {
        self.0.as_deref().filter(|text| !text.is_empty())
    }
}

/// A number, if it is one, also inside a string.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Number(pub(crate) Option<f64>);

impl Number {
    /// The number as a count; absent and negative are 0.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast from f64 saturates, which is what is wanted of a nonsensical count"
    )]
    pub(crate) fn count(self) -> u64 {
        self.0.map_or(0, |number| number as u64)
    }
}

/// An amount of money: a number, or the `total_cost` of a list of its parts (Perplexity).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Charge(pub(crate) Option<f64>);

impl Charge {
    fn of(number: Number) -> Self {
        Self(number.0)
    }
}

/// True or false, if it is one of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flag(pub(crate) Option<bool>);

/// A text or number, as text: error codes are either.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Label(pub(crate) Option<String>);

/// An object, if it is one.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Obj<T>(pub(crate) Option<T>);

/// The items of a list, if it is one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct List<T>(pub(crate) SmallVec<[T; 1]>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(SmallVec::new())
    }
}

/// Implements `Deserialize` with a visitor that ignores every kind of value but those given.
macro_rules! loose {
    ($type:ty, $visitor:ident, $($method:item)*) => {
        struct $visitor;
        impl<'de> Visitor<'de> for $visitor {
            type Value = $type;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any JSON value")
            }
            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(Self::Value::default())
            }
            $($method)*
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any($visitor)
            }
        }
    };
}

fn drain_map<'de, A: MapAccess<'de>>(mut map: A) -> Result<bool, A::Error> {
    let mut any = false;
    while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
        any = true;
    }
    Ok(any)
}

fn drain_seq<'de, A: SeqAccess<'de>>(mut seq: A) -> Result<bool, A::Error> {
    let mut any = false;
    while seq.next_element::<IgnoredAny>()?.is_some() {
        any = true;
    }
    Ok(any)
}

loose! { Filled, FilledVisitor,
    fn visit_bool<E: Error>(self, value: bool) -> Result<Filled, E> { Ok(Filled(value)) }
    fn visit_i64<E: Error>(self, _: i64) -> Result<Filled, E> { Ok(Filled(true)) }
    fn visit_u64<E: Error>(self, _: u64) -> Result<Filled, E> { Ok(Filled(true)) }
    fn visit_f64<E: Error>(self, _: f64) -> Result<Filled, E> { Ok(Filled(true)) }
    fn visit_str<E: Error>(self, value: &str) -> Result<Filled, E> { Ok(Filled(!value.is_empty())) }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Filled, A::Error> { drain_map(map).map(Filled) }
    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Filled, A::Error> { drain_seq(seq).map(Filled) }
}

loose! { Number, NumberVisitor,
    fn visit_bool<E: Error>(self, _: bool) -> Result<Number, E> { Ok(Number(None)) }
    #[expect(clippy::cast_precision_loss, reason = "counts above 2^53 do not occur")]
    fn visit_i64<E: Error>(self, value: i64) -> Result<Number, E> { Ok(Number(Some(value as f64))) }
    #[expect(clippy::cast_precision_loss, reason = "counts above 2^53 do not occur")]
    fn visit_u64<E: Error>(self, value: u64) -> Result<Number, E> { Ok(Number(Some(value as f64))) }
    fn visit_f64<E: Error>(self, value: f64) -> Result<Number, E> { Ok(Number(Some(value))) }
    fn visit_str<E: Error>(self, value: &str) -> Result<Number, E> {
        Ok(Number(value.trim().parse().ok().filter(|number: &f64| number.is_finite())))
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Number, A::Error> { drain_map(map).map(|_| Number(None)) }
    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Number, A::Error> { drain_seq(seq).map(|_| Number(None)) }
}

loose! { Charge, ChargeVisitor,
    fn visit_bool<E: Error>(self, _: bool) -> Result<Charge, E> { Ok(Charge(None)) }
    fn visit_i64<E: Error>(self, value: i64) -> Result<Charge, E> { NumberVisitor.visit_i64(value).map(Charge::of) }
    fn visit_u64<E: Error>(self, value: u64) -> Result<Charge, E> { NumberVisitor.visit_u64(value).map(Charge::of) }
    fn visit_f64<E: Error>(self, value: f64) -> Result<Charge, E> { Ok(Charge(Some(value))) }
    fn visit_str<E: Error>(self, value: &str) -> Result<Charge, E> { NumberVisitor.visit_str(value).map(Charge::of) }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Charge, A::Error> {
        let mut total = Number(None);
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            if name == "total_cost" {
                total = map.next_value()?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Charge::of(total))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Charge, A::Error> { drain_seq(seq).map(|_| Charge(None)) }
}

loose! { Flag, FlagVisitor,
    fn visit_bool<E: Error>(self, value: bool) -> Result<Flag, E> { Ok(Flag(Some(value))) }
    fn visit_i64<E: Error>(self, _: i64) -> Result<Flag, E> { Ok(Flag(None)) }
    fn visit_u64<E: Error>(self, _: u64) -> Result<Flag, E> { Ok(Flag(None)) }
    fn visit_f64<E: Error>(self, _: f64) -> Result<Flag, E> { Ok(Flag(None)) }
    fn visit_str<E: Error>(self, _: &str) -> Result<Flag, E> { Ok(Flag(None)) }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Flag, A::Error> { drain_map(map).map(|_| Flag(None)) }
    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Flag, A::Error> { drain_seq(seq).map(|_| Flag(None)) }
}

loose! { Label, LabelVisitor,
    fn visit_bool<E: Error>(self, _: bool) -> Result<Label, E> { Ok(Label(None)) }
    fn visit_i64<E: Error>(self, value: i64) -> Result<Label, E> { Ok(Label(Some(value.to_string()))) }
    fn visit_u64<E: Error>(self, value: u64) -> Result<Label, E> { Ok(Label(Some(value.to_string()))) }
    fn visit_f64<E: Error>(self, value: f64) -> Result<Label, E> { Ok(Label(Some(value.to_string()))) }
    fn visit_str<E: Error>(self, value: &str) -> Result<Label, E> {
        Ok(Label(Some(value.to_owned()).filter(|text| !text.is_empty())))
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Label, A::Error> { drain_map(map).map(|_| Label(None)) }
    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Label, A::Error> { drain_seq(seq).map(|_| Label(None)) }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }
    fn visit_unit<E: Error>(self) -> Result<Text<'de>, E> {
        Ok(Text(None))
    }
    fn visit_bool<E: Error>(self, _: bool) -> Result<Text<'de>, E> {
        Ok(Text(None))
    }
    fn visit_i64<E: Error>(self, _: i64) -> Result<Text<'de>, E> {
        Ok(Text(None))
    }
    fn visit_u64<E: Error>(self, _: u64) -> Result<Text<'de>, E> {
        Ok(Text(None))
    }
    fn visit_f64<E: Error>(self, _: f64) -> Result<Text<'de>, E> {
        Ok(Text(None))
    }
    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<Text<'de>, E> {
        Ok(Text(Some(Cow::Borrowed(value))))
    }
    fn visit_str<E: Error>(self, value: &str) -> Result<Text<'de>, E> {
        Ok(Text(Some(Cow::Owned(value.to_owned()))))
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Text<'de>, A::Error> {
        drain_map(map).map(|_| Text(None))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Text<'de>, A::Error> {
        drain_seq(seq).map(|_| Text(None))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

/// Visits an object with `T` (and a list with `T` per item); anything else is nothing.
struct ShapeVisitor<T, const LIST: bool>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const LIST: bool> Visitor<'de> for ShapeVisitor<T, LIST> {
    type Value = SmallVec<[T; 1]>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }
    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(SmallVec::new())
    }
    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(SmallVec::new())
    }
    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(SmallVec::new())
    }
    fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
        Ok(SmallVec::new())
    }
    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(SmallVec::new())
    }
    fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
        Ok(SmallVec::new())
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        if LIST {
            return drain_map(map).map(|_| SmallVec::new());
        }
        Ok(SmallVec::from_iter([T::deserialize(MapAccessDeserializer::new(map))?]))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut items = SmallVec::new();
        if !LIST {
            return drain_seq(seq).map(|_| items);
        }
        while let Some(Obj(item)) = seq.next_element::<Obj<T>>()? {
            items.extend(item);
        }
        Ok(items)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Obj<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShapeVisitor::<T, false>(PhantomData)).map(|mut one| Self(one.pop()))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShapeVisitor::<T, true>(PhantomData)).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[test]
    fn filled() {
        for (json, want) in [
            ("null", false),
            ("\"\"", false),
            ("[]", false),
            ("{}", false),
            ("false", false),
            ("true", true),
            ("0", true),
            ("-1", true),
            ("1.5", true),
            ("\"a\"", true),
            ("\"\\n\"", true),
            ("[null]", true),
            ("{\"a\":{\"b\":[1]}}", true),
        ] {
            assert_eq!(serde_json::from_str::<Filled>(json).unwrap().0, want, "{json}");
        }
    }

    #[test]
    fn odd_types_are_nothing() {
        #[derive(Deserialize, Default, PartialEq, Debug)]
        #[serde(default)]
        struct One {
            a: Number,
        }
        for json in ["null", "true", "1", "-1", "1.5", "\"x\"", "[{\"a\":1}]", "{\"a\":[1]}"] {
            assert_eq!(
                serde_json::from_str::<Obj<One>>(json).unwrap().0.unwrap_or_default().a,
                Number(None),
                "{json}"
            );
            assert!(serde_json::from_str::<Number>(json).is_ok(), "{json}");
            assert!(serde_json::from_str::<Label>(json).is_ok(), "{json}");
            assert!(serde_json::from_str::<Text<'_>>(json).is_ok(), "{json}");
            assert!(serde_json::from_str::<List<One>>(json).is_ok(), "{json}");
        }
        assert_eq!(
            serde_json::from_str::<List<One>>("[1,{\"a\":2},null]").unwrap().0[0].a,
            Number(Some(2.0))
        );
        assert_eq!(serde_json::from_str::<Number>("\" 12 \"").unwrap().count(), 12);
        assert_eq!(serde_json::from_str::<Number>("-5").unwrap().count(), 0);
    }
}
