//! The table of the inventory, by place.
//!
//! Holds text only; `tests/inventory.rs` compares it with the sources.

use super::{Datum, Place};

/// The table, by place.
pub const DATA: &[Datum] = &[
    Datum {
        place: Place::Memory,
        what: "names of accounts, and the slot of each",
        kept: "until the end of the first period in which no source names them",
        seen_by: "root, by reading the process's memory",
        covers: &[
            "roster/directory Directory: index names hasher last_number",
            "roster/directory Names: text places",
            "roster Roster: directory",
        ],
    },
    Datum {
        place: Place::Memory,
        what: "prefixes of accounts: which slot owns which address, by source",
        kept: "while a source assigns them; the kernel tap has its own copy, below",
        seen_by: "root, by reading the process's memory",
        covers: &[
            "roster Roster: table elsewhere book",
            "roster Book: claims contradicted",
            "roster/claims Assignments: pools",
            "roster/claims Assignments: v4 v6",
            "roster/claims Pool: range claims",
            "roster/table Pool: first slots",
            "roster/table Table: pools v4 v6",
            "roster/table Prefixes: entries lengths used seed",
            "roster/table Entry: high low owner",
            "roster/owners Owned: prefix slot source",
        ],
    },
    Datum {
        place: Place::Memory,
        what: "slots waiting for another account, and slots known only by their tag",
        kept: "until the next close of an epoch, or the end of the period",
        seen_by: "root, by reading the process's memory",
        covers: &["roster Book: capacity next resting free nameless"],
    },
    Datum {
        place: Place::Memory,
        what: "numbers of prefixes and accounts by source, as of the last close",
        kept: "until the next close",
        seen_by: "the roster role, rounded up to a multiple of 8",
        covers: &[
            "roster Book: latched",
            "roster Counts: sources conflicts",
            "roster SourceCounts: prefixes accounts",
        ],
    },
    Datum {
        place: Place::Memory,
        what: "bytes and packets of each account in the open epoch, exact",
        kept: "the epoch (24 h by default)",
        seen_by: "root, by reading the process's memory; the privacy role, on request",
        covers: &[
            "meter/ledger Ledger: counters",
            "meter/ledger SlotEntry: mark",
            "meter/ledger SavedEntry: entry reading",
            "meter/ledger SinceSave: base reassigned",
            "node Node: bases",
            "keeper Kept: readings",
        ],
    },
    Datum {
        place: Place::Memory,
        what: "bytes and packets of each account in the closed epochs of the period, exact",
        kept: "the period (28 days by default, 35 at most)",
        seen_by: "root, by reading the process's memory; the privacy role, once a week per account",
        covers: &[
            "meter/ledger Ledger: entries",
            "meter/ledger SlotEntry: period",
            "node Node: ledger",
            "keeper Kept: lines",
        ],
    },
    Datum {
        place: Place::Memory,
        what: "the usage band of each account",
        kept: "until the next refresh (7 days or more)",
        seen_by: "the support role, one account per request",
        covers: &["node Node: bands", "keeper Kept: bands"],
    },
    Datum {
        place: Place::Memory,
        what: "sums of one epoch at its close, and sums held back until the crowd is large enough",
        kept: "until it is released",
        seen_by: "root, by reading the process's memory",
        covers: &[
            "meter/ledger Sealed: attributed clamped largest_up_bytes largest_down_bytes \
             active_accounts unattributed malformed lost",
            "meter/ledger NodeTotals: attributed unattributed not_ip malformed lost",
            "meter/epoch Carry: sums scale",
            "meter/epoch Epochs: carried within",
            "meter/raised FlagCounts: accounts mass_event interrupted failed_attempts",
            "meter/clamp Sums: up_bytes down_bytes",
        ],
    },
    Datum {
        place: Place::Memory,
        what: "the release being served, and the next one until it is due",
        kept: "until the next release",
        seen_by: "everyone who can reach /metrics",
        covers: &[
            "node Node: epochs",
            "meter/epoch Epochs: policy last sealed released",
            "meter/release Release: ordinal up_bytes down_bytes suppressed unattributed_up_bytes \
             unattributed_down_bytes lost_packets malformed_packets irregular_accounts mass_event \
             interrupted failed_attempts",
            "publish/http Pages: released status",
        ],
    },
    Datum {
        place: Place::Memory,
        what: "when epochs, refreshes and periods end: the node's own times, no user's",
        kept: "while the node runs",
        seen_by: "root, by reading the process's memory",
        covers: &[
            "node Node: clock schedule refresh_index refreshed_at period_index period_began_at \
             publish_at durable keeps",
            "schedule Schedule: length_seconds state",
            "schedule ScheduleState: open last closed_at below_since was_ahead",
            "keeper Checkpointer: clock last failing",
        ],
    },
    Datum {
        place: Place::Memory,
        what: "how often each member of staff asked today, which accounts were exported this week (keyed marks), and two counts for the period",
        kept: "the day, the week, the period",
        seen_by: "root, by reading the process's memory; the two counts: the privacy role, in this report",
        covers: &[
            "node Node: limits",
            "limits Limits: allowed state",
            "limits RateLimitState: seen_at minute day week staff exported look_ups exports",
            "limits Window: index elapsed_nanoseconds",
            "limits Staff: uid shown_this_minute shown_today exported_today",
        ],
    },
    Datum {
        place: Place::Memory,
        what: "keyed tags of accounts, and keys: the root key, the links of its chain, the key of the tags",
        kept: "while the process runs; overwritten when it ends",
        seen_by: "root, by reading the process's memory",
        covers: &[
            "roster Roster: identity",
            "roster Identity: tag tags",
            "keeper Checkpointer: store memory",
            "keeper Kept: tags",
            "store/chain ChainLink: generation fresh key",
            "store/chain Chain: path doubtful",
            "control/desk Desk: tag",
        ],
    },
    Datum {
        place: Place::Memory,
        what: "interfaces: index, name, and what their own packet counters read when metering of them stopped",
        kept: "while they exist; the last 1,024 that are gone",
        seen_by: "root, by reading the process's memory",
        covers: &[
            "tap/follow Attachment: remembered serial index name source",
            "tap/links InterfaceEntry: index name hardware passed",
            "tap/links Passed: up down",
            "tap/gap Left: index name packets",
            "tap/memory CounterMemory: links",
        ],
    },
    Datum {
        place: Place::Memory,
        what: "users and groups that have a role, and who is at the other end of a control connection",
        kept: "until the next reload; while the connection lasts",
        seen_by: "root, by reading the process's memory",
        covers: &[
            "control/desk AccessPolicy: roster support privacy",
            "control/desk Desk: access probe",
            "guard/peer Peer: uid gids",
            "guard/peer Members: uids gids",
        ],
    },
    Datum {
        place: Place::Memory,
        what: "the state of taps, sources, saves, reloads and the sandbox",
        kept: "while the process runs",
        seen_by: "everyone who can reach /metrics; any role",
        covers: &[
            "publish/exposition Health: taps sources close_ok store_ok reload_ok",
            "control/desk Desk: health sandbox backend profile roster node changes",
            "node Node: randomness",
        ],
    },
    Datum {
        place: Place::Memory,
        what: "ring tap: packet headers (40 bytes, up to 80 for a super-packet) in memory shared with the kernel",
        kept: "until parsed, within 8 ms unless the node is overloaded; then cleared",
        seen_by: "root, by reading the process's memory",
        covers: &[
            "tap/ring Ring: memory blocks walked",
            "tap/frame IpPacket: source destination bytes offset",
        ],
    },
    Datum {
        place: Place::Memory,
        what: "pnet tap: whole packets, one at a time",
        kept: "until counted; then cleared",
        seen_by: "root, by reading the process's memory",
        covers: &["tap/pnet Side: receiver queued"],
    },
    Datum {
        place: Place::Memory,
        what: "log-ins to /metrics: keyed digests of the names, hashes of the passwords, and keyed digests of one right credential per name and of the last sixteen wrong ones",
        kept: "until a reload changes them, or the process ends",
        seen_by: "root; the daemon's user",
        covers: &[
            "publish/web/login LogIn: key rows cost failed",
            "publish/web/login Row: name hash proven",
            "publish/web WebConfig: log_in headers asks_clients warnings",
        ],
    },
    Datum {
        place: Place::Memory,
        what: "TLS: the private key and the certificates, and the keys of open connections; no sessions and no tickets",
        kept: "until a reload replaces them, or the process ends",
        seen_by: "root; the daemon's user",
        covers: &["publish/web WebConfig: tls", "world Secret: bytes others_may_read"],
    },
    Datum {
        place: Place::Kernel,
        what: "kernel tap: bytes and packets of each slot and direction, cumulative",
        kept: "while the program is attached, and until the next process takes them over; a stop removes them",
        seen_by: "root; the daemon's user",
        covers: &[
            "map: up down",
            "tap/memory CounterMemory: counters generation adopted",
            "tap/memory CounterHistory: current older",
            "meter/counters Cell: bytes packets",
            "meter/counters Counters: up down",
        ],
    },
    Datum {
        place: Place::Kernel,
        what: "kernel tap: keyed tags of the slots' accounts, and what identifies the memory",
        kept: "while the program is attached, and until the next process takes them over; a stop removes them",
        seen_by: "root; the daemon's user",
        covers: &[
            "map: tags info",
            "tap/kernel/header Header: slots generation predecessor node layout pools",
            "tap/memory CounterMemory: tags",
            "meter/tags TagCell: low high",
        ],
    },
    Datum {
        place: Place::Kernel,
        what: "kernel tap: which slot owns which address, which is the roster's own map",
        kept: "while the program is attached, and until the next process takes them over; a stop removes them",
        seen_by: "root; the daemon's user",
        covers: &[
            "map: owners hosts_v4 hosts_v6 routes_v4 routes_v6",
            "tap/kernel/owners KernelOwners: pools dense in_use tables entries",
            "tap/kernel/owners Pools: pools slots",
            "tap/kernel/owners Pool: first size base",
        ],
    },
    Datum {
        place: Place::Kernel,
        what: "names of pins: a random number for maps and programs, the interface index for links; when each was created",
        kept: "as long as what they pin; none when systemd's descriptor store is used",
        seen_by: "root; the daemon's user",
        covers: &["file: tap.pin"],
    },
    Datum {
        place: Place::MemoryFile,
        what: "ring and pnet taps: counters and keyed tags of each slot, and interfaces by index with their own counters",
        kept: "until a stop; only with store.mode = \"sealed\"",
        seen_by: "root; the daemon's user",
        covers: &["file: control.counters", "tap/memory_file Header: slots generation node"],
    },
    Datum {
        place: Place::MemoryFile,
        what: "the control socket",
        kept: "while the process runs",
        seen_by: "everyone may connect; roles decide what they may ask",
        covers: &["file: control.socket"],
    },
    Datum {
        place: Place::Disk,
        what: "the sealed blob: each account's figures above under its keyed tag, bands, releases, limits, marks; its size never depends on its contents",
        kept: "until the next save; figures for the period",
        seen_by: "whoever has the root key and that night's chain file",
        covers: &[
            "file: store.path",
            "store/image Record: tag period mark reading band",
            "store/image Head: memory boot schedule publish_at sealed released refresh_index \
             refreshed_at period_index period_began_at carry limits",
        ],
    },
    Datum {
        place: Place::Disk,
        what: "the blob's header: version, capacity, node, number of closes, a check of the key",
        kept: "until the next save",
        seen_by: "whoever reads the disk",
        covers: &["store/format Header: version capacity node generation key_check nonce"],
    },
    Datum {
        place: Place::Disk,
        what: "the chain file: the random link that the blob's key needs besides the root key",
        kept: "until the next close; flash may keep old sectors",
        seen_by: "whoever reads the disk",
        covers: &["file: store.path.chain"],
    },
    Datum {
        place: Place::Disk,
        what: "the operator's files: configuration, roster, root key, web configuration, certificates; read, never written",
        kept: "as long as the operator wants",
        seen_by: "whoever their modes allow",
        covers: &["file: configuration"],
    },
    Datum {
        place: Place::Published,
        what: "node totals of the last epoch, noisy or coarse depending on the mode, and counts rounded up to powers of two",
        kept: "until the next release; as long as whoever scrapes it keeps it",
        seen_by: "everyone who can reach /metrics",
        covers: &["series: blindmeter_epoch blindmeter_epoch_bytes blindmeter_epoch_unattributed_bytes \
             blindmeter_epoch_suppressed blindmeter_epoch_irregular_accounts \
             blindmeter_epoch_mass_event blindmeter_epoch_interrupted blindmeter_epoch_lost_packets \
             blindmeter_epoch_malformed_packets blindmeter_epoch_failed_attempts"],
    },
    Datum {
        place: Place::Published,
        what: "the state of the daemon, which traffic cannot change",
        kept: "until it changes",
        seen_by: "everyone who can reach /metrics",
        covers: &["series: blindmeter_info blindmeter_tap_attached blindmeter_roster_source_up \
             blindmeter_store_ok blindmeter_config_last_reload_successful"],
    },
    Datum {
        place: Place::Answer,
        what: "one account's usage band and flags",
        kept: "for the answer only",
        seen_by: "the support role: 30 a minute, 100 a day",
        covers: &[
            "answer: Account",
            "publish/support AccountView: schema_version account band flags",
            "publish/support BandReport: at_least_bytes below_bytes",
            "publish/support FlagReport: kind severity advice",
        ],
    },
    Datum {
        place: Place::Answer,
        what: "everything held about one account, exact",
        kept: "for the answer only",
        seen_by: "the privacy role: once a week per account, 20 a day",
        covers: &[
            "answer: Export",
            "publish/support AccountExport: schema_version account period open_epoch baseline flags",
            "publish/support TotalsReport: up_bytes up_packets down_bytes down_packets",
        ],
    },
    Datum {
        place: Place::Answer,
        what: "the node's exact totals of the period",
        kept: "for the answer only",
        seen_by: "the privacy role",
        covers: &[
            "answer: Node",
            "publish/support NodeExport: schema_version attributed unattributed not_ip malformed lost",
            "publish/support PacketsReport: packets",
        ],
    },
    Datum {
        place: Place::Answer,
        what: "sizes of the roster; for sources that follow connections, as of the last close and rounded up to a multiple of 8",
        kept: "for the answer only",
        seen_by: "the roster role",
        covers: &[
            "answer: Counts",
            "control/protocol CountsReport: schema_version sources conflicts skipped_lines",
            "control/protocol SourceReport: source prefixes accounts latched",
        ],
    },
    Datum {
        place: Place::Answer,
        what: "the state of the daemon",
        kept: "for the answer only",
        seen_by: "any role",
        covers: &[
            "answer: Status",
            "control/protocol StatusReport: schema_version backend interfaces sources last_close_ok \
             last_save_ok reload_ok conflicts sandbox sandbox_missing system_calls profile",
            "control/protocol InterfaceReport: interface attached",
            "control/protocol SourceState: source up",
        ],
    },
    Datum {
        place: Place::Answer,
        what: "how many bands were looked up and accounts exported since the period began",
        kept: "for the answer only",
        seen_by: "the privacy role",
        covers: &["answer: Asked"],
    },
    Datum {
        place: Place::Answer,
        what: "that a request succeeded, or why not; repeats nothing of the request",
        kept: "for the answer only",
        seen_by: "whoever asked",
        covers: &["answer: Done Error"],
    },
    Datum {
        place: Place::Log,
        what: "starts, stops, reloads, failed saves, named interfaces, what is missing; nothing that traffic causes",
        kept: "as long as the host's log keeps it; the host adds times",
        seen_by: "whoever reads the host's log",
        covers: &["event: LabBuild TapChosen NothingKept SandboxMissing MemoryStart FirstStart Resumed \
             ResumedWithoutCounters LossAccepted SaveFailed SaveRecovered InterfaceAwaited \
             InterfaceAttached InterfaceGone LinkTypeUnsupported InterfaceRefused UnknownRoleMember \
             ListeningWide ListeningInClear ListeningToAll CertificateOver CertificateEarly NameLooksLikeAddress Ready Reloaded ReloadRefused Stopping HandingOver"],
    },
];
