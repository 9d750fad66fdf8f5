//! The parameters of a request, in its path and its query string.
//!
//! They are parsed by hand: most requests have one short parameter that borrows from the URI, and
//! an error is a problem that names the parameter. An unknown parameter is refused on every path,
//! because a misspelt `limt` would be ignored in silence; so is one given twice.

use std::borrow::Cow;
use std::str::FromStr;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::Uri;
use axum::http::request::Parts;

use diptych_base::error::{Error, Kind, Result};
use diptych_base::limits::{READ_WAIT, READ_WAIT_MAX};
use diptych_base::time::At;
use diptych_event::Timestamp;
use diptych_site::problem::Problem;
use diptych_site::read_mode::Mode;

/// The parameters of the query string.
pub(crate) struct Query<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Query<'a> {
    /// Parses the parameters of `uri`: all must be among `known`, each at most once.
    ///
    /// # Errors
    /// When one is not known, is given twice, or is not text.
    pub(crate) fn of(uri: &'a Uri, known: &[&str]) -> Result<Query<'a>> {
        Query::with_lists(uri, known, &[])
    }

    /// Parses the parameters of `uri`: all must be among `known`; those in `lists` may be repeated.
    ///
    /// # Errors
    /// As for [`Query::of`].
    pub(crate) fn with_lists(uri: &'a Uri, known: &[&str], lists: &[&str]) -> Result<Query<'a>> {
        Query::of_text(uri.query().unwrap_or_default(), known, lists)
    }

    /// Parses the parameters of a form, which are written as in a URL.
    ///
    /// # Errors
    /// As for [`Query::of`].
    pub(crate) fn of_text(text: &'a str, known: &[&str], lists: &[&str]) -> Result<Query<'a>> {
        let mut pairs: Vec<(Cow<'a, str>, Cow<'a, str>)> = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decoded(name, true)?;
            if !known.contains(&name.as_ref()) {
                let message = format!("parameter {name:?} is not known here");
                let remedy = match known {
                    [] => "leave it out".to_owned(),
                    _ => format!("known are {}", known.join(", ")),
                };
                return Err(Error::new(Kind::Input, message).remedy(remedy));
            }
            // `pairs` holds at most one of each known name, besides the lists.
            if !lists.contains(&name.as_ref()) && pairs.iter().any(|known| known.0 == name) {
                return Err(Error::new(Kind::Input, format!("parameter {name} is given twice"))
                    .remedy("give it once"));
            }
            let value = decoded(value, true).map_err(|error| error.within(&name))?;
            pairs.push((name, value));
        }
        Ok(Query(pairs))
    }

    /// The values of a parameter that may be given more than once.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |pair| pair.0 == name).map(|pair| pair.1.as_ref())
    }

    /// The values of some parameters that may be given more than once, in order: the index into
    /// `names`, and the value.
    pub(crate) fn each(&self, names: [&str; 2]) -> impl Iterator<Item = (usize, &str)> {
        self.0.iter().filter_map(move |(name, value)| {
            let which = names.iter().position(|known| known == name)?;
            Some((which, value.as_ref()))
        })
    }

    /// The value of a parameter.
    ///
    /// # Errors
    /// When the parameter may be repeated and is given twice.
    pub(crate) fn one(&self, name: &str) -> Result<Option<&str>> {
        let mut values = self.all(name);
        let value = values.next();
        if values.next().is_some() {
            let message = format!("parameter {name} is given twice");
            return Err(Error::new(Kind::Input, message).remedy("give it once"));
        }
        Ok(value)
    }

    /// The value of a parameter, parsed as a `T`; `what` describes the value for an error.
    ///
    /// # Errors
    /// When it cannot be parsed, or is given twice.
    pub(crate) fn parsed<T: FromStr>(&self, name: &str, what: &str) -> Result<Option<T>> {
        let Some(text) = self.one(name)? else { return Ok(None) };
        text.parse().map(Some).map_err(|_| wrong(name, text, what))
    }

    /// The number of rows to return: at least 1, at most `most`.
    ///
    /// # Errors
    /// When it is not such a number.
    pub(crate) fn limit(&self, default: usize, most: usize) -> Result<usize> {
        let what = format!("a number of rows from 1 to {most}");
        match self.parsed::<usize>("limit", &what)? {
            None => Ok(default),
            Some(limit) if (1..=most).contains(&limit) => Ok(limit),
            Some(limit) => Err(wrong("limit", &limit.to_string(), &what)),
        }
    }

    /// How long to wait: `500ms`, `10s`, `2m`, or a number of seconds.
    ///
    /// # Errors
    /// When it is not a time, or longer than a request may wait.
    pub(crate) fn timeout(&self) -> Result<Duration> {
        let Some(text) = self.one("timeout")? else { return Ok(READ_WAIT) };
        let most = READ_WAIT_MAX.as_secs();
        let refuse = || wrong("timeout", text, &format!("a time such as 500ms or 10s, to {most}s"));
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let number: u64 = digits.parse().map_err(|_| refuse())?;
        let time = match &text[digits.len()..] {
            "ms" => Some(Duration::from_millis(number)),
            "" | "s" => Some(Duration::from_secs(number)),
            "m" => number.checked_mul(60).map(Duration::from_secs),
            _ => None,
        };
        time.filter(|time| *time <= READ_WAIT_MAX).ok_or_else(refuse)
    }

    /// The read mode: `at_least=`, `as_of=`, `mode=`, `stale=`, or none of them.
    ///
    /// # Errors
    /// When more than one is given, or one is wrong.
    pub(crate) fn mode(&self) -> Result<Mode> {
        let epoch = "an epoch as 17, or EPOCH~BRANCH as an answer said";
        let at_least = self.parsed::<At>("at_least", epoch)?;
        let timeout = self.timeout()?;
        let as_of = self.one("as_of")?;
        let stale = match self.one("stale")? {
            None => false,
            Some("ok") => true,
            Some(other) => return Err(wrong("stale", other, "ok")),
        };
        if stale && (at_least.is_some() || as_of.is_some()) {
            let message = "stale=ok asks for the latest epoch there is, whichever";
            return Err(Error::new(Kind::Input, message)
                .remedy("leave it out: an epoch that is there is answered at at once"));
        }
        match (at_least, as_of, self.one("mode")?) {
            (None, None, None | Some("latest")) if stale => Ok(Mode::Stale),
            (None, None, None | Some("latest")) => Ok(Mode::Latest),
            (None, None, Some("verified")) => Ok(Mode::Verified),
            (None, None, Some(other)) => Err(wrong("mode", other, "latest or verified")),
            (Some(epoch), None, None) => Ok(Mode::AtLeast(epoch, timeout)),
            (None, Some(text), None) => {
                // A number is an epoch, not microseconds.
                if let Ok(at) = text.parse::<At>() {
                    return Ok(Mode::AsOf(at));
                }
                let digits = text.trim_start_matches('-').bytes().all(|b| b.is_ascii_digit());
                match text.parse::<Timestamp>() {
                    Ok(at) if !digits => Ok(Mode::AsOfTime(at.micros())),
                    _ => Err(wrong("as_of", text, "an epoch, or a time as 2016-10-01T09:26:31Z")),
                }
            }
            _ => Err(Error::new(Kind::Input, "at_least, as_of and mode exclude one another")
                .remedy("give one of them")),
        }
    }
}

/// An extractor for requests without a query string; it refuses one.
pub(super) struct NoQuery;

impl<S: Sync> FromRequestParts<S> for NoQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<NoQuery, Problem> {
        Ok(Query::of(&parts.uri, &[]).map(|_| NoQuery)?)
    }
}

/// The error of a parameter with a wrong value.
pub(crate) fn wrong(name: &str, text: &str, what: &str) -> Error {
    let shown: String = text.chars().take(100).collect();
    Error::new(Kind::Input, format!("parameter {name}: {shown:?} is not {what}"))
        .remedy(format!("give {what}"))
}

/// Part `number` of the path, counted from 0 behind the first slash.
///
/// # Errors
/// When it is not text.
pub(crate) fn segment(uri: &Uri, number: usize) -> Result<Cow<'_, str>> {
    decoded(uri.path().split('/').nth(number + 1).unwrap_or_default(), false)
}

/// Decodes percent signs (and plus signs, in a query).
fn decoded(text: &str, plus: bool) -> Result<Cow<'_, str>> {
    if !text.bytes().any(|byte| byte == b'%' || (plus && byte == b'+')) {
        return Ok(Cow::Borrowed(text));
    }
    let refuse = |what: &str| {
        Error::new(Kind::Input, format!("{text:?} is not percent-encoded: {what}"))
            .remedy("encode the bytes of UTF-8 text as %41, and % itself as %25")
    };
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        bytes.push(match byte {
            b'+' if plus => b' ',
            b'%' => {
                let digit = |at: usize| rest.get(at).and_then(|b| char::from(*b).to_digit(16));
                let (Some(high), Some(low)) = (digit(0), digit(1)) else {
                    return Err(refuse("a % without two hexadecimal digits"));
                };
                rest = &rest[2..];
                (high << 4 | low) as u8
            }
            other => *other,
        });
    }
    String::from_utf8(bytes).map(Cow::Owned).map_err(|_| refuse("not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use diptych_base::time::Branch;

    fn uri(text: &str) -> Uri {
        text.parse().expect("an address")
    }

    #[test]
    fn parameters_are_decoded_and_checked() {
        let uri = uri("/v1/dataflows/w%20c/views/v?key=a%2Cb+c&key=&limit=5");
        assert_eq!(segment(&uri, 2).expect("text"), "w c");
        assert_eq!(segment(&uri, 9).expect("text"), "");
        assert!(Query::of(&uri, &["key", "limit"]).is_err(), "a key is given twice");
        let query = Query::with_lists(&uri, &["key", "limit"], &["key"]).expect("parameters");
        assert_eq!(query.all("key").collect::<Vec<_>>(), ["a,b c", ""]);
        assert!(query.one("key").is_err());
        assert_eq!(query.limit(1, 9).ok(), Some(5));
        assert!(query.limit(1, 4).is_err());
        assert!(Query::of(&uri, &["key"]).is_err());
        for broken in ["/?key=%4", "/?key=%zz", "/?key=%ff"] {
            assert!(Query::of(&broken.parse().expect("an address"), &["key"]).is_err(), "{broken}");
        }
    }

    #[test]
    fn one_mode_at_a_time() {
        let mode = |text: &str| {
            let uri = uri(&format!("/?{text}"));
            Query::of(&uri, &["at_least", "as_of", "mode", "timeout", "stale"])
                .and_then(|q| q.mode())
                .ok()
        };
        assert_eq!(mode(""), Some(Mode::Latest));
        assert_eq!(mode("at_least=7"), Some(Mode::AtLeast(7.into(), READ_WAIT)));
        let short = Duration::from_millis(5);
        assert_eq!(mode("at_least=7&timeout=5ms"), Some(Mode::AtLeast(7.into(), short)));
        assert_eq!(mode("as_of=7"), Some(Mode::AsOf(7.into())));
        let at = At { epoch: 7, branch: Some(Branch(255)) };
        assert_eq!(mode("as_of=7~00000000000000ff"), Some(Mode::AsOf(at)));
        assert_eq!(mode("at_least=7~00000000000000ff"), Some(Mode::AtLeast(at, READ_WAIT)));
        assert_eq!(mode("as_of=1970-01-01T00:00:01Z"), Some(Mode::AsOfTime(1_000_000)));
        assert_eq!(mode("mode=verified"), Some(Mode::Verified));
        assert_eq!(mode("stale=ok"), Some(Mode::Stale));
        for wrong in [
            "as_of=-7",
            "as_of=x",
            "as_of=7~",
            "at_least=7~ff",
            "stale=yes",
            "stale=ok&as_of=7",
            "as_of=7&at_least=7",
            "mode=new",
            "at_least=7&timeout=2h",
        ] {
            assert_eq!(mode(wrong), None, "{wrong}");
        }
    }
}
