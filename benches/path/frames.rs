//! Frames of many accounts in random order, and the meter that they are counted by: shared by the
//! bench and by the test that nothing is allocated.

use blindmeter::meter::counters::Counters;
use blindmeter::meter::ledger::Ledger;
use blindmeter::meter::slot::Direction;
use blindmeter::meter::tags::Tags;
use blindmeter::roster::account::AccountName;
use blindmeter::roster::place::Place;
use blindmeter::roster::tagger::Tagger;
use blindmeter::roster::{Roster, Source};
use blindmeter::tap::Attribution;
use blindmeter::tap::frame::LinkType;

use crate::owners::Owners;
use crate::support::rng::Rng;

/// Bytes of a header: the fixed IPv6 header.
const HEADER_BYTES: usize = 40;

/// Frames that are counted in a round: 2.5 MiB of them, more than a core's own caches hold.
pub(crate) const FRAMES: usize = 1 << 16;

/// A meter and the frames it counts.
pub(crate) struct Traffic {
    attribution: Attribution,
    frames: Vec<[u8; HEADER_BYTES]>,
    ledger: Ledger,
}

impl Traffic {
    /// So many accounts, and [`FRAMES`] frames of them in random order.
    pub(crate) fn new(owners: Owners, accounts: u32) -> Self {
        let tags = Tags::in_memory(accounts as usize);
        let roster = Roster::new(&owners.pools(), tags, Tagger::new(&[1; 32]), 1);
        let name = |account: u32| AccountName::parse(&format!("account-{account}")).expect("a good name");
        let assignment = |account: u32| (owners.prefix(account), roster.tag_of(&name(account)));
        let assignments = (0..accounts).map(assignment).collect();
        assert!(roster.replace(Source::File, assignments).is_ok(), "there is room for all");
        let counters = Counters::in_memory(accounts as usize);
        let mut rng = Rng::seeded(1);
        let draw = |_| {
            let account = u32::try_from(rng.below(accounts as usize)).expect("below a u32");
            *owners.packet(account, 1200).first_chunk().expect("a packet is longer than its header")
        };
        let frames = (0..FRAMES).map(draw).collect();
        Self {
            attribution: Attribution { table: roster.table(), counters, place: Place::ANY },
            frames,
            ledger: Ledger::new(counters),
        }
    }

    /// Counts every frame once: parse, look-up, two adds.
    pub(crate) fn count_all(&self) {
        for frame in &self.frames {
            self.attribution.count(LinkType::RawIp, frame, 1200, Direction::Up, None);
        }
    }

    /// The empty loop over the same frames: the floor.
    pub(crate) fn touch_all(&self) {
        for frame in &self.frames {
            std::hint::black_box(frame[0]);
        }
    }

    /// True when every packet counted so far was charged to an account.
    pub(crate) fn is_attributed(&self) -> bool {
        let node = self.ledger.node();
        node.attributed.up.packets > 0 && node.seen() == node.attributed.up
    }
}
