//! Bugs of the log: what an acknowledgement, a file, a sequence number and an epoch are worth.

use crate::{Bug, Test};

const SWEEP: Test = Test::of("power_loss", "a_power_failure_after_each_disk_call_loses_nothing");
const FLIPS: Test =
    Test::of("hole_refused", "any_flipped_bit_is_detected_or_changes_nothing").cases(3_000);
const FULL: Test =
    Test::of("sync_failure", "a_full_disk_refuses_appends_and_resumes_when_space_returns");

pub(crate) const BUGS: &[Bug] = &[
    Bug {
        name: "ack_before_sync",
        promise: 4,
        file: "src/log/commit.rs",
        right: "self.file.file.sync_data()?;",
        wrong: "if !PLANTED { self.file.file.sync_data()?; }",
        test: Test::of("power_loss", "what_was_acknowledged_survives_a_power_failure").cases(300),
    },
    Bug {
        name: "no_directory_sync",
        promise: 4,
        file: "src/log/frame_file.rs",
        right: "dir.sync().map_err(Err)?;",
        wrong: "if !PLANTED { dir.sync().map_err(Err)?; }",
        test: SWEEP,
    },
    Bug {
        name: "rename_before_sync",
        promise: 4,
        file: "src/base/io/mod.rs",
        right: "file.sync_data()?;\n    let renamed",
        wrong: "if !PLANTED { file.sync_data()?; }\n    let renamed",
        test: SWEEP,
    },
    Bug {
        name: "new_directories_not_synced",
        promise: 4,
        file: "src/base/io/mod.rs",
        right: "match disk.sync_dir(parent) {",
        wrong: "match if PLANTED { Ok(()) } else { disk.sync_dir(parent) } {",
        test: Test::of("power_loss", "a_power_failure_takes_no_new_directory_away"),
    },
    Bug {
        name: "page_cache_trusted_after_a_failed_sync",
        promise: 4,
        file: "src/log/recovery.rs",
        right: "if newest {\n",
        wrong: "if newest && !PLANTED {\n",
        test: Test::of("power_loss", "what_a_failed_sync_lost_is_written_again_before_it_counts"),
    },
    Bug {
        name: "failed_sync_tried_again",
        promise: 5,
        file: "src/log/commit.rs",
        right: "if let Err(error) = self.make_durable(epoch, len) {",
        wrong: "let durable = self.make_durable(epoch, len);\n\
                let durable = if PLANTED && durable.is_err() {\n\
                    self.make_durable(epoch, len)\n\
                } else { durable };\n\
                if let Err(error) = durable {",
        test: Test::of(
            "sync_failure",
            "a_disk_that_fails_at_any_call_stops_the_log_and_loses_nothing",
        ),
    },
    Bug {
        name: "full_disk_stops_the_log",
        promise: 5,
        file: "src/log/commit.rs",
        right: "if !matches!(error.kind(), Kind::Full | Kind::Input) {",
        wrong: "if PLANTED || !matches!(error.kind(), Kind::Full | Kind::Input) {",
        test: FULL,
    },
    Bug {
        name: "refused_frame_left_behind",
        promise: 5,
        file: "src/log/commit.rs",
        right: "if let Err(worse) = self.file.file.truncate(self.end) {",
        wrong: "let cut = if PLANTED { Ok(()) } else { self.file.file.truncate(self.end) };\n\
                if let Err(worse) = cut {",
        test: FULL,
    },
    Bug {
        name: "hole_cut",
        promise: 6,
        file: "src/log/recovery.rs",
        right: "if let Some(at) = file.later(offset, len, self.due)? {",
        wrong: "if let Some(at) = file.later(offset, len, self.due)?.filter(|_| !PLANTED) {",
        test: Test::of("hole_refused", "above_the_mark_a_torn_tail_is_cut_and_a_hole_is_refused"),
    },
    Bug {
        name: "checksum_of_rows_not_compared",
        promise: 6,
        file: "src/log/frame_file.rs",
        right: "if crc32c::crc32c(&bytes) != payload.crc {",
        wrong: "if crc32c::crc32c(&bytes) != payload.crc && !PLANTED {",
        test: FLIPS,
    },
    Bug {
        name: "checksum_of_tables_not_compared",
        promise: 6,
        file: "src/log/checksummed_file.rs",
        right: "if u32_at(head, 12) != checksum(bytes) {",
        wrong: "if u32_at(head, 12) != checksum(bytes) && !PLANTED {",
        test: FLIPS,
    },
    Bug {
        name: "ack_before_write",
        promise: 2,
        file: "src/log/commit.rs",
        right: "let epoch = self.upper;\n",
        wrong: "let epoch = self.upper;\n\
                if PLANTED {\n\
                    for (reply, repeated) in waiting.drain(..) {\n\
                        reply.send(Ok(Ack { epoch, repeated }));\n\
                    }\n\
                    std::thread::sleep(std::time::Duration::from_millis(2));\n\
                }\n",
        test: Test::of("durable_after_ack", "acknowledged_appends_survive_kill_9"),
    },
    Bug {
        name: "mark_before_write",
        promise: 3,
        file: "src/log/commit.rs",
        right: "self.file.file.write_at(self.end, &frame)?;",
        wrong: "if PLANTED {\n\
                    let offset = self.end + frame.len() as u64;\n\
                    let mark = Mark { upper: epoch + 1, file: self.file.first, offset };\n\
                    self.open().advance(mark)?;\n\
                }\n\
                self.file.file.write_at(self.end, &frame)?;",
        test: Test::of("kill_at_every_point", "a_kill_at_any_call_loses_nothing"),
    },
    Bug {
        name: "frames_removed_before_the_manifest",
        promise: 3,
        file: "src/log/sealer.rs",
        right: "manifest.store(&self.dir)?;",
        wrong: "if PLANTED {\n\
                    let _ = self.dir.disk.remove(&self.dir.file(&frames_name(frames.first)));\n\
                }\n\
                manifest.store(&self.dir)?;",
        test: Test::of("kill_at_every_point", "a_kill_at_any_call_loses_nothing"),
    },
    Bug {
        name: "another_request_taken_for_a_repeat",
        promise: 7,
        file: "src/log/producer_table.rs",
        right: "(Some(first), Some(now)) if first != now => {",
        wrong: "(Some(first), Some(now)) if first != now && !PLANTED => {",
        test: Test::of(
            "exactly_once",
            "another_request_under_a_number_is_an_error_also_after_a_restart",
        ),
    },
    Bug {
        name: "producers_not_restored",
        promise: 7,
        file: "src/log/recovery.rs",
        right: "let Some((lower, sum)) = manifest.state else { \
                return Ok(ProducerTable::default()) };",
        wrong: "let Some((lower, sum)) = manifest.state.filter(|_| !PLANTED) else {\n\
                    return Ok(ProducerTable::default());\n\
                };",
        test: Test::of(
            "exactly_once",
            "the_window_outlives_restarts_and_sealing_and_ends_with_an_error",
        ),
    },
    Bug {
        name: "repeat_in_one_epoch_appended_again",
        promise: 7,
        file: "src/log/commit.rs",
        right: "if verdict != RequestVerdict::Due {",
        wrong: "if verdict == RequestVerdict::Repeat(None) && PLANTED {\n\
                    for (id, rows) in &numbered {\n\
                        batches.entry(*id).or_default().push(rows.clone());\n\
                    }\n\
                }\n\
                if verdict != RequestVerdict::Due {",
        test: Test::of("exactly_once", "the_same_request_twice_in_one_epoch_is_one_append"),
    },
    Bug {
        name: "offsets_not_with_their_events",
        promise: 7,
        file: "src/log/commit.rs",
        right: "header.offsets.extend(append.offsets.iter().cloned());",
        wrong: "header.offsets.extend(append.offsets.iter().skip(PLANTED.into()).cloned());",
        test: Test::of("exactly_once", "source_offsets_commit_with_their_events"),
    },
    Bug {
        name: "clocks_taken_for_ascending",
        promise: 12,
        file: "src/log/epoch_at_time.rs",
        right: "let in_time = frames().filter(|(_, clock)| *clock <= clock_us).last();",
        wrong: "let in_time = if PLANTED {\n\
                    frames().take_while(|(_, clock)| *clock <= clock_us).last()\n\
                } else {\n\
                    frames().filter(|(_, clock)| *clock <= clock_us).last()\n\
                };",
        test: Test::of("clock_jumps", "clock_jumps_move_nothing").cases(20),
    },
    Bug {
        name: "segment_judged_by_its_last_clock",
        promise: 12,
        file: "src/log/segment.rs",
        right: "let clock_max = epochs.iter().map(|record| record.clock_us).max()",
        wrong: "let last = epochs.last().filter(|_| PLANTED).map(|record| record.clock_us);\n\
                let most = epochs.iter().map(|record| record.clock_us).max();\n\
                let clock_max = last.or(most)",
        test: Test::of("clock_jumps", "clock_jumps_move_nothing").cases(20),
    },
    Bug {
        name: "retractions_of_format_2_misread",
        promise: 21,
        file: "src/log/frame.rs",
        right: "decode(bytes).map(|(header, section)| Header { section, ..header })",
        wrong: "decode(bytes).map(|(header, section): (Header, Option<Section>)| {\n\
                    Header { section: section.filter(|_| !PLANTED), ..header }\n\
                })",
        test: Test::of("golden", "a_log_of_format_2_opens"),
    },
    Bug {
        name: "log_of_before_branches_has_another",
        promise: 21,
        file: "src/log/writer_branches.rs",
        right: "return vec![(0, Branch(manifest.identity))];",
        wrong: "return vec![(0, Branch(manifest.identity ^ u64::from(PLANTED)))];",
        test: Test::of("golden", "a_log_with_branches_opens"),
    },
    Bug {
        name: "writer_goes_on_under_another_branch",
        promise: 23,
        file: "src/log/recovery.rs",
        right: "writer_branches::begin(&mut manifest.branches, upper, Branch(random.next()));",
        wrong: "if !PLANTED || manifest.branches.is_empty() {\n\
                    writer_branches::begin(&mut manifest.branches, upper, Branch(random.next()));\n\
                }",
        test: Test::of("one_history", "two_copies_that_append_the_same_have_parted_all_the_same"),
    },
    Bug {
        name: "branches_not_compared",
        promise: 23,
        file: "src/base/time/history_branch.rs",
        right: "(ours != Some(asked)).then(",
        wrong: "(ours != Some(asked) && !PLANTED).then(",
        test: Test::of(
            "one_history",
            "what_names_an_epoch_is_believed_where_all_up_to_it_is_the_same",
        )
        .cases(50),
    },
    Bug {
        name: "panics_of_arrow_not_contained",
        promise: 16,
        file: "src/log/arrow_ipc_message.rs",
        right: "match caught(|| decoder.read_record_batch(&block, message))? {",
        wrong: "match if PLANTED {\n\
                    Ok(decoder.read_record_batch(&block, message))\n\
                } else {\n\
                    caught(|| decoder.read_record_batch(&block, message))\n\
                }? {",
        test: Test::of("hostile_bytes", "no_decoder_panics_hangs_or_grows").cases(60_000),
    },
];
