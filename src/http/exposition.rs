//! The Prometheus text format: families of samples, each with a help line.

use std::fmt::{Display, Write};

/// The text of an exposition.
#[derive(Default)]
pub(super) struct Exposition(String);

/// A family of samples that is being written.
pub(super) struct Family<'e> {
    text: &'e mut String,
    name: &'static str,
}

impl Exposition {
    /// Begins a gauge: a value that goes up and down.
    pub(super) fn gauge(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "gauge", help)
    }

    /// Begins a counter: a value that only goes up; its name ends in `_total`.
    pub(super) fn counter(&mut self, name: &'static str, help: &str) -> Family<'_> {
        debug_assert!(name.ends_with("_total"), "{name} is a counter");
        self.family(name, "counter", help)
    }

    /// Begins a histogram: the distribution of a value.
    pub(super) fn histogram(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "histogram", help)
    }

    fn family(&mut self, name: &'static str, kind: &str, help: &str) -> Family<'_> {
        // Writing to a string cannot fail.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        Family { text: &mut self.0, name }
    }

    /// The whole text.
    pub(super) fn finish(self) -> String {
        self.0
    }
}

impl Family<'_> {
    /// Adds a sample.
    pub(super) fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) -> &mut Self {
        self.line("", labels, value)
    }

    /// Adds the samples of one histogram: the counts by bound, the total count, and the sum. Bounds
    /// are in microseconds and shown in seconds.
    pub(super) fn distribution(
        &mut self,
        labels: &[(&str, &str)],
        bounded: &[(u64, u64)],
        count: u64,
        sum: f64,
    ) {
        let finite = bounded.iter().map(|(bound, below)| (*bound as f64 / 1e6, *below));
        for (bound, below) in finite.chain([(f64::INFINITY, count)]) {
            let bound = if bound.is_finite() { bound.to_string() } else { "+Inf".to_owned() };
            let mut labels = labels.to_vec();
            labels.push(("le", &bound));
            self.line("_bucket", &labels, below);
        }
        self.line("_sum", labels, sum).line("_count", labels, count);
    }

    fn line(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Display) -> &mut Self {
        self.text.push_str(self.name);
        self.text.push_str(suffix);
        for (place, (name, value)) in labels.iter().enumerate() {
            self.text.push_str(if place == 0 { "{" } else { "," });
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.text, "{name}=\"{value}\"");
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.text, "{end} {value}");
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped_and_buckets_end_at_infinity() {
        let mut text = Exposition::default();
        text.gauge("a_bytes", "Bytes of a.").sample(&[("x", "\"\\\n")], 1).sample(&[], 2.5);
        text.histogram("b_seconds", "B.").distribution(
            &[("p", "q")],
            &[(50, 1), (1_000, 2)],
            3,
            0.5,
        );
        let expected = "# HELP a_bytes Bytes of a.\n# TYPE a_bytes gauge\n\
            a_bytes{x=\"\\\"\\\\\\n\"} 1\na_bytes 2.5\n\
            # HELP b_seconds B.\n# TYPE b_seconds histogram\n\
            b_seconds_bucket{p=\"q\",le=\"0.00005\"} 1\nb_seconds_bucket{p=\"q\",le=\"0.001\"} 2\n\
            b_seconds_bucket{p=\"q\",le=\"+Inf\"} 3\nb_seconds_sum{p=\"q\"} 0.5\n\
            b_seconds_count{p=\"q\"} 3\n";
        assert_eq!(text.finish(), expected);
    }
}
