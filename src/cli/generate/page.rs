//! A manual page in roff: what the command line knows of a command, and what it does not.
//!
//! Text alone; which files are written, and where, is the parent's. Examples and keys have tables of their own.

use super::examples;
use clap_mangen::Man;
use std::io::{self, Write};

/// What each exit status means, as docs/operating.md has it.
const EXIT_STATUS: [(&str, &str); 9] = [
    ("0", "All is well."),
    ("2", "A check found something, the daemon is degraded, or a file broke off."),
    ("3", "The privacy claim is void on this host."),
    ("64", "The command line is wrong."),
    ("69", "The daemon cannot be reached, or a port is taken."),
    ("70", "A bug."),
    ("74", "Input or output failed."),
    ("77", "A privilege or a role is missing, or a limit of look-ups is reached."),
    ("78", "The configuration is wrong, or the store was refused."),
];

/// Where everything is by default.
const FILES: [(&str, &str); 7] = [
    (
        "/etc/blindmeter/blindmeter.toml",
        "The configuration; it names all other files. See blindmeter.toml(5).",
    ),
    ("/etc/blindmeter/roster.csv", "The roster: which account owns which address."),
    ("/etc/blindmeter/ledger.key", "The root key, which the unit hands over as a credential."),
    ("/etc/blindmeter/NAME/", "The same three of the node that blindmeter@NAME.service runs."),
    ("/var/lib/blindmeter/ledger.sealed", "The sealed state; beside it the chain file that its key needs."),
    (
        "/run/blindmeter/control.sock",
        "The control socket; commands take it where the configuration cannot be read.",
    ),
    ("/sys/fs/bpf/blindmeter", "Pins of the kernel tap, while a sealed store outlives the process."),
];

/// What is read of the environment.
const ENVIRONMENT: [(&str, &str); 2] = [
    ("NO_COLOR", "When it is set, help has no colours and no bold face."),
    ("COLUMNS", "The width of what `demo` prints when its output is no terminal; 80 without it."),
];

/// Who made it, as the foot of each page says.
const SOURCE: &str = concat!("blindmeter ", env!("CARGO_PKG_VERSION"));

/// The day of the version, which stands at the foot as well.
const DAY: &str = "2026-11-29";

/// The page of a command, named by its words behind the program's name; the whole program's for none.
pub(super) fn of_command(words: &[&str], command: clap::Command) -> io::Result<Vec<u8>> {
    let title = ["blindmeter"].iter().chain(words).copied().collect::<Vec<_>>().join("-");
    let man = Man::new(command).title(&title).date(DAY).source(SOURCE).manual("Manual of blindmeter");
    let mut rendered = Vec::new();
    man.render(&mut rendered)?;
    // A break beside an empty line, as before a list of values, does nothing and is warned of.
    let rendered = String::from_utf8_lossy(&rendered).replace(".br\n\n.br\n", ".sp\n");
    let mut text = rendered.into_bytes();
    section(&mut text, "EXIT STATUS", &EXIT_STATUS)?;
    section(&mut text, "FILES", &FILES)?;
    section(&mut text, "ENVIRONMENT", &ENVIRONMENT)?;
    section(&mut text, "EXAMPLES", &examples::of(words))?;
    let other = if words.is_empty() { "blindmeter.toml(5)" } else { "blindmeter(1), blindmeter.toml(5)" };
    writeln!(text, ".SH \"SEE ALSO\"\n{other}")?;
    writeln!(text, ".PP\nThe documents under {}.", escaped("/usr/share/doc/blindmeter"))?;
    Ok(text)
}

/// The head of a page that is no command's.
pub(super) fn head(text: &mut Vec<u8>, title: &str, number: u8, what: &str) -> io::Result<()> {
    writeln!(text, ".TH {title} {number} \"{DAY}\" \"{SOURCE}\" \"Manual of blindmeter\"")?;
    writeln!(text, ".SH NAME\n{title} \\- {}", escaped(what))
}

/// A section of names, each with what it means.
pub(super) fn section(text: &mut Vec<u8>, heading: &str, entries: &[(&str, &str)]) -> io::Result<()> {
    writeln!(text, ".SH \"{heading}\"")?;
    entries.iter().try_for_each(|(name, meaning)| {
        writeln!(text, ".TP\n\\fB{}\\fR\n{}", escaped(name), escaped(meaning))
    })
}

/// Lines as they stand, with no line filled.
pub(super) fn verbatim(text: &mut Vec<u8>, lines: &str) -> io::Result<()> {
    writeln!(text, ".PP\n.nf")?;
    lines.lines().try_for_each(|line| writeln!(text, "{}", escaped(line)))?;
    writeln!(text, ".fi")
}

/// Text that roff prints as it stands: a minus would else be a hyphen, and a point at a line's begin a request.
pub(super) fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}
