//! How does a client append exactly once, over HTTP? `cargo run --example exactly_once_client`
//!
//! The client numbers its requests and repeats each until it is answered. The server is this
//! program again, as a process that is killed four times meanwhile.

use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc::channel;
use std::{error::Error, net::TcpListener, path::Path, time::Duration};

use diptych::prelude::*;
use serde_json::Value;

#[derive(Event, Clone)]
struct Payment {
    account: String,
    cents: i64,
}

/// `paid`: (account) -> cents.
fn payments(df: &mut Dataflow) {
    let paid = df.events::<Payment>("payments").map(|p| (p.account.to_owned(), p.cents));
    df.view("paid", paid.sum("paid")).columns(&["account", "cents"]);
}

/// Sends request `number` until it is answered. A client that may die itself records the number and
/// the request before it sends.
fn send(url: &str, number: u64) -> Result<Value, Box<dyn Error>> {
    let path = format!("{url}/v1/streams/payments?producer=till-7&sequence={number}&wait=visible");
    for _attempt in 0..1_000 {
        let request = ureq::post(&path).content_type("application/json");
        let config = request.config().timeout_global(Some(Duration::from_secs(10)));
        match config.build().send(r#"{"account": "ada", "cents": 100}"#) {
            Ok(mut reply) => return Ok(serde_json::from_str(&reply.body_mut().read_to_string()?)?),
            Err(ureq::Error::StatusCode(status)) if status < 500 => {
                return Err(format!("refused with status {status}").into());
            }
            // No answer: the request may have been appended, or not.
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
    Err("no server has answered in 1,000 attempts".into())
}

fn serve(data: &Path, address: &str) -> std::io::Result<Child> {
    let arguments = ["serve", "payments", "--for", "2m", "--data", "D", "--listen", address];
    let mut command = Command::new(std::env::current_exe()?);
    command.args(arguments).current_dir(data).stderr(Stdio::null()).spawn()
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    if std::env::args().len() > 1 {
        return Ok(diptych::main([("payments", payments)]));
    }
    let data = tempfile::tempdir()?;
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
    let url = format!("http://{address}");
    let mut server = serve(data.path(), &address)?;
    let (order, orders) = channel::<()>();
    let killer = std::thread::spawn(move || -> std::io::Result<Child> {
        while orders.recv().is_ok() {
            server.kill().and_then(|()| server.wait())?;
            server = serve(data.path(), &address)?;
        }
        Ok(server)
    });
    for number in 0..200 {
        if number % 50 == 25 {
            order.send(())?; // The server dies somewhere in the next requests.
        }
        send(&url, number)?;
    }
    drop(order);
    let mut server = killer.join().map_err(|_| "the killer panicked")??;
    println!("the last one again: {}", send(&url, 199)?["repeated"]);
    let mut paid = ureq::get(format!("{url}/v1/dataflows/payments/views/paid")).call()?;
    let paid: Value = serde_json::from_str(&paid.body_mut().read_to_string()?)?;
    println!("200 payments of 100: {}", paid["rows"]);
    Ok(server.kill().map(|()| ExitCode::SUCCESS)?)
}
