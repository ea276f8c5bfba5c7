//! Refuses HTTP/1.1 messages that the parser below would repair instead of refusing.
//!
//! Request smuggling lives on messages that two parsers read differently (RFC 9112 §6.1, §11.2). The HTTP
//! library drops a Content-Length that stands beside Transfer-Encoding and accepts bare line feeds; by the
//! time the service sees the request this is invisible. So the guard follows the framing in the byte
//! stream, and makes an offending head unreadable by overwriting a line feed of it with NUL: the parser then
//! answers 400 and closes, as for any other malformed head.

/// A line that is interesting (a framing field) never needs more; longer lines are compared by their start.
const LINE_KEPT: usize = 512;

/// What ends a head, whatever came before.
pub(crate) const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// Follows the framing of one connection's requests.
#[derive(Debug, Default)]
pub(crate) struct Guard {
    state: State,
    /// Start of a line whose end has not arrived yet.
    partial: Vec<u8>,
    head: Head,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    /// In a head (or before it).
    #[default]
    Head,
    /// In a body of known length, or in a chunk and its line end.
    Skip { left: u64, then_chunk: bool },
    /// At a chunk-size line.
    ChunkSize,
    /// In the trailers of a chunked body.
    Trailers,
    /// The parser refuses this connection by itself, or the guard made it.
    Off,
}

/// What the lines of the current head said.
#[derive(Debug, Default)]
struct Head {
    begun: bool,
    length: Option<u64>,
    encodings: u32,
    chunked: bool,
}

/// What a line means for the connection.
enum Verdict {
    Fine,
    /// Overwrite the line feed: the parser must not accept this.
    Poison,
}

impl Guard {
    /// Looks at freshly read bytes, in order, and changes them where a message must not be accepted. True
    /// when it did: the parser then has to be given [`END_OF_HEAD`], for it looks at a head that came in
    /// pieces only when it sees the end.
    pub(crate) fn inspect(&mut self, bytes: &mut [u8]) -> bool {
        let mut at = 0;
        while at < bytes.len() {
            match self.state {
                State::Off => return false,
                State::Skip { left, then_chunk } => {
                    let step = left.min((bytes.len() - at) as u64);
                    at += step as usize;
                    self.state = match left - step {
                        0 if then_chunk => State::ChunkSize,
                        0 => State::Head,
                        left => State::Skip { left, then_chunk },
                    };
                }
                State::Head | State::ChunkSize | State::Trailers => {
                    let Some(end) = bytes[at..].iter().position(|b| *b == b'\n') else {
                        self.keep(&bytes[at..]);
                        return false;
                    };
                    let verdict = if self.partial.is_empty() {
                        self.line(&bytes[at..at + end])
                    } else {
                        self.keep(&bytes[at..at + end]);
                        let line = std::mem::take(&mut self.partial);
                        self.line(&line)
                    };
                    if matches!(verdict, Verdict::Poison) {
                        bytes[at + end] = 0;
                        self.state = State::Off;
                        return true;
                    }
                    at += end + 1;
                }
            }
        }
        false
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = LINE_KEPT.saturating_sub(self.partial.len());
        self.partial.extend_from_slice(&bytes[..bytes.len().min(room)]);
        // The last byte tells CRLF from a bare LF, so it is kept even of a line that is too long.
        if let (true, Some(last)) = (bytes.len() > room, bytes.last())
            && let Some(slot) = self.partial.last_mut()
        {
            *slot = *last;
        }
    }

    /// One line without its line feed.
    fn line(&mut self, line: &[u8]) -> Verdict {
        match self.state {
            State::ChunkSize => self.chunk_size(line),
            State::Trailers => {
                if line == b"\r" {
                    self.state = State::Head;
                }
                Verdict::Fine
            }
            _ => self.head_line(line),
        }
    }

    fn head_line(&mut self, line: &[u8]) -> Verdict {
        let Some(line) = line.strip_suffix(b"\r") else {
            return Verdict::Poison;
        };
        if line.is_empty() {
            return if self.head.begun {
                self.head_ends()
            } else {
                Verdict::Fine
            };
        }
        if !self.head.begun {
            self.head.begun = true;
            return Verdict::Fine;
        }
        match line[0] {
            b'c' | b'C' => {
                if let Some(value) = field(line, b"content-length") {
                    return self.content_length(value);
                }
            }
            b't' | b'T' => {
                if let Some(value) = field(line, b"transfer-encoding") {
                    self.head.encodings += 1;
                    self.head.chunked = value.eq_ignore_ascii_case(b"chunked");
                }
            }
            _ => {}
        }
        Verdict::Fine
    }

    fn content_length(&mut self, value: &[u8]) -> Verdict {
        match decimal(value) {
            Some(length) if self.head.length.is_none_or(|other| other == length) => {
                self.head.length = Some(length);
                Verdict::Fine
            }
            _ => Verdict::Poison,
        }
    }

    fn head_ends(&mut self) -> Verdict {
        let head = std::mem::take(&mut self.head);
        if head.encodings > 0 {
            // Only `chunked`, once, and no length beside it has one reading.
            if head.encodings > 1 || !head.chunked || head.length.is_some() {
                return Verdict::Poison;
            }
            self.state = State::ChunkSize;
        } else if let Some(left @ 1..) = head.length {
            self.state = State::Skip {
                left,
                then_chunk: false,
            };
        }
        Verdict::Fine
    }

    /// The parser refuses malformed chunks itself; here they only end the tracking.
    fn chunk_size(&mut self, line: &[u8]) -> Verdict {
        let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
        let size = std::str::from_utf8(&line[..digits])
            .ok()
            .and_then(|text| u64::from_str_radix(text, 16).ok());
        self.state = match size {
            Some(0) => State::Trailers,
            Some(size) => match size.checked_add(2) {
                Some(left) => State::Skip {
                    left,
                    then_chunk: true,
                },
                None => State::Off,
            },
            None => State::Off,
        };
        Verdict::Fine
    }
}

/// The trimmed value of `line` when its name is `name` (lower case).
fn field<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (head, rest) = line.split_at_checked(name.len())?;
    let value = rest.strip_prefix(b":")?;
    head.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
}

fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `input` in pieces of every size; `refused` tells whether a byte must have been overwritten.
    #[track_caller]
    fn check(input: &str, refused: bool) {
        for size in 1..=input.len() {
            let mut guard = Guard::default();
            let mut out = input.as_bytes().to_vec();
            let changed = out
                .chunks_mut(size)
                .filter_map(|piece| guard.inspect(piece).then_some(()))
                .count();
            assert_eq!(changed, usize::from(refused), "{input:?} in pieces of {size}");
            assert_eq!(out.contains(&0), refused, "{input:?} in pieces of {size}");
            if !refused {
                assert_eq!(out, input.as_bytes());
            }
        }
    }

    #[test]
    fn clean_messages_pass_unchanged() {
        check("GET / HTTP/1.1\r\nHost: a\r\n\r\n", false);
        check(
            "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
            false,
        );
        check(
            "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\na\nbGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            false,
        );
        check(
            "POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            false,
        );
        check(
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\n\n\n\n\r\n0\r\nT: 1\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            false,
        );
        // Two equal lengths have one reading.
        check(
            "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
            false,
        );
    }

    #[test]
    fn two_framings_are_refused() {
        check(
            "POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
            true,
        );
        check(
            "POST / HTTP/1.1\r\ntransfer-encoding:chunked\r\ncontent-length:3\r\n\r\n",
            true,
        );
        check(
            "POST / HTTP/1.1\r\nTransfer-Encoding: identity, chunked\r\n\r\n",
            true,
        );
        check(
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            true,
        );
        check(
            "POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
            true,
        );
        check("POST / HTTP/1.1\r\nContent-Length: +3\r\n\r\n", true);
    }

    #[test]
    fn bare_line_feeds_are_refused() {
        check("GET / HTTP/1.1\nHost: a\n\n", true);
        check("GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", true);
        let long = format!("GET / HTTP/1.1\r\nX: {}\n\r\n", "y".repeat(2 * LINE_KEPT));
        let mut guard = Guard::default();
        let mut bytes = long.into_bytes();
        assert!(bytes.chunks_mut(100).any(|piece| guard.inspect(piece)));
    }

    #[test]
    fn the_second_request_of_a_connection_is_checked_too() {
        for first in [
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
        ] {
            check(
                &format!("{first}POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"),
                true,
            );
        }
    }
}
