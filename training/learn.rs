//! From rows to weights: a linear model with squared hinge loss, by dual coordinate descent.
//!
//! Rows count by one over the root of their source's size, so that no source has all the say. Long
//! texts are cut as the runtime cuts them: of honest ones every stretch is honest, of attacks the
//! stretch that a first model finds worst is the attack. Features that only one source has are left
//! out: they name the source, not the attack. In the end those that weigh least are left out too: the
//! runtime passes over a feature without a weight, and sources that were not trained on lose nothing.

use subzero::screening::model::{self, BLOCK, Model, PLACES, SIZES, Sink};

use crate::{
    data::{Row, is_trained_on},
    grammar::Dice,
};

/// The rows cut into blocks, once for every training.
#[derive(Debug)]
pub(crate) struct Learner<'a> {
    rows: &'a [Row],
    blocks: Vec<Vec<Block>>,
}

/// The features of up to [`BLOCK`] tokens, sorted.
#[derive(Clone, Debug, Default)]
struct Block {
    places: Vec<u16>,
    tokens: usize,
}

/// What one side of the plane is asked of.
#[derive(Debug)]
struct Instance {
    places: Vec<u16>,
    /// One over the root of its length.
    value: f64,
    attack: bool,
    /// How much its error costs.
    cost: f64,
}

impl<'a> Learner<'a> {
    pub(crate) fn new(rows: &'a [Row]) -> Self {
        let blocks = rows.iter().map(|row| blocks(&row.folded)).collect();
        Self { rows, blocks }
    }

    /// A model of the rows that `wanted` keeps. Its thresholds are not set.
    pub(crate) fn train(&self, wanted: impl Fn(&Row) -> bool) -> Model {
        let rows: Vec<usize> = (0..self.rows.len())
            .filter(|at| is_trained_on(&self.rows[*at]) && wanted(&self.rows[*at]))
            .collect();
        let mut kept = self.shared_features(&rows);
        let mut model = None;
        for round in 1..=ROUNDS {
            let mut instances = Vec::new();
            for &row in &rows {
                self.instances(row, &rows, model.as_ref(), &mut instances);
            }
            for instance in &mut instances {
                instance.places.retain(|place| kept[usize::from(*place)]);
            }
            let (weights, bias) = solve(&instances);
            if round == ROUNDS - 1 {
                kept = heaviest(&weights);
            }
            model = Some(Model::new(&weights, bias, FEWEST));
        }
        model.expect("there is at least one round")
    }

    /// Which features at least two sources have.
    fn shared_features(&self, rows: &[usize]) -> Vec<bool> {
        let mut first: Vec<Option<&str>> = vec![None; PLACES];
        let mut kept = vec![false; PLACES];
        for &row in rows {
            let source = self.rows[row].source.as_str();
            for &place in self.blocks[row].iter().flat_map(|block| &block.places) {
                let place = usize::from(place);
                match first[place] {
                    None => first[place] = Some(source),
                    Some(other) => kept[place] |= other != source,
                }
            }
        }
        kept
    }

    fn instances(
        &self,
        row: usize,
        rows: &[usize],
        model: Option<&Model>,
        instances: &mut Vec<Instance>,
    ) {
        let Row { source, label, .. } = &self.rows[row];
        let size = rows
            .iter()
            .filter(|at| self.rows[**at].source == *source)
            .count();
        let cost = COST / float(size).sqrt();
        let attack = *label == 1;
        let blocks = &self.blocks[row];
        let mut add = |stretch: &Block, share: f64| {
            instances.push(Instance {
                places: stretch.places.clone(),
                value: 1.0 / float(stretch.tokens.max(FEWEST as usize)).sqrt(),
                attack,
                cost: cost * share,
            });
        };
        let whole = union(blocks);
        if blocks.len() <= SIZES[2] {
            add(&whole, 1.0);
            return;
        }
        let pieces = float(blocks.len().div_ceil(SIZES[2])).sqrt();
        match (attack, model) {
            (true, None) => add(&whole, 1.0),
            (true, Some(model)) => {
                add(&whole, 0.5);
                add(&worst(blocks, &SIZES[1..], model), 1.0);
            }
            (false, None) => {
                add(&whole, 0.5);
                for piece in blocks.chunks(SIZES[2]) {
                    add(&union(piece), 0.5 / pieces);
                }
            }
            (false, Some(model)) => {
                add(&whole, 0.5);
                for size in &SIZES {
                    add(&worst(blocks, &[*size], model), 0.5);
                }
                for piece in blocks.chunks(SIZES[2]) {
                    add(&union(piece), 0.25 / pieces);
                }
            }
        }
    }
}

/// Which features weigh most, either way.
fn heaviest(weights: &[f64]) -> Vec<bool> {
    let mut places: Vec<usize> = (0..weights.len()).collect();
    places.sort_by(|one, other| weights[*other].abs().total_cmp(&weights[*one].abs()));
    let mut kept = vec![false; weights.len()];
    for place in &places[..HEAVIEST] {
        kept[*place] = true;
    }
    kept
}

/// The stretch of one of these sizes that `model` scores highest.
fn worst(blocks: &[Block], sizes: &[usize], model: &Model) -> Block {
    let stretches = sizes
        .iter()
        .flat_map(|size| blocks.windows(*size))
        .map(union);
    let scored = stretches.map(|stretch| {
        (
            model.score_of_places(&stretch.places, stretch.tokens),
            stretch,
        )
    });
    let worst = scored.max_by(|(one, _), (other, _)| one.total_cmp(other));
    worst.map(|(_, stretch)| stretch).unwrap_or_default()
}

fn union(blocks: &[Block]) -> Block {
    let mut places: Vec<u16> = blocks
        .iter()
        .flat_map(|block| block.places.iter().copied())
        .collect();
    places.sort_unstable();
    places.dedup();
    Block {
        places,
        tokens: blocks.iter().map(|block| block.tokens).sum(),
    }
}

fn blocks(folded: &str) -> Vec<Block> {
    #[derive(Default)]
    struct Cutter {
        done: Vec<Block>,
        open: Block,
    }
    impl Sink for Cutter {
        fn feature(&mut self, place: u16) {
            self.open.places.push(place);
        }

        fn token(&mut self, _start: usize, _end: usize) {
            self.open.tokens += 1;
            if self.open.tokens == BLOCK {
                self.done.push(union(&[std::mem::take(&mut self.open)]));
            }
        }
    }
    let mut cutter = Cutter::default();
    model::features(folded, &mut cutter);
    if cutter.open.tokens > 0 {
        cutter.done.push(union(&[cutter.open]));
    }
    cutter.done
}

/// Weights and bias. The order of the visits is shuffled, from a fixed seed.
fn solve(instances: &[Instance]) -> (Vec<f64>, f64) {
    let (mut weights, mut bias) = (vec![0.0; PLACES], 0.0);
    let mut dual = vec![0.0_f64; instances.len()];
    let mut order: Vec<usize> = (0..instances.len()).collect();
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for _ in 0..MOST_PASSES {
        for at in (1..order.len()).rev() {
            order.swap(at, dice.below(at + 1));
        }
        let mut furthest = 0.0_f64;
        for &at in &order {
            let Instance {
                places,
                value,
                attack,
                cost,
            } = &instances[at];
            let side = if *attack { 1.0 } else { -1.0 };
            let softness = 0.5 / cost;
            let sum: f64 = places
                .iter()
                .map(|place| weights[usize::from(*place)])
                .sum();
            let gradient = side * (sum * value + bias) - 1.0 + dual[at] * softness;
            let open = if dual[at] == 0.0 {
                gradient.min(0.0)
            } else {
                gradient
            };
            furthest = furthest.max(open.abs());
            if open == 0.0 {
                continue;
            }
            let curve = float(places.len()) * value * value + 1.0 + softness;
            let before = dual[at];
            dual[at] = (before - gradient / curve).max(0.0);
            let step = (dual[at] - before) * side;
            for place in places {
                weights[usize::from(*place)] += step * value;
            }
            bias += step;
        }
        if furthest < CLOSE_ENOUGH {
            break;
        }
    }
    (weights, bias)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of texts and tokens are small"
)]
fn float(count: usize) -> f64 {
    count as f64
}

/// Shorter texts count as this long, in tokens.
const FEWEST: u32 = 16;
/// What an error costs, over the root of the source's size.
const COST: f64 = 1.2;
/// A first model, one that has seen the first one's worst stretches, and one of the heaviest features.
const ROUNDS: usize = 3;
/// How many features the last model has.
const HEAVIEST: usize = 12_000;
const MOST_PASSES: usize = 60;
const CLOSE_ENOUGH: f64 = 0.05;
