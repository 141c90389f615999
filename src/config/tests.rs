//! Each invalid configuration with its message.

use super::*;
use crate::meter::budget::Epsilon;
use crate::meter::policy::{Mode, Noise};

const GOOD: &str = r#"
[tap]
interfaces = ["wg0", "tun*"]
[node]
name = "fr-par-3"
[roster]
probe_account = "probe"
pools = ["10.8.0.0/16", "fd42:8::/112"]
file = "/etc/blindmeter/roster.csv"
[epoch]
length = "24h"
[release]
mode = "noisy"
epsilon = 1.0
clamp = "50GiB"
crowd = 20
link_capacity = "1Gbit/s"
[support]
refresh = "7d"
[web]
listen = ["127.0.0.1:9776"]
config_file = ""
[store]
mode = "memory"
path = "/nowhere"
capacity = 4096
period = "28d"
"#;

fn error(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from} stands in the good configuration");
    match parse(&GOOD.replacen(from, to, 1)) {
        Ok(_) => panic!("{to} was accepted"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn the_good_configuration_reads_back_from_its_effective_form() {
    let other = GOOD.replacen("epsilon = 1.0", "epsilon = 0.3", 1).replacen("\"50GiB\"", "\"7MiB\"", 1);
    let coarse = GOOD.replacen("\"noisy\"", "\"coarse\"", 1);
    let web = GOOD.replacen("config_file = \"\"", "config_file = \"/etc/blindmeter/web.yml\"", 1);
    let staff = "two_person = true\n[support.roles]\nsupport = [\"ben\"]\nprivacy = [\"clara\"]\n\
                 persons = [[\"clara\", \"unix:clara\"], [\"ben\", \"unix:ben\"]]\n[web]";
    let staff = GOOD.replacen("[web]", staff, 1);
    for text in [GOOD, &other, &coarse, &web, &staff] {
        let config = parse(text).expect("good");
        let mut again = parse(&config.effective()).expect("the effective form is a configuration");
        // Pools are addresses, and the probe account is a name: neither is printed.
        again.pools.clone_from(&config.pools);
        again.probe_account.clone_from(&config.probe_account);
        assert!(again == config);
        assert!(config.restart_needed_for(&again).is_none());
    }
}

#[test]
fn a_name_belongs_to_one_person_who_has_two_or_more() {
    let persons = |list: &str| error("[web]", &format!("[support.roles]\npersons = [{list}]\n[web]"));
    assert!(persons("[\"clara\"]").contains("line 21: support.roles.persons: a person has two names"));
    let twice = persons("[\"clara\", \"unix:clara\"], [\"ben\", \"clara\"]");
    assert!(twice.contains("a name belongs to one person"), "{twice}");
}

#[cfg(not(feature = "lab"))]
#[test]
fn floors_are_compiled_in() {
    assert_eq!(
        error("length = \"24h\"", "length = \"59m\""),
        "line 11: epoch.length: the compiled-in floor is 1h; raise it"
    );
    assert_eq!(
        error("crowd = 20", "crowd = 9"),
        "line 16: release.crowd: the compiled-in floor is 10; raise it"
    );
    assert_eq!(
        error("refresh = \"7d\"", "refresh = \"6d\""),
        "line 19: support.refresh: the compiled-in floor is 7d; raise it"
    );
    assert!(error("period = \"28d\"", "period = \"36d\"").starts_with("line 27: store.period: "));
    assert_eq!(
        error("epsilon = 1.0", "epsilon = 1.000000001"),
        "line 14: release.epsilon: the compiled-in ceiling is 1.0; lower it"
    );
}

#[test]
fn every_error_names_its_line_and_its_remedy() {
    for (from, to, expected) in [
        ("crowd = 20", "crowds = 20", "line 16: unknown field `crowds`"),
        ("\"24h\"", "\"24\"", "line 11: expected a duration like \"24h\""),
        ("\"50GiB\"", "\"50G\"", "line 15: expected a size like \"50GiB\""),
        ("\"1Gbit/s\"", "\"1G\"", "line 17: expected a rate like \"1Gbit/s\""),
        ("\"1Gbit/s\"", "\"0bit/s\"", "line 17: release.link_capacity: must be above 0"),
        ("\"noisy\"", "\"exact\"", "line 13: release.mode: expected \"noisy\" or \"coarse\""),
        (
            "epsilon = 1.0",
            "epsilon = 0.0",
            "line 14: release.epsilon: expected a decimal above 0 with at most",
        ),
        ("epsilon = 1.0", "epsilon = -0.5", "line 14: release.epsilon: expected a decimal above 0"),
        ("epsilon = 1.0", "epsilon = nan", "line 14: release.epsilon: expected a decimal above 0"),
        ("epsilon = 1.0", "epsilon = 0.1234567891", "line 14: release.epsilon: expected a decimal above 0"),
        ("epsilon = 1.0", "epsilon = \"1.0\"", "line 14: "),
        (
            "epsilon = 1.0",
            "epsilon = 1e-9",
            "line 14: release.epsilon: with this release.clamp and epoch.length, the noise",
        ),
        ("\"50GiB\"", "\"0B\"", "line 15: release.clamp: expected 1B to 1024TiB"),
        ("\"50GiB\"", "\"1025TiB\"", "line 15: release.clamp: expected 1B to 1024TiB"),
        ("mode = \"memory\"", "mode = \"disk\"", "line 24: store.mode: expected \"sealed\" or \"memory\""),
        ("mode = \"memory\"", "save_every = \"61m\"", "line 24: store.save_every: expected 1s to 1h"),
        ("[\"wg0\", \"tun*\"]", "[]", "line 3: tap.interfaces: name at least one"),
        ("\"wg0\"", "\"a name too long\"", "line 3: tap.interfaces: expected a name or glob of 1 to 127"),
        ("\"tun*\"", "\"wg0\"", "line 3: tap.interfaces: listed twice"),
        ("\"tun*\"", "\"lo\"", "line 3: tap.interfaces: lo shows each packet twice"),
        ("10.8.0.0/16", "10.8.0.1/16", "line 8: roster.pools: address bits are set past"),
        ("10.8.0.0/16", "10.0.0.0/8", "line 8: roster.pools: a pool holds at most 2^20 addresses"),
        ("fd42:8::/112", "10.8.4.0/24", "line 8: roster.pools: overlaps an earlier pool"),
        ("\"probe\"", "\"a b\"", "line 7: roster.probe_account: write a space"),
        ("127.0.0.1:9776", "localhost", "line 21: web.listen: expected ADDRESS:PORT"),
        ("\"127.0.0.1:9776\"", "\"127.0.0.1:1\", \"127.0.0.1:1\"", "line 21: web.listen: listed twice"),
        ("\"127.0.0.1:9776\"", "\"127.0.0.1:1\", \"0.0.0.0:1\"", "line 21: web.listen: listed twice"),
        ("\"127.0.0.1:9776\"", "\"[::]:1\", \"[::1]:1\"", "line 21: web.listen: listed twice"),
        (
            "\"127.0.0.1:9776\"",
            "\"0.0.0.0:1\", \"[::ffff:127.0.0.1]:1\"",
            "line 21: web.listen: listed twice",
        ),
        ("[node]", "pin = \"pins\"\n[node]", "line 4: tap.pin: expected a path from /"),
        ("config_file = \"\"", "config_file = 7", "line 22: "),
        ("capacity = 4096", "capacity = 0", "line 26: store.capacity: expected 1 to 16777216"),
        ("[node]", "[irregularity]\npreset = \"lax\"\n[node]", "irregularity.preset: expected"),
        (
            "[node]",
            "[irregularity]\nmass_event_share = 0.0\n[node]",
            "irregularity.mass_event_share: expected",
        ),
        (
            "[node]",
            "[irregularity]\nmass_event_share = 1.01\n[node]",
            "irregularity.mass_event_share: expected",
        ),
        (
            "[node]",
            "[irregularity]\nmass_event_share = 0.0000001\n[node]",
            "irregularity.mass_event_share: expected",
        ),
        ("[node]", "[irregularity]\nenabled = 1\n[node]", "invalid type"),
        ("refresh = \"7d\"", "refresh = \"7d\"\nlanguage = \"de\"", "support.language: expected"),
        ("refresh = \"7d\"", "listen = \"x\"", "support.listen: expected ADDRESS:PORT"),
        ("refresh = \"7d\"", "listen = \"127.0.0.1:9777\"", "support.listen: the desk asks who is there"),
        ("[node]", "backend = \"ebpf\"\n[node]", "tap.backend: expected \"auto\", \"kernel\", \"ring\" or"),
        ("[node]", "hook = \"xdp\"\n[node]", "tap.hook: expected \"auto\", \"tcx\" or \"clsact\""),
    ] {
        let found = error(from, to);
        assert!(found.contains(expected), "{found} does not hold {expected}");
        assert!(!found.contains('\n'));
    }
}

fn mode(text: &str) -> Mode {
    parse(text).unwrap_or_else(|error| panic!("{error}")).policy.0.mode
}

#[test]
fn releases_are_noisy_where_nothing_else_is_asked_for() {
    let noisy = |epsilon: &str, clamp_bytes| {
        Mode::Noisy(Noise { epsilon: Epsilon::of_decimal(epsilon).unwrap(), clamp_bytes })
    };
    let without =
        |lines: &[&str]| lines.iter().fold(GOOD.to_owned(), |text, line| text.replacen(line, "", 1));
    let (mode_line, epsilon_line) = ("mode = \"noisy\"\n", "epsilon = 1.0\n");
    assert!(mode(&without(&[mode_line, epsilon_line, "clamp = \"50GiB\"\n"])) == noisy("1", 50 << 30));
    assert!(mode(&without(&["[release]\n"]).replacen(mode_line, "[release]\n", 1)) == noisy("1", 50 << 30));
    for (written, read) in [
        ("1", "1"),
        ("0.999999999", "0.999999999"),
        ("0.3", "0.3"),
        ("+0.25", "0.25"),
        ("5e-1", "0.5"),
        ("0.1_5", "0.15"),
    ] {
        let text = GOOD.replacen("epsilon = 1.0", &format!("epsilon = {written} # of a day"), 1);
        assert!(mode(&text) == noisy(read, 50 << 30), "{written}");
    }
    // What coarse mode does not use is not read.
    let coarse = GOOD.replacen("\"noisy\"", "\"coarse\"", 1).replacen("epsilon = 1.0", "epsilon = 7.5", 1);
    assert!(mode(&coarse) == Mode::Coarse);
}

#[test]
fn a_wildcard_of_each_family_and_one_port_go_together() {
    for listen in
        ["\"[::]:1\", \"0.0.0.0:1\"", "\"[::]:1\", \"127.0.0.1:1\"", "\"127.0.0.1:1\", \"127.0.0.2:1\""]
    {
        let config = parse(&GOOD.replacen("\"127.0.0.1:9776\"", listen, 1)).expect("good");
        assert_eq!(config.listen.len(), 2);
    }
}

#[test]
fn a_sockets_path_has_at_most_107_bytes() {
    let with = |bytes: usize| {
        let path = format!("/{}", "s".repeat(bytes - 1));
        parse(&GOOD.replacen("[epoch]", &format!("[control]\nsocket = \"{path}\"\n[epoch]"), 1))
    };
    assert!(with(107).is_ok());
    let error = with(108).err().expect("too long").to_string();
    assert!(error.starts_with("line 11: control.socket: expected a path of 1 to 107 bytes"), "{error}");
    assert!(error.contains("has 108"), "{error}");
}

#[test]
fn a_glob_stands_for_what_it_matches() {
    for (pattern, name, matches) in [
        ("wg0", "wg0", true),
        ("wg0", "wg01", false),
        ("tun*", "tun", true),
        ("tun*", "tun17", true),
        ("t?n*", "ton0", true),
        ("*", "anything", true),
        ("v*s?", "vpns0", true),
        ("v*s?", "vpns", false),
    ] {
        assert!(Pattern::of_name(pattern).matches(name) == matches, "{pattern} {name}");
    }
}

#[test]
fn a_change_that_needs_a_restart_is_named() {
    let old = parse(GOOD).expect("good");
    for (from, to, table) in [
        ("\"wg0\"", "\"wg1\"", Some("[tap]")),
        ("fr-par-3", "fr-par-4", Some("[node]")),
        (
            "epsilon = 1.0",
            "epsilon = 0.5",
            Some("[epoch], [release], [irregularity], [store] period or [support] refresh"),
        ),
        (
            "crowd = 20",
            "crowd = 30",
            Some("[epoch], [release], [irregularity], [store] period or [support] refresh"),
        ),
        ("capacity = 4096", "capacity = 4097", Some("[store]")),
        ("file = ", "# file = ", Some("[roster] sources or pools")),
        ("127.0.0.1:9776", "127.0.0.1:9777", None),
        ("roster.csv", "other.csv", None),
    ] {
        let new = parse(&GOOD.replacen(from, to, 1)).expect("good as well");
        assert_eq!(old.restart_needed_for(&new), table);
    }
}
