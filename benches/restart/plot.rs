//! Draws two small plots in one SVG file.

use std::fmt::Write;

/// Width and height of one plot's frame, and the room around it.
const FRAME: (f64, f64) = (400.0, 260.0);
const ROOM: f64 = 70.0;

/// A line of points.
pub(crate) struct Line {
    pub(crate) name: &'static str,
    pub(crate) colour: &'static str,
    pub(crate) points: Vec<(f64, f64)>,
}

/// One plot.
pub(crate) struct Plot {
    pub(crate) title: &'static str,
    pub(crate) x: &'static str,
    pub(crate) y: &'static str,
    /// Both axes are logarithmic, or both begin at zero.
    pub(crate) logarithmic: bool,
    pub(crate) lines: Vec<Line>,
}

/// An axis, which maps values to positions.
struct Axis {
    low: f64,
    high: f64,
    logarithmic: bool,
    length: f64,
}

impl Axis {
    fn new(values: impl Iterator<Item = f64> + Clone, logarithmic: bool, length: f64) -> Axis {
        let most = values.clone().fold(f64::MIN_POSITIVE, f64::max);
        let least = values.fold(most, f64::min);
        let (low, high) = if logarithmic {
            (10_f64.powf(least.log10().floor()), 10_f64.powf(most.log10().ceil()))
        } else {
            (0.0, most * 1.1)
        };
        Axis { low, high, logarithmic, length }
    }

    fn at(&self, value: f64) -> f64 {
        let place = |value: f64| if self.logarithmic { value.log10() } else { value };
        let (low, high) = (place(self.low), place(self.high));
        (place(value) - low) / (high - low) * self.length
    }

    fn ticks(&self) -> Vec<f64> {
        if self.logarithmic {
            let (low, high) = (self.low.log10().round() as i32, self.high.log10().round() as i32);
            return (low..=high).map(|power| 10_f64.powi(power)).collect();
        }
        (0..=4).map(|part| self.high * f64::from(part) / 4.0).collect()
    }
}

fn short(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 1.0 => format!("{value:.1}").trim_end_matches(".0").to_owned(),
        value => format!("{value:.3}").trim_end_matches('0').to_owned(),
    }
}

/// The plots beside one another, as the text of an SVG file.
pub(crate) fn svg(plots: &[Plot]) -> String {
    let width = (FRAME.0 + 2.0 * ROOM) * plots.len() as f64;
    let height = FRAME.1 + 2.0 * ROOM;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n"
    );
    for (number, plot) in plots.iter().enumerate() {
        let left = number as f64 * (FRAME.0 + 2.0 * ROOM) + ROOM;
        // Writing to a String cannot fail.
        let _ = writeln!(out, "<g transform=\"translate({left},{ROOM})\">");
        draw(plot, &mut out);
        out.push_str("</g>\n");
    }
    out + "</svg>\n"
}

fn draw(plot: &Plot, out: &mut String) {
    let points = plot.lines.iter().flat_map(|line| &line.points);
    let x = Axis::new(points.clone().map(|point| point.0), plot.logarithmic, FRAME.0);
    let y = Axis::new(points.map(|point| point.1), plot.logarithmic, FRAME.1);
    let (width, height) = FRAME;
    let mut text = |x: f64, y: f64, anchor: &str, text: &str| {
        let _ =
            writeln!(out, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>");
    };
    text(width / 2.0, -30.0, "middle", plot.title);
    text(width / 2.0, height + 45.0, "middle", plot.x);
    text(-10.0, -12.0, "middle", plot.y);
    for tick in x.ticks() {
        text(x.at(tick), height + 20.0, "middle", &short(tick));
    }
    for tick in y.ticks() {
        text(-8.0, height - y.at(tick) + 4.0, "end", &short(tick));
    }
    for (number, line) in plot.lines.iter().enumerate() {
        let below = 18.0 * number as f64;
        let _ = writeln!(
            out,
            "<text x=\"12\" y=\"{:.1}\" fill=\"{}\">{}</text>",
            20.0 + below,
            line.colour,
            line.name
        );
    }
    for tick in y.ticks() {
        let at = height - y.at(tick);
        let _ = writeln!(out, "<path d=\"M0 {at:.1}H{width}\" stroke=\"#ddd\"/>");
    }
    let _ = writeln!(
        out,
        "<rect width=\"{width}\" height=\"{height}\" fill=\"none\" stroke=\"black\"/>"
    );
    for line in &plot.lines {
        let place = |point: &(f64, f64)| (x.at(point.0), height - y.at(point.1));
        let path: Vec<_> = line.points.iter().map(place).collect();
        let joined: Vec<_> = path.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let colour = line.colour;
        let _ = writeln!(
            out,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            joined.join(" ")
        );
        for (x, y) in path {
            let _ =
                writeln!(out, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>");
        }
    }
}
