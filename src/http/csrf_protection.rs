//! Protection against forged browser requests: a request that changes something must have a form
//! for which a browser sends a preflight.
//!
//! A page may make a browser send a POST without a body, with a form or with plain text to any
//! address, without a preflight. For any other content type, and for an `Authorization` header, the
//! browser first asks the server whether that page may, and the answer here is no. Records have
//! such a content type by themselves; a request without a body must state one.

use axum::extract::Request;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{Content, RefOr, Response as Described};

use super::append::essence;
use super::openapi::Routes;
use diptych_site::auth::bearer;
use diptych_site::problem::Problem;

const JSON: &str = "application/json";

/// Makes requests with the changing methods of `routes` state that they are JSON, or carry a token;
/// the descriptions of the routes say so.
pub(super) fn asked_first(mut routes: Routes) -> Routes {
    let items = routes.get_openapi_mut().paths.paths.values_mut();
    let changing = items.flat_map(changing).map(|(method, operation)| {
        describe(operation);
        method
    });
    let methods: Vec<Method> = changing.collect();
    let check = move |request: Request, next: Next| {
        // The router refuses other methods.
        let refused = methods.contains(request.method()) && !is_asked_first(request.headers());
        async move { if refused { refusal(request.headers()) } else { next.run(request).await } }
    };
    routes.layer(axum::middleware::from_fn(check))
}

fn changing(item: &mut PathItem) -> impl Iterator<Item = (Method, &mut Operation)> {
    let PathItem { put, post, delete, patch, .. } = item;
    let all = [
        (Method::PUT, put),
        (Method::POST, post),
        (Method::DELETE, delete),
        (Method::PATCH, patch),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

fn is_asked_first(headers: &HeaderMap) -> bool {
    // The gate checks whether the token is valid.
    bearer(headers).is_some() || essence(headers).eq_ignore_ascii_case(JSON)
}

fn refusal(headers: &HeaderMap) -> Response {
    let given = essence(headers);
    let detail = format!(
        "the content type is {given} (send `Content-Type: {JSON}`, so that no page of another site \
         can have a browser ask for this)"
    );
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "input", detail).into_response()
}

/// Describes the header, as the content type of a body without content.
fn describe(operation: &mut Operation) {
    let nothing = ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::Object))
        .max_properties(Some(0))
        .additional_properties(Some(AdditionalProperties::FreeForm(false)));
    let body = RequestBodyBuilder::new()
        .description(Some("Nothing, as an empty object or an empty body: its type is what counts"))
        .content(JSON, Content::new(Some(nothing.build())));
    operation.request_body = Some(RefOr::T(body.build()));
    let problem = Described::new("Neither a token nor the content type application/json");
    let responses = &mut operation.responses.responses;
    responses.entry("415".into()).or_insert(RefOr::T(problem));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_browser_sends_without_asking_is_told_apart() {
        let headers = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().expect("a value"));
            headers
        };
        for kind in ["application/json", "APPLICATION/JSON", "application/json; charset=utf-8"] {
            assert!(is_asked_first(&headers("content-type", kind)), "{kind}");
        }
        for kind in [
            "",
            "text/plain",
            "text/plain;application/json",
            "text/plain, application/json",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=application/json",
        ] {
            assert!(!is_asked_first(&headers("content-type", kind)), "{kind}");
        }
        assert!(!is_asked_first(&HeaderMap::new()));
        assert!(is_asked_first(&headers("authorization", "Bearer abc")));
        assert!(!is_asked_first(&headers("authorization", "Basic abc")), "browsers send it");
    }

    #[tokio::test]
    async fn a_content_type_is_repeated_as_it_was_sent() {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", r#"te\xt/"plain""#.parse().expect("a value"));
        let body = refusal(&headers).into_body();
        let body = axum::body::to_bytes(body, 1 << 16).await.expect("a body");
        let body: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        let detail = body["detail"].as_str().expect("a detail");
        assert!(detail.starts_with(r#"the content type is te\xt/"plain" (send "#), "{detail}");
    }

    #[test]
    fn everything_that_needs_admin_is_asked_first() {
        for (role, mut routes) in crate::routes() {
            if role != Some(diptych_site::auth::Role::Admin) {
                continue;
            }
            for item in routes.get_openapi_mut().paths.paths.values_mut() {
                assert!(item.get.is_none(), "a GET that changes something is asked by anybody");
                assert!(changing(item).count() > 0);
            }
        }
    }
}
