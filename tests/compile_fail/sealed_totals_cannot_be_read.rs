//! What was sealed is for the release alone: outside the core it has no figures.

use blindmeter::meter::ledger::Sealed;

fn read(sealed: &Sealed) -> u64 {
    sealed.attributed.bytes() + sealed.largest_up_bytes + sealed.largest_down_bytes + sealed.active_accounts
}

fn read_the_rest(sealed: &Sealed) -> u64 {
    sealed.unattributed.bytes() + sealed.malformed.packets() + sealed.lost.packets()
}

fn read_the_clamped(sealed: &Sealed) -> u128 {
    sealed.clamped.up_bytes
}

fn main() {}
