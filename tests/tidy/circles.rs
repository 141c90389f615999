//! No file of the sources needs another one that needs it in turn, over any number of files between; and
//! no room names one that stands above it.

use crate::arrows::{ROOMS, is_below};
use crate::modules::Modules;
use crate::source::{REPOSITORY, Source, tree, tree_of};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::PathBuf;

/// Which file needs which, and the line that says so first.
struct Graph {
    files: Vec<String>,
    arrows: BTreeMap<(usize, usize), usize>,
    /// Names that one file has of the other.
    named: BTreeMap<(usize, usize), BTreeSet<String>>,
    /// Paths of the crate that lead nowhere.
    lost: Vec<String>,
}

impl Graph {
    fn of(sources: &[Source]) -> Self {
        let modules = Modules::of(sources);
        let files: Vec<String> = modules.files().into_iter().map(ToOwned::to_owned).collect();
        let at =
            |file: &str| files.binary_search_by(|other| other.as_str().cmp(file)).expect("a file of these");
        let mut graph =
            Self { files: Vec::new(), arrows: BTreeMap::new(), named: BTreeMap::new(), lost: Vec::new() };
        for named in &modules.named {
            let (things, leads) = modules.things_of(named);
            if !leads {
                graph.lost.push(format!("{}:{}: {}", named.file, named.line, named.path.join("::")));
            }
            for (file, name) in things {
                let arrow = (at(&named.file), at(file));
                graph.arrows.entry(arrow).or_insert(named.line);
                graph.named.entry(arrow).or_default().insert(name.to_owned());
            }
        }
        graph.files = files;
        graph
    }

    fn needed_by(&self, file: usize) -> impl Iterator<Item = usize> {
        self.arrows.range((file, 0)..(file + 1, 0)).map(|((_, to), _)| *to)
    }

    /// All files that one reaches, itself only when it is in a circle.
    fn reached_from(&self, file: usize) -> BTreeSet<usize> {
        let mut reached = BTreeSet::new();
        let mut waiting = vec![file];
        while let Some(file) = waiting.pop() {
            waiting.extend(self.needed_by(file).filter(|next| reached.insert(*next)));
        }
        reached
    }

    /// Groups of files that all reach each other, of more than one file; the largest first.
    fn circles(&self) -> Vec<Vec<usize>> {
        let reached: Vec<BTreeSet<usize>> =
            (0..self.files.len()).map(|file| self.reached_from(file)).collect();
        let mut circles = BTreeSet::new();
        for file in (0..self.files.len()).filter(|file| reached[*file].contains(file)) {
            let together = reached[file].iter().copied().filter(|other| reached[*other].contains(&file));
            circles.insert(together.collect::<Vec<usize>>());
        }
        let mut circles: Vec<Vec<usize>> = circles.into_iter().collect();
        circles.sort_by_key(|circle| std::cmp::Reverse(circle.len()));
        circles
    }

    /// The shortest way from a file back to itself.
    fn way_round(&self, start: usize) -> Vec<usize> {
        let mut ways = vec![vec![start]];
        let mut seen = BTreeSet::new();
        while !ways.is_empty() {
            let mut longer = Vec::new();
            for way in ways {
                for next in way.last().into_iter().flat_map(|last| self.needed_by(*last)) {
                    let way = [way.as_slice(), &[next]].concat();
                    if next == start {
                        return way;
                    }
                    if seen.insert(next) {
                        longer.push(way);
                    }
                }
            }
            ways = longer;
        }
        Vec::new()
    }

    /// A line for each circle, with one way round it.
    fn circles_in_words(&self) -> Vec<String> {
        let in_words = |circle: Vec<usize>| {
            let ways = circle.iter().map(|file| self.way_round(*file));
            let way = ways.min_by_key(Vec::len).unwrap_or_default();
            let mut text = format!("{} files in a circle: {}", circle.len(), self.files[way[0]]);
            for pair in way.windows(2) {
                let names: Vec<&str> = self.named[&(pair[0], pair[1])].iter().map(String::as_str).collect();
                let _ = write!(
                    text,
                    " -> {} ({}, line {})",
                    self.files[pair[1]],
                    names.join(" "),
                    self.arrows[&(pair[0], pair[1])]
                );
            }
            text
        };
        self.circles().into_iter().map(in_words).collect()
    }

    /// Arrows from a room to one that does not stand below it.
    fn climbs(&self) -> Vec<String> {
        let mut climbs = Vec::new();
        for ((from, to), line) in &self.arrows {
            let (from, to) = (&self.files[*from], &self.files[*to]);
            if room_of(from) != room_of(to) && !is_below(room_of(to), room_of(from)) {
                climbs.push(format!("{from}:{line}: {to} does not stand below"));
            }
        }
        climbs
    }

    /// The rooms, what each names and how many names it has of it, and the largest circle of files.
    fn drawing(&self) -> String {
        let mut rooms: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
        for file in &self.files {
            rooms.entry(room_of(file)).or_default();
        }
        for ((from, to), names) in &self.named {
            let (from, to) = (room_of(&self.files[*from]), room_of(&self.files[*to]));
            if from != to {
                *rooms.entry(from).or_default().entry(to).or_default() += names.len();
            }
        }
        let floor = |room: &str| ROOMS.iter().position(|other| *other == room).unwrap_or(0);
        let mut order: Vec<&str> = rooms.keys().copied().collect();
        order.sort_by_key(|room| floor(room));
        let mut text = String::new();
        for room in order {
            let mut named: Vec<(&&str, &usize)> = rooms[room].iter().collect();
            named.sort_by_key(|(room, _)| floor(room));
            let named: Vec<String> =
                named.into_iter().map(|(room, count)| format!("{room} {count}")).collect();
            let _ = writeln!(
                text,
                "{room:<12} -> {}",
                if named.is_empty() { "-".to_owned() } else { named.join(", ") }
            );
        }
        let circles = self.circles();
        let largest = circles.first().map_or(1, Vec::len);
        let _ = writeln!(
            text,
            "{} files; {} circles, the largest has {largest} files",
            self.files.len(),
            circles.len()
        );
        for circle in circles {
            let files: Vec<&str> = circle.iter().map(|file| self.files[*file].as_str()).collect();
            let _ = writeln!(text, "circle: {}", files.join(" "));
        }
        text
    }
}

/// `src/tap/frame.rs` is in the room `tap`, `src/clock.rs` is one.
fn room_of(file: &str) -> &str {
    let path = file.trim_start_matches("src/").trim_end_matches(".rs");
    path.split('/').next().unwrap_or(path)
}

#[test]
fn no_file_is_in_a_circle() {
    let graph = Graph::of(&tree(&["src"]));
    assert!(graph.lost.is_empty(), "paths that lead nowhere:\n{}", graph.lost.join("\n"));
    let found = graph.circles_in_words();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn no_room_names_one_above_it() {
    let found = Graph::of(&tree(&["src"])).climbs();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// `tests/tidy/rooms` shows what this prints; it may name another checkout.
#[test]
fn drawing_of_the_rooms() {
    let other = std::env::var_os("ROOMS_OF").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let sources = tree_of(&other.clone().unwrap_or_else(|| REPOSITORY.into()), &["src"]);
    let drawing = Graph::of(&sources).drawing();
    println!("{drawing}");
    let drawn = |room: &&&str| drawing.lines().any(|line| line.split(' ').next() == Some(room));
    assert!(other.is_some() || ROOMS.iter().all(|room| drawn(&room)), "a room that is not there");
}

/// The graph of a crate of these files.
fn planted(files: &[(&str, &str)]) -> Graph {
    let sources: Vec<Source> = files.iter().map(|(path, text)| Source::new(path, text)).collect();
    Graph::of(&sources)
}

#[test]
fn a_circle_is_found_however_it_is_tied() {
    let lib = ("src/lib.rs", "mod a; mod b; mod c;");
    let b = ("src/b.rs", "use crate::a::A; pub struct B(A);");
    for a in [
        "use crate::b::B; pub struct A(B);",
        "use super::b::{self, B as Other}; pub struct A(Other);",
        "use crate::b; pub struct A; fn f() -> b::B { b::B }",
        "use crate::b::*; pub struct A; fn f(b: B) {}",
        "pub struct A(crate::b::B);",
        "pub struct A; fn f() { use super::b::B; }",
        "pub struct A; fn f() { assert!(crate::b::B::is_good(1)); }",
        "pub struct A; #[derive(C)] struct D { #[c(with = \"crate::b::B\")] e: u8 }",
        "pub struct A; mod inner { fn f(b: super::super::b::B) {} }",
        "pub struct A; mod inner { use crate::b::B as A; }",
        "pub use crate::b::B; pub struct A;",
        // By way of a third file's re-export and of its glob.
        "use crate::c::B; pub struct A(B);",
        "use crate::c::all::B; pub struct A(B);",
        "use crate::c::of_b::B; pub struct A(B);",
    ] {
        let c = "pub use crate::b::B; pub use crate::b as of_b; pub mod all { pub use super::super::b::*; }";
        let graph = planted(&[lib, ("src/a.rs", a), b, ("src/c.rs", c)]);
        assert!(graph.lost.is_empty(), "{a}: {:?}", graph.lost);
        let circles = graph.circles_in_words();
        assert!(circles.len() == 1 && circles[0].starts_with("2 files in a circle"), "{a}: {circles:?}");
    }
    let third = ("src/c.rs", "use crate::a::A; pub struct C(A);");
    let b = ("src/b.rs", "use crate::c::C; pub struct B(C);");
    let graph = planted(&[lib, ("src/a.rs", "use crate::b::B; pub struct A(B);"), b, third]);
    let way = "3 files in a circle: src/a.rs -> src/b.rs (B, line 1) -> src/c.rs (C, line 1) -> src/a.rs (A, line 1)";
    assert_eq!(graph.circles_in_words(), [way]);
}

#[test]
fn a_folder_and_its_children_are_in_a_circle_when_they_need_each_other() {
    let lib = ("src/lib.rs", "mod a;");
    let child = ("src/a/b.rs", "use super::A; pub struct B(A);");
    let folder = ("src/a/mod.rs", "mod b; pub use b::B; pub struct A; fn f(b: &B) {}");
    assert_eq!(planted(&[lib, folder, child]).circles().len(), 1);
    // What only declares and hands on needs nothing.
    let folder = ("src/a/mod.rs", "mod b; pub use b::B; pub struct A;");
    assert!(planted(&[lib, folder, child]).circles().is_empty());
}

#[test]
fn what_ties_no_circle_is_let_through() {
    let lib = ("src/lib.rs", "mod a; mod b;");
    let b = ("src/b.rs", "use crate::a::A; pub struct B(A);");
    for a in [
        "pub struct A;",
        "//! crate::b\npub struct A; const TEXT: &str = \"crate::b::B\";",
        "pub struct A; #[cfg(test)] mod tests { use crate::b::B; }",
        "pub struct A; #[cfg(test)] mod tests;",
        "pub struct A; #[cfg(test)] use crate::b::B;",
        "pub struct A; struct B; fn f(b: B) {}",
        "pub struct A; fn f(b: other::b::B) {}",
        "use crate::b; pub struct A;",
    ] {
        let files = [lib, ("src/a.rs", a), b, ("src/a/tests.rs", "use crate::b::B;")];
        let circles = planted(&files).circles_in_words();
        assert!(circles.is_empty(), "{a}: {circles:?}");
    }
}

#[test]
fn a_path_that_leads_nowhere_is_found() {
    let lost = |text: &str| planted(&[("src/lib.rs", "mod a;"), ("src/a.rs", text)]).lost.len();
    assert_eq!(lost("use crate::b::B;") + lost("use super::B;") + lost("fn f() { crate::a::b() }"), 3);
    assert_eq!(lost("use std::fmt; struct A; fn f() { self::A; crate::a::f(); g!(crate::a::A) }"), 0);
}

#[test]
fn a_room_that_names_one_above_it_is_found() {
    let lib = ("src/lib.rs", "mod engine; mod control; mod meter; mod cache;");
    let climbs = |engine: &str, meter: &str| {
        let files = [
            lib,
            ("src/engine.rs", engine),
            ("src/control.rs", "pub use crate::meter::M as Handed;\npub struct C;"),
            ("src/meter.rs", meter),
            ("src/cache.rs", "pub struct Cache;"),
        ];
        planted(&files).climbs().len()
    };
    assert_eq!(climbs("use crate::meter::M;", "pub struct M;"), 0);
    assert_eq!(climbs("use crate::control::C;", "pub struct M;"), 1);
    assert_eq!(climbs("", "pub struct M(crate::control::C);"), 1);
    // A room without a floor.
    assert_eq!(climbs("use crate::cache::Cache;", "pub struct M;"), 1);
}
