//! Tables for people.

use std::{
    fmt::Write as _,
    io::{self, Write},
};

/// Rows in columns as wide as their widest cell; the first `left` of them flush left.
pub(super) fn print(out: &mut impl Write, rows: &[Vec<String>], left: usize) -> io::Result<()> {
    writeln!(out)?;
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..rows.first().map_or(0, Vec::len)).map(width).collect();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = widths[column];
            let _ = if column < left {
                write!(line, "{cell:<width$}  ")
            } else {
                write!(line, "{cell:>width$}  ")
            };
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}
