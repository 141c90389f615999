//! Files as operators have them, good and bad: configurations, rosters, keys and places to listen at, in the
//! encodings and spellings of other programs. What `check` says is what a start does.
//!
//! Holds shapes that are seen elsewhere; the mistakes of this program's own keys are in the file above.

use crate::daemon::command::{Outcome, bounded, ended, repeats_nothing};
use crate::daemon::{PROGRAM, Site};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

/// Asserts what is said of a good file that disappoints.
fn warned(outcome: Outcome, texts: &[&str]) {
    let said = outcome.succeeded();
    repeats_nothing(&said);
    for text in texts {
        let told = said.lines().filter(|line| line.starts_with("# warning: ") && line.contains(text)).count();
        assert_eq!(told, 1, "{text:?} is said once: {said}");
    }
}

#[test]
fn a_configuration_is_read_in_the_shapes_that_editors_leave() {
    let site = Site::new();
    let good = site.config();
    for (what, text) in [
        ("a byte order mark", format!("\u{feff}{good}")),
        ("lines of Windows", good.replace('\n', "\r\n")),
        ("no line feed at the end", good.trim_end().to_owned()),
        ("tabs", good.replace(" = ", "\t=\t")),
        ("a long comment", format!("# {}\n{good}", "x".repeat(1 << 16))),
        ("blanks in a duration", good.replace("\"24h\"", "\"24 h\"")),
        ("another unit", good.replace("\"24h\"", "\"1d\"")),
        ("many pools", good.replace("[\"10.77.0.0/16\"", &pools(20))),
        ("a mapped listener", good.replace("127.0.0.1:", "[::ffff:127.0.0.1]:")),
        ("no listener", good.replace(&format!("\"127.0.0.1:{}\"", site.port), "")),
    ] {
        site.write("blindmeter.toml", text);
        assert!(site.command(&["check"]).succeeded().ends_with(": OK\n"), "{what}");
    }
    let encoded = |order: fn(u16) -> [u8; 2]| good.encode_utf16().flat_map(order).collect::<Vec<u8>>();
    for (bytes, told) in [
        ([&[0xff, 0xfe][..], &encoded(u16::to_le_bytes)].concat(), "UTF-16; save it as UTF-8"),
        ([&[0xfe, 0xff][..], &encoded(u16::to_be_bytes)].concat(), "UTF-16; save it as UTF-8"),
        ([good.as_bytes(), b"# caf\xe9\n"].concat(), "not UTF-8; save it as UTF-8"),
        (good.replace('\n', "\r").into_bytes(), "line 1"),
        (good.replacen('"', "\u{201c}", 1).into_bytes(), "line 2"),
        (b"tap:\n  interfaces: [tun0]\n".to_vec(), "line 1"),
        (Vec::new(), "missing field `tap`"),
    ] {
        site.write("blindmeter.toml", bytes);
        for command in ["check", "run"] {
            site.command(&[command]).failed(78, &[told, &site.name("blindmeter.toml")]);
        }
    }
}

fn pools(count: usize) -> String {
    let more: Vec<String> = (0..count).map(|at| format!("\"10.{}.0.0/16\"", 100 + at)).collect();
    format!("[{}, \"10.77.0.0/16\"", more.join(", "))
}

#[test]
fn a_roster_is_read_in_the_shapes_that_tables_are_saved_in() {
    let site = Site::new();
    let roster = site.name("roster.csv");
    for text in [
        "\u{feff}prefix,account\n10.77.0.1,canary\n",
        "prefix,account\r\n10.77.0.1,canary\r\n",
        "prefix,account\n10.77.0.1,canary",
        "\"prefix\",\"account\"\n\"10.77.0.1\",\"canary\"\n",
        "prefix, account\n 10.77.0.1 ,\tcanary \n",
        "# mine\n\nprefix,account\n\n# theirs\n10.77.0.1,canary\n",
        "prefix,account\n::ffff:10.77.0.1,canary\n10.77.0.1,canary\n",
        "prefix,account\n10.77.0.1,canary\n10.77.0.1/32,canary\n",
        "prefix,account\nFD77::1,canary\nfd77:0:0::1/128,canary\n",
    ] {
        site.write("roster.csv", text);
        let said = site.command(&["check"]).succeeded();
        assert!(said.contains("# roster file: 1 accounts"), "{text:?}: {said}");
    }
    // What belongs to whom: the longest prefix, whatever the order of the lines.
    site.write(
        "roster.csv",
        "prefix,account\n10.77.0.0/16,canary-net\n10.77.0.1,canary\n10.77.0.0/24,canary-sub\n",
    );
    assert!(site.command(&["check"]).succeeded().contains("# roster file: 3 accounts"));
    for (text, told) in [
        (&b"prefix;account\n10.77.0.1;canary\n"[..], "header prefix,account"),
        (b"prefix\taccount\n10.77.0.1\tcanary\n", "header prefix,account"),
        (b"Prefix,Account\n10.77.0.1,canary\n", "header prefix,account"),
        (b"account,prefix\ncanary,10.77.0.1\n", "header prefix,account"),
        (b"10.77.0.1,canary\n", "header prefix,account"),
        (b"sep=,\nprefix,account\n10.77.0.1,canary\n", "line 1"),
        (b"prefix,account\r10.77.0.1,canary\r", "header prefix,account"),
        (b"prefix,account\n10.77.0.1,canary,\n", "line 2: expected prefix,account"),
        (b"prefix,account\n10.77.0.1,canary # mine\n", "%XX"),
        (b"prefix,account\n10.77.0.1,can\0ary\n", "%XX"),
        (b"prefix,account\n010.77.0.1,canary\n", "not an address"),
        (b"prefix,account\n10.77.0.1-10.77.0.9,canary\n", "not an address"),
        (b"prefix,account\n10.77.0.1:51820,canary\n", "not an address"),
        (b"prefix,account\n[fd77::1],canary\n", "not an address"),
        (b"prefix,account\nfe80::1%tun0,canary\n", "not an address"),
        (b"prefix,account\n\xe2\x80\x8b10.77.0.1,canary\n", "not an address"),
        (b"prefix,account\n10.77.0.0/255.255.0.0,canary\n", "0 to 32"),
        (b"prefix,account\n<<<<<<< HEAD\n10.77.0.1,canary\n", "line 2"),
        (b"{\"10.77.0.1\": \"canary\"}\n", "line 1"),
        (b"PK\x03\x04canary", "spreadsheet; save it as CSV"),
        (b"\x28\xb5\x2f\xfdcanary", "zstd; unpack it"),
        (b"\xfd7zXZ\0canary", "xz; unpack it"),
        (b"\0p\0r\0e\0f\0i\0x", "UTF-16"),
    ] {
        site.write("roster.csv", text);
        site.command(&["check"]).failed(78, &[&roster, told]);
        let mut meter = bounded();
        meter.args([PROGRAM, "meter", "-", "--roster", &roster]);
        ended(meter).failed(78, &[&roster, told]);
    }
}

#[test]
fn an_address_that_no_client_has_is_a_warning() {
    let site = Site::new();
    for address in ["127.0.0.1", "0.0.0.0", "::", "::1", "::10.77.0.5", "127.0.0.0/8"] {
        site.write("roster.csv", format!("prefix,account\n10.77.0.1,canary\n{address},canary\n"));
        warned(site.command(&["check"]), &["line 3: no client has such an address"]);
    }
}

#[test]
fn a_place_to_listen_at_is_tried_before_the_start() {
    let site = Site::new();
    let (good, mine) = (site.config(), format!("127.0.0.1:{}", site.port));
    for (listen, code, told) in [
        ("192.0.2.7:9776", 74, "choose an address of this host"),
        ("[2001:db8::7]:9776", 74, "choose an address of this host"),
        ("localhost:9776", 78, "expected ADDRESS:PORT"),
        (":9776", 78, "expected ADDRESS:PORT"),
        ("127.0.0.1", 78, "expected ADDRESS:PORT"),
        ("127.0.0.1:70000", 78, "expected ADDRESS:PORT"),
        ("[fe80::1%lo]:9776", 78, "expected ADDRESS:PORT"),
        ("http://127.0.0.1:9776", 78, "expected ADDRESS:PORT"),
        ("127.0.0.1:9776\", \"127.0.0.1:9776", 78, "listed twice"),
        ("127.0.0.1:9776\", \"[::ffff:127.0.0.1]:9776", 78, "listed twice"),
        ("0.0.0.0:9776\", \"127.0.0.1:9776", 78, "listed twice, or one address is part of another"),
    ] {
        site.write("blindmeter.toml", good.replace(&mine, listen));
        site.command(&["check"]).failed(78, &["web.listen", told]);
        site.command(&["run"]).failed(code, &["web.listen", told]);
    }
    // A port that asks for a privilege which the daemon's user lacks.
    site.write("blindmeter.toml", good.replace(&mine, "127.0.0.1:80"));
    let kernel = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").expect("a setting");
    assert_eq!(kernel.trim(), "1024", "the kernel's setting as it comes");
    fs::set_permissions(site.path(""), fs::Permissions::from_mode(0o777)).expect("ours");
    let check = site.command(&["check", "--as-user", "nobody"]);
    check.failed(78, &["web.listen", "Permission denied", "1024 or above"]);
    // A daemon that has the port is no reason to refuse, and neither is any other program: it may go.
    site.write("blindmeter.toml", good);
    let daemon = site.start();
    site.command(&["check"]).succeeded();
    drop(daemon);
}

#[test]
fn the_kernels_choice_of_a_port_is_told() {
    let site = Site::new();
    site.configure(&format!("127.0.0.1:{}", site.port), "127.0.0.1:0");
    let daemon = site.start();
    let said = daemon.await_said("ready: version", 1);
    let (_, page) = said.split_once("metrics: ").expect("a page");
    assert!(site.command(&["status"]).succeeded().contains(page));
    let port = page.strip_prefix("http://127.0.0.1:").and_then(|rest| rest.strip_suffix("/metrics"));
    let port: u16 = port.and_then(|port| port.parse().ok()).expect("a port");
    assert_eq!(crate::daemon::http::get(port, "/-/ready").status, 200);
}

#[test]
fn a_key_that_nobody_drew_is_a_warning_and_one_of_another_size_an_error() {
    let site = Site::sealed();
    let pattern: [u8; 32] = std::array::from_fn(|at| [3, 5, 7][at % 3]);
    for (key, told) in [
        (&[0; 32][..], "one byte over and over"),
        (&[0xff; 32], "one byte over and over"),
        (&pattern, "a few bytes over and over"),
        (b"correct horse battery staple 123", "a text, and no random bytes"),
        (b"0123456789abcdef0123456789ABCDEF", "a text, and no random bytes"),
    ] {
        site.write_key(key);
        warned(site.command(&["check"]), &[told, "head -c 32 /dev/urandom"]);
    }
    for (key, told) in [
        (&b""[..], "has 0 bytes"),
        (b"correct horse battery staple 123\n", "has 33 bytes"),
        (&[b'a'; 64], "has 64 bytes"),
        (&[b'Q'; 45], "has 45 bytes"),
    ] {
        site.write_key(key);
        for command in ["check", "run"] {
            site.command(&[command]).failed(78, &["store.key_file", told, "exactly 32 raw bytes"]);
        }
    }
    fs::remove_file(site.path("ledger.key")).expect("ours");
    fs::create_dir(site.path("ledger.key")).expect("ours");
    site.command(&["check"]).failed(78, &["store.key_file", "name a file"]);
    site.command(&["run"]).failed(74, &["store.key_file", "name a file"]);
    fs::remove_dir(site.path("ledger.key")).expect("ours");
    site.write(
        "other.key",
        std::array::from_fn::<u8, 32, _>(|at| [1, 9, 77, 200][at % 4] ^ at.to_le_bytes()[0]),
    );
    fs::set_permissions(site.path("other.key"), fs::Permissions::from_mode(0o400)).expect("ours");
    symlink(site.path("other.key"), site.path("ledger.key")).expect("ours");
    site.command(&["check"]).succeeded();
}

#[test]
fn a_path_that_begins_where_the_daemon_starts_is_a_warning() {
    let site = Site::sealed();
    let (good, folder) = (site.config(), site.name(""));
    for key in ["file", "socket", "path", "key_file"] {
        let line = good.lines().find(|line| line.starts_with(&format!("{key} = "))).expect("a path");
        site.write("blindmeter.toml", good.replace(line, &line.replace(&folder, "")));
        let mut check = bounded();
        check.current_dir(&folder).args([PROGRAM, "check", "--config", "blindmeter.toml"]);
        warned(ended(check), &["begins in the folder that the daemon is started in"]);
    }
    for (pin, told) in [("pins", "a path from /"), ("/etc/hostname", "name a folder")] {
        site.write("blindmeter.toml", good.replace(&site.name("bpf/pins"), pin));
        site.command(&["check"]).failed(78, &["tap.pin", told]);
    }
    site.write("blindmeter.toml", good.replace("ledger.sealed", "bpf"));
    site.command(&["check"]).failed(78, &["store ", "name a file"]);
}

#[test]
fn an_interface_that_is_not_there_and_a_file_that_is_mounted_alone_are_warnings() {
    let site = Site::new();
    site.configure("\"bm-none*\"", "\"bm-none0\", \"bm-none*\"");
    warned(site.command(&["check"]), &["tap.interfaces: bm-none0 is not there now"]);
    site.write("outside.csv", "prefix,account\n10.77.0.1,canary-one\n");
    let script = format!(
        "mount --bind {} {} && {PROGRAM} check --config {}",
        site.name("outside.csv"),
        site.name("roster.csv"),
        site.name("blindmeter.toml")
    );
    let mut shell = bounded();
    shell.args(["unshare", "--mount", "sh", "-c", &script]);
    warned(ended(shell), &["roster.file: ", "is mounted by itself", "mount its folder instead"]);
}

#[test]
fn a_group_that_is_written_as_a_user_is_named_as_one() {
    let site = Site::new();
    site.configure("support = [\"root\"]", "support = [\"root\", \"shadow\"]");
    warned(site.command(&["check"]), &["no user or group shadow; a group is written \"@shadow\""]);
}

#[test]
fn a_configuration_that_may_not_be_read_says_by_whom_it_must() {
    let site = Site::new();
    fs::set_permissions(site.path("blindmeter.toml"), fs::Permissions::from_mode(0o600)).expect("ours");
    let check = site.command(&["check", "--as-user", "nobody"]);
    check.failed(78, &[&site.name("blindmeter.toml"), "Permission denied", "chgrp blindmeter"]);
}
