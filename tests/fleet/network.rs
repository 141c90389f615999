//! Hosts of servers, each a network namespace with an address of its own, and a router between them, on which any two can be
//! cut off from each other; a node has such a host as well. Whatever else a test runs is on the router. Holds no promise.

use crate::netns::Namespace;
use std::process::Command;

/// What says whom a packet may not reach stands before the router's table.
const CUTS: &str = "10";

/// The router, as hosts see it.
const ROUTER: &str = "10.0.0.1";

/// A host: its address, and where its namespace is found.
#[derive(Clone)]
pub(crate) struct Host {
    pub(crate) address: String,
    pub(crate) place: String,
}

/// The router, the hosts of each cluster, and that of a node.
pub(crate) struct Network {
    pub(crate) router: Namespace,
    pub(crate) clusters: Vec<Vec<Host>>,
    pub(crate) node: Host,
    /// Namespaces live as long as they are held.
    _held: Vec<Namespace>,
}

impl Network {
    /// With so many hosts for each of two clusters.
    pub(crate) fn new(servers: usize) -> Self {
        let router = Namespace::new();
        router.sysctl("net/ipv4/ip_forward", "1");
        let mut held = Vec::new();
        let mut host = |cluster: usize, at: usize| {
            let namespace = Namespace::new();
            let (device, address) = (format!("host{cluster}-{at}"), format!("10.77.{cluster}.{at}"));
            let mac = |side: u8| format!("02:00:00:{side:02}:{cluster:02}:{at:02}");
            router.veth(&device, &mac(1), &namespace, "router", &mac(2));
            router.command(&format!("ip addr add {ROUTER}/32 dev {device}"));
            router.command(&format!("ip route add {address}/32 dev {device} src {ROUTER}"));
            namespace.command(&format!("ip addr add {address}/32 dev router"));
            namespace.command(&format!("ip route add default via {ROUTER} dev router onlink src {address}"));
            let host = Host { address, place: namespace.path() };
            held.push(namespace);
            host
        };
        let clusters = (0..2).map(|place| (1..=servers).map(|at| host(place, at)).collect()).collect();
        let node = host(9, 1);
        Self { router, clusters, node, _held: held }
    }
}

/// Lets no packet pass between two addresses, either way. On the router.
pub(crate) fn cut(one: &str, other: &str) {
    for (from, to) in [(one, other), (other, one)] {
        assert!(rule(&["add", "from", from, "to", to, "pref", CUTS, "blackhole"]), "the kernel has rules");
    }
}

/// Lets all packets pass again.
pub(crate) fn heal() {
    while rule(&["del", "pref", CUTS]) {}
}

fn rule(words: &[&str]) -> bool {
    Command::new("ip").arg("rule").args(words).output().expect("tests need iproute2").status.success()
}
