//! Check 9: whether what is below the sealed store keeps its old states.
//!
//! The store promises that a link of the chain, once overwritten, is gone. A file system or a volume
//! with snapshots keeps it. What a flash disk, a journal, a backup or the host of a virtual machine
//! keeps is not visible from here.
//!
//! # Source
//! lvm2, lib/activate/dev_manager.c: the layer at the end of a uuid (`-tpool`, `-real`).

use super::block;
use super::host::{Host, Unreadable};
use super::mounts;
use super::subject::StoreLocation;
use super::verdict::{Finding, Verdict, printable};

/// File systems that never overwrite in place, and keep snapshots.
const SNAPSHOTTING: [&str; 4] = ["btrfs", "zfs", "bcachefs", "nilfs2"];

/// File systems whose disk is elsewhere.
const REMOTE: [&str; 10] =
    ["nfs", "nfs4", "cifs", "smb3", "9p", "virtiofs", "ceph", "glusterfs", "fuse.sshfs", "vboxsf"];

/// File systems that keep nothing at rest.
const IN_MEMORY: [&str; 2] = ["tmpfs", "ramfs"];

/// Where to put the store instead.
const ELSEWHERE: &str =
    "put store.path on ext4 or xfs on a volume without snapshots, or choose store.mode = \"memory\"";

/// Check 9.
pub(super) fn state_directory(host: &Host, store: &StoreLocation) -> Verdict {
    let (good, finding) = match store {
        StoreLocation::None => ("store.mode is memory: nothing is kept at rest", None),
        StoreLocation::Unknown => {
            let finding = Finding::unknown("where the state is kept", "name --config FILE");
            ("", Some(finding))
        }
        StoreLocation::Folder(folder) => {
            let finding = below(host, folder);
            ("nothing that is seen here keeps old states", finding.unwrap_or_else(|why| Some(why.into())))
        }
    };
    Verdict::of(9, "state directory", good, finding.into_iter().collect())
}

fn below(host: &Host, folder: &std::path::Path) -> Result<Option<Finding>, Unreadable> {
    let resolved = host.resolved(folder)?;
    let shown = printable(&folder.display().to_string());
    let mounts = mounts::all(host)?;
    let Some(mount) = mounts::of(&mounts, &resolved) else {
        return Ok(Some(Finding::unknown(format!("what {shown} is stored on"), ELSEWHERE)));
    };
    let kind = mount.kind.as_str();
    if SNAPSHOTTING.contains(&kind) {
        let what = format!("{shown} is on {kind}, which keeps old states in snapshots");
        return Ok(Some(Finding::void(what, ELSEWHERE)));
    }
    if kind == "overlay" {
        let what = format!("what {shown} is stored on: it is in a container's overlay");
        return Ok(Some(Finding::unknown(what, "give the container a separate volume for store.path")));
    }
    if REMOTE.contains(&kind) {
        let what = format!("whether the server of {shown} ({kind}) keeps snapshots");
        return Ok(Some(Finding::unknown(what, ELSEWHERE)));
    }
    if IN_MEMORY.contains(&kind) {
        return Ok(None);
    }
    let Some(device) = block::name_of_mount(host, mount) else {
        let what = format!("which device {shown} is on ({kind})");
        return Ok(Some(Finding::unknown(what, ELSEWHERE)));
    };
    Ok(volume(host, &shown, &device))
}

/// What the logical volume below keeps.
fn volume(host: &Host, shown: &str, device: &str) -> Option<Finding> {
    if device.starts_with("zd") {
        let what = format!("{shown} is on {device}, a ZFS volume, which keeps old states in snapshots");
        return Some(Finding::void(what, ELSEWHERE));
    }
    let mut waiting = vec![device.to_owned()];
    let mut seen: Vec<String> = Vec::new();
    while let Some(device) = waiting.pop() {
        let uuid = block::mapper_uuid(host, &device).unwrap_or_default();
        if uuid.starts_with("LVM-") && uuid.ends_with("-real") {
            let what = format!("{shown} is on a logical volume that has a snapshot ({device})");
            return Some(Finding::void(
                what,
                "remove the snapshot with lvremove, and take no others of this volume",
            ));
        }
        if uuid.starts_with("LVM-") && uuid.ends_with("-tpool") {
            let what = format!("{shown} is on a thin volume, whose snapshots are not visible here");
            return Some(Finding::note(what, "make sure lvs lists no snapshot of it, and take none"));
        }
        waiting.extend(block::parts(host, &device).into_iter().filter(|part| !seen.contains(part)));
        seen.push(device);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::host::tests::host_with;
    use super::super::verdict::State;
    use super::*;
    use std::path::PathBuf;

    fn said(line: &str, files: &[(&str, &str)]) -> Verdict {
        let table = format!("1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 {line} rw\n");
        let base = [("/proc/self/mountinfo", table.as_str()), ("/var/lib/blindmeter/", "")];
        let files: Vec<_> = base.iter().chain(files).copied().collect();
        let (_folder, host) = host_with(&files);
        state_directory(&host, &StoreLocation::Folder(PathBuf::from("/var/lib/blindmeter")))
    }

    #[test]
    fn the_file_system_of_the_state_decides() {
        for (line, expected) in [
            ("0:30 /@ /var/lib rw - btrfs /dev/sdb", State::Void),
            ("0:30 / /var/lib/blindmeter rw - zfs tank/state", State::Void),
            ("0:30 / /var rw - bcachefs /dev/sdb", State::Void),
            ("0:30 / /var rw - overlay overlay", State::Unknown),
            ("0:30 / /var rw - nfs4 server:/a", State::Unknown),
            ("0:30 / /var rw - tmpfs none", State::Ok),
            ("0:30 / /srv rw - btrfs /dev/sdb", State::Ok),
            ("8:17 / /var rw - xfs /dev/sdb1", State::Ok),
        ] {
            let number =
                [("/sys/dev/block/8:1", "->../../block/sda1"), ("/sys/dev/block/8:17", "->../../block/sdb1")];
            let verdict = said(line, &number);
            assert!(verdict.state == expected, "{line}: {}", verdict.what);
            let kind = line.split(" - ").nth(1).and_then(|system| system.split(' ').next());
            let names = kind.is_some_and(|kind| verdict.what.contains(kind));
            assert!(names == (expected != State::Ok), "{line}: {}", verdict.what);
            assert_eq!(kind == Some("overlay"), verdict.what.contains("container"), "{}", verdict.what);
        }
    }

    #[test]
    fn a_volume_with_a_snapshot_is_void_and_a_thin_one_is_noted() {
        let line = "253:1 / /var rw - ext4 /dev/mapper/vg-var";
        let number = ("/sys/dev/block/253:1", "->../../block/dm-1");
        let below = |uuid| {
            let files = [
                number,
                ("/sys/class/block/dm-1/dm/uuid", "LVM-aB"),
                ("/sys/class/block/dm-1/slaves/dm-0/", ""),
                ("/sys/class/block/dm-0/dm/uuid", uuid),
                ("/sys/class/block/dm-0/slaves/dm-1/", ""),
            ];
            said(line, &files).state
        };
        assert!(below("LVM-aB-real\n") == State::Void);
        assert!(below("LVM-cD-tpool\n") == State::Note);
        assert!(below("CRYPT-LUKS2-e") == State::Ok);
        assert!(
            said("230:0 / /var rw - ext4 a", &[("/sys/dev/block/230:0", "->../zd0")]).state == State::Void
        );
        assert!(said(line, &[]).state == State::Unknown, "no sysfs");
    }

    #[test]
    fn a_link_to_a_snapshotting_file_system_is_followed() {
        let table = "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 0:30 / /srv rw - btrfs /dev/sdb rw\n";
        let files = [
            ("/proc/self/mountinfo", table),
            ("/srv/state/", ""),
            ("/var/lib/blindmeter", "->../../srv/state"),
        ];
        let (_folder, host) = host_with(&files);
        assert!(
            state_directory(&host, &StoreLocation::Folder("/var/lib/blindmeter".into())).state == State::Void
        );
        assert!(state_directory(&host, &StoreLocation::None).state == State::Ok);
        assert!(state_directory(&host, &StoreLocation::Unknown).state == State::Unknown);
    }
}
