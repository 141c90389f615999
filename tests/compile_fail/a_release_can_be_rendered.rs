//! The control of the other cases: a release is rendered, and what they reach for exists.

use blindmeter::meter::counters::Counters;
use blindmeter::meter::ledger::Ledger;
use blindmeter::meter::policy::Policy;
use blindmeter::meter::release::Release;
use blindmeter::publish::exposition;
use blindmeter::roster::account::AccountName;
use blindmeter::roster::address::{Prefix, TunnelAddress};

fn main() {
    let page = exposition::released(&Release::none(), &Policy::DEFAULT);
    assert!(page.contains("blindmeter_epoch 0"));
    let _ = Ledger::new(Counters::in_memory(1)).seal(1 << 30);
    assert!(AccountName::parse("alice").is_ok_and(|name| name.reveal() == "alice"));
    assert!(Prefix::parse("10.8.0.2").is_ok_and(|prefix| prefix.address() == TunnelAddress::V4(0x0a08_0002)));
    assert!(serde_json::to_string("a word can be serialised").is_ok());
}
