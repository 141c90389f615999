// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0
//
// Super-packets: how many packets the kernel will make of one, and how long they are together.
//
// Part of meter.bpf.c, whose types and `count` it uses. Holds what runs for a super-packet alone, and
// says the same as src/tap/super_packet.rs.
//
// To stay within what the verifier follows: a function is called from one place where it can be, and takes
// numbers as `forget` leaves them, since each call and each thing that is known of a number is followed anew.
// Loops are unrolled: without CAP_PERFMON a counter is also followed beyond its end.
//
// The kernel tells a tc program the size of a segment's payload and not what is segmented, so the headers
// are walked to the transport whose payload is cut: every header up to there is repeated. What cannot be
// walked is told as lost. Only UDP leaves a doubt, a tunnel or its own payload: a tunnel's inner IP header
// covers all of the super-packet, and that of one datagram among many does not.
//
// Source: net/core/gso.c, net/ipv4/{af_inet,gre_offload,tcp_offload,udp_offload}.c, net/ipv6/ip6_offload.c
// and net/sctp/offload.c of Linux; VXLAN: RFC 7348; Geneve: RFC 8926; GRE: RFC 2784, RFC 2890; jumbo payload:
// RFC 2675.

#define LOST 3

#define IP_IN_IP 4
#define IPV6_IN_IP 41
#define GRE 47
#define SCTP 132

#define ETHERTYPE_BRIDGED 0x6558
#define ETHERTYPE_TAG 0x8100
#define ETHERTYPE_SERVICE_TAG 0x88a8

// Headers that are walked to a transport, those below an inner IP header, and transports in one another.
#define HEADERS 10
#define LINK_HEADERS 3
#define TRANSPORTS 2

#define NO_SLOT 0xffffffff

// What lies next, beside the numbers of protocols: an IP header of either version.
#define IP_HEADER 0x100

// GSO_BY_FRAGS: a segment is one of the chunks that were put together, whatever its size.
#define BY_CHUNKS 0xffff

// The longest length that a header can state; beyond it the field is 0.
#define LONGEST_STATED 65535

// A mark beside the length of the headers: a jumbo payload option of eight bytes is among them, which the
// kernel takes out when it cuts.
#define JUMBO (1ULL << 32)
#define JUMBO_HEADER 8
#define JUMBO_OPTION 0xc2

// Another: the last header is UDP's, so that it may be cut into datagrams or into fragments.
#define DATAGRAMS (1ULL << 33)
#define FRAGMENT_HEADER 8

INLINE u32 big_endian(const u8 *bytes)
{
	return bytes[0] << 8 | bytes[1];
}

INLINE u32 forgotten(struct __sk_buff *skb, u32 number)
{
	return forget(number, skb->len);
}

// 1 if the number is 0, else 0, without a branch for the verifier to follow.
INLINE u64 is_zero(u64 number)
{
	number = (number - 1) >> 63;
	asm volatile("" : "+r"(number));
	return number;
}

// Where the IP header begins behind what an Ethernet type announces; 0 where there is none.
static __noinline u32 behind_link(struct __sk_buff *skb, u32 type, u32 at)
{
	u8 bytes[8] ALONE;

#pragma clang loop unroll(full)
	for (u32 i = 0; i <= LINK_HEADERS; i++) {
		u64 bridged = is_zero(type ^ ETHERTYPE_BRIDGED);

		if (is_zero(type ^ ETHERTYPE_V4) | is_zero(type ^ ETHERTYPE_V6))
			return at;
		if (!(bridged | is_zero(type ^ ETHERTYPE_TAG) | is_zero(type ^ ETHERTYPE_SERVICE_TAG)))
			break;
		at = forgotten(skb, at + 4 + bridged * (ETHERNET_HEADER - 4));
		if (bpf_skb_load_bytes(skb, at - 2, bytes, 2))
			break;
		type = forgotten(skb, big_endian(bytes));
	}
	return 0;
}

// How long GRE is, by its first four bytes; 0 where it is of a kind that the kernel does not cut either: with a
// routing field, or of another version. Checksum, key and sequence number are optional.
INLINE u32 gre_length(const u8 *gre)
{
	if (gre[0] & 0x40 || gre[1] & 7)
		return 0;
	return 4 + (gre[0] >> 7) * 4 + (gre[0] >> 5 & 1) * 4 + (gre[0] >> 4 & 1) * 4;
}

static __noinline u32 behind_gre(struct __sk_buff *skb, u32 at)
{
	u8 gre[8] ALONE;

	if (bpf_skb_load_bytes(skb, at, gre, 4) || !gre_length(gre))
		return 0;
	return behind_link(skb, forgotten(skb, big_endian(gre + 2)), forgotten(skb, at + gre_length(gre)));
}

// Where the IP header begins that an Ethernet type announces, if its length covers the rest of the super-packet;
// else 0.
static __noinline u32 covering(struct __sk_buff *skb, u32 type, u32 at)
{
	u32 left, stated;
	u8 ip[8] ALONE;

	at = forgotten(skb, behind_link(skb, type, at));
	if (!at || bpf_skb_load_bytes(skb, at, ip, 6))
		return 0;
	left = skb->len - at;
	stated = big_endian(ip + 2);
	if (ip[0] >> 4 == 6) {
		stated = big_endian(ip + 4);
		left -= 40;
	} else if (ip[0] >> 4 != 4) {
		return 0;
	}
	if (stated == left || (!stated && left > LONGEST_STATED && left <= skb->len))
		return at;
	return 0;
}

static __noinline u32 covering_in_gre(struct __sk_buff *skb, u32 at)
{
	u8 gre[8] ALONE;

	if (bpf_skb_load_bytes(skb, at, gre, 4) || !gre_length(gre))
		return 0;
	return covering(skb, forgotten(skb, big_endian(gre + 2)), forgotten(skb, at + gre_length(gre)));
}

// Where the IP header begins in a tunnel over UDP, whose header ends here; 0 where it is no tunnel. Ports are the
// administrator's choice, so the shapes are tried; the order does not matter, since a false one would have to
// cover the super-packet.
static __noinline u32 behind_udp(struct __sk_buff *skb, u32 at)
{
	u8 tunnel[8] ALONE;
	u32 inner, behind;

	if (bpf_skb_load_bytes(skb, at, tunnel, 4))
		return 0;
	// Ethernet behind VXLAN, or Geneve without options; what Geneve says; IP behind VXLAN-GPE.
	behind = forgotten(skb, at + 8);
	if ((inner = forgotten(skb, covering(skb, forgotten(skb, ETHERTYPE_BRIDGED), behind))))
		return inner;
	behind = forgotten(skb, at + 8 + (tunnel[0] & 63) * 4);
	if ((inner = forgotten(skb, covering(skb, forgotten(skb, big_endian(tunnel + 2)), behind))))
		return inner;
	behind = forgotten(skb, at + 8);
	if ((inner = forgotten(skb, covering(skb, forgotten(skb, ETHERTYPE_V4), behind))))
		return inner;
	// IP at once (foo-over-UDP, bareudp), GRE at once, and either behind generic UDP encapsulation.
	if ((inner = forgotten(skb, covering(skb, forgotten(skb, ETHERTYPE_V4), at))))
		return inner;
	if ((inner = forgotten(skb, covering_in_gre(skb, at))))
		return inner;
	behind = forgotten(skb, at + 4 + (tunnel[0] & 31) * 4);
	if (tunnel[1] == GRE)
		return covering_in_gre(skb, behind);
	return covering(skb, forgotten(skb, ETHERTYPE_V4), behind);
}

// Where the transport of a packet begins whose IP header is here, with the protocol from bit 40 on and JUMBO; 0
// where there is none. Extension headers, and tunnels that are not over UDP, belong to the way.
static __noinline u64 transport(struct __sk_buff *skb, u32 at)
{
	u32 next = IP_HEADER, length;
	u64 jumbo = 0;
	u8 bytes[16] ALONE;

#pragma clang loop unroll(full)
	for (u32 i = 0; i < HEADERS; i++) {
		next = forgotten(skb, next);
		at = forgotten(skb, at);
		if (next == IP_HEADER) {
			if (bpf_skb_load_bytes(skb, at, bytes, 10))
				return 0;
			if (bytes[0] >> 4 == 4 && (bytes[0] & 15) >= 5) {
				next = bytes[9];
				at += (bytes[0] & 15) * 4;
				continue;
			}
			if (bytes[0] >> 4 != 6)
				return 0;
			next = bytes[6];
			length = skb->len - at;
			at += 40;
			if (next == V6_HOP_BY_HOP && length > LONGEST_STATED + 1 &&
			    !bpf_skb_load_bytes(skb, forgotten(skb, at), bytes, 4) && bytes[0] == TCP &&
			    !bytes[1] && bytes[2] == JUMBO_OPTION)
				jumbo = JUMBO;
		} else if (is_zero(next ^ IP_IN_IP) | is_zero(next ^ IPV6_IN_IP)) {
			next = IP_HEADER;
		} else if (next == GRE) {
			at = forgotten(skb, behind_gre(skb, at));
			if (!at)
				return 0;
			next = IP_HEADER;
		} else {
			u64 fragment = is_zero(next ^ V6_FRAGMENT), short_words = is_zero(next ^ V6_AUTHENTICATION);

			if (!(is_zero(next ^ V6_HOP_BY_HOP) | is_zero(next ^ V6_ROUTING) | fragment | short_words |
			      is_zero(next ^ V6_DESTINATION)))
				return (u64)next << 40 | jumbo | at;
			if (bpf_skb_load_bytes(skb, at, bytes, 2))
				return 0;
			// Words of four bytes with two left out, or of eight with one; a fragment header has none.
			length = (bytes[1] & ~-fragment) + 1;
			at += (length << 3 >> short_words) + (short_words << 2);
			next = bytes[0];
		}
	}
	return 0;
}

// Where the headers end that every segment repeats, from the start of the frame, and marks; 0 where they are
// unknown. A chain that breaks off inside UDP was its payload.
static __noinline u64 headers_end(struct __sk_buff *skb, u32 at, u32 by_chunks)
{
	u32 udp_end = 0;
	u64 jumbo = 0;
	u8 offset[8] ALONE;

#pragma clang loop unroll(full)
	for (u32 i = 0; i < TRANSPORTS; i++) {
		u64 found = forget(transport(skb, forgotten(skb, at)), skb->len);
		u32 protocol = forgotten(skb, found >> 40);

		jumbo |= found & JUMBO;
		at = forgotten(skb, found);
		udp_end = forgotten(skb, udp_end);
		if (protocol == TCP && !bpf_skb_load_bytes(skb, at + 12, offset, 1) && offset[0] >> 4 >= 5)
			return (at + (offset[0] >> 4) * 4) | jumbo;
		if (protocol == SCTP && by_chunks)
			return at + 12;
		if (protocol != UDP)
			break;
		udp_end = at + 8;
		if (by_chunks)
			return udp_end + 12;
		at = forgotten(skb, behind_udp(skb, forgotten(skb, udp_end)));
		if (!at)
			break;
	}
	return udp_end ? udp_end | jumbo | DATAGRAMS : 0;
}

// What cannot be counted exactly is told as lost: as the packets that the kernel speaks of, or as one.
static __noinline int lose(struct __sk_buff *skb, int source)
{
	count(LOST, 0, skb->gso_segs ? skb->gso_segs : 1, source);
	return NEXT;
}

// Whether UDP is cut into fragments of one datagram (UFO), as a writer to a TUN device or a packet socket may
// ask for, and as the kernel counts the segments of neither. It says so by what it told the queues to expect
// (egress), or by whether segments fit the device that datagrams of this size would not fit.
static __noinline int is_fragmented(struct __sk_buff *skb, u32 ip, u32 end)
{
	u32 size = skb->gso_size, told = skb->wire_len - skb->len;
	u32 mtu[2] ALONE = {};
	u32 datagrams = (skb->len - end + size - 1) / size, before = end - 8;
	u32 fragments = (skb->len - before + size - 1) / size;

	if (skb->len <= end)
		return 0;
	if (told == (fragments - 1) * before && told != (datagrams - 1) * end)
		return 1;
	// Below the device's length the kernel would not have looked at the segments.
	return !bpf_check_mtu(skb, 0, mtu, 0, BPF_MTU_CHK_SEGS) && end - ip + size > mtu[0] &&
	       skb->len > mtu[0] + ip + FRAGMENT_HEADER;
}

// Fragments repeat the IP header; those of IPv6 have a fragment header each.
static __noinline int count_fragments(struct __sk_buff *skb, u32 ip, u32 slot, u32 end, int source)
{
	u64 bytes = skb->len - ip, headers = end - 8 - ip;
	u64 packets = (bytes - headers + skb->gso_size - 1) / skb->gso_size;
	u8 first[8] ALONE;

	if (!bpf_skb_load_bytes(skb, ip, first, 1) && first[0] >> 4 == 6)
		bytes += packets * FRAGMENT_HEADER;
	count(slot, bytes + (packets - 1) * headers, packets, source);
	return NEXT;
}

// Where the IP header of a frame begins, and from bit 16 on the version that is announced; NOT_IP and MALFORMED
// where there is none.
static __noinline u32 ip_of_frame(struct __sk_buff *skb)
{
	u32 at = ETHERNET_HEADER - 2;

#pragma clang loop unroll(full)
	for (u32 i = 0; i <= VLAN_TAGS; i++, at += 4) {
		u16 type[4] ALONE;

		if (bpf_skb_load_bytes(skb, at, type, 2))
			break;
		if (type[0] == bpf_htons(ETHERTYPE_V4))
			return at + 2 + (4 << 16);
		if (type[0] == bpf_htons(ETHERTYPE_V6))
			return at + 2 + (6 << 16);
		if (type[0] != bpf_htons(0x8100) && type[0] != bpf_htons(0x88a8) && type[0] != bpf_htons(0x9100))
			break;
	}
	return 0;
}

// On their own, so that no pointer is moved to the stack for want of registers.
static __noinline u32 slot_of_super_v4(struct __sk_buff *skb, u32 address, int source)
{
	return slot_of_v4(skb, address, source);
}

static __noinline u32 slot_of_super_v6(struct __sk_buff *skb, u64 high, u64 low, int source)
{
	u64 address[2] = { high, low };

	return slot_of_v6(skb, address, source);
}

// Whose it is, as of any packet; NO_SLOT where the header cannot be read.
static __noinline u32 slot_at(struct __sk_buff *skb, u32 ip, u32 version, int source)
{
	u64 words[5];
	const u8 *header = (const u8 *)words;
	const u64 *address = (const u64 *)(header + (source ? 8 : 24));
	u32 slot;

	if (bpf_skb_load_bytes(skb, ip, words, 20))
		return NO_SLOT;
	if (version != 6 && header[0] >= 0x45 && header[0] <= 0x4f) {
		slot = slot_of_super_v4(skb, *(const u32 *)(header + (source ? 12 : 16)), source);
		return or_link_v4(skb, slot, header, source);
	}
	if (version != 4 && header[0] >> 4 == 6 && !bpf_skb_load_bytes(skb, ip, words, 40)) {
		slot = slot_of_super_v6(skb, address[0], address[1], source);
		return or_link_v6(skb, slot, header, source);
	}
	return NO_SLOT;
}

// A super-packet counts as the packets it stands for, each with headers of its own.
static __noinline int meter_super(struct __sk_buff *skb, int ethernet, int source)
{
	u32 found = ethernet ? ip_of_frame(skb) : 0, ip = found & 0xffff, version = found >> 16;
	u32 by_chunks = skb->gso_size == BY_CHUNKS ? skb->gso_segs : 0;
	u32 slot, jumbo, end;
	u64 walked, bytes, packets = by_chunks;

	if (ethernet && !found)
		return lose(skb, source);
	ip = forgotten(skb, ip);
	slot = forgotten(skb, slot_at(skb, ip, forgotten(skb, version), source));
	walked = slot == NO_SLOT ? 0 : forget(headers_end(skb, ip, by_chunks), skb->len);
	jumbo = walked & JUMBO ? JUMBO_HEADER : 0;
	end = walked;
	bytes = skb->len - ip - jumbo;
	if (!end)
		return lose(skb, source);
	if (walked & DATAGRAMS && !skb->gso_segs && is_fragmented(skb, ip, end))
		return count_fragments(skb, ip, slot, end, source);
	if (!by_chunks)
		packets = skb->len > end ? (skb->len - end + skb->gso_size - 1) / skb->gso_size : 1;
	count(slot, bytes + (packets - 1) * (end - ip - jumbo), packets, source);
	return NEXT;
}
