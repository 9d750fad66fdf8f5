//! The decoders of rows, for [`diptych_base::fuzz_target`].

use super::{Datum, RowSchema, decode, encode};
use diptych_base::fuzz_target::Decoder;
use diptych_event::{Date, Decimal, Timestamp};

type Key = (String, i64, Vec<u8>);
type Value = (Option<Timestamp>, f64, (bool, Option<String>), Decimal<2>, Date);

/// The decoders of rows by type, of rows by schema, and of values in users' text.
pub fn hostile() -> Vec<Decoder> {
    let key = encode(&key());
    let value = encode(&value());
    let mut row = (key.len() as u32).to_le_bytes().to_vec();
    row.extend_from_slice(&key);
    row.extend_from_slice(&value);
    let texts = ["to be", "-17", "2026-01-02T03:04:05.678Z", "2026-01-02", "-12.34", "1e3", "true"];
    let texts = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    vec![
        Decoder::new("row: typed", vec![key, value], run_typed),
        Decoder::new("row: by its schema", vec![row], run_schema),
        Decoder::new("row: values as text", texts, run_text),
    ]
}

fn key() -> Key {
    ("a\0b".into(), -1, vec![0, 255, 7])
}

fn value() -> Value {
    let at = Timestamp::from_micros(1_700_000_000_000_000);
    (Some(at), -0.5, (true, None), Decimal::ZERO, Date::from_days(20_000))
}

fn run_typed(bytes: &[u8]) {
    drop(decode::<Key>(bytes));
    drop(decode::<Value>(bytes));
}

fn run_schema(bytes: &[u8]) {
    let Some((len, rest)) = bytes.split_first_chunk::<4>() else { return };
    let len = (u32::from_le_bytes(*len) as usize).min(rest.len());
    let (key, value) = rest.split_at(len);
    let schema = RowSchema::of::<Key, Value>();
    drop(schema.decode(key, value));
    drop(schema.json(key, value));
    drop(schema.csv(key, value));
}

fn run_text(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let schema = RowSchema::of::<Key, Value>();
    for column in schema.columns() {
        drop(Datum::parse(column, &text));
    }
    drop(schema.parse_key(&[&text]));
    drop(schema.text_range::<&str>(&[], &text));
    drop(text.parse::<Timestamp>());
    drop(text.parse::<Date>());
    drop(text.parse::<Decimal<9>>());
}
