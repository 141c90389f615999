//! What a hook named is nowhere in the daemon's memory a second later: neither the account nor the address as
//! text. The address in binary is the roster's own.

use super::{hook, of_a_server};
use crate::daemon::{Daemon, Site};
use crate::support::memory::found;
use crate::support::vici::{Charon, Sa};
use crate::support::wait::{let_pass, wait_for};
use std::fs;
use std::time::Duration;

/// How often each needle stands in the memory of the daemon and of the processes that it started.
fn in_all(daemon: &Daemon<'_>, needles: &[&str]) -> Vec<usize> {
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", daemon.id())).expect("it runs");
    let children: Vec<u32> = children.split_whitespace().filter_map(|id| id.parse().ok()).collect();
    assert!(!children.is_empty(), "there is a helper");
    let all = children.into_iter().chain([daemon.id()]).map(|process| found(process, needles));
    all.reduce(|sum, more| sum.iter().zip(more).map(|(one, other)| one + other).collect())
        .expect("the daemon")
}

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
    fs::remove_file(site.path("status")).expect("ours");
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

/// What charon lists of a client, which is read each second.
#[test]
fn what_charon_listed_is_nowhere_in_memory_a_second_later() {
    let site = Site::new();
    let charon = Charon::start(&site.path("vici"));
    site.configure(
        "[control]",
        format!("[[roster.strongswan]]\nsocket = {:?}\npoll = \"1s\"\n[control]", site.name("vici")),
    );
    let sa = Sa {
        real_address: "203.0.113.138".to_owned(),
        identity: "CN=canary-device".to_owned(),
        name: "canary-listed".to_owned(),
        established: "81729354".to_owned(),
        addresses: vec!["10.77.8.9".to_owned(), "fd77:77::89".to_owned()],
    };
    charon.clients.lock().expect("nobody panics with it").push(sa);
    let daemon = site.start();
    wait_for("it was read", || {
        let counts = site.command(&["roster", "counts", "--json"]).stdout;
        counts.contains("\"source\":\"strongswan\",\"prefixes\":8").then_some(())
    });
    let_pass(Duration::from_millis(2_100), "more polls");
    drop(charon);
    let_pass(Duration::from_millis(2_200), "what is promised of names, after the last list");
    let needles = ["canary-listed", "canary-device", "203.0.113.138", "81729354", "10.77.8.9", "fd77:77::89"];
    let seen = in_all(&daemon, &needles);
    assert!(seen.iter().all(|count| *count == 0), "of {needles:?} in memory: {seen:?}");
    assert!(in_all(&daemon, &[&site.name("vici")])[0] > 0, "the control: what the daemon keeps is found");
}

/// The updown scripts of strongSwan 5.9.8 and libreswan 4.10, and pppd 2.4.9's, with what those tell besides.
#[test]
fn what_tunnels_of_ipsec_and_pppd_tell_is_nowhere_in_memory_a_second_later() {
    let site = Site::new();
    let daemon = site.start();
    let ipsec = [
        ("PLUTO_CONNECTION", "canary-connection"),
        ("PLUTO_ME", "203.0.113.1"),
        ("PLUTO_PEER", "203.0.113.139"),
        ("PLUTO_PEER_ID", "@canary-peer"),
        ("PLUTO_PEER_CLIENT", "10.77.8.11/32"),
        ("PLUTO_ADDTIME", "1795968817"),
        ("PLUTO_INBYTES", "81729355"),
        ("PLUTO_PEER_SOURCEIP", "10.77.8.11"),
        ("PLUTO_UNIQUEID", "81729356"),
    ];
    let xauth = [("PLUTO_XAUTH_ID", "canary-xauth")];
    let pppd = [
        ("PEERNAME", "canary-dialled"),
        ("CALLING_SID", "203.0.113.140"),
        ("CONNECT_TIME", "81729357"),
        ("BYTES_RCVD", "81729358"),
        ("PPPLOGNAME", "canary-login"),
        ("IPREMOTE", "10.77.8.12"),
    ];
    let words = ["ppp0", "/dev/pts/1", "0", "10.77.0.1", "10.77.8.12", "203.0.113.140"];
    for _ in 0..3 {
        for (verb, event) in [("up-client", "up"), ("down-client", "down")] {
            let verb = [("PLUTO_VERB", verb)];
            of_a_server(&site, &["ipsec"], &[&verb[..], &ipsec].concat());
            of_a_server(&site, &["ipsec"], &[&verb[..], &xauth, &ipsec].concat());
            of_a_server(&site, &[&["ppp", event][..], &words].concat(), &pppd);
        }
    }
    let_pass(Duration::from_secs(1), "what is promised of names");
    let of_both = ipsec.iter().chain(&xauth).chain(&pppd);
    let needles: Vec<&str> = of_both.map(|(_, value)| *value).collect();
    let seen = in_all(&daemon, &needles);
    assert!(seen.iter().all(|count| *count == 0), "of {needles:?} in memory: {seen:?}");
    assert!(
        in_all(&daemon, &[&site.name("control.sock")])[0] > 0,
        "the control: what the daemon keeps is found"
    );
}
