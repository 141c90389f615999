//! Every planted leak, and the test that catches it. What is planted is in `source/`; the row is the
//! design's.

/// A test.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Catcher {
    /// Its target of cargo.
    pub(crate) target: &'static str,
    /// The file that it stands in.
    pub(crate) file: &'static str,
    /// Its name in its target.
    pub(crate) test: &'static str,
}

/// A planted leak.
pub(crate) struct Plant {
    pub(crate) row: &'static str,
    /// The mistake, in words.
    pub(crate) what: &'static str,
    pub(crate) catcher: Catcher,
    /// A text of what the test says then: it is red for this reason and no other.
    pub(crate) says: &'static str,
}

impl Catcher {
    /// The file and the test's own name, as SECURITY.md names it.
    pub(crate) fn name(&self) -> String {
        format!("{}::{}", self.file, self.test.rsplit("::").next().unwrap_or_default())
    }
}

const fn catcher(target: &'static str, file: &'static str, test: &'static str) -> Catcher {
    Catcher { target, file, test }
}

/// Paired traces.
pub(crate) const PAIRS: Catcher = catcher(
    "leakage_pairs",
    "tests/leakage/pairs/main.rs",
    "when_inside_an_epoch_shows_nowhere_and_totals_not_before_their_release",
);

const SERIES: Catcher =
    catcher("http", "tests/http.rs", "the_set_of_series_is_the_documented_one_and_constant");

const HEADERS: Catcher =
    catcher("http", "tests/http.rs", "each_page_has_its_type_and_no_header_that_tells_more");

const IMAGES: Catcher = catcher(
    "leakage_pairs",
    "tests/leakage/pairs/at_rest.rs",
    "at_rest::of_thirty_nightly_images_the_last_chain_file_opens_one",
);

const PATIENCE: Catcher = catcher(
    "leakage_pairs",
    "tests/leakage/pairs/patience.rs",
    "patience::no_answer_but_an_exact_one_waits_for_packets",
);

const FLAGS: Catcher = catcher(
    "leakage_pairs",
    "tests/leakage/pairs/flags.rs",
    "flags::which_tick_was_bad_shows_nowhere_and_that_one_was_not_before_the_release",
);

const SANDBOX: Catcher =
    catcher("sandbox", "tests/sandbox.rs", "every_thread_of_the_daemon_and_the_helper_is_enclosed");

const KEPT_OVER_STOPS: Catcher = catcher(
    "hooks",
    "tests/hooks/kept.rs",
    "kept::what_hooks_said_lies_in_memory_from_a_stop_to_the_next_start_and_no_longer",
);

const SAID_OF_CLIENTS: Catcher = catcher(
    "hooks",
    "tests/hooks/memory.rs",
    "memory::what_servers_said_of_clients_is_nowhere_in_memory_a_second_later",
);

const LISTED: Catcher = catcher(
    "hooks",
    "tests/hooks/memory.rs",
    "memory::what_charon_listed_is_nowhere_in_memory_a_second_later",
);

const LOOK_UPS: Catcher = catcher(
    "look_ups",
    "tests/look_ups.rs",
    "a_member_of_staff_looks_up_thirty_accounts_a_minute_whoever_they_are",
);

pub(crate) const GATE: Catcher =
    catcher("audit", "tests/audit.rs", "the_crowd_gate_tells_its_epsilon_and_no_more");

pub(crate) const NODE_SERIES: Catcher = catcher(
    "audit",
    "tests/audit.rs",
    "each_node_series_tells_its_epsilon_of_the_stated_influence_and_no_more",
);

const CHATTER: Catcher = catcher(
    "properties",
    "tests/properties/release.rs",
    "release::the_devices_own_chatter_is_in_no_published_series",
);

const ROLES: Catcher = of_roles("a_role_is_a_users_by_name_or_by_the_systems_list_of_a_group");
const QUEUE: Catcher = of_roles("who_has_no_role_does_not_get_as_far_as_the_queue");
const ACCESSED: Catcher = of_roles("the_sockets_access_time_does_not_tell_the_last_hook");

const fn of_roles(test: &'static str) -> Catcher {
    catcher("control_roles", "tests/control_roles.rs", test)
}

const POLLED: Catcher =
    catcher("hooks", "tests/hooks/argv.rs", "argv::names_on_standard_input_are_seen_by_nobody");

const WATCHED: Catcher =
    catcher("hooks", "tests/hooks/watch.rs", "watch::other_users_do_not_see_when_a_hook_ran");

const LINGERS: Catcher = catcher(
    "control_roles",
    "tests/control_roles/descriptors.rs",
    "descriptors::a_descriptor_whose_close_waits_holds_up_nobody",
);

const PIPE: Catcher = catcher("hooks", "tests/hooks.rs", "only_the_role_of_hooks_gets_as_far_as_their_pipe");

const ROOM: Catcher = catcher("hooks", "tests/hooks.rs", "the_pipe_has_its_room_again_at_the_next_tick");

const TWO_ROLES: Catcher =
    catcher("bad_input", "tests/bad_input.rs", "check_warns_of_one_person_with_two_roles");

const SOCKETS: Catcher =
    catcher("hooks", "tests/hooks.rs", "a_hook_makes_no_socket_and_its_requests_have_one_length");

const KEPT: Catcher =
    catcher("look_ups", "tests/look_ups.rs", "a_kill_right_after_an_export_forgets_nothing_of_it");

const UNKNOWN_PAGE: Catcher =
    of_desk("tests/desk/pages.rs", "pages::an_account_that_nobody_has_looks_like_one_that_was_never_used");
const UNNAMED: Catcher =
    of_desk("tests/desk/words.rs", "words::no_name_stands_in_an_address_a_header_or_the_log");
const OTHER_SITE: Catcher =
    of_desk("tests/desk/guard.rs", "guard::what_another_site_had_a_browser_send_is_not_done");

const fn of_desk(file: &'static str, test: &'static str) -> Catcher {
    catcher("desk", file, test)
}

const OUTSIDE: Catcher = catcher(
    "properties",
    "tests/properties/outside.rs",
    "outside::the_socket_is_refused_addresses_by_what_it_holds_itself",
);

const TAKEN_BACK: Catcher = of_roles("taking_an_address_back_tells_nobody_whether_it_was_assigned");

const SYNCS: Catcher = catcher(
    "control_roles",
    "tests/control_roles/syncs.rs",
    "syncs::large_rosters_at_once_hold_up_no_scrape_and_take_the_memory_of_one",
);

const AS_LONG: Catcher =
    catcher("hooks", "tests/hooks/watch.rs", "watch::answers_take_as_long_with_a_hook_as_without");

const UNTOLD: Catcher =
    catcher("hooks", "tests/hooks.rs", "what_becomes_of_hooks_is_not_told_before_the_close");

const PROBE: Catcher =
    catcher("look_ups", "tests/look_ups.rs", "nobody_elses_address_becomes_the_probe_accounts");

const ALIKE: Catcher =
    catcher("rights", "tests/rights.rs", "corrections_and_erasures_answer_alike_whoever_exists");

const ERASED: Catcher = catcher(
    "rights",
    "tests/rights/erasures.rs",
    "erasures::a_thousand_erasures_under_load_leave_nothing_that_opens",
);

const AUDIT: Catcher =
    catcher("rights", "tests/rights.rs", "the_audit_tells_what_staff_did_and_never_of_whom");

const UNREAD: Catcher = of_reader("nothing_of_a_device_is_in_memory_a_second_after_it_was_asked");
const READER: Catcher = of_reader("the_reader_is_enclosed_and_ends_with_the_daemon");

const fn of_reader(test: &'static str) -> Catcher {
    catcher("wireguard_reader", "tests/wireguard_reader.rs", test)
}

const VOID: Catcher = catcher(
    "doctor",
    "tests/doctor/injected.rs",
    "injected::a_namespace_without_shells_is_void_where_proc_shows_its_processes",
);

pub(crate) const EXISTENCE: Catcher =
    catcher("leakage_games", "tests/leakage/games/main.rs", "no_answer_tells_who_exists");

pub(crate) const ALL_SERIES: Catcher = catcher(
    "leakage_games",
    "tests/leakage/games/main.rs",
    "no_series_tells_more_of_an_account_than_its_budget",
);

pub(crate) const FLAG_COUNTS: Catcher = catcher(
    "leakage_games",
    "tests/leakage/games/main.rs",
    "a_year_of_flag_counts_tells_no_more_of_an_account_than_their_budget",
);

pub(crate) const FLEET: Catcher = catcher(
    "leakage_games",
    "tests/leakage/games/main.rs",
    "one_cluster_of_a_fleet_tells_nothing_of_an_account_and_both_no_more_than_is_said",
);

const OWN_PAGE: Catcher =
    catcher("audit", "tests/audit/fleet.rs", "fleet::a_node_of_a_fleet_publishes_nothing_of_its_own");

const SHARE_NOISE: Catcher =
    catcher("audit", "tests/audit/fleet.rs", "fleet::each_word_of_a_share_that_traffic_moves_has_noise");

const FUNCTIONS: Catcher = catcher(
    "fleet_servers",
    "tests/fleet_servers/functions.rs",
    "functions::what_does_not_fit_is_refused_and_what_was_erased_stays_so",
);

const SETTINGS: Catcher = catcher(
    "fleet_servers",
    "tests/fleet_servers/checked.rs",
    "checked::each_bad_setting_is_named_with_its_server",
);

const COURIER: Catcher =
    catcher("sandbox", "tests/sandbox.rs", "the_courier_of_a_fleet_is_enclosed_and_holds_no_file");

const ONE_CLUSTER: Catcher =
    catcher("fleet_files", "tests/fleet_files.rs", "what_works_and_disappoints_is_told");

const TICK_TIME: Catcher =
    catcher("flags", "tests/flags/time.rs", "time::a_tick_takes_as_long_whoever_sent_in_it");

const FLOORS: Catcher = catcher("bad_input", "tests/bad_input.rs", "a_floor_that_is_violated_is_named");

const TAKEN: Catcher = binary("binary::without_a_word_on_it_the_kernels_tap_is_taken");
const GLOB: Catcher = binary("binary::a_device_that_comes_or_goes_under_a_glob_shows_nowhere");
const MEMORY: Catcher = binary("binary::memory_mode_pins_nothing_and_leaves_nothing");

const fn binary(test: &'static str) -> Catcher {
    catcher("leakage_pairs", "tests/leakage/pairs/binary.rs", test)
}

const TIMES: Catcher = catcher(
    "leakage_needles",
    "tests/leakage/needles/times.rs",
    "times::no_time_of_the_load_is_found_after_it",
);

const ACCOUNTING: Catcher =
    catcher("radius", "tests/radius.rs", "what_clients_do_is_seen_nowhere_before_a_close");

const REQUESTED: Catcher =
    catcher("radius", "tests/radius.rs", "what_a_request_said_is_nowhere_in_memory_a_second_later");

const RECEIVERS: Catcher =
    catcher("properties", "tests/properties/release.rs", "release::accounts_that_only_receive_are_no_crowd");

const HOLDER: Catcher =
    catcher("control_roles", "tests/control_roles.rs", "one_members_connections_are_in_nobody_elses_way");

const POLLS: Catcher =
    catcher("hooks", "tests/hooks/polls.rs", "polls::a_poll_takes_as_long_whoever_is_connected");

const FLOODED: Catcher = catcher(
    "properties",
    "tests/properties/release.rs",
    "release::a_flood_of_an_address_that_is_nobodys_shows_as_little_as_a_packet",
);

const HELD_UP: Catcher = catcher(
    "doctor",
    "tests/doctor/injected.rs",
    "injected::a_configuration_that_is_a_pipe_or_a_device_holds_nobody_up",
);

const fn plant(row: &'static str, what: &'static str, catcher: Catcher, says: &'static str) -> Plant {
    Plant { row, what, catcher, says }
}

/// One for each row.
pub(crate) const PLANTS: &[Plant] = &[
    plant("L01", "each account's open epoch is a series of /metrics", PAIRS, "/metrics differs"),
    plant("L02", "node totals are refreshed at each look", PAIRS, "two pages of epoch"),
    plant("L03", "an unknown account is said to be unknown", PAIRS, "show unknown differs from show unused"),
    plant("L04", "an account exists from its first packet on", PAIRS, "show file differs"),
    plant("L05", "what is held of an account goes at once with its address", PAIRS, "hook differs"),
    plant("L06", "a flag shows when the open epoch passes a threshold", PAIRS, "show file differs"),
    plant("L07", "a series of when a series was made", SERIES, "blindmeter_epoch_created"),
    plant("L08", "a series of when the process was started", SERIES, "process_start_time_seconds"),
    plant("L09", "a restart closes the epoch that runs", PAIRS, "is the last that is known"),
    plant(
        "L10",
        "a boundary of the wall clock is enough for a close",
        PAIRS,
        "after the close or start before it",
    ),
    plant("L11", "a restart draws noise anew for what was released", PAIRS, "two pages of epoch"),
    plant("L12", "a save is left out when nothing was counted", PAIRS, "state directory differs"),
    plant("L13", "a file of the records that changed beside the blob", PAIRS, "state directory differs"),
    plant("L14", "the key of a blob is derived of the root key alone", IMAGES, "of 30 images"),
    plant("L15", "a log line tells how much was counted", PAIRS, "log differs"),
    plant("L16", "an error repeats the address that it complains about", PAIRS, "repeats an address"),
    plant("L17", "dumps and cores are left on", SANDBOX, "left == right"),
    plant("L18", "a file of the accounts that are in use beside the blob", PAIRS, "state directory differs"),
    plant("L19", "the state tells how many packets were seen", PAIRS, "status differs"),
    plant("L20", "the page has a validator", HEADERS, "etag"),
    plant("L21", "a user-space tap is taken where the kernel's works", TAKEN, "\"ring\""),
    plant("L22", "look-ups have no limit", LOOK_UPS, "(40, 0)"),
    plant("L23", "the crowd gate has no noise", GATE, "gate: observed"),
    plant("L24", "floors are what the configuration says", FLOORS, "exit code"),
    plant("L25", "series that are zero are left out", PAIRS, "has other series"),
    plant("L26", "the gauge of a glob is 1 while something matches", GLOB, "/metrics without any"),
    plant("L27", "counts of connections are those of this moment", PAIRS, "status differs"),
    plant("L28", "the tap is kept in memory mode too", MEMORY, "pins of memory mode"),
    plant(
        "L29",
        "a page waits until the tap has counted",
        PATIENCE,
        "answers that wait for packets: [\"/-/ready\"]",
    ),
    plant("L30", "when each account was last active is kept", TIMES, "tcx over TUN: memory and registers"),
    plant("L31", "an error says whether an address is in use", PAIRS, "refused release differs"),
    plant(
        "L32",
        "counts of the node are rounded up to a step, without noise",
        NODE_SERIES,
        "unattributed, both directions: observed",
    ),
    plant(
        "L33",
        "a device's own messages count as unattributed",
        CHATTER,
        "published of the device's own messages",
    ),
    plant("L34", "a person's subordinate user ids have the person's role", ROLES, "nothing is told"),
    plant("L35", "a command shows the name that it passes on as its own", POLLED, "names on standard input"),
    plant("L36", "an address is given to the probe account over the socket", PROBE, "exit code"),
    plant("L37", "a place is refused to who has none alone", EXISTENCE, "G10 who exists"),
    plant("L38", "everybody may connect, and is refused then", QUEUE, "nobody connects"),
    plant("L39", "the sockets have the access time that the kernel gives them", ACCESSED, "far ahead"),
    plant("L40", "the tap's thread is woken before each change", WATCHED, "seen by other users"),
    plant("L41", "hooks are counted as they come", UNTOLD, "of hooks before a close"),
    plant("L42", "a namespace of its own is taken to hide the tunnel", VOID, "rw,relatime"),
    plant("L43", "a series counts the assignments of an epoch", ALL_SERIES, "20 log-ins without a packet"),
    plant("L44", "a connection is read without a look at what is with it", LINGERS, "status while a close"),
    plant("L45", "everybody who has a role may write into the hooks' pipe", PIPE, "a member of support"),
    plant("L46", "a hook waits for its answer on a socket", SOCKETS, "sockets of a hook"),
    plant("L47", "limits are saved with the next regular save", KEPT, "exit code"),
    plant("L48", "everybody is told whether an address was assigned", TAKEN_BACK, "one that was"),
    plant("L49", "the roster's thread does nothing where no hook has come", WATCHED, "seen by other users"),
    plant("L50", "a roster is read on the thread that answers", SYNCS, "a scrape waited"),
    plant("L51", "who answers waits while a change is made", AS_LONG, "tells of a hook"),
    plant(
        "L52",
        "what a WireGuard device answered stays in the reader's buffer",
        UNREAD,
        "memory of the reader",
    ),
    plant("L53", "the roster reader keeps what the daemon started with", READER, "left == right"),
    plant("L54", "what clients bring about of a source is told at once", ACCOUNTING, "/metrics differs"),
    plant(
        "L55",
        "what hooks said stays in its file when a start has read it",
        KEPT_OVER_STOPS,
        "while a daemon runs",
    ),
    plant("L56", "what a status file said stays in the memory", SAID_OF_CLIENTS, "in memory"),
    plant("L57", "a flag is told as soon as a tick shows it", FLAGS, "differs by the order of ticks"),
    plant("L58", "what is usual is learned at the end of each tick", FLAGS, "differs by the order of ticks"),
    plant("L59", "what others send to accounts makes a crowd of them", RECEIVERS, "bytes sent by each"),
    plant("L60", "doctor opens whatever a process names", HELD_UP, "comes to an end"),
    plant("L61", "the hooks' pipe stays as small as somebody made it", ROOM, "bytes of room"),
    plant("L62", "a key that changes leaves the pipe as it is", PIPE, "kept the pipe open"),
    plant("L63", "check does not say that one person has two roles", TWO_ROLES, "left == right"),
    plant("L64", "all that is sent to nobody's addresses is shown", FLOODED, "what one account may move"),
    plant("L65", "a poll takes as long as the server's clients ask for", POLLS, "a poll tells of clients"),
    plant("L66", "all users share places and turns", HOLDER, "by another"),
    plant("L67", "what charon lists stays in the memory", LISTED, "in memory"),
    plant("L68", "what a request of RADIUS said stays in the memory", REQUESTED, "in memory"),
    plant("L69", "a tick passes over accounts that sent nothing", TICK_TIME, "nanoseconds of a tick"),
    plant("L70", "counts of flags have no noise", FLAG_COUNTS, "G11 a year of flag counts"),
    plant("L71", "only who is there is erased", ALIKE, "nothing is held of this account"),
    plant("L72", "an erasure leaves the key of the blob as it is", ERASED, "the predecessor opens no more"),
    plant("L73", "the audit names the account", AUDIT, "is repeated"),
    plant("L74", "support is told that nobody has a name", UNKNOWN_PAGE, "left == right"),
    plant("L75", "a header repeats what a page is about", UNNAMED, "/account"),
    plant("L76", "a request of another site is done", OTHER_SITE, "cross-site"),
    plant("L77", "addresses outside the pools share one room", OUTSIDE, "with 0 others"),
    plant("L78", "cluster B is told the bare words", FLEET, "G12 cluster B: did the account"),
    plant("L79", "a node sends the accounts that were used", FLEET, "G12 cluster A: did the account"),
    plant("L80", "a node sends an account when it logs in", FLEET, "G12 both clusters: in which half"),
    plant("L81", "accounts that were used are sent first", FLEET, "G12 cluster A: did the account"),
    plant("L82", "shares are the same every week", FLEET, "G12 cluster B: did the account"),
    plant("L83", "the tags of two periods are the same", FLEET, "G12 whose tag"),
    plant("L84", "words that are zero are left out", FLEET, "G12 calls on the wire"),
    plant("L85", "the desk is told which nodes know an account", FUNCTIONS, "left == right"),
    plant("L86", "check passes over a log of slow calls", SETTINGS, "slowlog-log-slower-than"),
    plant("L87", "the courier keeps what the daemon started with", COURIER, "left == right"),
    plant("L88", "check does not say what one cluster tells", ONE_CLUSTER, "there is one cluster"),
    plant("L89", "a node reads words back, and no digest", FUNCTIONS, "refusals changed something"),
    plant("L90", "a node of a fleet publishes totals of its own", OWN_PAGE, "nothing of its own traffic"),
    plant("L91", "a node's share of a fleet's epoch has no noise", SHARE_NOISE, "has noise"),
];
