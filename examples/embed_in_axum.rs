//! How do I put a dataflow into an axum service of my own? `cargo run --example embed_in_axum`

use std::error::Error;
use std::sync::Arc;

use axum::routing::{get, post};
use axum::{Router, extract::Path, extract::State, http::StatusCode};
use diptych::prelude::*;
use diptych::serving::{Read, Serving};
use diptych::{System, dataflow::Definition, system::ServeOptions};
use diptych::{log::Writer, servers::Site, sources::append};

#[derive(Event, Clone)]
struct Sale {
    item: String,
    pieces: i64,
}

/// `sold`: (item) -> pieces.
fn shop(df: &mut Dataflow) {
    let sold = df.events::<Sale>("sales").map(|sale| (sale.item.to_owned(), sale.pieces));
    df.view("sold", sold.sum("sold")).columns(&["item", "pieces"]);
}

/// The state that my own routes share; cheap to clone.
#[derive(Clone)]
struct Shop {
    writer: Arc<Writer>,
    views: Arc<Serving>,
}

/// Appends a sale. Appending waits for the disk, so it runs where waiting is allowed.
async fn sell(State(shop): State<Shop>, Path((item, pieces)): Path<(String, i64)>) -> StatusCode {
    let sale = move || append(&shop.writer, "sales", &[Sale { item, pieces }]);
    match tokio::task::spawn_blocking(sale).await {
        Ok(Ok(_epoch)) => StatusCode::CREATED,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// Reads the latest snapshot, which never waits.
async fn sold(State(shop): State<Shop>, Path(item): Path<String>) -> Result<String, StatusCode> {
    let found = shop.views.snapshot(Read::Latest).and_then(|now| now.lookup("sold", &item));
    let found: Vec<(i64, isize)> = found.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    found.first().map(|(pieces, _)| pieces.to_string()).ok_or(StatusCode::NOT_FOUND)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (system, flows) = (System::in_memory(), [Definition::new("shop", shop)]);
    let writer = Arc::new(system.writer()?);
    let served = system.serve(&flows, ServeOptions::default().writer(&writer))?;
    let site = Site::of(&system, &served, &flows, Some(Arc::clone(&writer)))?;
    let shop = Shop { writer, views: served.serving("shop")? };
    let mine = Router::new()
        .route("/sold/{item}", get(sold))
        .route("/sell/{item}/{pieces}", post(sell))
        .with_state(shop)
        .merge(diptych::servers::routes(&site)); // /v1/…: views, changes, appends
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let service = tokio::spawn(async { axum::serve(listener, mine).await });
    tokio::task::spawn_blocking(move || ask(&url)).await??;
    service.abort();
    Ok(served.stop()?)
}

/// A client of my routes, and of those of the library.
fn ask(url: &str) -> Result<(), ureq::Error> {
    println!("{}", ureq::post(format!("{url}/sell/nails/30")).send_empty()?.status());
    let append = ureq::post(format!("{url}/v1/streams/sales?wait=visible"));
    let mut told = append.content_type("text/csv").send("item,pieces\nnails,12\n")?;
    println!("{}", told.body_mut().read_to_string()?);
    for path in ["/sold/nails", "/v1/dataflows/shop/views/sold"] {
        let mut answer = ureq::get(format!("{url}{path}")).call()?;
        println!("{path}: {}", answer.body_mut().read_to_string()?);
    }
    Ok(())
}
