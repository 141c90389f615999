//! The table of the inventory: every datum by place.
//!
//! Holds words only; `tests/inventory/covers.rs` says what of the sources each stands for, and
//! `tests/inventory.rs` compares them.

use super::{Datum, Place};

/// The table, by place.
pub const DATA: &[Datum] = &[
    Datum {
        place: Place::Memory,
        what: "names of accounts, and the slot of each",
        kept: "until the period ends in which no source names them any more",
        seen_by: "root, by reading the process's memory",
    },
    Datum {
        place: Place::Memory,
        what: "prefixes of accounts: which slot owns which address, as each source says",
        kept: "while a source says it; the kernel tap keeps its own copy, below",
        seen_by: "root, by reading the process's memory",
    },
    Datum {
        place: Place::Memory,
        what: "slots that wait for another account, and slots known by their tag alone",
        kept: "one more close of an epoch, or the period",
        seen_by: "root, by reading the process's memory",
    },
    Datum {
        place: Place::Memory,
        what: "numbers of prefixes and accounts by source, as of the last close",
        kept: "until the next close",
        seen_by: "the role roster, rounded up to 8",
    },
    Datum {
        place: Place::Memory,
        what: "bytes and packets of each account in the open epoch, exact",
        kept: "the epoch (24 h by default)",
        seen_by: "root, by reading the process's memory; the privacy role, when it is asked for",
    },
    Datum {
        place: Place::Memory,
        what: "bytes and packets of each account in the closed epochs of the period, exact",
        kept: "the period (28 days by default, 35 at the most)",
        seen_by: "root, by reading the process's memory; the privacy role, once a week for an account",
    },
    Datum {
        place: Place::Memory,
        what: "the band of each account",
        kept: "until the next refresh (7 days or more)",
        seen_by: "the role support, one account a call",
    },
    Datum {
        place: Place::Memory,
        what: "sums of one epoch at its close, and what waits for a crowd",
        kept: "until it is released",
        seen_by: "root, by reading the process's memory",
    },
    Datum {
        place: Place::Memory,
        what: "the release that is served, and the one that waits for its moment",
        kept: "until the next release",
        seen_by: "everybody who reaches /metrics",
    },
    Datum {
        place: Place::Memory,
        what: "when epochs, refreshes and periods end: the node's own clocks, no user's",
        kept: "while the node runs",
        seen_by: "root, by reading the process's memory",
    },
    Datum {
        place: Place::Memory,
        what: "how often each member of staff asked today, which accounts were exported this week (keyed marks), and two counts of the period",
        kept: "the day, the week, the period",
        seen_by: "root, by reading the process's memory; the two counts: the privacy role, here",
    },
    Datum {
        place: Place::Memory,
        what: "keyed tags of accounts, and keys: the root key, the links of its chain, one for tags",
        kept: "while the process lives; overwritten at its end",
        seen_by: "root, by reading the process's memory",
    },
    Datum {
        place: Place::Memory,
        what: "interfaces: index, name, how many packets their own counters told of, when one was let go of",
        kept: "while they exist; 1,024 that are gone",
        seen_by: "root, by reading the process's memory",
    },
    Datum {
        place: Place::Memory,
        what: "users and groups that have a role, and who is at the other end of a control connection",
        kept: "until the next reload; while the connection lasts",
        seen_by: "root, by reading the process's memory",
    },
    Datum {
        place: Place::Memory,
        what: "the state of taps, sources, saves, reloads and sandbox",
        kept: "while the process lives",
        seen_by: "everybody who reaches /metrics; any role",
    },
    Datum {
        place: Place::Memory,
        what: "ring tap: headers of packets (40 bytes, up to 80 of a super-packet) in memory shared with the kernel",
        kept: "until they are parsed: 8 ms when the node is not overloaded; cleared then",
        seen_by: "root, by reading the process's memory",
    },
    Datum {
        place: Place::Memory,
        what: "pnet tap: whole packets, one at a time",
        kept: "until it is counted; cleared then",
        seen_by: "root, by reading the process's memory",
    },
    Datum {
        place: Place::Memory,
        what: "of those who may log in to /metrics: keyed digests of the names, hashes of the passwords, and keyed digests of one right credential a name and of the last sixteen wrong ones",
        kept: "until a reload that changes them, or the end of the process",
        seen_by: "root; the daemon's user",
    },
    Datum {
        place: Place::Memory,
        what: "TLS: the private key and the certificates, and the keys of connections while they last; no session and no ticket",
        kept: "until a reload that exchanges them, or the end of the process",
        seen_by: "root; the daemon's user",
    },
    Datum {
        place: Place::Kernel,
        what: "kernel tap: bytes and packets of each slot and direction, cumulative",
        kept: "while the program is attached, and until the next process has taken them over; a stop removes them",
        seen_by: "root; the daemon's user",
    },
    Datum {
        place: Place::Kernel,
        what: "kernel tap: keyed tags of the slots' accounts, and what names the memory",
        kept: "while the program is attached, and until the next process has taken them over; a stop removes them",
        seen_by: "root; the daemon's user",
    },
    Datum {
        place: Place::Kernel,
        what: "kernel tap: which slot owns which address: the roster's own map",
        kept: "while the program is attached, and until the next process has taken them over; a stop removes them",
        seen_by: "root; the daemon's user",
    },
    Datum {
        place: Place::Kernel,
        what: "names of pins: a random number for maps and programs, the index of the interface for links; when each was made",
        kept: "as long as what they name; with the descriptor store there are none",
        seen_by: "root; the daemon's user",
    },
    Datum {
        place: Place::MemoryFile,
        what: "ring and pnet taps: counters and keyed tags of each slot, and interfaces by index with their own counters",
        kept: "until a stop; with store.mode = \"sealed\" only",
        seen_by: "root; the daemon's user",
    },
    Datum {
        place: Place::MemoryFile,
        what: "the control socket",
        kept: "while the process lives",
        seen_by: "everybody may connect; roles decide",
    },
    Datum {
        place: Place::Disk,
        what: "the sealed blob: all of an account's figures above under its keyed tag, bands, releases, limits, marks; one size whatever it holds",
        kept: "until the next save; the period",
        seen_by: "who has the root key and that night's chain file",
    },
    Datum {
        place: Place::Disk,
        what: "the blob's header: version, capacity, which node, number of closes, a check of the key",
        kept: "until the next save",
        seen_by: "who reads the disk",
    },
    Datum {
        place: Place::Disk,
        what: "the chain file: the random link that the blob's key needs beside the root key",
        kept: "until the next close; flash may keep old sectors",
        seen_by: "who reads the disk",
    },
    Datum {
        place: Place::Disk,
        what: "the operator's own files: configuration, roster, root key, web configuration, certificates; read, never written",
        kept: "as long as the operator wants",
        seen_by: "as their modes say",
    },
    Datum {
        place: Place::Published,
        what: "node totals of the last epoch, with noise (or coarse, as the mode says), and counts rounded up to powers of two",
        kept: "until the next release; as long as who scrapes it keeps it",
        seen_by: "everybody who reaches /metrics",
    },
    Datum {
        place: Place::Published,
        what: "the state of the daemon, by events that traffic cannot cause",
        kept: "until it changes",
        seen_by: "everybody who reaches /metrics",
    },
    Datum {
        place: Place::Answer,
        what: "one account's band and flags",
        kept: "the answer",
        seen_by: "the role support: 30 a minute, 100 a day",
    },
    Datum {
        place: Place::Answer,
        what: "everything held about one account, exact",
        kept: "the answer",
        seen_by: "the role privacy: once a week for an account, 20 a day",
    },
    Datum {
        place: Place::Answer,
        what: "the node's exact counts of the period",
        kept: "the answer",
        seen_by: "the role privacy",
    },
    Datum {
        place: Place::Answer,
        what: "numbers about the roster; of sources that follow connections as of the last close, rounded up to 8",
        kept: "the answer",
        seen_by: "the role roster",
    },
    Datum { place: Place::Answer, what: "the state of the daemon", kept: "the answer", seen_by: "any role" },
    Datum {
        place: Place::Answer,
        what: "how often bands were looked up and accounts exported since the period began",
        kept: "the answer",
        seen_by: "the role privacy",
    },
    Datum {
        place: Place::Answer,
        what: "that something was done, or why not: repeats nothing of the request",
        kept: "the answer",
        seen_by: "who asked",
    },
    Datum {
        place: Place::Log,
        what: "starts, stops, reloads, saves that fail, interfaces that are named, what is missing: nothing that traffic causes",
        kept: "as long as the host's log keeps it; the host adds times",
        seen_by: "who reads the host's log",
    },
];
