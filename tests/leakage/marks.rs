//! Whether a program holds a planted leak: by the texts in it, and by its symbols where it has any.

use std::fs;

/// What a planted build has in it: the variable that names a row, and the path of the one file in the copy.
const TEXTS: [&[u8]; 4] = [b"BLINDMETER_PLANTED", b"BLINDMETER_NEEDLE", b"planted.rs", b"PLANTED BUILD"];

/// The module's name as it stands in a mangled symbol.
const SYMBOL: &[u8] = b"7planted";

/// How often each was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    pub(crate) text: usize,
    pub(crate) symbols: usize,
}

/// The marks of plants in a program.
pub(crate) fn of_plants(program: &str) -> Marks {
    let bytes = fs::read(program).unwrap_or_else(|error| panic!("{program}: {error}"));
    // One byte for each: searching text is what the standard library is fast at.
    let text: String = bytes.into_iter().map(char::from).collect();
    let count = |wanted: &[u8]| {
        let wanted: String = wanted.iter().copied().map(char::from).collect();
        text.matches(&wanted).count()
    };
    Marks { text: TEXTS.into_iter().map(count).sum(), symbols: count(SYMBOL) }
}

/// Symbols of this program in it: a check of what is not in it then says something.
pub(crate) fn symbols(program: &str) -> usize {
    let bytes = fs::read(program).unwrap_or_else(|error| panic!("{program}: {error}"));
    let wanted = b"10blindmeter";
    bytes.windows(wanted.len()).filter(|window| window == wanted).count()
}
