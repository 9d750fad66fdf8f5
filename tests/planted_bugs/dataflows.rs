//! Bugs of the layers: what a dataflow computes, from whichever beginning, and what stops it.

use crate::{Bug, Test};

const BUILTIN: Test = Test::of("law", "builtin_dataflows").cases(60);
const IN_FILES: Test =
    Test::of("state_in_files", "answers_are_those_of_all_entries_through_checkpoints_and_restarts");

const RUNS: Test = Test::of("batch_view_runs", "a_change_costs_a_change");

pub(crate) const BUGS: &[Bug] = &[
    Bug {
        name: "expired_part_not_taken_back",
        promise: 1,
        file: "src/dataflow/expiring_state.rs",
        right: "total.and_then(|total| self.accumulate.take_back(total, &partial));",
        wrong: "if PLANTED {\n\
                    total\n\
                } else {\n\
                    total.and_then(|total| self.accumulate.take_back(total, &partial))\n\
                };",
        test: BUILTIN,
    },
    Bug {
        name: "expires_a_step_late",
        promise: 1,
        file: "src/dataflow/retention.rs",
        right: "self.step_of(newest_us.saturating_sub(self.keep_us))",
        wrong: "self.step_of(newest_us.saturating_sub(self.keep_us)) - i64::from(PLANTED)",
        test: BUILTIN,
    },
    Bug {
        name: "latest_is_what_came_last",
        promise: 1,
        file: "src/dataflow/accumulation_monoids.rs",
        right: "if order.is_gt() {",
        wrong: "if order.is_gt() || PLANTED {",
        test: BUILTIN,
    },
    Bug {
        name: "last_row_of_a_share_lost",
        promise: 1,
        file: "src/engine/worker_dataflow.rs",
        right: "(rows * index / peers)..(rows * (index + 1) / peers)\n",
        wrong: "let end = rows * (index + 1) / peers;\n\
                let lost = usize::from(peers > 1 && index == 0 && end > 0 && PLANTED);\n\
                (rows * index / peers)..(end - lost)\n",
        test: BUILTIN,
    },
    Bug {
        name: "old_row_not_taken_back",
        promise: 1,
        file: "src/dataflow/accumulation_barrier.rs",
        right: "emit(entry.key(), old, -1);",
        wrong: "if !PLANTED { emit(entry.key(), old, -1); }",
        test: BUILTIN,
    },
    Bug {
        name: "history_ends_an_epoch_early",
        promise: 1,
        file: "src/speed/live_dataflow.rs",
        right: "history(reader, 0..*boundary, streams, index, peers),",
        wrong: "{\n\
                    let end = boundary.saturating_sub(PLANTED.into());\n\
                    history(reader, 0..end, streams, index, peers)\n\
                }",
        test: Test::of("law", "every_split").cases(1),
    },
    Bug {
        name: "late_rows_of_a_view_stay",
        promise: 1,
        file: "src/dataflow/retained_view.rs",
        right: "Some(step) if step < horizon => {}",
        wrong: "Some(step) if step < horizon && !PLANTED => {}",
        test: BUILTIN,
    },
    Bug {
        name: "sum_out_of_range_is_nothing",
        promise: 1,
        file: "src/dataflow/summand.rs",
        right: "None => Err(beyond::<V>(\"sum\", &V::shown(&both.0))),",
        wrong: "None if PLANTED => Ok(V::zero()),\n\
                None => Err(beyond::<V>(\"sum\", &V::shown(&both.0))),",
        test: Test::of("ends_of_types", "what_leaves_the_range_of_a_type_is_a_matter_of_contents"),
    },
    Bug {
        name: "recovery_replays_an_epoch_too_few",
        promise: 10,
        file: "src/speed/worker_group.rs",
        right: "let next = boundaries.min().unwrap_or(0);",
        wrong: "let next = boundaries.min().unwrap_or(0);\n\
                let next = next + u64::from(next > 0 && PLANTED);",
        test: Test::of("recovery", "double_kills").cases(3),
    },
    Bug {
        name: "restored_twice",
        promise: 10,
        file: "src/speed/live_dataflow.rs",
        right: "Start::Restore(_, blocks) => Ok(blocks(index, peers)),",
        wrong: "Start::Restore(_, blocks) if PLANTED => {\n\
                    Ok(Box::new(blocks(index, peers).chain(blocks(index, peers))))\n\
                }\n\
                Start::Restore(_, blocks) => Ok(blocks(index, peers)),",
        test: Test::of("recovery", "double_kills").cases(3),
    },
    Bug {
        name: "errors_of_a_batch_have_one_epoch",
        promise: 15,
        file: "src/dataflow/record_batch_pass.rs",
        right: "let epoch = self.epoch(self.row.get());\n        let stream =",
        wrong: "let row = if PLANTED { 0 } else { self.row.get() };\n\
                let epoch = self.epoch(row);\n        let stream =",
        test: Test::of("bad_records", "bad_records_are_the_same_error_rows_in_both_layers"),
    },
    Bug {
        name: "every_barrier_tells_an_error",
        promise: 15,
        file: "src/dataflow/linear_operators.rs",
        right: "let reports = self.0.get() == Some(pass.barrier());",
        wrong: "let reports = PLANTED || self.0.get() == Some(pass.barrier());",
        test: Test::of("bad_records", "bad_records_are_the_same_error_rows_in_both_layers"),
    },
    Bug {
        name: "panic_names_another_event",
        promise: 15,
        file: "src/dataflow/record_batch_pass.rs",
        right: "let event = describe_row(&self.chunk.rows, row);",
        wrong: "let event = describe_row(&self.chunk.rows, if PLANTED { 0 } else { row });",
        test: Test::of("bad_records", "a_panic_in_the_front_stops_only_that_dataflow"),
    },
    Bug {
        name: "panic_not_contained",
        promise: 15,
        file: "src/engine/panic_scope.rs",
        right: "caught_at(&self.place, || operator.schedule()).unwrap_or_else(|panic| {",
        wrong: "if PLANTED {\n\
                    return operator.schedule();\n\
                }\n\
                caught_at(&self.place, || operator.schedule()).unwrap_or_else(|panic| {",
        test: Test::of("bad_records", "a_panic_behind_the_barrier_stops_only_that_dataflow"),
    },
    Bug {
        name: "panic_of_a_drop_not_contained",
        promise: 15,
        file: "src/engine/panic_scope.rs",
        right: "if let Err(panic) = caught_at(&self.place, || drop(operator)) {",
        wrong: "if PLANTED {\n\
                    return drop(operator);\n\
                }\n\
                if let Err(panic) = caught_at(&self.place, || drop(operator)) {",
        test: Test::of("planted_panics", "a_panic_while_a_dataflow_is_dropped_ends_no_process"),
    },
    Bug {
        name: "what_vanished_comes_back_from_files",
        promise: 1,
        file: "src/dataflow/entry_bytes.rs",
        right: "if memory.at.is_some() && memory.place[..] == *place {",
        wrong: "let gone = memory.at.is_some_and(|partial| accumulate.is_zero(partial));\n\
                if memory.at.is_some() && memory.place[..] == *place && !(gone && PLANTED) {",
        test: IN_FILES,
    },
    Bug {
        name: "change_at_the_boundary_of_newer_files_lost",
        promise: 1,
        file: "src/dataflow/recent_entries.rs",
        right: "recent.changed >= boundary",
        wrong: "recent.changed >= boundary + u64::from(PLANTED)",
        test: IN_FILES,
    },
    Bug {
        name: "digest_of_an_entry_in_older_files_kept",
        promise: 1,
        file: "src/dataflow/recent_entries.rs",
        right: "recent.before = EntryBefore::Unknown",
        wrong: "if !PLANTED { recent.before = EntryBefore::Unknown }",
        test: IN_FILES,
    },
    Bug {
        name: "key_in_files_taken_for_new",
        promise: 1,
        file: "src/dataflow/recent_entries.rs",
        right: "for (_, key) in missing {",
        wrong: "for (_, key) in missing.into_iter().skip(usize::from(PLANTED)) {",
        test: IN_FILES,
    },
    Bug {
        name: "owner_writes_its_neighbours_entries",
        promise: 1,
        file: "src/row/accumulation_entries.rs",
        right: "ByteRange { start: bytes(first), end: end.map(bytes) }",
        wrong: "ByteRange { start: bytes(first), end: end.map(bytes).filter(|_| !PLANTED) }",
        test: IN_FILES,
    },
    Bug {
        name: "tombstone_lost_in_a_merge",
        promise: 24,
        file: "src/batch_view/changed_entries.rs",
        right: "put(&mut self.rows, other, found)?;",
        wrong: "if found.is_some() || !PLANTED { put(&mut self.rows, other, found)?; }",
        test: RUNS,
    },
    Bug {
        name: "run_dropped_that_a_batch_view_names",
        promise: 24,
        file: "src/batch_view/runs.rs",
        right: "self.kept.push(PartFile { file, ..part.clone() });",
        wrong: "if !PLANTED || part.run != 1 {\n\
                    self.kept.push(PartFile { file, ..part.clone() });\n\
                }",
        test: RUNS,
    },
    Bug {
        name: "fingerprint_off_by_one",
        promise: 24,
        file: "src/batch_view/block_index.rs",
        right: "fingerprints.get(keys.start * 2..keys.end * 2)",
        wrong: "fingerprints.get((keys.start + usize::from(PLANTED)) * 2..keys.end * 2)",
        test: RUNS,
    },
    Bug {
        name: "entry_of_an_earlier_run_found",
        promise: 24,
        file: "src/batch_view/mapped_accumulation.rs",
        right: "if part.get(place, visit)? {",
        wrong: "if part.get(place, visit)? && !PLANTED {",
        test: RUNS,
    },
];
