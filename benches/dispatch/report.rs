//! What the grid comes to, as Markdown and as a drawing.

use std::fmt::Write as _;

use subzero::dispatch::{
    Nature, Operation, Table,
    plot::{self, Curve, Kind, Panel},
};

use crate::{
    grid::{Cell, SIZES, median},
    results::{self, machine},
};

/// Everything that was found out.
pub(crate) struct Report {
    pub(crate) word: Option<String>,
    pub(crate) cores: f64,
    pub(crate) table: Table,
    pub(crate) overhead_ns: f64,
    pub(crate) grid: Vec<Cell>,
}

impl Report {
    pub(crate) fn svg(&self) -> String {
        let panels = Operation::ALL.map(|operation| self.panel(operation));
        let under = format!(
            "items across, time up; medians on {}, {}",
            machine(),
            self.cores()
        );
        plot::draw("Time over batch size, measured", &under, &panels)
    }

    fn panel(&self, operation: Operation) -> Panel {
        let cells = || self.cells(operation);
        let curve = |kind, of: fn(&Cell) -> f64| Curve {
            kind,
            points: cells().map(|cell| (cell.items as f64, of(cell))).collect(),
        };
        let worst = cells().map(Cell::ratio).fold(0.0, f64::max);
        Panel {
            title: operation.to_string(),
            note: format!("{worst:.2} of the better at worst"),
            curves: vec![
                curve(Kind::Pool, |cell| cell.pool_us),
                curve(Kind::Inline, |cell| cell.inline_us),
                curve(Kind::Dispatched, |cell| cell.dispatched_us),
            ],
            break_even: None,
        }
    }

    pub(crate) fn markdown(&self, name: &str) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = self.write(&mut text, name);
        text
    }

    /// What the README says of it.
    pub(crate) fn for_readme(&self) -> String {
        let mut text = format!("On {}, {} counted on:\n\n", machine(), self.cores());
        // Writing to a String cannot fail.
        let _ = self.write_summary(&mut text);
        let _ = self.write_claims(&mut text);
        text.push_str("\n![time over batch size, measured](benches/results/dispatch.svg)\n");
        text
    }

    fn write(&self, text: &mut String, name: &str) -> std::fmt::Result {
        let command = self
            .word
            .as_ref()
            .map_or_else(String::new, |word| format!(" -- {word}"));
        let title = "Where batches run, and whether that was right";
        let command = format!("cargo bench --bench dispatch{command}");
        text.push_str(&results::begin(title, &command));
        writeln!(
            text,
            "`make bench-dispatch` does it on all cores, on one and on half a core; here {} counted on.\n",
            self.cores(),
        )?;
        self.write_summary(text)?;
        writeln!(text, "\n![time over batch size]({name}.svg)\n")?;
        self.write_ratios(text)?;
        self.write_times(text)?;
        self.write_claims(text)
    }

    fn write_summary(&self, text: &mut String) -> std::fmt::Result {
        let chosen = || self.grid.iter().filter(|cell| is_chosen(cell.operation));
        let mut ratios: Vec<f64> = chosen().map(Cell::ratio).collect();
        let middle = median(&mut ratios);
        let worst = chosen().max_by(|a, b| a.ratio().total_cmp(&b.ratio()));
        let foretold = || chosen().flat_map(|cell| &cell.foretold);
        let near = foretold()
            .filter(|ratio| (1.0 / 1.5..=1.5).contains(*ratio))
            .count();
        let share = 100.0 * near as f64 / foretold().count().max(1) as f64;
        writeln!(text, "| | measured | target |\n|---|---|---|")?;
        writeln!(
            text,
            "| as dispatched ÷ the better of in place and pool, median of the grid | {middle:.3} | 1.05 |"
        )?;
        if let Some(cell) = worst {
            writeln!(
                text,
                "| the same at worst ({} of {}) | {:.2} | 1.25 |",
                cell.items,
                cell.operation,
                cell.ratio()
            )?;
        }
        writeln!(
            text,
            "| foretold within a factor of 1.5 of what it took | {share:.1} % | 95 % |"
        )?;
        writeln!(
            text,
            "| choosing for one item, and learning from it | {:.0} ns | 60 ns |",
            self.overhead_ns
        )?;
        writeln!(
            text,
            "| hand-off to a sleeping pool | {:.1} µs | |",
            self.table.handoff_us
        )
    }

    fn write_ratios(&self, text: &mut String) -> std::fmt::Result {
        writeln!(
            text,
            "As dispatched ÷ the better of always in place and always on the pool; `p` ran on the pool.\n\
             Permissions and risk always stay in place and are not in the figures above.\n"
        )?;
        self.matrix(text, |cell| {
            let mark = if cell.strategy.as_str() == "pool" {
                " p"
            } else {
                ""
            };
            format!("{:.2}{mark}", cell.ratio())
        })
    }

    fn write_times(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "\nIn place / on the pool, medians:\n")?;
        self.matrix(text, |cell| {
            format!("{} / {}", span(cell.inline_us), span(cell.pool_us))
        })
    }

    /// A row a batch size, a column an operation.
    fn matrix(&self, text: &mut String, show: impl Fn(&Cell) -> String) -> std::fmt::Result {
        write!(text, "| items |")?;
        for operation in Operation::ALL {
            write!(text, " {operation} |")?;
        }
        writeln!(text, "\n|---|{}", "---|".repeat(Operation::ALL.len()))?;
        for items in SIZES {
            write!(text, "| {items} |")?;
            for operation in Operation::ALL {
                let cell = self.cells(operation).find(|cell| cell.items == items);
                write!(text, " {} |", cell.map_or_else(String::new, &show))?;
            }
            writeln!(text)?;
        }
        Ok(())
    }

    /// Beside what the gateway that came before said of itself.
    fn write_claims(&self, text: &mut String) -> std::fmt::Result {
        writeln!(
            text,
            "\nAn item of a batch of 10,000, beside what the gateway before this one claimed for itself:\n\n\
             | | claimed | in place, one core | as dispatched, {} | times as fast |\n|---|---|---|---|---|",
            self.cores()
        )?;
        for (operation, what, claimed_us) in [
            (
                Operation::Prompt,
                "screening a prompt of 512 bytes",
                3_000.0,
            ),
            (Operation::Jwt, "verifying an RS256 token", 500.0),
            (Operation::Hash, "SHA-256 of 64 bytes", 2.0),
            (Operation::Analytics, "summing up a record", 10.0),
            (Operation::Risk, "scoring an event", 1.0 / 1.68),
            (Operation::Permission, "a permission check", 10.0),
        ] {
            let mut cells = self.cells(operation);
            if let Some(cell) = cells.find(|cell| cell.items == 10_000) {
                let [one, all] = [cell.inline_us, cell.dispatched_us].map(|us| us / 1e4);
                writeln!(
                    text,
                    "| {what} | {} | {} | {} | {:.0} |",
                    span(claimed_us),
                    span(one),
                    span(all),
                    claimed_us / all
                )?;
            }
        }
        Ok(())
    }

    fn cells(&self, operation: Operation) -> impl Iterator<Item = &Cell> {
        self.grid
            .iter()
            .filter(move |cell| cell.operation == operation)
    }

    fn cores(&self) -> String {
        match self.cores {
            1.0 => "1 core".to_owned(),
            cores => format!("{cores} cores"),
        }
    }
}

fn is_chosen(operation: Operation) -> bool {
    operation.nature() == Nature::Cpu
}

/// Microseconds in the unit that reads best.
fn span(micros: f64) -> String {
    match micros {
        _ if micros < 0.01 => format!("{:.1} ns", micros * 1e3),
        _ if micros < 1.0 => format!("{:.0} ns", micros * 1e3),
        _ if micros < 100.0 => format!("{micros:.1} µs"),
        _ if micros < 1e3 => format!("{micros:.0} µs"),
        _ if micros < 1e6 => format!("{:.1} ms", micros / 1e3),
        _ => format!("{:.2} s", micros / 1e6),
    }
}
