//! Room for addresses outside the pools: what one source holds there tells another nothing.

use blindmeter::meter::slot::Slot;
use blindmeter::meter::tags::{Tag, Tags};
use blindmeter::roster::account::AccountName;
use blindmeter::roster::address::{Prefix, TunnelAddress};
use blindmeter::roster::owners::table_entries;
use blindmeter::roster::tagger::Tagger;
use blindmeter::roster::{Roster, RosterError, Source};

const ACCOUNTS: usize = 64;

fn prefix(text: &str) -> Prefix {
    Prefix::parse(text).expect("a good prefix")
}

fn tag(name: &str) -> Tag {
    Tagger::new(&[7; 32]).tag_of(&AccountName::parse(name).expect("a good name"))
}

/// The room outside the pools is halved: what others hold moves no refusal over the socket, nor the other way.
#[test]
fn the_socket_is_refused_addresses_by_what_it_holds_itself() {
    let at = |first: u32, number: u32| Prefix::of_host(TunnelAddress::V4(first + number));
    let most = u32::try_from(table_entries(ACCOUNTS) / 2).expect("small");
    let full = Err(RosterError::OutsideFull { most: most as usize });
    let rows = |first: u32, count: u32| (0..count).map(move |number| (at(first, number), tag("a"))).collect();
    for others in [0, most / 2, most - 1, most] {
        let pools = [prefix("10.8.0.0/24")];
        let roster = Roster::new(&pools, Tags::in_memory(ACCOUNTS), Tagger::new(&[7; 32]), 1);
        roster.replace(Source::WireGuard, rows(0x0c00_0000, others)).expect("their half");
        assert_eq!(
            roster.replace(Source::Control, rows(0x0d00_0000, most + 1)),
            full,
            "with {others} others"
        );
        roster
            .replace(Source::Control, rows(0x0d00_0000, most))
            .unwrap_or_else(|refused| panic!("with {others} others: {refused}"));
        assert_eq!(
            roster.assign(Source::Control, at(0x0e00_0000, 1), tag("a")),
            full,
            "with {others} others"
        );
        assert_eq!(roster.rehearse(at(0x0e00_0000, 1), tag("a")), full, "with {others} others");
        // What it holds already, what lies in a pool, and what has another table.
        for prefix in [at(0x0d00_0000, 0), prefix("10.8.0.9"), prefix("192.0.2.0/24"), prefix("2001:db8::1")]
        {
            assert_eq!(roster.assign(Source::Control, prefix, tag("a")), Ok(()), "with {others} others");
        }
        // Of a server, what there is room for.
        let came = roster.add(Source::WireGuard, rows(0x0e00_0000, 2));
        assert!((others >= most - 1) == (came == full), "with {others} others: {came:?}");
        let has = roster.table().slot_of(prefix("14.0.0.0").address()) != Slot::UNATTRIBUTED;
        assert!(has == (others < most), "with {others} others");
        // Of what is taken back there is room again.
        roster.unassign(Source::Control, at(0x0d00_0000, 5)).expect("a table takes it");
        assert_eq!(
            roster.assign(Source::Control, at(0x0e00_0000, 7), tag("a")),
            Ok(()),
            "with {others} others"
        );
    }
}
