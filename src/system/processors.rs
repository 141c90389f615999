//! What this kernel says of its processors: how many there may be, and how it schedules.
//!
//! Source: Documentation/admin-guide/cputopology.rst; kernel/ksysfs.c (`realtime`).

use std::fs;
use std::io;

const POSSIBLE: &str = "/sys/devices/system/cpu/possible";
const REALTIME: &str = "/sys/kernel/realtime";

/// One more than the highest number that a processor of this machine can have, plugged in or not.
///
/// # Errors
/// When the kernel does not say.
pub fn possible() -> io::Result<u32> {
    let unclear = || io::Error::other("no list of numbers");
    highest(&fs::read_to_string(POSSIBLE)?).map(|highest| highest + 1).ok_or_else(unclear)
}

/// Whether this kernel is preemptible everywhere (PREEMPT_RT).
#[must_use]
pub fn is_realtime() -> bool {
    // Other kernels have no such file.
    fs::read_to_string(REALTIME).is_ok_and(|text| text.trim() != "0")
}

/// The highest number of a list like `0-3,8`.
fn highest(list: &str) -> Option<u32> {
    let number = |part: &str| part.rsplit('-').next()?.parse().ok();
    list.trim().split(',').map(number).collect::<Option<Vec<u32>>>()?.into_iter().max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_processors_has_a_highest() {
        for (list, expected) in
            [("0\n", Some(0)), ("0-1\n", Some(1)), ("0-3,8-11", Some(11)), ("8,0-3", Some(8)), ("", None)]
        {
            assert_eq!(highest(list), expected, "{list}");
        }
        assert!(possible().expect("this kernel says it") >= 1);
    }
}
