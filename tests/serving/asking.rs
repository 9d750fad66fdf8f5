//! Requests of the tests, with answers as JSON.

use super::server::Server;

impl Server {
    /// Sends a GET; panics with the answer when it is not a success.
    pub(crate) fn get(&self, path: &str) -> serde_json::Value {
        let config = ureq::get(self.url(path)).config().http_status_as_error(false);
        let mut response = config.build().call().expect("an answer");
        let text = response.body_mut().read_to_string().expect("text");
        assert!(response.status().is_success(), "{path}: {text}");
        serde_json::from_str(&text).expect("JSON")
    }

    /// Appends NDJSON; returns the epoch, or the error (the server may be gone).
    pub(crate) fn append(&self, stream: &str, lines: &str) -> Result<u64, ureq::Error> {
        self.post(&format!("/v1/streams/{stream}"), lines)
    }

    /// Posts NDJSON to a path that answers with an epoch.
    pub(crate) fn post(&self, path: &str, lines: &str) -> Result<u64, ureq::Error> {
        let request = ureq::post(self.url(path)).header("content-type", "application/x-ndjson");
        let text = request.send(lines)?.body_mut().read_to_string()?;
        let answer: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        Ok(answer["epoch"].as_u64().expect("an epoch"))
    }

    /// All rows of a view as JSON texts, sorted, and their epoch.
    pub(crate) fn rows(&self, dataflow: &str, view: &str, more: &str) -> (Vec<String>, u64) {
        let path = format!("/v1/dataflows/{dataflow}/views/{view}?limit=10000&{more}");
        let answer = self.get(&path);
        let rows = answer["rows"].as_array().expect("rows");
        assert!(rows.len() < 10_000, "the test reads one page");
        let mut rows: Vec<_> = rows.iter().map(ToString::to_string).collect();
        rows.sort();
        (rows, answer["epoch"].as_u64().expect("an epoch"))
    }
}
