//! What the pages of docs/ have an operator write, as it stands there: tests put it in force.

use super::process::PROGRAM;
use std::fs;
use std::path::Path;

/// The first block of a page that is of this kind and holds this line.
pub(crate) fn block(page: &str, kind: &str, line: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(page);
    let text = fs::read_to_string(path).expect("the page");
    let mut blocks = text.split("```").skip(1).step_by(2).filter_map(|block| block.strip_prefix(kind));
    blocks.find(|block| block.contains(line)).expect("a block of the page").trim_start().to_owned()
}

/// What a page has a server call, with the program under test and its daemon's socket in the place of the installed
/// one's.
pub(crate) fn of_the_test(lines: &str, socket: &Path) -> String {
    assert!(lines.contains("/usr/bin/blindmeter hook "), "the page calls the hook: {lines}");
    lines.replace("/usr/bin/blindmeter hook ", &format!("{PROGRAM} hook --socket {} ", socket.display()))
}
