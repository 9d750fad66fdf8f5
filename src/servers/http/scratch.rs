//! Temporary.
use super::{Problem, Routes};
use crate::log::Append;
use crate::servers::mode::{Mode, blocking};
use crate::servers::site::Site;
use axum::extract::{Path, Query, State};
use axum::routing::{get, post};
use std::collections::HashMap;
use std::sync::Arc;
use utoipa_axum::router::OpenApiRouter;

pub(super) fn routes() -> Routes {
    OpenApiRouter::new()
        .route("/v1/streams/{stream}", post(append))
        .route("/v1/dataflows/{dataflow}/views/{view}", get(read))
}

async fn append(
    State(site): State<Arc<Site>>,
    Path(stream): Path<String>,
    Query(q): Query<HashMap<String, String>>,
    body: bytes::Bytes,
) -> Result<String, Problem> {
    let s = site.stream(&stream)?.clone();
    let writer = Arc::clone(site.appender()?);
    let text = blocking(move || {
        let mut all = Vec::new();
        let input = std::io::Cursor::new(body);
        crate::sources::follow(
            input,
            "body",
            &s.schema,
            || false,
            |b| {
                all.push(b);
                Ok(())
            },
        )?;
        let rows = arrow_select::concat::concat_batches(&s.schema, &all).expect("x");
        let n = rows.num_rows();
        let mut append = Append::rows(&s.name, rows);
        if let (Some(p), Some(n)) = (q.get("producer"), q.get("sequence")) {
            append = append.by(p.clone(), n.parse().expect("n"));
        }
        let ack = writer.append(append)?.wait()?;
        Ok(format!("{{\"epoch\":{},\"accepted\":{n}}}", ack.epoch))
    });
    Ok(text.await?)
}

async fn read(
    State(site): State<Arc<Site>>,
    Path((flow, view)): Path<(String, String)>,
    Query(q): Query<HashMap<String, String>>,
) -> Result<String, Problem> {
    let flow = site.flow(&flow)?;
    let mode = match (q.get("at_least"), q.get("as_of"), q.get("mode")) {
        (Some(e), ..) => Mode::AtLeast(e.parse().expect("e"), std::time::Duration::from_secs(10)),
        (_, Some(e), _) => Mode::AsOf(e.parse().expect("e")),
        (_, _, Some(_)) => Mode::Verified,
        _ => Mode::Latest,
    };
    let snapshot = site.snapshot(flow, mode).await?;
    let id = snapshot.view(&view)?;
    let schema = &snapshot.views()[id].schema;
    let range = match q.get("key") {
        Some(k) => crate::row::ByteRange::prefix(&schema.parse_key(&[k.as_str()])?),
        None => crate::row::ByteRange::all(),
    };
    let page = snapshot.page(id, &range, None, 10_000)?;
    let rows: Result<Vec<_>, crate::error::Error> =
        page.rows.iter().map(|r| schema.json(&r.key, &r.value)).collect();
    Ok(serde_json::json!({"epoch": snapshot.epoch(), "boundary": snapshot.boundary(),
        "version": snapshot.version(), "rows": rows?})
    .to_string())
}
