//! Sources as the rules see them: the text, the text without comments and strings, and tokens.

use std::fmt;
use std::fs;
use std::path::Path;

/// The repository.
pub(crate) const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");

/// One Rust file.
pub(crate) struct Source {
    /// Path from the repository's root, with `/`.
    pub(crate) path: String,
    /// The whole text.
    pub(crate) text: String,
    /// The text with comments and the contents of literals blanked out; lines are where they were.
    pub(crate) code: String,
}

/// Something that breaks a rule.
pub(crate) struct Finding {
    path: String,
    line: usize,
    what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// A word or a single other character, and the line it stands on.
#[derive(Clone, Copy)]
pub(crate) struct Token<'a> {
    pub(crate) text: &'a str,
    pub(crate) line: usize,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned(), code: without_comments_and_literals(text) }
    }

    pub(crate) fn finding(&self, line: usize, what: impl Into<String>) -> Finding {
        Finding { path: self.path.clone(), line, what: what.into() }
    }

    /// True when the path begins with one of these.
    pub(crate) fn is_in(&self, places: &[&str]) -> bool {
        places.iter().any(|place| self.path.starts_with(place))
    }

    /// The words and signs of the code, in order.
    pub(crate) fn tokens(&self) -> Vec<Token<'_>> {
        let mut tokens = Vec::new();
        for (index, line_text) in self.code.lines().enumerate() {
            let line = index + 1;
            let mut rest = line_text;
            while let Some(first) = rest.chars().next() {
                let word = rest.len() - rest.trim_start_matches(is_word).len();
                let (text, tail) = rest.split_at(if word == 0 { first.len_utf8() } else { word });
                if !text.trim().is_empty() {
                    tokens.push(Token { text, line });
                }
                rest = tail;
            }
        }
        tokens
    }

    /// The tokens of each attribute, brackets left out.
    pub(crate) fn attributes(&self) -> Vec<Vec<Token<'_>>> {
        let tokens = self.tokens();
        let mut attributes = Vec::new();
        for at in 0..tokens.len() {
            let bang = usize::from(tokens.get(at + 1).is_some_and(|token| token.text == "!"));
            if tokens[at].text != "#" || tokens.get(at + 1 + bang).is_none_or(|token| token.text != "[") {
                continue;
            }
            let mut depth = 1;
            let inside = tokens[at + 2 + bang..].iter().take_while(|token| {
                depth += i32::from(token.text == "[") - i32::from(token.text == "]");
                depth > 0
            });
            attributes.push(inside.copied().collect());
        }
        attributes
    }
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Every Rust file under these folders of the repository.
pub(crate) fn tree(folders: &[&str]) -> Vec<Source> {
    let rust = files(folders).into_iter().filter(|path| path.ends_with(".rs"));
    rust.map(|path| Source::new(&path, &read(&path))).collect()
}

/// Every file under these folders, as paths from the root; `.` is all of it but what is generated.
pub(crate) fn files(folders: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for folder in folders {
        walk(Path::new(folder), &mut found);
    }
    found.sort_unstable();
    found
}

fn walk(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(Path::new(REPOSITORY).join(folder)).expect("a folder of the repository") {
        let name = entry.expect("a readable folder").file_name();
        let path = folder.join(&name);
        // In a work tree `.git` is a file.
        if name == ".git" || name == "target" {
            continue;
        }
        if Path::new(REPOSITORY).join(&path).is_dir() {
            walk(&path, found);
        } else {
            let path = path.to_str().expect("paths of the repository are UTF-8");
            found.push(path.trim_start_matches("./").to_owned());
        }
    }
}

/// A file of the repository as text; bytes that are none are replaced.
pub(crate) fn read(path: &str) -> String {
    let bytes = fs::read(Path::new(REPOSITORY).join(path)).expect("a file of the repository");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Replaces what no rule about code may see by blanks, byte by byte, line ends excepted.
fn without_comments_and_literals(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let length = comment(rest).or_else(|| literal(rest, code.chars().next_back()));
        let (taken, tail) =
            rest.split_at(length.unwrap_or_else(|| rest.chars().next().map_or(0, char::len_utf8)));
        if length.is_some() {
            code.extend(taken.chars().map(|character| if character == '\n' { '\n' } else { ' ' }));
        } else {
            code.push_str(taken);
        }
        rest = tail;
    }
    code
}

/// Length of the comment that begins here.
fn comment(text: &str) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    if !text.starts_with("/*") {
        return None;
    }
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        if text[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if text[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return Some(at);
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    Some(text.len())
}

/// Length of the string or character that begins here, `before` being the character before it.
fn literal(text: &str, before: Option<char>) -> Option<usize> {
    let prefix = ["br", "cr", "r", "b", "c", ""].into_iter().find(|prefix| {
        let inside_word = !prefix.is_empty() && before.is_some_and(is_word);
        !inside_word && text.strip_prefix(prefix).is_some_and(|tail| tail.starts_with(['"', '#', '\'']))
    })?;
    let tail = &text[prefix.len()..];
    if prefix.ends_with('r') {
        let hashes = tail.len() - tail.trim_start_matches('#').len();
        let body = tail[hashes..].strip_prefix('"')?;
        let end = format!("\"{}", "#".repeat(hashes));
        let length = body.find(&end).map_or(body.len(), |at| at + end.len());
        return Some(prefix.len() + hashes + 1 + length);
    }
    let quote = tail.chars().next().filter(|quote| *quote != '#')?;
    let body = &tail[1..];
    if quote == '\'' {
        // A lifetime has no second quote right after its first character.
        let first = body.chars().next()?;
        if first != '\\' && !body[first.len_utf8()..].starts_with('\'') {
            return None;
        }
    }
    let mut escaped = false;
    for (at, character) in body.char_indices() {
        if character == quote && !escaped {
            return Some(prefix.len() + 1 + at + 1);
        }
        escaped = character == '\\' && !escaped;
    }
    Some(text.len())
}

#[test]
fn comments_and_literals_are_not_code() {
    let code = |text: &str| Source::new("a.rs", text).code.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(code("a // b\nc /* d /* e */ f */ g"), "a c g");
    assert_eq!(code(r##"a("b \" c") d(r#"e " f"#) g(b"h") i(br"\") j"##), "a( ) d( ) g( ) i( ) j");
    assert_eq!(code(r"a('b') c('\'') d(b'e') f::<'g>() 'h: loop"), "a( ) c( ) d( ) f::<'g>() 'h: loop");
    assert_eq!(code("r#type + for_b\"c\" + d"), "r#type + for_b + d");
    assert_eq!(Source::new("a.rs", "a\n\"b\nc\"\nd").tokens().last().map(|token| token.line), Some(4));
}

#[test]
fn attributes_are_found_whole() {
    let source = Source::new("a.rs", "#![a(b, reason = \"c]\")]\n#[d = [e]]\nfn f() { [g]; }");
    let attributes = source.attributes();
    let words = |at: usize| attributes[at].iter().map(|token| token.text).collect::<Vec<_>>().join(" ");
    assert_eq!((attributes.len(), words(0), words(1)), (2, "a ( b , reason = )".into(), "d = [ e ]".into()));
}
