//! How does another program follow a view, through restarts? `cargo run --example subscribe`
//!
//! A subscriber resumes from its token. The server is this program again, as a process that dies.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitCode, Stdio};
use std::{collections::BTreeMap, error::Error, net::TcpListener, path::Path, time::Duration};

use dataflows::word_count;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// A copy of a view, exact at the epoch of its token. On a disk both are written together.
#[derive(Default)]
struct Copy {
    rows: BTreeMap<String, i64>,
    token: Option<String>,
}

impl Copy {
    /// Resumes from the token until `enough` rows are there; prints each change.
    fn follow(&mut self, at: &str, enough: usize) -> Outcome<()> {
        println!("from {}:", if self.token.is_some() { "the token" } else { "nothing" });
        let asked = ureq::get(format!("http://{at}/v1/dataflows/word_count/views/counts/changes"));
        let asked = asked.header("last-event-id", self.token.as_deref().unwrap_or_default());
        let (mut event, mut data, mut id) = (String::new(), serde_json::Value::Null, None);
        let mut lines = BufReader::new(asked.call()?.into_body().into_reader()).lines();
        while self.token.is_none() || self.rows.len() < enough {
            match lines.next().ok_or("the server is gone")??.split_once(": ") {
                Some(("event", name)) => name.clone_into(&mut event),
                Some(("data", text)) => data = serde_json::from_str(text)?,
                Some(("id", token)) => id = Some(token.to_owned()),
                Some(_) => {}
                // The event is whole. (Hold those without an id back until one with an id comes.)
                None if event == "reset" => self.rows.clear(),
                None => {
                    let list = if event == "snapshot" { "rows" } else { "changes" };
                    for change in data[list].take().as_array().into_iter().flatten() {
                        let (row, diff) = (change["row"].to_string(), change["diff"].as_i64());
                        println!("  {event}: {:+} {row}", diff.unwrap_or_default());
                        *self.rows.entry(row).or_default() += diff.unwrap_or_default();
                    }
                    self.rows.retain(|_, times| *times != 0);
                    self.token = id.take().or(self.token.take());
                }
            }
        }
        Ok(())
    }
}

fn serve(data: &Path, address: &str) -> Outcome<Child> {
    let arguments = ["serve", "word_count", "--for", "2m", "--data", "D", "--listen", address];
    let mut command = Command::new(std::env::current_exe()?);
    let child = command.args(arguments).current_dir(data).stderr(Stdio::null()).spawn()?;
    let mut tries = (0..1_000).inspect(|_| std::thread::sleep(Duration::from_millis(20)));
    let ready = |_| ureq::get(format!("http://{address}/readyz")).call().is_ok();
    if tries.any(ready) { Ok(child) } else { Err("the server does not get ready".into()) }
}

fn main() -> Outcome<ExitCode> {
    if std::env::args().len() > 1 {
        return Ok(diptych::main([("word_count", word_count)]));
    }
    let data = tempfile::tempdir()?;
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
    let append = |text: &str| -> Outcome<()> {
        let request = ureq::post(format!("http://{address}/v1/streams/lines?wait=visible"));
        Ok(request.content_type("text/csv").send(format!("text\n{text}\n")).map(drop)?)
    };
    let (mut copy, mut server) = (Copy::default(), serve(data.path(), &address)?);
    append("to be")?;
    copy.follow(&address, 2)?;
    append("or not to be")?;
    server.kill().and_then(|()| server.wait())?;
    let mut server = serve(data.path(), &address)?;
    append("that is")?;
    copy.follow(&address, 6)?;
    Ok(server.kill().map(|()| ExitCode::SUCCESS)?)
}
