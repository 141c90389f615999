//! Which capabilities this process has in force.
//!
//! # Source
//! proc(5), `CapEff` in /proc/PID/status; capabilities(7).

/// Number of CAP_NET_RAW (include/uapi/linux/capability.h).
const NET_RAW: u32 = 13;

/// True when CAP_NET_RAW is in the effective set.
#[must_use]
pub fn may_open_packet_sockets() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| has(&status, NET_RAW))
}

fn has(status: &str, capability: u32) -> bool {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let set = line.and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
    set.is_some_and(|set| set >> capability & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::has;

    #[test]
    fn a_capability_is_a_bit_of_the_effective_set() {
        assert!(has("Name:\tx\nCapEff:\t0000000000002000\n", 13));
        assert!(!has("CapEff:\t0000000000001000\n", 13));
        assert!(!has("CapPrm:\t0000000000002000\n", 13));
        assert!(!has("CapEff:\tnonsense\n", 13));
    }
}
