//! Every command that a document shows can be typed: the program's are held against its own `--help`, those
//! of cargo against the manifest, scripts against the files that are there.

use crate::documents::{Code, Document, documents};
use crate::source::{REPOSITORY, files, read};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// What runs another command, which is the last of its words that is one.
const WRAPPERS: [&str; 4] = ["sudo", "setpriv", "nice", "env"];

/// What is asked of cargo, and the options that are used with it.
const OF_CARGO: [&str; 9] = ["build", "run", "test", "bench", "fmt", "clippy", "install", "deny", "audit"];
const OPTIONS_OF_CARGO: [&str; 8] =
    ["--release", "--locked", "--test", "--bench", "--features", "--no-run", "--lib", "--all-targets"];

/// What is asked of systemctl.
const OF_SYSTEMCTL: [&str; 9] =
    ["start", "stop", "restart", "reload", "enable", "disable", "status", "daemon-reload", "edit"];

/// What commands are held against.
struct Known<H: Fn(&[&str]) -> String> {
    /// The program's help for a command of it.
    help: H,
    /// Names of the tests and benches that cargo has.
    tests: Vec<String>,
    benches: Vec<String>,
    /// Units that are delivered, with their texts.
    units: BTreeMap<String, String>,
    /// The sources of tests and benches: a variable that none of them names does nothing.
    sources: String,
    is_program: fn(&str) -> bool,
}

impl<H: Fn(&[&str]) -> String> Known<H> {
    /// What is wrong with a piece of code; none for what is no command.
    fn wrong(&self, code: &Code) -> Vec<String> {
        let text = code.text.replace("\\\n", " ");
        let lines = text.lines().map(|line| line.split(" #").next().unwrap_or_default());
        let commands = lines.flat_map(|line| line.split(['|', ';', '&', '(', ')']));
        commands.flat_map(|command| self.wrong_command(command, code.is_block)).collect()
    }

    fn wrong_command(&self, command: &str, whole: bool) -> Option<String> {
        let mut words: Vec<&str> = command.split_whitespace().collect();
        while let Some((name, _)) = words.first().and_then(|word| word.split_once('=')) {
            if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_') {
                break;
            }
            if !name.starts_with("CARGO_") && !self.sources.contains(&format!("\"{name}\"")) {
                return Some(format!("{name} is read by no test"));
            }
            words.remove(0);
        }
        if words.first().is_some_and(|first| WRAPPERS.contains(first)) {
            let is_command = |word: &&str| ["blindmeter", "cargo"].contains(word) || is_script(word);
            let at = words.iter().rposition(is_command).unwrap_or(words.len());
            words.drain(..at);
        }
        // Where the output goes, or the input comes from, is the shell's.
        let end = words.iter().position(|word| [">", "<"].contains(word)).unwrap_or(words.len());
        let (first, rest) = words[..end].split_first()?;
        match *first {
            "blindmeter" => self.wrong_of_the_program(rest, whole),
            "cargo" => self.wrong_of_cargo(rest),
            "systemctl" => self.wrong_of_systemctl(rest),
            script if is_script(script) && (whole || !rest.is_empty()) => {
                (!(self.is_program)(script)).then(|| format!("{script} cannot be run"))
            }
            _ => None,
        }
    }

    /// `words` are what stands behind the program's name.
    fn wrong_of_the_program(&self, words: &[&str], whole: bool) -> Option<String> {
        let mut path: Vec<&str> = Vec::new();
        let mut help = (self.help)(&path);
        let mut rest = words;
        while let Some((first, tail)) = rest.split_first().filter(|_| help.contains("\nCommands:\n")) {
            if !lines_of(&help, "Commands:").any(|line| line.split_whitespace().next() == Some(first)) {
                return Some(format!("blindmeter {} has no command {first}", path.join(" ")));
            }
            path.push(first);
            (help, rest) = ((self.help)(&path), tail);
        }
        let mut given = 0;
        let mut words = rest.iter();
        while let Some(word) = words.next() {
            if !word.starts_with("--") {
                given += 1;
                continue;
            }
            let (option, value) =
                word.split_once('=').map_or((*word, None), |(option, value)| (option, Some(value)));
            let mut options = lines_of(&help, "Options:").map(|line| line.split("  ").next().unwrap_or(line));
            let found = options.find(|line| line.split([' ', ',']).any(|name| name == option));
            let Some(found) = found else {
                return Some(format!("blindmeter {} has no option {option}", path.join(" ")));
            };
            if found.contains('<') && value.is_none() && words.next().is_none() {
                return Some(format!("blindmeter {}: {option} wants a value", path.join(" ")));
            }
        }
        let usage = help.lines().find_map(|line| line.strip_prefix("Usage: ")).unwrap_or_default();
        let arguments = |open: &str| {
            let words: Vec<&str> = usage.split(' ').collect();
            let of_an_option = |at: usize| at > 0 && words[at - 1].starts_with("--");
            let is_one =
                |at: &usize| words[*at].starts_with(open) && words[*at] != "[OPTIONS]" && !of_an_option(*at);
            (0..words.len()).filter(is_one).count()
        };
        let (least, most) = (arguments("<"), arguments("<") + arguments("["));
        let unbounded = usage.contains("...");
        let too_few = whole && given < least;
        (too_few || (given > most && !unbounded)).then(|| format!("not as in: {usage}"))
    }

    fn wrong_of_cargo(&self, words: &[&str]) -> Option<String> {
        let end = words.iter().position(|word| *word == "--").unwrap_or(words.len());
        let behind = words.get(end + 1..).unwrap_or_default();
        let (first, options) = words[..end].split_first()?;
        if !OF_CARGO.contains(first) {
            return Some(format!("cargo {first} is not used here"));
        }
        for (at, option) in options.iter().enumerate().filter(|(_, word)| word.starts_with('-')) {
            let value = options.get(at + 1).copied().unwrap_or_default();
            let known = match *option {
                "--test" => self.tests.iter().any(|test| test == value),
                "--bench" => self.benches.iter().any(|bench| bench == value),
                "--features" => value == "lab",
                option => OPTIONS_OF_CARGO.contains(&option),
            };
            if !known {
                return Some(format!("cargo {first} {option} {value}: there is none"));
            }
        }
        if *first == "run" { self.wrong_of_the_program(behind, true) } else { None }
    }

    fn wrong_of_systemctl(&self, words: &[&str]) -> Option<String> {
        let mut words = words.iter().filter(|word| !word.starts_with("--"));
        let verb = words.next()?;
        if !OF_SYSTEMCTL.contains(verb) {
            return Some(format!("systemctl {verb} is not used here"));
        }
        // Of a node of several the template is delivered.
        let delivered = |unit: &str| match unit.split_once('@') {
            Some((template, _)) => format!("{template}@"),
            None => unit.trim_end_matches(".service").to_owned(),
        };
        let wrong = |unit: &&str| match self.units.get(&delivered(unit)) {
            None => Some(format!("no unit {unit} is delivered")),
            Some(text)
                if *verb == "reload"
                    && !text.contains("\nExecReload=")
                    && !text.contains("notify-reload") =>
            {
                Some(format!("{unit} cannot be reloaded"))
            }
            Some(_) => None,
        };
        words.find_map(wrong)
    }
}

fn is_script(word: &str) -> bool {
    ["tests/", "src/", "deploy/", "benches/"].iter().any(|folder| word.starts_with(folder))
}

/// The lines of a part of a help text.
fn lines_of<'a>(help: &'a str, part: &'a str) -> impl Iterator<Item = &'a str> {
    let lines = help.lines().skip_while(move |line| *line != part).skip(1);
    lines.take_while(|line| line.starts_with(' ')).map(str::trim)
}

fn help_of_the_program(command: &[&str]) -> String {
    let mut program = Command::new(env!("CARGO_BIN_EXE_blindmeter"));
    let output = program.args(command).arg("--help").output().expect("cargo has built the program");
    assert!(output.status.success(), "blindmeter {} has no help", command.join(" "));
    String::from_utf8(output.stdout).expect("help is text")
}

fn is_program(path: &str) -> bool {
    let there = std::fs::metadata(Path::new(REPOSITORY).join(path));
    there.is_ok_and(|there| there.is_file() && there.permissions().mode() & 0o111 != 0)
}

/// The targets of a kind that cargo finds in the manifest and in a folder.
fn targets(manifest: &str, kind: &str, folder: &str) -> Vec<String> {
    let manifest: toml::Table = manifest.parse().expect("cargo has read it");
    let tables = manifest.get(kind).and_then(toml::Value::as_array).into_iter().flatten();
    let mut names: Vec<String> =
        tables.filter_map(|table| Some(table.get("name")?.as_str()?.to_owned())).collect();
    for file in files(&[folder]) {
        let name = file.strip_prefix(folder).and_then(|file| file.strip_prefix('/')?.strip_suffix(".rs"));
        names.extend(name.filter(|name| !name.contains('/')).map(ToOwned::to_owned));
    }
    names
}

#[test]
fn every_command_of_the_documents_can_be_typed() {
    let unit =
        |path: &String| Some((path.rsplit('/').next()?.strip_suffix(".service")?.to_owned(), read(path)));
    let known = Known {
        help: help_of_the_program,
        tests: targets(&read("Cargo.toml"), "test", "tests"),
        benches: targets(&read("Cargo.toml"), "bench", "benches"),
        units: files(&["deploy"]).iter().filter_map(unit).collect(),
        sources: files(&["tests", "benches"])
            .iter()
            .filter(|path| path.ends_with(".rs"))
            .map(|path| read(path))
            .collect(),
        is_program,
    };
    let documents = documents();
    let mut wrong = Vec::new();
    for document in &documents {
        for code in &document.code {
            wrong.extend(known.wrong(code).iter().map(|what| document.finding(code.line, what)));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn a_command_that_cannot_be_typed_is_found() {
    let help = |command: &[&str]| match command {
        [] => {
            "Usage: blindmeter <COMMAND>\n\nCommands:\n  run     Run --it\n  roster  The roster\n\nOptions:\n  -h, --help  Help\n"
        }
        ["roster"] => "Usage: blindmeter roster <COMMAND>\n\nCommands:\n  assign  Give\n",
        ["run"] => {
            "Usage: blindmeter run [OPTIONS]\n\nOptions:\n      --config <CONFIG>  A --file\n      --dry-run  Dry\n"
        }
        _ => {
            "Usage: blindmeter roster assign [OPTIONS] --why <WHY> <PREFIX> [ACCOUNT]\n\nOptions:\n      --why <WHY>  Why\n"
        }
    };
    let known = Known {
        help: |command: &[&str]| help(command).to_owned(),
        tests: vec!["tidy".to_owned()],
        benches: vec!["taps".to_owned()],
        units: BTreeMap::from(
            ["blindmeter", "blindmeter@"].map(|unit| (unit.to_owned(), "[Service]\n".to_owned())),
        ),
        sources: "var(\"SEEDS\")".to_owned(),
        is_program: |path| path == "tests/run",
    };
    let wrong =
        |text: &str, is_block: bool| known.wrong(&Code { line: 1, text: text.to_owned(), is_block }).len();
    for text in [
        "blindmeter roster release 10.8.0.2",
        "blindmeter ran",
        "sudo blindmeter run --dry",
        "blindmeter run --it",
        "blindmeter run --file",
        "blindmeter run --config",
        "blindmeter run now",
        "blindmeter roster assign --why a b c d",
        "setpriv --reuid blindmeter \\\n  blindmeter run --wet",
        "a | blindmeter walk",
        "cargo test --test tidied",
        "cargo bench --bench tap",
        "cargo test --features planted",
        "cargo run -- walk",
        "cargo nextest run",
        "SEED=1 cargo test --test tidy",
        "systemctl reload blindmeter",
        "systemctl start other",
        "systemctl start other@par2",
        "systemctl vanish blindmeter",
        "tests/walk now",
    ] {
        assert_eq!((wrong(text, true), wrong(text, false)), (1, 1), "{text}");
    }
    assert_eq!((wrong("tests/walk", true), wrong("blindmeter roster assign --why a", true)), (1, 1));
    for text in [
        "sudo blindmeter run --config=a --dry-run    # --wet; blindmeter walk",
        "blindmeter roster assign 10.8.0.2 alice --why not",
        "SEEDS=7 cargo test --release --features lab --test tidy -- --nocapture",
        "cargo run --release -- run --config a",
        "cargo bench --bench taps && sudo tests/run packages",
        "systemctl enable --now blindmeter",
        "systemctl enable --now blindmeter@par2",
        "blindmeter roster assign 10.8.0.2 alice > a",
        "cargo install --locked any",
        "install blindmeter /usr/bin/\nvi a",
    ] {
        assert_eq!((wrong(text, true), wrong(text, false)), (0, 0), "{text}");
    }
    assert_eq!(
        wrong("blindmeter roster assign", false)
            + wrong("tests/http.rs", false)
            + wrong("blindmeter_epoch 7", false),
        0
    );
    let document =
        Document::of("a.md", "`blindmeter walk`\n```sh\nblindmeter walk\n```\n```text\nblindmeter walk\n```");
    assert_eq!(document.code.iter().map(|code| known.wrong(code).len()).sum::<usize>(), 2);
}
