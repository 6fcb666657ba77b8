use std::fmt;

use crate::{
    axis::LogAxis,
    chart::{Chart, Line},
    measure::Point,
};

/// A chart as an SVG picture, on axes that are both logarithmic.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plot<'a> {
    pub(crate) chart: &'a Chart,
    pub(crate) machine: &'a str,
}

const WIDTH: f64 = 800.0;
const HEIGHT: f64 = 480.0;

/// Where the lines may go; right of it are their names.
const LEFT: f64 = 78.0;
const RIGHT: f64 = 568.0;
const TOP: f64 = 122.0;
const BOTTOM: f64 = 416.0;

/// From the first and the last size to the frame.
const INSET: f64 = 22.0;

/// What a line's name takes, with the figures below it.
const NAME_HEIGHT: f64 = 37.0;

/// From one line of the notes to the next.
const NOTE_HEIGHT: f64 = 17.0;

/// Colours that who sees no red or no green can still tell apart (Okabe and Ito), the pale ones left
/// out.
const COLOURS: [&str; 6] = [
    "#0072b2", "#d55e00", "#009e73", "#b0508c", "#8a6d00", "#555555",
];

impl fmt::Display for Plot<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chart = self.chart;
        let sizes = || chart.points().map(|point| point.size);
        let (least, greatest) = (
            sizes().fold(f64::INFINITY, f64::min),
            sizes().fold(0.0, f64::max),
        );
        let x = LogAxis::new((least, LEFT + INSET), (greatest, RIGHT - INSET));
        let figures = chart.points().flat_map(|point| [point.min, point.max]);
        let y = LogAxis::around(figures, [BOTTOM, TOP]);
        writeln!(
            f,
            r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" font-family="system-ui, 'Segoe UI', Helvetica, Arial, 'DejaVu Sans', sans-serif" font-size="12" fill="#444">
<title>{title}</title>
<rect width="{WIDTH}" height="{HEIGHT}" rx="6" fill="#fff"/>
<text x="24" y="36" font-size="19" font-weight="600" fill="#111">{title}</text>"##,
            title = Escaped(chart.title),
        )?;
        let mut baseline = 58.0;
        for note in &chart.notes {
            writeln!(f, r#"<text x="24" y="{baseline}">{}</text>"#, Escaped(note))?;
            baseline += NOTE_HEIGHT;
        }
        self.write_scales(f, &x, &y)?;
        let names = spread(chart.lines.iter().filter_map(|line| {
            let last = line.points.last()?;
            Some(y.place(last.median))
        }));
        let styled = chart.lines.iter().zip(COLOURS).zip(names);
        for ((line, colour), name_place) in styled {
            self.write_line(f, line, colour, |point| {
                (
                    x.place(point.size),
                    [point.median, point.min, point.max].map(|at| y.place(at)),
                )
            })?;
            self.write_name(f, line, colour, name_place, &x, &y)?;
        }
        write!(f, "</svg>")
    }
}

impl Plot<'_> {
    /// The frame, the marks, and what the axes are about.
    fn write_scales(&self, f: &mut fmt::Formatter<'_>, x: &LogAxis, y: &LogAxis) -> fmt::Result {
        let (size, figure) = (self.chart.size, self.chart.figure);
        writeln!(f, r##"<g stroke="#e2e2e2">"##)?;
        let marks = y.marks();
        for &mark in &marks {
            let at = Rounded(y.place(mark));
            writeln!(f, r#"<path d="M{LEFT} {at}H{RIGHT}"/>"#)?;
        }
        writeln!(f, "</g>\n<g text-anchor=\"end\">")?;
        for &mark in &marks {
            let (at, number) = (Rounded(y.place(mark) + 4.0), figure.unit.format(mark));
            writeln!(f, r#"<text x="{}" y="{at}">{number}</text>"#, LEFT - 8.0)?;
        }
        writeln!(f, "</g>\n<g text-anchor=\"middle\">")?;
        let mut sizes: Vec<f64> = self.chart.points().map(|point| point.size).collect();
        sizes.sort_by(f64::total_cmp);
        sizes.dedup();
        for &mark in &sizes {
            let (at, number) = (Rounded(x.place(mark)), size.unit.format(mark));
            writeln!(
                f,
                r##"<path d="M{at} {BOTTOM}v5" stroke="#888"/><text x="{at}" y="{}">{number}</text>"##,
                BOTTOM + 20.0,
            )?;
        }
        writeln!(
            f,
            r##"</g>
<path d="M{LEFT} {BOTTOM}H{RIGHT}" stroke="#888"/>
<text x="24" y="{above}" font-weight="600">{figure}</text>
<text x="{middle}" y="{below}" text-anchor="middle" font-weight="600">{size}</text>
<text x="{edge}" y="{foot}" text-anchor="end" font-size="10.5" fill="#888">{machine}</text>"##,
            above = TOP - 12.0,
            below = BOTTOM + 41.0,
            middle = f64::midpoint(LEFT, RIGHT),
            foot = HEIGHT - 10.0,
            edge = WIDTH - 16.0,
            figure = Escaped(figure.label),
            size = Escaped(size.label),
            machine = Escaped(self.machine),
        )
    }

    /// A line with its points, and bars from the least to the greatest of what was measured.
    fn write_line(
        &self,
        f: &mut fmt::Formatter<'_>,
        line: &Line,
        colour: &str,
        place: impl Fn(&Point) -> (f64, [f64; 3]),
    ) -> fmt::Result {
        writeln!(f, r#"<g stroke="{colour}" fill="{colour}">"#)?;
        write!(f, r#"<path fill="none" stroke-width="2" d=""#)?;
        for (index, point) in line.points.iter().enumerate() {
            let (x, [median, ..]) = place(point);
            let to = if index == 0 { 'M' } else { 'L' };
            write!(f, "{to}{} {}", Rounded(x), Rounded(median))?;
        }
        writeln!(f, r#""/>"#)?;
        for point in &line.points {
            let (x, [median, min, max]) = place(point);
            let [x, median, min, max] = [x, median, min, max].map(Rounded);
            writeln!(
                f,
                r#"<path stroke-opacity=".45" stroke-width="5" d="M{x} {min}V{max}"/><circle cx="{x}" cy="{median}" r="3.2" stroke="none"/>"#
            )?;
        }
        writeln!(f, "</g>")
    }

    /// What a line is, and its first and last figures, beside its end.
    fn write_name(
        &self,
        f: &mut fmt::Formatter<'_>,
        line: &Line,
        colour: &str,
        place: f64,
        x: &LogAxis,
        y: &LogAxis,
    ) -> fmt::Result {
        let (Some(first), Some(last)) = (line.points.first(), line.points.last()) else {
            return Ok(());
        };
        let unit = self.chart.figure.unit;
        let (from, to) = (unit.format(first.median), unit.format(last.median));
        let figures = if from == to {
            from
        } else {
            format!("{from} → {to}")
        };
        let end = (x.place(last.size) + 6.0, y.place(last.median));
        writeln!(
            f,
            r##"<path fill="none" stroke="{colour}" stroke-opacity=".5" stroke-dasharray="2 2" d="M{} {}L{} {}"/>
<text x="{at}" y="{}" font-weight="600" fill="{colour}">{}</text>
<text x="{at}" y="{}" fill="#666">{figures}</text>"##,
            Rounded(end.0),
            Rounded(end.1),
            RIGHT + 4.0,
            Rounded(place),
            Rounded(place),
            Escaped(line.name),
            Rounded(place + 15.0),
            at = RIGHT + 9.0,
        )
    }
}

/// Places as near as may be to the wanted ones, so far apart that names do not overlap, in the order in
/// which they were asked for.
fn spread(wanted: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut places: Vec<(usize, f64)> = wanted.enumerate().collect();
    places.sort_by(|(_, one), (_, other)| one.total_cmp(other));
    let mut free = TOP;
    for (_, place) in &mut places {
        *place = place.max(free);
        free = *place + NAME_HEIGHT;
    }
    let mut free = BOTTOM - NAME_HEIGHT / 2.0;
    for (_, place) in places.iter_mut().rev() {
        *place = place.min(free);
        free = *place - NAME_HEIGHT;
    }
    places.sort_by_key(|&(index, _)| index);
    places.into_iter().map(|(_, place)| place).collect()
}

/// A text within XML.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '&' => f.write_str("&amp;"),
            c => write!(f, "{c}"),
        })
    }
}

/// A place, as exact as an eye is.
#[derive(Clone, Copy)]
struct Rounded(f64);

impl fmt::Display for Rounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = (self.0 * 10.0).round() / 10.0;
        write!(f, "{tenths}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{chart::Scale, unit::Unit};

    #[test]
    fn names_do_not_overlap_and_stay_in_their_order() {
        let places = spread([300.0, 301.0, 130.0, 302.0].into_iter());
        let mut sorted = places.clone();
        sorted.sort_by(f64::total_cmp);
        assert!(
            sorted
                .windows(2)
                .all(|pair| pair[1] - pair[0] >= NAME_HEIGHT - 1e-9)
        );
        assert!(places[2] < places[0] && places[0] < places[1] && places[1] < places[3]);
        let full = spread([BOTTOM; 6].into_iter());
        assert!(
            full.iter().all(|place| (TOP..BOTTOM).contains(place)),
            "{full:?}"
        );
    }

    #[test]
    fn every_line_is_drawn_and_named_also_with_one_size() {
        for sizes in [&[1][..], &[1, 10, 100]] {
            let line = |name| Line {
                name,
                points: sizes.iter().map(|&size| Point::exact(size, 70.0)).collect(),
            };
            let scale = Scale {
                label: "things",
                unit: Unit::Count,
            };
            let chart = Chart {
                name: "chart",
                title: "A < B",
                notes: Vec::new(),
                size: scale,
                figure: scale,
                lines: vec![line("first"), line("second")],
            };
            let svg = Plot {
                chart: &chart,
                machine: "a machine",
            };
            let svg = svg.to_string();
            assert_eq!(svg.matches("<circle").count(), 2 * sizes.len());
            for text in ["A &lt; B", ">first<", ">second<", ">70<", "a machine"] {
                assert!(svg.contains(text), "{text} is not in {svg}");
            }
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        }
    }

    #[test]
    fn text_is_escaped() {
        assert_eq!(Escaped("a < b & c").to_string(), "a &lt; b &amp; c");
    }
}
