//! Programs of the test's own behind the socket of a device: one that answers, breaks off, hangs, floods.

use super::*;
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::thread::JoinHandle;

/// Serves one connection with this answer, then closes it; or leaves it open.
fn program(folder: &Path, answer: Vec<u8>, closes: bool) -> JoinHandle<()> {
    let listener = UnixListener::bind(folder.join("wg0.sock")).expect("a socket");
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a reader");
        let mut asked = [0; 7];
        stream.read_exact(&mut asked).expect("a question");
        assert_eq!(asked, *QUESTION);
        // The reader may have had enough.
        let _ = stream.write_all(&answer);
        if !closes {
            let _ = stream.read(&mut asked);
        }
    })
}

fn asked(answer: Vec<u8>, closes: bool) -> Result<Vec<Pair>, Unread> {
    let folder = tempfile::tempdir().expect("a folder");
    let program = program(folder.path(), answer, closes);
    let mut buffer = vec![0; BUFFER_BYTES];
    let asked = ask(folder.path(), (0, "wg0"), &mut Known::new(1, [0; 32]), &mut buffer);
    program.join().expect("it was asked");
    asked
}

#[test]
fn a_long_answer_is_read_whole() {
    let key = |peer: usize| format!("{peer:064x}");
    let peer = |peer: usize| {
        format!(
            "public_key={}\nendpoint=192.0.2.1:7\nallowed_ip=10.{}.{}.{}/32\n",
            key(peer),
            peer >> 16 & 255,
            peer >> 8 & 255,
            peer & 255
        )
    };
    let answer: String = (0..20_000).map(peer).chain(["errno=0\n\n".to_owned()]).collect();
    let pairs = asked(answer.into_bytes(), true).expect("it is whole");
    assert_eq!(pairs.len(), 20_000);
    for (at, pair) in pairs.iter().enumerate() {
        let low = u16::try_from(at & 0xffff).expect("16 bits").to_be_bytes();
        assert!(pair.0[16..18] == low && pair.0[48..50] == low, "{at}");
    }
}

#[test]
fn a_program_that_fails_is_told_for_what_it_does() {
    assert!(matches!(asked(b"public_key=".to_vec(), true), Err(Unread::BrokenOff)));
    assert!(matches!(asked(b"listen_port=1\n".to_vec(), false), Err(Unread::Stalled)));
    assert!(matches!(asked(vec![b'a'; 1 << 17], true), Err(Unread::BrokenOff)), "no line is that long");
    assert!(matches!(asked(b"nonsense\n".to_vec(), true), Err(Unread::Malformed)));
    let refused = asked(b"errno=1\n\n".to_vec(), true);
    assert!(matches!(refused, Err(Unread::Refused(error)) if error.raw_os_error() == Some(1)));
}

#[test]
fn without_a_program_the_kernel_is_asked_and_a_dead_ones_socket_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut code = |device| {
        let asked = ask(folder.path(), (0, device), &mut Known::new(1, [0; 32]), &mut buffer);
        match asked.err() {
            Some(Unread::Refused(error)) => error.raw_os_error(),
            _ => None,
        }
    };
    assert_eq!(code("bm-none0"), Some(libc::ENODEV));
    drop(UnixListener::bind(folder.path().join("bm-none1.sock")).expect("a socket"));
    assert_eq!(code("bm-none1"), Some(libc::ECONNREFUSED));
}
