//! What permission checks cost, singly and in batches, over a store of a million tuples.
//!
//! `cargo bench --bench permission` makes a drive of users, nested groups, folder trees and documents,
//! writes it as a store file, loads it and asks. It prints the median of several rounds beside the
//! limit that the project has set itself, and ends with an error when one does not hold or when a
//! batch answers otherwise than the single check. Batches have theirs over a store that lies near a core, as
//! that of the peer; over a million tuples they wait for memory, and what they take is told.
//!
//! A word after `--` keeps the rows whose name holds it; without one, the table is written to
//! `benches/results/permission.md` and into the README, too.

#![expect(clippy::print_stdout, reason = "it prints a table")]

#[path = "permission/drive.rs"]
mod drive;
#[path = "permission/oracle.rs"]
mod oracle;
#[path = "support/results.rs"]
mod results;

use std::{
    env, fs,
    hint::black_box,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use subzero::{
    dispatch::Work,
    permission::{Ask, Authorizer, Batch, Config, Questions},
};

use self::drive::{Dice, Drive};

const ROUNDS: usize = 15;
const PAIRS: usize = 10_000;
const ALL_PAIRS: usize = 1_000_000;
/// As many questions as a caller of the dispatcher would hand over in one piece.
const PIECE: usize = 2_000;

fn main() -> ExitCode {
    let folder = tempfile::tempdir().expect("a folder");
    let drive = Drive::LARGE;
    let tuples = drive.write(folder.path());
    let only = env::args().skip(1).find(|word| !word.starts_with('-'));
    let mut table = Table {
        holds: true,
        only,
        text: String::new(),
    };
    let (authorizer, seconds, bytes) = load(folder.path());
    let per_tuple = float(bytes) / float(tuples);
    table.say(&format!(
        "{tuples} tuples unless said otherwise, one thread, medians of {ROUNDS} rounds; batches run from owned questions to \
        answers:\n\n| what | measured | limit | measured ÷ limit |\n|---|---|---|---|\n"
    ));
    table.most("load", 2.0, "s", || seconds);
    table.most("memory a tuple, names included", 60.0, "B", || per_tuple);

    let (user, object) = drive.direct();
    table.most("single check, direct", 1.0, "µs", || {
        1e6 * single(&authorizer, &user, "viewer", &object)
    });
    let (user, object) = drive.nested();
    table.most(
        "single check, nested groups and folders",
        20.0,
        "µs",
        || 1e6 * single(&authorizer, &user, "viewer", &object),
    );
    let small_folder = tempfile::tempdir().expect("a folder");
    let few = Drive::SMALL.write(small_folder.path());
    let (small, ..) = load(small_folder.path());
    beside(&mut table, &small, small_folder.path());
    for relation in ["viewer", "reader"] {
        let what = format!("{PAIRS} pairs of one user, {relation}");
        table.most(&format!("{what}, {few} tuples"), 200.0, "µs", || {
            1e6 * batch(&small, &Drive::SMALL.one_user(relation, PAIRS))
        });
        table.told(&what, "µs", || {
            1e6 * batch(&authorizer, &drive.one_user(relation, PAIRS))
        });
    }
    table.least(
        &format!("{PAIRS} random pairs, {few} tuples"),
        2.0,
        "M/s",
        || {
            let random = Drive::SMALL.random(&mut Dice::new(7), PAIRS);
            let random = random.into_iter().collect();
            float(PAIRS) / batch(&small, &random) / 1e6
        },
    );
    table.told(&format!("{PAIRS} random pairs"), "M/s", || {
        let random = drive.random(&mut Dice::new(7), PAIRS);
        let random = random.into_iter().collect();
        float(PAIRS) / batch(&authorizer, &random) / 1e6
    });
    if table.only.is_some() {
        return ExitCode::SUCCESS;
    }

    let (same, allowed, single_rate, batch_rate) = compare(&authorizer, &drive);
    table.say(&format!(
        "\n{ALL_PAIRS} random pairs: {same} answers of batches are the single check's, {allowed} of them yes; {:.2} M/s singly, \
        {:.2} M/s in batches.\n",
        single_rate / 1e6,
        batch_rate / 1e6
    ));
    let begin = results::begin("Permissions", "cargo bench --bench permission");
    results::keep("permission.md", &(begin + &table.text));
    results::show("README.md", "permission.rs", &table.text);
    if same == ALL_PAIRS && table.holds {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Single checks of the small store, and what the `fga` command line's `OpenFGA` takes for them.
fn beside(table: &mut Table, authorizer: &Authorizer, folder: &Path) {
    for (what, (user, object), limit) in [
        ("direct", Drive::SMALL.direct(), 1.0),
        ("nested groups and folders", Drive::SMALL.nested(), 20.0),
    ] {
        let name = format!("single check, {what}, small store");
        let mut ours = None;
        table.most(&name, limit, "µs", || {
            1e6 * *ours.insert(single(authorizer, &user, "viewer", &object))
        });
        let Some(ours) = ours else {
            continue;
        };
        match oracle::seconds(folder, &user, "viewer", &object) {
            Some(theirs) => table.say(&format!(
                "| the same by the fga command line's OpenFGA | {:.2} µs | | {:.0} times ours |\n",
                1e6 * theirs,
                theirs / ours
            )),
            None => println!(
                "| the same by the fga command line | `python3 tools/install.py fga` | | |"
            ),
        }
    }
}

struct Table {
    holds: bool,
    /// Only rows whose name holds this word.
    only: Option<String>,
    text: String,
}

impl Table {
    /// A row that must not pass `limit`.
    fn most(&mut self, what: &str, limit: f64, unit: &str, measure: impl FnOnce() -> f64) {
        self.row(what, ("≤", limit, unit), measure, |ratio| ratio <= 1.0);
    }

    /// A row that must reach `limit`.
    fn least(&mut self, what: &str, limit: f64, unit: &str, measure: impl FnOnce() -> f64) {
        self.row(what, ("≥", limit, unit), measure, |ratio| ratio >= 1.0);
    }

    /// A row without a limit.
    fn told(&mut self, what: &str, unit: &str, measure: impl FnOnce() -> f64) {
        if self.is_wanted(what) {
            let measured = measure();
            self.say(&format!("| {what} | {measured:.2} {unit} | | |\n"));
        }
    }

    fn is_wanted(&self, what: &str) -> bool {
        self.only.as_ref().is_none_or(|only| what.contains(only))
    }

    fn row(
        &mut self,
        what: &str,
        (sign, limit, unit): (&str, f64, &str),
        measure: impl FnOnce() -> f64,
        holds: impl FnOnce(f64) -> bool,
    ) {
        if !self.is_wanted(what) {
            return;
        }
        let measured = measure();
        let ratio = measured / limit;
        self.holds &= holds(ratio);
        self.say(&format!(
            "| {what} | {measured:.2} {unit} | {sign} {limit} {unit} | {ratio:.2} |\n"
        ));
    }

    fn say(&mut self, line: &str) {
        print!("{line}");
        self.text.push_str(line);
    }
}

/// The authorizer, the median time to load it in seconds, and how many bytes it takes.
fn load(folder: &Path) -> (Authorizer, f64, u64) {
    let config = Config {
        store_file: Some(PathBuf::from(drive::STORE_FILE)),
        openfga: None,
    };
    let load =
        || Authorizer::load(&config, folder).unwrap_or_else(|problems| panic!("{problems:?}"));
    let before = resident();
    let first = Instant::now();
    let authorizer = load();
    let mut times = vec![first.elapsed().as_secs_f64()];
    let bytes = resident().saturating_sub(before);
    for _ in 0..2 {
        let begun = Instant::now();
        drop(black_box(load()));
        times.push(begun.elapsed().as_secs_f64());
    }
    (authorizer, median(&mut times), bytes)
}

/// Seconds a check.
fn single(authorizer: &Authorizer, user: &str, relation: &str, object: &str) -> f64 {
    const CHECKS: u32 = 10_000;
    let ask = Ask::new(user, relation, object);
    assert_eq!(authorizer.check(&ask), Ok(true), "{ask:?}");
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        for _ in 0..CHECKS {
            let _ = black_box(authorizer.check(black_box(&ask)));
        }
        times.push(begun.elapsed().as_secs_f64() / f64::from(CHECKS));
    }
    median(&mut times)
}

/// Seconds from `questions` to all answers.
fn batch(authorizer: &Authorizer, questions: &Questions) -> f64 {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let questions = questions.clone();
        let begun = Instant::now();
        let batch = Batch::new(authorizer, questions).expect("a store is loaded");
        for from in (0..batch.len()).step_by(PIECE) {
            let piece = from..(from + PIECE).min(batch.len());
            for answer in batch.run(piece) {
                let _ = black_box(answer.expect("the drive has no conditions"));
            }
        }
        times.push(begun.elapsed().as_secs_f64());
    }
    median(&mut times)
}

/// How many of [`ALL_PAIRS`] random pairs a batch answers as the single check does, how many of them
/// with yes, and pairs a second either way.
fn compare(authorizer: &Authorizer, drive: &Drive) -> (usize, usize, f64, f64) {
    let mut dice = Dice::new(11);
    let (mut same, mut allowed, mut singly, mut batched) = (0, 0, 0.0, 0.0);
    for _ in 0..ALL_PAIRS / PAIRS {
        let questions = drive.random(&mut dice, PAIRS);
        let begun = Instant::now();
        let expected: Vec<_> = questions.iter().map(|one| authorizer.answer(one)).collect();
        singly += begun.elapsed().as_secs_f64();
        let begun = Instant::now();
        let questions = questions.into_iter().collect();
        let batch = Batch::new(authorizer, questions).expect("a store is loaded");
        let answers = batch.run(0..batch.len());
        batched += begun.elapsed().as_secs_f64();
        same += expected
            .iter()
            .zip(&answers)
            .filter(|(a, b)| a == b)
            .count();
        allowed += answers.iter().filter(|answer| **answer == Ok(true)).count();
    }
    (
        same,
        allowed,
        float(ALL_PAIRS) / singly,
        float(ALL_PAIRS) / batched,
    )
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn float(count: impl TryInto<u64, Error: std::fmt::Debug>) -> f64 {
    count.try_into().expect("a count") as f64
}

/// Bytes of memory in use, from the kernel; 0 where it does not say.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}
