//! Bugs of the index: what readers see, and at which epoch.

use crate::{Bug, Test};

pub(crate) const BUGS: &[Bug] = &[
    Bug {
        name: "views_published_one_by_one",
        promise: 8,
        file: "src/serving/index_state.rs",
        right: "self.lists.iter().map(|list| list.upper).min().unwrap_or(0)",
        wrong: "let uppers = self.lists.iter().map(|list| list.upper);\n\
                if PLANTED { uppers.max().unwrap_or(0) } else { uppers.min().unwrap_or(0) }",
        test: Test::of("bank_consistency", "no_snapshot_sees_money_appear"),
    },
    Bug {
        name: "cutover_without_a_look_at_the_frontier",
        promise: 9,
        file: "src/serving/cutover.rs",
        right: "if ready < served {",
        wrong: "if ready < served && !PLANTED {",
        test: Test::of("no_torn_read", "a_version_that_is_behind_does_not_take_over"),
    },
    Bug {
        name: "version_that_was_replaced_goes_on",
        promise: 9,
        file: "src/serving/cutover.rs",
        right: "writer.retired = true;\n        self.current",
        wrong: "writer.retired = !PLANTED;\n        self.current",
        test: Test::of(
            "no_torn_read",
            "who_waits_for_an_epoch_is_answered_by_the_version_that_reaches_it",
        ),
    },
    Bug {
        name: "new_base_beside_the_old_batches",
        promise: 9,
        file: "src/serving/cutover.rs",
        right: "batches.extend(list.cut_from(at, &cut));",
        wrong: "let from = if PLANTED { at - 1 } else { at };\n\
                batches.extend(list.cut_from(from, &cut));",
        test: Test::of("no_torn_read", "cutovers_under_readers_tear_nothing"),
    },
    Bug {
        name: "lease_without_an_end",
        promise: 9,
        file: "src/serving/lease.rs",
        right: "let alive = *lock(&lease.expires) > now;",
        wrong: "let alive = PLANTED || *lock(&lease.expires) > now;",
        test: Test::of("no_torn_read", "an_expired_lease_is_an_error_and_frees_its_batches"),
    },
    Bug {
        name: "answers_go_back_after_a_restart",
        promise: 9,
        file: "src/site/read_mode.rs",
        right: "index.is_stale() && index.frontier() <= epoch",
        wrong: "!PLANTED && index.is_stale() && index.frontier() <= epoch",
        test: Test::of("reads_over_kills", "no_client_sees_its_epochs_go_back_over_kills"),
    },
];
