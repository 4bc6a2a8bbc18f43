//! What was asked, what was answered while what failed, and what the processes held.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use super::truth::{Question, Worth};
use crate::support::{door::Answer, process::Process};

/// So many of the wrong ones are told.
const TOLD: usize = 20;

/// What was asked and answered so far.
#[derive(Debug, Default)]
pub(super) struct Tally(Mutex<Counts>);

/// See [`Tally`].
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) asked: u64,
    /// By what was asked, and what it was worth.
    pub(super) kinds: BTreeMap<&'static str, BTreeMap<Worth, u64>>,
    /// By reason, while this step was under way.
    pub(super) steps: BTreeMap<String, BTreeMap<String, u64>>,
    step: String,
    told: Vec<String>,
}

impl Tally {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().expect("no panic")
    }

    /// What is counted from now on is counted as answered during `step`.
    pub(super) fn during(&self, step: &str) {
        step.clone_into(&mut self.counts().step);
    }

    pub(super) fn note(&self, question: &Question, answer: &Answer, worth: Worth) {
        let mut counts = self.counts();
        counts.asked += 1;
        *counts
            .kinds
            .entry(question.kind)
            .or_default()
            .entry(worth)
            .or_default() += 1;
        let reason = match answer {
            Answer::Allowed => "ok",
            Answer::Denied(_, reason) | Answer::Error(_, reason) => reason,
        };
        let step = counts.step.clone();
        let reasons = counts.steps.entry(step).or_default();
        *reasons.entry(reason.to_owned()).or_default() += 1;
        let is_odd = matches!(worth, Worth::Unexplained | Worth::Wrong);
        if is_odd && counts.told.len() < TOLD {
            let line = format!(
                "{worth:?} during {:?}: {} of replica {} at {}: {answer:?} instead of {:?}",
                counts.step, question.kind, question.replica, question.path, question.right
            );
            counts.told.push(line);
        }
    }

    /// Everything, once all is asked.
    pub(super) fn finish(&self) -> Counts {
        std::mem::take(&mut *self.counts())
    }
}

impl Counts {
    /// How many were worth that.
    pub(super) fn worth(&self, worth: Worth) -> u64 {
        let kinds = self.kinds.values();
        kinds.filter_map(|counts| counts.get(&worth)).sum()
    }

    /// As tables, for people.
    pub(super) fn table(&self, took: Duration, wanted: u32) -> String {
        let rate = u128::from(self.asked) * 1_000 / took.as_millis().max(1);
        let mut text = format!(
            "{} questions in {} s: {rate} a second of {wanted} wanted\n\nasked:\n",
            self.asked,
            took.as_secs()
        );
        for (kind, counts) in &self.kinds {
            let _ = writeln!(
                text,
                "  {kind:<32}{}",
                listed(counts, |worth| format!("{worth:?}"))
            );
        }
        text.push_str("answered during:\n");
        for (step, reasons) in &self.steps {
            let _ = writeln!(text, "  {step:<32}{}", listed(reasons, String::clone));
        }
        for line in &self.told {
            let _ = writeln!(text, "{line}");
        }
        text
    }
}

fn listed<K: Ord>(counts: &BTreeMap<K, u64>, name: impl Fn(&K) -> String) -> String {
    let mut counts: Vec<_> = counts.iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let counts: Vec<String> = counts
        .into_iter()
        .map(|(key, count)| format!("{} {count}", name(key)))
        .collect();
    counts.join(", ")
}

/// What a process holds at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Held {
    pub(super) bytes: u64,
    pub(super) threads: u64,
    pub(super) descriptors: u64,
}

impl Held {
    pub(super) fn by(process: &Process) -> Self {
        Self {
            bytes: process.resident_bytes(),
            threads: process.threads(),
            descriptors: process.descriptors(),
        }
    }
}

/// A third of a run: the mean of the memory, the most of the others.
pub(super) fn thirds(samples: &[Held]) -> [Held; 3] {
    let third = samples.len() / 3;
    [0, 1, 2].map(|at| {
        let part = &samples[at * third..(at + 1) * third];
        let most = |of: fn(&Held) -> u64| part.iter().map(of).max().unwrap_or_default();
        let bytes: u64 = part.iter().map(|held| held.bytes).sum();
        Held {
            bytes: bytes / u64::try_from(part.len().max(1)).expect("fits"),
            threads: most(|held| held.threads),
            descriptors: most(|held| held.descriptors),
        }
    })
}

/// One line for people.
pub(super) fn held(name: &str, thirds: &[Held; 3]) -> String {
    let each = |of: fn(&Held) -> String| thirds.each_ref().map(of).join(", ");
    format!(
        "{name}: by thirds of the run MiB {}; threads {}; descriptors {}",
        each(|held| {
            let kib = held.bytes >> 10;
            format!("{}.{}", kib >> 10, ((kib & 1023) * 10) >> 10)
        }),
        each(|held| held.threads.to_string()),
        each(|held| held.descriptors.to_string())
    )
}
