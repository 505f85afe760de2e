//! Charts as SVG: lines over time, some of them side by side.

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;

/// One line of a chart: seconds since the start, and the value there.
pub struct Line {
    /// What the legend calls it.
    pub name: String,
    /// In the order of time.
    pub points: Vec<(f64, f64)>,
}

/// One chart.
pub struct Chart {
    /// Its title.
    pub title: String,
    /// The unit of the values, by Grafana's name.
    pub unit: String,
    /// Its lines.
    pub lines: Vec<Line>,
}

/// Charts beside each other.
const COLUMNS: usize = 2;

/// One chart with what belongs to it, pixels.
const SIZE: (u32, u32) = (480, 200);

/// The legend is on the right of the lines: its width, and the height of one of its names, pixels.
const LEGEND: (u32, i32) = (135, 14);

/// The palette of Okabe and Ito, which people tell apart who see fewer colours.
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    BLACK,
];

/// Draws the charts over so many seconds; points further apart than `gap` seconds are not connected.
pub fn draw(charts: &[Chart], seconds: f64, gap: f64) -> Result<String> {
    let rows = charts.len().div_ceil(COLUMNS);
    let mut svg = String::new();
    let picture = SVGBackend::with_string(&mut svg, (SIZE.0 * COLUMNS as u32, SIZE.1 * rows as u32));
    let picture = picture.into_drawing_area();
    picture.fill(&WHITE)?;
    for (chart, place) in charts.iter().zip(picture.split_evenly((rows, COLUMNS))) {
        draw_one(chart, &place, seconds, gap)?;
    }
    picture.present()?;
    drop(picture);
    Ok(svg)
}

fn draw_one(chart: &Chart, place: &DrawingArea<SVGBackend<'_>, Shift>, seconds: f64, gap: f64) -> Result<()> {
    let (place, legend) = place.split_horizontally(SIZE.0 - LEGEND.0);
    let values = chart.lines.iter().flat_map(|line| &line.points).map(|(_, value)| *value);
    let top = values.fold(f64::MIN_POSITIVE, f64::max) * 1.1;
    let mut builder = ChartBuilder::on(&place);
    builder.caption(&chart.title, ("sans-serif", 14)).margin(8).x_label_area_size(22).y_label_area_size(52);
    // Half of the last time is on the right of the axis.
    let mut context = builder.margin_right(20).build_cartesian_2d(0.0..seconds, 0.0..top)?;
    let mut mesh = context.configure_mesh();
    mesh.disable_x_mesh().x_labels(3).y_labels(4).label_style(("sans-serif", 10)).light_line_style(TRANSPARENT);
    mesh.x_label_formatter(&|time| format!("{time:.0} s"));
    mesh.y_label_formatter(&|value| shown(*value, top, &chart.unit)).draw()?;
    for (number, (line, colour)) in (0..).zip(chart.lines.iter().zip(COLOURS.into_iter().cycle())) {
        for part in line.points.chunk_by(|before, next| next.0 - before.0 <= gap) {
            context.draw_series(LineSeries::new(part.iter().copied(), colour.stroke_width(2)))?;
        }
        // As far down as the lines begin.
        let middle = 40 + number * LEGEND.1;
        legend.draw(&PathElement::new([(0, middle), (12, middle)], colour.stroke_width(2)))?;
        legend.draw(&Text::new(line.name.as_str(), (16, middle - 5), ("sans-serif", 10)))?;
    }
    Ok(())
}

/// A value as Grafana would show it on an axis that ends at `top`.
fn shown(value: f64, top: f64, unit: &str) -> String {
    let (scale, unit) = match unit {
        "s" if top < 1.0 => (1e3, " ms"),
        "s" => (1.0, " s"),
        "percentunit" => (100.0, " %"),
        "bytes" => (1.0 / f64::from(1 << 20), " MiB"),
        "reqps" => (1.0, "/s"),
        _ => (1.0, ""),
    };
    // To three decimals, without zeros at the end.
    format!("{}{unit}", (value * scale * 1e3).round() / 1e3)
}
