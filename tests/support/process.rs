//! The daemon as a process: how it is started, what it logs, its signals and its end. In which namespace
//! it runs is said by whoever spawns it; which files it has, by the harness above (`daemon`, `netns`).
#![expect(unsafe_code, reason = "what a child does between fork and exec has no safe form")]

use super::wait::{TIMEOUT, wait_at_most, wait_for};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_blindmeter");

/// A running daemon; it is killed when it is dropped, or when the thread that started it ends.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

/// Completes a command line that ends with the program: it runs a daemon on this configuration, logs to
/// the file, and dies with the thread that starts it.
pub(crate) fn daemon_command(mut command: Command, config: &Path, log: File) -> Command {
    command.arg("run").arg("--config").arg(config);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    // SAFETY: prctl is async-signal-safe.
    unsafe {
        command.pre_exec(|| {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            Ok(())
        });
    }
    command
}

impl Process {
    /// A daemon that was started, and its log.
    pub(crate) fn new(child: Child, log: PathBuf) -> Self {
        Self { child, log }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What each of its descriptors leads to.
    pub(crate) fn descriptors(&self) -> Vec<String> {
        let folder = fs::read_dir(format!("/proc/{}/fd", self.id())).expect("it runs");
        let links = folder.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
        links.map(|link| link.display().to_string()).collect()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("the daemon is our child").is_none()
    }

    /// Waits until `status` of the daemon has one of these exit codes.
    pub(crate) fn await_status(&mut self, wanted: &[i32], mut status: impl FnMut() -> Option<i32>) {
        wait_for(&format!("the status becomes one of {wanted:?}"), || {
            let is_wanted = status().is_some_and(|code| wanted.contains(&code));
            assert!(is_wanted || self.is_running(), "the daemon ended: {}", self.said());
            is_wanted.then_some(())
        });
    }

    /// Everything that was logged so far.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until this text was logged so often; gives the last line that holds it.
    pub(crate) fn await_said(&self, text: &str, times: usize) -> String {
        wait_for(&format!("the log says {text:?} {times} times"), || {
            let said = self.said();
            let lines: Vec<&str> = said.lines().filter(|line| line.contains(text)).collect();
            (lines.len() >= times).then(|| lines.last().map(|line| (*line).to_owned()))?
        })
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).expect("process ids fit an int");
        kill(Pid::from_raw(id), signal).expect("the child is not reaped yet");
    }

    /// Sends SIGHUP and waits for the line that says what came of it.
    pub(crate) fn reload(&self) -> String {
        let count = || self.said().lines().filter(|line| line.contains("reload")).count();
        let before = count();
        self.signal(Signal::SIGHUP);
        self.await_said("reload", before + 1)
    }

    /// Waits until it has ended; gives its exit code, none when a signal ended it.
    pub(crate) fn await_end(&mut self) -> Option<i32> {
        let mut end = None;
        wait_at_most(TIMEOUT, || {
            end = self.child.try_wait().expect("the daemon is our child");
            end.is_some()
        });
        let stuck = || panic!("it does not end in {TIMEOUT:?}: {}\n{}", self.said(), self.threads());
        end.unwrap_or_else(stuck).code()
    }

    /// What each of its threads waits for.
    fn threads(&self) -> String {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).into_iter().flatten().flatten();
        let read = |task: &Path, file: &str| fs::read_to_string(task.join(file)).unwrap_or_default();
        let of = |task: &Path| ["comm", "wchan", "syscall", "stack"].map(|file| read(task, file)).join(" ");
        tasks.map(|task| of(&task.path())).collect()
    }

    /// Ends it by a signal, well; gives what was logged.
    pub(crate) fn end(&mut self, signal: Signal) -> String {
        self.signal(signal);
        let code = self.await_end();
        assert_eq!(code, Some(0), "{signal} ends the daemon with 0: {}", self.said());
        self.said()
    }

    /// Kills it where it stands.
    pub(crate) fn kill(&mut self) {
        // Where it has ended already, both calls only say so.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
