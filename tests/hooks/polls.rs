//! What the processor time of a poll tells of a VPN server's clients: an observer reads it from
//! `/proc/PID/task/TID/schedstat` of the thread that asks servers, or from the control group.

use super::ticks::schedstat;
use crate::daemon::Site;
use crate::support::wait::let_pass;
use std::fs;
use std::time::Duration;

/// A server's status file of so many clients.
fn status(clients: u32) -> String {
    let head =
        "TITLE,x\nHEADER,ROUTING_TABLE,Virtual Address,Common Name,Real Address,Last Ref,Last Ref (time_t)\n";
    let row = |client: u32| {
        let [high, low] = [client / 250, client % 250];
        format!(
            "ROUTING_TABLE,10.77.{high}.{low},canary-{client},192.0.2.1:{client},2026-11-29 08:00:00,1795939200\n"
        )
    };
    [head.to_owned()].into_iter().chain((0..clients).map(row)).chain(["END\n".to_owned()]).collect()
}

/// The median processor time of a poll, in microseconds, with so many clients.
fn poll(site: &Site, process: u32, clients: u32) -> u64 {
    site.write("server.status", status(clients));
    let figure = schedstat(process, "sources");
    let time = || {
        let text = fs::read_to_string(&figure).expect("it runs");
        text.split(' ').next().and_then(|word| word.parse::<u64>().ok()).expect("a number")
    };
    // The first takes the change in.
    let_pass(Duration::from_millis(1500), "a poll");
    let mut polls: Vec<u64> = (0..6)
        .map(|_| {
            let before = time();
            let_pass(Duration::from_secs(1), "a poll a second");
            (time() - before) / 1000
        })
        .collect();
    polls.sort_unstable();
    polls[polls.len() / 2]
}

#[test]
fn a_poll_takes_as_long_whoever_is_connected() {
    let site = Site::new();
    site.configure("capacity = 64", "capacity = 2048");
    let server =
        format!("[[roster.openvpn]]\nstatus = \"{}\"\npoll = \"1s\"\n[web]", site.name("server.status"));
    site.configure("[web]", server);
    site.write("server.status", status(0));
    let daemon = site.start();
    let [none, some, many] = [0, 100, 800].map(|clients| poll(&site, daemon.id(), clients));
    println!("microseconds of a poll with none, 100 and 800 clients: {none}, {some}, {many}");
    for other in [some, many] {
        assert!(
            other.abs_diff(none) * 20 < none,
            "a poll tells of clients: {none}, {some} and {many} microseconds"
        );
    }
}
