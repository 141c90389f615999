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

const SANDBOX: Catcher =
    catcher("sandbox", "tests/sandbox.rs", "every_thread_of_the_daemon_and_the_helper_is_enclosed");

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
    plant("L27", "counts of connections are those of this moment", PAIRS, "roster counts differs"),
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
];
