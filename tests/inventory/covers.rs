//! What of the sources each datum of the inventory stands for: the fields of a struct
//! (`meter/ledger SlotEntry: period mark`), or names (`series`, `event`, `answer`, `map`, `file`).

/// By the words of the datum in the table (`src/inventory/table.rs`).
pub(crate) const COVERS: &[(&str, &[&str])] = &[
    (
        "the slot of each account, found by its keyed tag (16 bytes, below); no name is held",
        &["roster/directory Directory: tags slots", "roster Roster: directory"],
    ),
    (
        "prefixes of accounts: which slot owns which address, by source",
        &[
            "roster Roster: table elsewhere writing",
            "roster Writing: assignments disputed",
            "roster/assignments Assignments: pools v4 v6",
            "roster/assignments PoolAssignments: pool assignments",
            "roster/table PoolSlots: pool slots",
            "roster/table Table: pools v4 v6",
            "roster/table Prefixes: entries lengths used seed",
            "roster/table Entry: high low owner",
            "roster/owners Owned: prefix slot source",
        ],
    ),
    (
        "slots waiting for another account",
        &[
            "roster Writing: slots socket",
            "roster/slots SlotAllocator: directory next quarantined free",
            "roster/quota SocketQuota: reserve named",
        ],
    ),
    (
        "numbers of prefixes and accounts by source, as of the last close",
        &[
            "roster Writing: latched",
            "roster/source Counts: sources accounts conflicts",
            "roster/source SourceCounts: prefixes accounts",
        ],
    ),
    (
        "bytes and packets of each account in the open epoch, exact",
        &[
            "meter/ledger Ledger: counters",
            "meter/ledger SlotEntry: mark",
            "meter/ledger SavedEntry: entry reading",
            "meter/ledger SinceSave: base reassigned",
            "node Node: bases",
            "engine/checkpoint SavedSlots: readings",
        ],
    ),
    (
        "bytes and packets of each account in the closed epochs of the period, exact",
        &[
            "meter/ledger Ledger: entries",
            "meter/ledger SlotEntry: period",
            "node Node: ledger",
            "engine/checkpoint SavedSlots: entries",
        ],
    ),
    ("the usage band of each account", &["node Node: bands", "engine/checkpoint SavedSlots: bands"]),
    (
        "lines of the log that wait to be written, 256 at the most, and how many were dropped",
        &["log/writer Queue: lines dropped is_writing", "log/writer Line: dropped text"],
    ),
    (
        "sums of one epoch at its close, and sums held back until the crowd is large enough",
        &[
            "meter/ledger Sealed: attributed clamped largest_up_bytes largest_down_bytes \
             active_accounts account_slots unattributed malformed lost tap_gap",
            "meter/ledger NodeTotals: attributed unattributed not_ip malformed link lost",
            "meter/epoch Carry: sums scale",
            "meter/epoch Epochs: carried within",
            "meter/flag_counts FlagCounts: accounts interruption failed_attempts",
            "meter/clamp Sums: up_bytes down_bytes",
        ],
    ),
    (
        "the release being served, and the next one until it is due",
        &[
            "node Node: epochs",
            "meter/epoch Epochs: policy last sealed released",
            "meter/release Release: ordinal up_bytes down_bytes suppressed unattributed_up_bytes \
             unattributed_down_bytes lost_packets malformed_packets irregular_accounts mass_event \
             interrupted tap_gap failed_attempts",
            "publish/http Pages: released status",
        ],
    ),
    (
        "when epochs, refreshes and periods end: the node's own times, no user's",
        &[
            "node Node: clock schedule dates refresh_index refreshed_at period_index period_began_at \
             publish_at durable keeps",
            "meter/calendar BandDates: as_of first_day last_day",
            "node/schedule Schedule: length_seconds state",
            "node/schedule ScheduleState: open last closed_at below_since was_ahead",
            "engine/checkpoint Checkpointer: clock last failing",
        ],
    ),
    (
        "how often each member of support asked today and each officer this week, which accounts were exported this week (keyed marks), and two counts for the period",
        &[
            "node Node: limits",
            "node/rate_limits RateLimits: allowed state",
            "node/rate_limits RateLimitState: seen_at minute day week lookers officers exported look_ups exports",
            "node/rate_limits Window: index elapsed_nanoseconds",
            "node/rate_limits Looker: uid shown_this_minute shown_today",
            "node/rate_limits Officer: uid exported_today exported_this_week",
        ],
    ),
    (
        "keyed tags of accounts (16 bytes each), and keys: the root key, the links of its chain, the key of the tags",
        &[
            "roster Roster: tagger",
            "tap/counter_memory CounterMemory: tag_key",
            "engine/checkpoint Checkpointer: store memory",
            "engine/checkpoint SavedSlots: tags",
            "store/chain ChainLink: generation fresh key",
            "store/chain Chain: path doubtful",
        ],
    ),
    (
        "interfaces: index, names, kind, what they stand on, and what their own packet counters read when metering of them stopped and at the last close",
        &[
            "tap/worker/attachments Attachment: record serial index name source",
            "tap/interfaces InterfaceEntry: index name other_names hardware rule queue_packets passed xdp master parent",
            "tap/conservation Conservation: interfaces left told seen queued",
            "tap/unseen Unseen: read stood_for told",
            "tap/conservation Compared: index rule passed is_whole",
            "tap/interfaces Passed: up down",
            "tap/gap Left: index name packets",
            "tap/interface_sum InterfaceReading: sum queued",
            "engine/checkpoint Earlier: sum origin went_on",
            "engine/checkpoint Checkpointer: patterns earlier",
            "tap/gap Unseen: listed came",
            "tap/worker/refused Refused: passed",
            "tap/gap Counted: passed came",
            "tap/interfaces News: gone came",
            "tap/counter_memory CounterMemory: interfaces",
        ],
    ),
    (
        "users that have a role, and who is at the other end of a control connection",
        &[
            "control/access AccessPolicy: roster support privacy",
            "control/handler Handler: access syncs",
            "engine/state State: probe",
            "control/peer Peer: uid",
            "control/peer Members: uids",
        ],
    ),
    (
        "the state of taps, sources, saves, reloads and the sandbox",
        &[
            "engine/state Health: taps before overlaps sources close_ok store_ok reload_refusal",
            "engine/tap_reports Globs: has_started is_partial failing failed unsaid of_others before overlaps",
            "control/handler Handler: state reloads",
            "engine/state Board: health pages policy",
            "engine/state State: roster node writer board sandbox backend counting listeners",
            "system/sandbox SandboxStatus: missing calls",
            "node Node: randomness",
        ],
    ),
    (
        "ring tap: packet headers (the first 200 bytes of what may carry a tunnel) in memory shared with the kernel",
        &["tap/ring Ring: memory blocks walked", "tap/frame IpPacket: source destination bytes offset"],
    ),
    ("pnet tap: whole packets, one at a time", &["tap/pnet Side: receiver queued"]),
    (
        "log-ins to /metrics: keyed digests of the names, hashes of the passwords, and keyed digests of one right credential per name and of the last sixteen wrong ones",
        &[
            "publish/web/login LogIn: key rows cost failed",
            "publish/web/login Row: name hash proven",
            "publish/web WebConfig: log_in headers asks_clients warnings",
        ],
    ),
    (
        "TLS: the private key and the certificates, and the keys of open connections; no sessions and no tickets",
        &["publish/web WebConfig: tls", "store/disk Secret: bytes others_may_read"],
    ),
    (
        "kernel tap: bytes and packets of each slot, direction and processor, cumulative",
        &[
            "map: up down",
            "tap/counter_memory CounterMemory: counters generation adopted",
            "tap/counter_memory CounterHistory: current older",
            "meter/counters Cell: bytes packets",
            "meter/counters Counters: up down slices",
            "meter/counters Slices: slots processors",
        ],
    ),
    (
        "kernel tap: keyed tags of the slots' accounts, and what identifies the memory: random bytes, and the store's keyed mark",
        &[
            "map: tags info",
            "tap/kernel/header Header: slots processors home generation predecessor node layout_digest pools",
            "tap/counter_memory CounterMemory: tags",
            "meter/tags TagCell: low high",
        ],
    ),
    (
        "kernel tap: which slot owns which address, which is the roster's own map",
        &[
            "map: owners hosts_v4 hosts_v6 routes_v4 routes_v6",
            "tap/kernel/owners KernelOwners: pools dense in_use tables entries",
            "tap/kernel/owners Pools: pools slots",
            "tap/kernel/owners LaidPool: pool base",
        ],
    ),
    (
        "names of pins: a random number for maps and programs, the interface index for links; when each was created",
        &["file: tap.pin"],
    ),
    (
        "ring and pnet taps: counters and keyed tags of each slot, interfaces by index with their own counters, and the store's keyed mark",
        &["file: control.counters", "tap/memory_file Header: slots generation node"],
    ),
    ("the control socket", &["file: control.socket"]),
    (
        "the sealed blob: each account's figures above under its keyed tag, bands, releases, limits, marks, and what the interfaces' own counters read, as one sum; its size never depends on its contents",
        &[
            "file: store.path",
            "node/saved Record: tag period mark reading band",
            "node/saved Head: memory boot schedule publish_at sealed released dates refresh_index \
             refreshed_at period_index period_began_at carry interfaces is_last limits",
            "node/saved InterfaceSum: passed counted digest",
        ],
    ),
    (
        "the blob's header: version, capacity, node, number of closes, a check of the key",
        &["store/format Header: version capacity node generation key_check nonce"],
    ),
    (
        "the chain file: the random link that the blob's key needs besides the root key",
        &["file: store.path.chain"],
    ),
    (
        "the operator's files: configuration, roster, root key, web configuration, certificates; read, never written",
        &["file: configuration"],
    ),
    (
        "node totals of the last epoch and counts of the node, noisy or coarse depending on the mode; how large the noise is; whether the tap was away",
        &["series: blindmeter_epoch blindmeter_epoch_bytes blindmeter_epoch_unattributed_bytes \
             blindmeter_epoch_suppressed blindmeter_epoch_irregular_accounts \
             blindmeter_epoch_mass_event blindmeter_epoch_interrupted blindmeter_epoch_lost_packets \
             blindmeter_epoch_malformed_packets blindmeter_epoch_failed_attempts \
             blindmeter_epoch_node_noise_stddev blindmeter_epoch_tap_gap"],
    ),
    (
        "the state of the daemon, which traffic cannot change",
        &[
            "series: blindmeter_build_info blindmeter_policy_info blindmeter_tap_attached blindmeter_roster_source_up \
             blindmeter_store_ok blindmeter_config_last_reload_successful",
        ],
    ),
    (
        "one account's usage band and flags",
        &[
            "answer: Account",
            "control/reports AccountView: schema_version account band flags",
            "control/reports BandReport: at_least_bytes below_bytes as_of period",
            "control/reports PeriodReport: first_day last_day",
            "control/reports FlagReport: kind severity advice",
        ],
    ),
    (
        "everything held about one account, exact",
        &[
            "answer: Export",
            "control/reports AccountExport: schema_version account period open_epoch baseline flags",
            "control/reports TotalsReport: up_bytes up_packets down_bytes down_packets",
        ],
    ),
    (
        "the node's exact totals of the period",
        &[
            "answer: Node",
            "control/reports NodeExport: schema_version attributed unattributed not_ip malformed lost",
            "control/reports PacketsReport: packets",
        ],
    ),
    (
        "sizes of the roster; for sources that follow connections, as of the last close and rounded up to a multiple of 8",
        &[
            "answer: Counts",
            "control/protocol CountsReport: schema_version sources conflicts skipped_lines",
            "control/protocol SourceReport: source prefixes accounts latched",
        ],
    ),
    (
        "the state of the daemon",
        &[
            "answer: Status",
            "control/protocol StatusReport: schema_version version backend counters counters_reason listeners \
              accounts next_release_seconds interfaces sources last_close_ok last_save_ok reload_ok \
              reload_refusal remarks conflicts counted_twice sandbox sandbox_missing system_calls profile",
            "control/protocol InterfaceReport: interface attached before",
            "control/protocol SourceState: source up",
        ],
    ),
    ("how many bands were looked up and accounts exported since the period began", &["answer: Asked"]),
    ("that a request succeeded, or why not; repeats nothing of the request", &["answer: Done Error"]),
    (
        "starts, stops, reloads, failed saves, named interfaces, what is missing; nothing that traffic causes",
        &["event: LabBuild TapChosen NothingKept PinsHidden SandboxMissing MemoryStart FirstStart Resumed \
             ResumedWithoutCounters LossAccepted SaveFailed SaveRecovered InterfaceAwaited \
             InterfaceAttached InterfaceGone LinkTypeUnsupported InterfaceRefused AttachedAgain InFrontAgain Behind NobodyBefore DescriptorsShort CountedTwice \
             UnknownRoleMember SocketOpenToAll \
             ListeningWide ListeningInClear ListeningToAll CertificateOver CertificateEarly NameLooksLikeAddress ReplacedOutside SmallCrowd ImplausibleClock Ready Reloaded ReloadRefused LinesDropped Failed Stopping \
             HandingOver"],
    ),
];
