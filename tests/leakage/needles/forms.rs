//! The forms in which a datum may be kept: raw and turned round, as text, as numbers, in hexadecimal
//! and in base64, as if it stood alone or inside something longer.
//!
//! A form of fewer than 40 bits is short: some of them occur by chance, and are compared with those of
//! addresses that were never used. Every other form must not occur at all.
#![expect(clippy::disallowed_types, reason = "the standard library's text of an address is one of the forms")]

use crate::support::frames::Address;
use std::net::{Ipv4Addr, Ipv6Addr};

/// One way to write a datum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Form {
    /// As it is on the wire, or as it was said; of an IPv6 address either half.
    Raw,
    /// The same, last byte first: an address in host order.
    Reversed,
    /// `::ffff:a.b.c.d`, binary or as text.
    Mapped,
    /// Digits, dots and colons.
    Text,
    /// As a name of the reverse zone.
    ReverseZone,
    /// One decimal number, or a list of its bytes.
    Decimal,
    /// Hexadecimal digits, with and without something between them.
    Hex,
    /// Base64 of any of these.
    Base64,
    /// Labels with their lengths, as in a question to a name server.
    Labels,
}

/// A form that a search looks for.
#[derive(Clone, Debug)]
pub(crate) struct Spelling {
    pub(crate) form: Form,
    pub(crate) bytes: Vec<u8>,
    /// It may occur by chance.
    pub(crate) short: bool,
}

/// The short forms of an address of four bytes; they are all that is looked for of one that was never
/// used.
pub(crate) fn short_forms(address: Address) -> Vec<Spelling> {
    let Address::V4(octets) = address else { return Vec::new() };
    let turned = reversed(&octets);
    let mut spellings = Vec::new();
    for (form, bytes) in [(Form::Raw, octets.to_vec()), (Form::Reversed, turned)] {
        add(&mut spellings, Form::Hex, true, [hex(&bytes), hex(&bytes).to_uppercase()]);
        add(&mut spellings, Form::Base64, true, base64_inside(&bytes));
        let number = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        add(&mut spellings, Form::Decimal, true, [number.to_string()]);
        spellings.push(Spelling { form, bytes, short: true });
    }
    spellings
}

/// Every form of an address of the far side. Of an IPv6 address either half is enough.
pub(crate) fn of_remote(address: Address) -> Vec<Spelling> {
    of_address(address, 8)
}

/// Every form of an account's address, whose halves may be those of a pool.
pub(crate) fn of_owned(address: Address) -> Vec<Spelling> {
    let mut spellings = of_address(address, 16);
    if let Address::V6(octets) = address {
        let words: Vec<u8> = octets.chunks(8).flat_map(reversed).collect();
        add(&mut spellings, Form::Reversed, false, [words]);
    }
    spellings
}

fn of_address(address: Address, part: usize) -> Vec<Spelling> {
    let mut spellings = short_forms(address);
    match address {
        Address::V4(octets) => of_v4(octets, &mut spellings),
        Address::V6(octets) => of_v6(octets, part, &mut spellings),
    }
    let list = |octets: &[u8]| octets.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
    add(&mut spellings, Form::Decimal, false, [list(address.octets()), list(&reversed(address.octets()))]);
    for between in [":", " ", "-", "\\x", ", 0x"] {
        let digits = |octets: &[u8]| octets.iter().map(|octet| hex(&[*octet])).collect::<Vec<_>>();
        let text = digits(address.octets()).join(between);
        add(&mut spellings, Form::Hex, false, [text.to_uppercase(), text]);
    }
    spellings
}

fn of_v4(octets: [u8; 4], spellings: &mut Vec<Spelling>) {
    let [a, b, c, d] = octets;
    let mut mapped = [0; 16];
    mapped[10..12].fill(0xff);
    mapped[12..].copy_from_slice(&octets);
    let digits = format!("::ffff:{:x}:{:x}", u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    add(spellings, Form::Mapped, false, [mapped.to_vec(), reversed(&mapped)]);
    add(spellings, Form::Mapped, false, [digits.to_uppercase(), digits]);
    let text = Ipv4Addr::from(octets).to_string();
    add(spellings, Form::ReverseZone, false, [format!("{d}.{c}.{b}.{a}")]);
    add(spellings, Form::Text, false, [format!("{a:03}.{b:03}.{c:03}.{d:03}")]);
    add(spellings, Form::Base64, false, base64_inside(text.as_bytes()));
    add(spellings, Form::Hex, false, [hex(text.as_bytes())]);
    add(spellings, Form::Text, false, [text]);
}

fn of_v6(octets: [u8; 16], part: usize, spellings: &mut Vec<Spelling>) {
    let turned = reversed(&octets);
    for (form, bytes) in [(Form::Raw, octets.as_slice()), (Form::Reversed, &turned)] {
        for part in bytes.chunks(part) {
            add(spellings, form, false, [part]);
            add(spellings, Form::Hex, false, [hex(part), hex(part).to_uppercase()]);
        }
        add(spellings, Form::Base64, false, base64_inside(bytes));
    }
    let text = Ipv6Addr::from(octets).to_string();
    let groups = |width: usize| {
        let group = |pair: &[u8]| format!("{:01$x}", u16::from_be_bytes([pair[0], pair[1]]), width);
        octets.chunks(2).map(group).collect::<Vec<_>>().join(":")
    };
    for text in [groups(1), groups(4)] {
        add(spellings, Form::Text, false, [text.to_uppercase(), text]);
    }
    let nibbles: String = hex(&octets).chars().rev().flat_map(|nibble| [nibble, '.']).collect();
    add(spellings, Form::ReverseZone, false, [nibbles.trim_end_matches('.')]);
    add(
        spellings,
        Form::Decimal,
        false,
        [u128::from_be_bytes(octets), u128::from_le_bytes(octets)].map(|n| n.to_string()),
    );
    add(spellings, Form::Base64, false, base64_inside(text.as_bytes()));
    add(spellings, Form::Hex, false, [hex(text.as_bytes())]);
    add(spellings, Form::Text, false, [text.to_uppercase(), text]);
}

/// The forms of a run of bytes of a packet.
pub(crate) fn of_bytes(bytes: &[u8]) -> Vec<Spelling> {
    let mut spellings = Vec::new();
    add(&mut spellings, Form::Raw, false, [bytes]);
    add(&mut spellings, Form::Reversed, false, [reversed(bytes)]);
    add(&mut spellings, Form::Hex, false, [hex(bytes), hex(bytes).to_uppercase(), hex(&reversed(bytes))]);
    add(&mut spellings, Form::Base64, false, base64_inside(bytes));
    spellings
}

/// The forms of a word: the name of an account or a site, which may be written in either case.
pub(crate) fn of_word(word: &str) -> Vec<Spelling> {
    let mut spellings = of_bytes(word.as_bytes());
    add(&mut spellings, Form::Text, false, [word.to_uppercase()]);
    if word.contains('.') {
        let labels = word.split('.').flat_map(|label| {
            let length = u8::try_from(label.len()).expect("labels are short");
            [&[length], label.as_bytes()].concat()
        });
        add(&mut spellings, Form::Labels, false, [labels.collect::<Vec<_>>()]);
    }
    spellings
}

fn add<T: AsRef<[u8]>>(
    spellings: &mut Vec<Spelling>,
    form: Form,
    short: bool,
    texts: impl IntoIterator<Item = T>,
) {
    for text in texts {
        let bytes = text.as_ref().to_vec();
        if !spellings.iter().any(|spelling| spelling.bytes == bytes) {
            spellings.push(Spelling { form, bytes, short });
        }
    }
}

fn reversed(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().rev().copied().collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The digits of base64 that these bytes alone decide, wherever they begin inside a longer text, in
/// both alphabets.
fn base64_inside(bytes: &[u8]) -> Vec<String> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bit = |at: usize| bytes[at / 8] >> (7 - at % 8) & 1;
    let mut texts = Vec::new();
    for before in 0..3 {
        // Bits up to the first digit that holds nothing of what stands before.
        let first = (6 - before * 8 % 6) % 6;
        let starts = (first..bytes.len() * 8).step_by(6).filter(|start| start + 6 <= bytes.len() * 8);
        let digit = |start| (start..start + 6).fold(0, |digit, at| digit << 1 | bit(at));
        let text: String = starts.map(|start| char::from(DIGITS[usize::from(digit(start))])).collect();
        texts.push(text.replace('+', "-").replace('/', "_"));
        texts.push(text);
    }
    texts
}

#[test]
fn every_form_of_an_address_is_looked_for() {
    let spelt = |address: Address| -> Vec<Vec<u8>> {
        of_remote(address).into_iter().map(|spelling| spelling.bytes).collect()
    };
    let v4 = spelt(Address::V4([61, 82, 193, 14]));
    for text in [
        "61.82.193.14",
        "14.193.82.61",
        "3d52c10e",
        "3D52C10E",
        "0ec1523d",
        "1028833550",
        "3d:52:c1:0e",
        "PVLBDg",
        "061.082.193.014",
        "::ffff:3d52:c10e",
        "::FFFF:3D52:C10E",
        "61, 82, 193, 14",
        "NjEuODIuMTkzLjE0",
        "YxLjgyLjE5My4xN",
        "2MS44Mi4xOTMuMT",
    ] {
        let held = |bytes: &Vec<u8>| bytes == text.as_bytes() || (text == "PVLBDg" && bytes == b"PVLBD");
        assert!(v4.iter().any(held), "{text}");
    }
    for bytes in [
        [61, 82, 193, 14].as_slice(),
        &[14, 193, 82, 61],
        &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 61, 82, 193, 14],
    ] {
        assert!(v4.iter().any(|spelling| spelling == bytes));
    }
    let v6 = spelt(Address::v6(0x2a01_04f8_0c17_b8f0_9d3c_5e71_62ab_40fd));
    for text in [
        "2a01:4f8:c17:b8f0:9d3c:5e71:62ab:40fd",
        "2A01:04F8:0C17:B8F0:9D3C:5E71:62AB:40FD",
        "9d3c5e7162ab40fd",
        "d.f.0.4.b.a.2.6.1.7.e.5.c.3.d.9.0.f.8.b.7.1.c.0.8.f.4.0.1.0.a.2",
        "KgEE+AwXuPCdPF5xYqtA",
        "KgEE-AwXuPCdPF5xYqtA",
    ] {
        assert!(v6.iter().any(|spelling| spelling.starts_with(text.as_bytes())), "{text}");
    }
    assert!(v6.contains(&vec![0x9d, 0x3c, 0x5e, 0x71, 0x62, 0xab, 0x40, 0xfd]));
    assert!(v6.contains(&vec![0xfd, 0x40, 0xab, 0x62, 0x71, 0x5e, 0x3c, 0x9d]));
}

#[test]
fn base64_is_found_at_each_of_its_three_places() {
    // What `base64` makes of "xneedle", "xxneedle" and "needle" with something behind them.
    for (place, text) in [(0, "bmVlZGxl"), (1, "5lZWRsZ"), (2, "uZWVkbG")] {
        assert_eq!(base64_inside(b"needle")[place * 2 + 1], text);
    }
}

#[test]
fn only_forms_of_four_bytes_may_occur_by_chance() {
    let (v4, v6) = (Address::V4([61, 82, 193, 14]), Address::v6(u128::MAX / 7));
    let least = |spellings: Vec<Spelling>| {
        spellings.iter().filter(|spelling| !spelling.short).map(|spelling| spelling.bytes.len()).min()
    };
    assert!(short_forms(v4).iter().all(|spelling| spelling.short) && short_forms(v6).is_empty());
    assert!(least(of_remote(v4)) >= Some(11) && least(of_remote(v6)) >= Some(8));
    assert!(least(of_bytes(&[1, 2, 3, 4, 5, 6, 7, 8])) >= Some(8));
}
