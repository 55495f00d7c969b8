//! Plots as SVG: lines over two axes, nothing else.

use std::fmt::Write;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 300.0;
/// Room for names and numbers: left, top, right, bottom.
const MARGINS: [f64; 4] = [64.0, 34.0, 170.0, 44.0];
/// Told apart by people who see few colours, on light and on dark.
const COLOURS: [&str; 6] = ["#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377"];

/// One axis.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    /// What is on it, with its unit.
    pub(crate) label: String,
    /// Each step is ten times the last.
    pub(crate) logarithmic: bool,
}

/// One line.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
}

/// One picture.
#[derive(Clone, Debug)]
pub(crate) struct Plot {
    pub(crate) title: String,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) lines: Vec<Line>,
    /// Levels worth seeing, with their names.
    pub(crate) levels: Vec<(String, f64)>,
}

impl Axis {
    /// An axis with equal steps.
    pub(crate) fn linear(label: &str) -> Self {
        Self { label: label.to_owned(), logarithmic: false }
    }

    /// An axis with steps of ten times.
    pub(crate) fn logarithmic(label: &str) -> Self {
        Self { label: label.to_owned(), logarithmic: true }
    }
}

/// Pictures below each other.
pub(crate) fn svg(plots: &[Plot]) -> String {
    let height: f64 = plots.iter().map(|_| HEIGHT).sum();
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
    );
    let mut top = 0.0;
    for plot in plots {
        let _ = writeln!(out, "<g transform=\"translate(0 {top})\">\n{}</g>", one(plot));
        top += HEIGHT;
    }
    out.push_str("</svg>\n");
    out
}

/// Where values of an axis are drawn.
struct Scale {
    from: f64,
    to: f64,
    logarithmic: bool,
    /// Where the axis begins and ends.
    at: (f64, f64),
}

impl Scale {
    fn new(axis: &Axis, values: impl Iterator<Item = f64>, at: (f64, f64)) -> Self {
        let usable = values.filter(|value| value.is_finite() && (!axis.logarithmic || *value > 0.0));
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in usable {
            (low, high) = (low.min(value), high.max(value));
        }
        if low > high {
            (low, high) = (1.0, 10.0);
        }
        let (from, to) = if axis.logarithmic {
            (low.log10().floor(), high.log10().ceil().max(low.log10().floor() + 1.0))
        } else {
            let to = if high > 0.0 { high * 1.1 } else { 1.0 };
            (low.min(0.0), to)
        };
        Self { from, to, logarithmic: axis.logarithmic, at }
    }

    fn place(&self, value: f64) -> f64 {
        let value = if self.logarithmic { value.max(f64::MIN_POSITIVE).log10() } else { value };
        let share = ((value - self.from) / (self.to - self.from)).clamp(0.0, 1.0);
        self.at.0 + share * (self.at.1 - self.at.0)
    }

    /// Values that are written beside the axis.
    fn ticks(&self) -> Vec<f64> {
        if self.logarithmic {
            let mut ticks = Vec::new();
            let mut power = self.from;
            while power <= self.to {
                ticks.push(10f64.powf(power));
                power += 1.0;
            }
            return ticks;
        }
        let rough = (self.to - self.from) / 5.0;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|f| f * power).find(|step| *step >= rough);
        let step = step.unwrap_or(rough);
        let mut ticks = Vec::new();
        let mut value = (self.from / step).ceil() * step;
        while value <= self.to {
            ticks.push(value);
            value += step;
        }
        ticks
    }
}

fn one(plot: &Plot) -> String {
    let [left, top, right, bottom] = MARGINS;
    let (end, floor) = (WIDTH - right, HEIGHT - bottom);
    let points = || plot.lines.iter().flat_map(|line| line.points.iter());
    let x = Scale::new(&plot.x, points().map(|point| point.0), (left, end));
    let levels = plot.levels.iter().map(|level| level.1);
    let y = Scale::new(&plot.y, points().map(|point| point.1).chain(levels), (floor, top));
    let mut out =
        format!("<text x=\"{left}\" y=\"20\" font-weight=\"bold\">{}</text>\n", escaped(&plot.title));
    for value in y.ticks() {
        let at = y.place(value);
        let _ = writeln!(out, "<path d=\"M{left} {at:.1}H{end}\" stroke=\"#dddddd\" fill=\"none\"/>");
        let _ = writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            left - 6.0,
            at + 4.0,
            short(value)
        );
    }
    for value in x.ticks() {
        let at = x.place(value);
        let _ = writeln!(out, "<path d=\"M{at:.1} {floor}v4\" stroke=\"#888888\" fill=\"none\"/>");
        let _ = writeln!(
            out,
            "<text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            floor + 17.0,
            short(value)
        );
    }
    let _ = writeln!(out, "<path d=\"M{left} {top}V{floor}H{end}\" stroke=\"#888888\" fill=\"none\"/>");
    let (middle, low) = (f64::midpoint(left, end), HEIGHT - 8.0);
    let _ = writeln!(
        out,
        "<text x=\"{middle}\" y=\"{low}\" text-anchor=\"middle\">{}</text>",
        escaped(&plot.x.label)
    );
    let _ = writeln!(
        out,
        "<text transform=\"translate(14 {}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
        f64::midpoint(top, floor),
        escaped(&plot.y.label)
    );
    for (name, value) in &plot.levels {
        let at = y.place(*value);
        let _ = writeln!(
            out,
            "<path d=\"M{left} {at:.1}H{end}\" stroke=\"#888888\" stroke-dasharray=\"5 4\" fill=\"none\"/>"
        );
        let _ = writeln!(out, "<text x=\"{:.1}\" y=\"{:.1}\">{}</text>", end + 6.0, at + 4.0, escaped(name));
    }
    out + &lines(plot, &x, &y)
}

fn lines(plot: &Plot, x: &Scale, y: &Scale) -> String {
    let [_, top, right, _] = MARGINS;
    let mut out = String::new();
    for ((line, colour), row) in plot.lines.iter().zip(COLOURS.iter().cycle()).zip(0u32..) {
        let points: Vec<String> = line
            .points
            .iter()
            .map(|point| format!("{:.1},{:.1}", x.place(point.0), y.place(point.1)))
            .collect();
        let _ = writeln!(
            out,
            "<polyline points=\"{}\" stroke=\"{colour}\" stroke-width=\"2\" fill=\"none\"/>",
            points.join(" ")
        );
        if points.len() < 60 {
            for point in &points {
                let (cx, cy) = point.split_once(',').unwrap_or((point, "0"));
                let _ = writeln!(out, "<circle cx=\"{cx}\" cy=\"{cy}\" r=\"2.5\" fill=\"{colour}\"/>");
            }
        }
        let (at, down) = (WIDTH - right + 12.0, top + 12.0 + f64::from(row) * 18.0);
        let _ =
            writeln!(out, "<path d=\"M{at} {:.1}h16\" stroke=\"{colour}\" stroke-width=\"3\"/>", down - 4.0);
        let _ = writeln!(out, "<text x=\"{:.1}\" y=\"{down:.1}\">{}</text>", at + 22.0, escaped(&line.name));
    }
    out
}

/// A number as it stands beside an axis.
fn short(value: f64) -> String {
    let size = value.abs();
    if (1000.0..1e6).contains(&size) {
        let thousands = format!("{:.1}", value / 1000.0);
        return format!("{}k", thousands.trim_end_matches(".0"));
    }
    if size >= 10.0 || size == 0.0 {
        format!("{value:.0}")
    } else {
        let text = format!("{value:.3}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(y: Axis, points: Vec<(f64, f64)>) -> Plot {
        let lines = vec![Line { name: "a < b".into(), points }];
        Plot { title: "t".into(), x: Axis::linear("s"), y, lines, levels: vec![("limit".into(), 50.0)] }
    }

    #[test]
    fn a_plot_holds_its_lines_and_levels() {
        let text = svg(&[plot(Axis::linear("ms"), vec![(0.0, 10.0), (60.0, 40.0)])]);
        assert!(text.contains("<polyline points=\"64.0,") && text.contains("a &lt; b"), "{text}");
        assert!(text.contains("stroke-dasharray") && text.ends_with("</svg>\n"));
    }

    #[test]
    fn logarithmic_axes_have_a_tick_each_decade() {
        let scale = Scale::new(&Axis::logarithmic("ms"), [0.2, 45.0].into_iter(), (0.0, 300.0));
        assert_eq!(
            scale.ticks().iter().map(|tick| short(*tick)).collect::<Vec<_>>(),
            ["0.1", "1", "10", "100"]
        );
        assert!((scale.place(1.0) - 100.0).abs() < 1e-9 && (scale.place(0.0)).abs() < 1e-9);
    }

    #[test]
    fn nothing_to_draw_is_no_panic() {
        assert!(svg(&[plot(Axis::logarithmic("ms"), Vec::new())]).contains("polyline"));
    }
}
