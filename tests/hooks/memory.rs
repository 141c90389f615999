//! What a hook named is nowhere in the daemon's memory a second later: neither the account nor the address as
//! text. The address in binary is the roster's own.

use super::{hook, of_a_server};
use crate::daemon::Site;
use crate::support::memory::found;
use crate::support::wait::let_pass;
use std::time::Duration;

#[test]
fn what_a_hook_named_is_nowhere_in_memory_a_second_later() {
    let site = Site::new();
    let daemon = site.start();
    for _ in 0..10 {
        hook(&site, &["assign"], "10.77.213.137,canary-needle\n");
        hook(&site, &["unassign"], "10.77.213.137\n");
        // Refused, each for another reason.
        hook(&site, &["assign"], "10.77.213.137/99,canary-needle\n");
        hook(&site, &["unassign"], "10.77.213.137\n");
    }
    let_pass(Duration::from_secs(1), "what is promised of names");
    let counts = found(daemon.id(), &["canary-needle", "10.77.213.137", &site.name("control.sock")]);
    let [account, address, control] = counts[..] else { panic!("three counts") };
    assert!(control > 0, "the control: what the daemon keeps is found");
    assert_eq!((account, address), (0, 0), "accounts and addresses of hooks in memory");
}

/// Real addresses, names and connect times of a status file, which is read each second, and the same of ocserv's hook.
#[test]
fn what_servers_said_of_clients_is_nowhere_in_memory_a_second_later() {
    let site = Site::new();
    let status = "TITLE\tOpenVPN 2.6.14\nTIME\t2026-11-29 08:00:00\t1795939200\n\
                  HEADER\tCLIENT_LIST\tCommon Name\tReal Address\tVirtual Address\tConnected Since (time_t)\n\
                  CLIENT_LIST\tcanary-listed\t203.0.113.137:40731\t10.77.8.6\t1795935601\n\
                  HEADER\tROUTING_TABLE\tVirtual Address\tCommon Name\tReal Address\tLast Ref\tLast Ref (time_t)\n\
                  ROUTING_TABLE\t10.77.8.6\tcanary-listed\t203.0.113.137:40731\t2026-11-29 07:59:58\t1795939198\nEND\n";
    site.write("status", status);
    site.configure(
        "[control]",
        format!("[[roster.openvpn]]\nstatus = {:?}\npoll = \"1s\"\n[control]", site.name("status")),
    );
    let daemon = site.start();
    let variables = [
        ("REASON", "connect"),
        ("USERNAME", "canary-hooked"),
        ("IP_REMOTE", "10.77.8.77"),
        ("IP_REAL", "203.0.113.201"),
        ("USER_AGENT", "canary-agent"),
    ];
    let outcome = of_a_server(&site, &["ocserv"], &variables);
    assert_eq!(outcome.code, Some(0));
    // The file is read once more, and no more after that: what it said stays in force for ten minutes.
    let_pass(Duration::from_millis(2_100), "reads");
    std::fs::remove_file(site.path("status")).expect("ours");
    let_pass(Duration::from_millis(2_200), "what is promised of names, after the last read");
    let needles = [
        "canary-listed",
        "203.0.113.137",
        "1795935601",
        "1795939198",
        "canary-hooked",
        "203.0.113.201",
        "canary-agent",
        "10.77.8.77",
    ];
    let seen = found(daemon.id(), &needles);
    let counts = site.command(&["roster", "counts", "--json"]).stdout;
    assert!(counts.contains("openvpn"), "{counts}");
    assert!(seen.iter().all(|count| *count == 0), "of {needles:?} in memory: {seen:?}");
    assert!(
        found(daemon.id(), &[&site.name("control.sock")])[0] > 0,
        "the control: what the daemon keeps is found"
    );
}
