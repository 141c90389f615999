//! Room for what VPN servers name: they may take all there is, and what does not fit is nobody's.

use super::*;

/// The quota is the control socket's alone: a server may use every slot.
#[test]
fn a_server_may_take_the_last_slot() {
    let roster = roster_of(64);
    let row = |at: u32| (prefix(&format!("10.9.0.{at}")), tag(&format!("a{at}")));
    roster.replace(Source::WireGuard, (0..64).map(row).collect()).expect("room for 64");
    let full = roster.replace(Source::WireGuard, (0..65).map(row).collect());
    assert_eq!(full, Err(RosterError::CapacityExceeded { capacity: 64 }));
    assert!(owner(&roster, "10.9.0.63") == roster.slot_of(tag("a63")).expect("known"), "as it was");
}

/// Else one account too many would keep everybody's addresses as they were, with their former owners.
#[test]
fn of_a_server_what_fits_is_taken_and_the_rest_is_nobodys() {
    let roster = roster_of(64);
    let row = |at: u32, account: &str| (prefix(&format!("10.9.0.{at}")), tag(account));
    let old = |at: u32| row(at, &format!("a{at}"));
    let full = Err(RosterError::CapacityExceeded { capacity: 64 });
    roster.replace(Source::WireGuard, (0..62).map(old).collect()).expect("room for 62");
    // Two addresses pass to others, one of whom is new; four accounts come, and there is room for two.
    let mut rows: Vec<_> = (2..62).map(old).collect();
    rows.extend([
        row(0, "a5"),
        row(1, "new0"),
        row(100, "new1"),
        row(101, "new1"),
        row(102, "new2"),
        row(103, "a7"),
    ]);
    assert_eq!(roster.replace(Source::WireGuard, rows.clone()), full);
    let whose = |at: u32| owner(&roster, &format!("10.9.0.{at}"));
    let slot = |account: &str| roster.slot_of(tag(account)).expect("known");
    assert!(whose(0) == slot("a5") && whose(1) == slot("new0") && whose(61) == slot("a61"));
    assert!(whose(100) == slot("new1") && whose(101) == slot("new1") && whose(103) == slot("a7"));
    assert!(roster.slot_of(tag("new2")).is_none() && whose(102) == Slot::UNATTRIBUTED);
    // What had another owner is not left to it.
    rows[0].1 = tag("new2");
    assert_eq!(roster.replace(Source::WireGuard, rows.clone()), full);
    assert!(whose(2) == Slot::UNATTRIBUTED && whose(3) == slot("a3"));
    assert_eq!(roster.add(Source::OpenVpn, vec![row(200, "new2"), row(201, "a9")]), full);
    assert!(whose(200) == Slot::UNATTRIBUTED && whose(201) == slot("a9"));
    // Two closes without an account that nobody names give its place away.
    for _ in 0..2 {
        _ = roster.at_close(false, true, |_| true);
    }
    roster.replace(Source::WireGuard, rows).expect("a0 and a1 have gone");
    assert!(whose(2) == slot("new2") && whose(102) == slot("new2"));
}
