//! The rows of a statement as a response body, record batch by record batch.

use std::io;

use arrow_array::RecordBatch;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::SchemaRef;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, header};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::cells::{self, Cells};
use super::{SqlColumn, SqlEpoch, streamed};
use diptych_base::limits::{PAGE_BYTES, SQL_HTTP_ROWS_MAX};
use diptych_site::budget;
use diptych_sql::{Notices, SqlError};

/// The format of the rows.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Format)]
pub(super) enum AnswerFormat {
    /// One document: columns, epochs, rows as lists, notices.
    #[default]
    Json,
    /// An object for each row, one a line.
    Ndjson,
    /// RFC 4180 with a header; an absent value is an empty field, an empty text is `""`.
    Csv,
    /// Arrow's IPC stream.
    Arrow,
}

impl AnswerFormat {
    /// The first known type of the Accept header; JSON otherwise.
    pub(super) fn accepted(headers: &HeaderMap) -> AnswerFormat {
        let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
        let types = accept.unwrap_or_default().split(',');
        let known = |text: &str| match text.split(';').next().unwrap_or_default().trim() {
            "application/json" => Some(AnswerFormat::Json),
            "application/x-ndjson" | "application/jsonl" => Some(AnswerFormat::Ndjson),
            "text/csv" => Some(AnswerFormat::Csv),
            "application/vnd.apache.arrow.stream" => Some(AnswerFormat::Arrow),
            _ => None,
        };
        types.into_iter().find_map(known).unwrap_or_default()
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            AnswerFormat::Json => "application/json",
            AnswerFormat::Ndjson => "application/x-ndjson",
            AnswerFormat::Csv => "text/csv; charset=utf-8",
            AnswerFormat::Arrow => "application/vnd.apache.arrow.stream",
        }
    }
}

type Rows = BoxStream<'static, Result<RecordBatch, SqlError>>;

/// The body that contains `rows`.
///
/// # Errors
/// When the schema cannot be written.
pub(super) fn body(
    format: AnswerFormat,
    schema: SchemaRef,
    rows: Rows,
    epochs: &[SqlEpoch],
    notices: Notices,
) -> Result<Body, SqlError> {
    let mut writer = Writer::new(format, &schema, epochs, notices)?;
    let head = std::mem::take(&mut writer.out);
    let rows = capped(rows).flat_map(pieces).map(Some).chain(stream::iter([None]));
    let chunks = rows.scan((writer, false), |(writer, over), batch| {
        let chunk = if *over { None } else { Some(writer.write(batch, over)) };
        std::future::ready(chunk)
    });
    let head = stream::iter([Ok(Bytes::from(head))]);
    let chunks = head.chain(chunks).filter(|chunk| {
        let empty = chunk.as_ref().is_ok_and(Bytes::is_empty);
        std::future::ready(!empty)
    });
    Ok(streamed(chunks))
}

/// Splits a batch into pieces of at most a page, or of one row, which are written at once.
fn pieces(batch: Result<RecordBatch, SqlError>) -> Rows {
    let Ok(whole) = &batch else { return stream::iter([batch]).boxed() };
    let rows = whole.num_rows();
    let bytes = whole.get_array_memory_size();
    let most = (rows * PAGE_BYTES / bytes.max(1)).max(1);
    if rows <= most {
        return stream::iter([batch]).boxed();
    }
    let whole = whole.clone();
    let starts = (0..rows).step_by(most);
    stream::iter(starts.map(move |start| Ok(whole.slice(start, most.min(rows - start))))).boxed()
}

/// Replaces the rows beyond the cap by an error.
fn capped(rows: Rows) -> Rows {
    let mut sent = 0;
    rows.map(move |batch| {
        let batch = batch?;
        sent += batch.num_rows();
        if sent > SQL_HTTP_ROWS_MAX {
            let message = format!(
                "the answer has more than {SQL_HTTP_ROWS_MAX} rows (add LIMIT or conditions)"
            );
            return Err(SqlError::new("54000", message));
        }
        Ok(batch)
    })
    .boxed()
}

struct Writer {
    format: AnswerFormat,
    names: Vec<String>,
    first: bool,
    out: Vec<u8>,
    arrow: Option<StreamWriter<Vec<u8>>>,
    notices: Notices,
}

impl Writer {
    fn new(
        format: AnswerFormat,
        schema: &SchemaRef,
        epochs: &[SqlEpoch],
        notices: Notices,
    ) -> Result<Writer, SqlError> {
        let names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
        let mut out = Vec::new();
        let mut arrow = None;
        match format {
            AnswerFormat::Json => {
                let column = |field: &std::sync::Arc<arrow_schema::Field>| SqlColumn {
                    name: field.name().clone(),
                    r#type: field.data_type().to_string(),
                };
                let columns: Vec<SqlColumn> = schema.fields().iter().map(column).collect();
                let head = json!({ "columns": columns, "epochs": epochs }).to_string();
                // The document's last brace follows the rows.
                out.extend_from_slice(&head.as_bytes()[..head.len() - 1]);
                out.extend_from_slice(b",\"rows\":[");
            }
            AnswerFormat::Ndjson => {}
            AnswerFormat::Csv => cells::csv_header(&names, &mut out),
            AnswerFormat::Arrow => {
                let mut writer = StreamWriter::try_new(Vec::new(), schema).map_err(unwritable)?;
                out.append(writer.get_mut());
                arrow = Some(writer);
            }
        }
        Ok(Writer { format, names, first: true, out, arrow, notices })
    }

    /// Writes a batch, or the end when there is none. An error ends the answer.
    fn write(
        &mut self,
        batch: Option<Result<RecordBatch, SqlError>>,
        over: &mut bool,
    ) -> io::Result<Bytes> {
        let outcome = match batch {
            Some(Ok(batch)) => self.rows(&batch).map_err(unwritable),
            Some(Err(error)) => Err(error),
            None => {
                *over = true;
                self.end(None)
            }
        };
        if let Err(error) = outcome {
            *over = true;
            self.end(Some(&error)).map_err(io::Error::other)?;
        }
        match budget::answer(std::mem::take(&mut self.out)) {
            Ok(chunk) => Ok(chunk),
            Err(full) => {
                *over = true;
                let error = SqlError::new("53200", full.to_string());
                self.end(Some(&error)).map_err(io::Error::other)?;
                Ok(std::mem::take(&mut self.out).into())
            }
        }
    }

    fn rows(&mut self, batch: &RecordBatch) -> Result<(), arrow_schema::ArrowError> {
        if let Some(arrow) = &mut self.arrow {
            arrow.write(batch)?;
            self.out.append(arrow.get_mut());
            return Ok(());
        }
        let columns: Vec<Cells<'_>> =
            batch.columns().iter().map(Cells::of).collect::<Result<_, _>>()?;
        for row in 0..batch.num_rows() {
            match self.format {
                AnswerFormat::Json => {
                    let comma: &[u8] = if self.first { b"[" } else { b",[" };
                    self.out.extend_from_slice(comma);
                    for (at, column) in columns.iter().enumerate() {
                        if at > 0 {
                            self.out.push(b',');
                        }
                        column.json(row, &mut self.out);
                    }
                    self.out.push(b']');
                }
                AnswerFormat::Csv => cells::csv_row(&columns, row, &mut self.out),
                AnswerFormat::Ndjson | AnswerFormat::Arrow => {
                    for (at, (column, name)) in columns.iter().zip(&self.names).enumerate() {
                        self.out.push(if at == 0 { b'{' } else { b',' });
                        cells::text(name, &mut self.out);
                        self.out.push(b':');
                        column.json(row, &mut self.out);
                    }
                    self.out.extend_from_slice(b"}\n");
                }
            }
            self.first = false;
        }
        Ok(())
    }

    /// Closes the answer, with an error where the format has a place for it.
    fn end(&mut self, error: Option<&SqlError>) -> Result<(), SqlError> {
        let told =
            error.map(|error| json!({ "sqlstate": error.sqlstate, "detail": error.message }));
        match (self.format, told) {
            (AnswerFormat::Json, told) => {
                let notices = Value::from(self.notices.all());
                let end = format!("],\"notices\":{notices}");
                self.out.extend_from_slice(end.as_bytes());
                if let Some(told) = told {
                    self.out.extend_from_slice(format!(",\"error\":{told}").as_bytes());
                }
                self.out.extend_from_slice(b"}\n");
            }
            (AnswerFormat::Ndjson, Some(told)) => {
                self.out.extend_from_slice(format!("{{\"error\":{told}}}\n").as_bytes());
            }
            (_, Some(_)) => return Err(error.cloned().unwrap_or_else(unreached)),
            (AnswerFormat::Arrow, None) => {
                if let Some(arrow) = &mut self.arrow {
                    arrow.finish().map_err(unwritable)?;
                    self.out.append(arrow.get_mut());
                }
            }
            (_, None) => {}
        }
        Ok(())
    }
}

fn unreached() -> SqlError {
    SqlError::new("XX000", "an answer broke off")
}

fn unwritable(error: arrow_schema::ArrowError) -> SqlError {
    SqlError::new("XX000", format!("the rows cannot be written: {error}"))
}
