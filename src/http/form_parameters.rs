//! Forms: the parameters of a read in the body, for keys that are too long for a URL.

use axum::http::{HeaderMap, StatusCode, Uri, header};
use utoipa::ToSchema;

use super::request_body::DecodedBody;
use diptych_base::error::{Error, Kind};
use diptych_site::budget::Claim;
use diptych_site::problem::Problem;

/// The content type of a form, whose parameters are written as in a URL.
pub(super) const FORM: &str = "application/x-www-form-urlencoded";

/// The parameters of GET that may be long; the others may be in either place.
#[derive(ToSchema)]
#[expect(dead_code, reason = "forms are read like addresses; this describes them")]
pub(super) struct Form {
    /// Keys in plain text.
    #[schema(required = false)]
    key: Vec<String>,
    /// Keys as JSON lists.
    #[schema(required = false)]
    key_json: Vec<String>,
    /// The first key of a range, in plain text.
    #[schema(required = false)]
    from: String,
    /// The first key of a range, as a JSON list.
    #[schema(required = false)]
    from_json: String,
    /// The key behind the range, in plain text.
    #[schema(required = false)]
    to: String,
    /// The key behind the range, as a JSON list.
    #[schema(required = false)]
    to_json: String,
    /// How the text column behind the values of the key begins.
    #[schema(required = false)]
    prefix: String,
    /// Where the page before ended.
    #[schema(required = false)]
    cursor: String,
}

/// Reads the parameters of the URL and then those of the body; the claim holds their bytes in the
/// budget of requests.
pub(super) fn form(
    uri: &Uri,
    headers: &HeaderMap,
    body: Result<DecodedBody, Problem>,
) -> Result<(String, Claim), Problem> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = given.unwrap_or("none").split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case(FORM) {
        let detail = format!("the content type is {essence} (send {FORM})");
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "input", detail));
    }
    let body = body?;
    let text = std::str::from_utf8(&body.bytes).map_err(|_| {
        Error::new(Kind::Input, "the form is not UTF-8")
            .remedy("encode the bytes of UTF-8 text as %41, and % itself as %25")
    })?;
    let text = format!("{}&{text}", uri.query().unwrap_or_default());
    Ok((text, body.into_claim()))
}
