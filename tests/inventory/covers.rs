//! What each datum stands for in the sources: fields (`meter/ledger SlotEntry: period mark`), or `series`, `event` and so on.

/// By the words of the datum in the table (`src/inventory/table.rs`).
pub(crate) const COVERS: &[(&str, &[&str])] = &[
    (
        "the slot of each account, found by its keyed tag (16 bytes, below); no name is held",
        &["roster/directory Directory: tags slots", "roster Roster: directory"],
    ),
    (
        "prefixes of accounts: which slot owns which address, by source, and on which interface (a keyed tag of its name); of VPN servers also under the account's tag, with how many polls in a row have missed it",
        &[
            "roster Roster: table elsewhere writing",
            "roster Writing: assignments disputed",
            "roster/assignments Assignments: pools v4 v6 outside",
            "roster/assignments PoolAssignments: pool assignments",
            "roster/table PoolSlots: pool slots",
            "roster/table Table: pools v4 v6 places",
            "roster/places Places: names given",
            "roster/table Prefixes: entries lengths used seed",
            "roster/table Entry: high low owner",
            "roster/owners Owned: prefix slot source",
            "roster/sources/feed Feed: source parts is_owed",
            "roster/sources/feed Part: name kept is_up is_asked",
            "roster/sources/kept Kept: grace entries",
            "roster/sources/kept Entry: prefix account missing",
        ],
    ),
    (
        "of addresses that VPN servers' hooks assigned: the number that the server gives the connection, by which its end is known; strongSwan's rise, so that they tell who came first",
        &[
            "roster Writing: sessions",
            "roster/sessions Session: number is_renumbered",
            "control/protocol Connection: number is_renumbered",
        ],
    ),
    (
        "where the roster file names each account: the first four bytes of its keyed tag, and a place in the file",
        &["roster/name_index NameIndex: length rows"],
    ),
    (
        "slots waiting for another account",
        &[
            "roster Writing: slots socket",
            "roster/slots SlotAllocator: directory next quarantined free",
            "roster/quota SocketQuota: reserve named",
            "roster/outside Outside: most held",
        ],
    ),
    (
        "numbers of prefixes and accounts by source, as of the last close",
        &[
            "roster Writing: latched connected heard",
            "roster/source Counts: sources accounts conflicts",
            "roster/source SourceCounts: prefixes accounts",
        ],
    ),
    (
        "how many hooks waited in vain or were refused since the start",
        &["engine/hook_counts HookCounts: unanswered refused latched"],
    ),
    (
        "log-ins that failed in the open epoch, as hooks reported them: one number, nobody's name",
        &["engine/hook_counts HookCounts: failed_log_ins", "node Node: failed_log_ins"],
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
    (
        "what is usual for each account, and its flags (64 bytes): levels and scales of its epochs, sums that build up, and how many epochs ago each kind was raised; what ticks of the open epoch showed, not which of them; with flags on",
        &[
            "meter/flags/baseline Baseline: levels scales volume_level volume_fast_level volume_scale surge mirror drift \
             unusual epochs sender_epochs since_mirror raised pending told",
            "meter/flags/detector Detector: constants thresholds baselines mirror",
            "meter/flags/watch Watch: detector tick mass_event_millionths state",
            "node Node: flags",
            "node/flags Flags: watch epoch_seconds tick_nanoseconds tick_began_at",
            "engine/checkpoint SavedSlots: baselines new",
        ],
    ),
    (
        "the counters of each account when the running tick began (1 h by default): who was active since shows; with flags on, never at rest",
        &["meter/ledger Ledger: ticks"],
    ),
    (
        "of the node's flags: how accounts swing (two counts), how far the open epoch's ticks looked interrupted, and whether the last epochs did or were a mass event",
        &[
            "meter/flags/surge Mirror: crossings active_epochs near_stalls",
            "meter/flags/watch WatchState: mirror interruption running closed told",
            "meter/flags/watch Verdict: node mass_event",
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
            "publish/http Part: text open_metrics",
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
            "node/rate_limits Officer: uid exported_today exported_this_week planned_today \
             changed_today",
        ],
    ),
    (
        "what staff did: who (user id, or a number that stands for a log-in name), what, how often, a correction's reason in a word, and the day; never of which account",
        &[
            "node Node: rights",
            "node/saved Rights: audit requests",
            "node/audit Audit: entries",
            "node/audit Entry: day who deed reason count",
        ],
    ),
    (
        "requests that wait for a second officer's word: the account's keyed tag, who asks, what is wanted, and the day; with support.two_person",
        &["node/pending Requests: last all", "node/pending Pending: id who tag wanted day approved"],
    ),
    (
        "the figures of the accounts exported today, under a keyed mark, and which officer has them: who asks again gets the same",
        &[
            "node/rate_limits RateLimitState: first_exports",
            "node/rate_limits FirstExport: mark uid figures",
            "node/rate_limits Figures: period open",
        ],
    ),
    (
        "keyed tags of accounts (16 bytes each), and keys: the root key, the links of its chain, the key of the tags",
        &[
            "roster Roster: tagger",
            "roster/places Places: tagger",
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
            "tap/worker/attachments Attachment: record serial index name place source",
            "tap/worker/stands Stands: told names",
            "tap/interfaces InterfaceEntry: index name other_names hardware rule queue_packets passed xdp master parent",
            "tap/conservation Conservation: interfaces left told seen queued",
            "tap/unseen Unseen: read stood_for told",
            "tap/conservation Compared: index rule passed is_whole",
            "tap/interfaces Passed: up down",
            "tap/gap Left: index name packets",
            "tap/interface_sum InterfaceReading: sum queued",
            "engine/checkpoint Earlier: sum origin went_on",
            "engine/checkpoint Checkpointer: interfaces earlier",
            "tap/interface_sum InterfaceSums: patterns links asked last",
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
            "control/access AccessPolicy: roster support privacy desk_support desk_privacy staff two_person",
            "control/staff Staff: persons log_ins",
            "control/handler Handler: access barred syncs",
            "engine/state State: probe",
            "control/peer Peer: uid language",
            "control/peer Members: uids",
        ],
    ),
    (
        "roster reader, a process of its own: the answer of a WireGuard device, with its private key, preshared keys, endpoints and times of handshakes; nothing of these goes further",
        &["roster/sources/wireguard/dump Dump: is_over is_interrupted"],
    ),
    (
        "roster reader and daemon: public keys of WireGuard peers with their prefixes",
        &[
            "roster/sources/wireguard/uapi Answer: peer",
            "roster/sources/wireguard/row Row: key account line",
            "roster/sources/wireguard/quick Block: is_peer key name",
            "roster/sources/wireguard/quick Found: account line is_apart",
        ],
    ),
    (
        "roster reader: a digest of each device's last answer, under a key of its own, which tells whether anything has changed",
        &["roster/sources/wireguard/kernel Known: key last"],
    ),
    (
        "the status file of an OpenVPN server, with real addresses, times and counters; nothing of these goes further",
        &["roster/sources/openvpn StatusFile: path written unchanged is_of_a_bridge passed"],
    ),
    (
        "what charon lists of its SAs, with real addresses, times and counters; nothing of these goes further",
        &["roster/sources/strongswan Charon: path identity passed"],
    ),
    (
        "a request of RADIUS accounting, with real addresses, times and counters, and the address of the VPN server; nothing of these goes further",
        &["daemon/radius RadiusInbox: buffer answers"],
    ),
    (
        "RADIUS accounting: which session has which prefix, of which account (its tag), and the last requests and ended sessions; sessions, servers and requests as digests under a random key",
        &[
            "daemon/radius RadiusInbox: sink untaken",
            "roster/sources/radius Sink: key sessions heard ended",
            "roster/sources/radius/sessions Sessions: sessions owners changes",
            "roster/sources/radius/sessions Owner: session account is_told",
            "roster/sources/radius/sessions Session: server prefixes",
            "roster/sources/radius/sessions Last: known order",
        ],
    ),
    (
        "RADIUS accounting: the secrets that VPN servers share with the daemon",
        &["daemon/radius RadiusInbox: secrets"],
    ),
    (
        "how much of what VPN servers say was passed over, by source and reason, now and as of the last close",
        &[
            "engine/passed_over Counts: now latched",
            "roster/sources/passed Passed: nameless malformed strangers roomless",
            "roster/sources/radius Sink: passed",
        ],
    ),
    (
        "with [fleet]: what every account, used or not, had moved in the period at the last refresh, with its flags, and a random key by which it is split between the clusters",
        &[
            "node Node: refreshed",
            "node/refreshed Refreshed: week period slots",
            "engine/refreshes Refresh: week period accounts",
            "engine/refreshes RefreshedAccount: tag slot up_bytes down_bytes kinds",
            "fleet/link Fleet: sending",
            "fleet/sending Sending: week expires key accounts groups left",
            "fleet/sending Account: tag slot up_bytes down_bytes kinds mark",
            "fleet/sending Left: to_put to_check is_sent",
        ],
    ),
    (
        "with release.scope \"fleet\": this node's sums of up to eight epochs, with a share of the noise in them, and a random key by which each is split between the clusters",
        &[
            "node Node: shares",
            "node/saved Head: shares",
            "node/shares Shares: policy waiting carried",
            "node/shares Waiting: ordinal share key",
            "meter/epoch Epochs: share",
        ],
    ),
    (
        "with [fleet]: the key that the fleet's nodes share",
        &[
            "exporter/epochs Opener: key",
            "daemon/fleet Prepared: key",
            "fleet/link Fleet: key",
            "fleet/sending Sending: fleet",
            "fleet/settings Settings: key",
            "roster Roster: former",
        ],
    ),
    (
        "the fleet's courier, a process of its own: log-ins and certificates for the clusters, and one round of calls, which are random-looking words; no key of the fleet",
        &[
            "fleet/cluster Access: letter fleet members certificates user password",
            "fleet/cluster Certificates: authority own",
            "fleet/cluster Cluster: client connection identity",
            "fleet/settings Settings: credentials clusters",
            "fleet/settings Credentials: passwords names",
            "fleet/cluster Call: function keys arguments",
            "fleet/wire Round: place role calls",
        ],
    ),
    (
        "whose a WireGuard peer is: the tag of its account under the tag of its key",
        &["roster/sources/wireguard/names Names: accounts is_open"],
    ),
    (
        "the state of taps, sources, saves, reloads and the sandbox",
        &[
            "engine/state Health: taps before overlaps sources close_ok store_ok reload_refusal next_release_seconds",
            "engine/tap_reports Globs: has_started is_partial failing failed unsaid of_others before overlaps",
            "control/handler Handler: state reloads desk reader",
            "engine/state Board: health pages policy",
            "engine/state State: interfaces roster node writer board sandbox backend counting listeners hooks passed_over troubles limits",
            "engine/source_troubles OfSource: source is_up parts told",
            "engine/source_troubles OfPart: name now since",
            "engine/kept_limits KeptLimits: save turns asked kept outdated",
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
        "log-ins to /metrics and to the desk: keyed digests of the names, hashes of the passwords, and keyed digests of one right credential per name and of the last sixteen wrong ones",
        &[
            "publish/web/login LogIn: key rows cost failed",
            "publish/web/login Row: name hash proven",
            "publish/web WebConfig: log_in headers asks_clients warnings",
        ],
    ),
    (
        "a request at the desk: the log-in, or the common name of a client certificate, and the account that its form names, with what is answered",
        &["desk/guard Form: fields", "desk/answer Account: view node"],
    ),
    (
        "who has a role at the desk: log-ins of the configuration, and digests of them; the texts of its pages",
        &["desk/answer Settings: open language node_name", "desk/answer OpenDesk: log_in names"],
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
        "kernel tap: which slot owns which address, and on which interface (a keyed tag of its name), which is the roster's own map",
        &[
            "map: owners hosts_v4 hosts_v6 routes_v4 routes_v6 names standing",
            "tap/kernel/owner_tables KernelOwners: pools dense in_use tables entries names standing",
            "tap/kernel/owner_tables Entry: owner above",
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
    (
        "what hooks, RADIUS accounting and `roster assign` said, from a stop to the next start: addresses, keyed tags of accounts and interfaces, connections' numbers, and in memory mode the key of the tags; a start wipes it, and so does `detach`; a reboot ends it",
        &[
            "file: control.kept",
            "engine/kept_assignments Left: key mark assignments",
            "roster/kept Kept: address length interface source account session",
        ],
    ),
    ("the control socket", &["file: control.socket"]),
    (
        "the pipe of hooks beside it, and the file of their answers: a random key, and of each answer a random number and whether it is in force",
        &[
            "file: control.hook",
            "control/hook_pipe HookPipe: folder requests answers admitted",
            "control/hook_pipe Answers: file key next",
            "control/inbox PipeInbox: requests room buffer answers settled handler rehearsal",
        ],
    ),
    (
        "the sealed blob: each account's figures above under its keyed tag, but for running ticks; bands, releases, limits, marks, figures of the day's exports, what staff did and what waits for a second officer, and what the interfaces' own counters read, as one sum; its size never depends on its contents",
        &[
            "file: store.path",
            "node/saved Record: tag period mark reading band baseline",
            "node/saved SavedFlags: epoch_seconds state",
            "node/saved Head: memory boot schedule publish_at sealed released dates refresh_index \
             refreshed_at period_index period_began_at carry interfaces is_last limits flags rights",
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
        "the operator's files: configuration, roster, accounts of WireGuard peers, root key, secrets of RADIUS, web configuration, certificates; read, never written",
        &["file: configuration"],
    ),
];
