//! Super-packets: how many packets the kernel makes of one, and how long they are together.
//!
//! Pure functions, no I/O, no counting. The headers are walked to the transport whose payload is cut; every
//! header up to there is repeated in each segment. What cannot be walked is not guessed at: the tap tells it
//! as lost. Says the same as `bpf/super.bpf.h`; `tests/kernel_program.rs` compares them.
//!
//! # Source
//! net/core/gso.c, net/ipv4/{`af_inet`,`gre_offload`,`tcp_offload`,`udp_offload`}.c, net/ipv6/`ip6_offload`.c
//! and include/linux/`virtio_net`.h of Linux; VXLAN: RFC 7348; Geneve: RFC 8926; GRE: RFC 2784, RFC 2890;
//! jumbo payload: RFC 2675.

use super::frame::big_endian_16;
use etherparse::{EtherType, IpNumber, ether_type, ip_number};

/// What the kernel says of a super-packet.
#[derive(Clone, Copy)]
pub struct Gso {
    /// What is cut.
    pub transport: Transport,
    /// Payload bytes of each segment but the last.
    pub segment_bytes: u16,
}

/// The transport whose payload is cut, be it inside a tunnel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// TCP of either version.
    Tcp,
    /// UDP of either version, each segment a datagram.
    Udp,
    /// Something of which this program knows no more.
    Other,
}

/// Headers that are walked to a transport, those below an inner IP header, and transports in one another.
const HEADERS_AT_MOST: usize = 10;
const LINK_HEADERS_AT_MOST: usize = 3;
const TRANSPORTS_AT_MOST: usize = 2;

const ETHERNET_HEADER: usize = 14;
const UDP_HEADER: usize = 8;
/// The header of VXLAN, and of Geneve without options.
const TUNNEL_HEADER: usize = 8;

/// Ethernet inside a tunnel ("transparent Ethernet bridging").
const BRIDGED: EtherType = EtherType(0x6558);

/// The jumbo payload option of IPv6, with the header it stands in. The kernel puts it before TCP in
/// super-packets that no length field can state, and takes it out when it cuts.
const JUMBO_HEADER: usize = 8;
const JUMBO_OPTION: u8 = 0xc2;
const LONGEST_STATED: u64 = 65_535;

/// A super-packet, from its IP header on.
#[derive(Clone, Copy)]
struct SuperPacket<'a> {
    captured: &'a [u8],
    /// Its length above the link layer.
    length: u64,
}

/// What a walk through the headers found.
#[derive(Default)]
struct Ends {
    /// Where TCP's header ends.
    tcp: Option<usize>,
    /// Where the last header of UDP ends. A chain that breaks off behind it was its payload.
    udp: Option<usize>,
    /// How many bytes of headers the kernel takes out when it cuts.
    taken_out: usize,
}

/// Bytes and packets that a super-packet stands for on the wire, each with its own headers; none where the
/// headers are unknown.
///
/// `ip` begins at the IP header; `length` is the super-packet's above the link layer.
#[must_use]
pub fn segments(ip: &[u8], length: u64, gso: Gso) -> Option<(u64, u64)> {
    let mut ends = Ends::default();
    // Whatever ended the walk: what it found by then counts.
    let _ = SuperPacket { captured: ip, length }.walk(&mut ends);
    let headers = match gso.transport {
        Transport::Tcp => ends.tcp?,
        Transport::Udp => ends.udp?,
        Transport::Other => return None,
    };
    if gso.segment_bytes == 0 {
        return None;
    }
    let payload = length.saturating_sub(headers as u64);
    let packets = payload.div_ceil(u64::from(gso.segment_bytes)).max(1);
    let repeated = (headers - ends.taken_out) as u64;
    Some((length - ends.taken_out as u64 + (packets - 1) * repeated, packets))
}

impl SuperPacket<'_> {
    /// Walks as far as the headers can be told; none where they cannot any more.
    fn walk(self, ends: &mut Ends) -> Option<()> {
        let mut at = 0;
        for _ in 0..TRANSPORTS_AT_MOST {
            let (protocol, transport) = self.transport(at, ends)?;
            match protocol {
                ip_number::TCP => ends.tcp = Some(self.behind_tcp(transport)?),
                ip_number::UDP => {
                    ends.udp = Some(transport + UDP_HEADER);
                    at = self.behind_udp(transport + UDP_HEADER)?;
                    continue;
                }
                _ => {}
            }
            break;
        }
        Some(())
    }

    /// The transport of a packet whose IP header lies here, and where it begins. Extension headers, and tunnels
    /// that are not over UDP, belong to the way.
    fn transport(self, mut at: usize, ends: &mut Ends) -> Option<(IpNumber, usize)> {
        // The protocol of what lies at `at`, or none of an IP header.
        let mut next = None;
        for _ in 0..HEADERS_AT_MOST {
            let Some(protocol) = next else {
                let (protocol, behind) = self.behind_ip(at)?;
                if self.is_jumbo(protocol, at, behind) {
                    ends.taken_out = JUMBO_HEADER;
                }
                (next, at) = (Some(protocol), behind);
                continue;
            };
            (next, at) = match protocol {
                ip_number::IPV4 | ip_number::IPV6 => (None, at),
                ip_number::GRE => (None, self.behind_gre(at)?),
                ip_number::IPV6_HEADER_HOP_BY_HOP
                | ip_number::IPV6_ROUTE_HEADER
                | ip_number::IPV6_FRAGMENTATION_HEADER
                | ip_number::AUTHENTICATION_HEADER
                | ip_number::IPV6_DESTINATION_OPTIONS => {
                    let [following, length] = self.bytes(at)?;
                    let length = match protocol {
                        ip_number::IPV6_FRAGMENTATION_HEADER => 8,
                        ip_number::AUTHENTICATION_HEADER => (usize::from(length) + 2) * 4,
                        _ => (usize::from(length) + 1) * 8,
                    };
                    (Some(IpNumber(following)), at + length)
                }
                transport => return Some((transport, at)),
            };
        }
        None
    }

    /// The protocol behind an IP header of either version, and where it begins.
    fn behind_ip(self, at: usize) -> Option<(IpNumber, usize)> {
        let header: [u8; 10] = self.bytes(at)?;
        match (header[0] >> 4, header[0] & 15) {
            (4, words @ 5..) => Some((IpNumber(header[9]), at + usize::from(words) * 4)),
            (6, _) => Some((IpNumber(header[6]), at + 40)),
            _ => None,
        }
    }

    /// Whether the kernel takes out the hop-by-hop options at `at`.
    fn is_jumbo(self, protocol: IpNumber, ip: usize, at: usize) -> bool {
        protocol == ip_number::IPV6_HEADER_HOP_BY_HOP
            && at - ip == 40
            && self.left(ip) > LONGEST_STATED + 1
            && self.bytes(at).is_some_and(|[next, length, option, _]| {
                IpNumber(next) == ip_number::TCP && length == 0 && option == JUMBO_OPTION
            })
    }

    /// Of TCP one byte is read, for the ring copies no more than that.
    fn behind_tcp(self, at: usize) -> Option<usize> {
        let [offset] = self.bytes(at + 12)?;
        (offset >> 4 >= 5).then(|| at + usize::from(offset >> 4) * 4)
    }

    /// Where the IP header in a tunnel over UDP begins, or none where it is no tunnel.
    ///
    /// Ports are the administrator's choice, so the shapes are tried. A datagram that looks like a tunnel
    /// among others that were joined to it states its own length; only a tunnel's inner header covers the
    /// whole super-packet.
    fn behind_udp(self, at: usize) -> Option<usize> {
        let header: [u8; 4] = self.bytes(at)?;
        let covering = |at: Option<usize>| at.filter(|at| self.covers(*at));
        let geneve = at + TUNNEL_HEADER + usize::from(header[0] & 63) * 4;
        let geneve_type = EtherType(u16::from_be_bytes([header[2], header[3]]));
        let gue = at + 4 + usize::from(header[0] & 31) * 4;
        let behind_gue = if IpNumber(header[1]) == ip_number::GRE { self.behind_gre(gue) } else { Some(gue) };
        // VXLAN, or Geneve without options; Geneve.
        covering(self.behind_link(BRIDGED, at + TUNNEL_HEADER))
            .or_else(|| covering(self.behind_link(geneve_type, geneve)))
            // IP at once (foo-over-UDP, bareudp), behind VXLAN-GPE, behind GUE; GRE behind the same.
            .or_else(|| covering(Some(at)))
            .or_else(|| covering(Some(at + TUNNEL_HEADER)))
            .or_else(|| covering(self.behind_gre(at)))
            .or_else(|| covering(behind_gue))
    }

    /// Where the IP header in GRE begins. Checksum, key and sequence number are optional; a routing field
    /// and another version are not known to the kernel's offloads either.
    fn behind_gre(self, at: usize) -> Option<usize> {
        let [flags, version, high, low] = self.bytes(at)?;
        if flags & 0x40 != 0 || version & 7 != 0 {
            return None;
        }
        let optional = [0x80, 0x20, 0x10].iter().filter(|flag| flags & **flag != 0).count();
        self.behind_link(EtherType(u16::from_be_bytes([high, low])), at + 4 + optional * 4)
    }

    /// Where the IP header begins behind what an Ethernet type announces.
    fn behind_link(self, mut announced: EtherType, mut at: usize) -> Option<usize> {
        for _ in 0..=LINK_HEADERS_AT_MOST {
            if matches!(announced, ether_type::IPV4 | ether_type::IPV6) {
                return Some(at);
            }
            at += match announced {
                BRIDGED => ETHERNET_HEADER,
                ether_type::VLAN_TAGGED_FRAME | ether_type::PROVIDER_BRIDGING => 4,
                _ => return None,
            };
            announced = EtherType(big_endian_16(self.captured, at - 2)?);
        }
        None
    }

    /// Whether an IP header lies here whose length covers the rest of the super-packet.
    fn covers(self, at: usize) -> bool {
        let Some(header) = self.bytes::<6>(at) else { return false };
        let (header_bytes, stated) = match header[0] >> 4 {
            4 => (0, u16::from_be_bytes([header[2], header[3]])),
            6 => (40, u16::from_be_bytes([header[4], header[5]])),
            _ => return false,
        };
        let Some(left) = self.left(at).checked_sub(header_bytes) else { return false };
        u64::from(stated) == left || (stated == 0 && left > LONGEST_STATED)
    }

    /// Bytes of the super-packet from here on.
    fn left(self, at: usize) -> u64 {
        self.length.saturating_sub(at as u64)
    }

    fn bytes<const LENGTH: usize>(self, at: usize) -> Option<[u8; LENGTH]> {
        self.captured.get(at..)?.first_chunk().copied()
    }
}

#[cfg(test)]
mod tests;
