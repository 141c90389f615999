//! What the sources define: structs, statics, variants, and the maps of the kernel program.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use syn::{Attribute, Fields, Item};

const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src");

/// Commands end when they have printed, and the configuration is the operator's own file.
const NOT_THE_DAEMON: [&str; 2] = ["cli", "config"];

/// Every struct of the daemon, as `folder/file Name`, and its named fields.
pub(crate) fn structs() -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    for_each_item(&mut |module, item| {
        if let Item::Struct(item) = item {
            let named = match &item.fields {
                Fields::Named(fields) => fields.named.iter().collect(),
                _ => Vec::new(),
            };
            let fields = named.iter().filter_map(|field| Some(field.ident.as_ref()?.to_string()));
            found.push((format!("{module} {}", item.ident), fields.collect()));
        }
    });
    found
}

/// Every static, in functions as well.
pub(crate) fn statics() -> Vec<String> {
    let mut found = Vec::new();
    for (module, text) in files() {
        let mut words = text.split_whitespace().peekable();
        while let Some(word) = words.next() {
            if word == "static" && words.peek().is_some_and(|name| name.ends_with(':')) {
                found.push(format!("{module} {}", words.next().unwrap_or_default().trim_end_matches(':')));
            }
        }
    }
    found
}

/// The variants of an enum.
pub(crate) fn variants(of: &str, name: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for_each_item(&mut |module, item| {
        if let Item::Enum(item) = item
            && module == of
            && item.ident == name
        {
            let daemons = item.variants.iter().filter(|variant| !variant.attrs.iter().any(is_planted));
            found.extend(daemons.map(|variant| variant.ident.to_string()));
        }
    });
    found
}

/// The maps that the kernel's programs define: by two macros, and as sections of their own.
pub(crate) fn maps() -> BTreeSet<String> {
    let folder = Path::new(SOURCES).join("tap/bpf");
    let files = fs::read_dir(folder).expect("the programs are there").flatten().map(|entry| entry.path());
    let is_source =
        |path: &PathBuf| path.extension().is_some_and(|extension| extension == "c" || extension == "h");
    let texts: Vec<String> =
        files.filter(is_source).map(|path| fs::read_to_string(path).expect("a source")).collect();
    let text = texts.concat();
    assert_eq!(text.matches("SEC(\".maps\")").count(), 2, "a map is defined without the macros");
    let named = text.lines().filter_map(|line| {
        if let Some((_, section)) = line.split_once("SEC(\".data.") {
            return Some(section.split('"').next()?.to_owned());
        }
        let rest = line.strip_prefix("MAPPED_ARRAY(").or_else(|| line.strip_prefix("OWNER_TABLE("))?;
        Some(rest.split(',').next()?.to_owned())
    });
    named.collect()
}

/// Every file of the daemon, as `folder/file`, and its text.
fn files() -> Vec<(String, String)> {
    let is_apart =
        |module: &str| NOT_THE_DAEMON.iter().any(|folder| module.split('/').next() == Some(folder));
    all_files().into_iter().filter(|(module, _)| !is_apart(module)).collect()
}

/// The same of the commands and the configuration as well, plants and tests left out.
pub(crate) fn all_files() -> Vec<(String, String)> {
    let (mut folders, mut files) = (vec![PathBuf::from(SOURCES)], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the sources").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    let texts = files.into_iter().filter_map(|path| {
        let module = path.strip_prefix(SOURCES).ok()?.with_extension("").to_string_lossy().into_owned();
        let module = module.strip_suffix("/mod").unwrap_or(&module).to_owned();
        let is_test = module.rsplit('/').next() == Some("tests");
        let is_plant = module.split('/').next() == Some("planted");
        (!is_test && !is_plant).then(|| (module, fs::read_to_string(&path).expect("a source")))
    });
    texts.collect()
}

fn for_each_item(see: &mut impl FnMut(&str, &Item)) {
    for (module, text) in files() {
        let file = syn::parse_file(&text).expect("the sources compile");
        walk(&module, &file.items, see);
    }
}

fn walk(module: &str, items: &[Item], see: &mut impl FnMut(&str, &Item)) {
    for item in items {
        if let Item::Mod(inner) = item
            && let Some((_, items)) = &inner.content
            && !inner.attrs.iter().any(is_for_tests)
        {
            walk(module, items, see);
        }
        see(module, item);
    }
}

pub(crate) fn is_for_tests(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg")
        && attribute.parse_args::<syn::Ident>().is_ok_and(|condition| condition == "test")
}

fn is_planted(attribute: &Attribute) -> bool {
    let condition = attribute.path().is_ident("cfg").then(|| attribute.parse_args::<syn::MetaNameValue>());
    let Some(Ok(condition)) = condition else { return false };
    condition.path.is_ident("feature")
        && matches!(&condition.value, syn::Expr::Lit(value)
            if matches!(&value.lit, syn::Lit::Str(name) if name.value() == "planted"))
}
