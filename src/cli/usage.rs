//! What is wrong with a command line, on one line, with the nearest right word.
//!
//! Names options and commands. Of what was typed it repeats only what is near one of those: a word may be an
//! account or an address, and so may an option of `roster` and `accounts`, since names may begin with `--`.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::error::Error;
use std::ffi::OsString;

/// Families of commands whose arguments may be an account's name or address.
pub(super) const NAMING: [&str; 4] = ["roster", "accounts", "hook", "fleet"];

/// What is wrong with these words, and where to read what is right.
pub(super) fn message(error: &clap::Error, words: &[OsString], program: &clap::Command) -> String {
    let (path, command) = command(words, program);
    format!("{}; see `{path} --help`", what(error, words, command))
}

fn what(error: &clap::Error, words: &[OsString], command: &clap::Command) -> String {
    let named = text(error, ContextKind::InvalidArg);
    match error.kind() {
        ErrorKind::UnknownArgument => unknown_argument(error, words, &named),
        ErrorKind::InvalidSubcommand => {
            let typed = text(error, ContextKind::InvalidSubcommand);
            match suggested(error, ContextKind::SuggestedSubcommand) {
                Some(near) if may_name(words) => {
                    format!("{}: no such command; did you mean {near}?", position(words, &typed))
                }
                Some(near) => format!("no command {typed}; did you mean {near}?"),
                None => format!("{}: no such command; {}", position(words, &typed), commands(command)),
            }
        }
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            format!("a command is missing; {}", commands(command))
        }
        ErrorKind::MissingRequiredArgument => format!("missing: {named}"),
        ErrorKind::ArgumentConflict => {
            let prior = text(error, ContextKind::PriorArg);
            format!("{named} cannot be used with {prior}")
        }
        ErrorKind::InvalidValue => {
            let valid = text(error, ContextKind::ValidValue);
            if valid.is_empty() {
                format!("{named}: a value is missing")
            } else {
                format!("{named}: expected one of {valid}")
            }
        }
        // The texts of the program's own readers of values, which repeat no value.
        ErrorKind::ValueValidation => {
            let why = error.source().map_or_else(|| "invalid value".to_owned(), ToString::to_string);
            format!("{named}: {why}")
        }
        kind => {
            let kind = kind.as_str().unwrap_or("invalid command line");
            if named.is_empty() { kind.to_owned() } else { format!("{kind}: {named}") }
        }
    }
}

fn unknown_argument(error: &clap::Error, words: &[OsString], typed: &str) -> String {
    let option = typed.split('=').next().unwrap_or_default();
    match suggested(error, ContextKind::SuggestedArg) {
        Some(near) if near.starts_with("--") && option.starts_with("--") => {
            format!("no option {option}; did you mean {near}?")
        }
        _ if option.starts_with("--") && option.len() > 2 && !may_name(words) => {
            format!("no option {option}")
        }
        _ => format!("{}: not expected", position(words, typed)),
    }
}

/// Which of the words it is, without the word.
fn position(words: &[OsString], typed: &str) -> String {
    let at = words.iter().skip(1).position(|word| {
        let word = word.to_string_lossy();
        word == typed || word.split('=').next() == Some(typed)
    });
    at.map_or_else(|| "an argument".to_owned(), |at| format!("argument {}", at + 1))
}

fn may_name(words: &[OsString]) -> bool {
    words.get(1).is_some_and(|family| NAMING.iter().any(|naming| family == naming))
}

/// The commands that there are.
fn commands(command: &clap::Command) -> String {
    let names: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
    format!("pass one of {}", names.join(", "))
}

/// The command that the words lead to, and its name in full.
fn command<'a>(words: &[OsString], program: &'a clap::Command) -> (String, &'a clap::Command) {
    let mut path = program.get_name().to_owned();
    let mut command = program;
    for word in words.iter().skip(1) {
        let Some(next) = word.to_str().and_then(|word| command.find_subcommand(word)) else { break };
        path.push(' ');
        path.push_str(next.get_name());
        command = next;
    }
    (path, command)
}

fn text(error: &clap::Error, kind: ContextKind) -> String {
    match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(", "),
        _ => String::new(),
    }
}

fn suggested(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::Strings(texts) => texts.first().cloned(),
        _ => None,
    }
}
