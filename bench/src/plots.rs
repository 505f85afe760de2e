//! The results as a picture for each scenario: bars with a line from the least to the greatest value.

use std::path::Path;

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::results::{Metric, Row};
use crate::statistics::range;

/// One of the charts that stand beside each other, pixels; the height is for each contender.
const SIZE: (u32, u32) = (420, 26);

/// Title and axis, pixels.
const MARGIN: u32 = 70;

/// What is drawn: the first figures of a scenario.
const CHARTS: usize = 2;

/// Blue of the palette of Okabe and Ito.
const BAR: RGBColor = RGBColor(0, 114, 178);

/// Draws the rows of one scenario into a file.
pub fn draw(file: &Path, title: &str, rows: &[&Row]) -> Result<()> {
    let has = |metric: &Metric| rows.iter().any(|row| row.medians.contains_key(metric));
    let metrics: Vec<_> =
        Metric::ALL.into_iter().filter(|metric| metric.is_primary() && has(metric)).take(CHARTS).collect();
    let height = MARGIN + SIZE.1 * rows.len() as u32;
    let picture = SVGBackend::new(file, (SIZE.0 * metrics.len().max(1) as u32, height + 20)).into_drawing_area();
    picture.fill(&WHITE)?;
    let charts = picture.titled(title, ("sans-serif", 14))?;
    for (metric, place) in metrics.iter().zip(charts.split_evenly((1, metrics.len().max(1)))) {
        bars(&place, *metric, rows)?;
    }
    picture.present()?;
    Ok(())
}

fn bars(place: &DrawingArea<SVGBackend<'_>, Shift>, metric: Metric, rows: &[&Row]) -> Result<()> {
    let greatest = rows.iter().filter_map(|row| Some(range(&row.values(metric))?.1));
    let end = greatest.fold(f64::MIN_POSITIVE, f64::max) * 1.05;
    // From top to bottom as in the table.
    let from_below = |index: usize| (rows.len() - index) as f64 - 0.5;
    let mut builder = ChartBuilder::on(place);
    builder.margin(8).margin_right(20).x_label_area_size(36).y_label_area_size(140);
    let mut chart = builder.build_cartesian_2d(0.0..end, 0.0..rows.len() as f64)?;
    let shown = |value: &f64| metric.shown(*value);
    let mut mesh = chart.configure_mesh();
    mesh.x_label_formatter(&shown);
    mesh.disable_y_mesh().disable_y_axis().y_labels(0).x_labels(4).x_desc(metric.label());
    mesh.label_style(("sans-serif", 11)).light_line_style(TRANSPARENT).draw()?;
    for (index, row) in rows.iter().enumerate() {
        let middle = from_below(index);
        let (_, y) = chart.backend_coord(&(0.0, middle));
        let (_, top) = place.get_base_pixel();
        place.draw(&Text::new(row.contender.as_str(), (8, y - top - 6), ("sans-serif", 11)))?;
        let (Some(median), Some((least, greatest))) = (row.medians.get(&metric), range(&row.values(metric))) else {
            continue;
        };
        chart.draw_series([Rectangle::new([(0.0, middle - 0.3), (*median, middle + 0.3)], BAR.mix(0.6).filled())])?;
        chart.draw_series([PathElement::new([(least, middle), (greatest, middle)], BLACK.stroke_width(2))])?;
    }
    Ok(())
}
