//! Figures of traffic leave through the reports of `control::reports` only, never by themselves.

use blindmeter::meter::clamp::Sums;
use blindmeter::meter::counters::Counters;
use blindmeter::meter::epoch::Carry;
use blindmeter::meter::ledger::{NodeTotals, Sealed};
use blindmeter::meter::release::Release;
use blindmeter::meter::units::{Totals, Volume};

/// What `serde_json::to_string` takes; of this crate, so that the message lists no types of serde's.
#[diagnostic::on_unimplemented(message = "`{Self}` cannot be serialised")]
trait Written {}
#[diagnostic::do_not_recommend]
impl<T: serde::Serialize> Written for T {}

fn to_json<T: Written>(_: &T) {}

fn serialise(volume: &Volume, totals: &Totals, sealed: &Sealed, node: &NodeTotals) {
    to_json(&"a word can be serialised");
    to_json(volume);
    to_json(totals);
    to_json(sealed);
    to_json(node);
}

fn serialise_the_rest(counters: &Counters, release: &Release, sums: &Sums, carry: &Carry) {
    to_json(counters);
    to_json(release);
    to_json(sums);
    to_json(carry);
}

fn main() {}
