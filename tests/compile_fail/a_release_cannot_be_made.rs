//! Outside the core nobody makes a release that holds anything: its fields are private.

use blindmeter::meter::release::Release;

fn main() {
    let _ = Release {
        ordinal: 1,
        up_bytes: 1,
        down_bytes: 1,
        suppressed: false,
        unattributed_up_bytes: 1,
        unattributed_down_bytes: 1,
        lost_packets: 1,
        malformed_packets: 1,
        irregular_accounts: [8; 7],
        mass_event: true,
        interrupted: true,
        tap_gap: true,
        failed_attempts: 64,
    };
    let _ = Release { up_bytes: 1, ..Release::none() };
}
