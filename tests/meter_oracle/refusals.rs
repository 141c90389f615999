//! What cannot be read or written at all, and rosters that are refused: the exit codes of section 1 and the line numbers
//! of section 3.

use std::path::PathBuf;

use super::broken::workbench_and_packets;
use super::captures::{Order, pcap};

#[test]
fn a_file_that_cannot_be_read_is_exit_code_74() {
    let (workbench, packets) = workbench_and_packets(513, 1, 2);
    let folder = workbench.path("folder.pcap");
    std::fs::create_dir(&folder).expect("the temporary folder takes folders");
    for unreadable in [workbench.path("missing.pcap"), folder] {
        let name = unreadable.file_name().expect("it has a name").to_string_lossy().into_owned();
        let outcome = workbench.meter(&[&unreadable]);
        assert_eq!(outcome.code, Some(74), "{name}: {}", outcome.complaints.join("\n"));
        assert_eq!(outcome.complaints.len(), 1, "{name}: {}", outcome.complaints.join("\n"));
        assert!(outcome.complaints[0].contains(&name), "the line names the file: {}", outcome.complaints[0]);
        let good = workbench.write("good.pcap", &pcap(Order::Little, false, 1, &packets).bytes);
        let outcome = workbench.meter(&[good, unreadable]);
        assert_eq!((outcome.code, outcome.complaints.len()), (Some(74), 1), "{name} after a good file");
    }
}

#[test]
fn a_report_that_cannot_be_written_is_exit_code_74() {
    let (workbench, packets) = workbench_and_packets(514, 1, 2);
    let file = workbench.write("good.pcap", &pcap(Order::Little, false, 1, &packets).bytes);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has /dev/full");
    let outcome = workbench.outcome(workbench.command(&[file]).stdout(full).output());
    assert_eq!((outcome.code, outcome.complaints.len()), (Some(74), 1), "{}", outcome.complaints.join("\n"));
}

#[test]
fn what_the_command_line_lacks_is_exit_code_64() {
    let (workbench, _) = workbench_and_packets(515, 1, 1);
    assert_eq!(workbench.meter::<PathBuf>(&[]).code, Some(64), "no file");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_blindmeter"));
    let outcome = workbench.outcome(command.args(["meter", "x.pcap"]).output());
    assert_eq!(outcome.code, Some(64), "no roster");
}

#[test]
fn a_bad_roster_is_exit_code_78_and_the_line_number() {
    let (workbench, packets) = workbench_and_packets(516, 1, 2);
    let file = workbench.write("good.pcap", &pcap(Order::Little, false, 1, &packets).bytes);
    let long = format!("prefix,account\n10.8.0.1,{}\n", "n".repeat(129));
    let rosters: [(&str, &str, &[usize]); 14] = [
        ("an octet of 300", "prefix,account\n10.8.0.1,alice\n10.8.0.300,alice\n", &[3]),
        ("a length of 33", "# first\nprefix,account\n10.8.0.0/33,alice\n", &[3]),
        ("a length of 129", "prefix,account\nfd42:8::/129,alice\n", &[2]),
        ("no length", "prefix,account\n10.8.0.0/,alice\n", &[2]),
        ("a negative length", "prefix,account\n10.8.0.0/-1,alice\n", &[2]),
        ("no account", "prefix,account\n10.8.0.1\n", &[2]),
        ("an empty account", "prefix,account\n10.8.0.1,\n", &[2]),
        ("three fields", "prefix,account\n10.8.0.1,alice,dave.d\n", &[2]),
        ("a name of 129 bytes", &long, &[2]),
        ("a bare space in a name", "prefix,account\n10.8.0.1,carol b\n", &[2]),
        ("a bare byte that is not ASCII", "prefix,account\n10.8.0.1,Jos\u{e9}\n", &[2]),
        ("a percent sign that encodes nothing", "prefix,account\n10.8.0.1,carol%zz\n", &[2]),
        ("no header", "10.8.0.1,alice\n", &[1]),
        ("one prefix for two accounts", "prefix,account\n10.8.0.1,alice\n# x\n10.8.0.1/32,carol\n", &[2, 4]),
    ];
    for (what, roster, lines) in rosters {
        workbench.write("roster.csv", roster.as_bytes());
        let outcome = workbench.meter(&[&file]);
        assert_eq!(outcome.code, Some(78), "{what}: {}", outcome.complaints.join("\n"));
        let [complaint] = outcome.complaints.as_slice() else { panic!("{what}: one line is promised") };
        assert!(complaint.contains("roster.csv"), "{what}: the line names the roster: {complaint}");
        let numbers: Vec<&str> = complaint.split(|letter: char| !letter.is_ascii_digit()).collect();
        let named = lines.iter().all(|line| numbers.contains(&line.to_string().as_str()));
        assert!(named, "{what}: the line names the roster's line: {complaint}");
    }
    std::fs::remove_file(workbench.path("roster.csv")).expect("it was just written");
    let outcome = workbench.meter(&[&file]);
    // The contract leaves open whether a roster that is not there is configuration or input.
    assert!(matches!(outcome.code, Some(74 | 78)), "a missing roster: {}", outcome.complaints.join("\n"));
    assert_eq!(outcome.complaints.len(), 1, "a missing roster");
}
