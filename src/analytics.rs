//! What decisions add up to: over the last minutes, over a log file, or over a caller's own records.
//!
//! [`Windows`] counts every decision of this process, [`Tally`] anything that has a route, a verdict,
//! a reason and a cost, and [`Batch`] sums records that a client brings along.
//!
//! # What a reader would get wrong
//!
//! Shares and quantiles are of checks, not of time: a route that is asked twice as often counts
//! twice. Latencies are those of our own part, from the decoded check to its verdict.
//!
//! # Cost
//!
//! A decision adds one entry to a histogram of its own thread. Everything else is paid by whoever
//! asks for a report.

mod batch;
mod counts;
mod report;
mod tally;
mod windows;

pub use self::{
    batch::{Batch, OutOfRange, Record, Summary, Sums, measure},
    report::{Figures, Latency, ReasonShare, Report, RouteReason, RouteReport, Verdicts},
    tally::{Costs, Tally},
    windows::{LONGEST_WINDOW, SHORTEST_WINDOW, Windows, read_window},
};
