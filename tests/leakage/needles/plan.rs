//! What is planted: addresses, payload, sites and accounts, drawn from a seed; and addresses of the
//! same kind that nobody ever uses, which tell how much is found by chance.

use crate::forms::{Spelling, of_bytes, of_owned, of_remote, of_word, short_forms};
use crate::support::frames::Address;
use crate::support::rng::Rng;

/// What a needle is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A far side's IPv4 address.
    RemoteV4,
    /// A far side's IPv6 address.
    RemoteV6,
    /// An IPv4 address that no packet ever held.
    NeverV4,
    /// Eight bytes of a packet's payload, or a site's name in it.
    Payload,
    /// An address that an account owns.
    Held,
    /// An address that an account owned, and that was taken back.
    Former,
    /// The name of an account that owns an address, or of the configured probe.
    Name,
    /// The name of an account that owns none any more.
    FormerName,
    /// What somebody said who had no business with us: a path, a header, the name of no account.
    Said,
}

impl Kind {
    /// The word in the table.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::RemoteV4 => "remote v4",
            Self::RemoteV6 => "remote v6",
            Self::NeverV4 => "never used v4",
            Self::Payload => "payload",
            Self::Held => "held",
            Self::Former => "former",
            Self::Name => "names",
            Self::FormerName => "former names",
            Self::Said => "said by others",
        }
    }
}

/// One datum that is looked for, in all of its forms.
pub(crate) struct Needle {
    pub(crate) kind: Kind,
    /// Which of its kind.
    pub(crate) number: usize,
    pub(crate) spellings: Vec<Spelling>,
}

/// An account and an address of it.
#[derive(Clone)]
pub(crate) struct Owner {
    pub(crate) address: Address,
    length: u32,
    pub(crate) name: String,
}

impl Owner {
    pub(crate) fn prefix(&self) -> String {
        format!("{}/{}", self.address.text(), self.length)
    }

    /// The line of a roster file.
    pub(crate) fn line(&self) -> String {
        format!("{},{}\n", self.prefix(), self.name)
    }
}

/// Owners by how they come and go.
pub(crate) struct Owners {
    /// In the roster file, to the end.
    pub(crate) filed: Vec<Owner>,
    /// In the roster file, and taken out of it.
    pub(crate) unfiled: Vec<Owner>,
    /// Told by `roster assign`, to the end.
    pub(crate) assigned: Vec<Owner>,
    /// Told by `roster assign`, and taken back by `roster release`.
    pub(crate) released: Vec<Owner>,
    /// Told by `roster sync`, and left out of the next.
    pub(crate) dropped: Vec<Owner>,
}

/// Everything that is planted in a run.
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) remotes: Vec<Address>,
    never: Vec<Address>,
    /// Words of eight bytes that fill the payload of packets.
    pub(crate) words: Vec<[u8; 8]>,
    pub(crate) sites: Vec<String>,
    pub(crate) owners: Owners,
    /// The account that the configuration exempts from limits.
    pub(crate) probe: String,
    /// A path of a request to the pages, and the value of a header.
    pub(crate) visitor: [String; 2],
    /// A name that no roster holds, which is asked for.
    pub(crate) nobody: String,
}

const WORDS: usize = 8;
const SITES: usize = 16;
/// Owners of each way to come and go; half of them IPv4, half of each inside the pools.
const OWNERS: usize = 16;

/// The pools of the runs. Like all of the plan's addresses they hold no byte that is common in memory.
pub(crate) const POOLS: [&str; 2] = ["10.83.0.0/16", "fd9b:61c7:3e58:a2d4::/112"];
const POOL_V4: u32 = 0x0a53_0000;
const POOL_V6: u128 = 0xfd9b_61c7_3e58_a2d4 << 64;

impl Plan {
    /// Draws a plan with as many remote addresses, half of each family.
    pub(crate) fn draw(seed: u64, remotes: usize) -> Self {
        let mut rng = Rng::seeded(seed ^ 0x0b1d_4e7e);
        let mut seen = std::collections::HashSet::new();
        let mut fresh = |draw: &mut dyn FnMut(&mut Rng) -> Address, rng: &mut Rng| loop {
            let address = draw(rng);
            if seen.insert(address.octets().to_vec()) {
                return address;
            }
        };
        let v4: Vec<Address> = (0..remotes).map(|_| fresh(&mut far_v4, &mut rng)).collect();
        let v6: Vec<Address> = (0..remotes / 2).map(|_| fresh(&mut far_v6, &mut rng)).collect();
        let mut owner = |number: usize, way: &str| {
            let (mut draw, length): (fn(&mut Rng) -> Address, _) = match number % 8 {
                0 | 4 => (pooled_v4, 32),
                1 | 5 => (pooled_v6, 128),
                2 => (host_v4, 32),
                3 => (host_v6, 128),
                6 => (network_v4, 28),
                _ => (network_v6, 64),
            };
            let name = format!("{way}-{}", letters(&mut rng, 14));
            Owner { address: fresh(&mut draw, &mut rng), length, name }
        };
        let mut of_way = |way: &str| (0..OWNERS).map(|number| owner(number, way)).collect::<Vec<_>>();
        let owners = Owners {
            filed: of_way("filed"),
            unfiled: of_way("unfiled"),
            assigned: of_way("assigned"),
            released: of_way("released"),
            dropped: of_way("dropped"),
        };
        let (planted, never) = v4.split_at(remotes / 2);
        Self {
            seed,
            remotes: planted.iter().chain(&v6).copied().collect(),
            never: never.to_vec(),
            words: (0..WORDS).map(|_| rng.word().to_be_bytes()).collect(),
            sites: (0..SITES)
                .map(|_| format!("{}.{}.example", letters(&mut rng, 9), letters(&mut rng, 7)))
                .collect(),
            owners,
            visitor: [letters(&mut rng, 20), letters(&mut rng, 20)],
            nobody: format!("nobody-{}", letters(&mut rng, 14)),
            probe: format!("probe-{}", letters(&mut rng, 14)),
        }
    }

    /// Everything that is looked for. What owners hold at the end is `Held`, all else `Former`.
    pub(crate) fn needles(&self) -> Vec<Needle> {
        let mut needles = Vec::new();
        let mut add = |kind, spellings| {
            let number = needles.iter().filter(|needle: &&Needle| needle.kind == kind).count();
            needles.push(Needle { kind, number, spellings });
        };
        for address in &self.remotes {
            let kind = if matches!(address, Address::V4(_)) { Kind::RemoteV4 } else { Kind::RemoteV6 };
            add(kind, of_remote(*address));
        }
        self.never.iter().for_each(|address| add(Kind::NeverV4, short_forms(*address)));
        self.words.iter().for_each(|word| add(Kind::Payload, of_bytes(word)));
        self.sites.iter().for_each(|site| add(Kind::Payload, of_word(site)));
        for owner in self.held() {
            add(Kind::Held, of_owned(owner.address));
            add(Kind::Name, of_word(&owner.name));
        }
        add(Kind::Name, of_word(&self.probe));
        for owner in self.former() {
            add(Kind::Former, of_owned(owner.address));
            add(Kind::FormerName, of_word(&owner.name));
        }
        for said in self.visitor.iter().chain([&self.nobody]) {
            add(Kind::Said, of_word(said));
        }
        needles
    }

    /// IPv4 addresses of the far side.
    pub(crate) fn remote_v4(&self) -> usize {
        self.remotes.iter().filter(|address| matches!(address, Address::V4(_))).count()
    }

    /// IPv4 addresses of former owners.
    pub(crate) fn former_v4(&self) -> usize {
        self.former().filter(|owner| matches!(owner.address, Address::V4(_))).count()
    }

    /// IPv4 addresses that no packet ever holds.
    pub(crate) fn never(&self) -> usize {
        self.never.len()
    }

    /// Owners at the end of the run.
    pub(crate) fn held(&self) -> impl Iterator<Item = &Owner> {
        self.owners.filed.iter().chain(&self.owners.assigned)
    }

    /// Owners that were so for a part of it.
    pub(crate) fn former(&self) -> impl Iterator<Item = &Owner> {
        self.owners.unfiled.iter().chain(&self.owners.released).chain(&self.owners.dropped)
    }
}

/// A routed address whose bytes are uncommon: no zeros, no ones, no private range.
fn far_v4(rng: &mut Rng) -> Address {
    loop {
        let octets = odd_u32(rng).to_be_bytes();
        let private = matches!(
            octets,
            [10 | 127 | 224..=255, ..]
                | [100, 64..=127, ..]
                | [172, 16..=31, ..]
                | [192, 168, ..]
                | [169, 254, ..]
        );
        if !private {
            return Address::V4(octets);
        }
    }
}

fn far_v6(rng: &mut Rng) -> Address {
    Address::v6(0b001 << 125 | odd_u128(rng) >> 3)
}

fn pooled_v4(rng: &mut Rng) -> Address {
    Address::v4(POOL_V4 | odd_u32(rng) & 0xffff)
}

fn pooled_v6(rng: &mut Rng) -> Address {
    Address::v6(POOL_V6 | u128::from(odd_u32(rng) & 0xffff))
}

fn host_v4(rng: &mut Rng) -> Address {
    Address::v4(0x6440_0000 | odd_u32(rng) & 0x3f_ffff)
}

fn host_v6(rng: &mut Rng) -> Address {
    Address::v6(0xfd << 120 | odd_u128(rng) >> 8)
}

fn network_v4(rng: &mut Rng) -> Address {
    Address::v4(0xac10_0000 | odd_u32(rng) & 0xf_fff0)
}

fn network_v6(rng: &mut Rng) -> Address {
    Address::v6((0xfd << 120 | odd_u128(rng) >> 8) & !0xffff_ffff_ffff_ffff)
}

/// Four bytes of 11 to 244, no two alike.
fn odd_u32(rng: &mut Rng) -> u32 {
    loop {
        let octets = u32::try_from(rng.word() >> 32).expect("32 bits remain").to_be_bytes();
        let mut sorted = octets;
        sorted.sort_unstable();
        let apart = sorted.windows(2).all(|pair| pair[0] != pair[1]);
        if apart && octets.iter().all(|octet| (11..=244).contains(octet)) {
            return u32::from_be_bytes(octets);
        }
    }
}

fn odd_u128(rng: &mut Rng) -> u128 {
    (0..4).fold(0, |bits, _| bits << 32 | u128::from(odd_u32(rng)))
}

fn letters(rng: &mut Rng, count: usize) -> String {
    (0..count).map(|_| char::from(b'a' + u8::try_from(rng.below(26)).expect("a letter"))).collect()
}

#[test]
fn a_plan_is_the_same_for_the_same_seed_and_holds_nothing_twice() {
    let (plan, again, other) = (Plan::draw(7, 512), Plan::draw(7, 512), Plan::draw(8, 512));
    assert!(plan.remotes == again.remotes && plan.remotes != other.remotes);
    assert!(plan.remotes.iter().filter(|address| matches!(address, Address::V4(_))).count() == 256);
    assert!(plan.never.len() == 256 && plan.held().count() == 2 * OWNERS);
    let texts = plan.needles().into_iter().flat_map(|needle| needle.spellings).map(|spelling| spelling.bytes);
    let (mut all, mut distinct) = (0, std::collections::HashSet::new());
    texts.for_each(|bytes| {
        all += 1;
        distinct.insert(bytes);
    });
    // The pools' own halves are shared, and so are the short base64 texts of a few.
    assert!(distinct.len() * 100 > all * 97, "{} of {all}", distinct.len());
}
