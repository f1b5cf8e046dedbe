use super::curve::{Curve, Line};
use super::read::Points;
use crate::TrainError;
use crate::display::number;
use plotters::coord::Shift;
use plotters::prelude::*;

/// Drawn this much larger than shown: the backend knows whole pixels only.
const SCALE: u32 = 3;
const SIZE: (u32, u32) = (560 * SCALE, 250 * SCALE);

// The style sheet names these colours to replace them in dark mode.
const TRAINING: RGBColor = RGBColor(0x2B, 0x6C, 0xB0);
const EVALUATION: RGBColor = RGBColor(0xC0, 0x56, 0x21);
const GRID: RGBColor = RGBColor(0xE3, 0xE3, 0xDE);
const TEXT: RGBColor = RGBColor(0x5C, 0x5C, 0x57);

/// A curve as an SVG element.
pub(super) fn svg(curve: &Curve) -> Result<String, TrainError> {
    let mut text = String::new();
    let area = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
    draw(&area, curve).map_err(|reason| TrainError::Draw { curve: curve.title.clone(), reason })?;
    drop(area);
    // Height and width would be those of the scaled drawing; the style sheet gives the right ones.
    let attributes = format!("width=\"{}\" height=\"{}\" ", SIZE.0, SIZE.1);
    Ok(text.replacen(&attributes, "", 1))
}

fn draw(area: &DrawingArea<SVGBackend<'_>, Shift>, curve: &Curve) -> Result<(), String> {
    let text = |size: u32| ("sans-serif", size * SCALE).into_font().color(&TEXT);
    let (x, y) = ranges(curve);
    let mut chart = ChartBuilder::on(area)
        .margin(6 * SCALE)
        // Room for half of the last label.
        .margin_right(18 * SCALE)
        .set_label_area_size(LabelAreaPosition::Left, 46 * SCALE)
        .set_label_area_size(LabelAreaPosition::Bottom, 38 * SCALE)
        .build_cartesian_2d(x, y)
        .map_err(|e| e.to_string())?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID.stroke_width(SCALE))
        .axis_style(GRID.stroke_width(SCALE))
        .set_all_tick_mark_size(3 * SCALE)
        .x_labels(8)
        .y_labels(8)
        .label_style(text(14))
        .axis_desc_style(text(14))
        .x_desc("step")
        .y_label_formatter(&|value| number(*value, 4))
        .draw()
        .map_err(|e| e.to_string())?;
    for (line, color) in [(&curve.training, TRAINING), (&curve.evaluation, EVALUATION)] {
        let Some(line) = line else { continue };
        if let Some(noisy) = &line.noisy {
            let style = color.mix(0.4).stroke_width(SCALE);
            chart
                .draw_series(LineSeries::new(noisy.iter().copied(), style))
                .map_err(|e| e.to_string())?;
        }
        let points = || line.points.iter().copied();
        let style = color.stroke_width(2 * SCALE);
        chart.draw_series(LineSeries::new(points(), style)).map_err(|e| e.to_string())?;
        // Few points are marked: a single one would not be seen otherwise.
        if line.points.len() <= 40 {
            let dot = |point| Circle::new(point, 3 * SCALE, color.filled());
            chart.draw_series(points().map(dot)).map_err(|e| e.to_string())?;
        }
    }
    area.present().map_err(|e| e.to_string())
}

type Ranges = (std::ops::Range<u64>, std::ops::Range<f64>);

fn ranges(curve: &Curve) -> Ranges {
    let lines = || [&curve.training, &curve.evaluation].into_iter().flatten();
    let drawn = |line: &Line| -> Points { line.noisy.clone().unwrap_or_default() };
    let points: Points =
        lines().flat_map(|line| [line.points.clone(), drawn(line)].concat()).collect();
    let first = points.iter().map(|p| p.0).min().unwrap_or(0);
    let last = points.iter().map(|p| p.0).max().unwrap_or(0);
    let low = points.iter().map(|p| p.1).fold(f64::INFINITY, f64::min);
    let high = points.iter().map(|p| p.1).fold(f64::NEG_INFINITY, f64::max);
    (first..last.max(first + 1), padded(low, high))
}

/// Room around the values; from 0 where that costs at most half of the height.
fn padded(low: f64, high: f64) -> std::ops::Range<f64> {
    let span = if high > low { high - low } else { high.abs().max(1e-6) };
    let pad = 0.06 * span;
    let bottom = if low >= 0.0 && low <= 0.5 * high { 0.0 } else { low - pad };
    bottom..high + pad
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(points: Points) -> Option<Line> {
        Some(Line { points, noisy: None, thinned: 1 })
    }

    fn curve(training: Points, evaluation: Points) -> Curve {
        let title = "Reward".to_owned();
        Curve { title, training: line(training), evaluation: line(evaluation) }
    }

    /// The content of all `<text>` elements.
    fn labels(svg: &str) -> Vec<&str> {
        let texts = svg.split("<text").skip(1);
        texts.filter_map(|t| Some(t.split_once('>')?.1.split_once('<')?.0.trim())).collect()
    }

    #[test]
    fn axes_are_labelled_and_lines_drawn() {
        let svg = svg(&curve(vec![(1, 0.0), (50, 0.5), (100, 1.0)], vec![(100, 0.8)])).unwrap();
        let labels = labels(&svg);
        for expected in ["step", "20", "100", "0", "0.2", "0.8", "1"] {
            assert!(labels.contains(&expected), "{expected} is missing in {labels:?}");
        }
        assert_eq!(svg.matches("stroke=\"#2B6CB0\"").count(), 1, "the training line");
        assert_eq!(svg.matches("fill=\"#C05621\"").count(), 1, "the mark of the evaluation");
        assert!(svg.starts_with("<svg viewBox=") && svg.trim_end().ends_with("</svg>"), "{svg}");
    }

    #[test]
    fn odd_values_have_a_range() {
        let cases: [Points; 6] = [
            vec![(0, 0.0)],
            vec![(7, 5.0), (8, 5.0)],
            vec![(1, -1.0), (2, -1.0)],
            vec![(1, 1e-12), (2, 1e-12)],
            vec![(1, 1e30), (2, -1e30)],
            vec![(u64::MAX - 2, 1.0), (u64::MAX - 1, 2.0)],
        ];
        for points in cases {
            let (x, y) = ranges(&curve(points.clone(), Vec::new()));
            assert!(x.start < x.end && y.start < y.end, "{points:?}: {x:?} {y:?}");
            svg(&curve(points, Vec::new())).unwrap();
        }
    }

    #[test]
    fn the_axis_starts_at_zero_only_where_that_wastes_little() {
        assert_eq!(padded(0.1, 1.0).start, 0.0);
        assert!(padded(0.9, 1.0).start > 0.8);
        assert!(padded(-0.5, 1.0).start < -0.5);
    }
}
