//! Sources as the rules see them: the text, its tokens as the compiler cuts them, and its items.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
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

/// A word, a literal or a single sign, and the line it stands on. Comments are none of these; those that
/// document something are attributes whose text is a literal.
#[derive(Clone)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) line: usize,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    pub(crate) fn finding(&self, line: usize, what: impl Into<String>) -> Finding {
        Finding { path: self.path.clone(), line, what: what.into() }
    }

    /// True when the path begins with one of these.
    pub(crate) fn is_in(&self, places: &[&str]) -> bool {
        places.iter().any(|place| self.path.starts_with(place))
    }

    /// The tokens of the file, in order.
    pub(crate) fn tokens(&self) -> Vec<Token> {
        let tokens = self.text.parse().unwrap_or_else(|error| panic!("{}: {error}", self.path));
        let mut flat = Vec::new();
        flatten(tokens, &mut flat);
        flat
    }

    /// The items of the file.
    pub(crate) fn items(&self) -> Vec<syn::Item> {
        syn::parse_file(&self.text).unwrap_or_else(|error| panic!("{}: {error}", self.path)).items
    }

    /// The tokens of each attribute, brackets left out.
    pub(crate) fn attributes(&self) -> Vec<Vec<Token>> {
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
            attributes.push(inside.cloned().collect());
        }
        attributes
    }
}

/// Lays out groups as their two signs and what is between them.
pub(crate) fn flatten(tokens: TokenStream, flat: &mut Vec<Token>) {
    for tree in tokens {
        let line = tree.span().start().line;
        let TokenTree::Group(group) = tree else {
            flat.push(Token { text: tree.to_string(), line });
            continue;
        };
        let (open, close) = match group.delimiter() {
            Delimiter::Parenthesis => ("(", ")"),
            Delimiter::Brace => ("{", "}"),
            Delimiter::Bracket => ("[", "]"),
            Delimiter::None => ("", ""),
        };
        flat.push(Token { text: open.to_owned(), line });
        flatten(group.stream(), flat);
        flat.push(Token { text: close.to_owned(), line: group.span_close().start().line });
    }
}

/// Every Rust file under these folders of the repository.
pub(crate) fn tree(folders: &[&str]) -> Vec<Source> {
    tree_of(Path::new(REPOSITORY), folders)
}

/// Every Rust file under these folders of a checkout.
pub(crate) fn tree_of(root: &Path, folders: &[&str]) -> Vec<Source> {
    let rust = files_of(root, folders).into_iter().filter(|path| path.ends_with(".rs"));
    rust.map(|path| Source::new(&path, &text_of(&root.join(&path)))).collect()
}

/// Every file under these folders, as paths from the root; `.` is all of it but what is generated.
pub(crate) fn files(folders: &[&str]) -> Vec<String> {
    files_of(Path::new(REPOSITORY), folders)
}

fn files_of(root: &Path, folders: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for folder in folders {
        walk(root, Path::new(folder), &mut found);
    }
    found.sort_unstable();
    found
}

fn walk(root: &Path, folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(root.join(folder)).expect("a folder of the repository") {
        let name = entry.expect("a readable folder").file_name();
        let path = folder.join(&name);
        // In a work tree `.git` is a file.
        if name == ".git" || name == "target" {
            continue;
        }
        if root.join(&path).is_dir() {
            walk(root, &path, found);
        } else {
            let path = path.to_str().expect("paths of the repository are UTF-8");
            found.push(path.trim_start_matches("./").to_owned());
        }
    }
}

/// A file of the repository as text; bytes that are none are replaced.
pub(crate) fn read(path: &str) -> String {
    text_of(&Path::new(REPOSITORY).join(path))
}

fn text_of(path: &Path) -> String {
    let bytes = fs::read(path).expect("a file of the repository");
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn comments_and_literals_are_not_words() {
    let words = |text: &str| {
        let tokens = Source::new("a.rs", text).tokens();
        let is_word =
            |text: &str| text.chars().all(|character| character.is_alphanumeric() || character == '_');
        let words: Vec<String> =
            tokens.into_iter().map(|token| token.text).filter(|text| is_word(text)).collect();
        words.join(" ")
    };
    assert_eq!(words("a // b\nc /* d /* e */ f */ g"), "a c g");
    assert_eq!(words(r##"a("b \" c") d(r#"e " f"#) g(b"h") i(br"\") j"##), "a d g i j");
    assert_eq!(words(r"a('b') c('\'') d(b'e') f::<'g>() 'h: loop"), "a c d f g h loop");
    assert_eq!(words("r#type + for_b + d"), "for_b d");
    assert_eq!(words("/// Says println!.\nfn f() {}"), "doc fn f");
    assert_eq!(Source::new("a.rs", "a\n\"b\nc\"\nd").tokens().last().map(|token| token.line), Some(4));
}

#[test]
fn attributes_are_found_whole() {
    let source = Source::new("a.rs", "#![a(b, reason = \"c]\")]\n#[d = [e]]\nfn f() { [g]; }");
    let attributes = source.attributes();
    let words =
        |at: usize| attributes[at].iter().map(|token| token.text.as_str()).collect::<Vec<_>>().join(" ");
    let whole = (attributes.len(), words(0), words(1));
    assert_eq!(whole, (2, "a ( b , reason = \"c]\" )".into(), "d = [ e ]".into()));
}
