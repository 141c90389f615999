//! Which of the two programs counts here, and why: plain additions to a slice for each processor, or
//! atomic ones to a slice that all share.
//!
//! Holds no figure of traffic: the choice follows from the kernel, its processors and the configuration.

use super::error::KernelError;
use crate::meter::counters::{Cell, Slices};
use crate::system::processors;

const MEBIBYTE: u64 = 1 << 20;

/// Bytes above which no verifier follows an offset into a value (BPF_MAX_VAR_OFF, 1 << 29).
const LARGEST_VALUE: u64 = 1 << 29;

/// How the program counts.
#[derive(Clone)]
pub enum Counting {
    /// Plainly, each of so many processors into a slice of its own.
    Sliced(u32),
    /// Atomically, all processors into one slice, for this reason.
    Locked(String),
    /// The same, since this kernel has refused slices for so many processors.
    Refused(u32, String),
}

/// Why, where an earlier process tried.
const REFUSED_EARLIER: &str = "this kernel refused slices when these counters were made";

impl Counting {
    /// What suits this kernel and this budget for so many slots.
    pub(super) fn choose(slots: usize, budget_bytes: u64) -> Self {
        let processors = match processors::possible() {
            Ok(processors) => processors,
            Err(error) => return Self::Locked(format!("the kernel does not list its processors: {error}")),
        };
        Self::of(slots, budget_bytes, processors, processors::is_realtime())
    }

    fn of(slots: usize, budget_bytes: u64, processors: u32, is_realtime: bool) -> Self {
        let bytes = direction_bytes(Slices::of_processors(slots, processors as usize));
        if is_realtime {
            return Self::Locked("PREEMPT_RT lets one packet's program interrupt another's".to_owned());
        }
        if 2 * bytes > budget_bytes {
            let mebibytes = (2 * bytes).div_ceil(MEBIBYTE);
            return Self::Locked(format!(
                "slices for {processors} processors would take {mebibytes} MiB, more than tap.memory_budget"
            ));
        }
        if bytes >= LARGEST_VALUE {
            return Self::Locked(KernelError::TooLarge.to_string());
        }
        Self::Sliced(processors)
    }

    /// What is left where the kernel refuses the sliced program or its arrays; none where it was not these.
    pub(super) fn without_slices(&self, error: &KernelError) -> Option<Self> {
        match (self, error) {
            (Self::Sliced(_), KernelError::TooLarge) => Some(Self::Locked(error.to_string())),
            (Self::Sliced(processors), KernelError::Refused(_)) => {
                Some(Self::Refused(*processors, error.to_string()))
            }
            _ => None,
        }
    }

    /// What an earlier process was left with, if the kernel refused this.
    pub(super) fn refused_earlier(&self) -> Option<Self> {
        match self {
            Self::Sliced(processors) => Some(Self::Refused(*processors, REFUSED_EARLIER.to_owned())),
            Self::Locked(_) | Self::Refused(..) => None,
        }
    }

    /// Slices of processors; 0 where all share one.
    pub(super) fn processors(&self) -> u32 {
        match self {
            Self::Sliced(processors) => *processors,
            Self::Locked(_) | Self::Refused(..) => 0,
        }
    }

    /// The word for it in reports.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Sliced(_) => "sliced",
            Self::Locked(_) | Self::Refused(..) => "locked",
        }
    }

    /// Why it is so, in a few words.
    #[must_use]
    pub fn why(&self) -> String {
        match self {
            Self::Sliced(1) => "a slice for the one processor".to_owned(),
            Self::Sliced(processors) => format!("a slice for each of {processors} processors"),
            Self::Locked(why) | Self::Refused(_, why) => why.clone(),
        }
    }
}

fn direction_bytes(slices: Slices) -> u64 {
    (slices.cells() * size_of::<Cell>()) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_taken_where_they_lose_nothing_and_fit() {
        let choose = |slots, budget_mebibytes: u64, processors, is_realtime| {
            Counting::of(slots, budget_mebibytes << 20, processors, is_realtime)
        };
        for (slots, budget, processors, is_realtime, expected) in [
            (4100, 64, 2, false, "sliced"),
            (4100, 64, 2, true, "locked"),
            (4100, 0, 2, false, "locked"),
            (1_000_004, 64, 2, false, "sliced"),
            (1_000_004, 64, 16, false, "locked"),
            (60_004, 64, 16, false, "sliced"),
            (16_777_220, 1 << 20, 1, false, "sliced"),
            (16_777_220, 1 << 20, 2, false, "locked"),
        ] {
            let counting = choose(slots, budget, processors, is_realtime);
            assert_eq!(counting.as_str(), expected, "{slots} slots, {budget} MiB, {processors} processors");
            assert!(counting.processors() == if expected == "sliced" { processors } else { 0 });
        }
        assert_eq!(
            choose(1_000_004, 64, 16, false).why(),
            "slices for 16 processors would take 489 MiB, more than tap.memory_budget"
        );
    }
}
