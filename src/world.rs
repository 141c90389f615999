//! What the state machine asks of the outside besides clocks: files to read, and randomness.
//!
//! Tests hand in files that change, fail or vanish, and randomness from a seed.

use crate::meter::noise::Randomness;
use std::io;
use std::path::Path;

/// Files that are read whole.
pub trait Files {
    /// Reads a file.
    ///
    /// # Errors
    /// Those of the operating system.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
}

/// The file system of the running system.
pub struct SystemFiles;

impl Files for SystemFiles {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }
}

/// The kernel's randomness (getrandom(2)).
pub struct SystemRandomness;

/// Sixteen random bytes, to tell one thing from all others.
#[must_use]
pub fn identity() -> [u8; 16] {
    let (low, high) = (SystemRandomness.next_word(), SystemRandomness.next_word());
    (u128::from(high) << 64 | u128::from(low)).to_le_bytes()
}

impl Randomness for SystemRandomness {
    /// # Panics
    /// When the kernel has no randomness to give: a release without noise must not be made.
    fn next_word(&mut self) -> u64 {
        getrandom::u64().expect("the kernel gives randomness")
    }
}
