//! How the node grows with its accounts: memory, start, roster, close, assignments, `/metrics`, the desk, from
//! a thousand accounts to a million; one table, with the goals beside the last column.
//!
//! `cargo bench --bench scale` as root: it runs the real daemon with the kernel tap and a sealed
//! store. `-- --quick` ends at ten thousand, `-- --desk` measures the desk alone. Nothing is asserted but that
//! everything works.
#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a bench measures time and prints it")]

#[path = "../tests/daemon/mod.rs"]
mod daemon;
#[path = "scale/desk.rs"]
mod desk;
#[path = "scale/inside.rs"]
mod inside;
#[path = "scale/outside.rs"]
mod outside;
#[path = "../tests/support/mod.rs"]
mod support;

use std::time::Instant;

/// Accounts of small to very large nodes.
const ACCOUNTS: [u32; 4] = [1_000, 10_000, 100_000, 1_000_000];

/// One figure of a node of some size.
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) value: f64,
    pub(crate) goal: Goal,
}

/// What a figure is to be with a million accounts.
#[derive(Clone, Copy)]
pub(crate) enum Goal {
    AtMost(f64),
    AtLeast(f64),
    None,
}

impl Goal {
    fn verdict(self, value: f64) -> String {
        let (goal, is_reached) = match self {
            Self::AtMost(goal) => (format!("<= {goal}"), value <= goal),
            Self::AtLeast(goal) => (format!(">= {goal}"), value >= goal),
            Self::None => return String::new(),
        };
        format!("{goal} {}", if is_reached { "reached" } else { "missed" })
    }
}

pub(crate) const fn figure(name: &'static str, value: f64, goal: Goal) -> Figure {
    Figure { name, value, goal }
}

fn main() {
    let [is_quick, is_desk] =
        ["--quick", "--desk"].map(|flag| std::env::args().any(|argument| argument == flag));
    let sizes = if is_quick { &ACCOUNTS[..2] } else { &ACCOUNTS[..] };
    let columns: Vec<Vec<Figure>> = sizes
        .iter()
        .map(|accounts| {
            let mut figures = Vec::new();
            if !is_desk {
                figures.extend(outside::measure(*accounts));
                figures.extend(inside::measure(*accounts));
            }
            figures.extend(desk::measure(*accounts));
            figures
        })
        .collect();
    println!("\n== One node by its accounts, each with an IPv4 address of a pool");
    print!("{:<52}", "accounts");
    sizes.iter().for_each(|accounts| print!(" {accounts:>10}"));
    println!("  goal with a million");
    for row in 0..columns[0].len() {
        let last = &columns[columns.len() - 1][row];
        print!("{:<52}", last.name);
        for column in &columns {
            let value = column[row].value;
            let digits = if value >= 1000.0 {
                0
            } else if value >= 10.0 {
                1
            } else {
                3
            };
            print!(" {value:>10.digits$}");
        }
        println!("  {}", if is_quick { String::new() } else { last.goal.verdict(last.value) });
    }
}

/// Seconds that something takes.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let start = Instant::now();
    let value = work();
    (start.elapsed().as_secs_f64(), value)
}

/// The account of this number, and its address in the pool 10.0.0.0/12.
pub(crate) fn account(number: u32) -> (String, String) {
    let [a, b, c, d] = (0x0a00_0002 + number).to_be_bytes();
    (format!("account-{number}"), format!("{a}.{b}.{c}.{d}"))
}

/// The roster of so many accounts.
pub(crate) fn roster(accounts: u32) -> String {
    let row = |number| {
        let (account, address) = account(number);
        format!("{address},{account}\n")
    };
    ["prefix,account\n".to_owned()].into_iter().chain((0..accounts).map(row)).collect()
}
