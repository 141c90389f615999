//! The scripts of servers whose tunnels this kernel may not have, called as those servers call them: what pppd 2.4.9 and
//! libreswan 4.10 gave their scripts on Debian 12's kernel, recorded there (`tests/kernel/servers` runs the servers
//! themselves).

use super::was_assigned;
use crate::daemon::Site;
use crate::support::command::{bounded, ended};
use crate::support::pages::{block, of_the_test};
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// What pppd hands over in the environment when a peer comes; when it goes, these and more.
const OF_PPPD: [(&str, &str); 10] = [
    ("IFNAME", "ppp0"),
    ("UNIT", "0"),
    ("PPPLOGNAME", "root"),
    ("IPLOCAL", "10.77.0.1"),
    ("IPREMOTE", "10.77.0.24"),
    ("ORIG_UID", "0"),
    ("SPEED", "38400"),
    ("PPPD_PID", "129"),
    ("PEERNAME", "canary"),
    ("DEVICE", ""),
];

/// Runs one of Debian's scripts of pppd, with the page's own in the folder that it runs them from.
fn of_pppd(site: &Site, script: &str, event: &str, words: [&str; 5], variables: &[(&str, &str)]) {
    let folder = site.path(&format!("{script}.d"));
    fs::create_dir_all(&folder).expect("the folder is ours");
    let text = of_the_test(&block("ppp.md", "sh", &format!("hook ppp {event}")), &site.path("control.sock"));
    fs::write(folder.join("blindmeter"), text).expect("ours");
    fs::set_permissions(folder.join("blindmeter"), fs::Permissions::from_mode(0o755)).expect("ours");
    let line = format!("mount --bind {} /etc/ppp/{script}.d && exec env -i \"$@\"", folder.display());
    let mut command = bounded();
    command.args(["unshare", "--mount", "sh", "-c", &line, "sh"]);
    command.args(variables.iter().map(|(name, value)| format!("{name}={value}")));
    command.arg(format!("/etc/ppp/{script}")).args(words);
    let outcome = ended(command);
    assert_eq!(
        (outcome.code, outcome.stdout, outcome.stderr),
        (Some(0), String::new(), String::new()),
        "{script}"
    );
}

#[test]
fn debians_scripts_of_pppd_tell_whose_the_peers_address_is() {
    let site = Site::new();
    let _daemon = site.start();
    let words = ["ppp0", "", "38400", "10.77.0.1", "10.77.0.24"];
    let up = |script| of_pppd(&site, script, "up", words, &OF_PPPD);
    let down = || {
        let more = [("CONNECT_TIME", "5"), ("BYTES_SENT", "48"), ("BYTES_RCVD", "48")];
        of_pppd(&site, "ip-down", "down", words, &[&OF_PPPD[..], &more].concat());
    };
    for script in ["ip-pre-up", "ip-up"] {
        up(script);
        assert!(was_assigned(&site, "10.77.0.24"), "{script}");
        up(script);
        down();
        assert!(!was_assigned(&site, "10.77.0.24"), "ip-down");
    }
    // The peer is back at its address before the end of its last connection is told.
    up("ip-pre-up");
    let mut again = OF_PPPD;
    again[7].1 = "4129";
    of_pppd(&site, "ip-pre-up", "up", words, &again);
    down();
    assert!(was_assigned(&site, "10.77.0.24"), "of the connection that lives");
    // Of IPv6 pppd knows the address of the link, beside what it knows of IPv4.
    up("ip-pre-up");
    let words = ["ppp0", "", "38400", "fe80::1", "fe80::28bd:9e67:3a0b:86c7"];
    of_pppd(&site, "ipv6-down", "down", words, &OF_PPPD);
    assert!(was_assigned(&site, "10.77.0.24"), "the end of IPv6 ends nothing of IPv4");
}

/// What libreswan's pluto puts before its script in the command line of a shell, of a client with an address of a pool
/// behind an XFRM interface; which call it is, comes first.
const OF_LIBRESWAN: [(&str, &str); 24] = [
    ("PLUTO_CONNECTION", "canary-connection"),
    ("PLUTO_CONNECTION_TYPE", "tunnel"),
    ("PLUTO_VIRT_INTERFACE", "ipsec1"),
    ("PLUTO_INTERFACE", "s0"),
    ("PLUTO_XFRMI_ROUTE", "yes"),
    ("PLUTO_NEXT_HOP", "192.0.2.2"),
    ("PLUTO_ME", "192.0.2.1"),
    ("PLUTO_MY_ID", "@server"),
    ("PLUTO_MY_CLIENT", "10.77.0.0/24"),
    ("PLUTO_MY_CLIENT_NET", "10.77.0.0"),
    ("PLUTO_MY_CLIENT_MASK", "255.255.255.0"),
    ("PLUTO_SA_REQID", "16396"),
    ("PLUTO_SA_TYPE", "ESP"),
    ("PLUTO_PEER", "192.0.2.2"),
    ("PLUTO_PEER_ID", "@canary"),
    ("PLUTO_PEER_CLIENT", "10.77.0.25/32"),
    ("PLUTO_PEER_CLIENT_NET", "10.77.0.25"),
    ("PLUTO_PEER_CLIENT_MASK", "255.255.255.255"),
    ("PLUTO_PEER_CA", ""),
    ("PLUTO_ADDTIME", "1795968817"),
    ("PLUTO_CONN_KIND", "CK_INSTANCE"),
    ("PLUTO_CONN_ADDRFAMILY", "ipv4"),
    ("PLUTO_CFG_SERVER", "1"),
    ("SPI_IN", "0xa4f6390d"),
];

#[test]
fn the_pages_script_of_libreswan_tells_whose_the_clients_address_is() {
    let site = Site::new();
    let _daemon = site.start();
    let script = |name: &str, text: &str| {
        fs::write(site.path(name), text).expect("ours");
        fs::set_permissions(site.path(name), fs::Permissions::from_mode(0o755)).expect("ours");
    };
    script("updown", &of_the_test(&block("ipsec.md", "sh", "ipsec _updown"), &site.path("control.sock")));
    let run = |verb: &str| {
        let mut command = bounded();
        command.arg(site.path("updown")).env_clear().env("PLUTO_VERB", verb);
        command.env("PATH", format!("{}:/usr/bin:/bin", site.name(""))).envs(OF_LIBRESWAN);
        let outcome = ended(command);
        assert_eq!((outcome.stdout, outcome.stderr), (String::new(), String::new()), "{verb}");
        outcome.code
    };
    // libreswan's own script, which sets the routes.
    script("ipsec", "#!/bin/sh\n[ \"$1\" = _updown ]\n");
    for (verb, is_assigned) in [
        ("prepare-client", false),
        ("route-client", false),
        ("up-client", true),
        ("up-client", true),
        ("unroute-client", false),
    ] {
        assert_eq!(run(verb), Some(0), "{verb}");
        assert_eq!(was_assigned(&site, "10.77.0.25"), is_assigned, "{verb}");
    }
    run("up-client");
    run("down-client");
    assert!(!was_assigned(&site, "10.77.0.25"), "its end");
    // Where the routes could not be set, that is what libreswan is told, and nothing is said of the client.
    script("ipsec", "#!/bin/sh\nexit 3\n");
    assert_eq!(run("up-client"), Some(3));
    assert!(!was_assigned(&site, "10.77.0.25"), "no tunnel");
}
