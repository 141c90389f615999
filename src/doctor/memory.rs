//! Checks 3 to 6: ways in which memory ends up on a disk: swap, core dumps, and the dump of a crashed
//! kernel.
//!
//! # Source
//! proc_swaps(5), core(5), proc_sys_fs(5) (suid_dumpable), coredump.conf(5);
//! fs/coredump.c, which heeds a limit of the process for files and hardly for pipes;
//! Documentation/ABI/testing/sysfs-kernel-kexec-kdump.

use super::block::{self, AtRest};
use super::host::{Host, Unreadable};
use super::mounts::unescaped;
use super::processes::Processes;
use super::verdict::{Finding, Verdict, printable};

/// Check 3: swap on a device that is not encrypted.
pub(super) fn swap(host: &Host) -> Verdict {
    let findings = match host.kernel_text("/proc/swaps") {
        Err(unreadable) => vec![unreadable.into()],
        // A kernel without swap has no such file.
        Ok(None) => Vec::new(),
        Ok(Some(table)) => table.lines().skip(1).filter_map(|line| swapped(host, line)).collect(),
    };
    Verdict::of(3, "swap", "no swap, or none that is unencrypted", findings)
}

fn swapped(host: &Host, line: &str) -> Option<Finding> {
    let mut fields = line.split_whitespace();
    let path = unescaped(fields.next()?);
    let at_rest = match fields.next()? {
        "file" => block::file_at_rest(host, &path),
        _ => block::at_rest(host, &block::name_of_path(host, &path)),
    };
    let shown = printable(&path);
    match at_rest {
        AtRest::Memory | AtRest::Encrypted => None,
        AtRest::Plain(device) => Some(Finding::void(
            format!("swap on {shown}: {device} is not encrypted"),
            "disable it with swapoff, or put it on dm-crypt with a random key (crypttab: swap)",
        )),
        AtRest::Unknown(why) => Some(Finding::unknown(
            format!("whether swap on {shown} is encrypted: {why}"),
            "disable it with swapoff, or put it on dm-crypt",
        )),
    }
}

/// Check 4: a core_pattern that stores core dumps.
pub(super) fn cores(host: &Host, processes: &Processes) -> Verdict {
    let findings = match host.kernel_text("/proc/sys/kernel/core_pattern") {
        Err(unreadable) => vec![unreadable.into()],
        // A kernel without core dumps.
        Ok(None) => Vec::new(),
        Ok(Some(pattern)) => core_pattern(host, pattern.trim(), processes).into_iter().collect(),
    };
    Verdict::of(4, "cores", "no core dumps are stored", findings)
}

/// The remedy wherever core dumps are stored.
const NO_CORES: &str = "sysctl -w kernel.core_pattern='|/bin/false', and the same in /etc/sysctl.d";

fn core_pattern(host: &Host, pattern: &str, processes: &Processes) -> Option<Finding> {
    if let Some(handler) = pattern.strip_prefix('|') {
        return handed_over(host, handler.split_whitespace().next().unwrap_or_default());
    }
    if pattern.starts_with('@') {
        return Some(Finding::void("core dumps are sent to a listening socket", NO_CORES));
    }
    if pattern.is_empty() {
        // core(5): then nothing is written, unless the process number is appended.
        let appended = host.text("/proc/sys/kernel/core_uses_pid").ok().flatten();
        return (appended.is_some_and(|text| text.trim() != "0"))
            .then(|| relative(pattern, processes))
            .flatten();
    }
    if pattern == "/dev/null" {
        return None;
    }
    if pattern.starts_with('/') {
        return Some(Finding::void(format!("core dumps are stored as {}", printable(pattern)), NO_CORES));
    }
    relative(pattern, processes)
}

/// The kernel's default stores a core dump in the process's working directory, if the process's limit
/// allows it.
fn relative(pattern: &str, processes: &Processes) -> Option<Finding> {
    let shown = printable(pattern);
    let unlimited: Vec<String> =
        processes.list.iter().filter(|one| one.may_leave_a_core).map(|one| one.shown()).collect();
    match unlimited.first() {
        Some(first) => {
            let count = unlimited.len();
            let what = format!(
                "core dumps are stored as {shown} in working directories; {count} processes may leave one, \
                 such as {first}"
            );
            Some(Finding::void(what, NO_CORES))
        }
        None => {
            let what = format!(
                "core_pattern is {shown}: a process that raises its limit may leave a core dump; none has"
            );
            Some(Finding::note(what, NO_CORES))
        }
    }
}

fn handed_over(host: &Host, handler: &str) -> Option<Finding> {
    match handler.rsplit('/').next().unwrap_or_default() {
        "false" | "true" => None,
        "systemd-coredump" => match coredump_storage(host) {
            Err(unreadable) => Some(unreadable.into()),
            Ok(storage) if storage == "none" => None,
            Ok(storage) => Some(Finding::void(
                format!("systemd-coredump stores core dumps (Storage={})", printable(&storage)),
                "set Storage=none and ProcessSizeMax=0 in /etc/systemd/coredump.conf; delete /var/lib/systemd/coredump",
            )),
        },
        "apport" => Some(Finding::void(
            "apport stores core dumps in /var/crash",
            "systemctl disable --now apport; delete /var/crash/*",
        )),
        // What another program does with them is not visible; the memory has left its process.
        _ => Some(Finding::void(format!("core dumps are piped to {}", printable(handler)), NO_CORES)),
    }
}

/// The value of `Storage=` in force: drop-ins override the main file, in the order of their names.
fn coredump_storage(host: &Host) -> Result<String, Unreadable> {
    const FOLDERS: [&str; 4] = ["/usr/lib/systemd", "/usr/local/lib/systemd", "/run/systemd", "/etc/systemd"];
    let mut files = Vec::new();
    // The first main file that exists, starting with /etc.
    let main = FOLDERS.iter().rev().map(|folder| format!("{folder}/coredump.conf"));
    files.extend(main.filter(|path| host.exists(path)).take(1));
    let mut drop_ins: Vec<(String, String)> = Vec::new();
    for folder in FOLDERS {
        let folder = format!("{folder}/coredump.conf.d");
        for name in host.names(&folder)?.into_iter().filter(|name| name.ends_with(".conf")) {
            // One in /etc replaces one of the same name elsewhere.
            drop_ins.retain(|(earlier, _)| *earlier != name);
            drop_ins.push((name.clone(), format!("{folder}/{name}")));
        }
    }
    drop_ins.sort();
    files.extend(drop_ins.into_iter().map(|(_, path)| path));
    let mut storage = "external".to_owned();
    for file in files {
        let text = host.text(&file)?.unwrap_or_default();
        let values = text.lines().filter_map(|line| line.trim().strip_prefix("Storage"));
        let mut values = values.filter_map(|rest| rest.trim_start().strip_prefix('=')).map(str::trim);
        if let Some(value) = values.next_back() {
            storage = value.to_owned();
        }
    }
    Ok(storage)
}

/// Check 5: whether programs that changed their user can be dumped.
pub(super) fn suid_dumpable(host: &Host) -> Verdict {
    let findings = match host.kernel_text("/proc/sys/fs/suid_dumpable") {
        Err(unreadable) => vec![unreadable.into()],
        Ok(None) => Vec::new(),
        Ok(Some(value)) if value.trim() == "0" => Vec::new(),
        Ok(Some(value)) => vec![Finding::void(
            format!(
                "fs.suid_dumpable is {}: daemons that dropped root can be dumped",
                printable(value.trim())
            ),
            "sysctl -w fs.suid_dumpable=0, and the same in /etc/sysctl.d",
        )],
    };
    Verdict::of(5, "suid_dumpable", "fs.suid_dumpable is 0", findings)
}

/// Check 6: a kernel that would write all memory to disk when it crashes.
pub(super) fn kdump(host: &Host) -> Verdict {
    // The second is where later kernels move it.
    let files = ["/sys/kernel/kexec_crash_loaded", "/sys/kernel/kexec/crash_loaded"];
    let mut findings = Vec::new();
    for file in files {
        match host.kernel_text(file) {
            Err(unreadable) => findings.push(unreadable.into()),
            Ok(Some(value)) if value.trim() != "0" => findings.push(Finding::void(
                "a crash kernel is loaded: a crash writes all memory to disk",
                "systemctl disable --now kdump-tools (or kdump), kexec -p -u; remove crashkernel= from the kernel command line",
            )),
            Ok(_) => {}
        }
    }
    Verdict::of(6, "kdump", "no crash kernel is loaded", findings)
}

#[cfg(test)]
mod tests {
    use super::super::host::tests::host_with;
    use super::super::verdict::State;
    use super::*;

    const HEAD: &str = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";
    const KERNEL: (&str, &str) = ("/proc/sys/kernel/osrelease", "6.1.0\n");

    /// The check on a host that stays there while it is made.
    fn state(check: fn(&Host) -> Verdict, files: &[(&str, &str)]) -> State {
        let files: Vec<_> = [KERNEL].iter().chain(files).copied().collect();
        let (_folder, host) = host_with(&files);
        check(&host).state
    }

    #[test]
    fn swap_is_judged_by_what_lies_below_it() {
        let disk = ("/sys/class/block/sda2/", "");
        let crypt = ("/sys/class/block/dm-0/dm/uuid", "CRYPT-PLAIN-swap");
        let root =
            ("/proc/self/mountinfo", "1 0 8:2 / / rw - ext4 /dev/sda2 rw\n2 1 254:0 / /srv rw - ext4 a rw\n");
        let numbers =
            [("/sys/dev/block/8:2", "->../../block/sda2"), ("/sys/dev/block/254:0", "->../../block/dm-0")];
        for (line, expected) in [
            ("", State::Ok),
            ("/dev/sda2 partition 1048572 0 -2\n", State::Void),
            ("/dev/dm-0 partition 1048572 0 -2\n", State::Ok),
            ("/dev/zram0 partition 1048572 0 100\n", State::Ok),
            ("/dev/zram0 partition 1 0 100\n/dev/sda2 partition 1 0 -2\n", State::Void),
            ("/swap\\040file file 1048572 0 -2\n", State::Void),
            ("/srv/swapfile file 1048572 0 -2\n", State::Ok),
            ("/dev/zd0 partition 1048572 0 -2\n", State::Unknown),
        ] {
            let table = format!("{HEAD}{line}");
            let files = [&[("/proc/swaps", table.as_str()), disk, crypt, root], &numbers[..]].concat();
            assert!(state(swap, &files) == expected, "{line}");
        }
        let written_back = [("/proc/swaps", "Filename\n/dev/zram0 partition 1 0 1\n"), disk];
        let backing = ("/sys/class/block/zram0/backing_dev", "/dev/sda2\n");
        assert!(state(swap, &[&written_back[..], &[backing]].concat()) == State::Void);
        assert!(state(swap, &[]) == State::Ok, "a kernel without swap");
    }

    #[test]
    fn a_core_pattern_is_judged_by_where_cores_go() {
        let cores = |host: &Host| cores(host, &Processes::of(host));
        let limits = |soft: &str| {
            format!("Limit  Soft Limit  Hard Limit  Units\nMax core file size  {soft}  unlimited  bytes\n")
        };
        for (pattern, soft, expected) in [
            ("|/bin/false", "unlimited", State::Ok),
            ("/dev/null", "unlimited", State::Ok),
            ("", "unlimited", State::Ok),
            ("core", "0", State::Note),
            ("core", "unlimited", State::Void),
            ("core.%p", "4096", State::Void),
            ("/var/crash/core.%p", "0", State::Void),
            ("|/usr/share/apport/apport -p%p", "0", State::Void),
            ("|/usr/lib/systemd/systemd-coredump %P %u", "0", State::Void),
            ("|/opt/collect %p", "0", State::Void),
            ("@/run/cores.socket", "0", State::Void),
        ] {
            let limits = limits(soft);
            let files = [
                KERNEL,
                ("/proc/sys/kernel/core_pattern", pattern),
                ("/proc/1/cmdline", "init\0"),
                ("/proc/1/limits", &limits),
            ];
            let (_folder, host) = host_with(&files);
            assert!(cores(&host).state == expected, "{pattern} {soft}");
        }
    }

    #[test]
    fn an_empty_core_pattern_stores_nothing_unless_a_number_is_appended() {
        for (appended, expected) in [("0\n", State::Ok), ("1\n", State::Void)] {
            let (_folder, host) = host_with(&[
                KERNEL,
                ("/proc/sys/kernel/core_pattern", "\n"),
                ("/proc/sys/kernel/core_uses_pid", appended),
                ("/proc/1/cmdline", "init\0"),
                ("/proc/1/limits", "Max core file size  unlimited  unlimited  bytes\n"),
            ]);
            assert!(cores(&host, &Processes::of(&host)).state == expected, "{appended}");
        }
    }

    #[test]
    fn the_last_word_on_storage_holds() {
        let storage = |files: &[(&str, &str)]| {
            let (_folder, host) = host_with(files);
            coredump_storage(&host).ok().expect("readable")
        };
        assert_eq!(storage(&[]), "external");
        assert_eq!(storage(&[("/etc/systemd/coredump.conf", "[Coredump]\n#Storage=none\n")]), "external");
        assert_eq!(storage(&[("/etc/systemd/coredump.conf", "[Coredump]\nStorage = none\n")]), "none");
        let main = ("/etc/systemd/coredump.conf", "Storage=none\n");
        let late = ("/usr/lib/systemd/coredump.conf.d/50-a.conf", "Storage=journal\n");
        assert_eq!(storage(&[main, late]), "journal");
        assert_eq!(storage(&[main, late, ("/etc/systemd/coredump.conf.d/50-a.conf", "")]), "none");
        assert_eq!(
            storage(&[main, late, ("/etc/systemd/coredump.conf.d/60-b.conf", "Storage=none")]),
            "none"
        );
    }

    #[test]
    fn dumps_of_daemons_and_of_the_kernel_are_found() {
        let dumpable = "/proc/sys/fs/suid_dumpable";
        assert!(state(suid_dumpable, &[(dumpable, "0\n")]) == State::Ok);
        assert!(state(suid_dumpable, &[(dumpable, "2\n")]) == State::Void);
        let loaded = "/sys/kernel/kexec_crash_loaded";
        assert!(state(kdump, &[(loaded, "0\n")]) == State::Ok);
        assert!(state(kdump, &[(loaded, "1\n")]) == State::Void);
        assert!(state(kdump, &[("/sys/kernel/kexec/crash_loaded", "1\n")]) == State::Void);
        assert!(state(kdump, &[("/sys/kernel/other", "")]) == State::Ok, "a kernel without kexec");
        assert!(state(kdump, &[]) == State::Unknown, "no sysfs");
    }
}
