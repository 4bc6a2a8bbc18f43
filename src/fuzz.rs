//! Millions of hostile inputs for one parser, on stable Rust and with no engine to install.
//!
//! Inputs are seeds with a few random changes; some of them become seeds, so that changes add up.
//! Each parser brings seeds, the words of its language and a check that panics on what must never
//! be; the tests named `fuzz` are all there are. What it cannot do: no coverage guides it, so a branch
//! that neither seeds nor words lead to is reached by luck alone.
//!
//! A short run is part of the tests; `make fuzz` makes it ten million inputs a parser. The same
//! seed gives the same inputs, so what a run finds, the next one finds again.

use std::{env, fmt};

/// Runs `check` on inputs made of `seeds` and `words`, and says how many.
#[expect(clippy::print_stdout, reason = "`make fuzz` shows what was run")]
pub(crate) fn run(name: &str, seeds: &[&str], words: &[&str], check: impl Fn(&[u8])) {
    let setting = |variable: &str, usual: u64| {
        env::var(variable).map_or(usual, |value| value.parse().expect("a whole number"))
    };
    let executions = setting("SUBZERO_FUZZ_EXECUTIONS", EXECUTIONS);
    let seed = setting("SUBZERO_FUZZ_SEED", 1);
    let mut inputs = Inputs::new(seeds, words, seed);
    for _ in 0..executions {
        // Told when `check` panics, and only then.
        let input = Told(inputs.next());
        check(&input.0);
        inputs.keep(input.take());
    }
    println!("fuzz {name}: {executions} executions, seed {seed}");
}

/// Random changes of known inputs.
struct Inputs<'a> {
    /// What was given, then what came of it.
    pool: Vec<Vec<u8>>,
    given: usize,
    words: &'a [&'a str],
    random: Random,
}

impl<'a> Inputs<'a> {
    fn new(seeds: &[&str], words: &'a [&'a str], seed: u64) -> Self {
        let pool: Vec<_> = seeds.iter().map(|seed| seed.as_bytes().to_vec()).collect();
        Self {
            given: pool.len(),
            pool,
            words,
            random: Random(seed.max(1)),
        }
    }

    fn next(&mut self) -> Vec<u8> {
        let from = self.random.below(self.pool.len());
        let mut input = self.pool[from].clone();
        for _ in 0..=self.random.below(6) {
            self.change(&mut input);
        }
        input.truncate(LONGEST);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let (from, to) = self.random.range(input.len());
        match self.random.below(8) {
            0 if !input.is_empty() => {
                input[from.min(to.saturating_sub(1))] ^= 1 << self.random.below(8);
            }
            1 => drop(input.drain(from..to)),
            2 => input.truncate(to),
            3 => {
                let part = input[from..to].to_vec();
                input.splice(to..to, part);
            }
            4 => {
                let other = self.random.below(self.pool.len());
                let (start, end) = self.random.range(self.pool[other].len());
                let part = self.pool[other][start..end].to_vec();
                input.splice(from..to, part);
            }
            5 => {
                let byte = self.random.below(256);
                input.insert(from, u8::try_from(byte).unwrap_or_default());
            }
            _ if self.words.is_empty() => {}
            _ => {
                let word = self.words[self.random.below(self.words.len())];
                input.splice(from..from, word.bytes());
            }
        }
    }

    /// Makes some of the inputs seeds. What was given stays, or the inputs would drift into noise.
    fn keep(&mut self, input: Vec<u8>) {
        if self.random.below(16) > 0 {
            return;
        }
        if self.pool.len() < self.given + POOL {
            self.pool.push(input);
        } else {
            let at = self.given + self.random.below(POOL);
            self.pool[at] = input;
        }
    }
}

/// Marsaglia's xorshift64*.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32;
        usize::try_from(high).unwrap_or_default() % end
    }

    /// Two places in `0..=len`, in order and mostly near each other.
    fn range(&mut self, len: usize) -> (usize, usize) {
        let from = self.below(len + 1);
        let most = if self.below(4) == 0 { len } else { 8 };
        let to = from + self.below(most + 1);
        (from, to.min(len))
    }
}

/// An input that is printed when the check of it panics.
struct Told(Vec<u8>);

impl Told {
    fn take(mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.0.escape_ascii())
    }
}

impl Drop for Told {
    #[expect(clippy::print_stdout, reason = "the one word about what was found")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("fuzz: this input does it: {self}");
        }
    }
}

/// Inputs a parser in an ordinary run of the tests: a second without optimisation.
const EXECUTIONS: u64 = 2_000;
/// Longest input, in bytes.
const LONGEST: usize = 400;
/// Most inputs that become seeds.
const POOL: usize = 1_000;

#[test]
fn a_fault_that_needs_several_changes_is_found() {
    let faulty = |input: &[u8]| {
        let opened = memchr::memchr_iter(b'<', input).count();
        assert!(opened < 3 || input.len() < 8, "planted");
    };
    let search = || {
        let mut inputs = Inputs::new(&["a<b", "cd"], &["<", ">"], 1);
        for _ in 0..EXECUTIONS {
            let input = inputs.next();
            assert!(input.len() <= LONGEST);
            faulty(&input);
            inputs.keep(input);
        }
    };
    let panic = std::panic::catch_unwind(search).expect_err("the fault is found");
    assert_eq!(panic.downcast_ref(), Some(&"planted"));
}
