//! The rows of both servers: every type of column, the ends of every type, absent values, NaN,
//! -0.0, infinities, and the years 1 and 9999.
//!
//! Rows from [`TAME`] on have small values, so that arithmetic over them stays inside the types.

use std::cmp::Ordering;
use std::fmt::Write;

use diptych::event::{Date, Decimal, Timestamp};
use diptych::row;
use diptych::row::Columns;
use diptych::{Dataflow, Event};
use serde::{Deserialize, Serialize};

/// The id of the first row with small values only.
pub(crate) const TAME: u32 = 100;

/// A row of the stream.
#[derive(Event, Clone, Debug, PartialEq)]
pub(crate) struct Fact {
    pub(crate) id: u32,
    pub(crate) i8: Option<i8>,
    pub(crate) i16: Option<i16>,
    pub(crate) i32: Option<i32>,
    pub(crate) i64: Option<i64>,
    pub(crate) u8: Option<u8>,
    pub(crate) u16: Option<u16>,
    pub(crate) u32: Option<u32>,
    pub(crate) u64: Option<u64>,
    pub(crate) f32: Option<f32>,
    pub(crate) f64: Option<f64>,
    pub(crate) b: Option<bool>,
    pub(crate) t: Option<String>,
    pub(crate) raw: Option<Vec<u8>>,
    pub(crate) d: Option<Decimal<2>>,
    pub(crate) day: Option<Date>,
    pub(crate) at: Option<Timestamp>,
}

/// A row of the view, without its key.
#[derive(Columns, Clone, Debug, Serialize, Deserialize)]
pub(crate) struct FactValue {
    i8: Option<i8>,
    i16: Option<i16>,
    i32: Option<i32>,
    i64: Option<i64>,
    u8: Option<u8>,
    u16: Option<u16>,
    u32: Option<u32>,
    u64: Option<u64>,
    f32: Option<f32>,
    f64: Option<f64>,
    b: Option<bool>,
    t: Option<String>,
    raw: Option<Vec<u8>>,
    d: Option<Decimal<2>>,
    day: Option<Date>,
    at: Option<Timestamp>,
}

impl PartialEq for FactValue {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for FactValue {}

impl PartialOrd for FactValue {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for FactValue {
    fn cmp(&self, other: &Self) -> Ordering {
        row::encode(self).cmp(&row::encode(other))
    }
}

impl std::hash::Hash for FactValue {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        row::encode(self).hash(state);
    }
}

/// `by_id`: (id) -> everything.
pub(crate) fn peers(df: &mut Dataflow) {
    let facts = df.events::<Fact>("facts").map(|fact| {
        let value = FactValue {
            i8: fact.i8,
            i16: fact.i16,
            i32: fact.i32,
            i64: fact.i64,
            u8: fact.u8,
            u16: fact.u16,
            u32: fact.u32,
            u64: fact.u64,
            f32: fact.f32,
            f64: fact.f64,
            b: fact.b,
            t: fact.t.map(str::to_owned),
            raw: fact.raw.map(<[u8]>::to_vec),
            d: fact.d,
            day: fact.day,
            at: fact.at,
        };
        (fact.id, value)
    });
    let names: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).collect();
    df.view("by_id", facts.distinct("by_id")).columns(&names);
}

const TEXTS: &[&str] = &[
    "",
    "a",
    "A",
    "b",
    "ab",
    "aB",
    "ä",
    "Ä",
    "z",
    "Z",
    "0",
    "10",
    "9",
    " a",
    "a ",
    "a%b",
    "a_b",
    "a\\b",
    "it's",
    "\"q\"",
    "name 1",
    "name 11",
    "name 2",
    "日本",
    "🦀",
    "NULL",
    "true",
    "1.50",
    "-1",
    "2024-02-29",
    "{1,2}",
    "a,b",
    "x\ty",
    "line\nbreak",
];
const F64: &[f64] = &[
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    0.1,
    0.3,
    0.300_000_000_000_000_04,
    1e300,
    -1e300,
    1e-300,
    1e15,
    1e16,
    123_456.789,
    2.5,
    3.5,
    -2.5,
    f64::MAX,
    f64::MIN,
    f64::MIN_POSITIVE,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
    1e20,
    100_000.0,
    1_000_000.0,
    0.0001,
    0.00001,
];
const F32: &[f32] = &[
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    0.1,
    0.3,
    f32::MAX,
    f32::MIN,
    f32::MIN_POSITIVE,
    f32::INFINITY,
    f32::NEG_INFINITY,
    f32::NAN,
    1e10,
    2.5,
    16_777_216.0,
    1e-10,
    123_456.79,
];
const I64: &[i64] = &[
    0,
    1,
    -1,
    7,
    i64::MAX,
    i64::MIN,
    i64::MAX - 1,
    i64::MIN + 1,
    1 << 53,
    (1 << 53) + 1,
    1 << 31,
    -(1 << 31),
    1_000_000_007,
    42,
];
const U64: &[u64] =
    &[0, 1, 2, u64::MAX, u64::MAX - 1, 1 << 63, (1 << 63) - 1, 1 << 53, (1 << 53) + 1, 10, 99];
/// Days since 1970: years 1 and 9999, leap days, the ends of months.
const DAYS: &[i32] = &[
    -719_162, -719_161, 2_932_896, 2_932_895, 0, -1, 19_782, 19_783, 11_016, 20_010, -25_567,
    18_262, 19_722, 10_956,
];
/// Microseconds since 1970, with the same ends.
const TIMES: &[i64] = &[
    -62_135_596_800_000_000,
    253_402_300_799_999_999,
    253_402_214_400_000_000,
    0,
    -1,
    1,
    1_709_200_800_500_000,
    1_728_942_315_000_000,
    1_709_251_199_999_999,
    951_782_400_000_000,
    -2_208_988_800_000_000,
    1_500_000_000_123_456,
];
const UNITS: &[i128] = &[
    0,
    1,
    -1,
    525,
    150,
    250,
    -250,
    350,
    99,
    100,
    10_000,
    123_456_789,
    9_999_999_999_999_999_999_999_999_999_999_999_999,
    -9_999_999_999_999_999_999_999_999_999_999_999_999,
    1_844_674_407_370_955_161_500,
];

fn of<T: Copy>(values: &[T], at: usize, step: usize) -> Option<T> {
    // Every value of a type occurs, beside ever other ones of the other types, or nothing.
    (!(at * step + step).is_multiple_of(7)).then(|| values[(at * step) % values.len()])
}

/// The rows: those of the earlier epoch, or those that come later.
pub(crate) fn rows(is_later: bool) -> Vec<Fact> {
    let ids = if is_later {
        (48..72).chain(TAME + 24..TAME + 40)
    } else {
        (0..48).chain(TAME..TAME + 24)
    };
    ids.map(|id| if id < TAME { wild(id) } else { tame(id) }).collect()
}

fn wild(id: u32) -> Fact {
    let at = id as usize;
    let narrow = |most: i64, least: i64| {
        let values = [0, 1, -1, most, least, most - 1, least + 1, 5, -5, 3];
        of(&values, at, 3)
    };
    let raws: &[&[u8]] = &[b"", b"a", b"\0", b"\xDE\xAD\xBE\xEF", b"ab", b"\\x41", b"\xff"];
    Fact {
        id,
        i8: narrow(127, -128).map(|n| n as i8),
        i16: narrow(32_767, -32_768).map(|n| n as i16),
        i32: narrow(i32::MAX.into(), i32::MIN.into()).map(|n| n as i32),
        i64: of(I64, at, 1),
        u8: of(&[0, 1, 255, 254, 128, 127], at, 1),
        u16: of(&[0, 1, 65_535, 65_534, 32_768, 32_767], at, 5),
        u32: of(&[0, 1, u32::MAX, u32::MAX - 1, 1 << 31, 77], at, 5),
        u64: of(U64, at, 1),
        f32: of(F32, at, 1),
        f64: of(F64, at, 1),
        b: of(&[true, false], at, 1),
        t: of(TEXTS, at, 1).map(str::to_owned),
        raw: of(raws, at, 2).map(<[u8]>::to_vec),
        d: of(UNITS, at, 1).map(|units| Decimal::new(units).expect("of the type")),
        day: of(DAYS, at, 1).map(Date::from_days),
        at: of(TIMES, at, 1).map(Timestamp::from_micros),
    }
}

fn tame(id: u32) -> Fact {
    let at = id as usize - TAME as usize;
    let n = at as i64;
    let small = |step: usize| of(&[0_i64, 1, 2, 3, 5, 7, 10, 12], at, step);
    Fact {
        id,
        i8: small(1).map(|n| n as i8),
        i16: small(3).map(|n| n as i16 * 7),
        i32: small(5).map(|n| n as i32 * 100),
        i64: small(1).map(|n| n * 1_000 - 3),
        u8: small(3).map(|n| n as u8),
        u16: small(5).map(|n| n as u16),
        u32: small(1).map(|n| n as u32),
        u64: small(3).map(|n| n as u64),
        f32: small(1).map(|n| n as f32 / 4.0),
        f64: small(5).map(|n| n as f64 / 8.0 - 0.5),
        b: of(&[true, false], at, 3),
        t: of(TEXTS, at, 5).map(str::to_owned),
        raw: Some(vec![at as u8, 65]),
        d: small(3).map(|n| Decimal::new(i128::from(n) * 37 - 50).expect("of the type")),
        day: of(&[19_782, 19_783, 19_813, 20_147, 19_723], at, 1).map(Date::from_days),
        at: (at % 6 != 5)
            .then(|| Timestamp::from_micros(1_700_000_000_000_000 + n * 86_412_345_678)),
    }
}

/// The columns, with PostgreSQL's types.
pub(crate) const COLUMNS: &[(&str, &str)] = &[
    ("id", "int8"),
    ("i8", "int2"),
    ("i16", "int2"),
    ("i32", "int4"),
    ("i64", "int8"),
    ("u8", "int2"),
    ("u16", "int4"),
    ("u32", "int8"),
    ("u64", "numeric(20,0)"),
    ("f32", "float4"),
    ("f64", "float8"),
    ("b", "bool"),
    ("t", "text"),
    ("raw", "bytea"),
    ("d", "numeric(38,2)"),
    ("day", "date"),
    ("at", "timestamptz"),
];

/// The statements that make PostgreSQL's tables.
pub(crate) fn tables(with_later: bool) -> Vec<String> {
    let column = |(name, of): &(&str, &str)| match *name {
        "id" => format!("{name} {of} NOT NULL"),
        _ => format!("{name} {of}"),
    };
    let columns: Vec<_> = COLUMNS.iter().map(column).collect();
    let columns = columns.join(", ");
    let mut made = vec![
        "CREATE SCHEMA peers".to_owned(),
        "CREATE SCHEMA streams".to_owned(),
        format!("CREATE TABLE peers.by_id ({columns})"),
        format!("CREATE TABLE streams.facts ({columns}, _epoch numeric(20,0) NOT NULL)"),
    ];
    for (epoch, is_later) in [(0, false), (1, true)].into_iter().take(1 + usize::from(with_later)) {
        let rows: Vec<_> = rows(is_later).iter().map(literals).collect();
        let lists = |more: &str| {
            rows.iter().map(|row| format!("({row}{more})")).collect::<Vec<_>>().join(", ")
        };
        made.push(format!("INSERT INTO peers.by_id VALUES {}", lists("")));
        made.push(format!("INSERT INTO streams.facts VALUES {}", lists(&format!(", {epoch}"))));
    }
    made.push("ANALYZE".to_owned());
    made
}

fn literals(fact: &Fact) -> String {
    let mut out = fact.id.to_string();
    let mut add = |value: Option<String>| {
        let text = value.map(|text| format!("'{}'", text.replace('\'', "''")));
        let _ = write!(out, ", {}", text.as_deref().unwrap_or("NULL"));
    };
    add(fact.i8.map(|n| n.to_string()));
    add(fact.i16.map(|n| n.to_string()));
    add(fact.i32.map(|n| n.to_string()));
    add(fact.i64.map(|n| n.to_string()));
    add(fact.u8.map(|n| n.to_string()));
    add(fact.u16.map(|n| n.to_string()));
    add(fact.u32.map(|n| n.to_string()));
    add(fact.u64.map(|n| n.to_string()));
    add(fact.f32.map(|n| format!("{n:?}").replace("inf", "Infinity")));
    add(fact.f64.map(|n| format!("{n:?}").replace("inf", "Infinity")));
    add(fact.b.map(|b| b.to_string()));
    add(fact.t.clone());
    add(fact.raw.as_ref().map(|bytes| {
        bytes.iter().fold("\\x".to_owned(), |text, byte| text + &format!("{byte:02x}"))
    }));
    add(fact.d.map(|d| d.to_string()));
    add(fact.day.map(|day| day.to_string()));
    add(fact.at.map(|at| at.to_string()));
    out
}
