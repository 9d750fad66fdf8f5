//! One picture of `top`: a head, and sections of rows below it.

use std::convert::Infallible;
use std::time::Duration;

use ratatui::backend::TestBackend;
use ratatui::layout::{Alignment, Constraint, Layout};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Text};
use ratatui::widgets::{Cell, Paragraph, Row, Table};
use ratatui::{Frame, Terminal};

use super::sample::{ShownConcern, ShownFlow, ShownState, TopSample};
use crate::row_printer::grouped;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::escaped_text::escaped;
use diptych_base::io::{Clock, RealClock};
use diptych_site::ConcernKind;

/// The width of a picture that is printed once.
const COLUMNS: u16 = 80;
/// The most operators that get a line: the busiest.
const OPERATORS: usize = 12;
/// The text for an unknown value.
const UNKNOWN: &str = "-";

/// A sample, and one before it for the rates.
pub(super) struct Picture {
    pub(super) before: Option<TopSample>,
    pub(super) now: TopSample,
    /// The reason why there is no newer sample.
    pub(super) trouble: Option<String>,
}

/// Rows under headings. A heading gives the width of its column, negative for right alignment; 0
/// takes the rest of the width.
struct Section {
    headings: Vec<(&'static str, i16)>,
    rows: Vec<(Vec<String>, Style)>,
}

impl Picture {
    /// Draws the picture to the size of the screen; sections that do not fit are left out at the
    /// end.
    pub(super) fn draw(&self, frame: &mut Frame<'_>) {
        let head = self.head(frame.area().width);
        let sections = self.sections();
        let lines = |count: usize| Constraint::Length(u16::try_from(count).unwrap_or(u16::MAX));
        let heights = std::iter::once(lines(head.len()))
            .chain(sections.iter().map(|section| lines(section.rows.len() + 2)));
        let heights: Vec<_> = heights.collect();
        let mut top = frame.area();
        frame.render_widget(Paragraph::new(head), top);
        for (section, height) in sections.iter().zip(heights.windows(2)) {
            let [_, rest] = Layout::vertical([height[0], Constraint::Fill(1)]).areas(top);
            top = rest;
            if top.height > 2 {
                frame.render_widget(section.table(), top);
            }
        }
    }

    /// The picture as plain lines, all of them.
    ///
    /// # Errors
    /// Never on any known system, because it is drawn in memory.
    pub(super) fn lines(&self) -> Result<Vec<String>> {
        let rows: usize = self.sections().iter().map(|section| section.rows.len() + 2).sum();
        let height = u16::try_from(self.head(COLUMNS).len() + rows).unwrap_or(u16::MAX);
        let refuse = |error: Infallible| Error::new(Kind::Io, format!("drawing: {error}"));
        let mut terminal = Terminal::new(TestBackend::new(COLUMNS, height)).map_err(refuse)?;
        terminal.draw(|frame| self.draw(frame)).map_err(refuse)?;
        let buffer = terminal.backend().buffer();
        let line = |y: u16| {
            let cells = (0..COLUMNS).filter_map(|x| buffer.cell((x, y)));
            let text: String = cells.map(ratatui::buffer::Cell::symbol).collect();
            text.trim_end().to_owned()
        };
        Ok((0..height).map(line).collect())
    }

    fn head(&self, columns: u16) -> Vec<Line<'static>> {
        let now = &self.now;
        let mut facts = vec![now.place.clone()];
        facts.extend(now.uptime.map(|time| format!("up {}", lasting(time))));
        facts.extend(now.resident.map(|size| format!("memory {}", bytes(size))));
        if now.reads.is_some() {
            let rate = self.rate(|sample| sample.reads.unwrap_or(0));
            facts.push(format!("reads/s {}", rate_text(rate)));
        }
        let mut log = vec![format!("log [{}, {})", grouped(now.lower), grouped(now.upper))];
        log.push(format!("{} events", grouped(now.events())));
        log.extend(now.log_bytes.map(bytes));
        log.push(format!("events/s {}", rate_text(self.rate(TopSample::events))));
        log.push(format!("epochs/s {}", rate_text(self.rate(|sample| sample.upper))));
        let bold = Style::new().add_modifier(Modifier::BOLD);
        let mut lines = vec![Line::styled(facts.join("   "), bold), Line::raw(log.join("   "))];
        let red = Style::new().fg(Color::Red);
        let troubles = self.troubles();
        let troubles = troubles.iter().flat_map(|text| wrapped(text, columns.into()));
        lines.extend(troubles.map(|line| Line::styled(line, red)));
        lines.push(Line::raw(""));
        lines
    }

    /// The concerns and troubles, each once.
    fn troubles(&self) -> Vec<String> {
        let now = RealClock.now_us();
        let mut all: Vec<String> =
            self.now.concerns.iter().map(|concern| told(concern, now)).collect();
        // The server detects these twice a second, and may not have done so yet.
        let untold = |flow: &ShownFlow, kind: ConcernKind| {
            let same = |concern: &ShownConcern| {
                concern.kind == kind.name() && concern.dataflow.as_ref() == Some(&flow.name)
            };
            !self.now.concerns.iter().any(same)
        };
        for flow in &self.now.flows {
            let name = &flow.name;
            let failed = flow.failure.iter().filter(|_| untold(flow, ConcernKind::DataflowFailed));
            all.extend(failed.map(|failure| format!("{name} stopped: {failure}")));
            let stands = flow.rebuilding.iter();
            let stands = stands.filter(|_| untold(flow, ConcernKind::DataflowStands));
            all.extend(stands.map(|why| format!("{name} is being rebuilt: {why}")));
        }
        all.extend(self.trouble.clone());
        all
    }

    fn sections(&self) -> Vec<Section> {
        let sections = if self.now.flows.is_empty() {
            vec![self.streams(), self.files()]
        } else {
            vec![self.flows(), self.operators(), self.state()]
        };
        sections.into_iter().filter(|section| !section.rows.is_empty()).collect()
    }

    fn flows(&self) -> Section {
        let row = |flow: &ShownFlow| {
            let seen = flow.lag_seconds.filter(|_| flow.upper > 0);
            let fresh = seen.map(millis);
            let cells = vec![
                flow.name.clone(),
                version(&flow.version),
                short(flow.boundary),
                short(flow.since),
                short(flow.upper),
                flow.verified.map_or_else(|| UNKNOWN.to_owned(), short),
                short(flow.lag),
                fresh.unwrap_or_else(|| UNKNOWN.to_owned()),
                rate_text(self.flow_rate(flow, |flow| flow.events)),
                rate_text(self.flow_rate(flow, |flow| flow.upper)),
            ];
            let failed = flow.failure.is_some();
            (cells, if failed { Style::new().fg(Color::Red) } else { Style::new() })
        };
        Section {
            headings: vec![
                ("DATAFLOW", 0),
                ("VERSION", 8),
                ("F", -6),
                ("SINCE", -6),
                ("UPPER", -6),
                ("VERIFIED", -8),
                ("LAG", -4),
                ("BEHIND", -7),
                ("EVENTS/S", -8),
                ("EP/S", -6),
            ],
            rows: self.now.flows.iter().map(row).collect(),
        }
    }

    fn state(&self) -> Section {
        let state = self.now.flows.iter().flat_map(|flow| {
            flow.state.iter().map(|ShownState { name, rows, stored, bytes: size }| {
                let sizes = [grouped(*rows), grouped(*stored), bytes(*size)];
                let cells = [flow.name.clone(), name.clone()].into_iter().chain(sizes);
                (cells.collect(), Style::new())
            })
        });
        Section {
            headings: vec![
                ("DATAFLOW", 20),
                ("VIEW", 0),
                ("ROWS", -15),
                ("IN FILES", -15),
                ("MEMORY", -10),
            ],
            rows: state.collect(),
        }
    }

    /// The operators that were busiest since the previous sample, or in total when there is none.
    fn operators(&self) -> Section {
        let mut all = Vec::new();
        for flow in &self.now.flows {
            let before = self.flow_before(flow);
            for operator in &flow.operators {
                let known = before
                    .and_then(|flow| flow.operators.iter().find(|other| other.id == operator.id));
                let busy =
                    known.map_or(operator.busy, |known| operator.busy.saturating_sub(known.busy));
                all.push((busy, flow, operator));
            }
        }
        all.sort_by_key(|(busy, _, operator)| std::cmp::Reverse((*busy, operator.busy)));
        let rows = all.iter().take(OPERATORS).map(|(busy, flow, operator)| {
            let share = self.seconds().map_or_else(
                || UNKNOWN.to_owned(),
                |seconds| format!("{:.1}%", busy.as_secs_f64() / seconds * 100.0),
            );
            let cells = vec![
                flow.name.clone(),
                operator.name.clone(),
                share,
                millis(operator.busy.as_secs_f64()),
                short(operator.records_in),
                short(operator.records_held),
            ];
            (cells, Style::new())
        });
        Section {
            headings: vec![
                ("DATAFLOW", 14),
                ("OPERATOR", 0),
                ("BUSY", -6),
                ("BUSY EVER", -9),
                ("RECORDS", -9),
                ("HELD", -9),
            ],
            rows: rows.collect(),
        }
    }

    fn streams(&self) -> Section {
        let rows = self.now.streams.iter().map(|(name, rows)| {
            let before = self.before.as_ref().and_then(|before| {
                before.streams.iter().find(|(other, _)| other == name).map(|(_, rows)| *rows)
            });
            let rate = before.zip(self.seconds()).map(|(before, s)| per_second(before, *rows, s));
            (vec![name.clone(), grouped(*rows), rate_text(rate)], Style::new())
        });
        Section {
            headings: vec![("STREAM", 0), ("EVENTS", -15), ("EVENTS/S", -10)],
            rows: rows.collect(),
        }
    }

    fn files(&self) -> Section {
        let rows = self.now.files.iter().map(|files| {
            let views: Vec<_> =
                files.views.iter().map(|(name, rows)| format!("{name} {}", short(*rows))).collect();
            let cells = vec![
                files.dataflow.clone(),
                version(&files.version),
                grouped(files.boundary),
                bytes(files.bytes),
                views.join(", "),
            ];
            (cells, Style::new())
        });
        Section {
            headings: vec![
                ("BATCH VIEW", 16),
                ("VERSION", 8),
                ("F", -10),
                ("SIZE", -10),
                ("ROWS OF VIEWS", 0),
            ],
            rows: rows.collect(),
        }
    }

    /// The time between the two samples.
    fn seconds(&self) -> Option<f64> {
        let before = self.before.as_ref()?;
        let seconds = self.now.taken.duration_since(before.taken).as_secs_f64();
        (seconds > 0.0).then_some(seconds)
    }

    fn rate(&self, figure: impl Fn(&TopSample) -> u64) -> Option<f64> {
        let before = figure(self.before.as_ref()?);
        Some(per_second(before, figure(&self.now), self.seconds()?))
    }

    fn flow_before(&self, flow: &ShownFlow) -> Option<&ShownFlow> {
        let same = |other: &&ShownFlow| other.name == flow.name && other.version == flow.version;
        self.before.as_ref()?.flows.iter().find(same)
    }

    fn flow_rate(&self, flow: &ShownFlow, figure: impl Fn(&ShownFlow) -> u64) -> Option<f64> {
        let before = figure(self.flow_before(flow)?);
        Some(per_second(before, figure(flow), self.seconds()?))
    }
}

impl Section {
    fn table(&self) -> Table<'static> {
        let cell = |text: &str, (_, width): &(&str, i16)| {
            // Control sequences for the terminal are not text.
            let text = escaped(text).into_owned();
            let side = if *width < 0 { Alignment::Right } else { Alignment::Left };
            Cell::from(Text::from(text).alignment(side))
        };
        let head = self.headings.iter().map(|heading| cell(heading.0, heading));
        let head = Row::new(head).style(Style::new().add_modifier(Modifier::BOLD));
        let rows = self.rows.iter().map(|(cells, style)| {
            let cells = cells.iter().zip(&self.headings).map(|(text, heading)| cell(text, heading));
            Row::new(cells).style(*style)
        });
        let widths = self.headings.iter().map(|(_, width)| match width {
            0 => Constraint::Fill(1),
            width => Constraint::Length(width.unsigned_abs()),
        });
        Table::new(rows.collect::<Vec<_>>(), widths.collect::<Vec<_>>()).header(head)
    }
}

/// A concern in the form of the server's own log.
fn told(concern: &ShownConcern, now_us: i64) -> String {
    let ShownConcern { kind, since_us, reason, remedy, .. } = concern;
    // The clock of the server may be ahead.
    let micros = u64::try_from(now_us.saturating_sub(*since_us)).unwrap_or(0);
    let time = lasting(Duration::from_micros(micros));
    let remedy = if remedy.is_empty() { String::new() } else { format!(" ({remedy})") };
    format!("{kind} for {time}: {reason}{remedy}")
}

/// Breaks the text into lines of at most `columns` columns, between words where there are any; all
/// lines except the first are indented.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let text = escaped(text);
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        let mut rest = word;
        if !line.trim().is_empty() && Line::raw(format!("{line} {rest}")).width() <= columns {
            line.push(' ');
            line.push_str(rest);
            continue;
        }
        if !line.trim().is_empty() {
            lines.push(std::mem::replace(&mut line, "  ".to_owned()));
        }
        // A word longer than a line.
        while Line::raw(format!("{line}{rest}")).width() > columns.max(4) {
            let room = columns.max(4) - line.len();
            let end = rest.char_indices().nth(room / 2).map_or(rest.len(), |(at, _)| at);
            lines.push(format!("{line}{}", &rest[..end]));
            "  ".clone_into(&mut line);
            rest = &rest[end..];
        }
        line.push_str(rest);
    }
    lines.push(line);
    lines
}

/// The start of a version; the mark of a build's hash is left out.
fn version(text: &str) -> String {
    text.strip_prefix("build-").unwrap_or(text).chars().take(8).collect()
}

fn per_second(before: u64, now: u64, seconds: f64) -> f64 {
    now.saturating_sub(before) as f64 / seconds
}

fn rate_text(rate: Option<f64>) -> String {
    match rate {
        None => UNKNOWN.to_owned(),
        Some(rate) if rate > 0.0 && rate < 10.0 => format!("{rate:.1}"),
        Some(rate) => short(rate as u64),
    }
}

/// A count in at most six characters.
fn short(count: u64) -> String {
    let scaled = |unit: f64, name: &str| format!("{:.1}{name}", count as f64 / unit);
    match count {
        0..=99_999 => count.to_string(),
        100_000..=999_999 => scaled(1e3, "k"),
        1_000_000..=999_949_999 => scaled(1e6, "M"),
        _ => scaled(1e9, "G"),
    }
}

fn bytes(size: u64) -> String {
    let scaled =
        |power: i32, name: &str| format!("{:.1} {name}", size as f64 / 1024f64.powi(power));
    match size {
        0..1024 => format!("{size} B"),
        1024..0x10_0000 => scaled(1, "KiB"),
        0x10_0000..0x4000_0000 => scaled(2, "MiB"),
        _ => scaled(3, "GiB"),
    }
}

fn millis(seconds: f64) -> String {
    if seconds < 1.0 { format!("{:.0}ms", seconds * 1e3) } else { format!("{seconds:.1}s") }
}

fn lasting(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn troubles_are_told_in_whole() {
        let text = "disk_nearly_full for 3s: the data directory's disk has 5 MiB left (make room)";
        for columns in [4, 20, 30, 200] {
            let lines = wrapped(text, columns);
            assert!(lines.iter().all(|line| Line::raw(line.as_str()).width() <= columns.max(4)));
            let joined: String = lines.concat().split_whitespace().collect();
            assert_eq!(joined, text.split_whitespace().collect::<String>(), "{lines:?}");
        }
        assert_eq!(wrapped("one two three", 8), ["one two", "  three"]);
        assert_eq!(wrapped("\u{1b}[2J", 80), ["\\u{1b}[2J"]);
        let concern = ShownConcern {
            kind: "dataflow_lags".to_owned(),
            dataflow: None,
            since_us: 1_000_000,
            reason: "it is behind".to_owned(),
            remedy: "look at it".to_owned(),
        };
        assert_eq!(
            told(&concern, 66_000_000),
            "dataflow_lags for 1m05s: it is behind (look at it)"
        );
        assert_eq!(told(&concern, 0), "dataflow_lags for 0s: it is behind (look at it)");
    }

    #[test]
    fn figures_are_short() {
        let counts = [7, 99_999, 123_456, 4_500_000, 999_949_999, 7_000_000_000].map(short);
        assert_eq!(counts, ["7", "99999", "123.5k", "4.5M", "999.9M", "7.0G"]);
        assert_eq!([0, 2048, 3 << 20].map(bytes), ["0 B", "2.0 KiB", "3.0 MiB"]);
        assert_eq!([0.0421, 2.5].map(millis), ["42ms", "2.5s"]);
        assert_eq!(lasting(Duration::from_secs(3725)), "1h02m");
        assert_eq!(
            [None, Some(0.0), Some(2.5), Some(1234.5)].map(rate_text),
            ["-", "0", "2.5", "1234"]
        );
    }
}
