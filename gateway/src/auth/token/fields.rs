//! A JSON object of a token, field by field, with faults that name the field and never its value.
//!
//! Names are unique at every depth: two readers that disagree on which of two equal names counts would see two
//! different users in one signed token (RFC 8725 section 2.4 is about such confusion).

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::TokenError;

/// The fields, still as JSON.
#[derive(Debug)]
pub(super) struct Fields<'a>(BTreeMap<String, &'a RawValue>);

impl<'a> Fields<'a> {
    pub(super) fn parse(json: &'a str) -> Result<Self, TokenError> {
        let unique = serde_json::from_str::<UniqueNames>(json).is_ok();
        let fields = serde_json::from_str(json).ok().filter(|_| unique);
        fields
            .map(Self)
            .ok_or_else(|| TokenError::invalid("a part of it is not a JSON object of unique names"))
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Whether the field is there, even as null.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The field as `T`; absent and null are the same.
    pub(super) fn get<T: Deserialize<'a>>(
        &self,
        name: &str,
        wanted: &str,
    ) -> Result<Option<T>, TokenError> {
        self.0.get(name).map_or(Ok(None), |value| {
            serde_json::from_str(value.get()).map_err(|_| wrong(name, wanted))
        })
    }

    pub(super) fn object(&self, name: &str) -> Result<Option<Self>, TokenError> {
        Ok(self.get(name, "an object")?.map(Self))
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<String>, TokenError> {
        self.get(name, "text")
    }

    /// A time in whole Unix seconds; `round` makes them whole, or gives NaN to refuse. Null is a fault: read as absent it would mean "for ever".
    pub(super) fn seconds(
        &self,
        name: &str,
        round: fn(f64) -> f64,
    ) -> Result<Option<i64>, TokenError> {
        let Some(value) = self.0.get(name) else {
            return Ok(None);
        };
        let fault = || wrong(name, "a number of seconds");
        let number: serde_json::Number = serde_json::from_str(value.get()).map_err(|_| fault())?;
        let seconds = match number.as_i64() {
            Some(whole) => whole,
            None => number
                .as_f64()
                .and_then(|it| whole(round(it)))
                .ok_or_else(fault)?,
        };
        Ok(Some(seconds))
    }
}

pub(super) fn wrong(name: &str, wanted: &str) -> TokenError {
    TokenError::invalid(format!("`{name}` is not {wanted}"))
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "checked to be whole and exactly representable"
)]
fn whole(seconds: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    (seconds.abs() < EXACT).then_some(seconds as i64)
}

/// Any JSON in which no object has the same name twice.
struct UniqueNames;

impl<'de> Deserialize<'de> for UniqueNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for UniqueNames {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON with unique names")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut names = HashSet::new();
        while let Some((name, Self)) = map.next_entry::<String, Self>()? {
            if !names.insert(name) {
                return Err(A::Error::custom("a name twice"));
            }
        }
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self, A::Error> {
        while seq.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E: Error>(self) -> Result<Self, E> {
        Ok(self)
    }
}
