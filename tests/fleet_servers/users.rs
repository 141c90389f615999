//! Who may call what: a table of every user and every function, and of commands that nobody has, on real servers with
//! certificates as shipped.

use crate::fleet::servers::{Form, Servers};
use crate::fleet::words::Nodes;
use blindmeter::fleet::cluster::{Access, Function};
use blindmeter::fleet::servers::install::install;
use blindmeter::fleet::settings::Role;
use blindmeter::fleet::trouble::Trouble;
use std::collections::BTreeSet;
use zeroize::Zeroizing;

/// The functions of each role, and nothing else of blindmeter's.
const MAY: [(Role, &[Function]); 6] = [
    (Role::Node, &[Function::Put, Function::Kept, Function::Share, Function::Withdraw]),
    (Role::Desk, &[Function::Total]),
    (Role::Privacy, &[Function::Erase, Function::Total]),
    (Role::Totals, &[Function::Shares, Function::Open]),
    (Role::Check, &[]),
    (Role::Install, &[]),
];

/// Commands with arguments that they take, so that only the right to call them is missing. A server that has one answers
/// that it may not be called; most it does not even have.
const COMMANDS: [&[&str]; 30] = [
    &["hget", "0123456789abcdef", "abcdefgh"],
    &["hmget", "0123456789abcdef", "abcdefgh"],
    &["hgetall", "0123456789abcdef"],
    &["hset", "0123456789abcdef", "abcdefgh", "x"],
    &["hdel", "0123456789abcdef", "abcdefgh"],
    &["hscan", "0123456789abcdef", "0"],
    &["hvals", "0123456789abcdef"],
    &["hlen", "0123456789abcdef"],
    &["get", "0123456789abcdef"],
    &["set", "0123456789abcdef", "x"],
    &["del", "0123456789abcdef"],
    &["scan", "0"],
    &["keys", "*"],
    &["randomkey"],
    &["dump", "0123456789abcdef"],
    &["object", "idletime", "0123456789abcdef"],
    &["object", "freq", "0123456789abcdef"],
    &["save"],
    &["bgsave"],
    &["monitor"],
    &["slowlog", "get"],
    &["debug", "object", "0123456789abcdef"],
    &["latency", "latest"],
    &["flushall"],
    &["eval", "return 1", "0"],
    &["subscribe", "channel"],
    &["client", "list"],
    &["acl", "log"],
    &["cluster", "getkeysinslot", "1", "1"],
    &["config", "set", "save", "1 1"],
];

/// Commands that a role needs, and others must not have.
const OWN: [(&[&str], &[Role]); 6] = [
    (&["config", "get", "save"], &[Role::Check]),
    (&["acl", "list"], &[Role::Check]),
    (&["function", "list"], &[Role::Check, Role::Install]),
    (&["function", "load", "x"], &[Role::Install]),
    (&["function", "delete", "blindmeter"], &[]),
    (&["replconf", "listening-port", "1"], &[]),
];

#[test]
fn each_user_may_do_its_own_and_nothing_else() {
    let nodes = Nodes::new(1, 1, 4);
    let servers = Servers::start(Form { tls: true, servers: 3, ..Form::default() });
    let access = |role: Role| servers.access('A', &nodes.fleet(), role);
    install(&access(Role::Install), &servers.names(), false).expect("it is empty");

    for (role, may) in MAY {
        let permitted: BTreeSet<&str> = may.iter().map(|function| function.name()).collect();
        for function in Function::ALL {
            // Without arguments a function fails by itself, where it may be called at all.
            let words = ["fcall", function.name(), "1", "0123456789abcdef"];
            let answer = servers.ask_as(0, role.user(), &servers.secret(role.word()), &words);
            let is_refused = answer.starts_with("NOPERM");
            let expected = !permitted.contains(function.name());
            assert_eq!(is_refused, expected, "{} calls {}: {answer}", role.word(), function.name());
        }
        for words in COMMANDS {
            let answer = servers.ask_as(0, role.user(), &servers.secret(role.word()), words);
            let is_refused = answer.starts_with("NOPERM") || answer.starts_with("ERR unknown command");
            assert!(is_refused, "{} calls {words:?}: {answer}", role.word());
        }
        for (words, roles) in OWN {
            let answer = servers.ask_as(0, role.user(), &servers.secret(role.word()), words);
            let is_refused = answer.starts_with("NOPERM") || answer.starts_with("ERR unknown command");
            assert_eq!(is_refused, !roles.contains(&role), "{} calls {words:?}: {answer}", role.word());
        }
    }
    for words in COMMANDS {
        let answer = servers.ask(0, words);
        let is_refused = answer.starts_with("NOPERM") || answer.starts_with("ERR unknown command");
        assert!(is_refused, "whoever joins servers calls {words:?}: {answer}");
        let stranger = servers.ask_as(0, "default", "", words);
        let is_refused = stranger.contains("NOAUTH") || stranger.contains("ERR unknown command");
        assert!(is_refused, "a stranger calls {words:?}: {stranger}");
    }
    strangers(&access(Role::Node));
}

/// Who shows no password, another one, or trusts another authority, is not let in; nor is one who speaks in clear.
fn strangers(access: &Access) {
    let outcome = |change: &dyn Fn(&mut Access)| {
        let mut changed = access.clone();
        change(&mut changed);
        changed.member(&changed.members[0]).err()
    };
    assert_eq!(outcome(&|_| {}), None);
    assert_eq!(
        outcome(&|access| access.password = Zeroizing::new("another".to_owned())),
        Some(Trouble::LogIn)
    );
    assert_eq!(outcome(&|access| access.user = "default"), Some(Trouble::LogIn));
    assert_eq!(outcome(&|access| access.certificates = None), Some(Trouble::Unreachable));
    let other = rcgen::generate_simple_self_signed(vec![access.members[0].replace(":7001", "")])
        .expect("a certificate");
    let authority = other.cert.pem().into_bytes();
    let certificates = blindmeter::fleet::cluster::Certificates { authority, own: None };
    assert_eq!(
        outcome(&|access| access.certificates = Some(certificates.clone())),
        Some(Trouble::Unreachable)
    );
}
