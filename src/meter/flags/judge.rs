//! The scores of an epoch: how strongly each kind of irregularity speaks from it.
//!
//! Judges deviations from a baseline, changes nothing. A score of none means that the epoch cannot be one of
//! this kind whatever its numbers.

use super::super::units::Totals;
use super::baseline::{Accumulator, Baseline, Deviations};
use super::constants::{Constants, Stall};
use super::features::{ANSWERS, Features, RATIO, SENT, SIZE};
use super::numbers::{ln, number};

/// Active epochs before an account's level says something.
const KNOWN_EPOCHS: u8 = 4;
/// Epochs of sending before its usual answers do.
const KNOWN_ANSWERS: u8 = 5;
/// The logarithm of answers for each packet that an account without a level is taken to have.
const NEW_ANSWERS: f64 = 0.55;
/// The scale of answers up to which an account's answers are steady.
const STEADY_ANSWERS: f64 = 0.15;
/// How far below the packets of a stall, as a logarithm, an account nearly stalls.
const NEARLY: f64 = 0.6;
/// The score of a flood by an account without a level.
const FLOOD_OF_NEW: f64 = 20.0;

/// An epoch of one account, and what is usual for it.
pub(super) struct Epoch<'a> {
    pub sums: Totals,
    pub features: Features,
    pub deviations: Deviations,
    pub constants: &'a Constants,
}

impl Epoch<'_> {
    /// An account that sends and gets next to nothing back. What counts is how many packets went unanswered:
    /// a short break of a radio link leaves few.
    pub(super) fn stall(&self, baseline: &Baseline) -> Option<f64> {
        let (sent, answered) = (self.sums.up.packets, self.sums.down.packets);
        let is_quiet = self.features.is_sender
            && number(answered) < 0.25 * number(sent)
            && self.sums.up.bytes < self.constants.stall.most_bytes;
        let off = self.too_few_packets(0.0);
        if !is_quiet {
            None
        } else if baseline.sender_epochs >= KNOWN_ANSWERS {
            Some(-self.deviations.plain[ANSWERS] - off)
        } else if number(answered) < 0.03 * number(sent) {
            Some(NEW_ANSWERS - f64::from(self.features.tracked[ANSWERS]) - off)
        } else {
            None
        }
    }

    /// The threshold of a stall where short breaks leave more packets unanswered than elsewhere, by this lift of
    /// the packets that are enough.
    pub(super) fn stall_threshold(&self, threshold: f64, lift: f64) -> f64 {
        threshold + self.too_few_packets(lift) - self.too_few_packets(0.0)
    }

    /// Whether an epoch that is no stall would be one with a few more packets.
    pub(super) fn nearly_stalls(&self, score: Option<f64>, threshold: f64) -> bool {
        let with_more = |score: f64| score + self.too_few_packets(0.0) - self.too_few_packets(-NEARLY);
        score.is_some_and(|score| score < threshold && with_more(score) >= threshold)
    }

    /// What is taken off a stall's score for packets that are too few, where so much more or less is enough.
    fn too_few_packets(&self, lift: f64) -> f64 {
        let Stall { enough_packets, too_few, .. } = self.constants.stall;
        too_few * (enough_packets + lift - ln(number(self.sums.up.packets.max(1)))).max(0.0)
    }

    /// Very many packets up, small and with few answers.
    pub(super) fn flood(&self, baseline: &Baseline) -> Option<f64> {
        let flood = &self.constants.flood;
        let (sent, answered) = (number(self.sums.up.packets), number(self.sums.down.packets));
        let bytes = number(self.sums.up.bytes);
        if !self.features.is_active {
            return None;
        }
        if baseline.sender_epochs < KNOWN_EPOCHS {
            let is_flood = self.sums.up.packets >= flood.least_packets_of_new
                && answered <= 0.3 * sent
                && bytes < 120.0 * sent;
            return is_flood.then_some(FLOOD_OF_NEW);
        }
        // An account whose answers swing by themselves has to miss more of them.
        let restless = flood.restless_weight * (self.deviations.scales()[ANSWERS] - STEADY_ANSWERS).max(0.0);
        let (fewer_answers, size) = (-self.deviations.plain[ANSWERS] - restless, self.deviations.plain[SIZE]);
        let is_small = answered <= 0.5 * sent && bytes < 200.0 * sent;
        let is_smaller = answered <= 0.75 * sent && bytes < 500.0 * sent && size <= -0.3;
        (self.sums.up.packets >= flood.least_packets && fewer_answers >= 0.3 && (is_small || is_smaller))
            .then(|| {
                // The packets: bytes up less the size of one.
                flood.sent_weight * (self.deviations.plain[SENT] - size).clamp(-1.0, flood.sent_most)
                    + flood.size_weight * (-size).clamp(-1.0, 1.5)
                    + flood.answers_weight * fewer_answers.clamp(-1.0, 3.0)
            })
    }

    /// More bytes up than usual, by themselves and for each byte down.
    pub(super) fn upload(&self, baseline: &Baseline) -> Option<f64> {
        let [sent, ratio, ..] = self.deviations.scaled;
        (self.is_known(baseline)
            && number(self.sums.up.bytes) >= self.constants.upload.least_bytes
            && sent > 0.0
            && ratio > 0.0)
            .then(|| {
                self.raised_upload() + self.constants.upload.answers_weight * self.fewer_answers(baseline)
            })
    }

    /// The sum of raised uploads after this epoch.
    pub(super) fn drift(&self, baseline: &Baseline) -> Accumulator {
        if !self.is_known(baseline) {
            return baseline.drift;
        }
        let drift = &self.constants.drift;
        let size = self.deviations.scaled[SIZE].clamp(-2.0, 3.0);
        let today = self.raised_upload()
            + drift.answers_weight * self.fewer_answers(baseline)
            + drift.size_weight * size;
        Accumulator::of(baseline.drift.faded(drift.keep) + today.min(drift.most) - drift.allowance)
    }

    /// Whether a sum of raised uploads is one today.
    pub(super) fn drift_score(&self, baseline: &Baseline, drift: Accumulator) -> Option<f64> {
        (self.is_known(baseline)
            && number(self.sums.up.bytes) >= self.constants.drift.least_bytes
            && drift.value() > 0.0)
            .then(|| drift.value())
    }

    /// How unlike itself the account is today, in no way that has a name.
    pub(super) fn unlike(&self, baseline: &Baseline) -> f64 {
        let unusual = &self.constants.unusual;
        let above = |scales: f64| (scales - unusual.allowance).clamp(0.0, unusual.most);
        let [sent, ratio, answers, size] = self.deviations.scaled;
        let of_answers =
            if baseline.sender_epochs >= KNOWN_ANSWERS { 2.0 * above(answers.abs()) } else { 0.0 };
        above(sent) + above(ratio) + above(-size) + of_answers
    }

    /// True once the account has a level.
    pub(super) fn is_known(&self, baseline: &Baseline) -> bool {
        self.features.is_active && baseline.epochs >= KNOWN_EPOCHS
    }

    fn raised_upload(&self) -> f64 {
        let upload = &self.constants.upload;
        upload.sent_weight * self.deviations.scaled[SENT].clamp(-2.0, 5.0)
            + upload.ratio_weight * self.deviations.scaled[RATIO].clamp(-2.0, 6.0)
    }

    fn fewer_answers(&self, baseline: &Baseline) -> f64 {
        if baseline.sender_epochs < KNOWN_EPOCHS {
            return 0.0;
        }
        (-self.deviations.scaled[ANSWERS]).clamp(-3.0, 4.0)
    }
}
