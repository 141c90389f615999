//! The released part of the page is made of a release, of nothing that comes before it.

use blindmeter::meter::counters::Counters;
use blindmeter::meter::ledger::Ledger;
use blindmeter::meter::policy::Policy;
use blindmeter::meter::slot::Slot;
use blindmeter::publish::exposition;

fn main() {
    let counters = Counters::in_memory(1);
    let mut ledger = Ledger::new(counters);
    exposition::released(&counters, &Policy::DEFAULT);
    exposition::released(&counters.read(Slot::FIRST_ACCOUNT), &Policy::DEFAULT);
    exposition::released(&ledger.node(), &Policy::DEFAULT);
    exposition::released(&ledger.open_epoch(Slot::FIRST_ACCOUNT), &Policy::DEFAULT);
    exposition::released(&ledger.seal(1 << 30), &Policy::DEFAULT);
}
