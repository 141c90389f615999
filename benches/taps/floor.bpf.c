// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0
//
// The floors that the bench of the taps puts beside the kernel tap: an empty program, and the least
// that a counter for each address can cost: a flat array by address offset whose address stands in
// the code, touched once, with two plain additions. They check nothing that they need not, and are no
// part of the product.
//
// The committed object is made of this file by src/tap/bpf/build; CI makes it again and compares.

#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

typedef __u8 u8;
typedef __u32 u32;
typedef __u64 u64;

// TCX_NEXT: go on as if this program were not there.
#define NEXT (-1)

#define ETHERNET_HEADER 14

// Where the source address's last word lies.
#define V4_SOURCE (ETHERNET_HEADER + 12)
#define V6_SOURCE (ETHERNET_HEADER + 8 + 12)

struct cell {
	u64 bytes;
	u64 packets;
};

// Room for the largest number of accounts that the bench asks for.
#define CELLS (1 << 16)
struct cell flat[CELLS];

// The first address, as a number; of IPv6 its last word. Set by the loader.
const volatile u32 first = 0;

static __always_inline int touch(struct __sk_buff *skb, u32 at)
{
	const u8 *frame = (const u8 *)(long)skb->data;
	const u8 *end = (const u8 *)(long)skb->data_end;
	u64 offset;

	if (frame + at + 4 > end)
		return NEXT;
	offset = (u32)(bpf_ntohl(*(const u32 *)(frame + at)) - first);
	if (offset >= CELLS)
		return NEXT;
	flat[offset].bytes += skb->len - ETHERNET_HEADER;
	flat[offset].packets += 1;
	return NEXT;
}

SEC("classifier/empty")
int empty(struct __sk_buff *skb)
{
	return NEXT;
}

SEC("classifier/touch_v4")
int touch_v4(struct __sk_buff *skb)
{
	return touch(skb, V4_SOURCE);
}

SEC("classifier/touch_v6")
int touch_v6(struct __sk_buff *skb)
{
	return touch(skb, V6_SOURCE);
}

char _license[] SEC("license") = "Dual MIT/GPL";
