//! A dataflow whose views have columns of every type, in keys and in values.

use std::cmp::Ordering;

use diptych::event::{Date, Decimal, Timestamp};
use diptych::row;
use diptych::row::Columns;
use diptych::{Dataflow, Event};
use serde::{Deserialize, Serialize};

/// One of everything.
#[derive(Event, Clone, Debug, PartialEq)]
pub(crate) struct Sample {
    pub(crate) id: u32,
    pub(crate) tiny: i8,
    pub(crate) small: Option<i16>,
    pub(crate) wide: u64,
    pub(crate) flag: Option<bool>,
    pub(crate) ratio: f64,
    pub(crate) single: f32,
    pub(crate) price: Decimal<2>,
    pub(crate) name: Option<String>,
    pub(crate) raw: Vec<u8>,
    pub(crate) day: Date,
    pub(crate) at: Option<Timestamp>,
}

/// The columns of a value; ordered as its bytes are.
#[derive(Columns, Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Facts {
    tiny: i8,
    small: Option<i16>,
    wide: u64,
    flag: Option<bool>,
    ratio: f64,
    single: f32,
    price: Decimal<2>,
    name: Option<String>,
    raw: Vec<u8>,
    day: Date,
    at: Option<Timestamp>,
}

impl PartialEq for Facts {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Facts {}

impl PartialOrd for Facts {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Facts {
    fn cmp(&self, other: &Self) -> Ordering {
        row::encode(self).cmp(&row::encode(other))
    }
}

impl std::hash::Hash for Facts {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        row::encode(self).hash(state);
    }
}

/// `samples`: (id) -> everything; `by_*`: the same ids under keys of each type; `often`: (tiny), as
/// often as it occurs; `owed`: (id), with multiplicity -1 for each odd id.
pub(crate) fn types(df: &mut Dataflow) {
    let samples = df.events::<Sample>("samples");
    let facts = samples
        .clone()
        .map(|s| {
            let facts = Facts {
                tiny: s.tiny,
                small: s.small,
                wide: s.wide,
                flag: s.flag,
                ratio: s.ratio,
                single: s.single,
                price: s.price,
                name: s.name.map(str::to_owned),
                raw: s.raw.to_vec(),
                day: s.day,
                at: s.at,
            };
            (s.id, facts)
        })
        .distinct("samples");
    df.view("samples", facts);
    let named = samples.clone().map(|s| (s.name.map(str::to_owned), s.id)).distinct("by_name");
    df.view("by_name", named).columns(&["name", "id"]);
    let days = samples.clone().map(|s| ((s.day, s.id), s.price)).distinct("by_day");
    df.view("by_day", days).columns(&["day", "id", "price"]);
    let prices = samples.clone().map(|s| ((s.price, s.flag), s.id)).distinct("by_price");
    df.view("by_price", prices).columns(&["price", "flag", "id"]);
    let times = samples.clone().map(|s| (s.at, s.id)).distinct("by_at");
    df.view("by_at", times).columns(&["at", "id"]);
    let raws = samples.clone().map(|s| ((s.raw.to_vec(), s.small), s.id)).distinct("by_raw");
    df.view("by_raw", raws).columns(&["raw", "small", "id"]);
    let often = samples.clone().map(|s| (s.tiny, ())).collect("often");
    df.view("often", often).columns(&["tiny"]);
    let owed = samples.weighted(|s| if s.id % 2 == 0 { 1 } else { -1 });
    df.view("owed", owed.map(|s| (s.id, ())).collect("owed")).columns(&["id"]);
}
