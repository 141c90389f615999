//! Who stands before the tap on an interface and can end a packet's way, so that the tap does not see it.
//!
//! Holds kinds, names and numbers of the host's own configuration; no interface, no packet, no address.

use std::collections::BTreeMap;
use std::fmt;

/// Something that sees a packet before the tap does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Obstacle {
    /// A filter of tc.
    Filter {
        /// On the way in; else on the way out.
        ingress: bool,
        /// Its kind, like `flower`.
        kind: String,
        /// Its priority.
        priority: u16,
        /// What a program's owner calls it.
        name: Option<String>,
    },
    /// A program at the tcx hook, by its number.
    Program {
        /// On the way in; else on the way out.
        ingress: bool,
        /// Its number; `bpftool prog show id` knows its name.
        id: u32,
    },
    /// An XDP program, by its number: it sees packets before any hook of tc, so that nobody can stand
    /// before it.
    Xdp {
        /// Its number.
        id: u32,
    },
}

/// Obstacles by the index of their interface.
pub(super) type Obstacles = BTreeMap<u32, Vec<Obstacle>>;

impl Obstacle {
    /// True when the tap could stand before it.
    #[must_use]
    pub const fn is_in_the_chain(&self) -> bool {
        !matches!(self, Self::Xdp { .. })
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = |ingress: &bool| if *ingress { "in" } else { "out" };
        match self {
            Self::Filter { ingress, kind, priority, name } => {
                write!(out, "filter of kind {kind} and priority {priority}")?;
                if let Some(name) = name {
                    write!(out, " ({name})")?;
                }
                write!(out, " on the way {}", way(ingress))
            }
            Self::Program { ingress, id } => write!(out, "tcx program {id} on the way {}", way(ingress)),
            Self::Xdp { id } => write!(out, "XDP program {id}"),
        }
    }
}

/// Obstacles on one line; what a name holds besides plain letters is not repeated.
#[must_use]
pub fn on_one_line(obstacles: &[Obstacle]) -> String {
    let texts: Vec<String> = obstacles.iter().map(ToString::to_string).collect();
    texts.join(", ").chars().map(|letter| if letter.is_control() { '?' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn obstacles_are_named_on_one_line() {
        let name = Some("other\nline".to_owned());
        let obstacles = [
            Obstacle::Filter { ingress: true, kind: "bpf".into(), priority: 1, name },
            Obstacle::Filter { ingress: false, kind: "u32".into(), priority: 7, name: None },
            Obstacle::Program { ingress: false, id: 57 },
            Obstacle::Xdp { id: 3 },
        ];
        assert_eq!(
            on_one_line(&obstacles),
            "filter of kind bpf and priority 1 (other?line) on the way in, filter of kind u32 and priority 7 on \
             the way out, tcx program 57 on the way out, XDP program 3"
        );
        assert!(obstacles[2].is_in_the_chain() && !obstacles[3].is_in_the_chain());
    }
}
