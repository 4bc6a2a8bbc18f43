//! The table and the drawing.

use std::fmt::Write as _;

use subzero::dispatch::plot::{self, Curve, Kind, Panel};

use crate::{Grown, Point, causes::Cause, results};

/// How much faster than its cause a cost may grow between two sizes; the rest is noise.
const TOLERANCE: f64 = 1.25;

pub(crate) fn write(grown: &[Grown]) {
    let (table, verdict) = table(grown);
    let begin = results::begin(
        "How the cost of a check grows",
        "cargo bench --bench growth",
    );
    let text = format!("{begin}{table}\n{verdict}\n\n![cost over size](growth.svg)\n");
    println!("\n{text}");
    results::keep("growth.md", &text);
    results::keep("growth.svg", &drawing(grown));
    let drawing = "![server CPU of a check over what grows](benches/results/growth.svg)";
    results::show(
        "README.md",
        "growth/report.rs",
        &format!("{verdict}\n\n{drawing}\n"),
    );
}

/// The table, and what it comes to.
fn table(grown: &[Grown]) -> (String, String) {
    let mut text = String::from(
        "Medians of 3 seconds each; Subzero on one core, asked \
        directly over a Unix socket by a client on another, 32 at once where nothing else is said. \
        The route, issuer, and tuple that count are the last of so many. *Growth* is how much the cost grew \
        over the size before, divided by how much the size grew: beyond 1 is a cliff.\n\n\
        | of what | how many | server CPU µs | checks/s | p99 ms | growth |\n|---|---|---|---|---|---|\n",
    );
    let mut worst = 0.0_f64;
    for Grown { cause, points } in grown {
        for (at, point) in points.iter().enumerate() {
            let growth = at
                .checked_sub(1)
                .map(|before| growth(*cause, points[before], *point));
            worst = worst.max(growth.unwrap_or_default());
            let growth = growth.map_or(String::new(), |growth| format!("{growth:.2}"));
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "| {} | {} | {:.1} | {:.0} | {:.1} | {growth} |",
                cause.name(),
                point.size,
                point.cpu,
                point.per_second,
                point.p99 / 1e3,
            );
        }
    }
    let verdict = if worst <= TOLERANCE {
        "no cliff"
    } else {
        "a cliff"
    };
    let verdict = format!("The worst growth is {worst:.2} (limit {TOLERANCE}): {verdict}.");
    (text, verdict)
}

/// More checks in flight are to leave the cost of each as it is.
fn growth(cause: Cause, before: Point, now: Point) -> f64 {
    let more = match cause {
        Cause::InFlight => 1.0,
        _ => f64::from(now.size) / f64::from(before.size),
    };
    now.cpu / before.cpu / more
}

fn drawing(grown: &[Grown]) -> String {
    let panels: Vec<Panel> = grown.iter().map(panel).collect();
    plot::draw(
        "What a check costs",
        "size across, server CPU of a check up",
        &panels,
    )
}

fn panel(Grown { cause, points }: &Grown) -> Panel {
    let at = |point: &Point| (f64::from(point.size), point.cpu);
    let first = points.first().map_or((1.0, 1.0), at);
    let in_proportion = points.iter().map(|point| {
        (
            f64::from(point.size),
            first.1 * f64::from(point.size) / first.0,
        )
    });
    let mut curves = vec![Curve {
        kind: Kind::Measured,
        points: points.iter().map(at).collect(),
    }];
    if *cause != Cause::InFlight {
        curves.insert(
            0,
            Curve {
                kind: Kind::InProportion,
                points: in_proportion.collect(),
            },
        );
    }
    Panel {
        title: cause.name().to_owned(),
        note: String::new(),
        curves,
        break_even: None,
    }
}
