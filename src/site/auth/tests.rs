//! Tests of roles, credentials files and gates.

use std::path::Path;
use std::sync::Arc;

use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tower::{Layer, Service};

use super::*;
use crate::file_watcher::Watched;
use diptych_base::io::SimClock;

fn headers(value: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, value.parse().expect("a header"));
    headers
}

fn gate(text: &str, now_us: i64) -> Gate {
    let credentials = Credentials::parse(text).expect("credentials");
    Gate::new(Path::new("credentials.toml"), credentials, Arc::new(SimClock::at(now_us)))
}

#[test]
fn no_role_but_admin_implies_another() {
    for held in Role::ALL {
        for needed in Role::ALL {
            let roles: Roles = [held].into_iter().collect();
            assert_eq!(roles.allow(needed), held == needed || held == Role::Admin);
        }
        assert!(!Roles::default().allow(held));
    }
    let both: Roles = [Role::Read, Role::Append].into_iter().collect();
    assert!(both.allow(Role::Read) && both.allow(Role::Append) && !both.allow(Role::Admin));
}

#[test]
fn a_new_token_passes_and_a_byte_of_difference_does_not() {
    let made = new_token("a \"name\"", &[Role::Read]).expect("random bytes");
    assert!(!made.lines.contains(&made.secret));
    let gate = gate(&made.lines, 0);
    assert_eq!(
        gate.check(&headers(&format!("Bearer {}", made.secret)), Role::Read).map(drop),
        Ok(())
    );
    assert_eq!(
        gate.check(&headers(&format!("bearer  {} ", made.secret)), Role::Read).map(drop),
        Ok(())
    );
    let denied = gate.check(&headers(&format!("Bearer {}", made.secret)), Role::Append);
    assert_eq!(denied, Err(Denied::NotAllowed(Role::Append)));
    let other = format!("Bearer {}x", &made.secret[..made.secret.len() - 1]);
    let others = [other, format!("Basic {}", made.secret), "Bearer ".into(), made.secret.clone()];
    for other in others {
        assert!(gate.check(&headers(&other), Role::Read).is_err(), "{other}");
    }
    assert_eq!(gate.check(&HeaderMap::new(), Role::Read), Err(Denied::Nobody));
}

#[test]
fn a_token_is_void_from_its_end_on() {
    let made = new_token("short", &[Role::Admin]).expect("random bytes");
    let lines = format!("{}expires = 1970-01-01T00:00:01Z\n", made.lines);
    let bearer = headers(&format!("Bearer {}", made.secret));
    assert_eq!(gate(&lines, 999_999).check(&bearer, Role::Read).map(drop), Ok(()));
    assert_eq!(gate(&lines, 1_000_000).check(&bearer, Role::Read), Err(Denied::Expired));
}

#[test]
fn refusals_say_what_to_bring() {
    for (denied, status, challenge) in [
        (Denied::Nobody, StatusCode::UNAUTHORIZED, "Bearer realm=\"diptych\""),
        (Denied::Expired, StatusCode::UNAUTHORIZED, "error=\"invalid_token\""),
        (Denied::Unknown, StatusCode::UNAUTHORIZED, "error=\"invalid_token\""),
        (Denied::NotAllowed(Role::Append), StatusCode::FORBIDDEN, "error=\"insufficient_scope\""),
    ] {
        let response = denied.into_response();
        assert_eq!(response.status(), status);
        let found = response.headers()[header::WWW_AUTHENTICATE].to_str().expect("text");
        assert!(found.contains(challenge), "{found}");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    }
}

#[test]
fn users_who_may_read_have_verifiers() {
    let ana = new_user("ana", Some("pencil".into()), Role::Read).expect("random bytes");
    let feeder = new_user("feeder", None, Role::Append).expect("random bytes");
    assert!(feeder.secret.len() >= 24 && !feeder.lines.contains(&feeder.secret));
    let plain = "[[user]]\nname = \"bo\"\npassword = \"pencil\"\nroles = [\"admin\"]\n";
    let text = format!("{}{}{plain}", ana.lines, feeder.lines);
    let found = Credentials::parse(&text).expect("credentials");
    for name in ["ana", "bo"] {
        let scram = found.scram(name).expect(name);
        assert_eq!(scram, Scram::derive("pencil", &scram.salt), "{name}");
    }
    assert_eq!(found.scram("feeder"), None);
    assert_eq!(found.scram("nobody"), None);
}

#[test]
fn a_broken_file_is_named_by_line_and_repeats_no_secret() {
    let hash = "0".repeat(64);
    for (text, expected) in [
        ("\n[[token]]\nname = \"a\"\nsha256 = \"hunter2\"\nroles = []\n", "line 4: sha256 is not"),
        ("[[user]]\nname = \"a\"\npassword = 5553\nroles = []\n", "line 3: this is not TOML"),
        ("[[user]]\nname = \"a\"\nroles = []\npasswort = \"hunter2\"\n", "line 4: unknown field"),
        ("[[user]]\nname = \"a\"\nroles = []\n", "line 2: a user has either"),
        ("[[user]]\nname = \"a\"\nscram = \"hunter2\"\nroles = []\n", "line 3: scram is no"),
        ("password = hunter2", "line 1: "),
        (&format!("[[token]]\nname = \"\"\nsha256 = \"{hash}\"\nroles = [\"hunter2\"]"), "line 4"),
        (
            &format!(
                "[[token]]\nname = \"\"\nsha256 = \"{hash}\"\nroles = []\nexpires = 2030-01-01"
            ),
            "line 5: expires is no time",
        ),
    ] {
        let message = Credentials::parse(text).expect_err(text).to_string();
        assert!(message.starts_with(expected), "{text}: {message}");
        assert!(!message.contains("hunter2") && !message.contains("5553"), "{message}");
    }
}

#[test]
fn debug_output_has_no_secret() {
    let user = new_user("ana", None, Role::Read).expect("random bytes");
    let token = new_token("t", &[Role::Read]).expect("random bytes");
    let found = Credentials::parse(&format!("{}{}", user.lines, token.lines)).expect("parses");
    let shown = format!("{found:?}");
    assert_eq!(
        shown,
        "Credentials { tokens: [Token(\"t\")], users: [User { name: \"ana\", \
                       roles: Roles(1), .. }] }"
    );
}

/// A request that waits gets a refusal when its token is taken out of the file.
#[tokio::test]
async fn a_wait_ends_with_its_token() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("credentials.toml");
    let made = new_token("short", &[Role::Read]).expect("random bytes");
    let put = |text: &str| {
        let mut file = tempfile::NamedTempFile::new_in(&folder).expect("a file");
        std::io::Write::write_all(&mut file, text.as_bytes()).expect("written");
        file.persist(&path).expect("a name");
    };
    put(&made.lines);
    let gate = Gate::open(&path).expect("a gate");
    let never = tower::service_fn(|_: Request| {
        futures::future::pending::<Result<Response, std::convert::Infallible>>()
    });
    let mut service = RoleGuard::new(Arc::clone(&gate), Role::Read).layer(never);
    let mut request = Request::new(axum::body::Body::empty());
    *request.headers_mut() = headers(&format!("Bearer {}", made.secret));
    let answer = service.call(request);
    put("# nobody\n");
    gate.reload().expect("read again");
    let Ok(answer) = answer.await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
}
