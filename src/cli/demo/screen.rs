//! The screen of `demo`: the ten top tags of the current hour, and how fresh they are.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::live_phase::{FreshnessSample, Stage};
use super::timed_disk::TimedDisk;
use crate::percentile::{ms, percentile};
use crate::row_printer::grouped;
use diptych_base::error::Result;
use diptych_event::Timestamp;
use diptych_row::Datum;
use diptych_serving::{Index, Read, Snapshot};

/// The span of the shown freshness and rate, up to now.
const WINDOW: Duration = Duration::from_secs(2);
const TAGS: usize = 10;
const BAR: u64 = 30;
/// The hours to go back for tags: an hour that has just begun may have no visible event yet.
const HOURS_BACK: usize = 6;

/// The state of the screen between two pictures.
pub(super) struct Screen {
    top_tags: usize,
    redraws: bool,
    /// Lines of the picture that is on the screen now.
    lines: usize,
    begun: Instant,
}

/// A tag and its number of occurrences.
type Ranked = (String, u64);

impl Screen {
    /// A screen over the index of `tweets`.
    ///
    /// # Errors
    /// When the index has no view of top tags.
    pub(super) fn new(index: &Index) -> Result<Screen> {
        let redraws = super::on_terminal();
        let begun = Instant::now();
        Ok(Screen { top_tags: index.view("top_tags")?, redraws, lines: 0, begun })
    }

    /// How long to wait between two pictures.
    pub(super) fn pause(&self) -> Duration {
        if self.redraws { Duration::from_millis(200) } else { Duration::from_secs(1) }
    }

    /// Draws the current state.
    ///
    /// # Errors
    /// When a read fails.
    pub(super) fn draw(&mut self, index: &Index, stage: &Stage, disk: &TimedDisk) -> Result<()> {
        let snapshot = index.snapshot(Read::Latest)?;
        let (hour, tags) = self.leaders(&snapshot, stage.now())?;
        let samples = stage.samples(0);
        let recent: Vec<_> =
            samples.iter().filter(|s| s.visible.elapsed() < WINDOW).copied().collect();
        let seconds = self.begun.elapsed().min(WINDOW).as_secs_f64();
        let events: u64 = recent.iter().map(|sample| sample.events).sum();
        let rate = (events as f64 / seconds) as u64;
        let epoch = snapshot.epoch().unwrap_or(0);
        let place = format!(
            "epoch {}   boundary F = {}   {} events/s in",
            grouped(epoch),
            grouped(snapshot.boundary()),
            grouped(rate)
        );
        if self.redraws {
            self.redraw(&picture(&place, &hour.to_string(), &tags, &freshness(&recent, disk)));
        } else {
            let leader = tags.first().map_or("nothing yet", |(tag, _)| tag.as_str());
            let append: Vec<_> = recent.iter().map(|s| s.append_to_visible).collect();
            eprintln!(
                "live: {place}   append to visible p50 {} p99 {}   {hour} leads #{leader}",
                ms(percentile(&append, 0.5)),
                ms(percentile(&append, 0.99))
            );
        }
        Ok(())
    }

    /// The top tags of the hour of `now`, or of an earlier hour while that has none yet.
    fn leaders(&self, snapshot: &Snapshot, now: Timestamp) -> Result<(Timestamp, Vec<Ranked>)> {
        let schema = &snapshot.views()[self.top_tags].schema;
        let mut hour = now.hour();
        for _ in 0..HOURS_BACK {
            let key = schema.parse_key(&[hour.to_string()])?;
            let mut tags: Vec<Ranked> = Vec::new();
            for row in snapshot.prefix(self.top_tags, &key).take(TAGS) {
                let row = row?;
                // hour, rank, tag, n
                if let [_, _, tag, Datum::Int(n)] = &schema.decode(&row.key, &row.value)?[..] {
                    tags.push((tag.to_string(), n.unsigned_abs()));
                }
            }
            if !tags.is_empty() {
                return Ok((hour, tags));
            }
            hour = Timestamp::from_micros(hour.micros() - 1).hour();
        }
        Ok((now.hour(), Vec::new()))
    }

    /// Leaves the last picture, and prints a summary of the run.
    ///
    /// # Errors
    /// When a read fails.
    pub(super) fn finish(mut self, index: &Index, stage: &Stage, disk: &TimedDisk) -> Result<()> {
        self.draw(index, stage, disk)?;
        let samples = stage.samples(0);
        let events: u64 = samples.iter().map(|sample| sample.events).sum();
        let epochs = index.frontier().saturating_sub(index.boundary());
        eprintln!("live: {} events in {} epochs, all visible", grouped(events), grouped(epochs));
        for line in freshness(&samples, disk) {
            eprintln!("live: {line}");
        }
        Ok(())
    }

    fn redraw(&mut self, lines: &[String]) {
        let mut text = String::new();
        if self.lines > 0 {
            // Writing to a String cannot fail.
            let _ = write!(text, "\x1b[{}A", self.lines);
        }
        for line in lines {
            let _ = writeln!(text, "\x1b[2K{line}");
        }
        eprint!("{text}");
        self.lines = lines.len();
    }
}

fn picture(place: &str, hour: &str, tags: &[Ranked], fresh: &[String]) -> Vec<String> {
    let most = tags.first().map_or(1, |(_, n)| (*n).max(1));
    let mut lines = vec![String::new(), format!("  \x1b[1mtop tags of {hour}\x1b[0m")];
    for place in 0..TAGS {
        lines.push(tags.get(place).map_or_else(String::new, |(tag, n)| {
            let bar = "█".repeat((n * BAR / most) as usize);
            let space = " ".repeat(12_usize.saturating_sub(tag.chars().count()));
            format!("  {:>2}  #{tag}{space} {:>7}  \x1b[36m{bar}\x1b[0m", place + 1, grouped(*n))
        }));
    }
    lines.extend([String::new(), format!("  {place}")]);
    lines.extend(fresh.iter().map(|line| format!("  {line}")));
    lines
}

/// Percentiles of the samples, beside those of the disk.
fn freshness(samples: &[FreshnessSample], disk: &TimedDisk) -> Vec<String> {
    let line = |what: &str, times: &[Duration]| {
        format!(
            "{what:<18} p50 {:>8}   p99 {:>8}",
            ms(percentile(times, 0.5)),
            ms(percentile(times, 0.99))
        )
    };
    let append: Vec<_> = samples.iter().map(|sample| sample.append_to_visible).collect();
    let ack: Vec<_> = samples.iter().map(|sample| sample.ack_to_visible).collect();
    vec![
        line("append to visible", &append),
        line("ack to visible", &ack),
        line("one fdatasync", &disk.syncs()),
    ]
}
