//! The kernel's program says of every packet what `tap/frame.rs` and the roster's table say.
//!
//! Each packet goes through the program (BPF_PROG_TEST_RUN) and through `Attribution::count`; then
//! all counters of both must be equal: the slot, the direction, the bytes and the packets. The seed
//! is printed with a difference; BLINDMETER_SEED sets it. Needs CAP_BPF and CAP_NET_ADMIN.

#[path = "kernel/packets.rs"]
mod packets;
mod support;
#[path = "kernel/test_run.rs"]
mod test_run;

use blindmeter::config::MEMORY_BUDGET_BYTES;
use blindmeter::meter::counters::Counters;
use blindmeter::meter::slot::{Direction, Slot};
use blindmeter::meter::tags::Tags;
use blindmeter::roster::account::AccountName;
use blindmeter::roster::address::Prefix;
use blindmeter::roster::owners::Owned;
use blindmeter::roster::place::Place;
use blindmeter::roster::tagger::Tagger;
use blindmeter::roster::{Roster, Source};
use blindmeter::system::capabilities;
use blindmeter::tap::Attribution;
use blindmeter::tap::frame::{self as parser, Frame, LinkType};
use blindmeter::tap::kernel::Kernel;
use blindmeter::tap::super_packet::{Gso, Transport, segments};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use packets::Packet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use support::frames::{Address, datagram, frame};
use support::rng::Rng;

/// More pools than the program serves by array, so that the last go to the hash; in two places.
const POOLS: [&str; 12] = [
    "10.8.0.0/24",
    "10.9.1.0/28",
    "10.9.2.0/28",
    "10.9.3.0/28",
    "10.9.4.0/28",
    "10.9.5.0/28",
    "10.9.6.0/28",
    "10.9.7.0/28",
    "10.9.8.0/28",
    "fd42:8::/112",
    "fd42:9::10/124",
    "2001:db8:ffff:ffff:ffff:ffff:ffff:0/116",
];

/// Prefixes and the number of the account that owns each: pools, single addresses, nested routes.
const OWNED: [(&str, usize); 26] = [
    ("10.8.0.0", 0),
    ("10.8.0.1", 1),
    ("10.8.0.255", 2),
    ("10.9.1.3", 3),
    ("10.9.8.15", 4),
    ("10.9.8.0", 5),
    ("10.8.0.0/25", 6),
    ("10.8.0.0/16", 7),
    ("172.16.0.9", 8),
    ("172.16.0.10", 0),
    ("172.16.0.0/12", 9),
    ("172.16.0.0/30", 10),
    ("192.0.2.128/25", 11),
    ("fd42:8::", 0),
    ("fd42:8::1", 1),
    ("fd42:8::ffff", 2),
    ("fd42:9::1f", 3),
    ("2001:db8:ffff:ffff:ffff:ffff:ffff:fff", 12),
    ("fd42:8::/64", 6),
    ("fd42::/16", 7),
    ("2001:db8::9", 8),
    ("2001:db8::/32", 9),
    ("2001:db8::8/125", 13),
    ("fd42:8::1:0/128", 14),
    ("169.254.9.9", 3),
    ("fe80::5", 4),
];

const ACCOUNTS: usize = 15;

/// The interface that BPF_PROG_TEST_RUN gives packets to: lo.
const LOOPBACK: u32 = 1;

/// The two programs.
#[derive(Clone, Copy)]
enum Layout {
    Sliced,
    Locked,
}

impl Layout {
    const ALL: [Self; 2] = [Self::Sliced, Self::Locked];

    const fn word(self) -> &'static str {
        match self {
            Self::Sliced => "sliced",
            Self::Locked => "locked",
        }
    }

    const fn budget_bytes(self) -> u64 {
        match self {
            Self::Sliced => MEMORY_BUDGET_BYTES,
            Self::Locked => 0,
        }
    }
}

/// The program and the parser, over the same roster.
struct Both {
    kernel: Kernel,
    parser: Attribution,
    /// The owners of each.
    rosters: [Roster; 2],
}

impl Both {
    fn new(layout: Layout) -> Self {
        let prefix = |text: &str| Prefix::parse(text).expect("a prefix");
        let pools = POOLS.map(prefix);
        let kernel = Kernel::load(&pools, ACCOUNTS, layout.budget_bytes(), [1; 16]);
        let kernel = kernel.unwrap_or_else(|error| panic!("{error}"));
        let counting = kernel.counting();
        assert_eq!(counting.as_str(), layout.word(), "{}", counting.why());
        let tagger = || Tagger::new(&[1; 32]);
        let in_kernel = Roster::over(kernel.owners(), &pools, kernel.memory().tags, tagger());
        let in_process = Roster::new(&pools, Tags::in_memory(ACCOUNTS), tagger(), 7);
        for roster in [&in_kernel, &in_process] {
            for (text, account) in OWNED {
                let name = AccountName::parse(&format!("account-{account}")).expect("a name");
                roster.assign(Source::File, prefix(text), roster.tag_of(&name)).expect("there is room");
            }
            // One of each kind is taken back.
            for text in ["10.8.0.255", "172.16.0.10", "192.0.2.128/25", "fd42:8::ffff"] {
                assert!(roster.unassign(Source::File, prefix(text)).expect("it can be taken back"));
            }
        }
        let counters = Counters::in_memory(ACCOUNTS);
        let parser = Attribution { table: in_process.table(), counters, place: Place::ANY };
        Self { kernel, parser, rosters: [in_kernel, in_process] }
    }

    /// Runs a packet through both; an error names what differs.
    fn compare(&self, packet: &Packet) -> Result<(), String> {
        self.compare_on(packet, packet.ethernet)
    }

    /// The same with the program of a device with a link layer, or without one.
    fn compare_on(&self, packet: &Packet, ethernet: bool) -> Result<(), String> {
        let direction = if packet.up { Direction::Up } else { Direction::Down };
        let program = self.kernel.program(ethernet, packet.up);
        let (verdict, _) = test_run::test_run(program, &packet.bytes, packet.segment, 1)
            .map_err(|error| format!("the program runs: {error}: {packet}"))?;
        if verdict != -1 {
            return Err(format!("the verdict is {verdict}, not \"go on\""));
        }
        let link_type = if packet.ethernet { LinkType::Ethernet } else { LinkType::RawIp };
        let gso = (packet.segment != 0).then(|| told(packet, link_type));
        self.parser.count(link_type, &packet.bytes, packet.bytes.len() as u64, direction, gso);
        for slot in 0..self.parser.counters.slots() {
            let slot = Slot::new(u32::try_from(slot).expect("few slots"));
            if self.kernel.memory().counters.read(slot) != self.parser.counters.read(slot) {
                return Err(format!("slot {} differs after {packet}", slot.index()));
            }
        }
        Ok(())
    }
}

/// What the kernel would tell the parser of a super-packet: the transport that is cut. It can be only one.
fn told(packet: &Packet, link_type: LinkType) -> Gso {
    let gso = |transport| Gso { transport, segment_bytes: packet.segment };
    let Frame::Ip(ip) = parser::read(link_type, &packet.bytes, packet.bytes.len() as u64) else {
        return gso(Transport::Tcp);
    };
    let is_known = |gso| segments(&packet.bytes[ip.offset..], ip.bytes, gso).is_some();
    [Transport::Tcp, Transport::Udp]
        .map(gso)
        .into_iter()
        .find(|gso| is_known(*gso))
        .unwrap_or(gso(Transport::Udp))
}

#[test]
fn packets_of_every_kind_are_counted_alike() {
    Layout::ALL.into_iter().for_each(|layout| count_every_kind(&Both::new(layout)));
}

/// As the service loads it: the verifier also follows what a processor may do before a branch is
/// decided, and refuses more than it does with CAP_PERFMON.
#[test]
fn with_the_capabilities_of_the_service_the_sliced_program_loads_and_counts_alike() {
    as_the_service_loads(Layout::Sliced);
}

/// `tests/kernel/debian` runs this one on Debian 12's kernel too, which loads no other without CAP_PERFMON.
#[test]
fn with_the_capabilities_of_the_service_the_locked_program_loads_and_counts_alike() {
    as_the_service_loads(Layout::Locked);
}

fn as_the_service_loads(layout: Layout) {
    // Capabilities belong to threads, and each test has one.
    let kept = capabilities::ATTACHING.into_iter().collect();
    caps::set(None, caps::CapSet::Effective, &kept).expect("the tests run as root");
    let both = Both::new(layout);
    caps::set(None, caps::CapSet::Effective, &caps::read(None, caps::CapSet::Permitted).expect("a set"))
        .expect("what is permitted can be in force");
    count_every_kind(&both);
}

fn count_every_kind(both: &Both) {
    let mut kinds = 0;
    for packet in packets::of_every_kind() {
        both.compare(&packet).unwrap_or_else(|difference| panic!("{difference}"));
        kinds += 1;
    }
    assert!(kinds > 2000, "{kinds} packets are every kind");
    let counters = both.kernel.memory().counters;
    for slot in 0..counters.slots() {
        let read = counters.read(Slot::new(u32::try_from(slot).expect("few slots")));
        // Gaps are not the program's to count; accounts 2 and 11 own nothing any more.
        let account = |number: usize| Slot::FIRST_ACCOUNT.index() + number;
        let untouched = [Slot::GAP.index(), account(2), account(11)];
        let touched = read.packets() != 0;
        assert_eq!(touched, !untouched.contains(&slot), "slot {slot}");
    }
}

/// What comes up of a device of XFRM or VTI: a packet behind the link header of the one that it came in.
#[test]
fn a_link_header_that_a_tunnel_of_the_kernels_leaves_is_passed_over() {
    for layout in Layout::ALL {
        let both = Both::new(layout);
        let mut kinds = 0;
        for packet in packets::of_every_kind().filter(is_left_by_a_tunnel) {
            both.compare_on(&packet, false).unwrap_or_else(|difference| panic!("{difference}"));
            kinds += 1;
        }
        assert!(kinds > 200, "{kinds} packets behind a header");
    }
}

/// The kernel names in the header what is behind it, and has seen that it is that.
fn is_left_by_a_tunnel(packet: &Packet) -> bool {
    let bytes = &packet.bytes;
    let is_whole = packet.up && packet.ethernet && bytes.len() >= 34;
    is_whole && matches!((&bytes[12..14], bytes[14]), ([8, 0], 0x45..=0x4f) | ([0x86, 0xdd], 0x60..=0x6f))
}

/// Owners of every interface and of two, changed at random: what is seen on each is the same of both.
#[test]
fn owners_of_one_interface_are_looked_up_alike() {
    // Addresses in a pool that the program serves by array, in one that it does not, and outside of all.
    const PREFIXES: [&str; 16] = [
        "10.8.0.7",
        "10.8.0.8",
        "10.8.0.0/28",
        "10.8.0.8/29",
        "10.9.8.3",
        "10.9.8.0/28",
        "172.16.7.7",
        "172.16.7.0/24",
        "fd42:8::7",
        "fd42:8::8",
        "fd42:8::/112",
        "fd42:8::8/125",
        "2001:db8::77",
        "2001:db8::/96",
        "0.0.0.0/0",
        "::/0",
    ];
    let seed = std::env::var("BLINDMETER_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_129);
    let mut random = Rng::seeded(seed);
    for layout in Layout::ALL {
        let prefix = |text: &str| Prefix::parse(text).expect("a prefix");
        let mut both = Both::new(layout);
        let places = ["wg0", "wg1"].map(|name| both.rosters.each_ref().map(|roster| roster.place_of(name)));
        let places: Vec<Place> = places
            .iter()
            .map(|[one, other]| {
                assert!(one == other, "names have the same numbers");
                one.expect("there is room")
            })
            .chain([Place::ANY])
            .collect();
        for step in 0..20_000 {
            let mut any = |count: usize| random.below(count);
            let (at, place) = (any(PREFIXES.len()), places[any(3)]);
            let (change, owner) = (any(8), any(ACCOUNTS));
            let changed = prefix(PREFIXES[at]).at(place);
            for roster in &both.rosters {
                let name = AccountName::parse(&format!("account-{owner}")).expect("a name");
                match change {
                    0 => roster.assign(Source::File, changed, roster.tag_of(&name)).expect("there is room"),
                    1 => _ = roster.unassign(Source::File, changed).expect("it can be taken back"),
                    _ => {}
                }
            }
            let (seen_at, low) = (places[any(3)], u8::try_from(any(18)).expect("it is small"));
            both.kernel.owners().stand(LOOPBACK, seen_at).expect("it is told");
            both.parser.place = seen_at;
            let own = match any(6) {
                0 | 1 => Address::V4([10, 8, 0, low]),
                2 => Address::V4([10, 9, 8, low]),
                3 => Address::V4([172, 16, 7, low]),
                4 => Address::v6((0xfd42_0008 << 96) + u128::from(low)),
                _ => Address::v6((0x2001_0db8 << 96) + 0x6f + u128::from(low)),
            };
            let up = any(2) == 0;
            let (from, to) = if up { (own, nobody(own)) } else { (nobody(own), own) };
            let bytes = frame([2; 6], [2; 6], &[], own.ethertype(), &datagram(from, to, 100));
            let packet = Packet { ethernet: true, up, segment: 0, bytes };
            both.compare(&packet).unwrap_or_else(|difference| {
                panic!("BLINDMETER_SEED={seed}, step {step}, {}: {difference}", layout.word())
            });
        }
        let mut own = 0;
        let mut look = |owned: Owned| own += usize::from(owned.prefix.place() != Place::ANY);
        both.kernel.owners().each(&mut look).unwrap_or_else(|error| panic!("{error}"));
        assert!(own > 5, "some are left");
    }
}

#[test]
fn a_million_random_packets_are_counted_alike() {
    let seed = std::env::var("BLINDMETER_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_123);
    let both = Layout::ALL.map(Both::new);
    let mut random = Rng::seeded(seed);
    for number in 0..1_000_000 {
        let packet = packets::random(&mut random);
        both[number % 2]
            .compare(&packet)
            .unwrap_or_else(|difference| panic!("BLINDMETER_SEED={seed}, packet {number}: {difference}"));
    }
}

/// Threads on every processor, and two of them on each, run the program at the same time: each processor
/// into its own slice, or all into one. BLINDMETER_PACKETS sets how many packets each program gets.
#[test]
fn packets_on_all_processors_at_once_are_all_counted() {
    const CHUNK: u32 = 250_000;
    let packets = std::env::var("BLINDMETER_PACKETS").ok().and_then(|packets| packets.parse().ok());
    let chunks =
        usize::try_from(packets.unwrap_or(4_000_000_u64).div_ceil(CHUNK.into())).expect("few chunks");
    let allowed = sched_getaffinity(Pid::from_raw(0)).expect("a thread knows where it may run");
    let processors: Vec<usize> = (0..CpuSet::count()).filter(|at| allowed.is_set(*at) == Ok(true)).collect();
    // An account of each family in each direction: its number, and its address.
    let v6 = |low: u128| Address::v6((0xfd42_0008 << 96) + low);
    let accounts =
        [(1, true, Address::V4([10, 8, 0, 1])), (0, false, v6(0)), (8, false, Address::V4([172, 16, 0, 9]))];
    for layout in Layout::ALL {
        let Both { kernel, .. } = Both::new(layout);
        let next = AtomicUsize::new(0);
        let run = |processor: usize| {
            let mut only = CpuSet::new();
            only.set(processor).expect("it is one of this machine's");
            sched_setaffinity(Pid::from_raw(0), &only).expect("a thread may stay on its processor");
            // Relaxed: chunks are handed out once each, in whatever order.
            while let chunk = next.fetch_add(1, Ordering::Relaxed)
                && chunk < chunks
            {
                let (_, up, address) = accounts[chunk % accounts.len()];
                let (from, to) = if up { (address, nobody(address)) } else { (nobody(address), address) };
                let packet = datagram(from, to, 100);
                let frame = frame([2; 6], [2; 6], &[], address.ethertype(), &packet);
                let program = kernel.program(true, up);
                test_run::test_run(program, &frame, 0, CHUNK).expect("the program runs");
            }
        };
        thread::scope(|scope| {
            let run = &run;
            for processor in processors.iter().chain(&processors) {
                scope.spawn(move || run(*processor));
            }
        });
        for (at, (account, up, _)) in accounts.into_iter().enumerate() {
            let slot = Slot::new(u32::try_from(Slot::FIRST_ACCOUNT.index() + account).expect("few slots"));
            let read = kernel.memory().counters.read(slot);
            let (one, other) = if up { (read.up, read.down) } else { (read.down, read.up) };
            let sent = (at..chunks).step_by(accounts.len()).count() as u64 * u64::from(CHUNK);
            assert!(
                (one.packets, one.bytes, other.packets) == (sent, sent * 100, 0),
                "{}: account {account} was sent {sent} packets",
                layout.word()
            );
        }
        println!("{}: {} packets on {} processors", layout.word(), chunks * CHUNK as usize, processors.len());
    }
}

fn nobody(like: Address) -> Address {
    match like {
        Address::V4(_) => Address::V4([203, 0, 113, 1]),
        Address::V6(_) => Address::v6(0x2a00 << 112),
    }
}
