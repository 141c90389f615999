// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0
//
// Owners and counters as the sliced program has them: each a single value, whose address stands in
// the code, so that no key goes over the stack and no look-up is called. Part of meter.bpf.c.

// Sections of their own, which become maps. The loader sets the sizes; what the compiler believes of
// them is kept from it below.
u32 owners[1] SEC(".data.owners");
struct cell up[1] SEC(".data.up");
struct cell down[1] SEC(".data.down");

// A pool's accounts have slots in the order of their addresses. The first two addresses are rarely
// an account's (the network's and the server's), and the first six slots never are.
#define LIKELY_SLOT(offset) ((offset) + 4)

// Adds to a cell. `way` is one number for each place that this is written at, and keeps the compiler
// from making one piece of code of two, where the verifier would not know which map is meant.
#define ADD(array, at, more_bytes, more_packets, way)                    \
	do {                                                              \
		struct cell *cell = array;                                \
		asm volatile("" : "+r"(cell) : "i"(way));                 \
		cell += at;                                               \
		cell->bytes += more_bytes;                                \
		cell->packets += more_packets;                            \
		asm volatile("" : : "i"(way) : "memory");                 \
	} while (0)

INLINE void count(u32 slot, u64 bytes, u64 packets, int source)
{
	u64 at = forget((u64)bpf_get_smp_processor_id() * stride + slot, bytes);

	// For the verifier: there is a slice for each processor, and room for each slot in it.
	if (at >= cells)
		return;
	if (source)
		ADD(up, at, bytes, packets, 1);
	else
		ADD(down, at, bytes, packets, 2);
}

// The slot at a place of the pools; the high byte says which source gave it, for whoever adopts the map.
// A processor guesses that the slot is the likely one, where it mostly is, and goes to the counter without
// waiting for the owner: two misses of the caches are waited for at once and not one after the other.
INLINE u32 pooled(struct __sk_buff *skb, u64 place, u32 offset, int source)
{
	const volatile u32 *slots = owners;
	u32 slot, likely = LIKELY_SLOT(offset);

	place = forget(place, skb->len);
	if (place >= places)
		return 0;
	asm volatile("" : "+r"(slots));
	slot = slots[place] & ((1 << SLOT_BITS) - 1);
	asm volatile("if %0 == %1 goto +1; %0 = %1" : "+r"(likely) : "r"(slot));
	return likely;
}
