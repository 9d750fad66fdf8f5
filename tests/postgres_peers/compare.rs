//! Compares two answers, and names how they differ.

use crate::Statement;
use crate::wire::{Answer, Protocol};

/// The kind of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Other values, or another number of rows.
    Value,
    /// Another type (OID) of a column.
    Type,
    /// Another name of a column.
    Name,
    /// Another command tag.
    Tag,
    /// An answer where PostgreSQL has an error.
    Answered,
    /// Both fail, with another SQLSTATE.
    State,
    /// An error where PostgreSQL answers.
    Refused,
}

impl Kind {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Kind::Value => "value",
            Kind::Type => "type",
            Kind::Name => "name",
            Kind::Tag => "tag",
            Kind::Answered => "answered",
            Kind::State => "state",
            Kind::Refused => "refused",
        }
    }

    /// Whether a client takes the answer for PostgreSQL's.
    pub(crate) fn is_silent(self) -> bool {
        !matches!(self, Kind::State | Kind::Refused)
    }
}

/// A difference between two answers.
#[derive(Clone, Debug)]
pub(crate) struct Difference {
    pub(crate) kind: Kind,
    pub(crate) class: String,
    pub(crate) sql: String,
    pub(crate) way: String,
    pub(crate) ours: String,
    pub(crate) real: String,
}

/// How the answers to a statement differ.
pub(crate) fn compare(
    statement: &Statement,
    sql: &str,
    place: &str,
    protocol: Protocol,
    ours: &[Answer],
    real: &[Answer],
) -> Vec<Difference> {
    let found = |kind, ours: String, real: String| Difference {
        kind,
        class: statement.class.clone(),
        sql: sql.to_owned(),
        way: format!("{place}, {protocol:?}"),
        ours,
        real,
    };
    let is_ordered = sql.to_ascii_lowercase().contains("order by");
    for (one, other) in ours.iter().zip(real) {
        if let Some((kind, ours, real)) = difference(one, other, protocol, is_ordered) {
            return vec![found(kind, ours, real)];
        }
    }
    if ours.len() != real.len() {
        let count = |answers: &[Answer]| format!("{} answers", answers.len());
        return vec![found(Kind::Value, count(ours), count(real))];
    }
    Vec::new()
}

fn difference(
    ours: &Answer,
    real: &Answer,
    protocol: Protocol,
    is_ordered: bool,
) -> Option<(Kind, String, String)> {
    let error = |answer: &Answer| match &answer.error {
        Some((state, message)) => format!("{state} {message}"),
        None => shown_rows(answer, protocol),
    };
    match (&ours.error, &real.error) {
        (None, None) => {}
        (None, Some(_)) => return Some((Kind::Answered, error(ours), error(real))),
        (Some(_), None) => return Some((Kind::Refused, error(ours), error(real))),
        (Some((state, _)), Some((other, _))) if state == other => return None,
        (Some(_), Some(_)) => return Some((Kind::State, error(ours), error(real))),
    }
    let types = |answer: &Answer| answer.columns.iter().map(|column| column.1).collect::<Vec<_>>();
    if types(ours) != types(real) {
        let text = |answer: &Answer| format!("{:?} {}", types(answer), error(answer));
        return Some((Kind::Type, text(ours), text(real)));
    }
    if !same_rows(ours, real, protocol, is_ordered) {
        return Some((Kind::Value, error(ours), error(real)));
    }
    if ours.columns != real.columns {
        let names = |answer: &Answer| {
            answer.columns.iter().map(|column| column.0.as_str()).collect::<Vec<_>>().join(", ")
        };
        return Some((Kind::Name, names(ours), names(real)));
    }
    (ours.tag != real.tag)
        .then(|| (Kind::Tag, format!("{:?}", ours.tag), format!("{:?}", real.tag)))
}

fn same_rows(ours: &Answer, real: &Answer, protocol: Protocol, is_ordered: bool) -> bool {
    let sorted = |answer: &Answer| {
        let mut rows = answer.rows.clone();
        if !is_ordered {
            rows.sort();
        }
        rows
    };
    let (one, other) = (sorted(ours), sorted(real));
    let same = |(one, other): (&Vec<Option<Vec<u8>>>, &Vec<Option<Vec<u8>>>)| {
        let cells = one.iter().zip(other).zip(&ours.columns);
        one.len() == other.len()
            && cells
                .into_iter()
                .all(|((one, other), (_, oid))| same(one.as_ref(), other.as_ref(), *oid, protocol))
    };
    one.len() == other.len() && one.iter().zip(&other).all(same)
}

/// Floats are the same up to the last digits: sums depend on the order of their rows.
fn same(ours: Option<&Vec<u8>>, real: Option<&Vec<u8>>, oid: u32, protocol: Protocol) -> bool {
    let (Some(one), Some(other)) = (ours, real) else { return ours == real };
    if one == other || !matches!(oid, FLOAT4 | FLOAT8) {
        return one == other;
    }
    let float = |bytes: &[u8]| match (protocol, bytes.len()) {
        (Protocol::ExtendedBinary, 4) => {
            bytes.try_into().ok().map(f32::from_be_bytes).map(f64::from)
        }
        (Protocol::ExtendedBinary, 8) => bytes.try_into().ok().map(f64::from_be_bytes),
        _ => std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok()),
    };
    let (Some(one), Some(other)) = (float(one), float(other)) else { return false };
    // The sign of NaN means nothing, and is the processor's.
    if one.is_nan() && other.is_nan() {
        return true;
    }
    let precision = if oid == FLOAT4 { 1e-6 } else { 1e-13 };
    (one - other).abs() <= precision * one.abs().max(other.abs()) && one != 0.0
}

const FLOAT4: u32 = 700;
const FLOAT8: u32 = 701;

fn shown_rows(answer: &Answer, protocol: Protocol) -> String {
    let cell = |(at, value): (usize, &Option<Vec<u8>>)| match value {
        None => "NULL".to_owned(),
        Some(bytes) => {
            let is_text = matches!(answer.columns.get(at), Some((_, 25 | 1043 | 19)));
            match std::str::from_utf8(bytes) {
                Ok(text) if protocol != Protocol::ExtendedBinary || is_text => text.to_owned(),
                _ => data_encoding::HEXLOWER.encode(bytes),
            }
        }
    };
    let row =
        |row: &Vec<Option<Vec<u8>>>| row.iter().enumerate().map(cell).collect::<Vec<_>>().join("|");
    let mut rows: Vec<_> = answer.rows.iter().take(200).map(row).collect();
    rows.push(format!("{:?}", answer.tag.as_deref().unwrap_or_default()));
    rows.join(" / ")
}
