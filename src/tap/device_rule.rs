//! What may be said of an interface's own packet counters, by the kind of its device. Counts nothing.

/// What may be said of the packet counters of a kind of device.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) enum Rule {
    /// Every packet that they count meets the tap: before it is merged, or as the super-packet that the
    /// tap counts as several.
    #[default]
    Packets,
    /// They count more than packets: frames that hardware or a driver merges or keeps, and late. The tap
    /// is only blind where they moved for a whole epoch and it saw nothing.
    Silence,
    /// They count something else: encrypted datagrams, keepalives and handshakes, control frames.
    Never,
}

impl Rule {
    /// The rule of a kind of device by its name in rtnetlink (IFLA_INFO_KIND), empty for hardware.
    pub(super) fn of(kind: &[u8]) -> Self {
        match kind {
            b"tun" | b"veth" | b"ovpn" => Self::Packets,
            b"wireguard" | b"amneziawg" | b"ppp" => Self::Never,
            _ => Self::Silence,
        }
    }
}
