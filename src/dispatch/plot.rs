//! Draws time over batch size, one panel an operation, as an SVG that stands by itself.
//!
//! Both scales are logarithmic: batches differ by five orders of magnitude. What a reader would get
//! wrong: colours are attributes, for viewers that know no style sheets, and the style sheet changes
//! them where the reader prefers dark. Two columns and large letters, so that it can be read on a
//! phone, too.
//!
//! Cost: about a millisecond; nobody draws on a check's path.

mod kind;

use std::error::Error;

use plotters::{
    coord::Shift,
    prelude::{
        ChartBuilder, Circle, DashedLineSeries, DrawingArea, IntoDrawingArea, IntoLogRange,
        LineSeries, PathElement, RGBColor, SVGBackend, Text,
    },
    style::{
        Color, IntoFont, TextStyle,
        text_anchor::{HPos, Pos, VPos},
    },
};

pub use self::kind::Kind;
use self::kind::Shape;
use super::{Row, Table, work::Nature};

/// One panel: how long something takes, over how many items there are.
#[derive(Clone, Debug)]
pub struct Panel {
    /// What it is.
    pub title: String,
    /// What is remarkable about it, in a few words.
    pub note: String,
    /// In the order in which they are drawn, the last on top.
    pub curves: Vec<Curve>,
    /// From how many items on the pool is quicker.
    pub break_even: Option<f64>,
}

/// One curve of a panel.
#[derive(Clone, Debug)]
pub struct Curve {
    /// What it shows.
    pub kind: Kind,
    /// Items and microseconds, in order of items. What is not above 0 is left out.
    pub points: Vec<(f64, f64)>,
}

impl Table {
    /// Draws what batches of usual items are expected to take, in place and on the sleeping pool.
    #[must_use]
    pub fn svg(&self) -> String {
        let panels: Vec<Panel> = self.operations.iter().map(Panel::of).collect();
        let under = format!(
            "items across, time up; foretold for {} threads, {} cores, hand-off {}",
            self.threads,
            self.quota,
            span(self.handoff_us)
        );
        draw("Time over batch size", &under, &panels)
    }
}

impl Panel {
    fn of(row: &Row) -> Self {
        let samples = row.strategies.iter();
        let inline = samples
            .clone()
            .map(|sample| (sample.items as f64, sample.inline_us));
        let pool = samples.filter_map(|sample| Some((sample.items as f64, sample.pool_us?)));
        let (inline, pool): (Vec<_>, Vec<_>) = (inline.collect(), pool.collect());
        let note = match row.break_even_items {
            Some(items) => format!("pool from {items} on"),
            None if row.operation.nature() == Nature::Native => "always in place".to_owned(),
            None => "pool never pays".to_owned(),
        };
        Self {
            title: row.operation.to_string(),
            note,
            curves: vec![
                Curve {
                    kind: Kind::Pool,
                    points: pool,
                },
                Curve {
                    kind: Kind::Inline,
                    points: inline,
                },
            ],
            break_even: row.break_even_items.map(|items| items as f64),
        }
    }
}

/// The drawing of `panels` under a title and a line of small print.
///
/// # Panics
///
/// Never: text takes any drawing.
#[must_use]
pub fn draw(title: &str, under: &str, panels: &[Panel]) -> String {
    let rows = panels.len().div_ceil(COLUMNS).max(1);
    let height = HEAD + rows as u32 * PANEL.1;
    let mut svg = String::new();
    draw_into(
        &mut svg,
        (PANEL.0 * COLUMNS as u32, height),
        title,
        under,
        panels,
    )
    .expect("text takes any drawing");
    // Plotters knows no style sheets; the first tag is its `<svg …>`.
    let Some(end) = svg.find('>') else {
        return svg;
    };
    let head = format!(
        " role=\"img\" aria-label=\"{}\"><style>{STYLE}</style>",
        escaped(title)
    );
    svg.replace_range(end..=end, &head);
    svg
}

fn draw_into(
    svg: &mut String,
    size: (u32, u32),
    title: &str,
    under: &str,
    panels: &[Panel],
) -> Result<(), Box<dyn Error>> {
    let whole = SVGBackend::with_string(svg, size).into_drawing_area();
    whole.fill(&PAPER)?;
    let (head, body) = whole.split_vertically(HEAD);
    head.draw(&Text::new(title, (MARGIN, 14), font(26, INK)))?;
    head.draw(&Text::new(under, (MARGIN, 48), font(17, MUTED)))?;
    let is_shown = |kind: &Kind| {
        let mut curves = panels.iter().flat_map(|panel| &panel.curves);
        curves.any(|curve| curve.kind == *kind && !curve.points.is_empty())
    };
    let mut x = MARGIN;
    for kind in Kind::ALL.into_iter().filter(is_shown) {
        legend(&head, kind, x)?;
        x += 56 + 10 * i32::try_from(kind.name().len())?;
    }
    let areas = body.split_evenly((panels.len().div_ceil(COLUMNS).max(1), COLUMNS));
    for (panel, area) in panels.iter().zip(&areas) {
        draw_panel(panel, area)?;
    }
    whole.present()?;
    Ok(())
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

fn legend(head: &Area<'_>, kind: Kind, x: i32) -> Result<(), Box<dyn Error>> {
    let y = 88;
    match kind.shape() {
        Shape::Dots => head.draw(&Circle::new((x + 16, y), 5, kind.style()))?,
        Shape::Line => head.draw(&PathElement::new([(x, y), (x + 32, y)], kind.style()))?,
        Shape::Dashes => {
            for from in [0, 13, 26] {
                let dash = [(x + from, y), (x + from + 8, y)];
                head.draw(&PathElement::new(dash, kind.style()))?;
            }
        }
    }
    head.draw(&Text::new(kind.name(), (x + 42, y - 9), font(17, INK)))?;
    Ok(())
}

fn draw_panel(panel: &Panel, area: &Area<'_>) -> Result<(), Box<dyn Error>> {
    area.draw(&Text::new(
        panel.title.as_str(),
        (MARGIN, 14),
        font(21, INK),
    ))?;
    let right = i32::try_from(PANEL.0)? - MARGIN;
    let beside = font(17, MUTED).pos(Pos::new(HPos::Right, VPos::Top));
    area.draw(&Text::new(panel.note.as_str(), (right, 17), beside))?;
    let points = panel.curves.iter().flat_map(|curve| shown(&curve.points));
    let Some((x, y)) = bounds(points) else {
        return Ok(());
    };
    let mut chart = ChartBuilder::on(area)
        .margin_top(46)
        .margin_right(MARGIN)
        .margin_bottom(10)
        .x_label_area_size(30)
        .y_label_area_size(74)
        .build_cartesian_2d((x.0..x.1).log_scale(), (y.0..y.1).log_scale())?;
    chart
        .configure_mesh()
        .x_labels(6)
        .y_labels(5)
        .bold_line_style(GRID.stroke_width(1))
        .light_line_style(GRID.stroke_width(1))
        .max_light_lines(0)
        .axis_style(GRID.stroke_width(1))
        .label_style(font(16, MUTED))
        .x_label_formatter(&|items| count(*items))
        .y_label_formatter(&|micros| span(*micros))
        .draw()?;
    if let Some(items) = panel.break_even.filter(|items| (x.0..=x.1).contains(items)) {
        let line = [(items, y.0), (items, y.1)];
        let style = MUTED.stroke_width(2);
        chart.draw_series(DashedLineSeries::new(line, 2, 5, style))?;
    }
    for curve in &panel.curves {
        let (points, style) = (shown(&curve.points), curve.kind.style());
        match curve.kind.shape() {
            Shape::Line => chart.draw_series(LineSeries::new(points, style))?,
            Shape::Dashes => chart.draw_series(DashedLineSeries::new(points, 9, 5, style))?,
            Shape::Dots => chart.draw_series(points.map(|at| Circle::new(at, 4, style)))?,
        };
    }
    Ok(())
}

fn shown(points: &[(f64, f64)]) -> impl Iterator<Item = (f64, f64)> + Clone {
    points
        .iter()
        .copied()
        .filter(|(items, micros)| *items > 0.0 && *micros > 0.0)
}

/// The smallest and the largest of each, with whole decades around times; `None` without points.
fn bounds(points: impl Iterator<Item = (f64, f64)>) -> Option<((f64, f64), (f64, f64))> {
    let none = (f64::INFINITY, 0.0_f64);
    let (x, y) = points.fold((none, none), |(x, y), (items, micros)| {
        let widen = |(least, most): (f64, f64), value: f64| (least.min(value), most.max(value));
        (widen(x, items), widen(y, micros))
    });
    let decades = |(least, most): (f64, f64)| {
        let (least, most) = (least.log10().floor(), most.log10().ceil());
        // A little further, so that rounding leaves no label out.
        (
            0.999 * 10_f64.powf(least),
            1.001 * 10_f64.powf(most.max(least + 1.0)),
        )
    };
    (x.1 > 0.0).then(|| ((x.0, x.1.max(10.0 * x.0)), decades(y)))
}

fn font(size: i32, color: RGBColor) -> TextStyle<'static> {
    ("system-ui, sans-serif", size).into_font().color(&color)
}

/// `100k` for a hundred thousand.
fn count(items: f64) -> String {
    if items < 1e3 {
        format!("{items:.0}")
    } else {
        format!("{:.0}k", items / 1e3)
    }
}

/// Microseconds in the unit that reads best.
fn span(micros: f64) -> String {
    let (value, unit) = match micros {
        _ if micros < 0.9995 => (micros * 1e3, "ns"),
        _ if micros < 999.5 => (micros, "µs"),
        _ if micros < 999.5e3 => (micros / 1e3, "ms"),
        _ => (micros / 1e6, "s"),
    };
    let digits = usize::from(value < 9.95 && (value - value.round()).abs() > 0.05);
    format!("{value:.digits$} {unit}")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}

const COLUMNS: usize = 2;
/// Width and height.
const PANEL: (u32, u32) = (400, 300);
const HEAD: u32 = 116;
const MARGIN: i32 = 18;

const PAPER: RGBColor = RGBColor(0xff, 0xff, 0xff);
const INK: RGBColor = RGBColor(0x1f, 0x23, 0x28);
const MUTED: RGBColor = RGBColor(0x59, 0x63, 0x6e);
const GRID: RGBColor = RGBColor(0xd8, 0xde, 0xe4);

/// For each colour the one that takes its place in the dark.
const STYLE: &str = "@media (prefers-color-scheme:dark){\
    [fill=\"#FFFFFF\"]{fill:#0d1117}\
    [fill=\"#1F2328\"]{fill:#e6edf3}\
    [fill=\"#59636E\"]{fill:#9198a1}\
    [stroke=\"#59636E\"]{stroke:#9198a1}\
    [stroke=\"#D8DEE4\"]{stroke:#2f353d}\
    [stroke=\"#0969DA\"]{stroke:#58a6ff}\
    [stroke=\"#BC4C00\"]{stroke:#f0883e}}";

#[cfg(test)]
mod tests {
    use super::*;

    fn panel() -> Panel {
        Panel {
            title: "hash <&>".to_owned(),
            note: "pool from 30 on".to_owned(),
            curves: Kind::ALL
                .into_iter()
                .map(|kind| Curve {
                    kind,
                    points: vec![(1.0, 2.0), (1e3, 2e3), (1e5, 0.0), (1e5, 2e5)],
                })
                .collect(),
            break_even: Some(30.0),
        }
    }

    #[test]
    fn every_colour_has_one_for_the_dark() {
        let svg = draw("a & b", "under", &[panel()]);
        assert!(svg.contains("aria-label=\"a &amp; b\""));
        assert!(svg.contains("hash &lt;&amp;&gt;"));
        for attribute in ["fill", "stroke"] {
            let begin = format!("{attribute}=\"#");
            for found in svg.split(&begin).skip(1) {
                let selector = format!("[{attribute}=\"#{}\"]", &found[..6]);
                assert!(STYLE.contains(&selector), "{selector}");
            }
        }
    }

    #[test]
    fn nothing_to_draw_is_no_trouble() {
        for panels in [
            vec![],
            vec![Panel {
                curves: vec![],
                ..panel()
            }],
        ] {
            assert!(draw("none", "", &panels).ends_with("</svg>\n"));
        }
    }

    #[test]
    fn numbers_are_written_as_people_say_them() {
        for (micros, written) in [
            (0.012, "12 ns"),
            (0.9999, "1 µs"),
            (1.25, "1.2 µs"),
            (100.0, "100 µs"),
            (2_500.0, "2.5 ms"),
            (1e6, "1 s"),
        ] {
            assert_eq!(span(micros), written);
        }
        assert_eq!([1.0, 1e3, 1e5].map(count), ["1", "1k", "100k"]);
    }
}
