//! No file of the sources needs another one that needs it in turn, over any number of files between; and
//! no room names one that stands above it.

use crate::modules::Modules;
use crate::source::{Source, tree};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// The rooms from the top floor down: each names only what stands below it.
const ROOMS: [&str; 19] = [
    "main",
    "cli",
    "daemon",
    "control",
    "engine",
    "log",
    "publish",
    "tap",
    "config",
    "environment",
    "store",
    "node",
    "roster",
    "doctor",
    "inventory",
    "system",
    "meter",
    "clock",
    "exit",
];

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
            let (needed, leads) = modules.files_of(named);
            if !leads {
                graph.lost.push(format!("{}:{}: {}", named.file, named.line, named.path.join("::")));
            }
            for file in needed {
                let arrow = (at(&named.file), at(file));
                graph.arrows.entry(arrow).or_insert(named.line);
                let name = named.path.last().cloned().unwrap_or_default();
                graph.named.entry(arrow).or_default().insert(name);
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
        let floor = |file: usize| ROOMS.iter().position(|room| *room == room_of(&self.files[file]));
        let mut climbs = Vec::new();
        for ((from, to), line) in &self.arrows {
            let (above, below) = (floor(*from), floor(*to));
            if room_of(&self.files[*from]) != room_of(&self.files[*to])
                && (above.is_none() || below.is_none() || above >= below)
            {
                climbs
                    .push(format!("{}:{line}: {} does not stand below", self.files[*from], self.files[*to]));
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

#[test]
fn drawing_of_the_rooms() {
    println!("{}", Graph::of(&tree(&["src"])).drawing());
}
