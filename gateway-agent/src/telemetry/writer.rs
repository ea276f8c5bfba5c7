//! The bounded log writer: lines go to one thread, and a slow or dead reader never stops a request.
//!
//! A full queue drops the line and counts it; the count is a metric and a warning once there is room again.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use tracing_subscriber::fmt::MakeWriter;

/// Lines waiting for the writer thread. At 500 bytes a line this is 8 MiB: about a second of a busy node's
/// access log, long enough for a pipe's reader to be scheduled, short enough to bound memory.
const QUEUE_LINES: usize = 16_384;

/// How long [`LogWriter::flush`] waits for a reader that takes nothing, before it gives up.
const FLUSH_LIMIT: Duration = Duration::from_millis(500);

/// How often a flush looks for room in a full queue.
const FLUSH_STEP: Duration = Duration::from_millis(5);

/// Which log a line belongs to; drops are counted apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// What the node does.
    Events = 0,
    /// One line a request.
    Requests = 1,
}

impl Stream {
    /// All streams with their metric labels.
    pub const ALL: [(Stream, &'static str); 2] = [(Stream::Events, "events"), (Stream::Requests, "requests")];
}

/// Lines dropped, by stream.
type Dropped = Arc<[AtomicU64; Stream::ALL.len()]>;

#[derive(Debug)]
enum Job {
    Line(Stream, Vec<u8>),
    Flush(SyncSender<()>),
}

/// The thread that is still to be started: threads inherit capabilities, so it waits until they are dropped.
#[derive(Debug)]
pub struct Pending {
    jobs: Receiver<Job>,
    dropped: Dropped,
}

impl Pending {
    /// Starts the thread that writes to `sink` (standard output in the agent, a buffer in tests).
    ///
    /// # Errors
    /// When the operating system refuses another thread.
    pub fn start(self, sink: impl Write + Send + 'static) -> io::Result<()> {
        thread::Builder::new()
            .name("log-writer".to_owned())
            .spawn(move || write_all(sink, &self.jobs, &self.dropped))?;
        Ok(())
    }
}

/// A handle to the writer thread. Cheap to clone; lines of one handle keep their order.
#[derive(Clone, Debug)]
pub struct LogWriter {
    queue: SyncSender<Job>,
    dropped: Dropped,
}

impl LogWriter {
    /// A writer whose lines wait until [`Pending::start`].
    pub fn prepare() -> (Self, Pending) {
        Self::with_capacity(QUEUE_LINES)
    }

    /// Starts the thread that writes to `sink` at once.
    ///
    /// # Errors
    /// When the operating system refuses another thread.
    pub fn start(sink: impl Write + Send + 'static) -> io::Result<Self> {
        let (writer, pending) = Self::prepare();
        pending.start(sink)?;
        Ok(writer)
    }

    fn with_capacity(lines: usize) -> (Self, Pending) {
        let (queue, jobs) = sync_channel(lines);
        let dropped = Dropped::default();
        let pending = Pending {
            jobs,
            dropped: Arc::clone(&dropped),
        };
        (Self { queue, dropped }, pending)
    }

    /// Queues one line, its newline included. Never waits; a full queue drops the line and counts it.
    pub fn line(&self, stream: Stream, line: Vec<u8>) {
        if self.queue.try_send(Job::Line(stream, line)).is_err() {
            count(&self.dropped, stream);
        }
    }

    /// How many lines of `stream` were dropped since the start.
    pub fn dropped(&self, stream: Stream) -> u64 {
        self.dropped[stream as usize].load(Ordering::Relaxed)
    }

    /// Waits until everything queued so far is written, or gives up after half a second.
    /// Returns whether it was written.
    pub fn flush(&self) -> bool {
        let deadline = Instant::now() + FLUSH_LIMIT;
        let (done, wait) = sync_channel(1);
        let mut job = Job::Flush(done);
        while let Err(error) = self.queue.try_send(job) {
            let TrySendError::Full(back) = error else {
                return false;
            };
            if Instant::now() >= deadline {
                return false;
            }
            job = back;
            thread::park_timeout(FLUSH_STEP);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        !matches!(wait.recv_timeout(left), Err(RecvTimeoutError::Timeout))
    }
}

fn count(dropped: &Dropped, stream: Stream) {
    dropped[stream as usize].fetch_add(1, Ordering::Relaxed);
}

/// The thread's body: writes until every handle is gone. A write error (closed pipe, full disk) counts the
/// line as dropped and goes on, for the reader may come back.
fn write_all(sink: impl Write, jobs: &Receiver<Job>, dropped: &Dropped) {
    let mut sink = io::BufWriter::new(sink);
    while let Ok(first) = jobs.recv() {
        handle(&mut sink, first, dropped);
        while let Ok(next) = jobs.try_recv() {
            handle(&mut sink, next, dropped);
        }
        // An error here shows again at the next line, where it is counted.
        let _ = sink.flush();
    }
}

fn handle<W: Write>(sink: &mut io::BufWriter<W>, job: Job, dropped: &Dropped) {
    match job {
        Job::Line(stream, line) => {
            if sink.write_all(&line).is_err() {
                count(dropped, stream);
            }
        }
        Job::Flush(done) => {
            let _ = sink.flush();
            let _ = done.try_send(());
        }
    }
}

/// One event of `tracing`, collected and sent as one line when dropped.
#[derive(Debug)]
pub struct LineBuffer {
    writer: LogWriter,
    bytes: Vec<u8>,
}

impl Write for LineBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for LineBuffer {
    fn drop(&mut self) {
        if !self.bytes.is_empty() {
            self.writer.line(Stream::Events, std::mem::take(&mut self.bytes));
        }
    }
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = LineBuffer;

    fn make_writer(&'a self) -> LineBuffer {
        LineBuffer {
            writer: self.clone(),
            bytes: Vec::new(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::sync::Mutex;

    /// A sink whose content a test can read while the writer still owns it.
    #[derive(Clone, Default)]
    pub(crate) struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Shared {
        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A sink that takes nothing until its gate opens.
    struct Stuck(Receiver<()>, Shared);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            self.1.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Broken;

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::StorageFull.into())
        }
    }

    #[test]
    fn lines_keep_their_order() {
        let sink = Shared::default();
        let writer = LogWriter::start(sink.clone()).unwrap();
        for n in 0..100 {
            writer.line(Stream::Events, format!("{n}\n").into_bytes());
        }
        assert!(writer.flush());
        let expected: String = (0..100).map(|n| format!("{n}\n")).collect();
        assert_eq!(sink.text(), expected);
        assert_eq!(writer.dropped(Stream::Events), 0);
    }

    #[test]
    fn a_stuck_reader_costs_lines_and_not_time() {
        let (open, gate) = sync_channel(1);
        let sink = Shared::default();
        let (writer, pending) = LogWriter::with_capacity(4);
        pending.start(Stuck(gate, sink.clone())).unwrap();
        for _ in 0..100 {
            // Longer than the writer's buffer, so that the first one is stuck already.
            writer.line(Stream::Requests, vec![b'x'; 16 * 1024]);
        }
        assert!(
            writer.dropped(Stream::Requests) >= 100 - 1 - 4,
            "dropped {}",
            writer.dropped(Stream::Requests)
        );
        assert!(!writer.flush(), "nobody reads");
        drop(open);
        assert!(writer.flush());
        assert!(sink.text().len() >= 4 * 16 * 1024, "what was queued is written");
        assert_eq!(writer.dropped(Stream::Events), 0, "streams are counted apart");
    }

    #[test]
    fn a_full_disk_is_counted() {
        let writer = LogWriter::start(Broken).unwrap();
        for _ in 0..10 {
            // Longer than the writer's buffer, so that every line meets the disk.
            writer.line(Stream::Requests, vec![b'x'; 16 * 1024]);
        }
        writer.flush();
        assert_eq!(writer.dropped(Stream::Requests), 10);
    }
}
