//! What each datum that is published, answered, logged or kept by a fleet's servers stands for: series, answers,
//! events, functions.

/// By the words of the datum in the table (`src/inventory/table.rs`), after those of `covers`.
pub(crate) const SHOWN: &[(&str, &[&str])] = &[
    (
        "what each node says of each account of the roster, used or not: bytes sent and received in the period and its flags, as of this week and the one before, under a tag that only the fleet's nodes can make; with two clusters, random words of which both together are needed",
        &["function: bm_put bm_kept bm_total"],
    ),
    (
        "how often an account was erased or corrected in the period, and what a correction stands for, under the same tag; with two clusters, a random share of it",
        &["function: bm_erase"],
    ),
    (
        "shares of each node's sums of an epoch, with a share of the noise in them, and which nodes' were opened",
        &["function: bm_share bm_withdraw bm_shares bm_open"],
    ),
    (
        "which fleet and cluster the servers serve: a digest of the fleet's key, and a letter; their users, with SHA-256 of random passwords; the last sendings in order, for replicas (1 MiB)",
        &["function: bm_identity"],
    ),
    (
        "node totals of the last epoch, counts of the node and of newly flagged accounts by kind, noisy or coarse depending on the mode; how large the noise is; whether the tap was away",
        &[
            "series: blindmeter_epoch blindmeter_epoch_bytes blindmeter_epoch_unattributed_bytes blindmeter_epoch_suppressed blindmeter_epoch_irregular_accounts blindmeter_epoch_mass_event blindmeter_epoch_interrupted blindmeter_epoch_lost_packets blindmeter_epoch_malformed_packets blindmeter_epoch_failed_attempts blindmeter_epoch_node_noise_stddev blindmeter_epoch_tap_gap blindmeter_epoch_length_seconds blindmeter_epoch_noise_stddev_bytes blindmeter_epoch_rounding_bytes blindmeter_epoch_crowd",
        ],
    ),
    (
        "by fleet export: a fleet's totals of the last epoch with their noise, as a node's, how many nodes are in them, which clusters answer; and in its own file the same, with bytes that were held back, which go into a later epoch",
        &[
            "fleet series: blindmeter_fleet_epoch blindmeter_fleet_epoch_bytes blindmeter_fleet_epoch_unattributed_bytes blindmeter_fleet_epoch_suppressed blindmeter_fleet_epoch_irregular_accounts blindmeter_fleet_epoch_mass_event blindmeter_fleet_epoch_interrupted blindmeter_fleet_epoch_lost_packets blindmeter_fleet_epoch_malformed_packets blindmeter_fleet_epoch_failed_attempts blindmeter_fleet_epoch_node_noise_stddev blindmeter_fleet_epoch_length_seconds blindmeter_fleet_epoch_noise_stddev_bytes blindmeter_fleet_epoch_rounding_bytes blindmeter_fleet_epoch_crowd blindmeter_fleet_epoch_nodes blindmeter_fleet_epoch_needed_nodes blindmeter_fleet_epoch_account_nodes blindmeter_fleet_cluster_up blindmeter_fleet_store_ok blindmeter_fleet_next_release_timestamp_seconds",
            "exporter Exporter: kept troubles is_kept before",
            "exporter/kept Kept: policy release nodes carried",
            "exporter/kept Form: schema_version policy nodes release carried",
        ],
    ),
    (
        "the state of the daemon, which traffic cannot change",
        &[
            "series: blindmeter_build_info blindmeter_policy_info blindmeter_tap_attached blindmeter_roster_source_up blindmeter_store_ok blindmeter_config_last_reload_successful blindmeter_next_release_timestamp_seconds",
        ],
    ),
    (
        "one account's usage band and flags, with what to do",
        &[
            "answer: Account",
            "control/reports AccountView: schema_version account band flags",
            "control/reports BandReport: at_least_bytes below_bytes as_of period",
            "control/reports PeriodReport: first_day last_day",
            "control/reports FlagReport: kind list severity advice",
        ],
    ),
    (
        "with [fleet]: one account over all nodes: its band, its flags with on how many nodes, how many nodes there are, have not sent this week or have followed an erasure, never which; exact sums in an export",
        &[
            "answer: FleetAccount FleetConfirmed",
            "control/fleet_reports FleetView: schema_version account band flags nodes stale_nodes",
            "control/fleet_reports FleetFlag: flag nodes",
            "control/fleet_reports FleetConfirmation: nodes followed all_by",
            "control/reports AccountExport: fleet",
        ],
    ),
    (
        "the accounts that carry a flag, with what to do, by names that are found in the roster file or among those that the request brought; whether the node looked interrupted, or a mass event",
        &[
            "answer: Flagged",
            "control/reports FlaggedReport: schema_version enabled node mass_event accounts unnamed",
            "control/reports FlaggedAccount: account flags",
        ],
    ),
    (
        "everything held about one account, exact",
        &[
            "answer: Export",
            "control/reports AccountExport: schema_version account period open_epoch baseline flags",
            "control/reports LearnedReport: levels scales volume sums epochs",
            "control/reports TotalsReport: up_bytes up_packets down_bytes down_packets",
        ],
    ),
    (
        "whether a roster source names an account (one that follows connections: at the last close), and what its export would use up",
        &[
            "answer: ExportPlan",
            "control/reports ExportPlan: schema_version account named_by_roster exports repeats uses_up left_today refusal",
        ],
    ),
    (
        "receipts of corrections and erasures, alike whoever exists: the account that was asked for, the day, and what remains where until when; what waits for a second officer's word, and what staff did, by day, without an account",
        &[
            "answer: Corrected Erased Waits Pending Audit",
            "control/rights Correction: schema_version account day reason up_bytes down_bytes remains",
            "control/rights Erasure: schema_version account day erased remains",
            "control/rights Remainder: place what until",
            "control/rights Waiting: schema_version id ends",
            "control/rights PendingReport: schema_version two_person requests",
            "control/rights PendingRequest: id who is_own what reason day ends approved",
            "control/rights AuditReport: schema_version kept_days entries",
            "control/rights AuditRow: day who what reason count",
        ],
    ),
    (
        "the node's exact totals of the period",
        &[
            "answer: Node",
            "control/reports NodeExport: schema_version attributed unattributed not_ip malformed link lost",
            "control/reports PacketsReport: packets",
        ],
    ),
    (
        "sizes of the roster; for sources that follow connections, as of the last close and rounded up to a multiple of 8",
        &[
            "answer: Counts",
            "control/protocol CountsReport: schema_version sources conflicts skipped_lines skipped capacity released",
            "control/protocol SkippedReport: source reason count",
            "control/protocol ReleasedReport: epoch attributed_bytes unattributed_bytes attributed_noise_stddev_bytes \
             unattributed_noise_stddev_bytes",
            "control/protocol SourceReport: source prefixes accounts up without_account latched",
        ],
    ),
    (
        "the state of the daemon",
        &[
            "answer: Status",
            "control/protocol StatusReport: schema_version version backend counters counters_reason listeners \
              accounts next_release_seconds interfaces sources last_close_ok last_save_ok reload_ok \
              reload_refusal remarks conflicts hooks_unanswered hooks_refused counted_twice sandbox sandbox_missing system_calls profile fleet",
            "control/protocol FleetClusterReport: cluster state trouble",
            "control/protocol InterfaceReport: interface attached before",
            "control/protocol SourceState: source up",
        ],
    ),
    ("how many bands were looked up and accounts exported since the period began", &["answer: Asked"]),
    ("that a request succeeded, or why not; repeats nothing of the request", &["answer: Done Error"]),
    (
        "starts, stops, reloads, failed saves, named interfaces, roster sources, what is missing; nothing that traffic causes",
        &[
            "event: AssignmentsForgotten AssignmentsLost LabBuild TapChosen NothingKept PinsHidden SandboxMissing MemoryStart FirstStart Resumed \
             ResumedWithoutCounters LossAccepted SaveFailed LastSaveFailed SaveRecovered FleetTrouble FleetRecovered InterfaceAwaited \
             InterfaceAttached InterfaceGone LinkTypeUnsupported InterfaceRefused AttachedAgain InFrontAgain Behind NobodyBefore DescriptorsShort CountedTwice \
             UnknownRoleMember SocketOpenToAll SocketForOwner DescriptorPassed SourceLost SourceBack \
             ListeningWide ListeningInClear ListeningToAll CertificateOver CertificateEarly NameLooksLikeAddress ReplacedOutside PortTaken PortsBound SmallCrowd ImplausibleClock Ready Reloaded ReloadRefused LinesDropped Failed Stopping \
             HandingOver",
        ],
    ),
];
