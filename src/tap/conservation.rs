//! Conservation: at a close, what the tap saw beside what the interfaces' own counters of packets say.
//!
//! Each kind of device has one rule. Where its counters tell of more than the tap saw, the difference was
//! missed, and is told as lost; the tap may well have seen more than they tell of, since a device counts a
//! super-packet as one, and a queue may drop what was seen. So a figure from here is the least that was missed.
//! Holds indices of interfaces and counts; no name, no address, and nothing of one account.
//!
//! # Source
//! Linux 6.18: drivers/net/tun.c (`tun_get_user` counts after the stack has the packet, `tun_put_user` when
//! it is read), drivers/net/veth.c (`veth_stats_rx`, `veth_xdp_rcv`), drivers/net/ovpn/io.c
//! (`ovpn_netdev_write`), drivers/net/wireguard (`update_rx_stats`), drivers/net/ppp/ppp_generic.c
//! (`ppp_receive_nonmp_frame`: control frames as well).

use super::device_rule::Rule;
use super::interfaces::{InterfaceEntry, Passed};
use crate::meter::counters::Counters;
use crate::meter::slot::Slot;

/// Compares, from one close to the next.
pub(super) struct Conservation {
    interfaces: Vec<Compared>,
    /// What passed interfaces since the last close that the tap has left.
    left: Passed,
    /// What was told as lost since then of a time without a tap: no counter below tells of it.
    told: u64,
    /// What the tap had seen at the last close.
    seen: Passed,
    /// Packets that the tap saw and the devices had not counted then: they may wait in a queue.
    queued: Passed,
    /// What is lost is known by direction; a packet socket knows their sum.
    by_direction: bool,
}

/// An interface that the tap is attached to.
struct Compared {
    index: u32,
    rule: Rule,
    /// Its own counters at the last close, or when it was attached.
    passed: Passed,
    /// It was attached at the last close.
    is_whole: bool,
}

impl Conservation {
    /// From what these counters hold now.
    pub(super) fn new(counters: Counters, by_direction: bool) -> Self {
        let (left, queued) = (Passed::default(), Passed::default());
        Self { interfaces: Vec::new(), left, told: 0, seen: seen(counters), queued, by_direction }
    }

    /// The tap sees what passes an interface from here on, where its own counters read this.
    pub(super) fn attached(&mut self, index: u32, rule: Rule, passed: Passed) {
        if rule != Rule::Never {
            self.interfaces.push(Compared { index, rule, passed, is_whole: false });
        }
    }

    /// It saw what passed there before as well, by the hand of an earlier process: so many packets may wait in
    /// the device's queue that were seen then, and that the device counts from here on.
    pub(super) fn goes_on(&mut self, rule: Rule, queue_packets: u32) {
        if rule == Rule::Packets {
            self.queued.down += u64::from(queue_packets);
        }
    }

    /// The tap is about to leave an interface whose own counters read this; none where it is gone.
    pub(super) fn detached(&mut self, index: u32, passed: Option<Passed>) {
        let Some(at) = self.interfaces.iter().position(|interface| interface.index == index) else { return };
        let interface = self.interfaces.swap_remove(at);
        if let (Rule::Packets, Some(passed)) = (interface.rule, passed) {
            self.left = self.left.plus(passed.since(interface.passed));
        }
    }

    /// Packets were told as lost that passed while no tap was attached.
    pub(super) fn told(&mut self, packets: u64) {
        self.told += packets;
    }

    /// At a close: how many packets were missed since the last one. `there` was listed after the tap had
    /// seen `before`, and before it had seen `after`, with time enough between for what devices had counted
    /// to arrive at the tap.
    pub(super) fn close(&mut self, there: &[InterfaceEntry], (before, after): (Passed, Passed)) -> u64 {
        let mut passed = std::mem::take(&mut self.left);
        let (mut moved, mut room) = (0, 0);
        for interface in &mut self.interfaces {
            let Some(entry) = there.iter().find(|entry| entry.index == interface.index) else { continue };
            let since = entry.passed.since(interface.passed);
            match interface.rule {
                Rule::Packets => {
                    passed = passed.plus(since);
                    room += u64::from(entry.queue_packets);
                }
                Rule::Silence if interface.is_whole => moved += since.packets(),
                Rule::Silence | Rule::Never => {}
            }
            (interface.passed, interface.is_whole) = (entry.passed, true);
        }
        let mut seen = after.since(self.seen);
        seen.up = seen.up.saturating_sub(std::mem::take(&mut self.told));
        self.seen = before;
        let is_blind = seen.packets() == 0;
        self.missed(passed, seen, room) + if is_blind { moved } else { 0 }
    }

    /// The difference, and what of a surplus may still be waiting in the devices' queues.
    fn missed(&mut self, passed: Passed, seen: Passed, room: u64) -> u64 {
        let one = |passed: u64, seen: u64, queued: &mut u64, room: u64| {
            let seen = seen + *queued;
            *queued = seen.saturating_sub(passed).min(room);
            passed.saturating_sub(seen)
        };
        if self.by_direction {
            // What comes in waits nowhere.
            one(passed.up, seen.up, &mut self.queued.up, 0)
                + one(passed.down, seen.down, &mut self.queued.down, room)
        } else {
            one(passed.packets(), seen.packets(), &mut self.queued.down, room)
        }
    }
}

/// Packets that the tap has seen so far, or knows that it missed.
pub(super) fn seen(counters: Counters) -> Passed {
    let slots = (0..counters.slots()).filter_map(|at| u32::try_from(at).ok()).map(Slot::new);
    slots.filter(|slot| *slot != Slot::GAP).fold(Passed::default(), |sum, slot| {
        let read = counters.read(slot);
        sum.plus(Passed { up: read.up.packets, down: read.down.packets })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::slot::Direction;

    const fn passed(up: u64, down: u64) -> Passed {
        Passed { up, down }
    }

    /// An interface of index 3 whose queue holds five packets.
    fn there(rule: Rule, passed: Passed) -> Vec<InterfaceEntry> {
        vec![InterfaceEntry {
            index: 3,
            hardware: 0xfffe,
            rule,
            queue_packets: 5,
            passed,
            ..Default::default()
        }]
    }

    /// A tap on that interface, which had read ten packets each way.
    fn tap(rule: Rule, by_direction: bool) -> Conservation {
        let mut conservation = Conservation::new(Counters::in_memory(1), by_direction);
        conservation.attached(3, rule, passed(10, 10));
        conservation
    }

    /// What is missed by a close at which the device reads and the tap has seen so much.
    fn close(conservation: &mut Conservation, rule: Rule, device: Passed, seen: Passed) -> u64 {
        conservation.close(&there(rule, device), (seen, seen))
    }

    #[test]
    fn what_a_device_counts_beyond_the_tap_was_missed_and_is_told_once() {
        for by_direction in [true, false] {
            let mut tap = tap(Rule::Packets, by_direction);
            assert_eq!(close(&mut tap, Rule::Packets, passed(110, 60), passed(100, 50)), 0);
            assert_eq!(close(&mut tap, Rule::Packets, passed(117, 63), passed(102, 50)), 8);
            assert_eq!(close(&mut tap, Rule::Packets, passed(117, 63), passed(102, 50)), 0);
        }
    }

    /// The device counts a super-packet as one, so uploads that are not seen at all show beside them.
    #[test]
    fn super_packets_of_one_direction_hide_nothing_of_the_other() {
        let mut tap = tap(Rule::Packets, true);
        assert_eq!(close(&mut tap, Rule::Packets, passed(15, 12), passed(0, 80)), 5);
    }

    #[test]
    fn what_waits_in_a_queue_at_a_close_is_no_loss_at_the_next() {
        let mut tap = tap(Rule::Packets, true);
        assert_eq!(close(&mut tap, Rule::Packets, passed(10, 20), passed(0, 14)), 0, "four wait");
        assert_eq!(close(&mut tap, Rule::Packets, passed(10, 24), passed(0, 14)), 0, "they were read");
        assert_eq!(close(&mut tap, Rule::Packets, passed(10, 24), passed(0, 50)), 0, "36 were dropped");
        assert_eq!(
            close(&mut tap, Rule::Packets, passed(10, 36), passed(0, 50)),
            7,
            "no more than five wait"
        );
    }

    #[test]
    fn what_waited_when_a_process_took_over_is_no_loss() {
        let mut tap = tap(Rule::Packets, true);
        tap.goes_on(Rule::Packets, 5);
        assert_eq!(close(&mut tap, Rule::Packets, passed(10, 14), passed(0, 0)), 0, "four were read");
        assert_eq!(close(&mut tap, Rule::Packets, passed(12, 17), passed(0, 0)), 4, "one may have waited on");
    }

    #[test]
    fn what_arrives_while_both_are_read_is_no_loss() {
        let mut tap = tap(Rule::Packets, true);
        let device = there(Rule::Packets, passed(110, 10));
        assert_eq!(tap.close(&device, (passed(95, 0), passed(105, 0))), 0);
        assert_eq!(close(&mut tap, Rule::Packets, passed(120, 10), passed(110, 0)), 0);
    }

    #[test]
    fn hardware_is_only_told_of_where_the_tap_saw_nothing_for_a_whole_epoch() {
        let mut tap = tap(Rule::Silence, true);
        assert_eq!(close(&mut tap, Rule::Silence, passed(40, 10), passed(0, 0)), 0, "not a whole one");
        assert_eq!(close(&mut tap, Rule::Silence, passed(70, 10), passed(1, 0)), 0, "it saw one");
        assert_eq!(close(&mut tap, Rule::Silence, passed(70, 10), passed(1, 0)), 0, "nothing moved");
        assert_eq!(close(&mut tap, Rule::Silence, passed(90, 15), passed(1, 0)), 25);
    }

    #[test]
    fn a_device_that_counts_something_else_is_never_compared() {
        let mut tap = tap(Rule::Never, true);
        for device in [passed(1000, 10), passed(2000, 10)] {
            assert_eq!(close(&mut tap, Rule::Never, device, passed(0, 0)), 0);
        }
        let rules =
            [b"wireguard".as_slice(), b"amneziawg", b"ppp", b"tun", b"veth", b"", b"bridge"].map(Rule::of);
        let [never, silence] = [Rule::Never, Rule::Silence];
        assert_eq!(rules, [never, never, never, Rule::Packets, Rule::Packets, silence, silence]);
    }

    #[test]
    fn an_interface_that_was_left_counts_up_to_then() {
        let mut tap = tap(Rule::Packets, true);
        tap.detached(3, Some(passed(60, 10)));
        tap.attached(3, Rule::Packets, passed(100, 10));
        // What passed between is told by others, in the count of what is lost.
        tap.told(40);
        assert_eq!(close(&mut tap, Rule::Packets, passed(120, 10), passed(65 + 40, 0)), 5);
    }

    #[test]
    fn what_is_lost_was_seen_and_a_gap_was_not() {
        let counters = Counters::in_memory(1);
        for (slot, direction, packets) in [
            (Slot::FIRST_ACCOUNT, Direction::Up, 1),
            (Slot::UNATTRIBUTED, Direction::Down, 2),
            (Slot::MALFORMED, Direction::Up, 4),
            (Slot::LOST, Direction::Up, 8),
            (Slot::GAP, Direction::Up, 16),
        ] {
            counters.add(slot, direction, 0, packets);
        }
        let Passed { up, down } = seen(counters);
        assert_eq!((up, down), (13, 2));
    }
}
