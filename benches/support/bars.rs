//! Figures side by side as bars, as an SVG that stands by itself: light or dark as the reader prefers.

use std::fmt::Write as _;

/// A figure with its name.
pub(crate) struct Bar<'a> {
    pub(crate) name: &'a str,
    pub(crate) figure: f64,
    /// Whether it is ours; the others are what it is held against.
    pub(crate) is_ours: bool,
}

/// `bars` from top to bottom under a title, their figures in `unit`.
pub(crate) fn draw(title: &str, unit: &str, bars: &[Bar<'_>]) -> String {
    let most = bars
        .iter()
        .map(|bar| bar.figure)
        .fold(f64::MIN_POSITIVE, f64::max);
    let height = HEAD + ROW * bars.len() + ROW / 2;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" \
        role=\"img\" aria-label=\"{title}\" font-family=\"sans-serif\">\n<style>{STYLE}</style>\n\
        <rect class=\"paper\" width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
        <text class=\"ink\" x=\"16\" y=\"34\" font-size=\"22\" fill=\"#1f2328\">{title}</text>\n"
    );
    for (at, bar) in bars.iter().enumerate() {
        let (top, middle) = (HEAD + ROW * at, HEAD + ROW * at + ROW / 2);
        let length = f64::from(LONGEST) * bar.figure / most;
        let (class, colour) = if bar.is_ours {
            ("ours", "#0a69da")
        } else {
            ("other", "#8c959f")
        };
        // Writing to a String cannot fail.
        let _ = writeln!(
            svg,
            "<text class=\"ink\" x=\"{}\" y=\"{middle}\" dy=\"6\" text-anchor=\"end\" font-size=\"16\" fill=\"#1f2328\">{}</text>\
            <rect class=\"{class}\" x=\"{BEGIN}\" y=\"{}\" width=\"{length:.1}\" height=\"{}\" fill=\"{colour}\"/>\
            <text class=\"ink\" x=\"{:.1}\" y=\"{middle}\" dy=\"6\" font-size=\"16\" fill=\"#1f2328\">{:.1} {unit}</text>",
            BEGIN - 10,
            bar.name,
            top + 4,
            ROW - 8,
            f64::from(BEGIN) + length + 8.0,
            bar.figure,
        );
    }
    svg + "</svg>\n"
}

const WIDTH: u32 = 900;
const HEAD: usize = 56;
const ROW: usize = 30;
/// Where bars begin, and how long the longest is.
const BEGIN: u32 = 390;
const LONGEST: u32 = 400;

const STYLE: &str = "@media (prefers-color-scheme: dark) { .paper { fill: #0d1117 } .ink { fill: #e6edf3 } \
.ours { fill: #4493f8 } .other { fill: #6e7681 } }";
