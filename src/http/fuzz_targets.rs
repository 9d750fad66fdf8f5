//! The parsers of requests, for the fuzz tests of [`diptych_base::fuzz_target`].

use axum::http::Uri;

use super::cursor::ReadPlace;
use super::request_parameters::{Query, segment};
use diptych_base::fuzz_target::Decoder;

const KNOWN: [&str; 8] = ["key", "from", "to", "prefix", "limit", "cursor", "at_least", "as_of"];

/// The decoders of queries and cursors.
pub fn hostile() -> Vec<Decoder> {
    let uris = [
        "/v1/dataflows/word_count/views/counts?key=%22to%20be%22&key=or&limit=10&at_least=17",
        "/v1/dataflows/a/views/b?from=a&to=b&prefix=t&as_of=2026-01-02T03:04:05Z&timeout=10s",
        "/v1/dataflows/a/views/b?as_of=-5&cursor=AQAAAAAAAAAAAAAAAAAAAAAA",
    ];
    let uris = uris.iter().map(|text| text.as_bytes().to_vec()).collect();
    let cursor = b"AQAAAAAAAAAAAAAAAAAAAAAAAGEAAABi".to_vec();
    vec![
        Decoder::new("HTTP: path and query", uris, run_query),
        Decoder::new("HTTP: cursor", vec![cursor], |bytes| {
            drop(ReadPlace::from_text(&String::from_utf8_lossy(bytes)));
        }),
    ]
}

fn run_query(bytes: &[u8]) {
    let Ok(uri) = Uri::try_from(bytes) else { return };
    for number in 0..8 {
        drop(segment(&uri, number));
    }
    let Ok(query) = Query::with_lists(&uri, &KNOWN, &["key"]) else { return };
    query.all("key").for_each(drop);
    drop(query.limit(10, 1000));
    drop(query.timeout());
    drop(query.mode());
}
