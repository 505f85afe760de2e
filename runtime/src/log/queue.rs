//! The lines that wait for the readers of standard output and standard error, in the order in which they came.

use std::collections::VecDeque;
use std::io;

/// The most bytes that wait for the reader of a stream: 4,000 lines of the access log, those of four seconds at 1,000 requests/s. A
/// containerd that is started again reads on within two.
pub(super) const LIMIT: usize = 1 << 20;

/// The most changes from one stream to the other that wait. Each takes as much memory as a short line.
const MOST_RUNS: usize = LIMIT / 64;

/// The memory that an empty queue keeps for each stream, bytes: more than waits if nothing is wrong.
const KEPT: usize = 64 << 10;

/// Where a line goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    pub(super) const ALL: [Self; 2] = [Self::Stdout, Self::Stderr];

    pub(super) fn other(self) -> Self {
        match self {
            Self::Stdout => Self::Stderr,
            Self::Stderr => Self::Stdout,
        }
    }

    /// As a reader of the log knows it.
    fn name(self) -> &'static str {
        match self {
            Self::Stdout => "standard output",
            Self::Stderr => "standard error",
        }
    }
}

/// Lines of both streams.
#[derive(Debug)]
pub(super) struct Queue {
    stdout: Waiting,
    stderr: Waiting,
    /// Whose bytes come after whose, and how many.
    runs: VecDeque<(Stream, usize)>,
}

/// What waits for one reader.
#[derive(Debug)]
struct Waiting {
    bytes: VecDeque<u8>,
    /// Lines that found no room, and of which the log does not tell yet.
    dropped: u64,
    /// Those of which it tells already.
    told: u64,
    /// Why the last write failed, if it did.
    error: Option<i32>,
}

impl Waiting {
    const fn new() -> Self {
        Self { bytes: VecDeque::new(), dropped: 0, told: 0, error: None }
    }

    /// After a line was dropped, half of the queue must be free before it takes the next. So there are few gaps, each with one line
    /// that tells of it.
    fn has_room(&self, length: usize) -> bool {
        let limit = if self.dropped == 0 { LIMIT } else { LIMIT / 2 };
        self.bytes.len() + length <= limit
    }
}

impl Queue {
    pub(super) const fn new() -> Self {
        Self { stdout: Waiting::new(), stderr: Waiting::new(), runs: VecDeque::new() }
    }

    fn waiting(&self, stream: Stream) -> &Waiting {
        match stream {
            Stream::Stdout => &self.stdout,
            Stream::Stderr => &self.stderr,
        }
    }

    fn waiting_mut(&mut self, stream: Stream) -> &mut Waiting {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }

    /// Appends whole lines, or drops and counts them if there is no room.
    ///
    /// # Errors
    /// The last write to the stream failed. These lines may fare better.
    pub(super) fn push(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        if !self.waiting(stream).has_room(bytes.len()) || self.runs.len() >= MOST_RUNS {
            self.waiting_mut(stream).dropped += lines(bytes).max(1);
        } else {
            if self.waiting(stream).dropped > 0 {
                self.tell_dropped(stream);
            }
            self.append(stream, bytes);
        }
        match self.waiting(stream).error {
            None => Ok(()),
            Some(error) => Err(io::Error::from_raw_os_error(error)),
        }
    }

    fn append(&mut self, stream: Stream, bytes: &[u8]) {
        self.waiting_mut(stream).bytes.extend(bytes);
        match self.runs.back_mut() {
            Some((last, length)) if *last == stream => *length += bytes.len(),
            _ => self.runs.push_back((stream, bytes.len())),
        }
    }

    /// Tells of the lines that were dropped, if there is room for it.
    fn tell_dropped(&mut self, stream: Stream) {
        let (dropped, name) = (self.waiting(stream).dropped, stream.name());
        let line = format!("httpserver: {dropped} lines were dropped: the reader of {name} did not keep up\n");
        if self.waiting(Stream::Stderr).bytes.len() + line.len() <= LIMIT {
            let waiting = self.waiting_mut(stream);
            waiting.told += waiting.dropped;
            waiting.dropped = 0;
            self.append(Stream::Stderr, line.as_bytes());
        }
    }

    /// How many lines were dropped since the start.
    pub(super) fn dropped(&self, stream: Stream) -> u64 {
        let waiting = self.waiting(stream);
        waiting.told + waiting.dropped
    }

    /// The stream whose bytes have waited longest.
    pub(super) fn oldest(&self) -> Option<Stream> {
        self.runs.front().map(|(stream, _)| *stream)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    pub(super) fn has(&self, stream: Stream) -> bool {
        !self.waiting(stream).bytes.is_empty()
    }

    /// Copies the next bytes for `stream` into `piece`, and returns how many: as many whole lines as fit in, or the part of a longer
    /// line that does.
    pub(super) fn copy(&self, stream: Stream, piece: &mut [u8]) -> usize {
        let Some((_, run)) = self.runs.iter().find(|(of, _)| *of == stream) else { return 0 };
        let (front, back) = self.waiting(stream).bytes.as_slices();
        let length = piece.len().min(*run);
        let first = length.min(front.len());
        piece[..first].copy_from_slice(&front[..first]);
        piece[first..length].copy_from_slice(&back[..length - first]);
        match piece[..length].iter().rposition(|&byte| byte == b'\n') {
            Some(end) if length < *run => end + 1,
            _ => length,
        }
    }

    /// Removes the next bytes for `stream`: they are written, or never will be, because of `error`.
    pub(super) fn remove(&mut self, stream: Stream, length: usize, error: Option<i32>) {
        let waiting = self.waiting_mut(stream);
        waiting.bytes.drain(..length);
        if waiting.bytes.is_empty() && waiting.bytes.capacity() > KEPT {
            waiting.bytes.shrink_to(KEPT);
        }
        waiting.error = error;
        if let Some(place) = self.runs.iter().position(|(of, _)| *of == stream) {
            self.runs[place].1 -= length;
            if self.runs[place].1 == 0 {
                self.runs.remove(place);
            }
        }
        // If no more lines come, none would tell of those that were dropped.
        for stream in Stream::ALL {
            if self.runs.is_empty() && self.waiting(stream).dropped > 0 {
                self.tell_dropped(stream);
            }
        }
    }

    /// Tells how many lines for `stream` will be lost with the process.
    pub(super) fn tell_lost(&mut self, stream: Stream) {
        let waiting = self.waiting(stream);
        let (front, back) = waiting.bytes.as_slices();
        let lost = lines(front) + lines(back) + waiting.dropped;
        let name = stream.name();
        let line = format!("httpserver: the last {lost} lines are lost: the reader of {name} stands still\n");
        self.append(Stream::Stderr, line.as_bytes());
    }
}

/// The lines that end in `bytes`.
fn lines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|&&byte| byte == b'\n').count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &[u8] = b"0123456789abcde\n";

    /// Writes one piece of at most `size` bytes.
    fn piece(queue: &mut Queue, stream: Stream, size: usize) -> String {
        let mut piece = vec![0; size];
        let length = queue.copy(stream, &mut piece);
        queue.remove(stream, length, None);
        String::from_utf8(piece[..length].to_vec()).unwrap()
    }

    /// Writes all, in its order.
    fn all(queue: &mut Queue) -> Vec<(Stream, String)> {
        let mut pieces = Vec::new();
        while let Some(stream) = queue.oldest() {
            pieces.push((stream, piece(queue, stream, 4096)));
        }
        pieces
    }

    /// Fills the queue of `stream`, and returns how many lines that took.
    fn fill(queue: &mut Queue, stream: Stream) -> usize {
        (0..).take_while(|_| queue.waiting(stream).has_room(LINE.len()) && queue.push(stream, LINE).is_ok()).count()
    }

    #[test]
    fn lines_keep_their_order_across_both_streams() {
        let mut queue = Queue::new();
        for (stream, line) in
            [(Stream::Stdout, "a\n"), (Stream::Stdout, "b\n"), (Stream::Stderr, "c\n"), (Stream::Stdout, "d\n")]
        {
            queue.push(stream, line.as_bytes()).unwrap();
        }
        let expected = [(Stream::Stdout, "a\nb\n"), (Stream::Stderr, "c\n"), (Stream::Stdout, "d\n")];
        assert_eq!(all(&mut queue), expected.map(|(stream, text)| (stream, text.to_owned())));
        assert!(queue.is_empty());
    }

    #[test]
    fn a_stream_that_is_stuck_does_not_hold_the_other_one() {
        let mut queue = Queue::new();
        for (stream, line) in
            [(Stream::Stdout, "a\n"), (Stream::Stderr, "b\n"), (Stream::Stdout, "c\n"), (Stream::Stderr, "d\n")]
        {
            queue.push(stream, line.as_bytes()).unwrap();
        }
        assert_eq!([piece(&mut queue, Stream::Stderr, 9), piece(&mut queue, Stream::Stderr, 9)], ["b\n", "d\n"]);
        assert_eq!([piece(&mut queue, Stream::Stdout, 9), piece(&mut queue, Stream::Stdout, 9)], ["a\n", "c\n"]);
        assert!(queue.is_empty());
    }

    #[test]
    fn a_piece_ends_with_a_line_unless_the_line_is_longer() {
        let mut queue = Queue::new();
        queue.push(Stream::Stdout, b"one\ntwo\nthree\n").unwrap();
        assert_eq!(piece(&mut queue, Stream::Stdout, 10), "one\ntwo\n");
        assert_eq!(piece(&mut queue, Stream::Stdout, 4), "thre");
        assert_eq!(piece(&mut queue, Stream::Stdout, 4), "e\n");
    }

    #[test]
    fn a_full_queue_drops_lines_until_half_of_it_is_free_and_then_tells_how_many() {
        let mut queue = Queue::new();
        assert_eq!(fill(&mut queue, Stream::Stdout), LIMIT / LINE.len());
        for _ in 0..7 {
            queue.push(Stream::Stdout, LINE).unwrap();
        }
        // Room for one line is not enough.
        piece(&mut queue, Stream::Stdout, LINE.len());
        queue.push(Stream::Stdout, LINE).unwrap();
        piece(&mut queue, Stream::Stdout, LIMIT / 2 + LINE.len());
        queue.push(Stream::Stdout, LINE).unwrap();
        queue.push(Stream::Stderr, b"last\n").unwrap();
        let told = "httpserver: 8 lines were dropped: the reader of standard output did not keep up\n";
        let end = all(&mut queue).split_off(LIMIT / 2 / 4096);
        let line = String::from_utf8(LINE.to_vec()).unwrap();
        // Where they are missing.
        let expected =
            [(Stream::Stderr, told.to_owned()), (Stream::Stdout, line), (Stream::Stderr, "last\n".to_owned())];
        assert_eq!(end[end.len() - 3..], expected);
        assert!(queue.stdout.bytes.capacity() <= KEPT);
    }

    #[test]
    fn dropped_lines_are_told_although_no_more_come() {
        for stream in Stream::ALL {
            let mut queue = Queue::new();
            fill(&mut queue, stream);
            queue.push(stream, b"two\nlines\n").unwrap();
            let (last, text) = all(&mut queue).pop().unwrap();
            assert_eq!(last, Stream::Stderr);
            assert!(text.starts_with("httpserver: 2 lines were dropped: ") && text.contains(stream.name()), "{text}");
        }
    }

    #[test]
    fn many_changes_of_the_stream_do_not_take_more_memory() {
        let mut queue = Queue::new();
        for _ in 0..MOST_RUNS {
            queue.push(Stream::Stdout, b"\n").unwrap();
            queue.push(Stream::Stderr, b"\n").unwrap();
        }
        assert_eq!(queue.runs.len(), MOST_RUNS);
        assert_eq!(queue.stdout.dropped + queue.stderr.dropped, MOST_RUNS as u64);
    }

    #[test]
    fn an_error_is_reported_until_a_write_succeeds() {
        let mut queue = Queue::new();
        queue.push(Stream::Stdout, LINE).unwrap();
        queue.remove(Stream::Stdout, LINE.len(), Some(32));
        assert_eq!(queue.push(Stream::Stdout, LINE).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        queue.push(Stream::Stderr, LINE).unwrap();
        queue.remove(Stream::Stdout, LINE.len(), None);
        queue.push(Stream::Stdout, LINE).unwrap();
    }
}
