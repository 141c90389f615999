//! What stands in the memory that a process can write, and in the files of a folder: needles are looked for byte by byte.

use aho_corasick::AhoCorasick;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Each part of the memory that a process can write, which root reads.
pub(crate) fn each_part(process: u32, mut look: impl FnMut(&[u8])) {
    let memory = File::open(format!("/proc/{process}/mem")).expect("root reads it");
    let maps = fs::read_to_string(format!("/proc/{process}/maps")).expect("root reads it");
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let range =
            line.split([' ', '-']).take(2).map(|end| u64::from_str_radix(end, 16).expect("hexadecimal"));
        let [from, to] = range.collect::<Vec<_>>()[..] else { continue };
        let mut bytes = vec![0; usize::try_from(to - from).expect("an address space")];
        if memory.read_exact_at(&mut bytes, from).is_ok() {
            look(&bytes);
        }
    }
}

/// How often each needle stands in that memory.
pub(crate) fn found(process: u32, needles: &[&str]) -> Vec<usize> {
    let count = counter(needles);
    let mut counts = vec![0; needles.len()];
    each_part(process, |bytes| count(bytes, &mut counts));
    counts
}

/// How often each needle stands in the files right in a folder.
pub(crate) fn found_in_files(folder: &Path, needles: &[&str]) -> Vec<usize> {
    let count = counter(needles);
    let mut counts = vec![0; needles.len()];
    let files = fs::read_dir(folder).expect("a folder").flatten();
    for file in files.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file())) {
        count(&fs::read(file.path()).expect("root reads it"), &mut counts);
    }
    counts
}

/// Adds up how often each needle stands in bytes.
fn counter(needles: &[&str]) -> impl Fn(&[u8], &mut [usize]) {
    let finder = AhoCorasick::new(needles).expect("few needles");
    move |bytes, counts| {
        finder.find_overlapping_iter(bytes).for_each(|hit| counts[hit.pattern().as_usize()] += 1);
    }
}
