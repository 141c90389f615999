//! The modules of a crate and what their files name: every `use` and every path in the code, and the file
//! in which the thing stands that is named.
//!
//! A name is looked up as the compiler does it: through `crate`, `self`, `super`, child modules, imports,
//! globs and re-exports. Methods are not: who calls one has named the type, or was handed a value. Code
//! that only tests compile is left out.

use crate::source::{Source, Token, flatten};
use std::collections::HashMap;
use syn::visit::{self, Visit};
use syn::{Attribute, Item, UseTree, Visibility};

/// The library's name in the program beside it.
const LIBRARY: &str = "blindmeter";

/// The modules of `src/lib.rs` and `src/main.rs`, or of one file.
pub(crate) struct Modules {
    modules: Vec<Module>,
    with_tests: bool,
    /// Everything that is named, in the order of the files.
    pub(crate) named: Vec<Named>,
}

#[derive(Default)]
struct Module {
    file: String,
    path: Vec<String>,
    /// The module that `super` is, and for a root itself.
    parent: usize,
    /// The module that `crate` is.
    root: usize,
    names: HashMap<String, Vec<Meaning>>,
    globs: Vec<Vec<String>>,
}

/// What a name in a module is.
#[derive(Clone)]
enum Meaning {
    Module(usize),
    Item,
    Import(Vec<String>),
}

/// A path that a file names.
pub(crate) struct Named {
    module: usize,
    /// The file that names it.
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) path: Vec<String>,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// `use`
    Import,
    /// `pub use`, with any scope
    ReExport,
    /// A path in the code.
    Path,
}

impl Modules {
    /// Reads the modules that the roots among these sources declare, less what only tests compile.
    pub(crate) fn of(sources: &[Source]) -> Self {
        let mut all = Self { modules: Vec::new(), with_tests: false, named: Vec::new() };
        let sources: HashMap<&str, &Source> =
            sources.iter().map(|source| (source.path.as_str(), source)).collect();
        for root in ["src/lib.rs", "src/main.rs"] {
            if let Some(source) = sources.get(root) {
                let at = all.modules.len();
                let file = root.to_owned();
                all.modules.push(Module { file, parent: at, root: at, ..Module::default() });
                all.read(at, &source.items(), "src", &sources);
            }
        }
        all
    }

    /// Reads one file with its tests, and gives the paths of the crate that it names, from the root, with
    /// their lines.
    pub(crate) fn named_by(source: &Source) -> Vec<(usize, Vec<String>)> {
        let path = source.path.trim_start_matches("src/").trim_end_matches(".rs");
        let path = path.trim_end_matches("/mod").split('/').filter(|name| !["lib", "main"].contains(name));
        let path = path.map(ToOwned::to_owned).collect();
        let module = Module { file: source.path.clone(), path, ..Module::default() };
        let mut all = Self { modules: vec![module], with_tests: true, named: Vec::new() };
        all.read(0, &source.items(), "", &HashMap::new());
        let from_the_root = |named: &Named| {
            let mut module = all.modules[named.module].path.clone();
            let words =
                named.path.iter().take_while(|word| is_anchor(word)).inspect(|word| match word.as_str() {
                    "super" => drop(module.pop()),
                    "self" => {}
                    _ => module.clear(),
                });
            let anchors = words.count();
            (anchors > 0).then(|| (named.line, [&module, &named.path[anchors..]].concat()))
        };
        all.named.iter().filter_map(from_the_root).collect()
    }

    /// The files that are part of the crate.
    pub(crate) fn files(&self) -> Vec<&str> {
        let mut files: Vec<&str> = self.modules.iter().map(|module| module.file.as_str()).collect();
        files.sort_unstable();
        files.dedup();
        files
    }

    /// Adds the items of a module; `folder` is where the files of its children are.
    fn read(&mut self, module: usize, items: &[Item], folder: &str, sources: &HashMap<&str, &Source>) {
        for item in items {
            if self.is_left_out(item) {
                continue;
            }
            if let Item::Mod(child) = item {
                let name = child.ident.to_string();
                let below = format!("{folder}/{name}");
                let file = [format!("{below}.rs"), format!("{below}/mod.rs")]
                    .into_iter()
                    .find(|file| child.content.is_none() && sources.contains_key(file.as_str()));
                let of_the_file;
                let items = match (&child.content, &file) {
                    (Some((_, items)), _) => items,
                    (None, Some(file)) => {
                        of_the_file = sources[file.as_str()].items();
                        &of_the_file
                    }
                    (None, None) => continue,
                };
                let at = self.modules.len();
                let parent = &self.modules[module];
                let file = file.unwrap_or_else(|| parent.file.clone());
                let path = [parent.path.as_slice(), std::slice::from_ref(&name)].concat();
                let root = parent.root;
                self.modules.push(Module { file, path, parent: module, root, ..Module::default() });
                self.define(module, &name, Meaning::Module(at));
                self.read(at, items, &below, sources);
            } else {
                for name in names_of(item) {
                    self.define(module, &name, Meaning::Item);
                }
                let mut reader = Reader { all: self, module };
                reader.visit_item(item);
            }
        }
    }

    fn is_left_out(&self, item: &Item) -> bool {
        !self.with_tests && attributes_of(item).iter().any(is_for_tests)
    }

    fn define(&mut self, module: usize, name: &str, meaning: Meaning) {
        self.modules[module].names.entry(name.to_owned()).or_default().push(meaning);
    }

    /// What this names of other files: their paths, and the name that the thing has there. And whether the
    /// name leads anywhere, as it must when it is one of the crate.
    pub(crate) fn things_of<'a>(&'a self, named: &'a Named) -> (Vec<(&'a str, &'a str)>, bool) {
        let found = self.resolve(named.module, &named.path, &mut Vec::new());
        let leads = !found.is_empty() || !named.path.first().is_some_and(|first| is_anchor(first));
        let own = named.file.as_str();
        // A folder's mod.rs hands on what its children have; that alone needs none of them.
        let below = own.strip_suffix("mod.rs").or_else(|| own.strip_suffix("lib.rs"));
        let things = found.into_iter().filter_map(|found| match found {
            Found::Module(_) => None,
            Found::Item(module, name) => Some((self.modules[module].file.as_str(), name)),
        });
        let counts = |(file, _): &(&str, &str)| {
            let handed_on =
                named.kind == Kind::ReExport && below.is_some_and(|below| file.starts_with(below));
            *file != own && !handed_on
        };
        (things.filter(counts).collect(), leads)
    }

    /// What a path is, seen from a module; `seen` are the look-ups that have begun, for imports in a circle.
    fn resolve<'a>(
        &'a self,
        module: usize,
        path: &[String],
        seen: &mut Vec<(usize, String)>,
    ) -> Vec<Found<'a>> {
        let (mut at, mut rest) = (module, path);
        let mut anchored = false;
        while let Some((first, tail)) = rest.split_first() {
            at = match first.as_str() {
                "crate" => self.modules[at].root,
                // The library is read before the program.
                LIBRARY if self.modules[at].root != 0 => 0,
                "super" => self.modules[at].parent,
                "self" => at,
                _ => break,
            };
            (rest, anchored) = (tail, true);
        }
        match rest.split_first() {
            Some((name, tail)) => self.look_up(at, name, tail, seen),
            None if anchored => vec![Found::Module(at)],
            None => Vec::new(),
        }
    }

    fn look_up<'a>(
        &'a self,
        at: usize,
        name: &str,
        tail: &[String],
        seen: &mut Vec<(usize, String)>,
    ) -> Vec<Found<'a>> {
        if name == "*" {
            return vec![Found::Module(at)];
        }
        if seen.contains(&(at, name.to_owned())) {
            return Vec::new();
        }
        seen.push((at, name.to_owned()));
        let mut found = Vec::new();
        if let Some((name, meanings)) = self.modules[at].names.get_key_value(name) {
            for meaning in meanings {
                found.extend(match (meaning, tail.split_first()) {
                    (Meaning::Item, _) => vec![Found::Item(at, name)],
                    (Meaning::Module(child), None) => vec![Found::Module(*child)],
                    (Meaning::Module(child), Some((name, tail))) => self.look_up(*child, name, tail, seen),
                    (Meaning::Import(path), _) => self.resolve(at, &[path, tail].concat(), seen),
                });
            }
        }
        if found.is_empty() {
            for glob in &self.modules[at].globs {
                for target in self.resolve(at, glob, seen) {
                    if let Found::Module(target) = target {
                        found.extend(self.look_up(target, name, tail, seen));
                    }
                }
            }
        }
        seen.pop();
        found
    }
}

/// Where a path leads: to a module, or to something that stands in one.
#[derive(Clone, Copy)]
enum Found<'a> {
    Module(usize),
    Item(usize, &'a str),
}

/// True for the words from which a path is found without looking at what a module imports.
fn is_anchor(word: &str) -> bool {
    ["crate", "self", "super", LIBRARY].contains(&word)
}

/// Collects what an item names.
struct Reader<'a> {
    all: &'a mut Modules,
    module: usize,
}

impl Reader<'_> {
    fn add(&mut self, path: Vec<String>, line: usize, kind: Kind) {
        let file = self.all.modules[self.module].file.clone();
        self.all.named.push(Named { module: self.module, file, line, path, kind });
    }

    /// Paths among the tokens of a macro's call or of an attribute.
    fn tokens(&mut self, tokens: &[Token]) {
        let mut at = 0;
        while at < tokens.len() {
            let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
            let before = at.checked_sub(1).map_or("", text);
            let start = at;
            let mut path = Vec::new();
            if is_word(text(at)) && ![".", ":", "'"].contains(&before) {
                path.push(text(at).to_owned());
                while text(at + 1) == ":" && text(at + 2) == ":" && is_word(text(at + 3)) {
                    at += 3;
                    path.push(text(at).to_owned());
                }
                self.add(path, tokens[start].line, Kind::Path);
            } else if let Some(inner) = text(at).strip_prefix('"').and_then(|text| text.strip_suffix('"'))
                && inner.contains("::")
                && let Ok(path) = syn::parse_str::<syn::Path>(inner)
            {
                // serde names functions in strings.
                self.add(words_of(&path), tokens[start].line, Kind::Path);
            }
            at += 1;
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if !self.all.is_left_out(item) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let kind = if matches!(item.vis, Visibility::Inherited) { Kind::Import } else { Kind::ReExport };
        for Leaf { path, name, line } in leaves(&item.tree) {
            if path.last().is_some_and(|last| last == "*") {
                self.all.modules[self.module].globs.push(path[..path.len() - 1].to_vec());
            } else {
                self.all.define(self.module, &name, Meaning::Import(path.clone()));
            }
            self.add(path, line, kind);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let line = path.segments.first().map_or(0, |segment| segment.ident.span().start().line);
        self.add(words_of(path), line, Kind::Path);
        visit::visit_path(self, path);
    }

    /// `pub(crate)` names nothing.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.visit_path(&call.path);
        let mut flat = Vec::new();
        flatten(call.tokens.clone(), &mut flat);
        self.tokens(&flat);
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let syn::Meta::List(list) = &attribute.meta {
            let mut flat = Vec::new();
            flatten(list.tokens.clone(), &mut flat);
            self.tokens(&flat);
        }
    }
}

fn is_word(text: &str) -> bool {
    text.starts_with(|first: char| first.is_alphabetic() || first == '_')
        && text.chars().all(|character| character.is_alphanumeric() || character == '_')
}

fn words_of(path: &syn::Path) -> Vec<String> {
    path.segments.iter().map(|segment| segment.ident.to_string()).collect()
}

/// One name that a `use` brings in.
pub(crate) struct Leaf {
    pub(crate) path: Vec<String>,
    pub(crate) name: String,
    pub(crate) line: usize,
}

/// The names that a `use` brings in; `*` is a path's last word.
pub(crate) fn leaves(tree: &UseTree) -> Vec<Leaf> {
    let mut found = Vec::new();
    grow(tree, &[], &mut found);
    found
}

fn grow(tree: &UseTree, before: &[String], found: &mut Vec<Leaf>) {
    let join = |name: &syn::Ident| {
        let mut path = before.to_vec();
        // `a::{self}` is `a`.
        if name != "self" || path.is_empty() {
            path.push(name.to_string());
        }
        path
    };
    let line_of = |name: &syn::Ident| name.span().start().line;
    match tree {
        UseTree::Path(path) => grow(&path.tree, &join(&path.ident), found),
        UseTree::Group(group) => group.items.iter().for_each(|tree| grow(tree, before, found)),
        UseTree::Name(leaf) => {
            let path = join(&leaf.ident);
            let name = path.last().cloned().unwrap_or_default();
            found.push(Leaf { path, name, line: line_of(&leaf.ident) });
        }
        UseTree::Rename(leaf) => {
            found.push(Leaf {
                path: join(&leaf.ident),
                name: leaf.rename.to_string(),
                line: line_of(&leaf.ident),
            });
        }
        UseTree::Glob(glob) => {
            let path = [before, &["*".to_owned()]].concat();
            found.push(Leaf { path, name: String::new(), line: glob.star_token.spans[0].start().line });
        }
    }
}

/// The names that an item gives its module. What a macro makes may have any of the names in its call.
fn names_of(item: &Item) -> Vec<String> {
    let name = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        Item::Macro(item) => {
            let mut flat = Vec::new();
            if let Some(name) = &item.ident {
                return vec![name.to_string()];
            }
            flatten(item.mac.tokens.clone(), &mut flat);
            return flat.into_iter().map(|token| token.text).filter(|text| is_word(text)).collect();
        }
        _ => return Vec::new(),
    };
    vec![name.to_string()]
}

fn attributes_of(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// `#[cfg(test)]`
fn is_for_tests(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg")
        && attribute.parse_args::<syn::Ident>().is_ok_and(|condition| condition == "test")
}
