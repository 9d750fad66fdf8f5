//! Bugs of the ports: who may, how much, and who is told.

use crate::{Bug, Test};

const ROUTES: Test = Test::of("who_may", "every_route_with_every_credential");
const PAGES: Test = Test::of("foreign_pages", "every_route_refuses_other_pages_over_http1");

pub(crate) const BUGS: &[Bug] = &[
    Bug {
        name: "length_believed",
        promise: 16,
        file: "src/batch_view/row_codec.rs",
        right: "let (key, tail) = tail.split_at_checked(word(0))?;",
        wrong: "if PLANTED { drop(std::hint::black_box(Vec::<u8>::with_capacity(word(0)))); }\n\
                let (key, tail) = tail.split_at_checked(word(0))?;",
        test: Test::of("hostile_bytes", "no_decoder_panics_hangs_or_grows").cases(60_000),
    },
    Bug {
        name: "no_bound_on_a_body",
        promise: 18,
        file: "src/http/listener/service.rs",
        right: "let limit = self.bounds.body;\n",
        wrong: "let limit = if PLANTED { u64::MAX } else { self.bounds.body };\n",
        test: Test::of("oversize_and_slow", "a_body_of_ten_gigabytes_is_refused_early"),
    },
    Bug {
        name: "bodies_not_counted_together",
        promise: 18,
        file: "src/site/budget.rs",
        right: "self.claim.grow_to(self.claim.bytes + capacity)?;",
        wrong: "if !PLANTED { self.claim.grow_to(self.claim.bytes + capacity)?; }",
        test: Test::of(
            "oversize_and_slow",
            "bodies::bodies_that_stop_before_their_end_share_one_bound",
        ),
    },
    Bug {
        name: "readers_need_no_token",
        promise: 19,
        file: "src/http/roles.rs",
        right: "Some(gate) => routes.layer(RoleGuard::new(Arc::clone(gate), role)),",
        wrong: "Some(_) if role == Role::Read && PLANTED => routes,\n\
                Some(gate) => routes.layer(RoleGuard::new(Arc::clone(gate), role)),",
        test: ROUTES,
    },
    Bug {
        name: "any_token_may_do_anything",
        promise: 19,
        file: "src/site/auth/check_credentials.rs",
        right: "if !token.roles.allow(role) {",
        wrong: "if !token.roles.allow(role) && !PLANTED {",
        test: ROUTES,
    },
    Bug {
        name: "expired_token_is_good",
        promise: 19,
        file: "src/site/auth/check_credentials.rs",
        right: "if token.expires.is_some_and(|end| self.clock.now_us() >= end) {",
        wrong: "if token.expires.is_some_and(|end| self.clock.now_us() >= end) && !PLANTED {",
        test: ROUTES,
    },
    Bug {
        name: "any_address_is_loopback",
        promise: 19,
        file: "src/site/access_policy.rs",
        right: "if is_loopback(address.ip()) {",
        wrong: "if PLANTED || is_loopback(address.ip()) {",
        test: Test::of("who_may", "other_addresses_than_loopback_refuse_to_start"),
    },
    Bug {
        name: "token_looked_at_once",
        promise: 19,
        file: "src/site/auth/role_guard_layer.rs",
        right: "let again = this.lent.poll_denied(context);",
        wrong: "let again = if PLANTED { None } else { this.lent.poll_denied(context) };",
        test: Test::of("credentials", "what_goes_on_ends_when_its_token_is_taken_out"),
    },
    Bug {
        name: "host_not_checked",
        promise: 26,
        file: "src/site/cross_site_check.rs",
        right: "if !authority.is_some_and(|authority| self.is_own(authority.host)) {",
        wrong: "if !PLANTED && !authority.is_some_and(|host| self.is_own(host.host)) {",
        test: PAGES,
    },
    Bug {
        name: "origin_not_checked",
        promise: 26,
        file: "src/site/cross_site_check.rs",
        right: "if hosts().next().is_none() || !hosts().all(same) {",
        wrong: "if !PLANTED && (hosts().next().is_none() || !hosts().all(same)) {",
        test: PAGES,
    },
    Bug {
        name: "browser_not_believed",
        promise: 26,
        file: "src/site/cross_site_check.rs",
        right: "(!opens).then(|| Foreign::Site(shown(site.as_bytes())))",
        wrong: "(!opens && !PLANTED).then(|| Foreign::Site(shown(site.as_bytes())))",
        test: PAGES,
    },
    Bug {
        name: "stopped_log_not_told",
        promise: 28,
        file: "src/site/detect_concerns.rs",
        right: "if let Some(error) = writer.failure() {",
        wrong: "if let Some(error) = writer.failure().filter(|_| !PLANTED) {",
        test: Test::of("told", "a_failed_sync_is_told_by_a_library_that_goes_on"),
    },
    Bug {
        name: "failing_checkpoints_not_told",
        promise: 28,
        file: "src/site/detect_concerns.rs",
        right: "if let Some(error) = site.control.checkpoint_failure(&flow.name) {",
        wrong: "let failure = site.control.checkpoint_failure(&flow.name);\n\
                if let Some(error) = failure.filter(|_| !PLANTED) {",
        test: Test::of(
            "told",
            "checkpoints_that_fail_and_a_disk_that_is_nearly_full_are_told_until_there_is_room",
        ),
    },
    Bug {
        name: "lag_not_told",
        promise: 28,
        file: "src/site/detect_concerns.rs",
        right: "let first = self.seen.iter().find(|(end, _)| *end > upper);",
        wrong: "let first = self.seen.iter().find(|(end, _)| *end > upper && !PLANTED);",
        test: Test::of("told", "a_dataflow_that_is_behind_the_log_is_told_until_it_has_caught_up"),
    },
];
