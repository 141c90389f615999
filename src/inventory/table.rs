//! The table of the inventory, by place.
//!
//! Holds text only; `tests/inventory/covers.rs` says what each datum stands for in the sources, and
//! `tests/inventory.rs` compares them.

use super::{Datum, Place};

/// The table, by place.
pub const DATA: &[Datum] = &[
    Datum {
        place: Place::Memory,
        what: "the slot of each account, found by its keyed tag (16 bytes, below); no name is held",
        kept: "until one close after the first period in which no source names it",
        seen_by: "root, by reading the process's memory",
    },
    Datum {
        place: Place::Memory,
        what: "prefixes of accounts: which slot owns which address, by source",
        kept: "while a source assigns them; the kernel tap has its own copy, below",
        seen_by: "root, by reading the process's memory",
    },
    Datum {
        place: Place::Memory,
        what: "slots waiting for another account",
        kept: "until the next close of an epoch, or until another account has them",
        seen_by: "root, by reading the process's memory",
    },
    Datum {
        place: Place::Memory,
        what: "numbers of prefixes and accounts by source, as of the last close",
        kept: "until the next close",
        seen_by: "the roster role, rounded up to a multiple of 8",
    },
    Datum {
        place: Place::Memory,
        what: "bytes and packets of each account in the open epoch, exact",
        kept: "the epoch (24 h by default)",
        seen_by: "root, by reading the process's memory; the privacy role, on request",
    },
    Datum {
        place: Place::Memory,
        what: "bytes and packets of each account in the closed epochs of the period, exact",
        kept: "the period (28 days by default, 35 at most)",
        seen_by: "root, by reading the process's memory; the privacy role, once a week per account",
    },
    Datum {
        place: Place::Memory,
        what: "the usage band of each account",
        kept: "until the next refresh (7 days or more)",
        seen_by: "the support role, one account per request",
    },
    Datum {
        place: Place::Memory,
        what: "lines of the log that wait to be written, 256 at the most, and how many were dropped",
        kept: "until something takes them; then wiped",
        seen_by: "root, by reading the process's memory; they are below, under the log",
    },
    Datum {
        place: Place::Memory,
        what: "sums of one epoch at its close, and sums held back until the crowd is large enough",
        kept: "until it is released",
        seen_by: "root, by reading the process's memory",
    },
    Datum {
        place: Place::Memory,
        what: "the release being served, and the next one until it is due",
        kept: "until the next release",
        seen_by: "everyone who can reach /metrics",
    },
    Datum {
        place: Place::Memory,
        what: "when epochs, refreshes and periods end: the node's own times, no user's",
        kept: "while the node runs",
        seen_by: "root, by reading the process's memory",
    },
    Datum {
        place: Place::Memory,
        what: "how often each member of support asked today and each officer this week, which accounts were exported this week (keyed marks), and two counts for the period",
        kept: "the day, the week, the period",
        seen_by: "root, by reading the process's memory; the two counts: the privacy role, in this report",
    },
    Datum {
        place: Place::Memory,
        what: "keyed tags of accounts (16 bytes each), and keys: the root key, the links of its chain, the key of the tags",
        kept: "while the process runs; overwritten when it ends",
        seen_by: "root, by reading the process's memory",
    },
    Datum {
        place: Place::Memory,
        what: "interfaces: index, names, kind, what they stand on, and what their own packet counters read when metering of them stopped and at the last close",
        kept: "while they exist; the last 1,024 that are gone",
        seen_by: "root, by reading the process's memory",
    },
    Datum {
        place: Place::Memory,
        what: "users that have a role, and who is at the other end of a control connection",
        kept: "until the next reload; while the connection lasts",
        seen_by: "root, by reading the process's memory",
    },
    Datum {
        place: Place::Memory,
        what: "the state of taps, sources, saves, reloads and the sandbox",
        kept: "while the process runs",
        seen_by: "everyone who can reach /metrics; any role",
    },
    Datum {
        place: Place::Memory,
        what: "ring tap: packet headers (the first 200 bytes of what may carry a tunnel) in memory shared with the kernel",
        kept: "until parsed, within 8 ms unless the node is overloaded; then cleared",
        seen_by: "root, by reading the process's memory",
    },
    Datum {
        place: Place::Memory,
        what: "pnet tap: whole packets, one at a time",
        kept: "until counted; then cleared",
        seen_by: "root, by reading the process's memory",
    },
    Datum {
        place: Place::Memory,
        what: "log-ins to /metrics: keyed digests of the names, hashes of the passwords, and keyed digests of one right credential per name and of the last sixteen wrong ones",
        kept: "until a reload changes them, or the process ends",
        seen_by: "root; the daemon's user",
    },
    Datum {
        place: Place::Memory,
        what: "TLS: the private key and the certificates, and the keys of open connections; no sessions and no tickets",
        kept: "until a reload replaces them, or the process ends",
        seen_by: "root; the daemon's user",
    },
    Datum {
        place: Place::Kernel,
        what: "kernel tap: bytes and packets of each slot, direction and processor, cumulative",
        kept: "while the program is attached, and until the next process takes them over; a stop removes them",
        seen_by: "root; the daemon's user",
    },
    Datum {
        place: Place::Kernel,
        what: "kernel tap: keyed tags of the slots' accounts, and what identifies the memory: random bytes, and the store's keyed mark",
        kept: "while the program is attached, and until the next process takes them over; a stop removes them",
        seen_by: "root; the daemon's user",
    },
    Datum {
        place: Place::Kernel,
        what: "kernel tap: which slot owns which address, which is the roster's own map",
        kept: "while the program is attached, and until the next process takes them over; a stop removes them",
        seen_by: "root; the daemon's user",
    },
    Datum {
        place: Place::Kernel,
        what: "names of pins: a random number for maps and programs, the interface index for links; when each was created",
        kept: "as long as what they pin; none when systemd's descriptor store is used",
        seen_by: "root; the daemon's user",
    },
    Datum {
        place: Place::MemoryFile,
        what: "ring and pnet taps: counters and keyed tags of each slot, interfaces by index with their own counters, and the store's keyed mark",
        kept: "until a stop; only with store.mode = \"sealed\"",
        seen_by: "root; the daemon's user",
    },
    Datum {
        place: Place::MemoryFile,
        what: "the control socket",
        kept: "while the process runs",
        seen_by: "everyone may connect; roles decide what they may ask",
    },
    Datum {
        place: Place::Disk,
        what: "the sealed blob: each account's figures above under its keyed tag, bands, releases, limits, marks, and what the interfaces' own counters read, as one sum; its size never depends on its contents",
        kept: "until the next save; figures for the period",
        seen_by: "whoever has the root key and that night's chain file",
    },
    Datum {
        place: Place::Disk,
        what: "the blob's header: version, capacity, node, number of closes, a check of the key",
        kept: "until the next save",
        seen_by: "whoever reads the disk",
    },
    Datum {
        place: Place::Disk,
        what: "the chain file: the random link that the blob's key needs besides the root key",
        kept: "until the next close; flash may keep old sectors",
        seen_by: "whoever reads the disk",
    },
    Datum {
        place: Place::Disk,
        what: "the operator's files: configuration, roster, root key, web configuration, certificates; read, never written",
        kept: "as long as the operator wants",
        seen_by: "whoever their modes allow",
    },
    Datum {
        place: Place::Published,
        what: "node totals of the last epoch and counts of the node, noisy or coarse depending on the mode; how large the noise is; whether the tap was away",
        kept: "until the next release; as long as whoever scrapes it keeps it",
        seen_by: "everyone who can reach /metrics",
    },
    Datum {
        place: Place::Published,
        what: "the state of the daemon, which traffic cannot change",
        kept: "until it changes",
        seen_by: "everyone who can reach /metrics",
    },
    Datum {
        place: Place::Answer,
        what: "one account's usage band and flags",
        kept: "for the answer only",
        seen_by: "the support role: 30 a minute, 100 a day",
    },
    Datum {
        place: Place::Answer,
        what: "everything held about one account, exact",
        kept: "for the answer only",
        seen_by: "the privacy role: once a week per account, 20 a day",
    },
    Datum {
        place: Place::Answer,
        what: "the node's exact totals of the period",
        kept: "for the answer only",
        seen_by: "the privacy role",
    },
    Datum {
        place: Place::Answer,
        what: "sizes of the roster; for sources that follow connections, as of the last close and rounded up to a multiple of 8",
        kept: "for the answer only",
        seen_by: "the roster role",
    },
    Datum {
        place: Place::Answer,
        what: "the state of the daemon",
        kept: "for the answer only",
        seen_by: "any role",
    },
    Datum {
        place: Place::Answer,
        what: "how many bands were looked up and accounts exported since the period began",
        kept: "for the answer only",
        seen_by: "the privacy role",
    },
    Datum {
        place: Place::Answer,
        what: "that a request succeeded, or why not; repeats nothing of the request",
        kept: "for the answer only",
        seen_by: "whoever asked",
    },
    Datum {
        place: Place::Log,
        what: "starts, stops, reloads, failed saves, named interfaces, what is missing; nothing that traffic causes",
        kept: "as long as the host's log keeps it; the host adds times",
        seen_by: "whoever reads the host's log",
    },
];
