//! A strict subset of YAML as a small tree that knows its lines: tables, lists and scalars.
//!
//! Anchors, aliases, tags, several documents, duplicate keys and deep nesting are refused. Errors
//! repeat nothing of the text, which holds names and hashes of log-ins.

use super::WebError;
use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput};
use std::borrow::Cow;

/// Deepest nesting: the format needs four levels.
const LEVELS: usize = 4;

/// A value and the line it starts on, from 1.
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) value: Value,
}

pub(super) enum Value {
    /// Nothing, or a null.
    Nothing,
    /// A scalar; `plain` if it has no quotes.
    Text {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    Table(Vec<Entry>),
}

/// A key of a table, with its line and its value.
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) line: usize,
    pub(super) node: Node,
}

/// Parses text; empty text is nothing.
pub(super) fn read(text: &str) -> Result<Node, WebError> {
    let mut reader = Reader { parser: Parser::new_from_str(text) };
    let root = loop {
        match reader.next()? {
            (Event::StreamStart | Event::DocumentStart(_), _) => {}
            (Event::StreamEnd, line) => return Ok(Node { line, value: Value::Nothing }),
            (event, line) => break reader.node(event, line, LEVELS)?,
        }
    };
    loop {
        match reader.next()? {
            (Event::DocumentEnd, _) => {}
            (Event::StreamEnd, _) => return Ok(root),
            (_, line) => return Err(WebError::new(line, "expected one YAML document; remove the others")),
        }
    }
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, usize), WebError> {
        let line = |span: Span| span.start.line();
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, line(span))),
            Some(Err(error)) => {
                // The parser's message may quote a character of a credential.
                Err(WebError::new(
                    error.marker().line(),
                    "invalid YAML; check quotes, colons and indentation",
                ))
            }
            None => Err(WebError::new(1, "invalid YAML; the file is cut short")),
        }
    }

    fn node(&mut self, event: Event<'a>, line: usize, levels: usize) -> Result<Node, WebError> {
        let refuse = |what: &str| Err(WebError::new(line, what));
        match event {
            Event::Scalar(_, _, anchor, _)
            | Event::SequenceStart(anchor, _)
            | Event::MappingStart(anchor, _)
                if anchor != 0 =>
            {
                refuse("anchors are not supported; write the value out")
            }
            Event::Scalar(_, _, _, Some(_))
            | Event::SequenceStart(_, Some(_))
            | Event::MappingStart(_, Some(_)) => refuse("tags are not supported; remove what begins with !"),
            Event::Alias(_) => refuse("aliases are not supported; write the value out"),
            Event::SequenceStart(..) | Event::MappingStart(..) if levels == 0 => {
                refuse("nested more deeply than this format allows")
            }
            Event::Scalar(text, style, ..) => Ok(Node { line, value: scalar(text, style) }),
            Event::SequenceStart(..) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => return Ok(Node { line, value: Value::List(items) }),
                        (event, line) => items.push(self.node(event, line, levels - 1)?),
                    }
                }
            }
            Event::MappingStart(..) => self.table(line, levels - 1),
            _ => refuse("invalid YAML; a value is missing"),
        }
    }

    fn table(&mut self, line: usize, levels: usize) -> Result<Node, WebError> {
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let (event, key_line) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(Node { line, value: Value::Table(entries) });
            }
            let Value::Text { text: key, .. } = self.node(event, key_line, levels)?.value else {
                return Err(WebError::new(key_line, "a key must be a plain string"));
            };
            if let Some(earlier) = entries.iter().find(|entry| entry.key == key) {
                let what = format!("duplicate of the key on line {}; keep one", earlier.line);
                return Err(WebError::new(key_line, what));
            }
            let (event, line) = self.next()?;
            let node = self.node(event, line, levels)?;
            entries.push(Entry { key, line: key_line, node });
        }
    }
}

fn scalar(text: Cow<'_, str>, style: ScalarStyle) -> Value {
    let plain = style == ScalarStyle::Plain;
    if plain && matches!(&*text, "" | "~" | "null") {
        return Value::Nothing;
    }
    Value::Text { text: text.into_owned(), plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        match read(text) {
            Ok(_) => panic!("{text:?} was read"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn what_the_subset_leaves_out_is_refused_on_its_line_and_never_repeated() {
        for (text, expected) in [
            ("a: b\nsecret: &x c", "line 2: anchors"),
            ("a: &secret b\nb: *secret", "line 1: anchors"),
            ("a: !!str secret", "line 1: tags"),
            ("a: !secret {b: c}", "line 1: tags"),
            ("a: b\n---\nsecret: c", "line 2: expected one YAML document"),
            ("a: b\nsecret: c\nsecret: d", "line 3: duplicate of the key on line 2"),
            ("? [secret]\n: b", "line 1: a key must be a plain string"),
            ("a: {b: {c: {d: {secret: f}}}}", "line 1: nested more deeply"),
            ("a: [[[[[[[[secret]]]]]]]]", "line 1: nested more deeply"),
            ("a: b\n c: secret", "line 2: invalid YAML"),
            ("a:\n  - 'secret", "invalid YAML"),
            ("a: {secret", "invalid YAML"),
            ("a: @secret", "line 1: invalid YAML"),
            ("%secret\na: b", "invalid YAML"),
        ] {
            let said = refused(text);
            assert!(said.contains(expected), "{text:?}: {said}");
            assert!(!said.contains("secret"), "{said}");
        }
    }

    #[test]
    fn tables_lists_and_scalars_are_read_with_their_lines() {
        let root =
            read("# a comment\na:\n  b: 'x y'\n  c: [d,\n   e]\nf: ~\n\"g\": |\n  h\n  i\n").expect("good");
        let Value::Table(entries) = root.value else { panic!("a table") };
        let keys: Vec<(&str, usize)> = entries.iter().map(|entry| (entry.key.as_str(), entry.line)).collect();
        assert_eq!(keys, [("a", 2), ("f", 6), ("g", 7)]);
        let Value::Table(inner) = &entries[0].node.value else { panic!("a table") };
        assert!(matches!(&inner[0].node.value, Value::Text { text, plain: false } if text == "x y"));
        let Value::List(items) = &inner[1].node.value else { panic!("a list") };
        assert_eq!(items.iter().map(|item| item.line).collect::<Vec<_>>(), [4, 5]);
        assert!(matches!(entries[1].node.value, Value::Nothing));
        assert!(matches!(&entries[2].node.value, Value::Text { text, .. } if text == "h\ni\n"));
        for empty in ["", "# nothing\n", "---\n"] {
            assert!(matches!(read(empty).expect("good").value, Value::Nothing), "{empty:?}");
        }
    }
}
