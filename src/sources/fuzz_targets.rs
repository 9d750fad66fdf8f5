//! The parsers of records, for [`diptych_base::fuzz_target`].

use std::sync::Arc;

use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use bytes::Bytes;

use super::{OnUnknown, Spelling, parse, parse_streams};
use diptych_base::fuzz_target::Decoder;

const CSV: &[u8] = b"text,n,at,ok\n\"to \"\"be\"\"\",-17,2026-01-02T03:04:05Z,true\n,,,\n";
const NDJSON: &[u8] = b"{\"text\": \"to \\u00e9\", \"n\": 17, \"at\": \"2026-01-02T03:04:05Z\"}\n\
    {\"text\": null, \"list\": [1.5, null], \"inner\": {\"a\": {\"b\": 1}}}\n";

/// The parsers of records in each format.
pub fn hostile() -> Vec<Decoder> {
    let json = NDJSON.split(|byte| *byte == b'\n').next().unwrap_or_default().to_vec();
    vec![
        Decoder::new("records: CSV", vec![CSV.to_vec()], |bytes| run(bytes, Spelling::Csv)),
        Decoder::new("records: NDJSON", vec![NDJSON.to_vec()], |bytes| {
            run(bytes, Spelling::Ndjson);
        }),
        Decoder::new("records: JSON", vec![json], |bytes| run(bytes, Spelling::Json)),
    ]
}

fn schema() -> SchemaRef {
    let scalar = |name: &str, ty: DataType| Field::new(name, ty, true);
    let inner = Fields::from(vec![scalar("b", DataType::Int64)]);
    let inner = Fields::from(vec![scalar("a", DataType::Struct(inner))]);
    let item = Arc::new(scalar("item", DataType::Float64));
    let at = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        scalar("text", DataType::Utf8),
        scalar("n", DataType::Int64),
        scalar("at", at),
        scalar("ok", DataType::Boolean),
        scalar("list", DataType::List(item)),
        scalar("inner", DataType::Struct(inner)),
    ]))
}

fn run(bytes: &[u8], spelling: Spelling) {
    let body = Bytes::copy_from_slice(bytes);
    drop(parse(&body, spelling, "lines", &schema(), OnUnknown::Ignore));
    drop(parse(&body, spelling, "lines", &schema(), OnUnknown::Refuse));
    for lines in [false, true] {
        drop(parse_streams(bytes, lines, OnUnknown::Ignore, |_| Ok(schema())));
    }
}
