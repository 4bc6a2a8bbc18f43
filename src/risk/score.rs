//! Signals into one number.
//!
//! What a reader would get wrong: a score is rounded to hundredths *before* it is compared, so that
//! a request refused above 0.80 never shows `0.80`.

use std::time::Duration;

use super::config::Config;

/// What is known of one encounter, each from 0 (as usual) to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Signals {
    pub(super) address: f64,
    pub(super) behavior: f64,
    pub(super) device: f64,
    pub(super) time: f64,
}

/// The configured numbers as the arithmetic wants them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Model {
    /// Shares of 1.
    shares: Signals,
    /// In seconds.
    pub(super) time_half: f64,
    /// In seconds.
    pub(super) behavior_half: f64,
    pub(super) forget_after: Duration,
    tolerance: f64,
}

impl Model {
    /// `config` has no problems.
    pub(super) fn new(config: &Config) -> Self {
        let weights = &config.weights;
        // A device that nobody names cannot change; its share would only keep every score low.
        let device = config
            .device_header
            .as_ref()
            .map_or(0.0, |_| weights.device);
        let sum = weights.address + weights.behavior + weights.time + device;
        Self {
            shares: Signals {
                address: weights.address / sum,
                behavior: weights.behavior / sum,
                device: device / sum,
                time: weights.time / sum,
            },
            time_half: config.half_life.time.get().as_secs_f64(),
            behavior_half: config.half_life.behavior.get().as_secs_f64(),
            forget_after: config.forget_after.get(),
            tolerance: config.tolerance,
        }
    }

    /// From 0 to 1, in hundredths.
    pub(super) fn score(&self, signals: &Signals) -> f32 {
        let shares = &self.shares;
        let score = shares.address * signals.address
            + shares.behavior * signals.behavior
            + shares.device * signals.device
            + shares.time * signals.time;
        #[expect(clippy::cast_possible_truncation, reason = "the nearest is meant")]
        let score = ((score * 100.0).round() / 100.0) as f32;
        score.clamp(0.0, 1.0)
    }

    /// How strange a change is, `seconds` after the subject was last seen.
    pub(super) fn recency(&self, seconds: f64) -> f64 {
        1.0 / (1.0 + seconds / self.time_half)
    }

    /// How bad `recent` denials and findings are.
    pub(super) fn behavior(&self, recent: f64) -> f64 {
        1.0 - (-recent / self.tolerance).exp2()
    }

    /// What is left of 1 after `seconds`.
    pub(super) fn fading(&self, seconds: f64) -> f64 {
        (-seconds / self.behavior_half).exp2()
    }
}
