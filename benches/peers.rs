//! How long it takes to learn whose 20,000 WireGuard peers are: the roster reader and the daemon's end of it
//! beside `wg show DEVICE allowed-ips`, which asks the same program and prints; and to put them in force.
//!
//! `cargo bench --bench peers` as root: the program in user space is the bench's own, and listens where
//! wireguard-go does. Nothing is asserted but that every prefix arrives.
#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a bench measures time and prints it")]

use blindmeter::meter::tags::Tags;
use blindmeter::roster::sources::wireguard::{Names, Reader};
use blindmeter::roster::tagger::Tagger;
use blindmeter::roster::{Roster, Source};
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::time::{Duration, Instant};

const PEERS: usize = 20_000;
const ROUNDS: usize = 15;

/// What a program with so many peers answers, each with an address of either family.
fn answer() -> Vec<u8> {
    let peer = |at: usize| {
        format!(
            "public_key={at:064x}\npreshared_key={:064x}\nprotocol_version=1\nendpoint=192.0.2.1:51820\n\
             last_handshake_time_sec=1764400000\nlast_handshake_time_nsec=0\ntx_bytes=1\nrx_bytes=1\n\
             persistent_keepalive_interval=0\nallowed_ip=10.8.{}.{}/32\nallowed_ip=fd42::{at:x}/128\n",
            0,
            at >> 8,
            at & 255
        )
    };
    let device = format!("private_key={:064x}\nlisten_port=51820\n", 7);
    let text: String =
        [device].into_iter().chain((1..=PEERS).map(peer)).chain(["errno=0\n\n".to_owned()]).collect();
    text.into_bytes()
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1e3
}

fn main() {
    let device = format!("bmp{}", std::process::id());
    let path = format!("/var/run/wireguard/{device}.sock");
    std::fs::create_dir_all("/var/run/wireguard").expect("root makes it");
    // Before any thread: it is forked.
    let mut reader = Reader::start(std::slice::from_ref(&device)).expect("a process");
    let listener = UnixListener::bind(&path).expect("root listens there");
    let text = answer();
    let bytes = text.len();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut question = [0; 7];
            // Whoever asks may have gone.
            if stream.read_exact(&mut question).is_ok() {
                let _ = stream.write_all(&text);
            }
        }
    });
    let (names, tagger) = (Names::of_keys(), Tagger::new(&[7; 32]));
    let roster = Roster::new(&[], Tags::in_memory(2 * PEERS), Tagger::new(&[7; 32]), 1);
    let (mut asked, mut shown, mut put) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let said =
            reader.ask(0, &names, |account| tagger.tag_of(account)).unwrap_or_else(|error| panic!("{error}"));
        asked.push(start.elapsed());
        assert_eq!(said.len(), 2 * PEERS);
        let start = Instant::now();
        roster.replace(Source::WireGuard, said).expect("there is room");
        put.push(start.elapsed());
        let start = Instant::now();
        let output =
            Command::new("wg").args(["show", &device, "allowed-ips"]).output().expect("wireguard-tools");
        shown.push(start.elapsed());
        assert_eq!(output.stdout.iter().filter(|byte| **byte == b'\n').count(), PEERS);
    }
    std::fs::remove_file(&path).expect("ours");
    let (asked, shown, put) = (median(asked), median(shown), median(put));
    println!(
        "{PEERS} peers with two addresses each, an answer of {bytes} bytes; medians of {ROUNDS} rounds in turns"
    );
    println!("wg show allowed-ips           {shown:8.1} ms");
    println!("reader and daemon, to tags    {asked:8.1} ms   {:.2} of wg; goal: under 300 ms", asked / shown);
    println!("put in force                  {put:8.1} ms");
}
