//! A plot of lines over a horizontal axis.

use std::fmt::{self, Write};

use super::number::short;
use super::page::COLOURS;
use super::scale::Scale;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 250.0;
/// Room for labels: left, right, above, below.
const MARGINS: [f64; 4] = [52.0, 14.0, 24.0, 34.0];

/// Points to be joined; where a value is missing the line is broken.
pub(super) type Series = Vec<(f64, Option<f64>)>;

/// What is plotted.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    pub(super) series: &'a [Series],
    /// Labels of the horizontal axis, and what it shows.
    pub(super) across: Across<'a>,
    /// What the vertical axis shows.
    pub(super) unit: &'a str,
    pub(super) logarithmic: bool,
}

/// The horizontal axis.
#[derive(Debug)]
pub(super) enum Across<'a> {
    /// Numbers with this unit.
    Numbers(&'a str),
    /// Places with labels.
    Labels(&'a [(f64, &'a str)]),
}

impl Lines<'_> {
    /// The plot as SVG.
    pub(super) fn svg(&self) -> String {
        let mut svg = String::new();
        self.write(&mut svg).expect("a string takes all");
        svg
    }

    fn write(&self, svg: &mut String) -> fmt::Result {
        let [left, right, above, below] = MARGINS;
        let (bottom, end) = (HEIGHT - below, WIDTH - right);
        let points = || self.series.iter().flatten();
        let furthest = points().map(|(at, _)| *at).fold(0.0, f64::max);
        let first = points().map(|(at, _)| *at).fold(furthest, f64::min);
        let horizontal = Scale::exact((first, furthest), (left, end));
        let values = || points().filter_map(|(_, value)| *value);
        let largest = values().fold(0.0, f64::max);
        let smallest = values()
            .filter(|value| *value > 0.0)
            .fold(largest, f64::min);
        let vertical = match self.logarithmic {
            true => Scale::logarithmic(smallest, largest, (bottom, above)),
            false => Scale::linear(largest, (bottom, above)),
        };
        write!(svg, "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">")?;
        for value in vertical.ticks() {
            let y = vertical.place(value);
            write!(
                svg,
                "<line class=\"grid\" x1=\"{left}\" x2=\"{end}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>"
            )?;
            label(svg, (left - 6.0, y + 4.0), "end", &short(value))?;
        }
        write!(
            svg,
            "<line class=\"axis\" x1=\"{left}\" x2=\"{end}\" y1=\"{bottom}\" y2=\"{bottom}\"/>"
        )?;
        self.write_across(svg, &horizontal, bottom)?;
        label(svg, (4.0, 11.0), "start", self.unit)?;
        for (series, colour) in self.series.iter().zip(COLOURS.iter().cycle()) {
            let path = path(series, &horizontal, &vertical);
            write!(
                svg,
                "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>"
            )?;
        }
        write!(svg, "</svg>")
    }

    fn write_across(&self, svg: &mut String, scale: &Scale, bottom: f64) -> fmt::Result {
        let y = bottom + 15.0;
        match self.across {
            Across::Labels(labels) => {
                for (at, text) in labels {
                    label(svg, (scale.place(*at), y), "middle", text)?;
                }
                Ok(())
            }
            Across::Numbers(unit) => {
                for value in scale.ticks() {
                    label(svg, (scale.place(value), y), "middle", &short(value))?;
                }
                label(svg, (WIDTH - MARGINS[1], y + 14.0), "end", unit)
            }
        }
    }
}

fn label(svg: &mut String, (x, y): (f64, f64), anchor: &str, text: &str) -> fmt::Result {
    let text = super::page::escape(text);
    write!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
    )
}

fn path(series: &Series, horizontal: &Scale, vertical: &Scale) -> String {
    let (mut path, mut joined) = (String::new(), false);
    for (at, value) in series {
        let Some(value) = value else {
            joined = false;
            continue;
        };
        let (x, y) = (horizontal.place(*at), vertical.place(*value));
        let command = if joined { 'L' } else { 'M' };
        write!(path, "{command}{x:.1} {y:.1}").expect("a string takes all");
        joined = true;
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_series_is_a_path_that_breaks_where_values_are_missing() {
        let series = [
            vec![
                (0.0, Some(1.0)),
                (1.0, None),
                (2.0, Some(3.0)),
                (3.0, Some(2.0)),
            ],
            vec![(0.0, Some(2.0)), (3.0, Some(2.0))],
        ];
        let lines = Lines {
            series: &series,
            across: Across::Numbers("s"),
            unit: "MB",
            logarithmic: false,
        };
        let svg = lines.svg();
        assert_eq!(svg.matches("<path").count(), 2);
        let first = svg.split("<path").nth(1).unwrap();
        assert_eq!(first.matches('M').count(), 2, "{first}");
        assert!(!svg.contains("NaN"), "{svg}");
    }

    #[test]
    fn nothing_to_plot_is_a_plot_too() {
        let lines = Lines {
            series: &[],
            across: Across::Labels(&[]),
            unit: "ms",
            logarithmic: true,
        };
        assert!(!lines.svg().contains("NaN"));
    }
}
