//! tshark as the judge: whose addresses stand in the outermost IP header, and how many bytes lie above the link layer.

use std::path::Path;
use std::process::Command;

use super::link::Plan;
use super::roster::Address;

/// What tshark says of each packet of a capture: its outermost addresses and counted bytes, or that it has none.
pub(super) fn verdicts(capture: &Path) -> Vec<Option<Plan>> {
    let home = capture.parent().expect("captures lie in a folder");
    let output = Command::new("tshark")
        .env("HOME", home)
        .env("WIRESHARK_CONFIG_DIR", home)
        .args(["-n", "-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE", "-o", "ip.use_geoip:FALSE"])
        .args(["-T", "pdml", "-j", "frame ip ipv6", "-r"])
        .arg(capture)
        .output()
        .expect("tshark is the oracle of this test: apt-get install tshark");
    let text = String::from_utf8(output.stdout).expect("PDML is UTF-8");
    assert!(
        output.status.success(),
        "tshark refuses {}: {}",
        capture.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    text.split("<packet>").skip(1).map(verdict).collect()
}

/// Reads one packet's PDML.
fn verdict(packet: &str) -> Option<Plan> {
    let protocols = attribute(field(packet, "frame.protocols")?, "show")?;
    let length: u64 = attribute(field(packet, "frame.len")?, "show")?.parse().expect("a length");
    let path: Vec<&str> = protocols.split(':').take_while(|name| !matches!(*name, "ip" | "ipv6")).collect();
    if !link_layer_only(&path) {
        return None;
    }
    let six = protocols.split(':').nth(path.len())? == "ipv6";
    let name = if six { "ipv6" } else { "ip" };
    let layer = &packet[packet.find(&format!("<proto name=\"{name}\""))?..];
    let position: u64 = attribute(layer.lines().next()?, "pos")?.parse().expect("a position");
    if path.first() == Some(&"eth") && position > 14 + 4 * 4 {
        return None;
    }
    let layer = &layer[..layer.find("</proto>")?];
    let source = address(field(layer, &format!("{name}.src"))?, six)?;
    let destination = address(field(layer, &format!("{name}.dst"))?, six)?;
    Some(Plan::Ip { source, destination, bytes: length - position })
}

/// Whether only what the contract calls the link layer lies below the IP header.
fn link_layer_only(path: &[&str]) -> bool {
    match path {
        [] | ["raw" | "null" | "ppp"] | ["sll", "ethertype"] => true,
        ["eth", rest @ ..] => rest.iter().all(|name| matches!(*name, "ethertype" | "vlan" | "ieee8021ad")),
        _ => false,
    }
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let from = &text[text.find(&format!("<field name=\"{name}\""))?..];
    from.lines().next()
}

fn attribute<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    let key = format!(" {name}=\"");
    let value = &element[element.find(&key)? + key.len()..];
    value.split('"').next()
}

/// The address of a field, from its bytes in the packet.
fn address(field: &str, v6: bool) -> Option<Address> {
    let bits = u128::from_str_radix(attribute(field, "value")?, 16).ok()?;
    Some(Address { v6, bits })
}
