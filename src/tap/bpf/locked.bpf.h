// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0
//
// Owners and counters as the locked program has them: arrays of many entries, which every kernel
// takes at any size, found by look-ups and added to atomically. Part of meter.bpf.c.

#define SLOTS_PER_LINE 2

// A pool's accounts have slots in the order of their addresses. The first two addresses are rarely
// an account's (the network's and the server's), and the first six slots never are.
#define LIKELY_SLOT(offset) ((offset) + 4)

// Slots by place, two a line: the kernel would round a single one up to eight bytes.
MAPPED_ARRAY(owners, u64);
MAPPED_ARRAY(up, struct cell);
MAPPED_ARRAY(down, struct cell);

INLINE struct cell *cell_of(u32 slot, int source)
{
	u64 key = PAIR(slot, 0);

	return source ? bpf_map_lookup_elem(&up, &key) : bpf_map_lookup_elem(&down, &key);
}

INLINE void count(u32 slot, u64 bytes, u64 packets, int source)
{
	struct cell *cell = cell_of(slot, source);

	if (!cell)
		return;
	__sync_fetch_and_add(&cell->bytes, bytes);
	__sync_fetch_and_add(&cell->packets, packets);
}

// The slot at a place of the pools; the high byte says which source gave it, for whoever adopts the
// map. The counter is asked for before it is known that it is the one: where it is, two misses of
// the caches are waited for at once and not one after the other.
INLINE u32 pooled(struct __sk_buff *skb, u32 place, u32 offset, int source)
{
	const volatile struct cell *likely = cell_of(LIKELY_SLOT(offset), source);
	u64 at = PAIR(place / SLOTS_PER_LINE, 0), *line;

	if (likely)
		(void)likely->bytes;
	line = bpf_map_lookup_elem(&owners, &at);
	// The line is taken apart by a shift and not by its address: see the second rule of meter.bpf.c.
	return line ? (u32)(*line >> place % SLOTS_PER_LINE * 32) & ((1 << SLOT_BITS) - 1) : 0;
}
