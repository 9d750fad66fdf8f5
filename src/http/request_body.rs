//! The body of a request: complete, decompressed, and within bounds.
//!
//! Bodies may be compressed (RFC 9110, 8.4). The length of a decompressed body is bounded, and so
//! is the number that is decompressed at once: a few kilobytes can expand to any length.

use std::io::{self, ErrorKind, Read};

use axum::RequestExt;
use axum::body::{Bytes, HttpBody};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use flate2::read::MultiGzDecoder;
use http_body_util::{BodyExt, LengthLimitError};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::listener::{BodyRefusal, Fate};
use diptych_base::error::{Error, Kind, Result};
use diptych_base::limits::{
    BODIES_DECODED_MAX, BODY_CODINGS_MAX, BODY_PIECE_BYTES, ZSTD_WINDOW_LOG_MAX,
};
use diptych_site::blocking::blocking;
use diptych_site::budget::{Claim, ClaimedBytes, REQUESTS, decoded_bytes_max};
use diptych_site::problem::Problem;

/// The values that `Content-Encoding` may have.
const ACCEPTED: &str = "gzip, zstd";

static DECODING: Semaphore = Semaphore::const_new(BODIES_DECODED_MAX);

/// A decompressed body, kept until its records are parsed.
pub(super) struct DecodedBody {
    pub(super) bytes: Bytes,
    /// The permit to decode, if it was compressed.
    decoded: Option<SemaphorePermit<'static>>,
    /// The claim on the budget of requests for the bytes.
    claim: Claim,
}

impl DecodedBody {
    /// Whether the body was compressed; then it may be longer than its declared length.
    pub(super) fn was_encoded(&self) -> bool {
        self.decoded.is_some()
    }

    /// The claim for the bytes, for a caller that goes on with a copy of them.
    pub(super) fn into_claim(self) -> Claim {
        self.claim
    }
}

impl<S: Send + Sync> FromRequest<S> for DecodedBody {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<DecodedBody, Problem> {
        let codings = codings(request.headers())?;
        let (bytes, claim) = gathered(request).await?;
        if codings.is_empty() {
            return Ok(DecodedBody { bytes: bytes.into(), decoded: None, claim });
        }
        // The semaphore is never closed.
        let decoded = DECODING.acquire().await.ok();
        blocking(move || {
            let plain = decode(&bytes, &codings, decoded_bytes_max());
            drop((bytes, claim));
            // The client may be gone: the permit is released with the work.
            Ok(plain.map(|(bytes, claim)| DecodedBody { bytes: bytes.into(), decoded, claim }))
        })
        .await?
    }
}

/// Reads all bytes of a body.
async fn gathered(request: Request) -> Result<(Vec<u8>, Claim), Problem> {
    let fate = request.extensions().get::<Fate>().cloned();
    let mut body = request.into_limited_body();
    let expected = body.size_hint().exact().and_then(|exact| usize::try_from(exact).ok());
    let mut gathered = ClaimedBytes::new(REQUESTS.claim(), expected);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(unreadable)?.into_data() else { continue };
        if let Err(full) = gathered.push(&data) {
            fate.inspect(|fate| fate.refuse(BodyRefusal::NoRoom));
            return Err(full.into());
        }
    }
    Ok(gathered.finish())
}

/// An extractor for requests without a body; it refuses one, because its contents would be ignored.
pub(super) struct NoBody;

impl<S: Send + Sync> FromRequest<S> for NoBody {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<NoBody, Problem> {
        let mut body = request.into_body();
        // An empty object has no contents, either.
        let mut left = b"{}".iter();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(unreadable)?;
            let said = frame.data_ref().is_some_and(|data| {
                data.iter().any(|byte| !byte.is_ascii_whitespace() && left.next() != Some(byte))
            });
            if said {
                return Err(Error::new(Kind::Input, "this takes no body")
                    .remedy("say all of it in the address, behind a question mark")
                    .into());
            }
        }
        Ok(NoBody)
    }
}

/// The problem of a body that did not arrive, or is too large.
fn unreadable(error: axum::Error) -> Problem {
    let mut cause: Option<&dyn std::error::Error> = Some(&error);
    while let Some(found) = cause {
        if found.is::<LengthLimitError>() {
            let detail = "the body is too long (send it in smaller pieces)".to_owned();
            return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "input", detail);
        }
        cause = found.source();
    }
    let detail = format!("the body cannot be read: {error} (send the request again)");
    Problem::new(StatusCode::BAD_REQUEST, "input", detail)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Gzip,
    Zstd,
}

/// The codings of the body, in the order in which they were applied.
fn codings(headers: &HeaderMap) -> Result<Vec<Coding>, Problem> {
    let mut codings = Vec::new();
    for value in headers.get_all(header::CONTENT_ENCODING) {
        for name in value.to_str().unwrap_or("?").split(',').map(str::trim) {
            let coding = match name.to_ascii_lowercase().as_str() {
                "" | "identity" => continue,
                "gzip" | "x-gzip" => Coding::Gzip,
                "zstd" => Coding::Zstd,
                other => return Err(unsupported(&format!("the content encoding is {other:?}"))),
            };
            if codings.len() == BODY_CODINGS_MAX {
                return Err(unsupported(&format!(
                    "more than {BODY_CODINGS_MAX} content encodings"
                )));
            }
            codings.push(coding);
        }
    }
    Ok(codings)
}

fn unsupported(what: &str) -> Problem {
    let what: String = what.chars().take(100).collect();
    let detail = format!("{what} (send the body plain, or as {ACCEPTED})");
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "input", detail)
        .accepting(header::ACCEPT_ENCODING, ACCEPTED)
}

/// Decodes `bytes` through all codings; no layer may have more than `most` bytes.
fn decode(bytes: &[u8], codings: &[Coding], most: u64) -> Result<(Vec<u8>, Claim), Problem> {
    let windows = codings.iter().filter(|coding| **coding == Coding::Zstd).count();
    let mut window = REQUESTS.claim();
    window.grow_to(windows << ZSTD_WINDOW_LOG_MAX)?;
    let mut reader: Box<dyn Read + '_> = Box::new(bytes);
    for coding in codings.iter().rev() {
        let decoder: Box<dyn Read + '_> = match coding {
            Coding::Gzip => Box::new(MultiGzDecoder::new(reader)),
            Coding::Zstd => Box::new(zstd(reader).map_err(|error| refused(&error, most))?),
        };
        reader = Box::new(Within { inner: decoder, left: most });
    }
    let mut plain = ClaimedBytes::new(REQUESTS.claim(), None);
    let mut piece = vec![0; BODY_PIECE_BYTES];
    loop {
        match reader.read(&mut piece) {
            Ok(0) => return Ok(plain.finish()),
            Ok(read) => plain.push(&piece[..read])?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(refused(&error, most)),
        }
    }
}

fn zstd<'r>(reader: impl Read + 'r) -> io::Result<impl Read + 'r> {
    let mut decoder = zstd::stream::read::Decoder::new(reader)?;
    decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
    Ok(decoder)
}

/// A reader that bounds a layer: the bytes between two codings can be many, too.
struct Within<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Within<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        match self.left.checked_sub(read as u64) {
            Some(left) => self.left = left,
            None => return Err(ErrorKind::FileTooLarge.into()),
        }
        Ok(read)
    }
}

fn refused(error: &io::Error, most: u64) -> Problem {
    if error.kind() == ErrorKind::FileTooLarge {
        let detail = format!(
            "the body has more than {most} bytes when it is decompressed (send \
                              several requests)"
        );
        return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "input", detail);
    }
    let detail = format!(
        "the body is not what its content encoding says: {error} (compress it \
                          again)"
    );
    Problem::new(StatusCode::BAD_REQUEST, "input", detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    /// The most bytes of a body in these tests.
    const MOST: u64 = 1 << 20;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        zstd::encode_all(bytes, 1).expect("memory")
    }

    fn status(bytes: &[u8], codings: &[Coding]) -> u16 {
        let problem = decode(bytes, codings, MOST).expect_err("refused");
        axum::response::IntoResponse::into_response(problem).status().as_u16()
    }

    #[test]
    fn bodies_are_decoded_layer_by_layer_and_member_by_member() {
        let one = b"{\"text\": \"to be\"}\n";
        let two = b"{\"text\": \"or not\"}\n";
        let both = [&one[..], two].concat();
        for (encoded, codings) in [
            (gzip(&both), vec![Coding::Gzip]),
            (zstd(&both), vec![Coding::Zstd]),
            ([gzip(one), gzip(two)].concat(), vec![Coding::Gzip]),
            ([zstd(one), zstd(two)].concat(), vec![Coding::Zstd]),
            (zstd(&gzip(&both)), vec![Coding::Gzip, Coding::Zstd]),
            (gzip(&zstd(&both)), vec![Coding::Zstd, Coding::Gzip]),
            (both.clone(), vec![]),
        ] {
            let (plain, _) = decode(&encoded, &codings, MOST).expect("decoded");
            assert_eq!(plain, both, "{codings:?}");
            for cut in 1..encoded.len() {
                // A cut body never decodes to anything but a prefix of whole members.
                if let Ok((part, _)) = decode(&encoded[..cut], &codings, MOST) {
                    assert!(both.starts_with(&part), "{codings:?} cut at {cut}");
                }
            }
        }
    }

    #[test]
    fn what_is_not_what_it_says_is_refused() {
        let text = b"{\"text\": \"to be\"}\n";
        for coding in [Coding::Gzip, Coding::Zstd] {
            assert_eq!(status(text, &[coding]), 400, "{coding:?}");
        }
        assert_eq!(status(&[&gzip(text)[..], b"more"].concat(), &[Coding::Gzip]), 400);
        assert_eq!(status(&gzip(text)[..20], &[Coding::Gzip]), 400);
        assert_eq!(status(&zstd(text)[..20], &[Coding::Zstd]), 400);
        assert_eq!(status(&gzip(text), &[Coding::Gzip, Coding::Gzip]), 400);
    }

    #[test]
    fn a_body_that_grows_without_bound_is_refused_at_the_bound() {
        let zeros = vec![0; MOST as usize];
        let more = vec![0; MOST as usize + 1];
        for (encode, coding) in
            [(gzip as fn(&[u8]) -> Vec<u8>, Coding::Gzip), (zstd as fn(&[u8]) -> _, Coding::Zstd)]
        {
            let (there, _) = decode(&encode(&zeros), &[coding], MOST).expect("as much as may be");
            assert_eq!(there.len() as u64, MOST);
            assert!(encode(&more).len() < 16 << 10, "{} bytes", encode(&more).len());
            assert_eq!(status(&encode(&more), &[coding]), 413, "{coding:?}");
            assert_eq!(status(&encode(b"member").repeat(1 << 18), &[coding]), 413, "{coding:?}");
        }
        // Thousands of empty members: nothing comes out of the last layer.
        let empty = gzip(b"").repeat(1 << 17);
        assert_eq!(status(&zstd(&empty), &[Coding::Gzip, Coding::Zstd]), 413);
    }

    #[test]
    fn codings_are_told_apart_by_name() {
        let of = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                let value = axum::http::HeaderValue::from_static(value);
                headers.append(header::CONTENT_ENCODING, value);
            }
            codings(&headers)
        };
        assert_eq!(of(&[]).ok(), Some(vec![]));
        assert_eq!(of(&["identity"]).ok(), Some(vec![]));
        assert_eq!(of(&["GZip , zstd"]).ok(), Some(vec![Coding::Gzip, Coding::Zstd]));
        assert_eq!(of(&["zstd", "x-gzip"]).ok(), Some(vec![Coding::Zstd, Coding::Gzip]));
        for refused in [&["br"][..], &["gzip", "deflate"], &["gzip,gzip,gzip"]] {
            let problem = of(refused).expect_err("refused");
            let response = axum::response::IntoResponse::into_response(problem);
            assert_eq!(response.status(), 415, "{refused:?}");
            assert_eq!(response.headers()[header::ACCEPT_ENCODING], ACCEPTED);
        }
    }
}
