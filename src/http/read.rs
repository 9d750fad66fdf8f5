//! Reads of a view: by key, by keys, by range, by prefix, page by page.
//!
//! Point reads at the latest epoch are what servers are measured by, so they take a shorter way: no
//! lease, and the answer is written straight from the index's bytes.

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::cursor::ReadPlace;
use super::form_parameters::{FORM, Form, form};
use super::json_answer::{About, json, made, write_row};
use super::openapi::Routes;
use super::request_body::DecodedBody;
use super::request_parameters::{Query, segment};
use diptych_base::error::{Error, Kind, Result};
use diptych_base::limits::{
    KEYS_BYTES_MAX, PAGE_BYTES, READ_KEYS_MAX, READ_ROWS, READ_ROWS_INLINE, READ_ROWS_MAX,
};
use diptych_row::{ByteRange, Datum, RowSchema};
use diptych_serving::{Cursor, Latest, Page, Snapshot, ViewInfo};
use diptych_site::problem::{self, Problem};
use diptych_site::read_mode::Mode;
use diptych_site::site::{Flow, Site};

pub(super) fn routes() -> Routes {
    OpenApiRouter::new().routes(routes!(read, read_form))
}

/// Rows of a view at one epoch.
#[derive(ToSchema)]
#[expect(dead_code, reason = "answers are written by hand; this describes them")]
struct Rows {
    /// The dataflow.
    dataflow: String,
    /// Its version.
    version: String,
    /// The epoch of the rows; null when no epoch is complete yet.
    epoch: Option<u64>,
    /// The same with the branch of the log that it is of, `EPOCH~BRANCH`: for `at_least` and
    /// `as_of`, which refuse it when the log that answers has another history. Left out without an
    /// epoch.
    #[schema(nullable = false)]
    at: Option<String>,
    /// Where the batch layer's part ends, and the speed layer's begins.
    boundary: u64,
    /// True, and otherwise left out, when the dataflow is still catching up with what was in the
    /// log when the process was started: the answer is right at its epoch, and others are to come.
    stale: Option<bool>,
    /// Left out unless `as_of` is a time near which the clock of the log jumped: the first epoch,
    /// before the one of the answer, whose clock is later than that time.
    clock_jumped: Option<u64>,
    /// One object per row, a member per column, in order of key and value; a row that is there
    /// more or less often than once has the member `_times`. Of several keys the rows come in the
    /// order of the keys.
    #[schema(value_type = Vec<Object>)]
    rows: Vec<()>,
    /// Give it back to read on at the same epoch; null at the end.
    #[schema(required)]
    cursor: Option<String>,
}

/// The path in the description and the metrics.
pub(super) const PATH: &str = "/v1/dataflows/{dataflow}/views/{view}";

/// The parameters that may be given more than once.
const LISTS: &[&str] = &["key", "key_json"];

const KNOWN: &[&str] = &[
    "key",
    "key_json",
    "from",
    "from_json",
    "to",
    "to_json",
    "prefix",
    "limit",
    "cursor",
    "at_least",
    "timeout",
    "as_of",
    "mode",
    "stale",
];

/// Reads rows of a view at one epoch.
///
/// `key` is plain text: commas separate the values of a key, and a key of one column is taken
/// whole, whatever it contains. `key_json` is a JSON list, which can have any value:
/// `key_json=["a,b",1,null]`; numbers are taken as they are spelled. The same holds for `from` and
/// `to`. A key may be incomplete: `key=2016` reads all keys whose first value is 2016.
#[utoipa::path(get, path = "/v1/dataflows/{dataflow}/views/{view}", tag = "views",
    params(
        ("dataflow" = String, Path, description = "A served dataflow"),
        ("view" = String, Path, description = "One of its views"),
        ("key" = Option<Vec<String>>, Query, explode = true, style = Form,
         description = "A key in plain text; several are looked up in one go"),
        ("key_json" = Option<Vec<String>>, Query, explode = true, style = Form,
         description = "A key as a JSON list, with null for an absent value"),
        ("from" = Option<String>, Query, description = "The first key of a range, in plain text"),
        ("from_json" = Option<String>, Query,
         description = "The first key of a range, as a JSON list"),
        ("to" = Option<String>, Query, description = "The key behind the range, in plain text"),
        ("to_json" = Option<String>, Query,
         description = "The key behind the range, as a JSON list"),
        ("prefix" = Option<String>, Query,
         description = "How the text column behind the values of `key` or `key_json` begins"),
        ("limit" = Option<u64>, Query, minimum = 1, maximum = 10000,
         description = "Rows at most; of long rows a page has fewer (about 8 MiB)"),
        ("cursor" = Option<String>, Query,
         description = "Where the page before ended, of the same rows"),
        ("at_least" = Option<String>, Query, pattern = "^[0-9]+(~[0-9a-f]{16})?$",
         description = "Wait until this epoch is complete: with the place that an append was \
                        answered with (`at`), read your writes"),
        ("timeout" = Option<String>, Query, pattern = "^[0-9]+(ms|s|m)?$",
         description = "How long to wait at most; 10s by default, at most 60s"),
        ("as_of" = Option<String>, Query,
         description = "Exactly this epoch (its number, or the `at` of an answer), or the last one \
                        whose clock is at or before this time (RFC 3339)"),
        ("mode" = Option<String>, Query, pattern = "^(latest|verified)$",
         description = "`verified`: the last epoch that an independent batch run has proved"),
        ("stale" = Option<String>, Query, pattern = "^ok$",
         description = "`ok`: while the process catches up with the log after a start, answer at \
                        the latest epoch there is, which may be one before others that were seen; \
                        otherwise the request waits, at most for `timeout`"),
    ),
    responses(
        (status = 200, description = "The rows", body = Rows),
        (status = 400, description = "A parameter is wrong; it is named",
         body = problem::ProblemDocument, content_type = "application/problem+json"),
        (status = 404, description = "No such dataflow, view or epoch",
         body = problem::ProblemDocument, content_type = "application/problem+json"),
        (status = 409, description = "The log contradicts the request",
         body = problem::ProblemDocument, content_type = "application/problem+json"),
        (status = 503, description = "Not now", body = problem::ProblemDocument,
         content_type = "application/problem+json"),
    ))]
async fn read(State(site): State<Arc<Site>>, uri: Uri) -> Result<Response, Problem> {
    let dataflow = segment(&uri, 2)?;
    let view = segment(&uri, 4)?;
    let flow = site.flow(&dataflow)?;
    if let Some(key) = uri.query().and_then(|query| query.strip_prefix("key="))
        && let Some(answer) = point(flow, &view, key)?
    {
        return Ok(answer);
    }
    answered(&site, flow, view, &Query::with_lists(&uri, KNOWN, LISTS)?).await
}

/// Reads rows of a view at one epoch, asked for in a form.
///
/// The parameters are those of the same path with GET, in the body: for keys that are too long for
/// an address. It changes nothing.
#[utoipa::path(post, path = "/v1/dataflows/{dataflow}/views/{view}", tag = "views",
    params(
        ("dataflow" = String, Path, description = "A served dataflow"),
        ("view" = String, Path, description = "One of its views"),
    ),
    request_body(description = "The parameters of GET", content_type = FORM, content = Form),
    responses(
        (status = 200, description = "The rows", body = Rows),
        (status = 400, description = "A parameter is wrong; it is named",
         body = problem::ProblemDocument, content_type = "application/problem+json"),
        (status = 404, description = "No such dataflow, view or epoch",
         body = problem::ProblemDocument, content_type = "application/problem+json"),
        (status = 409, description = "The log contradicts the request",
         body = problem::ProblemDocument, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = problem::ProblemDocument,
         content_type = "application/problem+json"),
        (status = 415, description = "The content type is another", body = problem::ProblemDocument,
         content_type = "application/problem+json"),
        (status = 503, description = "Not now", body = problem::ProblemDocument,
         content_type = "application/problem+json"),
    ))]
async fn read_form(
    State(site): State<Arc<Site>>,
    uri: Uri,
    headers: HeaderMap,
    body: Result<DecodedBody, Problem>,
) -> Result<Response, Problem> {
    let dataflow = segment(&uri, 2)?;
    let view = segment(&uri, 4)?;
    let flow = site.flow(&dataflow)?;
    let (text, _claim) = form(&uri, &headers, body)?;
    answered(&site, flow, view, &Query::of_text(&text, KNOWN, LISTS)?).await
}

async fn answered(
    site: &Site,
    flow: &Flow,
    view: Cow<'_, str>,
    query: &Query<'_>,
) -> Result<Response, Problem> {
    let mode = query.mode()?;
    let limit = query.limit(READ_ROWS, READ_ROWS_MAX)?;
    let index = flow.serving.index();
    let (_, info) = find(index.views(), &view)?;
    match asked(query, &info.schema)? {
        Asked::Keys(keys) => {
            let snapshot = site.snapshot_within(flow, mode, query.timeout()?).await?;
            still(&snapshot, &view, &info.schema)?;
            let stored = snapshot.is_stored();
            let flow = flow.name.clone();
            let view = view.into_owned();
            let work = move || read_keys(&flow, &snapshot, &view, &keys, limit);
            Ok(if stored { made(work).await? } else { work()? })
        }
        Asked::Range(range) => {
            let range = (range, &info.schema);
            read_range(site, flow, &view, query, mode, range, limit).await
        }
    }
}

/// The rows of one key at the latest epoch; none when `text` is not exactly one whole key, has to
/// be decoded, or has many rows.
pub(super) fn point(flow: &Flow, view: &str, text: &str) -> Result<Option<Response>> {
    if text.bytes().any(|byte| matches!(byte, b'&' | b'%' | b'+')) {
        return Ok(None);
    }
    let index = flow.serving.index();
    // A stale index may have to wait; one without an epoch may have stopped.
    if index.is_stale() || index.frontier() == 0 {
        return Ok(None);
    }
    let (id, info) = find(index.views(), view)?;
    let mut key = Vec::with_capacity(text.len() + 16);
    if !info.schema.key_of_text(text, &mut key)? {
        return Ok(None);
    }
    let mut answer = Answer::new(&info.schema, READ_ROWS);
    let whole = answer.latest(flow, &index.latest(), id, &key)?;
    Ok(whole.then(|| answer.finish(None)))
}

fn find<'v>(views: &'v [ViewInfo], name: &str) -> Result<(usize, &'v ViewInfo)> {
    views.iter().enumerate().find(|(_, view)| view.name == name).ok_or_else(|| {
        let names: Vec<_> = views.iter().map(|view| view.name.as_str()).collect();
        Error::new(Kind::Missing, format!("there is no view called {name:?}"))
            .remedy(format!("the views are {}", names.join(", ")))
    })
}

/// The rows that are asked for.
enum Asked {
    /// The rows of several whole keys.
    Keys(Vec<Vec<u8>>),
    Range(ByteRange),
}

fn asked(query: &Query<'_>, schema: &RowSchema) -> Result<Asked> {
    let from = bound(query, ["from", "from_json"], schema)?;
    let to = bound(query, ["to", "to_json"], schema)?;
    let prefix = query.one("prefix")?;
    let ranged = from.is_some() || to.is_some();
    let keys = query.each(KEY).take(READ_KEYS_MAX + 1).count();
    if ranged && (prefix.is_some() || keys > 0) || prefix.is_some() && keys > 1 {
        let message =
            "several ways to say which rows: key, from and to, or prefix (behind one key)";
        return Err(Error::new(Kind::Input, message).remedy("give one of them"));
    }
    if ranged {
        return Ok(Asked::Range(ByteRange { start: from.unwrap_or_default(), end: to }));
    }
    let one = || query.each(KEY).next().map(|given| values(schema, KEY, given)).transpose();
    match (keys, prefix) {
        (_, Some(prefix)) => {
            schema.text_range_of(&one()?.unwrap_or_default(), prefix).map(Asked::Range)
        }
        (0, None) => Ok(Asked::Range(ByteRange::all())),
        (1, None) => schema.range_of_values(&one()?.unwrap_or_default()).map(Asked::Range),
        (_, None) => whole_keys(schema, query).map(Asked::Keys),
    }
}

fn whole_keys(schema: &RowSchema, query: &Query<'_>) -> Result<Vec<Vec<u8>>> {
    let keys = query.each(KEY).count();
    if keys > READ_KEYS_MAX {
        let message = format!("{keys} keys, of at most {READ_KEYS_MAX}");
        return Err(Error::new(Kind::Input, message).remedy("ask in several requests"));
    }
    let whole = |given: (usize, &str)| {
        let values = values(schema, KEY, given)?;
        if values.len() < schema.key.len() {
            let text: String = given.1.chars().take(100).collect();
            let message =
                format!("key {text:?} has {} of {} values", values.len(), schema.key.len());
            return Err(Error::new(Kind::Input, message)
                .remedy("give whole keys, or one key that is begun"));
        }
        schema.encode_key(&values)
    };
    query.each(KEY).map(whole).collect()
}

/// The parameters of a key: plain text, and a JSON list.
const KEY: [&str; 2] = ["key", "key_json"];

/// The values of a key: plain text in one parameter, JSON in the other.
fn values(
    schema: &RowSchema,
    names: [&str; 2],
    (which, text): (usize, &str),
) -> Result<Vec<Datum>> {
    let values = if which == 0 { schema.values_of_text(text) } else { schema.values_of_json(text) };
    // `key` is the most frequent parameter, and its errors name the column.
    values.map_err(|error| if names[which] == "key" { error } else { error.within(names[which]) })
}

/// The bound of a range, in plain text or JSON.
fn bound(query: &Query<'_>, names: [&str; 2], schema: &RowSchema) -> Result<Option<Vec<u8>>> {
    let mut given = query.each(names);
    let first = given.next();
    if given.next().is_some() {
        let message =
            format!("parameters {} and {} are one bound, given twice", names[0], names[1]);
        return Err(Error::new(Kind::Input, message).remedy("give one of them, once"));
    }
    let key = |given| schema.encode_key(&values(schema, names, given)?);
    first.map(key).transpose()
}

/// An answer that is being written.
struct Answer<'s> {
    schema: &'s RowSchema,
    text: Vec<u8>,
    left: usize,
    first: bool,
}

impl<'s> Answer<'s> {
    fn new(schema: &'s RowSchema, limit: usize) -> Self {
        Answer { schema, text: Vec::with_capacity(256), left: limit, first: true }
    }

    fn begin(&mut self, about: About<'_>) {
        about.write(&mut self.text);
        self.text.extend_from_slice(b",\"rows\":[");
    }

    fn row(&mut self, key: &[u8], value: &[u8], times: isize) -> Result<()> {
        if !std::mem::take(&mut self.first) {
            self.text.push(b',');
        }
        self.left = self.left.saturating_sub(1);
        write_row(self.schema, key, value, times, &mut self.text)
    }

    /// Writes all rows of a key; false when there may be more than the limit.
    fn latest(&mut self, flow: &Flow, at: &Latest<'_>, view: usize, key: &[u8]) -> Result<bool> {
        self.begin(About::of_latest(&flow.name, at));
        let mut outcome = Ok(());
        let few = at.get_with(view, key, self.left, |value, times| {
            // An answer that has become too long is sent in pages.
            if outcome.is_ok() && self.text.len() <= PAGE_BYTES {
                outcome = self.row(key, value, times);
            }
        });
        outcome.map(|()| few && self.text.len() <= PAGE_BYTES)
    }

    fn finish(mut self, cursor: Option<ReadPlace>) -> Response {
        match cursor {
            None => self.text.extend_from_slice(b"],\"cursor\":null}"),
            Some(place) => {
                self.text.extend_from_slice(b"],\"cursor\":\"");
                self.text.extend_from_slice(place.to_text().as_bytes());
                self.text.extend_from_slice(b"\"}");
            }
        }
        json(self.text)
    }
}

/// The view's number, if its columns are those with which the keys were parsed: another version may
/// have taken over since.
fn still(snapshot: &Snapshot, view: &str, schema: &RowSchema) -> Result<usize> {
    let (id, info) = find(snapshot.views(), view)?;
    if info.schema.key == schema.key {
        return Ok(id);
    }
    let message = format!("view {view:?} has got other keys: another version serves");
    Err(Error::new(Kind::Busy, message).remedy("ask again"))
}

fn read_keys(
    flow: &str,
    snapshot: &Snapshot,
    view: &str,
    keys: &[Vec<u8>],
    limit: usize,
) -> Result<Response> {
    let (id, info) = find(snapshot.views(), view)?;
    let mut answer = Answer::new(&info.schema, limit);
    answer.begin(About::of(flow, snapshot));
    let mut rows = 0;
    let mut outcome = Ok(());
    for key in keys {
        snapshot.get_with(id, key, |value, times| {
            rows += 1;
            if outcome.is_ok() && rows <= limit && answer.text.len() <= KEYS_BYTES_MAX {
                outcome = answer.row(key, value, times);
            }
        })?;
    }
    outcome?;
    if rows > limit {
        let message = format!("{} keys have {rows} rows, over the limit of {limit}", keys.len());
        return Err(Error::new(Kind::Input, message).remedy("ask for fewer keys or more rows"));
    }
    if answer.text.len() > KEYS_BYTES_MAX {
        let message = format!("the rows of {} keys have over {KEYS_BYTES_MAX} bytes", keys.len());
        return Err(Error::new(Kind::Input, message)
            .remedy("ask for fewer keys, or for one at a time: its rows come in pages"));
    }
    Ok(answer.finish(None))
}

async fn read_range(
    site: &Site,
    flow: &Flow,
    view: &str,
    query: &Query<'_>,
    mode: Mode,
    (range, schema): (ByteRange, &RowSchema),
    limit: usize,
) -> Result<Response, Problem> {
    let place = query.one("cursor")?.map(ReadPlace::from_text).transpose()?;
    let snapshot = match &place {
        Some(place) if mode == Mode::Latest => {
            site.check_history(place.at())
                .await
                .map_err(|error| error.within("the cursor").remedy("start again without it"))?;
            site.caught_up(flow, place.epoch, query.timeout()?).await?;
            resume(flow, place)?
        }
        _ => site.snapshot_within(flow, mode, query.timeout()?).await?,
    };
    if let Some(place) = &place {
        place.check(&flow.name, view, &snapshot)?;
    }
    let id = still(&snapshot, view, schema)?;
    let flow = flow.name.clone();
    let view = view.to_owned();
    let passes = place.as_ref().is_some_and(|place| place.cursor.passes_rows());
    let at_once = limit <= READ_ROWS_INLINE && !snapshot.is_stored() && !passes;
    let work = move || {
        let after = place.as_ref().map(|place| &place.cursor);
        let page = snapshot.page(id, &range, after, limit)?;
        page_answer(&flow, &view, &snapshot, id, after, page)
    };
    // A few rows are read at once; many rows, or rows on disk, would hold up the other requests of
    // this thread.
    Ok(if at_once { work()? } else { made(work).await? })
}

/// A snapshot at the epoch of the previous page.
fn resume(flow: &Flow, place: &ReadPlace) -> Result<Arc<Snapshot>> {
    use diptych_serving::Read;
    flow.serving.snapshot(Read::AsOf(place.epoch)).map(Arc::new).map_err(|error| {
        let epoch = place.epoch;
        let since = flow.serving.index().since();
        if epoch >= since {
            return error;
        }
        let message =
            format!("the index has let go of the cursor's epoch {epoch}: since is {since}");
        let remedy = format!("start again without it, or pay for a replay with as_of={epoch}");
        Error::new(Kind::Missing, message).remedy(remedy)
    })
}

fn page_answer(
    flow: &str,
    view: &str,
    snapshot: &Snapshot,
    id: usize,
    after: Option<&Cursor>,
    mut page: Page,
) -> Result<Response> {
    let next = ReadPlace::behind(flow, view, snapshot, after, &mut page);
    if next.is_some() {
        snapshot.keep_epoch();
    }
    let mut answer = Answer::new(&snapshot.views()[id].schema, page.rows.len());
    answer.begin(About::of(flow, snapshot));
    for row in &page.rows {
        answer.row(&row.key, &row.value, row.multiplicity)?;
    }
    Ok(answer.finish(next))
}
