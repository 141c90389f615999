//! The log's own thread: lines wait in a short queue, so that a log which nobody reads stops nobody.
//!
//! A pipe whose reader has stopped blocks whoever writes to it, for as long as it likes. So one thread
//! does nothing else; where its queue is full, lines are dropped, and their number stands before the next
//! one that gets through. Holds lines until they are written; the allocator clears each when it is freed.

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Lines that wait at the most: more than a start, a reload and an end log together, and 64 KiB of memory
/// at the length of a long one.
const WAITING_LINES: usize = 256;

/// How long the end of the process waits for lines to be written; a service manager gives it many times
/// that.
const FLUSH_LIMIT: Duration = Duration::from_millis(500);

/// How long a panic waits, in milliseconds, for room for its one line.
const LAST_LINE_MILLISECONDS: u16 = 250;

/// Bytes of the thread's stack: it calls write(2), and little else.
const STACK_BYTES: usize = 128 << 10;

/// A line, and how many were dropped just before it.
struct Line {
    dropped: u64,
    text: String,
}

#[derive(Default)]
struct Queue {
    lines: VecDeque<Line>,
    /// Lines dropped since the last one that was queued.
    dropped: u64,
    /// The thread has taken something, and has not written it yet.
    is_writing: bool,
}

impl Queue {
    /// The next line, or the number alone of those that were dropped at the end.
    fn next(&mut self) -> Option<Line> {
        let alone = |dropped| Line { dropped, text: String::new() };
        self.lines.pop_front().or_else(|| match std::mem::take(&mut self.dropped) {
            0 => None,
            dropped => Some(alone(dropped)),
        })
    }
}

/// Where lines are queued for the thread that writes them.
pub(super) struct Writer {
    queue: Mutex<Queue>,
    changed: Condvar,
    /// The line that tells how many were dropped.
    tell: fn(u64) -> String,
}

impl Writer {
    /// Starts the thread on this output.
    pub(super) fn start(output: File, tell: fn(u64) -> String) -> io::Result<Arc<Self>> {
        let writer = Arc::new(Self { queue: Mutex::default(), changed: Condvar::new(), tell });
        let thread = Arc::clone(&writer);
        std::thread::Builder::new()
            .name("log".into())
            .stack_size(STACK_BYTES)
            .spawn(move || thread.write_all(output))?;
        Ok(writer)
    }

    /// Queues a line, which ends with a line end, or counts it as dropped. Waits for nothing.
    pub(super) fn push(&self, text: String) {
        let mut queue = self.lock();
        if queue.lines.len() < WAITING_LINES {
            let dropped = std::mem::take(&mut queue.dropped);
            queue.lines.push_back(Line { dropped, text });
        } else {
            queue.dropped += 1;
        }
        self.changed.notify_all();
    }

    /// Waits until everything is written, but not for long.
    pub(super) fn flush(&self) {
        let waits = |queue: &mut Queue| queue.is_writing || queue.dropped > 0 || !queue.lines.is_empty();
        // What is not written by then is lost with the process.
        let _ = self.changed.wait_timeout_while(self.lock(), FLUSH_LIMIT, waits);
    }

    /// The thread's life: it ends with the process.
    fn write_all(&self, mut output: File) {
        // What could not be written, as to a full disk, is told as well.
        let mut unwritten = 0;
        loop {
            let Line { dropped, text } = self.take();
            let told = unwritten + dropped;
            let notice = if told > 0 { (self.tell)(told) } else { String::new() };
            unwritten = match write(&mut output, &(notice + &text)) {
                Ok(()) => 0,
                Err(_) => told + u64::from(!text.is_empty()),
            };
        }
    }

    /// Waits for something to write.
    fn take(&self) -> Line {
        let mut queue = self.lock();
        queue.is_writing = false;
        loop {
            if let Some(line) = queue.next() {
                queue.is_writing = true;
                return line;
            }
            self.changed.notify_all();
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The lock cannot be poisoned, since a panic ends the process.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes all of a text; a descriptor that somebody has made non-blocking is waited for.
fn write(output: &mut File, text: &str) -> io::Result<()> {
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        match output.write(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => rest = &rest[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                poll(&mut [PollFd::new(output.as_fd(), PollFlags::POLLOUT)], PollTimeout::NONE)?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Writes the line of a panic past the queue, if there is room for it soon: the process must end, and
/// the thread may be stuck.
pub(super) fn write_last(output: &impl AsFd, line: &str) {
    let mut room = [PollFd::new(output.as_fd(), PollFlags::POLLOUT)];
    if poll(&mut room, PollTimeout::from(LAST_LINE_MILLISECONDS)).is_ok_and(|ready| ready > 0) {
        // Not by the standard library's lock, which whoever panicked may hold.
        let _ = nix::unistd::write(output, line.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{PipeReader, Read};
    use std::os::fd::OwnedFd;

    fn tell(dropped: u64) -> String {
        format!("{dropped} dropped\n")
    }

    /// A writer on a pipe.
    fn piped() -> (Arc<Writer>, PipeReader) {
        let (reader, pipe) = io::pipe().expect("a pipe");
        (Writer::start(File::from(OwnedFd::from(pipe)), tell).expect("a thread"), reader)
    }

    /// Reads until the text is whole.
    fn read_until(reader: &mut PipeReader, is_whole: impl Fn(&str) -> bool) -> String {
        let mut text = String::new();
        while !is_whole(&text) {
            let mut bytes = [0; 4096];
            let read = reader.read(&mut bytes).expect("the pipe is open");
            text.push_str(std::str::from_utf8(&bytes[..read]).expect("lines are ASCII"));
        }
        text
    }

    /// How many lines were dropped, as far as it was told.
    fn told(text: &str) -> usize {
        let of_line =
            |line: &str| line.strip_suffix(" dropped").and_then(|count| count.parse::<usize>().ok());
        text.lines().filter_map(of_line).sum()
    }

    #[test]
    fn lines_are_written_in_their_order() {
        let (writer, mut reader) = piped();
        (0..100).for_each(|number| writer.push(format!("{number}\n")));
        writer.flush();
        let expected: String = (0..100).map(|number| format!("{number}\n")).collect();
        assert_eq!(read_until(&mut reader, |text| text.ends_with("\n99\n")), expected);
    }

    #[test]
    fn what_a_stopped_reader_makes_drop_is_told_in_its_place() {
        let (writer, mut reader) = piped();
        let lines = 4 * WAITING_LINES;
        let long = "x".repeat(1 << 10);
        (0..lines).for_each(|number| writer.push(format!("{number} {long}\n")));
        writer.flush();
        let written = |text: &str| text.matches(&long).count();
        // The thread may be so late that it makes room between two lines, and what is dropped is told in parts.
        let said =
            read_until(&mut reader, |text| text.ends_with('\n') && written(text) + told(text) >= lines);
        let count = written(&said);
        assert!((WAITING_LINES..lines).contains(&count), "{count} of {lines} were written");
        assert_eq!(count + told(&said), lines, "and the rest is told");
        writer.push("more\n".to_owned());
        assert_eq!(read_until(&mut reader, |text| text.ends_with("more\n")), "more\n", "it is told once");
    }

    #[test]
    fn what_is_dropped_in_between_is_told_before_the_next_line() {
        let mut queue = Queue::default();
        queue.lines.push_back(Line { dropped: 0, text: "a".into() });
        queue.lines.push_back(Line { dropped: 7, text: "b".into() });
        queue.dropped = 2;
        let taken: Vec<(u64, String)> =
            std::iter::from_fn(|| queue.next()).map(|line| (line.dropped, line.text)).collect();
        assert_eq!(taken, [(0, "a".to_owned()), (7, "b".to_owned()), (2, String::new())]);
    }

    #[test]
    fn a_full_disk_keeps_nobody_waiting() {
        let full = File::options().write(true).open("/dev/full").expect("/dev/full");
        let writer = Writer::start(full, tell).expect("a thread");
        (0..WAITING_LINES).for_each(|_| writer.push("x\n".to_owned()));
        writer.flush();
        let queue = writer.lock();
        assert!(queue.lines.is_empty() && queue.dropped == 0 && !queue.is_writing);
    }
}
