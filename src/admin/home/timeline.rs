//! The last hour as bars of a minute each, stacked by verdict.

use maud::{Markup, html};

use crate::analytics::Verdicts;

const HEIGHT: f64 = 96.0;
const STEP: f64 = 10.0;
const BAR: f64 = 8.0;

/// Draws `minutes`, the oldest first.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub(super) fn draw(minutes: &[Verdicts]) -> Markup {
    let sum = |minute: &Verdicts| minute.allow + minute.deny + minute.error;
    let most = minutes.iter().map(sum).max().unwrap_or_default();
    let scale = HEIGHT / most.max(1) as f64;
    let width = STEP * minutes.len() as f64;
    let peak = most as f64 / 60.0;
    html! {
        figure {
            figcaption { "checks a minute, the last hour; the tallest bar is " (format!("{peak:.1}")) " a second" }
            svg viewBox=(format!("0 0 {width} {HEIGHT}")) preserveAspectRatio="none" role="img"
                aria-label="checks a minute by verdict" {
                @for (at, minute) in minutes.iter().enumerate() {
                    @let left = at as f64 * STEP;
                    @let bars = stacked(minute, scale);
                    g {
                        title { (sum(minute)) " checks: " (minute.allow) " allowed, " (minute.deny) " denied, " (minute.error) " undecided" }
                        @for (class, top, height) in bars {
                            rect class=(class) x=(left) y=(format!("{top:.1}")) width=(BAR) height=(format!("{height:.1}")) {}
                        }
                    }
                }
            }
        }
    }
}

/// From the bottom: allowed, denied, undecided. What is there is at least a line.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn stacked(minute: &Verdicts, scale: f64) -> Vec<(&'static str, f64, f64)> {
    let mut bottom = HEIGHT;
    let parts = [
        ("allow", minute.allow),
        ("deny", minute.deny),
        ("error", minute.error),
    ];
    let bars = parts
        .into_iter()
        .filter(|(_, checks)| *checks > 0)
        .map(|(class, checks)| {
            let height = (checks as f64 * scale).max(1.0);
            bottom -= height;
            (class, bottom.max(0.0), height)
        });
    bars.collect()
}
