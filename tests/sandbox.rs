//! What is put around the daemon and its helper once they are set up, seen from outside; `sandbox_inside`
//! makes an attempt at each thing that it forbids.

mod netns;
mod support;

use blindmeter::system::sandbox::{CALLS, COURIER_CALLS, HELPER_CALLS, READER_CALLS};
use netns::Namespace;
use netns::daemon::{Daemon, Setup};
use netns::folder::Folder;
use netns::wire::{Kind, Wire};
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// What /proc/PID/status says of one task.
struct Task {
    name: String,
    status: String,
}

impl Task {
    fn all(process: u32) -> Vec<Self> {
        let tasks = fs::read_dir(format!("/proc/{process}/task")).expect("the process lives");
        let read = |path: PathBuf| fs::read_to_string(path).expect("root reads every task");
        tasks
            .map(|task| {
                let path = task.expect("a task").path();
                Self { name: read(path.join("comm")).trim().to_owned(), status: read(path.join("status")) }
            })
            .collect()
    }

    fn value(&self, key: &str) -> &str {
        let line = self.status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        line.unwrap_or_else(|| panic!("no {key} of {}", self.name)).trim()
    }
}

#[test]
fn every_thread_of_the_daemon_and_the_helper_is_enclosed() {
    for tap in ["tcx", "clsact", "ring", "pnet"] {
        let namespace = Namespace::new();
        let _wire = Wire::make(&namespace, Kind::Tun, "tun0");
        let setup = Setup { backend: tap, interfaces: vec!["tun0"], pools: vec![], roster: String::new() };
        let folder = Folder::keeping(&setup, "24h");
        let daemon = Daemon::start_in(&namespace, &folder);
        let kernel = matches!(tap, "tcx" | "clsact");
        // A thread gives itself its name, a moment after it began.
        let tasks = support::wait::wait_for("threads by their names", || {
            let tasks = Task::all(daemon.id());
            let named = |name: &&str| tasks.iter().any(|task| task.name == **name);
            ["blindmeter", "tap", "roster", "log"].iter().all(named).then_some(tasks)
        });
        let left = if kernel { "0000000000000000" } else { "0000000000002000" };
        for task in &tasks {
            for key in ["CapPrm", "CapEff"] {
                assert_eq!(task.value(key), left, "{tap}: {key} of {}", task.name);
            }
            for key in ["CapInh", "CapAmb"] {
                assert_eq!(task.value(key), "0000000000000000", "{tap}: {key} of {}", task.name);
            }
            assert_eq!(task.value("NoNewPrivs"), "1", "{tap}: {}", task.name);
            assert_eq!((task.value("Seccomp"), task.value("Seccomp_filters")), ("2", "2"), "{}", task.name);
        }
        assert_no_core(daemon.id());
        if kernel {
            let helper = Task::all(daemon.helper());
            assert_eq!(helper.len(), 1, "the helper has no thread");
            assert_eq!(helper[0].name, "bm-helper");
            // CAP_NET_ADMIN and CAP_BPF.
            assert_eq!(helper[0].value("CapEff"), "0000008000001000");
            assert_eq!(helper[0].value("CapPrm"), "0000008000001000");
            assert_eq!((helper[0].value("NoNewPrivs"), helper[0].value("Seccomp")), ("1", "2"));
            assert_no_core(daemon.helper());
            let open = fs::read_dir(format!("/proc/{}/fd", daemon.helper())).expect("root looks").count();
            assert_eq!(open, 6, "its socket, four programs and standard error");
        }
        daemon.stop();
    }
}

/// The one process that speaks to a fleet's servers holds no file and no capability, and can do nothing else.
#[test]
fn the_courier_of_a_fleet_is_enclosed_and_holds_no_file() {
    let namespace = Namespace::new();
    let _wire = Wire::make(&namespace, Kind::Tun, "tun0");
    let setup = Setup { backend: "tcx", interfaces: vec!["tun0"], pools: vec![], roster: String::new() };
    let folder = Folder::keeping(&setup, "24h");
    for (file, bytes) in [("fleet.key", &[3; 32][..]), ("fleet.credentials", b"node:one\ndesk:two\n")] {
        fs::write(folder.path(file), bytes).expect("ours");
        fs::set_permissions(folder.path(file), fs::Permissions::from_mode(0o600)).expect("ours");
    }
    let (key, credentials) = (folder.path("fleet.key"), folder.path("fleet.credentials"));
    let fleet = format!(
        "[fleet]\nkey_file = {key:?}\ncredentials_file = {credentials:?}\n[[fleet.cluster]]\nmembers = \
         [\"127.0.0.1:7001\"]\n[web]"
    );
    folder.configure("[web]", &fleet);
    let daemon = Daemon::start_in(&namespace, &folder);
    let courier = daemon.children().into_iter().find(|(_, name)| name == "bm-courier");
    let (courier, _) = courier.expect("a fleet has a courier");
    let tasks = Task::all(courier);
    assert_eq!(tasks.len(), 1, "the courier has no thread");
    for key in ["CapPrm", "CapEff", "CapInh", "CapAmb"] {
        assert_eq!(tasks[0].value(key), "0000000000000000", "{key} of the courier");
    }
    let confined = ["NoNewPrivs", "Seccomp", "Seccomp_filters"].map(|key| tasks[0].value(key));
    assert_eq!(confined, ["1", "2", "2"], "the courier is confined");
    assert_no_core(courier);
    let open = fs::read_dir(format!("/proc/{courier}/fd")).expect("root looks").count();
    assert_eq!(open, 2, "its socket and standard error");
    daemon.stop();
}

/// Cores have no size. That no tracer may look is seen where the daemon is not root's
/// (`live_unprivileged`).
fn assert_no_core(process: u32) {
    let limits = fs::read_to_string(format!("/proc/{process}/limits")).expect("root reads limits");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a limit of cores");
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"]);
}

#[test]
fn the_level_in_force_is_in_status_and_what_is_missing_is_said() {
    let namespace = Namespace::new();
    let _wire = Wire::make(&namespace, Kind::Tun, "tun0");
    let setup = Setup { backend: "tcx", interfaces: vec!["tun0"], pools: vec![], roster: String::new() };
    let daemon = Daemon::start(&namespace, &setup);
    let status = daemon.answer(&["status", "--json"]);
    assert_eq!(status["system_calls"], CALLS);
    let missing: Vec<&str> = status["sandbox_missing"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|part| part.as_str())
        .collect();
    // What a machine of the tests may lack: the right to lock memory.
    let may_lock = may_lock_memory();
    assert_eq!(missing, if may_lock { vec![] } else { vec!["memory-locked"] });
    assert_eq!(status["sandbox"], if may_lock { "full" } else { "partial" });
    let said = daemon.said();
    assert_eq!(said.contains("LimitMEMLOCK=infinity"), !may_lock, "{said}");
    daemon.stop();
}

/// Whether this machine lets a process lock its memory without a limit: it has none, or root may
/// lift it.
fn may_lock_memory() -> bool {
    let (soft, hard) = getrlimit(Resource::RLIMIT_MEMLOCK).expect("there is a limit");
    if soft == RLIM_INFINITY {
        return true;
    }
    let may = setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY).is_ok();
    // Where it was lifted it is put back, so that the daemon lifts it itself.
    may && setrlimit(Resource::RLIMIT_MEMLOCK, soft, hard).is_ok()
}

#[test]
fn the_lists_of_system_calls_do_not_grow_unseen() {
    assert_eq!(
        (CALLS, HELPER_CALLS, READER_CALLS, COURIER_CALLS),
        (78, 20, 24, 36),
        "a longer list is a decision; say in the commit what for"
    );
}
