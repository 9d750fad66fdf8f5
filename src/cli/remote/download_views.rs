//! Downloads all views of a dataflow at one epoch, as an index.

use std::io::{BufRead, BufReader};

use serde_json::Value;

use super::{Remote, SILENCE, cells, column, encoded, server_errors};
use diptych_base::error::{Error, Kind, Result};
use diptych_base::time::Epoch;
use diptych_row::{Datum, RowSchema};
use diptych_serving::{Index, IndexOptions, ViewBatch, ViewInfo, ViewUpdate};

impl Remote {
    /// Reads every row of every view at `epoch`; they are all held in memory.
    ///
    /// # Errors
    /// When the server does not have that epoch, its answer is cut off, or its columns have types
    /// that are not known here.
    pub(crate) fn whole(&self, dataflow: &str, epoch: Epoch) -> Result<Index> {
        let path = format!("/v1/dataflows/{}/snapshot", encoded(dataflow));
        let asked = [("format", "ndjson".to_owned()), ("as_of", epoch.to_string())];
        let described = self.described(dataflow)?;
        let views = infos(&described).ok_or_else(|| self.strange(&path))?;
        let response = self.response(&path, &asked, None, SILENCE)?;
        let mut lines = BufReader::new(response.into_body().into_reader()).lines();
        let mut line = || -> Result<Value> {
            let line = lines.next().transpose();
            let line =
                line.map_err(|error| server_errors::unreachable(self.base(), &error.into()))?;
            let parsed = line.and_then(|line| serde_json::from_str(&line).ok());
            parsed.ok_or_else(|| self.strange(&path))
        };
        let about = line()?;
        if about["version"] != described["version"] {
            let message = format!("{dataflow}: another version serves since this began");
            return Err(Error::new(Kind::Conflict, message).remedy("try again"));
        }
        let mut rows: Vec<Vec<ViewUpdate>> = vec![Vec::new(); views.len()];
        loop {
            let next = line()?;
            if next["end"] == true {
                break;
            }
            let view = views.iter().position(|view| next["view"] == *view.name);
            let view = view.ok_or_else(|| self.strange(&path))?;
            let row = &next["row"];
            let times = row["_times"].as_i64().unwrap_or(1);
            rows[view].push((bytes(&views[view].schema, row)?, epoch, times as isize));
        }
        let version = about["version"].as_str().unwrap_or_default();
        let base = rows.into_iter().enumerate();
        let base = base.map(|(view, rows)| (view, 0, ViewBatch::from_updates(0, epoch + 1, rows)));
        let index = Index::new(version, views, 1, IndexOptions::default())?;
        index.install_base(epoch + 1, base.collect())?;
        Ok(index)
    }

    fn strange(&self, path: &str) -> Error {
        let message = format!("{}{path}: the answer is cut off, or not understood", self.base());
        Error::new(Kind::Input, message).remedy("try again; is the server of another release?")
    }
}

/// The schemas of the views in a described dataflow.
fn infos(described: &Value) -> Option<Vec<ViewInfo>> {
    let views = described["views"].as_array()?.iter().map(|view| {
        let key = view["key"].as_array()?.iter().map(column).collect::<Option<_>>()?;
        let value = view["value"].as_array()?.iter().map(column).collect::<Option<_>>()?;
        Some(ViewInfo { name: view["view"].as_str()?.to_owned(), schema: RowSchema { key, value } })
    });
    views.collect()
}

/// The ordered bytes of a row's key and value.
fn bytes(schema: &RowSchema, row: &Value) -> Result<(Vec<u8>, Vec<u8>)> {
    let mut key = Vec::new();
    let mut value = Vec::new();
    let cells: Vec<Datum> = cells(schema, row)?;
    for (place, (column, cell)) in schema.columns().zip(&cells).enumerate() {
        let out = if place < schema.key.len() { &mut key } else { &mut value };
        cell.encode(column, out)?;
    }
    Ok((key, value))
}
