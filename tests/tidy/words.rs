//! Words that belong to certain files, and words that belong to none.

use crate::source::{Finding, Source, Token};

/// Words of the code, and the places that may hold them; everywhere else they are findings.
const PLACES: [(&[&str], &[&str], &str); 7] = [
    (
        &["TunnelAddress"],
        &[
            "src/roster/",
            "src/tap/frame.rs",
            "src/tap/frame/",
            "src/tap/kernel/owners.rs",
            "src/tap/kernel/owner_tables.rs",
        ],
        "a packet's address goes from the tap to the roster and nowhere else",
    ),
    (
        &["Prefix"],
        &[
            "src/roster/",
            "src/config/",
            "src/control/",
            "src/daemon/inputs.rs",
            "src/engine/",
            "src/cli/",
            "src/tap/kernel/",
        ],
        "prefixes are for the roster and for what hands them in",
    ),
    (
        &["AccountName"],
        &["src/roster/", "src/config/", "src/control/", "src/daemon/inputs.rs", "src/cli/"],
        "account names are for the roster and for what hands them in",
    ),
    (
        &["reveal"],
        &["src/roster/account.rs", "src/control/", "src/cli/"],
        "a name becomes text only where somebody asked for that very account",
    ),
    (
        &["Instant", "SystemTime", "UNIX_EPOCH", "ClockId", "clock_gettime", "gettimeofday", "Timestamp"],
        &["src/clock.rs"],
        "clock.rs alone reads a clock",
    ),
    (
        &["unsafe"],
        &[
            "src/tap/",
            "src/system/",
            "src/control/peer.rs",
            "src/doctor/system.rs",
            "src/cli/demo/namespace.rs",
        ],
        "unsafe code is for calls of the kernel, in tap/, system/ and the files of this list",
    ),
    (
        &["stdout", "stderr"],
        &["src/cli/", "src/log.rs"],
        "commands print through cli/output.rs, the daemon through log.rs",
    ),
];

/// Macros that print, and the files that may call them.
const PRINTING: [&str; 5] = ["println", "eprintln", "print", "eprint", "dbg"];
const PRINTERS: [&str; 2] = ["src/cli/output.rs", "src/log.rs"];

/// Words that stand where they must not.
pub(crate) fn out_of_place(source: &Source) -> Vec<Finding> {
    let tokens = source.tokens();
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let next = |offset: usize| tokens.get(at + offset).map_or("", |token| token.text.as_str());
        for (words, places, why) in PLACES {
            if words.contains(&token.text.as_str()) && !source.is_in(places) {
                found.push(source.finding(token.line, format!("{}: {why}", token.text)));
            }
        }
        if PRINTING.contains(&token.text.as_str()) && next(1) == "!" && !source.is_in(&PRINTERS) {
            found.push(source.finding(token.line, format!("{}!: print through {}", token.text, PRINTERS[0])));
        }
        if token.text == "tokio" && next(3) == "time" && !source.is_in(&["src/clock.rs"]) {
            found.push(source.finding(token.line, "tokio::time: clock.rs alone waits for a clock"));
        }
        if token.text == "extern" && next(1) == "crate" && source.path != "src/lib.rs" {
            found.push(source.finding(token.line, "extern crate: it would lead around the arrows"));
        }
    }
    found
}

/// Floating point in the core's own code (its tests may use it), and the lints that it forbids.
pub(crate) fn loose_core(source: &Source) -> Vec<Finding> {
    let tests = source
        .attributes()
        .into_iter()
        .find(|attribute| attribute.iter().map(|token| token.text.as_str()).eq(["cfg", "(", "test", ")"]));
    let end = tests.map_or(usize::MAX, |attribute| attribute[0].line);
    let mut found: Vec<Finding> = source
        .tokens()
        .iter()
        // What an account's days look like is judged in logarithms; no figure that is released is made there.
        .filter(|_| !source.path.starts_with("src/meter/flags/"))
        .filter(|token| token.line < end && (token.text == "f64" || token.text == "f32"))
        .map(|token| source.finding(token.line, "the core computes in integers (see noise.rs)"))
        .collect();
    let forbidden = "#![forbid(clippy::disallowed_types, clippy::disallowed_methods)]";
    let forbids = |attribute: Vec<Token>| {
        let words: String = attribute.into_iter().map(|token| token.text).collect();
        format!("#![{}]", words.replace(',', ", ")) == forbidden
    };
    if source.path == "src/meter/mod.rs" && !source.attributes().into_iter().any(forbids) {
        found.push(source.finding(1, format!("meter/mod.rs says {forbidden}")));
    }
    found
}

/// Lints that are switched off. A harness that several test crates share, each using a part of it,
/// cannot expect; it says so in its `mod.rs`.
pub(crate) fn allowed_lints(source: &Source) -> Vec<Finding> {
    let shared = source.path.starts_with("tests/") && source.path.ends_with("/mod.rs");
    let attributes = source.attributes().into_iter().flatten();
    let allowed = attributes.filter(|token| token.text == "allow" && !shared);
    let what = "allow(..): write expect(.., reason = \"..\"), which says when it is not needed any more";
    allowed.map(|token| source.finding(token.line, what)).collect()
}

/// Notes to oneself, code that is not there yet, and tests that do not run.
pub(crate) fn left_undone(source: &Source) -> Vec<Finding> {
    let notes = [concat!("TO", "DO"), concat!("FIX", "ME")];
    let mut found = Vec::new();
    for (index, line) in source.text.lines().enumerate() {
        if notes.iter().any(|note| line.contains(note)) {
            found.push(source.finding(index + 1, "finish it, or file an issue"));
        }
    }
    let tokens = source.tokens();
    for pair in tokens.windows(2) {
        if ["todo", "unimplemented", "dbg"].contains(&pair[0].text.as_str()) && pair[1].text == "!" {
            found.push(source.finding(pair[0].line, format!("{}!", pair[0].text)));
        }
    }
    for token in source.attributes().into_iter().flatten().filter(|token| token.text == "ignore") {
        found.push(source.finding(token.line, "a test that does not run by default guards nothing"));
    }
    found
}

/// How many findings a rule has for a text at a place.
#[cfg(test)]
fn count(rule: fn(&Source) -> Vec<Finding>, path: &str, text: &str) -> usize {
    rule(&Source::new(path, text)).len()
}

#[test]
fn a_word_out_of_place_is_found() {
    for (path, text) in [
        ("src/meter/slot.rs", "fn f(a: TunnelAddress) {}"),
        ("src/tap/ring.rs", "fn f(a: TunnelAddress) {}"),
        ("src/daemon/mod.rs", "fn f(a: &Prefix) {}"),
        ("src/node/mod.rs", "use crate::roster::address::Prefix;"),
        ("src/publish/http.rs", "fn f(name: &AccountName) {}"),
        ("src/publish/http.rs", "let text = name.reveal();"),
        ("src/engine/mod.rs", "let text = name.reveal();"),
        ("src/engine/roster_writer.rs", "Assign(Source, Prefix, AccountName),"),
        ("src/node/schedule.rs", "let now = std::time::Instant::now();"),
        ("src/cli/demo/mod.rs", "use std::time::SystemTime;"),
        ("src/control/server.rs", "tokio::time::sleep(a).await;"),
        ("src/roster/table.rs", "unsafe { f() }"),
        ("src/node/mod.rs", "std::io::stdout().lock();"),
        ("src/cli/run.rs", "println!(\"a\");"),
        ("src/tap/frame.rs", "dbg!(length);"),
        ("src/tap/ring.rs", "eprintln!(\"a\");"),
        ("src/meter/mod.rs", "extern crate std;"),
    ] {
        assert_eq!(count(out_of_place, path, text), 1, "{path}: {text}");
    }
}

#[test]
fn a_word_in_its_place_is_let_through() {
    for (path, text) in [
        ("src/tap/frame.rs", "fn f(a: TunnelAddress) {} unsafe { g() }"),
        ("src/control/handler.rs", "name.reveal(); fn f(p: Prefix, a: AccountName) {}"),
        ("src/clock.rs", "Instant::now(); tokio::time::sleep(a).await;"),
        ("src/log.rs", "eprintln!(\"blindmeter: {event}\");"),
        (
            "src/meter/units.rs",
            "//! println! of a Prefix, unsafe\nconst A: &str = \"Instant\"; fn unsafe_code() {}",
        ),
    ] {
        assert_eq!(count(out_of_place, path, text), 0, "{path}: {text}");
    }
}

#[test]
fn a_loose_core_is_found() {
    assert_eq!(count(loose_core, "src/meter/noise.rs", "fn f() -> f64 { 1.0 }"), 1);
    assert_eq!(
        count(loose_core, "src/meter/noise.rs", "fn f() {}\n#[cfg(test)]\nmod tests { fn g() -> f64 {} }"),
        0
    );
    assert_eq!(count(loose_core, "src/meter/flags/surge.rs", "fn f() -> f64 { 1.0 }"), 0);
    assert_eq!(count(loose_core, "src/meter/flag_counts.rs", "fn f() -> f64 { 1.0 }"), 1);
    assert_eq!(count(loose_core, "src/meter/mod.rs", "//! The core.\npub mod slot;"), 1);
    let forbid = "#![forbid(clippy::disallowed_types, clippy::disallowed_methods)]";
    assert_eq!(count(loose_core, "src/meter/mod.rs", forbid), 0);
}

#[test]
fn an_allowed_lint_is_found() {
    for text in [
        "#![allow(dead_code, reason = \"a\")]",
        "#[allow(clippy::all)] fn f() {}",
        "#[cfg_attr(test, allow(unused))] fn f() {}",
    ] {
        assert_eq!(count(allowed_lints, "src/node/mod.rs", text), 1, "{text}");
        assert_eq!(count(allowed_lints, "tests/properties.rs", text), 1, "{text}");
    }
    assert_eq!(count(allowed_lints, "tests/netns/mod.rs", "#![allow(dead_code, reason = \"a\")]"), 0);
    assert_eq!(
        count(allowed_lints, "src/node/mod.rs", "#[expect(dead_code, reason = \"a\")] fn allow(f: A) {}"),
        0
    );
}

#[test]
fn what_is_left_undone_is_found() {
    for text in [
        concat!("// TO", "DO: later"),
        concat!("/// FIX", "ME"),
        "fn f() { todo!() }",
        "fn f() { unimplemented!(\"later\") }",
        "#[test]\n#[ignore]\nfn f() {}",
        "#[test]\n#[ignore = \"slow\"]\nfn f() {}",
        "#[cfg_attr(debug_assertions, ignore)] fn f() {}",
    ] {
        assert_eq!(count(left_undone, "tests/http.rs", text), 1, "{text}");
    }
    assert_eq!(count(left_undone, "src/node/mod.rs", "fn todo() { ignore(\"unimplemented!\") }"), 0);
}
