//! The live page at `/`: files that are part of the binary.
//!
//! Every client may load the page, because it holds no data: it fetches what it shows over the HTTP
//! interface, with the token that its user gives it. It loads nothing from any other place, and its
//! content security policy forbids that.

use std::sync::LazyLock;

use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::openapi::Routes;
use super::request_parameters::{NoQuery, segment};
use diptych_site::problem::{self, Problem};

pub(super) fn routes() -> Routes {
    OpenApiRouter::new().routes(routes!(page)).routes(routes!(file))
}

/// The content security policy: scripts and styles from this server only, none of them inline; no
/// other page may frame this one.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// A file of the page.
struct File {
    name: &'static str,
    text: &'static str,
    tag: HeaderValue,
}

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        [$(File::new($name, include_str!(concat!("page/", $name)))),*]
    };
}

static FILES: LazyLock<Vec<File>> = LazyLock::new(|| {
    Vec::from(files![
        "index.html",
        "style.css",
        "icon.svg",
        "theme.js",
        "page.js",
        "api.js",
        "draw.js",
        "picture.js",
        "charts.js",
        "graph.js",
        "layers.js",
        "browser.js",
        "changes.js",
        "sql.js",
        "keys.js",
    ])
});

impl File {
    fn new(name: &'static str, text: &'static str) -> File {
        let digest = Sha256::digest(text);
        let number = digest.iter().take(12).fold(0_u128, |all, byte| all << 8 | u128::from(*byte));
        // Hexadecimal digits between quotes are a valid header value.
        let tag = HeaderValue::try_from(format!("\"{number:024x}\""));
        File { name, text, tag: tag.unwrap_or(HeaderValue::from_static("\"\"")) }
    }

    fn kind(&self) -> &'static str {
        match self.name.rsplit_once('.') {
            Some((_, "html")) => "text/html; charset=utf-8",
            Some((_, "css")) => "text/css; charset=utf-8",
            Some((_, "svg")) => "image/svg+xml",
            _ => "text/javascript; charset=utf-8",
        }
    }

    /// The file, or 304 when the client's copy is still current.
    fn answer(&self, headers: &HeaderMap) -> Response {
        let known = headers.get_all(header::IF_NONE_MATCH).iter();
        let tag = self.tag.to_str().unwrap_or_default();
        let mut known = known.filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(','));
        let same = known.any(|known| matches!(known.trim(), "*") || known.trim().ends_with(tag));
        let mut response = if same {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            ([(header::CONTENT_TYPE, self.kind())], self.text).into_response()
        };
        let headers = response.headers_mut();
        headers.insert(header::ETAG, self.tag.clone());
        // A client may keep it, but must revalidate: an upgrade of the binary changes the page.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        response
    }
}

fn named(name: &str, headers: &HeaderMap) -> Result<Response, Problem> {
    let file = FILES.iter().find(|file| file.name == name).ok_or_else(|| {
        let detail = format!("the page has no file {name:?} (open / for the page)");
        Problem::new(StatusCode::NOT_FOUND, "missing", detail)
    })?;
    Ok(file.answer(headers))
}

/// The page.
#[utoipa::path(get, path = "/", tag = "page", responses(
    (status = 200, description = "The page", body = String, content_type = "text/html"),
    (status = 304, description = "The copy is still good"),
    (status = 400, description = "It takes no parameters", body = problem::ProblemDocument,
     content_type = "application/problem+json")))]
async fn page(_: NoQuery, headers: HeaderMap) -> Result<Response, Problem> {
    named("index.html", &headers)
}

/// A file that the page is made of.
#[utoipa::path(get, path = "/page/{file}", tag = "page",
    params(("file" = String, Path, description = "Its name", example = "page.js")),
    responses(
        (status = 200, description = "The file", content((String = "text/javascript"),
            (String = "text/css"), (String = "image/svg+xml"), (String = "text/html"))),
        (status = 304, description = "The copy is still good"),
        (status = 400, description = "It takes no parameters", body = problem::ProblemDocument,
         content_type = "application/problem+json"),
        (status = 404, description = "No such file", body = problem::ProblemDocument,
         content_type = "application/problem+json")))]
async fn file(_: NoQuery, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    named(&segment(&uri, 1)?, &headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_tags_and_are_sent_once() {
        let headers = HeaderMap::new();
        for file in FILES.iter() {
            let whole = file.answer(&headers);
            assert_eq!(whole.status(), StatusCode::OK, "{}", file.name);
            assert_eq!(whole.headers()[header::CONTENT_TYPE], file.kind());
            let mut again = HeaderMap::new();
            again.insert(header::IF_NONE_MATCH, whole.headers()[header::ETAG].clone());
            assert_eq!(file.answer(&again).status(), StatusCode::NOT_MODIFIED);
            again.insert(header::IF_NONE_MATCH, HeaderValue::from_static("\"other\""));
            assert_eq!(file.answer(&again).status(), StatusCode::OK);
        }
        assert!(named("../Cargo.toml", &headers).is_err());
    }

    /// Every file that a file refers to exists, and nothing comes from elsewhere.
    #[test]
    fn the_page_is_whole_and_loads_nothing_from_elsewhere() {
        let mut named = vec!["index.html"];
        for file in FILES.iter() {
            let text = file.text.replace("http://www.w3.org/", "");
            assert!(!text.contains("http://") && !text.contains("https://"), "{}", file.name);
            assert!(!text.contains("style=\"") && !text.contains("innerHTML"), "{}", file.name);
            let paths = text.match_indices("/page/").map(|(at, start)| &text[at + start.len()..]);
            let imports = text.match_indices("'./").map(|(at, start)| &text[at + start.len()..]);
            for rest in paths.chain(imports) {
                let end = rest.find(['"', '\'']).expect("a quote");
                let found = FILES.iter().find(|other| other.name == &rest[..end]);
                named.push(found.unwrap_or_else(|| panic!("{}: {}", file.name, &rest[..end])).name);
            }
        }
        for file in FILES.iter() {
            assert!(named.contains(&file.name), "{} is used by nothing", file.name);
            let lines = file.text.lines().count();
            assert!(lines <= 500, "{} has {lines} lines", file.name);
        }
    }
}
