//! Horizontal bars, one a server: the median of its runs, with a whisker from the least to the most.

use std::fmt::{self, Write};

use super::number::short;
use super::page::{COLOURS, escape};
use super::scale::Scale;

const WIDTH: f64 = 640.0;
/// Of one bar with what is between it and the next.
const STEP: f64 = 26.0;
const LEFT: f64 = 120.0;
const RIGHT: f64 = 110.0;

/// A server's figure.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bar {
    pub(super) name: String,
    /// The figure of each run.
    pub(super) values: Vec<f64>,
}

impl Bar {
    fn least(&self) -> f64 {
        self.values.iter().copied().fold(f64::INFINITY, f64::min)
    }

    fn most(&self) -> f64 {
        self.values.iter().copied().fold(0.0, f64::max)
    }

    /// The value in the middle, or the mean of the two there.
    pub(super) fn median(&self) -> f64 {
        let mut values = self.values.clone();
        values.sort_by(f64::total_cmp);
        match values.len() {
            0 => f64::NAN,
            count if count % 2 == 1 => values[count / 2],
            count => (values[count / 2 - 1] + values[count / 2]) / 2.0,
        }
    }

    /// The median with the range it is from.
    pub(super) fn text(&self) -> String {
        match self.values.len() {
            0 => "-".into(),
            1 => short(self.median()),
            _ => {
                let range = [self.median(), self.least(), self.most()].map(short);
                let [median, least, most] = range;
                format!("{median} ({least} to {most})")
            }
        }
    }
}

/// The bars as SVG. Servers without a figure have none.
pub(super) fn svg(bars: &[Bar]) -> String {
    let mut svg = String::new();
    write_svg(bars, &mut svg).expect("a string takes all");
    svg
}

fn write_svg(bars: &[Bar], svg: &mut String) -> fmt::Result {
    let height = bars.len() as f64 * STEP + 6.0;
    let largest = bars.iter().map(Bar::most).fold(0.0, f64::max);
    let scale = Scale::exact((0.0, largest), (LEFT, WIDTH - RIGHT));
    write!(svg, "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">")?;
    for ((index, bar), colour) in bars.iter().enumerate().zip(COLOURS.iter().cycle()) {
        let top = index as f64 * STEP + 4.0;
        let (middle, baseline) = (top + 9.0, top + 13.0);
        let name = escape(&bar.name);
        write!(
            svg,
            "<text class=\"value\" x=\"{}\" y=\"{baseline}\" text-anchor=\"end\">{name}</text>",
            LEFT - 8.0
        )?;
        if bar.values.is_empty() {
            write!(
                svg,
                "<text x=\"{LEFT}\" y=\"{baseline}\">not measured</text>"
            )?;
            continue;
        }
        let width = scale.place(bar.median()) - LEFT;
        write!(
            svg,
            "<rect x=\"{LEFT}\" y=\"{top}\" width=\"{width:.1}\" height=\"18\" rx=\"2\" fill=\"{colour}\"/>"
        )?;
        let (least, most) = (scale.place(bar.least()), scale.place(bar.most()));
        if bar.values.len() > 1 {
            write!(
                svg,
                "<path d=\"M{least:.1} {middle}H{most:.1}M{least:.1} {top}v18M{most:.1} {top}v18\" stroke=\"#1c2430\" fill=\"none\"/>"
            )?;
        }
        let text = short(bar.median());
        write!(
            svg,
            "<text class=\"value\" x=\"{:.1}\" y=\"{baseline}\">{text}</text>",
            most + 6.0
        )?;
    }
    write!(svg, "</svg>")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(values: &[f64]) -> Bar {
        Bar {
            name: "a".into(),
            values: values.into(),
        }
    }

    #[test]
    fn the_median_is_in_the_middle() {
        for (values, expected) in [
            (&[3.0][..], "3"),
            (&[3.0, 1.0, 2.0], "2 (1 to 3)"),
            (&[4.0, 1.0, 2.0, 100.0], "3 (1 to 100)"),
            (&[], "-"),
        ] {
            assert_eq!(bar(values).text(), expected);
        }
    }

    #[test]
    fn a_bar_is_as_long_as_its_median() {
        let svg = svg(&[bar(&[10.0]), bar(&[5.0, 4.0, 6.0]), bar(&[])]);
        let full = WIDTH - LEFT - RIGHT;
        assert!(svg.contains(&format!("width=\"{full:.1}\"")), "{svg}");
        let half = full / 2.0;
        assert!(svg.contains(&format!("width=\"{half:.1}\"")), "{svg}");
        assert!(svg.contains("not measured"));
        assert_eq!(svg.matches("<rect").count(), 2);
    }
}
