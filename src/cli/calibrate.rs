//! `subzero calibrate`: this machine's costs, as a table, as JSON and as a drawing.
//!
//! What a reader would get wrong: it measures a machine that has nothing else to do. Beside a busy
//! server the figures are those of a busy machine, and `/dispatch` on the server's admin port, which
//! follows what work really takes, is the better source.

use std::{
    fs,
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    app, calibrate,
    dispatch::{Effort, Row, Strategy, Table},
};

/// Measures, prints, and draws into `plot`.
pub(super) fn run(config: Option<&Path>, json: bool, plot: Option<&Path>) -> ExitCode {
    let screener = super::screen::screener(config);
    let prepared = screener.and_then(|screener| Ok((app::dispatcher(config)?, screener)));
    let (dispatcher, screener) = match prepared {
        Ok(prepared) => prepared,
        Err(problems) => return super::tell(&problems),
    };
    // Found out before half a minute has been spent on measuring.
    let drawing = plot.map(|path| fs::File::create(path).map_err(|error| (path, error)));
    let drawing = match drawing.transpose() {
        Ok(drawing) => drawing,
        Err((path, error)) => {
            return super::tell(&[format!("{}: cannot be written: {error}", path.display())]);
        }
    };
    let progress = progress();
    calibrate::measure(&dispatcher, &screener, Effort::Thorough, |done, step| {
        progress.set_position(done as u64);
        progress.set_message(step.to_owned());
    });
    progress.finish_and_clear();
    let table = dispatcher.table();
    let mut out = io::stdout().lock();
    let printed = if json {
        serde_json::to_writer_pretty(&mut out, &table)
            .map_err(io::Error::from)
            .and_then(|()| writeln!(out))
    } else {
        print(&mut out, &table)
    };
    let drawn = drawing.map_or(Ok(()), |mut file| file.write_all(table.svg().as_bytes()));
    match printed.and(drawn) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            super::tell(&[format!("subzero: {error}")]);
            ExitCode::FAILURE
        }
    }
}

/// On a terminal's standard error: what is being measured.
fn progress() -> ProgressBar {
    let bar = ProgressBar::new(calibrate::STEPS as u64);
    match ProgressStyle::with_template("{wide_bar} {pos}/{len} {msg}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn print(out: &mut impl Write, table: &Table) -> io::Result<()> {
    let Table { threads, quota, .. } = table;
    let plural = if *threads == 1 { "" } else { "s" };
    writeln!(
        out,
        "{threads} thread{plural}, {quota} cores to count on; handing work over and hearing from it again \
         takes {}",
        span(table.handoff_us)
    )?;
    super::columns::print(out, &costs(table), 1)?;
    super::columns::print(out, &strategies(table), 1)?;
    writeln!(
        out,
        "\ntimes are foretold from what was measured; `vector` is in place whatever the size, since \
         such items are look-ups and arithmetic; an item of analytics is a block of 1,024 records"
    )
}

/// One row an operation: what it costs and from where on threads pay off.
fn costs(table: &Table) -> Vec<Vec<String>> {
    let mut head = vec!["operation".to_owned(), "an item".into(), "a KB more".into()];
    head.extend((2..=table.threads).map(|threads| format!("pays on {threads} from")));
    let row = |row: &Row| {
        let mut cells = vec![
            row.operation.to_string(),
            span(row.item_cost_us),
            span(row.per_kb_us),
        ];
        let evens = row.break_even_by_threads.iter().skip(1);
        cells.extend(evens.map(|even| match even {
            Some(items) => items.to_string(),
            None => "never".to_owned(),
        }));
        cells
    };
    [head]
        .into_iter()
        .chain(table.operations.iter().map(row))
        .collect()
}

/// One row a batch size, one column an operation: where it runs and what that takes.
fn strategies(table: &Table) -> Vec<Vec<String>> {
    let mut head = vec!["items".to_owned()];
    head.extend(table.operations.iter().map(|row| row.operation.to_string()));
    let sizes = table
        .operations
        .first()
        .map_or(&[][..], |row| &row.strategies[..]);
    let rows = sizes.iter().enumerate().map(|(at, size)| {
        let mut cells = vec![size.items.to_string()];
        cells.extend(table.operations.iter().map(|row| {
            let sample = &row.strategies[at];
            let us = match sample.strategy {
                Strategy::Pool => sample.pool_us.unwrap_or(sample.inline_us),
                _ => sample.inline_us,
            };
            format!("{} {}", sample.strategy, span(us))
        }));
        cells
    });
    [head].into_iter().chain(rows).collect()
}

/// Microseconds in the unit that reads best.
fn span(micros: f64) -> String {
    match micros {
        _ if micros < 1.0 => format!("{:.0} ns", micros * 1e3),
        _ if micros < 1e3 => format!("{micros:.1} us"),
        _ if micros < 1e6 => format!("{:.1} ms", micros / 1e3),
        _ => format!("{:.1} s", micros / 1e6),
    }
}
