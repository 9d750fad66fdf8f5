//! Groups of routes, guarded and described by the role that they need.

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{OpenApi, RefOr, Response};

use super::csrf_protection::asked_first;
use super::may_read::Readers;
use super::openapi::Routes;
use diptych_site::auth::{Gate, Role, RoleGuard};

/// The name of the token in the description.
const SCHEME: &str = "token";

/// Puts `routes` behind the gate, if there is one, and describes the role that they need.
pub(super) fn secured(mut routes: Routes, role: Option<Role>, gate: Option<&Arc<Gate>>) -> Routes {
    let Some(role) = role else {
        return routes.layer(axum::Extension(Readers(gate.cloned())));
    };
    for item in routes.get_openapi_mut().paths.paths.values_mut() {
        operations(item).for_each(|operation| require(operation, role));
    }
    if role == Role::Append {
        // The listener bounds the body before it gets here, by a limit that can be raised.
        routes = routes.layer(DefaultBodyLimit::disable());
    }
    if role == Role::Admin {
        routes = asked_first(routes);
    }
    match gate {
        Some(gate) => routes.layer(RoleGuard::new(Arc::clone(gate), role)),
        // Without a gate no layer is added, so a request costs nothing more.
        None => routes,
    }
}

/// Adds the kind of credentials that the operations require to the description.
pub(super) fn describe(api: &mut OpenApi) {
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(
        "A token with the role that the operation names (read, append or admin; admin may do \
         everything). Not asked for when the server has no credentials, which only listens at \
         loopback then.",
    ));
    let components = api.components.get_or_insert_default();
    components.add_security_scheme(SCHEME, SecurityScheme::Http(scheme.build()));
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, options, head, patch, trace, .. } = item;
    [get, put, post, delete, options, head, patch, trace].into_iter().flatten()
}

fn require(operation: &mut Operation, role: Role) {
    // No token is an alternative: a server without credentials asks for none.
    let none = SecurityRequirement::default();
    operation.security = Some(vec![SecurityRequirement::new(SCHEME, [role.name()]), none]);
    let problem = |what: &str| RefOr::T(Response::new(what));
    let responses = &mut operation.responses.responses;
    responses.entry("401".into()).or_insert_with(|| problem("No token, or none that is valid"));
    responses
        .entry("403".into())
        .or_insert_with(|| problem("The token is for something else than this"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_of_the_router_says_what_it_needs() {
        for (role, routes) in crate::routes() {
            let mut routes = secured(routes, role, None);
            let expected = role.map(|role| {
                vec![
                    SecurityRequirement::new(SCHEME, [role.name()]),
                    SecurityRequirement::default(),
                ]
            });
            for (path, item) in &mut routes.get_openapi_mut().paths.paths {
                for operation in operations(item) {
                    assert!(operation.security == expected, "{path}");
                }
            }
        }
    }
}
