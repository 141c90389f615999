//! The visible processes: their names and their arguments.
//!
//! Arguments are examined but never printed: they may hold an address or an account.
//!
//! # Source
//! proc_pid_cmdline(5), proc_pid_comm(5), proc_pid_ns(5), proc(5) (hidepid);
//! include/uapi/linux/nsfs.h, which numbers the first namespaces.

use super::host::Host;
use super::verdict::{Finding, printable};

/// The link of the kernel's first PID namespace: no other one shows all processes of a host.
const FIRST_PID_NAMESPACE: &str = "pid:[4026531836]";

/// Programs that run others: the name that counts is that of what they run.
const INTERPRETERS: [&str; 12] =
    ["sh", "bash", "dash", "perl", "python", "ruby", "node", "nodejs", "java", "php", "gunicorn", "uwsgi"];

/// Endings of scripts that are no part of a program's name.
const ENDINGS: [&str; 7] = [".py", ".sh", ".pl", ".rb", ".js", ".mjs", ".jar"];

/// A process.
pub(super) struct Process {
    /// Its id in this PID namespace.
    pub(super) pid: u32,
    /// Its names: of its file, its command line and its thread; in lower case, with `_` for `-`, and
    /// without the endings of scripts.
    pub(super) names: Vec<String>,
    /// Its command line after the program's name.
    pub(super) arguments: Vec<String>,
    /// False when it is known to run in another network namespace.
    pub(super) same_network: bool,
    /// True when its limit lets the kernel write a core dump of it.
    pub(super) may_leave_a_core: bool,
    /// The kernel's name for it.
    comm: String,
}

impl Process {
    /// Name and id, for a report.
    pub(super) fn shown(&self) -> String {
        format!("{} (pid {})", self.comm, self.pid)
    }

    /// The same process with its arguments expanded.
    pub(super) fn with_arguments(&self, arguments: Vec<String>) -> Self {
        Self { names: self.names.clone(), comm: self.comm.clone(), arguments, ..*self }
    }

    /// True when it has one of these names.
    pub(super) fn is_one_of(&self, names: &[&str]) -> bool {
        self.names.iter().any(|name| names.contains(&name.as_str()))
    }

    /// The values of an option given as `OPTION VALUE`, `OPTION=VALUE` or, for a single letter,
    /// `-oVALUE`.
    pub(super) fn values_of(&self, option: &str) -> Vec<&str> {
        let mut values = Vec::new();
        let mut arguments = self.arguments.iter();
        while let Some(argument) = arguments.next() {
            match argument.strip_prefix(option) {
                Some("") => values.extend(arguments.next().map(String::as_str)),
                Some(rest) if rest.starts_with('=') => values.push(&rest[1..]),
                Some(rest) if option.len() == 2 => values.push(rest),
                _ => {}
            }
        }
        values
    }
}

/// The processes, and why some may be missing.
pub(super) struct Processes {
    /// The visible ones, without kernel threads.
    pub(super) list: Vec<Process>,
    /// Why there may be more.
    pub(super) gap: Option<&'static str>,
}

impl Processes {
    /// Lists them.
    pub(super) fn of(host: &Host) -> Self {
        let own_network = host.link("/proc/self/ns/net").ok().flatten();
        let names = host.names("/proc").unwrap_or_default();
        let mut pids: Vec<u32> = names.iter().filter_map(|name| name.parse().ok()).collect();
        pids.sort_unstable();
        let own_pids = host.link("/proc/self/ns/pid").ok().flatten();
        let gap = if !pids.contains(&1) {
            Some("processes of other users are hidden (hidepid)")
        } else if own_pids.as_deref() != Some(FIRST_PID_NAMESPACE) {
            Some("processes outside this PID namespace are not visible")
        } else {
            None
        };
        let list = pids.into_iter().filter_map(|pid| process(host, pid, own_network.as_deref())).collect();
        Self { list, gap }
    }

    /// What to report if there may be more processes than are visible.
    pub(super) fn gap_finding(&self) -> Option<Finding> {
        self.gap.map(|gap| Finding::unknown(gap, "run doctor as root on the host itself"))
    }
}

fn process(host: &Host, pid: u32, own_network: Option<&str>) -> Option<Process> {
    let of = |file: &str| format!("/proc/{pid}/{file}");
    let line = host.text(&of("cmdline")).ok().flatten()?;
    // Kernel threads have no command line.
    let mut words =
        line.trim_end_matches('\0').split('\0').filter(|_| !line.is_empty()).map(ToOwned::to_owned);
    let first = words.next()?;
    let arguments: Vec<String> = words.collect();
    let comm = host.text(&of("comm")).ok().flatten().unwrap_or_default();
    // Needs permission to trace the process; the other names do not.
    let file = host.link(&of("exe")).ok().flatten().unwrap_or_default();
    // A daemon may write its whole command line into its first word.
    let program = name_of(first.split(' ').next().unwrap_or_default());
    let mut names = vec![program, name_of(comm.trim_end()), name_of(file.trim_end_matches(" (deleted)"))];
    if names.iter().any(|name| is_interpreter(name)) {
        let script = arguments.iter().find(|argument| !argument.starts_with('-'));
        names.extend(script.map(|script| name_of(script)));
    }
    names.retain(|name| !name.is_empty());
    let network = host.link(&of("ns/net")).ok().flatten();
    let same_network = match (&network, own_network) {
        (Some(network), Some(own)) => network == own,
        _ => true,
    };
    let may_leave_a_core = core_limit_is_raised(&host.text(&of("limits")).ok().flatten().unwrap_or_default());
    let comm = printable(comm.trim_end());
    Some(Process { pid, names, arguments, same_network, may_leave_a_core, comm })
}

/// Whether a process's soft limit for core dumps is above 0.
fn core_limit_is_raised(limits: &str) -> bool {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max core file size"));
    line.and_then(|line| line.split_whitespace().next()).is_some_and(|soft| soft != "0")
}

/// `python3.11` is python.
fn is_interpreter(name: &str) -> bool {
    let plain = name.trim_end_matches(|character: char| character.is_ascii_digit() || character == '.');
    INTERPRETERS.contains(&plain)
}

fn name_of(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or_default().to_ascii_lowercase().replace('-', "_");
    let ending = ENDINGS.iter().find_map(|ending| name.strip_suffix(ending));
    ending.map_or_else(|| name.clone(), ToOwned::to_owned)
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::host::tests::host_with;
    use super::*;

    /// A host with these command lines (words parted by blanks), as processes 1, 2 and so on.
    pub(in super::super) fn running(lines: &[&str]) -> (tempfile::TempDir, Host) {
        let mut files = vec![
            ("/proc/self/ns/pid".to_owned(), format!("->{FIRST_PID_NAMESPACE}")),
            ("/proc/self/ns/net".to_owned(), "->net:[1]".to_owned()),
        ];
        for (index, line) in lines.iter().enumerate() {
            let folder = format!("/proc/{}", index + 1);
            let program = line.split(' ').next().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
            files.push((format!("{folder}/cmdline"), line.replace(' ', "\0") + "\0"));
            files.push((format!("{folder}/comm"), format!("{:.15}\n", program)));
            files.push((format!("{folder}/ns/net"), "->net:[1]".to_owned()));
        }
        let files: Vec<(&str, &str)> =
            files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        host_with(&files)
    }

    #[test]
    fn a_process_goes_by_the_name_of_its_file_its_line_and_its_script() {
        let (_folder, host) = running(&[
            "/sbin/init",
            "/usr/bin/prometheus-node-exporter --web.listen-address=:9100",
            "/usr/bin/python3.11 -u /opt/openvpn-monitor.py --host a",
            "vim node_exporter.go",
        ]);
        let processes = Processes::of(&host);
        let names = |at: usize| processes.list[at].names.join(" ");
        assert_eq!(names(1), "prometheus_node_exporter prometheus_node");
        assert!(processes.list[2].is_one_of(&["openvpn_monitor"]));
        assert_eq!(names(3), "vim vim");
        assert_eq!(processes.list[1].shown(), "prometheus-node (pid 2)");
        assert!(processes.gap.is_none());
    }

    #[test]
    fn a_command_line_in_one_word_is_known_by_its_program() {
        let (_folder, host) = host_with(&[("/proc/1/cmdline", "/usr/sbin/snmpd -LOw -u snmp /a/b\0")]);
        assert!(Processes::of(&host).list[0].is_one_of(&["snmpd"]));
    }

    #[test]
    fn an_option_is_read_in_each_of_its_forms() {
        let (_folder, host) = running(&["tool -i wg0 -iwg1 --dev=wg2 --dev wg3 --device wg4 -i"]);
        let processes = Processes::of(&host);
        assert_eq!(processes.list[0].values_of("-i"), ["wg0", "wg1"]);
        assert_eq!(processes.list[0].values_of("--dev"), ["wg2", "wg3"]);
    }

    #[test]
    fn kernel_threads_are_left_out_and_other_networks_told_apart() {
        let (_folder, host) = host_with(&[
            ("/proc/self/ns/pid", "->pid:[7]"),
            ("/proc/self/ns/net", "->net:[1]"),
            ("/proc/1/cmdline", "a\0"),
            ("/proc/1/comm", "a\n"),
            ("/proc/1/ns/net", "->net:[2]"),
            ("/proc/2/cmdline", ""),
            ("/proc/2/comm", "wg-crypt-wg0\n"),
        ]);
        let processes = Processes::of(&host);
        assert_eq!(processes.list.len(), 1);
        assert!(!processes.list[0].same_network);
        assert!(processes.gap.is_some_and(|gap| gap.contains("PID namespace")));
    }

    #[test]
    fn hidden_processes_are_said_to_be_hidden() {
        let (_folder, host) =
            host_with(&[("/proc/self/ns/pid", "->pid:[4026531836]"), ("/proc/77/cmdline", "a\0")]);
        assert!(Processes::of(&host).gap.is_some_and(|gap| gap.contains("hidepid")));
    }
}
