//! The pictures of the page.

use super::{number, tables::number_of};
use crate::{
    bench::Bench,
    measurements::key,
    sections::{changes, connections, deletion, domains, growth, in_loop, socket},
    sizes::DOMAINS,
};
use plotters::{coord::Shift, prelude::*};
use std::{collections::BTreeSet, error::Error, path::Path};

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn Error>>;

const SIZE: (u32, u32) = (800, 450);
const FONT: &str = "sans-serif";
const BLUE: RGBColor = RGBColor(31, 95, 160);
const GREY: RGBColor = RGBColor(150, 150, 150);
const COLOURS: [RGBColor; 4] = [BLUE, RGBColor(200, 90, 20), RGBColor(60, 130, 60), RGBColor(120, 80, 150)];

/// Points from left to right, and their label.
struct Line {
    label: String,
    points: Vec<(f64, f64)>,
}

struct Axes {
    title: &'static str,
    x: String,
    y: &'static str,
    logarithmic: bool,
}

/// Draws a picture for each measured section that has one.
pub fn draw(bench: &Bench, folder: &Path) {
    let line = |section, scenario, label: &str, numbers: &[u64]| Line {
        label: label.to_owned(),
        points: numbers
            .iter()
            .filter_map(|at| Some((*at as f64, bench.measured.median(&key(section, scenario, *at))?)))
            .collect(),
    };
    let axes = |title, x: &str, y, logarithmic| Axes { title, x: x.to_owned(), y, logarithmic };
    let picture = |section: &str, drawn: &dyn Fn(&Area<'_>) -> Drawn| {
        if bench.measured.has(section) {
            let path = folder.join(format!("{section}.svg"));
            let area = SVGBackend::new(&path, SIZE).into_drawing_area();
            let drawn = area.fill(&WHITE).map_err(Into::into).and_then(|()| drawn(&area));
            drawn.and_then(|()| Ok(area.present()?)).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
    };

    picture(socket::NAME, &|area| {
        let bars = socket::SCENARIOS.iter().map(|scenario| (scenario.name, scenario.label));
        draw_bars(area, bench, socket::NAME, bars.collect(), "Over a socket, two clients", "a second")
    });
    picture(in_loop::NAME, &|area| {
        let bars = in_loop::LOOPS.iter().map(|called| (called.name, called.label));
        draw_bars(area, bench, in_loop::NAME, bars.collect(), "In a loop", "microseconds a call")
    });
    picture(growth::NAME, &|area| {
        let lines = growth::SCENARIOS.map(|s| line(growth::NAME, s.name, s.label, &bench.sizes.databases));
        draw_lines(area, &lines, &axes("More tokens", "tokens in the database", "a second", true))
    });
    picture(connections::NAME, &|area| {
        let lines = connections::SCENARIOS.map(|s| line(connections::NAME, s.name, s.label, bench.sizes.connections));
        draw_lines(area, &lines, &axes("More connections", "connections", "a second", true))
    });
    picture(domains::NAME, &|area| {
        let lines = [line(domains::NAME, domains::SOCKET, "hot tokens, verified for a domain by name", &DOMAINS)];
        draw_lines(area, &lines, &axes("More domains on a token", "domains of the token", "a second", true))
    });
    picture(changes::NAME, &|area| {
        // Zero has no logarithm.
        let some: Vec<u64> = bench.sizes.changes.iter().copied().filter(|changes| *changes > 0).collect();
        let lines = [(changes::TOKENS, "while tokens change"), (changes::UNRELATED, "while other rows change")];
        let lines = lines.map(|(name, label)| line(changes::NAME, name, label, &some));
        draw_lines(
            area,
            &lines,
            &axes("Hot tokens while others change", "changes a second", "verifications a second", true),
        )
    });
    picture(deletion::NAME, &|area| {
        let seconds: Vec<u64> = (0..10_000).collect();
        let lines = [(deletion::BY_SECOND[0], "p50"), (deletion::BY_SECOND[1], "p99")];
        let lines = lines.map(|(name, label)| line(deletion::NAME, name, label, &seconds));
        let x = format!("seconds; the worker starts at {}", deletion::CALM);
        draw_lines(area, &lines, &axes("While expired tokens are removed", &x, "microseconds a verification", false))
    });
}

/// Draws horizontal bars, each with its label on the left and its number at the end.
fn draw_bars(
    area: &Area<'_>,
    bench: &Bench,
    section: &'static str,
    bars: Vec<(&'static str, &'static str)>,
    title: &str,
    unit: &str,
) -> Drawn {
    let values: Vec<f64> =
        bars.iter().map(|(name, _)| bench.measured.median(&key(section, name, 0)).unwrap_or_default()).collect();
    let most = values.iter().copied().fold(0.0, f64::max);
    let count = bars.len() as i32;
    let mut chart = ChartBuilder::on(area)
        .caption(title, (FONT, 18))
        .margin(12)
        .set_label_area_size(LabelAreaPosition::Left, 300)
        .set_label_area_size(LabelAreaPosition::Bottom, 45)
        .build_cartesian_2d(0.0..most * 1.15, (0..count - 1).into_segmented())?;
    // From top to bottom.
    let place = |index: usize| count - 1 - index as i32;
    let label = |at: &SegmentValue<i32>| match at {
        SegmentValue::CenterOf(at) => bars.get((count - 1 - at) as usize).map_or("", |(_, label)| label).to_owned(),
        _ => String::new(),
    };
    chart
        .configure_mesh()
        .disable_y_mesh()
        .light_line_style(TRANSPARENT)
        .y_labels(bars.len())
        .y_label_formatter(&label)
        .x_labels(6)
        .x_label_formatter(&|value| number_of(*value as u64))
        .x_desc(unit)
        .label_style((FONT, 13))
        .draw()?;
    for (index, value) in values.iter().enumerate() {
        let at = place(index);
        let colour = if bars[index].1.starts_with("verify_token") { BLUE } else { GREY };
        let mut bar =
            Rectangle::new([(0.0, SegmentValue::Exact(at)), (*value, SegmentValue::Exact(at + 1))], colour.filled());
        bar.set_margin(3, 3, 0, 0);
        chart.draw_series([bar])?;
        let end =
            EmptyElement::at((*value, SegmentValue::CenterOf(at))) + Text::new(number(*value), (5, -6), (FONT, 13));
        chart.draw_series([end])?;
    }
    Ok(())
}

fn draw_lines(area: &Area<'_>, lines: &[Line], axes: &Axes) -> Drawn {
    let all = || lines.iter().flat_map(|line| &line.points);
    // The space above the lines is for their labels.
    let most = all().map(|point| point.1).fold(0.0, f64::max) * 1.4;
    let first = all().map(|point| point.0).fold(f64::INFINITY, f64::min);
    let last = all().map(|point| point.0).fold(1.0, f64::max);
    let mut builder = ChartBuilder::on(area);
    builder
        .caption(axes.title, (FONT, 18))
        .margin(12)
        .margin_right(35)
        .set_label_area_size(LabelAreaPosition::Left, 85)
        .set_label_area_size(LabelAreaPosition::Bottom, 45);
    // The two kinds of axis have different types.
    macro_rules! draw_on {
        ($range:expr) => {{
            let mut chart = builder.build_cartesian_2d($range, 0.0..most)?;
            chart
                .configure_mesh()
                .light_line_style(TRANSPARENT)
                .x_desc(axes.x.as_str())
                .y_desc(axes.y)
                .x_label_formatter(&|value| number_of(*value as u64))
                .y_label_formatter(&|value| number_of(*value as u64))
                .label_style((FONT, 13))
                .draw()?;
            for (line, colour) in lines.iter().zip(COLOURS) {
                let series = LineSeries::new(line.points.iter().copied(), colour.stroke_width(2)).point_size(3);
                chart
                    .draw_series(series)?
                    .label(line.label.as_str())
                    .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
            }
            chart
                .configure_series_labels()
                .position(SeriesLabelPosition::UpperLeft)
                .background_style(WHITE.mix(0.85))
                .border_style(GREY)
                .label_font((FONT, 13))
                .draw()?;
        }};
    }
    if axes.logarithmic {
        let measured: BTreeSet<u64> = all().map(|point| point.0 as u64).collect();
        let measured = measured.into_iter().map(|at| at as f64).collect();
        draw_on!((first..last).log_scale().with_key_points(measured));
    } else {
        draw_on!(first..last);
    }
    Ok(())
}
