// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0
//
// The program of meter.bpf.c with atomic additions to one slice of counters.

#define LOCKED
#include "meter.bpf.c"
