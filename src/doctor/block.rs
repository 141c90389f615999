//! What a block device is made of: down through partitions, mirrors and mappings to the disk, and
//! whether dm-crypt is in between.
//!
//! Encryption by the disk itself, or by the host of a virtual machine, is not visible from here.
//!
//! # Source
//! Documentation/ABI/testing/sysfs-block, sysfs-block-dm, sysfs-block-zram, sysfs-block-loop;
//! cryptsetup, lib/libdevmapper.c (uuids begin with CRYPT-); lvm2, lib/activate/dev_manager.c
//! (uuids begin with LVM- and end with the layer).

use super::host::Host;
use super::mounts::{self, Mount};
use std::path::Path;

/// Deepest stack of devices that is followed: partition, RAID, dm-crypt, LVM with its layers, a loop
/// device, and all of that once more.
const DEEPEST: usize = 16;

/// What becomes of bytes written to a device.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(super) enum AtRest {
    /// They stay in memory.
    Memory,
    /// dm-crypt encrypts them on every path down.
    Encrypted,
    /// They reach this device unencrypted.
    Plain(String),
    /// Unknown, and why.
    Unknown(String),
}

/// The kernel's name of the device behind a path such as `/dev/sda2` or `/dev/mapper/swap`.
pub(super) fn name_of_path(host: &Host, path: &str) -> String {
    let target = host.link(path).ok().flatten().unwrap_or_else(|| path.to_owned());
    target.rsplit('/').next().unwrap_or_default().to_owned()
}

/// The kernel's name of the device that a file system is on, if it names one.
pub(super) fn name_of_mount(host: &Host, mount: &Mount) -> Option<String> {
    if !mount.number.starts_with("0:") {
        let link = host.link(&format!("/sys/dev/block/{}", mount.number)).ok().flatten();
        return link.and_then(|link| link.rsplit('/').next().map(ToOwned::to_owned));
    }
    mount.source.starts_with("/dev/").then(|| name_of_path(host, &mount.source))
}

/// The device mapper's uuid of a device; it begins with the name of what made it.
pub(super) fn mapper_uuid(host: &Host, name: &str) -> Option<String> {
    let uuid = host.text(&format!("/sys/class/block/{name}/dm/uuid")).ok().flatten()?;
    Some(uuid.trim().to_owned())
}

/// The devices that a device is made of.
pub(super) fn parts(host: &Host, name: &str) -> Vec<String> {
    let parts = host.names(&format!("/sys/class/block/{name}/slaves")).unwrap_or_default();
    if !parts.is_empty() {
        return parts;
    }
    // A partition's folder is in the folder of its disk.
    let is_partition = host.exists(&format!("/sys/class/block/{name}/partition"));
    let link = host.link(&format!("/sys/class/block/{name}")).ok().flatten().filter(|_| is_partition);
    let disk = link.and_then(|link| link.rsplit('/').nth(1).map(ToOwned::to_owned));
    disk.into_iter().collect()
}

/// What becomes of what is written to this device.
pub(super) fn at_rest(host: &Host, name: &str) -> AtRest {
    device(host, name, DEEPEST)
}

/// What becomes of what is written to this file.
pub(super) fn file_at_rest(host: &Host, path: &str) -> AtRest {
    file(host, path, DEEPEST)
}

fn device(host: &Host, name: &str, depth: usize) -> AtRest {
    let Some(depth) = depth.checked_sub(1) else {
        return AtRest::Unknown(format!("{name} is a stack of more than {DEEPEST} devices"));
    };
    let of = |file: &str| host.text(&format!("/sys/class/block/{name}/{file}")).ok().flatten();
    if name.starts_with("zram") {
        let backing = of("backing_dev").unwrap_or_default();
        return match backing.trim() {
            "" | "none" => AtRest::Memory,
            path => device(host, &name_of_path(host, path), depth),
        };
    }
    if name.starts_with("zd") {
        return AtRest::Unknown(format!("{name} is a ZFS volume, whose encryption is not visible here"));
    }
    if mapper_uuid(host, name).is_some_and(|uuid| uuid.starts_with("CRYPT-")) {
        return AtRest::Encrypted;
    }
    if let Some(path) = of("loop/backing_file") {
        return file(host, path.trim_end(), depth);
    }
    if !host.exists(&format!("/sys/class/block/{name}")) {
        return AtRest::Unknown(format!("/sys/class/block does not have {name}"));
    }
    let below = parts(host, name);
    // One unencrypted part is enough, and an unknown one is worse than an encrypted one.
    let answers: Vec<AtRest> = below.iter().map(|part| device(host, part, depth)).collect();
    let worst = |wanted: fn(&AtRest) -> bool| answers.iter().find(|answer| wanted(answer)).cloned();
    worst(|answer| matches!(answer, AtRest::Plain(_)))
        .or_else(|| worst(|answer| matches!(answer, AtRest::Unknown(_))))
        .or_else(|| worst(|answer| matches!(answer, AtRest::Encrypted)))
        .unwrap_or_else(|| AtRest::Plain(name.to_owned()))
}

fn file(host: &Host, path: &str, depth: usize) -> AtRest {
    let mounts = match mounts::all(host) {
        Ok(mounts) => mounts,
        Err(unreadable) => return AtRest::Unknown(unreadable.0),
    };
    let Some(mount) = mounts::of(&mounts, Path::new(path)) else {
        return AtRest::Unknown(format!("no mount was found for {path}"));
    };
    match (mount.kind.as_str(), name_of_mount(host, mount)) {
        ("tmpfs" | "ramfs", _) => AtRest::Memory,
        (_, Some(name)) => device(host, &name, depth),
        (kind, None) => AtRest::Unknown(format!("{path} is on {kind}, which names no block device")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::host::tests::host_with;
    use super::*;

    #[test]
    fn encryption_is_found_below_lvm_and_partitions_but_not_beside_them() {
        let (_folder, host) = host_with(&[
            ("/sys/class/block/dm-0/dm/uuid", "CRYPT-LUKS2-5e-vda3_crypt\n"),
            ("/sys/class/block/dm-1/dm/uuid", "LVM-aB\n"),
            ("/sys/class/block/dm-1/slaves/dm-0/", ""),
            ("/sys/class/block/dm-2/dm/uuid", "LVM-cD\n"),
            ("/sys/class/block/dm-2/slaves/dm-0/", ""),
            ("/sys/class/block/dm-2/slaves/sdb/", ""),
            ("/sys/class/block/sdb/", ""),
            ("/sys/devices/virtual/block/md0/slaves/dm-0/", ""),
            ("/sys/devices/virtual/block/md0/md0p1/partition", "1\n"),
            ("/sys/class/block/md0", "->../../devices/virtual/block/md0"),
            ("/sys/class/block/md0p1", "->../../devices/virtual/block/md0/md0p1"),
            ("/sys/class/block/loop0/loop/backing_file", "/srv/image\n"),
            ("/sys/dev/block/253:1", "->../../devices/virtual/block/dm-1"),
            ("/proc/self/mountinfo", "1 0 253:1 / / rw - ext4 /dev/mapper/root rw\n"),
        ]);
        let plain = |name: &str| AtRest::Plain(name.to_owned());
        for (name, answer) in [
            ("dm-0", AtRest::Encrypted),
            ("dm-1", AtRest::Encrypted),
            ("dm-2", plain("sdb")),
            ("md0p1", AtRest::Encrypted),
            ("sdb", plain("sdb")),
            ("loop0", AtRest::Encrypted),
        ] {
            assert_eq!(at_rest(&host, name), answer, "{name}");
        }
        assert!(matches!(at_rest(&host, "sdz"), AtRest::Unknown(_)));
        assert!(matches!(at_rest(&host, "zd0"), AtRest::Unknown(_)));
    }

    #[test]
    fn a_stack_that_turns_in_circles_ends() {
        let (_folder, host) = host_with(&[
            ("/sys/class/block/dm-0/slaves/dm-1/", ""),
            ("/sys/class/block/dm-1/slaves/dm-0/", ""),
        ]);
        assert!(matches!(at_rest(&host, "dm-0"), AtRest::Unknown(_)));
    }
}
