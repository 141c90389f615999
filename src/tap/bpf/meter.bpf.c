// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0
//
// The kernel tap: from a packet to a counter, at the tc hooks of one interface.
//
// Holds no packet, no time and no account: an address is read, turned into a slot, and forgotten.
// Says the same of every packet as src/tap/frame.rs (tests/kernel_program.rs compares them), and
// never gives a verdict: what happens to the packet is others' matter.
//
// The way of the common packet (no tag, whole header in the linear part, an address of a pool, no
// super-packet) is one straight piece of code; everything else is behind calls. Two rules keep the
// program fast and loadable with CAP_BPF and CAP_NET_ADMIN alone: no register is added to a packet
// pointer, and little is stored on the stack, since each store then costs a fence. Words are loaded
// from any address, as x86-64 and arm64 allow.
//
// Two programs are made of this file. This one adds plainly to a slice of counters that is the
// processor's own: a packet's program is not interrupted by another packet's, since both hooks run
// with bottom halves off. The other (LOCKED, locked.bpf.c) adds atomically to one slice, for kernels
// on which that is not so (PREEMPT_RT), and where slices would take too much memory.
//
// The committed objects are made of this file by src/tap/bpf/build; CI makes them again and compares.
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
#define LINK 5

#define ETHERTYPE_V4 0x0800
#define ETHERTYPE_V6 0x86dd
#define ETHERNET_HEADER 14
#define VLAN_TAGS 4

#define TCP 6
#define UDP 17
#define V6_HOP_BY_HOP 0
#define V6_ROUTING 43
#define V6_FRAGMENT 44
#define V6_AUTHENTICATION 51
#define V6_DESTINATION 60

#define POOLS 8
#define SLOT_BITS 24

// Sixteen bytes, so that four share a cache line.
struct cell {
	u64 bytes;
	u64 packets;
};

// A pool's first address, its size, and where its slots begin in `owners`. Of an IPv6 address the
// first twelve bytes are as they stand in a packet; the rest is a number, as all of an IPv4 address.
struct pool {
	u64 high;
	u32 middle;
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

#ifndef LOCKED
// Likewise: cells of a processor's slice, cells of all slices, and places of all pools.
const volatile u32 stride = 1;
const volatile u32 cells = 1;
const volatile u32 places = 1;
#endif

// What of the slow paths is in use (entries of each table, and of both tables of a family those that are
// one interface's own), and what the next process must know to adopt these maps; the program reads the
// first six words only. See src/tap/kernel/header.rs.
struct info {
	u32 hosts_v4;
	u32 hosts_v6;
	u32 routes_v4;
	u32 routes_v6;
	u32 own_v4;
	u32 own_v6;
	u32 unused[2];
	u8 header[496];
};

struct tag {
	u64 halves[2];
};

// Keys begin with the number of the interface that the owner is of, or 0.
struct v4_prefix {
	u32 bits;
	u32 place;
	u32 address;
};

struct v6_prefix {
	u32 bits;
	u32 place;
	u8 address[16];
};

struct v4_address {
	u32 place;
	u32 address;
};

struct v6_address {
	u32 place;
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

// Owners in the lower half. In the upper half stands of a prefix its length and one; of a single address
// what user space needs.
#define OWNER_TABLE(name, map_type, key_type)             \
	struct {                                          \
		__uint(type, map_type);                   \
		__uint(max_entries, 1);                   \
		__uint(map_flags, BPF_F_NO_PREALLOC);     \
		__type(key, key_type);                    \
		__type(value, u64);                       \
	} name SEC(".maps")

MAPPED_ARRAY(info, struct info);
// Whose slot it is, as a keyed tag: for user space alone.
MAPPED_ARRAY(tags, struct tag);
OWNER_TABLE(hosts_v4, BPF_MAP_TYPE_HASH, struct v4_address);
OWNER_TABLE(hosts_v6, BPF_MAP_TYPE_HASH, struct v6_address);
OWNER_TABLE(routes_v4, BPF_MAP_TYPE_LPM_TRIE, struct v4_prefix);
OWNER_TABLE(routes_v6, BPF_MAP_TYPE_LPM_TRIE, struct v6_prefix);
// Keyed tags of the names of interfaces that have owners of their own, by number: for user space alone.
MAPPED_ARRAY(names, struct tag);
// Their numbers, by index.
OWNER_TABLE(standing, BPF_MAP_TYPE_HASH, u32);

#define INLINE static __always_inline

// Of what a helper writes on the stack: it has its words of eight bytes to itself. Without CAP_PERFMON
// kernels before 6.2 refuse a write beside a number that was put there.
#define ALONE __attribute__((aligned(8)))

// The number again, of which the verifier knows nothing any more; `unknown` is one of which it knows
// nothing, as the length of a packet is. Without CAP_PERFMON it takes two paths for one only where it
// knows exactly the same of every number, and wants the same bounds of an offset on every path: where
// paths meet that brought different numbers, they are followed once and not once each.
INLINE u64 forget(u64 number, u64 unknown)
{
	number ^= unknown;
	asm volatile("" : "+r"(number));
	return number ^ unknown;
}

// Two words of a key as they stand in memory, stored at once: without CAP_PERFMON older kernels refuse
// to have half of a known number on the stack written over.
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define PAIR(first, second) ((u64)(u32)(first) | (u64)(u32)(second) << 32)
#else
#define PAIR(first, second) ((u64)(u32)(first) << 32 | (u64)(u32)(second))
#endif

#ifdef LOCKED
#include "locked.bpf.h"
#else
#include "sliced.bpf.h"
#endif

INLINE u64 entry(void *table, const void *key)
{
	u64 *found = bpf_map_lookup_elem(table, key);

	return found ? *found : 0;
}

INLINE u32 slot_of(u64 found)
{
	return found & ((1 << SLOT_BITS) - 1);
}

// The number of the packet's interface, where it may have owners of its own.
INLINE u32 place_of(struct __sk_buff *skb)
{
	u64 index = PAIR(skb->ifindex, 0);

	return entry(&standing, &index);
}

// Of two prefixes the longer one; of two of a length the interface's own.
INLINE u64 longer(u64 own, u64 any)
{
	return own >> 32 >= any >> 32 ? own : any;
}

INLINE const struct info *shape(void)
{
	u32 first = 0;

	return bpf_map_lookup_elem(&info, &first);
}

// What the arrays do not answer: the hash, then the trie. Of an address in a pool that an interface has
// an owner of its own for, the array's owner is in the hash as well.
static __noinline u32 slot_elsewhere_v4(struct __sk_buff *skb, u32 address, int in_pool)
{
	const struct info *used = shape();
	u32 place = 0, slot = 0;

	if (!used)
		return UNATTRIBUTED;
	if (used->own_v4) {
		place = place_of(skb);
		in_pool = 0;
	}
	if (place) {
		u64 key = PAIR(place, address);

		slot = slot_of(entry(&hosts_v4, &key));
	}
	if (!slot && !in_pool && used->hosts_v4) {
		u64 key = PAIR(0, address);

		slot = slot_of(entry(&hosts_v4, &key));
	}
	if (!slot && used->routes_v4) {
		u64 key[2] = { PAIR(64, 0), PAIR(address, 0) }, any = entry(&routes_v4, key);

		if (place) {
			key[0] = PAIR(64, place);
			any = longer(entry(&routes_v4, key), any);
		}
		slot = slot_of(any);
	}
	return slot;
}

static __noinline u32 slot_elsewhere_v6(struct __sk_buff *skb, u64 high, u64 low, int in_pool)
{
	const struct info *used = shape();
	u64 key[3] = { 0, high, low };
	u32 place = 0, slot = 0;

	if (!used)
		return UNATTRIBUTED;
	if (used->own_v6) {
		place = place_of(skb);
		in_pool = 0;
	}
	// The key of a single address begins in the middle of the first word.
	if (place) {
		key[0] = PAIR(0, place);
		slot = slot_of(entry(&hosts_v6, (const u32 *)key + 1));
	}
	if (!slot && !in_pool && used->hosts_v6) {
		key[0] = 0;
		slot = slot_of(entry(&hosts_v6, (const u32 *)key + 1));
	}
	if (!slot && used->routes_v6) {
		u64 any;

		key[0] = PAIR(160, 0);
		any = entry(&routes_v6, key);
		if (place) {
			key[0] = PAIR(160, place);
			any = longer(entry(&routes_v6, key), any);
		}
		slot = slot_of(any);
	}
	return slot;
}

INLINE u32 slot_of_v4(struct __sk_buff *skb, u32 address, int source)
{
	u32 number = bpf_ntohl(address), pools = v4_pools, offset, place, slot;

#pragma unroll
	for (u32 i = 0; i < POOLS; i++) {
		if (i < pools) {
			offset = number - v4_pool[i].low;
			place = v4_pool[i].base + offset;
			if (offset < v4_pool[i].size)
				goto found;
		}
	}
	return slot_elsewhere_v4(skb, address, 0);
found:
	slot = pooled(skb, place, offset, source);
	return slot ? slot : slot_elsewhere_v4(skb, address, 1);
}

// `address` is where the address stands, in a packet or on the stack: what it is compared with leaves no registers
// to keep it in, and a store on the stack would cost a fence.
INLINE u32 slot_of_v6(struct __sk_buff *skb, const volatile u64 *address, int source)
{
	const volatile u32 *words = (const volatile u32 *)address;
	u32 number = bpf_ntohl(words[3]), pools = v6_pools, offset, place, slot;

#pragma unroll
	for (u32 i = 0; i < POOLS; i++) {
		if (i < pools) {
			u64 apart;

			offset = number - v6_pool[i].low;
			// One branch, of which the verifier learns nothing: the address is in the pool where
			// the parts before its number are equal and its offset is less than the size.
			apart = ~((u64)offset - v6_pool[i].size) >> 63;
			apart |= address[0] ^ v6_pool[i].high;
			apart |= words[2] ^ v6_pool[i].middle;
			place = v6_pool[i].base + offset;
			asm volatile("" : "+r"(apart));
			if (!apart)
				goto found;
		}
	}
	return slot_elsewhere_v6(skb, address[0], address[1], 0);
found:
	slot = pooled(skb, place, offset, source);
	return slot ? slot : slot_elsewhere_v6(skb, address[0], address[1], 1);
}

// The device's own chatter: from a link-local address, or to one that is link-local, multicast or the
// limited broadcast, as src/roster/address.rs has it.
INLINE int is_of_the_link_v4(u32 from, u32 to)
{
	return from >> 16 == 0xa9fe || to >> 16 == 0xa9fe || to >> 28 == 0xe || to == 0xffffffff;
}

INLINE int is_of_the_link_v6(u32 from, u32 to)
{
	return from >> 22 == 0xfe80 >> 6 || to >> 22 == 0xfe80 >> 6 || to >> 24 == 0xff;
}

// Nobody owns the one address, and the packet is of the link: nobody's, unless the other has an owner.
static __noinline u32 ownerless_v4(struct __sk_buff *skb, u32 other, int source)
{
	return slot_of_v4(skb, other, source) ? UNATTRIBUTED : LINK;
}

static __noinline u32 ownerless_v6(struct __sk_buff *skb, u64 high, u64 low, int source)
{
	u64 address[2] = { high, low };

	return slot_of_v6(skb, address, source) ? UNATTRIBUTED : LINK;
}

// The slot of a packet whose own address has this one: the link's, where it is nobody's and of the link.
INLINE u32 or_link_v4(struct __sk_buff *skb, u32 slot, const u8 *header, int source)
{
	u32 from = *(const u32 *)(header + 12), to = *(const u32 *)(header + 16);

	if (!slot && is_of_the_link_v4(bpf_ntohl(from), bpf_ntohl(to)))
		slot = ownerless_v4(skb, source ? to : from, source);
	return slot;
}

INLINE u32 or_link_v6(struct __sk_buff *skb, u32 slot, const u8 *header, int source)
{
	// The first word of each address tells.
	if (!slot && is_of_the_link_v6(bpf_ntohl(*(const u32 *)(header + 8)), bpf_ntohl(*(const u32 *)(header + 24)))) {
		const u64 *other = (const u64 *)(header + (source ? 24 : 8));

		slot = ownerless_v6(skb, other[0], other[1], source);
	}
	return slot;
}

#include "super.bpf.h"

INLINE int count_ip(struct __sk_buff *skb, u32 ip, u32 slot, int source)
{
	count(slot, skb->len - ip, 1, source);
	return NEXT;
}

INLINE int count_v4(struct __sk_buff *skb, u32 ip, const u8 *header, int source)
{
	u32 slot = slot_of_v4(skb, *(const u32 *)(header + (source ? 12 : 16)), source);

	return count_ip(skb, ip, or_link_v4(skb, slot, header, source), source);
}

INLINE int count_v6(struct __sk_buff *skb, u32 ip, const u8 *header, int source)
{
	const u64 *address = (const u64 *)(header + (source ? 8 : 24));
	u32 slot = slot_of_v6(skb, address, source);

	return count_ip(skb, ip, or_link_v6(skb, slot, header, source), source);
}

// A first byte of version 4 and of a header of five words at least.
INLINE int is_v4(u8 first)
{
	return first >= 0x45 && first <= 0x4f;
}

INLINE int is_v6(u8 first)
{
	return first >> 4 == 6;
}

// Counts what lies `ip` bytes into the frame, announced as `version` (0: either): wherever it lies,
// and whatever it is.
static __noinline int meter_any_ip(struct __sk_buff *skb, u32 ip, u32 version, int source)
{
	u64 words[5];
	u8 *header = (u8 *)words;

	if (!bpf_skb_load_bytes(skb, ip, header, 20)) {
		if (version != 6 && is_v4(header[0]))
			return count_v4(skb, ip, header, source);
		if (version != 4 && is_v6(header[0]) && !bpf_skb_load_bytes(skb, ip, header, 40))
			return count_v6(skb, ip, header, source);
	}
	count(MALFORMED, skb->len, 1, source);
	return NEXT;
}

// The same of a frame with tags, or of one that is no IP.
static __noinline int meter_any_ethernet(struct __sk_buff *skb, int source)
{
	u32 at = ETHERNET_HEADER - 2, version = 0;

	// Zero to four tags: the hardware and the kernel take off one, so nearly always zero. Unrolled,
	// since without CAP_PERFMON the counter is also followed beyond its end.
#pragma clang loop unroll(full)
	for (u32 i = 0; i <= VLAN_TAGS; i++, at += 4) {
		u16 type[4] ALONE;

		if (bpf_skb_load_bytes(skb, at, type, 2)) {
			count(MALFORMED, skb->len, 1, source);
			return NEXT;
		}
		switch (bpf_ntohs(type[0])) {
		case ETHERTYPE_V4:
			version = 4;
			goto ip;
		case ETHERTYPE_V6:
			version = 6;
			goto ip;
		case 0x8100:
		case 0x88a8:
		case 0x9100:
			continue;
		}
		break;
	}
	count(NOT_IP, skb->len, 1, source);
	return NEXT;
ip:
	return meter_any_ip(skb, forget(at + 2, skb->len), forget(version, skb->len), source);
}

// Whether a device without a link layer brings up a packet behind an Ethernet header all the same. A tunnel of the
// kernel's (XFRM, VTI) leaves the header of the packet that came in before the one that it took out, and whoever runs
// at the way in sees it. Where the network header is, the kernel always knows.
static __noinline int is_behind_link(struct __sk_buff *skb)
{
	u64 frame[3], network[3];
	const u8 *ip = (const u8 *)network;
	u16 type;

	if (bpf_skb_load_bytes(skb, 0, frame, 20) || bpf_skb_load_bytes_relative(skb, 0, network, 20, BPF_HDR_START_NET))
		return 0;
	if (frame[0] == network[0] && frame[1] == network[1])
		return 0;
	type = *(const u16 *)((const u8 *)frame + ETHERNET_HEADER - 2);
	return (type == bpf_htons(ETHERTYPE_V4) && is_v4(ip[0])) || (type == bpf_htons(ETHERTYPE_V6) && is_v6(ip[0]));
}

// Whether a header of this version says how long the packet is, which begins with it: nothing is before it then.
INLINE int is_whole_v4(struct __sk_buff *skb, const u8 *header)
{
	return bpf_ntohs(*(const u16 *)(header + 2)) == skb->len;
}

INLINE int is_whole_v6(struct __sk_buff *skb, const u8 *header)
{
	return bpf_ntohs(*(const u16 *)(header + 4)) + 40 == skb->len;
}

INLINE int meter_ip(struct __sk_buff *skb, int source)
{
	const u8 *header = (const u8 *)(long)skb->data;
	const u8 *end = (const u8 *)(long)skb->data_end;

	if (!skb->gso_size && header + 20 <= end) {
		if (is_v4(header[0]) && (!source || is_whole_v4(skb, header)))
			return count_v4(skb, 0, header, source);
		if (is_v6(header[0]) && header + 40 <= end && (!source || is_whole_v6(skb, header)))
			return count_v6(skb, 0, header, source);
	}
	if (source && is_behind_link(skb))
		return skb->gso_size ? meter_super(skb, 1, source) : meter_any_ethernet(skb, source);
	return skb->gso_size ? meter_super(skb, 0, source) : meter_any_ip(skb, 0, 0, source);
}

INLINE int meter_ethernet(struct __sk_buff *skb, int source)
{
	const u8 *frame = (const u8 *)(long)skb->data;
	const u8 *header = frame + ETHERNET_HEADER;
	const u8 *end = (const u8 *)(long)skb->data_end;

	if (skb->gso_size)
		return meter_super(skb, 1, source);
	if (header + 20 <= end) {
		u16 type = *(const u16 *)(frame + ETHERNET_HEADER - 2);

		if (type == bpf_htons(ETHERTYPE_V4) && is_v4(header[0]))
			return count_v4(skb, ETHERNET_HEADER, header, source);
		if (type == bpf_htons(ETHERTYPE_V6) && is_v6(header[0]) && header + 40 <= end)
			return count_v6(skb, ETHERNET_HEADER, header, source);
	}
	return meter_any_ethernet(skb, source);
}

// What comes in is its source's, what goes out is its destination's.

SEC("classifier/ethernet_up")
int ethernet_up(struct __sk_buff *skb)
{
	return meter_ethernet(skb, 1);
}

SEC("classifier/ethernet_down")
int ethernet_down(struct __sk_buff *skb)
{
	return meter_ethernet(skb, 0);
}

SEC("classifier/ip_up")
int ip_up(struct __sk_buff *skb)
{
	return meter_ip(skb, 1);
}

SEC("classifier/ip_down")
int ip_down(struct __sk_buff *skb)
{
	return meter_ip(skb, 0);
}

char _license[] SEC("license") = "Dual MIT/GPL";
