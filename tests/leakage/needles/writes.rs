//! Every buffer that a process hands to the kernel to be written or sent, by strace(1).

use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// Calls that hand over bytes.
const CALLS: &str = "trace=write,writev,pwrite64,pwritev,pwritev2,sendto,sendmsg,sendmmsg";
/// More than the largest blob of these runs.
const LONGEST: &str = "16777216";

/// The trace of a process and of those that it starts.
pub(crate) struct Writes(PathBuf);

impl Writes {
    pub(crate) fn to(file: PathBuf) -> Self {
        Self(file)
    }

    /// The command line that runs a program under the trace. The tracer is a process of its own, so that
    /// the program is still the child of whoever starts it, and ends with it.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("strace");
        command.args(["-D", "-f", "-qq", "-xx", "-s", LONGEST, "-e", CALLS, "-e", "signal=none", "-o"]);
        command.arg(&self.0).arg(program);
        command
    }

    /// What was written so far, in the order of the calls.
    pub(crate) fn buffers(&self) -> Vec<u8> {
        decoded(&fs::read_to_string(&self.0).expect("strace writes its trace"))
    }
}

/// The bytes of all strings of a trace; each ends with a zero, so that two do not make a third.
fn decoded(trace: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(trace.len() / 4);
    // What hooks said goes from a stop to the next start, to a file in memory alone (SECURITY.md, row L55).
    let kept: String = b"bmkept01".iter().map(|byte| format!("\\x{byte:02x}")).collect();
    let lines = trace.lines().filter(|line| !line.contains(&kept));
    for text in lines.flat_map(|line| line.split('"').skip(1).step_by(2)) {
        let digits = text.split("\\x").skip(1);
        bytes.extend(digits.filter_map(|digits| u8::from_str_radix(digits, 16).ok()));
        bytes.push(0);
    }
    bytes
}

#[test]
fn buffers_are_read_back_from_a_trace() {
    let trace = "12 write(2, \"\\x68\\x69\\x0a\", 3) = 3\n12 sendmsg(7, {msg_name=NULL, msg_iov=[{iov_base=\"\\x00\\x22\", iov_len=2}, {iov_base=\"\\xff\", iov_len=1}], msg_flags=0}, 0) = 3\n";
    assert_eq!(decoded(trace), b"hi\n\0\x00\x22\0\xff\0");
}

#[test]
fn what_a_process_writes_is_seen_whole() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let writes = Writes::to(folder.path().join("trace"));
    let status = writes.command("sh").args(["-c", "printf 'a needle\\377\"'; cat /proc/self/comm"]).output();
    assert!(status.is_ok_and(|output| output.status.success()), "strace is installed (tests/run)");
    let seen = crate::support::wait::wait_for("the tracer to end", || {
        let bytes = writes.buffers();
        let cat = bytes.windows(4).any(|window| window == b"cat\n");
        cat.then_some(bytes)
    });
    assert!(seen.windows(10).any(|window| window == b"a needle\xff\""));
}
