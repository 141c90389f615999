//! Inputs for the tests of parsers: those of a corpus, altered at random, again and again.
//!
//! What makes a parser answer in a way that was not seen before is kept and altered further, so that the search goes
//! where the parser does. `BLINDMETER_EXECUTIONS` says how many (20,000 without it), `BLINDMETER_SEED` which.

use std::collections::HashSet;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

/// Inputs that are kept beside the corpus.
const KEPT: usize = 4_000;

/// The longest input: some of each line or part, so that many are tried.
const LONGEST: usize = 2_048;

/// Bytes that mean something to one parser or another.
const TELLING: [u8; 16] = *b"\0\xff\x01\x7f\x80\n\r\t,=:/%.0C";

/// A generator of random words (splitmix64).
struct Random(u64);

impl Random {
    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ word >> 31
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.word() % u64::try_from(end.max(1)).expect("a length")).expect("below a length")
    }

    fn byte(&mut self) -> u8 {
        self.word().to_le_bytes()[7]
    }
}

fn number(name: &str, without: u64) -> u64 {
    std::env::var(name).map_or(without, |text| text.parse().expect("a number"))
}

/// Feeds a parser; `feed` gives a number for how it answered, whose news is worth looking further into.
pub(crate) fn inputs<Answer: Hash>(corpus: &str, mut feed: impl FnMut(&[u8]) -> Answer) {
    let executions = number("BLINDMETER_EXECUTIONS", 20_000);
    let mut random = Random(number("BLINDMETER_SEED", 1));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(corpus);
    let mut paths: Vec<_> =
        fs::read_dir(folder).expect("a corpus").map(|entry| entry.expect("a file").path()).collect();
    paths.sort();
    let mut pool: Vec<Vec<u8>> = paths.iter().map(|path| fs::read(path).expect("a file")).collect();
    assert!(!pool.is_empty(), "{corpus} has inputs");
    let (seeds, mut seen) = (pool.len(), HashSet::new());
    for at in 0..executions {
        let first = usize::try_from(at).expect("fewer than an address space has");
        let input = match pool.get(first).filter(|_| first < seeds) {
            Some(seed) => seed.clone(),
            None => altered(&pool, &mut random),
        };
        let mut hasher = DefaultHasher::new();
        feed(&input).hash(&mut hasher);
        if seen.insert(hasher.finish()) && pool.len() < seeds + KEPT {
            pool.push(input);
        }
    }
    println!("{corpus}: {executions} executions, {} answers, {} inputs kept", seen.len(), pool.len() - seeds);
}

/// One of the inputs with some changes.
fn altered(pool: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut input = pool[random.below(pool.len())].clone();
    for _ in 0..=random.below(4) {
        let at = random.below(input.len() + 1);
        let to = at + random.below((input.len() - at + 1).min(40));
        match random.below(9) {
            0 => input.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << random.below(8)),
            1 => input.iter_mut().skip(at).take(1).for_each(|byte| *byte = TELLING[random.below(16)]),
            2 => input
                .iter_mut()
                .skip(at)
                .take(1)
                .for_each(|byte| *byte = byte.wrapping_add(random.byte() % 5)),
            3 => input.insert(at, random.byte()),
            4 => input.insert(at, TELLING[random.below(16)]),
            5 => drop(input.drain(at..to)),
            6 => {
                let part = input[at..to].to_vec();
                input.splice(at..at, part);
            }
            7 => {
                let other = &pool[random.below(pool.len())];
                let from = random.below(other.len() + 1);
                let part = other[from..from + random.below((other.len() - from + 1).min(200))].to_vec();
                input.splice(at..to, part);
            }
            _ => input.truncate(at),
        }
    }
    input.truncate(LONGEST);
    input
}
