//! Check 11: who else has a shell in the tunnel's network namespace and can read its byte counters.
//!
//! `/sys/class/net/IF/statistics` and `/proc/net/dev` are readable by everyone in the interface's
//! network namespace. Root, and whoever may become root, does not count: nothing is promised against
//! root. Users are counted and shown by id, never by name.
//!
//! # Source
//! net/core/net-sysfs.c (mode 0444); passwd(5), group(5), shadow(5), shells(5), nsswitch.conf(5).

use super::host::{Host, Unreadable};
use super::verdict::{Finding, Verdict};

/// The first user id of a person, and the id of nobody.
const FIRST_PERSON: u32 = 1000;
const NOBODY: u32 = 65_534;

/// Groups whose members may become root.
const ADMINISTRATORS: [&str; 4] = ["root", "sudo", "wheel", "admin"];

/// Programs that are not shells, for a host without a list of shells.
const NO_SHELLS: [&str; 6] = ["nologin", "false", "true", "sync", "shutdown", "halt"];

const REMEDY: &str = "usermod -s /usr/sbin/nologin for each, or run the tunnel in a network namespace without shells and mount /proc with hidepid=invisible";

/// Most ids that are shown.
const SHOWN: usize = 8;

/// Check 11.
///
/// A network namespace of its own hides the counters only where `/proc` hides processes: `/proc/PID/net` of any
/// process in it is the tunnel's, and open to everyone who sees that process.
pub(super) fn statistics(host: &Host, daemon_uid: Option<u32>) -> Verdict {
    let networks = ["/proc/self/ns/net", "/proc/1/ns/net"].map(|path| host.link(path).ok().flatten());
    let is_apart = matches!(&networks, [Some(own), Some(first)] if own != first);
    if is_apart && hides_processes(host) {
        let good =
            "shells are in a different network namespace from the tunnel, and /proc hides its processes";
        return Verdict::of(11, "statistics", good, Vec::new());
    }
    let findings = shells(host, daemon_uid).unwrap_or_else(|unreadable| vec![unreadable.into()]);
    Verdict::of(11, "statistics", "only root and administrators have a shell here", findings)
}

/// What other users see of this host's processes, hooks and commands among them; none where nothing.
#[must_use]
pub fn seen_in_proc(host: &Host) -> Option<&'static str> {
    (!hides_processes(host)).then_some(
        "/proc shows every user the arguments and CPU times of others' processes: those of hooks and commands tell \
         who connects, and when",
    )
}

/// What they see where `/proc` shows nothing; none where they see nothing.
#[must_use]
pub fn seen_elsewhere(host: &Host) -> Option<&'static str> {
    let is_there = |file: &str| host.exists(file);
    let are_grouped =
        ["/sys/fs/cgroup/cgroup.controllers", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/cpuacct"];
    are_grouped.into_iter().any(is_there).then_some(
        "control groups (cpu.stat under /sys/fs/cgroup) show every user the daemon's processor time, and sock_diag who \
         connects to the control socket, whatever /proc hides",
    )
}

/// Whether every `/proc` of the host hides others' processes: `hidepid` 2, or 4, which asks for ptrace access.
fn hides_processes(host: &Host) -> bool {
    const HIDING: [&str; 4] = ["hidepid=2", "hidepid=4", "hidepid=invisible", "hidepid=ptraceable"];
    let Ok(Some(mounts)) = host.text("/proc/1/mounts") else { return false };
    let procs = || {
        mounts
            .lines()
            .map(|line| line.split(' ').collect::<Vec<_>>())
            .filter(|mount| mount.get(2) == Some(&"proc"))
    };
    procs().next().is_some()
        && procs().all(|mount| {
            mount.get(3).is_some_and(|options| options.split(',').any(|option| HIDING.contains(&option)))
        })
}

struct User {
    uid: u32,
    gid: u32,
    name: String,
    home: String,
    shell: String,
}

fn shells(host: &Host, daemon_uid: Option<u32>) -> Result<Vec<Finding>, Unreadable> {
    let passwd = host.text("/etc/passwd")?.ok_or_else(|| Unreadable("/etc/passwd is missing".to_owned()))?;
    let shells = host.text("/etc/shells")?;
    let group = host.text("/etc/group")?.unwrap_or_default();
    let others: Vec<User> = passwd
        .lines()
        .filter_map(user)
        .filter(|user| user.uid != 0 && user.uid != NOBODY && Some(user.uid) != daemon_uid)
        .filter(|user| is_shell(&user.shell, shells.as_deref()) && !is_administrator(user, &group))
        .collect();
    let shadow = host.text("/etc/shadow").ok().flatten();
    let may_log_in = |user: &User| user.uid >= FIRST_PERSON || has_a_key(host, user, shadow.as_deref());
    let (people, services): (Vec<User>, Vec<User>) = others.into_iter().partition(|user| may_log_in(user));
    let mut found = Vec::new();
    if !people.is_empty() {
        let what = format!("{}; they can read the tunnel's byte counters at any time", counted(&people));
        found.push(Finding::void(what, REMEDY));
    }
    if !services.is_empty() {
        let what = format!("{}; services without a visible way to log in", counted(&services));
        found.push(Finding::note(what, REMEDY));
    }
    found.extend(users_elsewhere(host)?);
    Ok(found)
}

fn user(line: &str) -> Option<User> {
    let fields: Vec<&str> = line.split(':').collect();
    let [name, _, uid, gid, _, home, shell] = fields[..] else { return None };
    let [name, home, shell] = [name, home, shell].map(ToOwned::to_owned);
    Some(User { uid: uid.parse().ok()?, gid: gid.parse().ok()?, name, home, shell })
}

fn is_shell(shell: &str, listed: Option<&str>) -> bool {
    match listed {
        // passwd(5): an empty field is /bin/sh.
        _ if shell.is_empty() => true,
        Some(listed) => listed.lines().any(|line| line.trim() == shell),
        None => !NO_SHELLS.contains(&shell.rsplit('/').next().unwrap_or_default()),
    }
}

fn is_administrator(user: &User, group: &str) -> bool {
    group.lines().any(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, gid, members] = fields[..] else { return false };
        let is_member = members.split(',').any(|member| member.trim() == user.name);
        ADMINISTRATORS.contains(&name) && (is_member || gid.parse() == Ok(user.gid))
    })
}

/// A service's user may log in with a password, or with a key.
fn has_a_key(host: &Host, user: &User, shadow: Option<&str>) -> bool {
    let entry = shadow.and_then(|shadow| {
        let entries = shadow.lines().filter_map(|line| line.split_once(':'));
        entries.filter(|(name, _)| *name == user.name).map(|(_, rest)| rest).next()
    });
    let has_password = entry.is_some_and(|entry| !entry.starts_with(['!', '*']));
    has_password || host.exists(&format!("{}/.ssh/authorized_keys", user.home))
}

fn counted(users: &[User]) -> String {
    let mut numbers: Vec<String> = users.iter().take(SHOWN).map(|user| user.uid.to_string()).collect();
    if users.len() > SHOWN {
        numbers.push("...".to_owned());
    }
    format!("users with a shell besides root: {} (uid {})", users.len(), numbers.join(", "))
}

/// Users that /etc/passwd does not list.
fn users_elsewhere(host: &Host) -> Result<Option<Finding>, Unreadable> {
    let switch = host.text("/etc/nsswitch.conf")?.unwrap_or_default();
    let line = switch.lines().find_map(|line| line.trim().strip_prefix("passwd:")).unwrap_or_default();
    let plain = |word: &&str| !["files", "compat", "systemd", "db"].contains(word) && !word.starts_with('[');
    let source = line.split('#').next().unwrap_or_default().split_whitespace().find(plain);
    Ok(source.map(|source| {
        let what = format!("which users {} provides", super::verdict::printable(source));
        Finding::unknown(what, "make sure none of them has a shell on this host")
    }))
}

#[cfg(test)]
mod tests {
    use super::super::host::tests::host_with;
    use super::super::verdict::State;
    use super::*;

    const BASE: &str = "root:x:0:0:root:/root:/bin/bash\nsync:x:4:65534:sync:/bin:/bin/sync\n\
                        daemon:x:1:1::/:/usr/sbin/nologin\nnobody:x:65534:65534::/:/bin/sh\n";

    fn said(lines: &str, files: &[(&str, &str)]) -> Verdict {
        let passwd = format!("{BASE}{lines}");
        let base = [("/etc/passwd", passwd.as_str()), ("/etc/shells", "# shells\n/bin/sh\n/bin/bash\n")];
        let files: Vec<_> = base.iter().chain(files).copied().collect();
        let (_folder, host) = host_with(&files);
        statistics(&host, Some(1007))
    }

    #[test]
    fn people_with_shells_are_found_and_counted() {
        let admin = ("/etc/group", "users:x:100:\nsudo:x:27:other,ada\nwheel:x:10:\n");
        let locked = ("/etc/shadow", "pg:!:1::::::\nfeed:*:1::::::\n");
        let open = ("/etc/shadow", "pg:$y$j9T$a:1::::::\n");
        let key = ("/var/lib/pg/.ssh/authorized_keys", "k");
        let ada = "ada:x:1000:1000:Ada:/home/ada:/bin/bash\n";
        let pg = "pg:x:101:104::/var/lib/pg:/bin/bash\n";
        for (lines, files, expected) in [
            ("", vec![], State::Ok),
            (ada, vec![], State::Void),
            (ada, vec![admin], State::Ok),
            ("ada:x:1000:10::/home/ada:/bin/sh\n", vec![admin], State::Ok),
            ("ada:x:1000:1000::/home/ada:/usr/sbin/nologin\n", vec![], State::Ok),
            ("ada:x:1000:1000::/home/ada:\n", vec![], State::Void),
            ("meter:x:1007:1007::/:/bin/sh\n", vec![], State::Ok),
            (pg, vec![locked], State::Note),
            (pg, vec![open], State::Void),
            (pg, vec![locked, key], State::Void),
            ("", vec![("/etc/nsswitch.conf", "passwd: files sss\n")], State::Unknown),
            ("", vec![("/etc/nsswitch.conf", "passwd:\tfiles systemd [SUCCESS=merge] # ldap\n")], State::Ok),
        ] {
            let verdict = said(lines, &files);
            assert!(verdict.state == expected, "{lines} {files:?}: {}", verdict.what);
            assert!(!verdict.what.contains("ada"), "a name is shown: {}", verdict.what);
        }
        assert!(said(ada, &[]).what.starts_with("users with a shell besides root: 1 (uid 1000)"));
    }

    #[test]
    fn a_tunnel_in_a_namespace_without_shells_is_good_where_proc_hides_processes() {
        let ada = "ada:x:1000:1000:Ada:/home/ada:/bin/bash\n";
        let state = |own, mounts| {
            let files =
                [("/proc/self/ns/net", own), ("/proc/1/ns/net", "->net:[1]"), ("/proc/1/mounts", mounts)];
            said(ada, &files).state
        };
        let open = "proc /proc proc rw,nosuid,relatime 0 0\n";
        let hidden = "sysfs /sys sysfs rw 0 0\nproc /proc proc rw,relatime,hidepid=invisible 0 0\n";
        let both = [hidden, "proc /srv/jail/proc proc rw 0 0\n"].concat();
        assert!(state("->net:[2]", hidden) == State::Ok);
        assert!(state("->net:[2]", "proc /proc proc rw,hidepid=2 0 0\n") == State::Ok);
        for mounts in [
            open,
            "proc /proc proc rw,hidepid=noaccess 0 0\n",
            &both,
            "tmpfs /proc tmpfs hidepid=2 0 0\n",
            "",
        ] {
            assert!(state("->net:[2]", mounts) == State::Void, "{mounts}");
        }
        // /sys shows the counters to whoever is in the tunnel's own namespace, whatever /proc hides.
        assert!(state("->net:[1]", hidden) == State::Void);
    }

    #[test]
    fn without_a_list_of_shells_the_usual_words_tell() {
        assert!(
            is_shell("/bin/zsh", None)
                && !is_shell("/usr/sbin/nologin", None)
                && !is_shell("/bin/false", None)
        );
    }
}
