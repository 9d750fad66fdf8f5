//! A client of changes that keeps a copy of a view, exactly as the documentation describes.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::time::Duration;

use serde_json::Value;

/// A copy of a view: each row's JSON text, with its multiplicity.
#[derive(Clone, Debug, Default)]
pub(crate) struct Subscriber {
    pub(crate) rows: BTreeMap<String, i64>,
    /// The last id, to resume from.
    pub(crate) token: Option<String>,
    /// Counts of the events that came, by name.
    pub(crate) seen: BTreeMap<String, usize>,
    buffered: Vec<(String, i64)>,
}

/// A request that may end in any status, or after `patience`.
pub(crate) fn get(
    url: &str,
    last: Option<&str>,
    patience: Duration,
) -> Result<ureq::http::Response<ureq::Body>, ureq::Error> {
    let mut request = ureq::get(url);
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    let config = request.config().http_status_as_error(false).timeout_global(Some(patience));
    config.build().call()
}

impl Subscriber {
    /// The first epoch that was not delivered.
    pub(crate) fn upper(&self) -> u64 {
        let token = self.token.as_deref().and_then(|token| token.rsplit_once('@'));
        let at = |(_, at): (&str, &str)| at.parse::<diptych::time::At>().expect("an epoch").epoch;
        token.map_or(0, at)
    }

    /// Connects, goes on from the token, and applies events until `enough` returns true, the
    /// connection ends, or `bytes` were read: a cut at any place. Returns the status.
    pub(crate) fn follow(
        &mut self,
        url: &str,
        bytes: u64,
        mut enough: impl FnMut(&Subscriber) -> bool,
    ) -> u16 {
        self.buffered.clear();
        let patience = Duration::from_mins(2);
        let Ok(response) = get(url, self.token.as_deref(), patience) else { return 0 };
        let status = response.status().as_u16();
        if status != 200 {
            return status;
        }
        let mut reader = BufReader::new(response.into_body().into_reader().take(bytes));
        let mut event = Vec::new();
        loop {
            let mut line = String::new();
            match reader.read_line(&mut line) {
                // The end, a cut within a line, or a dead server: what is not whole is nothing.
                Ok(_) if line.ends_with('\n') => {}
                _ => return status,
            }
            if line != "\n" {
                event.push(line.trim_end().to_owned());
                continue;
            }
            self.apply(&std::mem::take(&mut event));
            if enough(self) {
                return status;
            }
        }
    }

    fn apply(&mut self, lines: &[String]) {
        let field =
            |name: &str| lines.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let Some(name) = field("event") else { return };
        *self.seen.entry(name.to_owned()).or_default() += 1;
        let data: Value = serde_json::from_str(field("data").expect("data")).expect("JSON");
        let list = match name {
            "reset" => {
                self.rows.clear();
                self.buffered.clear();
                self.token = None;
                return;
            }
            "snapshot" => "rows",
            "part" | "change" => "changes",
            "epoch" | "progress" | "version" | "replay" => "",
            other => panic!("{other}: {data}"),
        };
        for item in data.get(list).and_then(Value::as_array).into_iter().flatten() {
            let diff = item["diff"].as_i64().expect("a diff");
            self.buffered.push((item["row"].to_string(), diff));
        }
        let Some(id) = field("id") else { return };
        let upper = self.upper();
        self.token = Some(id.to_owned());
        assert!(self.upper() >= upper, "{id} after {upper}");
        for (row, diff) in self.buffered.drain(..) {
            *self.rows.entry(row).or_default() += diff;
        }
        self.rows.retain(|_, times| *times != 0);
        // The views of these tests hold each row once: what is lost or repeated shows at once.
        let odd: Vec<_> = self.rows.iter().filter(|(_, times)| **times != 1).take(3).collect();
        assert!(odd.is_empty(), "at {id}: {odd:?}");
    }

    /// The rows, as the read of a whole view gives them.
    pub(crate) fn sorted(&self) -> Vec<String> {
        self.rows.keys().cloned().collect()
    }
}
