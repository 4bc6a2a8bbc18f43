//! Work of each operation, made for measuring: the one place that says what a usual item is.
//!
//! Items of one probe are alike, and two lengths tell what an item costs and what a byte costs. Texts
//! are clean prose: what is found costs extra, and most of what is served finds nothing.
#![expect(
    clippy::cast_precision_loss,
    reason = "small numbers of a sample, which doubles hold exactly"
)]

use std::{ops::Range, sync::Arc};

pub use crate::identity::Length;
use crate::{
    analytics::{self, Record},
    api::{Digests, Search},
    dispatch::{Operation, Weight, Work},
    identity::{self, Samples},
    permission, risk,
    screening::{self, Prompt, Requirement, Screener, Trust},
};

/// Makes work for measuring.
#[derive(Debug)]
pub struct Probes {
    screener: Arc<Screener>,
    tokens: Samples,
}

impl Probes {
    /// Prompts are screened by `screener`: the one that serves, or any other.
    #[must_use]
    pub fn new(screener: Arc<Screener>) -> Self {
        Self {
            screener,
            tokens: Samples::new(),
        }
    }

    /// Records to be summed up: an item is a block of some of them.
    #[must_use]
    pub fn analytics(&self, records: usize) -> analytics::Batch {
        let record = |at: usize| Record {
            throughput_rps: 1e3 + fraction(at),
            latency_ms: 10.0 * fraction(at),
            total_requests: 1_000,
            coalesced_requests: at as u64 % 100,
            cache_hits: at as u64 % 700,
            errors: at as u64 % 7,
        };
        analytics::Batch::new((0..records).map(record).collect())
    }

    /// Items to be digested: 64 bytes each, or 4 KiB.
    #[must_use]
    pub fn hash(&self, length: Length, items: usize) -> impl Work + use<> {
        Digests(vec![prose(pick(length, 64, 4_096)); items])
    }

    /// The classes that tokens may have, the usual one first.
    pub fn token_classes(&self) -> impl Iterator<Item = u8> {
        self.tokens.classes()
    }

    /// Tokens of a class, proven for the first time each time.
    #[must_use]
    pub fn jwt(&self, class: u8, length: Length, items: usize) -> identity::Batch {
        self.tokens.batch(class, length, items)
    }

    /// Texts of 256 bytes or 4 KiB, searched for eight words, or for eight expressions.
    #[must_use]
    pub fn pattern(&self, regex: bool, length: Length, items: usize) -> impl Work + use<> {
        let patterns = if regex { EXPRESSIONS } else { WORDS };
        let texts = vec![prose(pick(length, 256, 4_096)); items];
        Search::sample(&patterns.map(str::to_owned), regex, texts)
    }

    /// Questions about permissions, with short names or long ones, some of which bring a tuple along.
    #[must_use]
    pub fn permission(&self, tuples: bool, length: Length, items: usize) -> permission::Batch {
        permission::Batch::sample(items, pick(length, 0, 100), tuples)
    }

    /// Prompts of 512 bytes or 8 KiB, as texts.
    #[must_use]
    pub fn prompt(&self, length: Length, items: usize) -> screening::Batch {
        let prompt = Prompt::Text {
            text: prose(pick(length, 512, 8_192)),
            trust: Trust::User,
        };
        self.prompts(vec![prompt; items])
    }

    /// The same inside request bodies.
    #[must_use]
    pub fn body(&self, length: Length, items: usize) -> screening::Batch {
        let content = prose(pick(length, 512, 8_192));
        let body = serde_json::json!({
            "model": "gpt-4o",
            "messages": [{ "role": "user", "content": content }],
        });
        let body = Prompt::Body(body.to_string().into());
        self.prompts(vec![body; items])
    }

    fn prompts(&self, prompts: Vec<Prompt>) -> screening::Batch {
        screening::Batch::new(Arc::clone(&self.screener), prompts, Requirement::default())
    }

    /// Events of one subject.
    ///
    /// # Panics
    ///
    /// With more events than one batch may have.
    #[must_use]
    pub fn risk(&self, events: usize) -> risk::Batch {
        let name = |number: usize| {
            let name = format!("10.0.0.{}", number % 16);
            risk::Name::try_from(name).expect("short enough")
        };
        let event = |at: usize| risk::Event {
            timestamp: at as f64,
            ip: name(at / 7),
            device: name(at / 31),
            behavior: fraction(at),
        };
        let events: Vec<_> = (0..events).map(event).collect();
        risk::Batch::new(&events).expect("good events")
    }
}

/// Items one by one, as checks bring them.
pub(super) struct Alone<W> {
    pub(super) work: W,
    /// Whether checks tell how long theirs are.
    pub(super) is_weighed: bool,
}

impl<W: Work> Work for Alone<W> {
    const OPERATION: Operation = W::OPERATION;

    type Output = W::Output;

    fn len(&self) -> usize {
        self.work.len()
    }

    fn weight(&self, item: usize) -> Weight {
        let bytes = if self.is_weighed {
            self.work.weight(item).bytes
        } else {
            0
        };
        Weight {
            bytes,
            ..Weight::OF_A_CHECK
        }
    }

    fn run(&self, items: Range<usize>) -> Vec<W::Output> {
        items
            .flat_map(|item| self.work.run(item..item + 1))
            .collect()
    }
}

fn pick(length: Length, usual: usize, long: usize) -> usize {
    match length {
        Length::Usual => usual,
        Length::Long => long,
    }
}

/// Something from 0 to 1 that differs from item to item.
fn fraction(at: usize) -> f64 {
    (at % 101) as f64 / 100.0
}

fn prose(bytes: usize) -> String {
    PROSE.chars().cycle().take(bytes).collect()
}

const PROSE: &str = "The ferry leaves the northern pier at noon and takes a little under an hour to \
    cross. Bring a coat, because the wind on deck is stronger than it looks from the shore. Could you \
    compare the three routes, say which of them is open in winter, and list what a family of four \
    would pay on each? ";

const WORDS: [&str; 8] = [
    "harbour",
    "winter",
    "compass",
    "lantern",
    "railway",
    "sandbank",
    "timetable",
    "luggage",
];

const EXPRESSIONS: [&str; 8] = [
    r"harbou?r",
    r"\bwin(ter|d)y\b",
    r"[0-9]{2}:[0-9]{2}",
    r"lanterns? of \w+",
    r"rail(way|road)",
    r"sand(bank|bar)s",
    r"time\s*tables?",
    r"lug+age",
];
