//! Checks 7 and 10: whether the kernel logs a tunnel's peers, and who besides the daemon can reach its
//! BPF maps.
//!
//! # Source
//! Documentation/admin-guide/dynamic-debug-howto.rst (in /proc since Linux 5.7, lib/dynamic_debug.c);
//! Documentation/admin-guide/sysctl/kernel.rst (unprivileged_bpf_disabled); kernel/bpf/inode.c
//! (a bpffs is open to everyone unless it is mounted with a mode).

use super::host::{Host, Unreadable};
use super::mounts;
use super::subject::StoreLocation;
use super::verdict::{Finding, Verdict};

/// Modules that print a peer's address and handshakes when dynamic debug is on.
const TUNNELS: [&str; 4] = ["[wireguard]", "[amneziawg]", "[ovpn]", "[ovpn_dco_v2]"];

/// Check 7: kernel tunnels that log their peers.
pub(super) fn dynamic_debug(host: &Host) -> Verdict {
    let findings = match control_file(host) {
        Err(unreadable) => vec![unreadable.into()],
        Ok(None) => Vec::new(),
        Ok(Some(control)) => {
            let printing = |module: &&str| control.lines().any(|line| prints(line, module));
            let modules = TUNNELS
                .iter()
                .filter(|module| printing(module))
                .map(|module| module.trim_matches(['[', ']']));
            modules
                .map(|module| {
                    Finding::void(
                        format!("dynamic debug is on for module {module}: the kernel logs its peers"),
                        format!("echo 'module {module} -p' > /proc/dynamic_debug/control; remove dyndbg from the kernel command line"),
                    )
                })
                .collect()
        }
    };
    Verdict::of(7, "dynamic debug", "no kernel tunnel logs its peers", findings)
}

/// `FILE:LINE [MODULE]FUNCTION =FLAGS "FORMAT"`.
fn prints(line: &str, module: &str) -> bool {
    let mut words = line.split_whitespace().skip(1);
    let is_of = words.next().is_some_and(|word| word.starts_with(module));
    let flags = words.next().and_then(|word| word.strip_prefix('=')).unwrap_or_default();
    is_of && flags.contains('p')
}

/// The control file; none if the kernel has no dynamic debug.
fn control_file(host: &Host) -> Result<Option<String>, Unreadable> {
    if let Some(text) = host.kernel_text("/proc/dynamic_debug/control")? {
        return Ok(Some(text));
    }
    // An older kernel has it only in debugfs, which may not be mounted, or be closed to this user.
    let release = host.kernel_text("/proc/sys/kernel/osrelease")?.unwrap_or_default();
    let mut numbers = release.split(['.', '-']).map_while(|word| word.parse::<u32>().ok());
    let is_in_proc = (numbers.next(), numbers.next()) >= (Some(5), Some(7));
    match host.text("/sys/kernel/debug/dynamic_debug/control") {
        Ok(Some(text)) => Ok(Some(text)),
        _ if is_in_proc => Ok(None),
        Ok(None) if mounts::all(host)?.iter().any(|mount| mount.kind == "debugfs") => Ok(None),
        Ok(None) => {
            Err(Unreadable("whether this kernel has dynamic debug: debugfs is not mounted".to_owned()))
        }
        Err(unreadable) => Err(unreadable),
    }
}

/// Check 10: BPF maps within reach of others.
pub(super) fn bpf(host: &Host, pin: &StoreLocation) -> Verdict {
    let mut findings = Vec::new();
    match host.kernel_text("/proc/sys/kernel/unprivileged_bpf_disabled") {
        Err(unreadable) => findings.push(unreadable.into()),
        Ok(Some(value)) if value.trim() == "0" => findings.push(Finding::void(
            "every user may load BPF programs (kernel.unprivileged_bpf_disabled is 0)",
            "sysctl -w kernel.unprivileged_bpf_disabled=1, and the same in /etc/sysctl.d",
        )),
        Ok(_) => {}
    }
    match pin {
        StoreLocation::None => {}
        StoreLocation::Folder(folder) => {
            findings.extend(pins(host, &folder.display().to_string()).unwrap_or_else(|why| Some(why.into())))
        }
        StoreLocation::Unknown => {
            findings.push(Finding::unknown("where maps are pinned", "name --config FILE"))
        }
    }
    Verdict::of(10, "bpf", "only root can reach BPF maps", findings)
}

/// Whether others can reach the folder of the pins, or create it before the daemon does.
fn pins(host: &Host, folder: &str) -> Result<Option<Finding>, Unreadable> {
    const OTHERS: u32 = 0o007;
    const GROUP_AND_OTHERS: u32 = 0o077;
    let mounts = mounts::all(host)?;
    let Some(mount) = mounts::of(&mounts, std::path::Path::new(folder)).filter(|mount| mount.kind == "bpf")
    else {
        return Ok(None);
    };
    let point = mount.point.display().to_string();
    if host.mode(&point)?.is_none_or(|mode| mode & OTHERS == 0) {
        return Ok(None);
    }
    let remedy = format!("chmod 700 {point}, and mount it with mode=0700 at boot");
    Ok(Some(match host.mode(folder)? {
        Some(mode) if mode & GROUP_AND_OTHERS != 0 => {
            let what = format!("{folder} has mode {mode:04o} on a bpffs that is open to every user");
            Finding::void(what, format!("chmod 700 {folder}; {remedy}"))
        }
        Some(_) => {
            let what =
                format!("the bpffs at {point} is open to every user; the daemon's folder in it is not");
            Finding::note(what, remedy)
        }
        None => {
            let what =
                format!("the bpffs at {point} is open to every user: anyone could create {folder} first");
            Finding::void(what, remedy)
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::super::host::tests::host_with;
    use super::super::verdict::State;
    use super::*;
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    const LINE: &str = "drivers/net/wireguard/receive.c:12 [wireguard]wg_receive";

    #[test]
    fn a_tunnel_that_is_debugged_is_found() {
        let control = "/proc/dynamic_debug/control";
        let old = ("/proc/sys/kernel/osrelease", "5.4.0-1-amd64\n");
        let new = ("/proc/sys/kernel/osrelease", "6.1.0-32-amd64\n");
        let table = ("/proc/self/mountinfo", "1 0 8:1 / / rw - ext4 a rw\n");
        let debugfs = ("/proc/self/mountinfo", "1 0 0:7 / /sys/kernel/debug rw - debugfs a rw\n");
        let on = format!("{LINE} =pmf \"%s: Receiving handshake from %pISpfsc\"\n");
        let off = format!("{LINE} =_ \"Zeroing out all keys =p\"\nnet/a.c:1 [a]b =p \"c\"\n");
        for (files, expected) in [
            (vec![new, (control, on.as_str())], State::Void),
            (vec![new, (control, off.as_str())], State::Ok),
            (vec![old, ("/sys/kernel/debug/dynamic_debug/control", on.as_str())], State::Void),
            (vec![new, table], State::Ok),
            (vec![old, debugfs], State::Ok),
            (vec![old, table], State::Unknown),
        ] {
            let (_folder, host) = host_with(&files);
            let verdict = dynamic_debug(&host);
            assert!(verdict.state == expected, "{files:?}: {}", verdict.what);
        }
    }

    #[test]
    fn a_bpffs_is_judged_by_who_reaches_the_pins() {
        let unprivileged = |value| ("/proc/sys/kernel/unprivileged_bpf_disabled", value);
        let table = ("/proc/self/mountinfo", "1 0 8:1 / / rw - ext4 a rw\n2 1 0:9 / /bpf rw - bpf a rw\n");
        let said = |value, modes: &[(&str, u32)], pin: &StoreLocation| {
            let folders: Vec<String> = modes.iter().map(|(folder, _)| format!("{folder}/")).collect();
            let mut files = vec![unprivileged(value), table];
            files.extend(folders.iter().map(|folder| (folder.as_str(), "")));
            let (folder, host) = host_with(&files);
            for (path, mode) in modes {
                let place = folder.path().join(path.trim_start_matches('/'));
                set_permissions(place, Permissions::from_mode(*mode)).expect("our own folder");
            }
            bpf(&host, pin).state
        };
        let pin = StoreLocation::Folder(PathBuf::from("/bpf/blindmeter"));
        assert!(said("2", &[("/bpf", 0o700)], &pin) == State::Ok);
        assert!(said("0", &[("/bpf", 0o700)], &pin) == State::Void);
        assert!(said("1", &[("/bpf", 0o1777)], &pin) == State::Void, "anybody may make it");
        assert!(said("2", &[("/bpf", 0o1777), ("/bpf/blindmeter", 0o755)], &pin) == State::Void);
        assert!(said("2", &[("/bpf", 0o1777), ("/bpf/blindmeter", 0o700)], &pin) == State::Note);
        assert!(said("2", &[("/bpf", 0o700), ("/bpf/blindmeter", 0o755)], &pin) == State::Ok);
        assert!(said("2", &[("/bpf", 0o1777)], &StoreLocation::None) == State::Ok, "nothing is pinned");
        assert!(
            said("2", &[("/bpf", 0o1777)], &StoreLocation::Folder("/other".into())) == State::Ok,
            "not on a bpffs"
        );
    }
}
