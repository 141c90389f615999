//! What the documents point at is there: links and their headings, files, tests.

use crate::rows::is_test;
use crate::source::{REPOSITORY, files, read};
use std::path::{Component, Path, PathBuf};

/// A document: its prose, and the code in it.
pub(crate) struct Document {
    pub(crate) path: String,
    /// Blocks of commands, and whatever stands in backticks, with their lines.
    pub(crate) code: Vec<Code>,
    /// Targets of links.
    links: Vec<(usize, String)>,
    /// Headings as links name them.
    headings: Vec<String>,
}

/// Something that is written as code.
pub(crate) struct Code {
    pub(crate) line: usize,
    pub(crate) text: String,
    /// A block for a shell, which is typed as it stands; a word in the prose may be a part of one.
    pub(crate) is_block: bool,
}

/// Every document of the repository.
pub(crate) fn documents() -> Vec<Document> {
    let paths = files(&["."]).into_iter().filter(|path| path.ends_with(".md"));
    paths.map(|path| Document::of(&path, &read(&path))).collect()
}

impl Document {
    pub(crate) fn of(path: &str, text: &str) -> Self {
        let (mut code, mut links, mut headings) = (Vec::new(), Vec::new(), Vec::new());
        let mut block: Option<(&str, Code)> = None;
        for (at, line) in text.lines().enumerate() {
            let number = at + 1;
            if let Some(language) = line.trim_start().strip_prefix("```") {
                match block.take() {
                    Some(("sh", block)) => code.push(block),
                    Some(_) => {}
                    None => {
                        block =
                            Some((language, Code { line: number + 1, text: String::new(), is_block: true }))
                    }
                }
            } else if let Some((_, block)) = &mut block {
                block.text.push_str(line);
                block.text.push('\n');
            } else {
                let parts: Vec<&str> = line.split('`').collect();
                let quoted = parts.iter().skip(1).step_by(2).filter(|_| parts.len() % 2 == 1);
                code.extend(quoted.map(|text| Code {
                    line: number,
                    text: (*text).to_owned(),
                    is_block: false,
                }));
                let prose: String = parts.iter().step_by(2).copied().collect();
                links.extend(targets(&prose).map(|target| (number, target.to_owned())));
                if line.starts_with('#') {
                    headings.push(heading(&headings, line.trim_start_matches('#').trim()));
                }
            }
        }
        Self { path: path.to_owned(), code, links, headings }
    }

    pub(crate) fn finding(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.path)
    }

    /// Links that lead nowhere. `others` are all documents, this one included.
    fn dead_links(&self, others: &[Self], is_there: impl Fn(&str) -> bool) -> Vec<String> {
        let mut dead = Vec::new();
        for (line, target) in &self.links {
            if ["https://", "http://", "mailto:"].iter().any(|scheme| target.starts_with(scheme)) {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() { self.path.clone() } else { beside(&self.path, file) };
            if !is_there(&file) {
                dead.push(self.finding(*line, &format!("{target} is not there")));
                continue;
            }
            let other = others.iter().find(|other| other.path == file);
            let known = other.is_some_and(|other| other.headings.iter().any(|heading| heading == anchor));
            if !anchor.is_empty() && !known {
                dead.push(self.finding(*line, &format!("{target}: no such heading")));
            }
        }
        dead
    }

    /// Files and tests in backticks that are not there.
    fn missing(&self, is_there: impl Fn(&str) -> bool, has_test: impl Fn(&str, &str) -> bool) -> Vec<String> {
        let mut missing = Vec::new();
        for Code { line, text, .. } in self.code.iter().filter(|code| !code.is_block) {
            let (path, test) =
                text.split_once("::").map_or((text.as_str(), None), |(path, test)| (path, Some(test)));
            let folders = ["src/", "tests/", "benches/", "deploy/", "docs/"];
            let in_a_folder = folders.iter().any(|folder| path.starts_with(folder));
            let is_path = path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/_-.".contains(&byte));
            if !in_a_folder || !is_path {
                continue;
            }
            if !is_there(path) {
                missing.push(self.finding(*line, &format!("{path} is not there")));
            } else if test.is_some_and(|test| path.starts_with("tests/") && !has_test(path, test)) {
                missing.push(self.finding(*line, &format!("no test {text}")));
            }
        }
        missing
    }
}

/// What stands behind `](` in a line, pictures and links in links included.
fn targets(prose: &str) -> impl Iterator<Item = &str> {
    let behind = prose.split("](").skip(1);
    behind.filter_map(|rest| rest.split([')', ' ']).next())
}

/// A heading as a link names it: small letters, hyphens for blanks, no signs. One that is there already gets
/// a number.
fn heading(earlier: &[String], text: &str) -> String {
    let linked = |text: &str| text.split("](").next().unwrap_or_default().replace('[', "");
    let text = if text.contains("](") { linked(text) } else { text.to_owned() };
    let kept = text.chars().filter(|sign| sign.is_alphanumeric() || [' ', '-', '_'].contains(sign));
    let name: String =
        kept.flat_map(char::to_lowercase).map(|sign| if sign == ' ' { '-' } else { sign }).collect();
    let is_numbered = |other: &&String| {
        let number = other.strip_prefix(&name).and_then(|rest| rest.strip_prefix('-'));
        **other == name || number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    match earlier.iter().filter(is_numbered).count() {
        0 => name,
        times => format!("{name}-{times}"),
    }
}

/// A path beside a document, from the repository's root.
fn beside(document: &str, path: &str) -> String {
    let mut whole = PathBuf::from(document);
    whole.pop();
    for part in Path::new(path).components() {
        if part == Component::ParentDir {
            // What leads out of the repository stays one that is not there.
            if !whole.pop() {
                return format!("../{path}");
            }
        } else {
            whole.push(part);
        }
    }
    whole.to_string_lossy().into_owned()
}

fn is_there(path: &str) -> bool {
    Path::new(REPOSITORY).join(path).exists()
}

#[test]
fn every_link_of_the_documents_leads_somewhere() {
    let documents = documents();
    assert!(documents.iter().map(|document| document.links.len()).sum::<usize>() > 20, "links were found");
    let dead: Vec<String> =
        documents.iter().flat_map(|document| document.dead_links(&documents, is_there)).collect();
    assert!(dead.is_empty(), "\n{}", dead.join("\n"));
}

#[test]
fn documents_name_files_and_tests_that_are_there() {
    let has_test = |file: &str, test: &str| is_test(&read(file), test);
    let missing: Vec<String> =
        documents().iter().flat_map(|document| document.missing(is_there, has_test)).collect();
    assert!(missing.is_empty(), "\n{}", missing.join("\n"));
}

/// Files of the package that a file of `deploy/` names in words.
#[test]
fn what_is_deployed_names_documents_that_are_there() {
    for path in files(&["deploy"]) {
        let text = read(&path);
        let words = text.split(|sign: char| sign.is_whitespace() || "(),;\"'`".contains(sign));
        for name in
            words.filter(|word| word.ends_with(".md")).filter_map(|word| word.split("/blindmeter/").last())
        {
            assert!(is_there(name.trim_start_matches("file://")), "{path} names {name}");
        }
    }
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let other = "# B\n## The budget, in `words`\n## Twice\n## Twice\n```sh\n# No heading\n```";
    let dead = |text: &str| {
        let known = |path: &str| ["docs/a.md", "docs/b.md", "README.md", "docs/c.svg"].contains(&path);
        let all = [Document::of("docs/a.md", text), Document::of("docs/b.md", other)];
        all[0].dead_links(&all, known).len()
    };
    let headings = ["b", "the-budget-in-words", "twice", "twice-1"];
    assert_eq!(Document::of("docs/b.md", other).headings, headings);
    for text in [
        "[x](c.md)",
        "[x](../docs/c.md)",
        "[x](/README.md)",
        "[x](../../README.md)",
        "[x](b.md#other)",
        "[x](b.md#no-heading)",
        "# A\n[x](#b)",
        "[![y](c.png)](b.md)",
        "[![y](c.svg)](d.md)",
    ] {
        assert_eq!(dead(text), 1, "{text}");
    }
    let good = "# A\n[x](b.md) [y](b.md#twice-1) [z](../README.md) [u](#a) [v](https://a.b/c.md) [![w](c.svg)](b.md#the-budget-in-words)";
    assert_eq!(dead(good), 0);
    assert_eq!(dead("`[x](c.md)`\n```text\n[x](c.md)\n```"), 0);
}

#[test]
fn a_path_or_test_that_is_not_there_is_found() {
    let missing = |text: &str| {
        let has_test = |path: &str, test: &str| (path, test) == ("tests/a.rs", "b");
        Document::of("a.md", text).missing(|path| ["tests/a.rs", "src/b/"].contains(&path), has_test).len()
    };
    assert_eq!(missing("`tests/b.rs` `src/c/` `tests/a.rs::c` `docs/d.md`"), 4);
    assert_eq!(missing("`tests/a.rs::b` `src/b/` `tests/run --all` src/c.rs `meter/mod.rs`"), 0);
}
