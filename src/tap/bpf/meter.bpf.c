// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0
//
// The kernel tap: from a packet to a counter, at the tc hooks of one interface.
//
// Holds no packet, no time and no account: an address is read, turned into a slot, and forgotten.
// Says the same of every packet as src/tap/frame.rs (tests/kernel_program.rs compares them), and
// never gives a verdict: what happens to the packet is others' matter.
//
// The committed object is made of this file by src/tap/bpf/build; CI makes it again and compares.
//
// Source: include/uapi/linux/bpf.h (struct __sk_buff, TCX_NEXT); IPv4: RFC 791 section 3.1; IPv6:
// RFC 8200 sections 3 and 4; authentication header: RFC 4302 section 2.

#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;

// TCX_NEXT and TC_ACT_UNSPEC have the same value: go on as if this program were not there.
#define NEXT (-1)

// The reserved slots of src/meter/slot.rs.
#define UNATTRIBUTED 0
#define NOT_IP 1
#define MALFORMED 2

#define ETHERTYPE_V4 0x0800
#define ETHERTYPE_V6 0x86dd
#define ETHERNET_HEADER 14
#define VLAN_TAGS 4
#define EXTENSION_HEADERS 8

#define TCP 6
#define UDP 17
#define V6_HOP_BY_HOP 0
#define V6_ROUTING 43
#define V6_FRAGMENT 44
#define V6_AUTHENTICATION 51
#define V6_DESTINATION 60

#define POOLS 8
#define SLOTS_PER_LINE 16
#define SLOT_BITS 24

// Sixteen bytes, so that four share a cache line.
struct cell {
	u64 bytes;
	u64 packets;
};

// A pool's first address, its size, and where its slots begin in `owners`. Of an IPv6 address the
// first twelve bytes are as they stand in a packet; the rest is a number, as all of an IPv4 address.
struct pool {
	u8 high[12];
	u32 low;
	u32 size;
	u32 base;
};

// Set by the loader before the program is loaded, so that the verifier takes them for constants:
// a node without IPv6 pools carries no code for them.
const volatile u32 v4_pools = 0;
const volatile u32 v6_pools = 0;
const volatile struct pool v4_pool[POOLS] = {};
const volatile struct pool v6_pool[POOLS] = {};

// What of the slow paths is in use, and what the next process must know to adopt these maps; the
// program reads the first four words only. See src/tap/kernel/header.rs.
struct info {
	u32 hosts_v4;
	u32 hosts_v6;
	u32 routes_v4;
	u32 routes_v6;
	u8 header[496];
};

struct tag {
	u64 halves[2];
};

struct line {
	u32 slots[SLOTS_PER_LINE];
};

struct v4_prefix {
	u32 bits;
	u32 address;
};

struct v6_prefix {
	u32 bits;
	u8 address[16];
};

struct v6_address {
	u8 bytes[16];
};

// The loader sets the sizes. What user space reads and writes without a system call is mapped.
#define MAPPED_ARRAY(name, value_type)                    \
	struct {                                          \
		__uint(type, BPF_MAP_TYPE_ARRAY);         \
		__uint(max_entries, 1);                   \
		__uint(map_flags, BPF_F_MMAPABLE);        \
		__type(key, u32);                         \
		__type(value, value_type);                \
	} name SEC(".maps")

#define OWNER_TABLE(name, map_type, key_type)             \
	struct {                                          \
		__uint(type, map_type);                   \
		__uint(max_entries, 1);                   \
		__uint(map_flags, BPF_F_NO_PREALLOC);     \
		__type(key, key_type);                    \
		__type(value, u32);                       \
	} name SEC(".maps")

MAPPED_ARRAY(info, struct info);
MAPPED_ARRAY(owners, struct line);
MAPPED_ARRAY(up, struct cell);
MAPPED_ARRAY(down, struct cell);
// Whose slot it is, as a keyed tag: for user space alone.
MAPPED_ARRAY(tags, struct tag);
OWNER_TABLE(hosts_v4, BPF_MAP_TYPE_HASH, u32);
OWNER_TABLE(hosts_v6, BPF_MAP_TYPE_HASH, struct v6_address);
OWNER_TABLE(routes_v4, BPF_MAP_TYPE_LPM_TRIE, struct v4_prefix);
OWNER_TABLE(routes_v6, BPF_MAP_TYPE_LPM_TRIE, struct v6_prefix);

#define INLINE static __always_inline

INLINE void count(void *counters, u32 slot, u64 bytes, u64 packets)
{
	struct cell *cell = bpf_map_lookup_elem(counters, &slot);

	if (!cell)
		return;
	__sync_fetch_and_add(&cell->bytes, bytes);
	__sync_fetch_and_add(&cell->packets, packets);
}

// A slot of the dense arrays; the high byte says which source gave it, for whoever adopts the map.
INLINE u32 pooled(u32 at)
{
	u32 line_at = at / SLOTS_PER_LINE;
	struct line *line = bpf_map_lookup_elem(&owners, &line_at);

	return line ? line->slots[at % SLOTS_PER_LINE] & ((1 << SLOT_BITS) - 1) : 0;
}

INLINE u32 owner(void *table, const void *key)
{
	u32 *slot = bpf_map_lookup_elem(table, key);

	return slot ? *slot & ((1 << SLOT_BITS) - 1) : 0;
}

INLINE const struct info *shape(void)
{
	u32 first = 0;

	return bpf_map_lookup_elem(&info, &first);
}

INLINE u32 slot_of_v4(u32 address)
{
	u32 number = bpf_ntohl(address), slot = 0;
	int in_pool = 0;
	const struct info *used;

#pragma unroll
	for (u32 i = 0; i < POOLS; i++) {
		u32 offset = number - v4_pool[i].low;

		if (i < v4_pools && !in_pool && offset < v4_pool[i].size) {
			slot = pooled(v4_pool[i].base + offset);
			in_pool = 1;
		}
	}
	if (slot)
		return slot;
	used = shape();
	if (!used)
		return UNATTRIBUTED;
	if (!in_pool && used->hosts_v4)
		slot = owner(&hosts_v4, &address);
	if (!slot && used->routes_v4) {
		struct v4_prefix key = { .bits = 32, .address = address };

		slot = owner(&routes_v4, &key);
	}
	return slot;
}

INLINE u32 slot_of_v6(const u8 *address)
{
	u32 words[4], number, slot = 0;
	int in_pool = 0;
	const struct info *used;

	__builtin_memcpy(words, address, sizeof(words));
	number = bpf_ntohl(words[3]);
#pragma unroll
	for (u32 i = 0; i < POOLS; i++) {
		const volatile u32 *high = (const volatile u32 *)v6_pool[i].high;
		u32 offset = number - v6_pool[i].low;

		if (i < v6_pools && !in_pool && words[0] == high[0] && words[1] == high[1] &&
		    words[2] == high[2] && offset < v6_pool[i].size) {
			slot = pooled(v6_pool[i].base + offset);
			in_pool = 1;
		}
	}
	if (slot)
		return slot;
	used = shape();
	if (!used)
		return UNATTRIBUTED;
	if (!in_pool && used->hosts_v6)
		slot = owner(&hosts_v6, words);
	if (!slot && used->routes_v6) {
		struct v6_prefix key = { .bits = 128 };

		__builtin_memcpy(key.address, words, sizeof(words));
		slot = owner(&routes_v6, &key);
	}
	return slot;
}

// Bytes of a packet: where they lie, if the whole range is in the linear part, else a copy.
INLINE const u8 *bytes_at(struct __sk_buff *skb, u32 at, u32 length, u8 *copy)
{
	const u8 *data = (const u8 *)(long)skb->data;
	const u8 *end = (const u8 *)(long)skb->data_end;

	if (data + at + length <= end)
		return data + at;
	return bpf_skb_load_bytes(skb, at, copy, length) ? 0 : copy;
}

// The length of the headers that repeat in every segment of a super-packet; 0 where they are
// unknown. Rarely more than two loads: the kernel cuts only what it has parsed.
static __noinline u32 repeated_headers(struct __sk_buff *skb, u32 ip)
{
	u8 protocol, first, byte;
	u32 at;

	if (bpf_skb_load_bytes(skb, ip, &first, 1))
		return 0;
	if (first >> 4 == 4) {
		at = ip + (first & 15) * 4;
		if (bpf_skb_load_bytes(skb, ip + 9, &protocol, 1))
			return 0;
	} else {
		at = ip + 40;
		if (bpf_skb_load_bytes(skb, ip + 6, &protocol, 1))
			return 0;
		for (u32 i = 0; i < EXTENSION_HEADERS; i++) {
			u8 next[2];

			if (protocol != V6_HOP_BY_HOP && protocol != V6_ROUTING &&
			    protocol != V6_FRAGMENT && protocol != V6_AUTHENTICATION &&
			    protocol != V6_DESTINATION)
				break;
			if (bpf_skb_load_bytes(skb, at, next, 2))
				return 0;
			if (protocol == V6_FRAGMENT)
				at += 8;
			else if (protocol == V6_AUTHENTICATION)
				at += (next[1] + 2) * 4;
			else
				at += (next[1] + 1) * 8;
			protocol = next[0];
		}
	}
	if (protocol == UDP)
		return at + 8 - ip;
	if (protocol != TCP || bpf_skb_load_bytes(skb, at + 12, &byte, 1))
		return 0;
	return at + (byte >> 4) * 4 - ip;
}

INLINE void count_ip(struct __sk_buff *skb, void *counters, u32 ip, u32 slot)
{
	u64 bytes = skb->len - ip, packets = 1;
	u32 segment = skb->gso_size;

	if (segment) {
		u32 headers = repeated_headers(skb, ip);
		u64 payload = bytes > headers ? bytes - headers : 0;

		packets = (payload + segment - 1) / segment;
		if (!packets)
			packets = 1;
		bytes += (packets - 1) * headers;
	}
	count(counters, slot, bytes, packets);
}

// Counts what lies `ip` bytes into the frame, announced as `version` (0: either).
INLINE int meter_ip(struct __sk_buff *skb, void *counters, u32 ip, u32 version, int source)
{
	u8 copy[40];
	const u8 *header = bytes_at(skb, ip, 20, copy);

	if (!header)
		goto malformed;
	if (header[0] >> 4 == 4 && version != 6) {
		u32 address;

		if ((header[0] & 15) < 5)
			goto malformed;
		__builtin_memcpy(&address, header + (source ? 12 : 16), sizeof(address));
		count_ip(skb, counters, ip, slot_of_v4(address));
		return NEXT;
	}
	if (header[0] >> 4 == 6 && version != 4) {
		header = bytes_at(skb, ip, 40, copy);
		if (!header)
			goto malformed;
		count_ip(skb, counters, ip, slot_of_v6(header + (source ? 8 : 24)));
		return NEXT;
	}
malformed:
	count(counters, MALFORMED, skb->len, 1);
	return NEXT;
}

INLINE int meter_ethernet(struct __sk_buff *skb, void *counters, int source)
{
	u32 at = ETHERNET_HEADER - 2, version = 0;

	// Zero to four tags: the hardware and the kernel take off one, so nearly always zero.
#pragma clang loop unroll(disable)
	for (u32 i = 0; i <= VLAN_TAGS; i++, at += 4) {
		u8 copy[2];
		const u8 *type = bytes_at(skb, at, 2, copy);

		if (!type) {
			count(counters, MALFORMED, skb->len, 1);
			return NEXT;
		}
		switch (type[0] << 8 | type[1]) {
		case ETHERTYPE_V4:
			version = 4;
			break;
		case ETHERTYPE_V6:
			version = 6;
			break;
		case 0x8100:
		case 0x88a8:
		case 0x9100:
			continue;
		}
		break;
	}
	if (version)
		return meter_ip(skb, counters, at + 2, version, source);
	count(counters, NOT_IP, skb->len, 1);
	return NEXT;
}

// What comes in is its source's, what goes out is its destination's.

SEC("classifier/ethernet_up")
int ethernet_up(struct __sk_buff *skb)
{
	return meter_ethernet(skb, &up, 1);
}

SEC("classifier/ethernet_down")
int ethernet_down(struct __sk_buff *skb)
{
	return meter_ethernet(skb, &down, 0);
}

SEC("classifier/ip_up")
int ip_up(struct __sk_buff *skb)
{
	return meter_ip(skb, &up, 0, 0, 1);
}

SEC("classifier/ip_down")
int ip_down(struct __sk_buff *skb)
{
	return meter_ip(skb, &down, 0, 0, 0);
}

char _license[] SEC("license") = "Dual MIT/GPL";
