//! Questions of a batch that have to be asked, and how many go together.

use super::{
    Ready,
    wire::{MAX_TOGETHER, MAX_TOGETHER_BYTES},
};

/// A question of a batch that is not answered yet, and where its answer goes.
pub(super) struct Open {
    pub(super) places: Vec<usize>,
    pub(super) ready: Ready,
}

/// Batches that a server takes.
pub(super) fn batches(open: Vec<Open>) -> Vec<Vec<Open>> {
    let mut batches: Vec<Vec<Open>> = Vec::new();
    let mut bytes = 0;
    for one in open {
        bytes += one.ready.item.len();
        match batches.last_mut() {
            Some(last) if last.len() < MAX_TOGETHER && bytes <= MAX_TOGETHER_BYTES => {
                last.push(one);
            }
            _ => {
                bytes = one.ready.item.len();
                batches.push(vec![one]);
            }
        }
    }
    batches
}
