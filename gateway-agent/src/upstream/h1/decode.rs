//! A response off the wire: head, length, chunks. Strict: what could be read in two ways is refused, and the
//! connection it came on is not used again (RFC 9112 §6.3, §11).

use std::{mem::MaybeUninit, ops::Range, sync::Arc};

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

/// Bytes of a response head, and of the trailers of a chunked body.
pub(super) const HEAD_BYTES: usize = 64 * 1024;
/// Header fields of a response.
const FIELDS: usize = 128;
/// A chunk-size line with its extensions, which nobody uses.
const CHUNK_LINE: usize = 256;

/// What is wrong with a response; part of a sentence.
pub(super) type Fault = &'static str;

/// The head of a final response, and how its body is delimited.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    /// `None` when it is the code's own.
    pub(super) reason: Option<Arc<str>>,
    pub(super) headers: HeaderMap,
    pub(super) framing: Framing,
    /// The connection may carry another request afterwards.
    pub(super) reusable: bool,
}

/// How a body is delimited, and how far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// Nothing more belongs to this response.
    Over,
    /// So many bytes are still to come.
    Length(u64),
    Chunked(Chunk),
    /// Until the backend closes.
    Close,
}

/// Where a chunked body stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunk {
    Size,
    Data(u64),
    /// The line end after a chunk's data.
    DataEnd,
    Trailers,
}

/// A piece of a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Data(Bytes),
    Trailers(HeaderMap),
    End,
    /// More bytes are needed.
    Hungry,
}

/// Where a field's name and value are in the head. The list is lent from one response to the next.
pub(super) type Field = (Range<usize>, Range<usize>);

/// Takes a head off `input`, if it is there whole. Interim responses (1xx but 101) are passed over.
///
/// # Errors
/// What makes it no response, or one with two readings.
pub(super) fn head(
    input: &mut BytesMut,
    method: &Method,
    fields: &mut Vec<Field>,
) -> Result<Option<Head>, Fault> {
    loop {
        let Some(parsed) = parse(input, method, fields)? else {
            return if input.len() >= HEAD_BYTES {
                Err("the head is too long")
            } else {
                Ok(None)
            };
        };
        if !parsed.status.is_informational() || parsed.status == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(Some(parsed));
        }
    }
}

fn parse(input: &mut BytesMut, method: &Method, fields: &mut Vec<Field>) -> Result<Option<Head>, Fault> {
    if input.is_empty() {
        return Ok(None);
    }
    let mut places = [const { MaybeUninit::uninit() }; FIELDS];
    let mut response = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default()
        .parse_response_with_uninit_headers(&mut response, input, &mut places)
        .map_err(|_| "the head is malformed")?;
    let httparse::Status::Complete(length) = parsed else {
        return Ok(None);
    };
    let code = response.code.unwrap_or_default();
    let status = StatusCode::from_u16(code).map_err(|_| "the status code is invalid")?;
    let old = response.version != Some(1);
    let reason = response
        .reason
        .filter(|text| status.canonical_reason() != Some(*text))
        .map(Arc::from);
    // Ranges first: the fields borrow what is about to be split off.
    let start = input.as_ptr().addr();
    let range = |part: &[u8]| {
        let at = part.as_ptr().addr() - start;
        at..at + part.len()
    };
    fields.clear();
    fields.extend(
        response
            .headers
            .iter()
            .map(|field| (range(field.name.as_bytes()), range(field.value))),
    );
    let bytes = input.split_to(length).freeze();
    let mut headers = HeaderMap::with_capacity(fields.len());
    let mut close = old;
    for (name, value) in fields.drain(..) {
        let name = HeaderName::from_bytes(&bytes[name]).map_err(|_| "a field name is invalid")?;
        let value =
            HeaderValue::from_maybe_shared(bytes.slice(value)).map_err(|_| "a field value is invalid")?;
        if name == header::CONNECTION {
            match value.as_bytes() {
                // The usual ones concern this connection alone and go no further.
                b"keep-alive" => continue,
                b"close" => {
                    close = true;
                    continue;
                }
                _ => close |= says_close(&value),
            }
        }
        headers.append(name, value);
    }
    let framing = framing(status, method, &headers, old)?;
    let reusable = !close && framing != Framing::Close;
    Ok(Some(Head {
        status,
        reason,
        headers,
        framing,
        reusable,
    }))
}

fn framing(status: StatusCode, method: &Method, headers: &HeaderMap, old: bool) -> Result<Framing, Fault> {
    let length = content_length(headers)?;
    let mut encodings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let bodiless = *method == Method::HEAD
        || status.is_informational()
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    match (encodings.next(), length) {
        _ if bodiless => Ok(Framing::Over),
        (Some(_), Some(_)) => Err("it has both Content-Length and Transfer-Encoding"),
        (Some(encoding), None) => {
            let chunked = encoding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked");
            if old || !chunked || encodings.next().is_some() {
                return Err("its Transfer-Encoding is not `chunked`");
            }
            Ok(Framing::Chunked(Chunk::Size))
        }
        (None, Some(0)) => Ok(Framing::Over),
        (None, Some(length)) => Ok(Framing::Length(length)),
        (None, None) => Ok(Framing::Close),
    }
}

/// One length, however often it is repeated.
fn content_length(headers: &HeaderMap) -> Result<Option<u64>, Fault> {
    let mut found = None;
    for value in headers.get_all(header::CONTENT_LENGTH) {
        let digits = value.as_bytes();
        let length = Some(digits)
            .filter(|digits| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit))
            .and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<u64>().ok())
            .ok_or("its Content-Length is invalid")?;
        if found.is_some_and(|other| other != length) {
            return Err("it has two Content-Length values");
        }
        found = Some(length);
    }
    Ok(found)
}

fn says_close(connection: &HeaderValue) -> bool {
    connection.to_str().is_ok_and(|list| {
        list.split(',')
            .any(|item| item.trim().eq_ignore_ascii_case("close"))
    })
}

impl Framing {
    /// Takes the next piece off `input`. `ended`: the backend has closed, nothing will follow.
    ///
    /// # Errors
    /// The body is cut short or malformed.
    pub(super) fn next(&mut self, input: &mut BytesMut, ended: bool) -> Result<Piece, Fault> {
        loop {
            match self {
                Self::Over => return Ok(Piece::End),
                Self::Close if !input.is_empty() => return Ok(Piece::Data(input.split().freeze())),
                Self::Close if ended => *self = Self::Over,
                Self::Length(left) | Self::Chunked(Chunk::Data(left)) if !input.is_empty() => {
                    let take = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                    *left -= take as u64;
                    if *left == 0 {
                        *self = match self {
                            Self::Length(_) => Self::Over,
                            _ => Self::Chunked(Chunk::DataEnd),
                        };
                    }
                    return Ok(Piece::Data(input.split_to(take).freeze()));
                }
                Self::Chunked(Chunk::Size) => match line(input, CHUNK_LINE)? {
                    Some(text) => *self = Self::Chunked(chunk_size(&text)?),
                    None => return hungry(ended),
                },
                Self::Chunked(Chunk::DataEnd) => {
                    if input.len() < 2 {
                        return hungry(ended);
                    }
                    if &input[..2] != b"\r\n" {
                        return Err("a chunk is longer than its size");
                    }
                    input.advance(2);
                    *self = Self::Chunked(Chunk::Size);
                }
                Self::Chunked(Chunk::Trailers) => {
                    return match trailers(input)? {
                        Some(fields) => {
                            *self = Self::Over;
                            Ok(if fields.is_empty() {
                                Piece::End
                            } else {
                                Piece::Trailers(fields)
                            })
                        }
                        None => hungry(ended),
                    };
                }
                Self::Close => return Ok(Piece::Hungry),
                Self::Length(_) | Self::Chunked(Chunk::Data(_)) => return hungry(ended),
            }
        }
    }
}

fn hungry(ended: bool) -> Result<Piece, Fault> {
    if ended {
        Err("the body is cut short")
    } else {
        Ok(Piece::Hungry)
    }
}

/// A line without its CRLF.
fn line(input: &mut BytesMut, limit: usize) -> Result<Option<Bytes>, Fault> {
    let Some(end) = input.iter().take(limit).position(|b| *b == b'\n') else {
        return if input.len() >= limit {
            Err("a chunk-size line is too long")
        } else {
            Ok(None)
        };
    };
    let mut line = input.split_to(end + 1).freeze();
    line.truncate(end);
    if line.last() != Some(&b'\r') {
        return Err("a chunk-size line ends without CR");
    }
    line.truncate(end - 1);
    Ok(Some(line))
}

/// `1a` or `1a;name=value`.
fn chunk_size(line: &[u8]) -> Result<Chunk, Fault> {
    let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    let rest = line[digits..].trim_ascii_start();
    if !(rest.is_empty() || rest[0] == b';') || rest.contains(&b'\r') {
        return Err("a chunk size is invalid");
    }
    let text = std::str::from_utf8(&line[..digits]).map_err(|_| "a chunk size is invalid")?;
    match u64::from_str_radix(text, 16) {
        Ok(0) => Ok(Chunk::Trailers),
        Ok(size) => Ok(Chunk::Data(size)),
        Err(_) => Err("a chunk size is invalid"),
    }
}

fn trailers(input: &mut BytesMut) -> Result<Option<HeaderMap>, Fault> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let parsed = httparse::parse_headers(input, &mut fields).map_err(|_| "a trailer is malformed")?;
    let httparse::Status::Complete((length, fields)) = parsed else {
        return if input.len() >= HEAD_BYTES {
            Err("the trailers are too long")
        } else {
            Ok(None)
        };
    };
    let mut map = HeaderMap::new();
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| "a trailer is malformed")?;
        let value = HeaderValue::from_bytes(field.value).map_err(|_| "a trailer is malformed")?;
        // Framing and routing cannot change after the fact (RFC 9110 §6.5.1).
        if !matches!(
            name,
            header::CONTENT_LENGTH | header::TRANSFER_ENCODING | header::HOST | header::TRAILER
        ) {
            map.append(name, value);
        }
    }
    input.advance(length);
    Ok(Some(map))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes `input` fed in pieces of every size; the text of the body, trailers after a `|`, or the fault.
    fn decode(method: &Method, input: &str, size: usize) -> Result<(u16, String, bool), Fault> {
        let (status, body, reusable) = super::super::whole::read_response(method, input.as_bytes(), size)?;
        Ok((status, String::from_utf8_lossy(&body).into_owned(), reusable))
    }

    #[track_caller]
    fn check_for(method: &Method, input: &str, expected: Result<(u16, &str, bool), Fault>) {
        for size in [1, 2, 3, 7, input.len()] {
            let found = decode(method, input, size);
            let found = found
                .as_ref()
                .map(|(status, text, reusable)| (*status, text.as_str(), *reusable));
            assert_eq!(found, expected.as_ref().copied(), "{input:?} in pieces of {size}");
        }
    }

    #[track_caller]
    fn check(input: &str, expected: Result<(u16, &str, bool), Fault>) {
        check_for(&Method::GET, input, expected);
    }

    #[test]
    fn bodies_are_delimited_as_the_head_says() {
        check(
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
            Ok((200, "hi", true)),
        );
        check(
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi",
            Ok((200, "hi", true)),
        );
        check(
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            Ok((200, "", true)),
        );
        check(
            "HTTP/1.1 200 OK\r\n\r\nto the end",
            Ok((200, "to the end", false)),
        );
        check(
            "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi",
            Ok((200, "hi", false)),
        );
        check(
            "HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 2\r\n\r\nhi",
            Ok((200, "hi", false)),
        );
        check("HTTP/1.1 204 No Content\r\n\r\n", Ok((204, "", true)));
        check(
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
            Ok((304, "", true)),
        );
        check_for(
            &Method::HEAD,
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
            Ok((200, "", true)),
        );
        check(
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhimore",
            Ok((200, "hi", false)),
        );
    }

    #[test]
    fn chunks() {
        let te = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        check(&format!("{te}2\r\nhi\r\n0\r\n\r\n"), Ok((200, "hi", true)));
        check(
            &format!("{te}1;a=b\r\nh\r\n01 ;x\r\ni\r\n0\r\n\r\n"),
            Ok((200, "hi", true)),
        );
        check(
            &format!("{te}0\r\nX-Sum: 1\r\nContent-Length: 3\r\n\r\n"),
            Ok((200, "|x-sum=1", true)),
        );
        for (broken, fault) in [
            ("2\r\nhiX", "a chunk is longer than its size"),
            ("0x2\r\nhi\r\n0\r\n\r\n", "a chunk size is invalid"),
            ("\r\n", "a chunk size is invalid"),
            ("2\nhi\r\n", "a chunk-size line ends without CR"),
            ("fffffffffffffffff\r\n", "a chunk size is invalid"),
            ("2\r\nh", "the body is cut short"),
            ("2\r\nhi\r\n", "the body is cut short"),
            ("0\r\nX : 1\r\n\r\n", "a trailer is malformed"),
        ] {
            let input = format!("{te}{broken}XX");
            let cut = format!("{te}{broken}");
            let input = if fault == "the body is cut short" {
                cut
            } else {
                input
            };
            check(&input, Err(fault));
        }
    }

    #[test]
    fn interim_responses_are_passed_over() {
        let early = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n";
        check(
            &format!("{early}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"),
            Ok((200, "hi", true)),
        );
        check("HTTP/1.1 101 Switching Protocols\r\n\r\n", Ok((101, "", true)));
    }

    #[test]
    fn what_has_two_readings_is_refused() {
        for (fields, fault) in [
            (
                "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
                "it has both Content-Length and Transfer-Encoding",
            ),
            (
                "Content-Length: 2\r\nContent-Length: 3\r\n",
                "it has two Content-Length values",
            ),
            ("Content-Length: +2\r\n", "its Content-Length is invalid"),
            ("Content-Length: 2, 2\r\n", "its Content-Length is invalid"),
            (
                "Transfer-Encoding: gzip\r\n",
                "its Transfer-Encoding is not `chunked`",
            ),
            (
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                "its Transfer-Encoding is not `chunked`",
            ),
            ("X : 1\r\n", "the head is malformed"),
            ("X: 1\r\n 2\r\n", "the head is malformed"),
        ] {
            check(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n"), Err(fault));
        }
        check(
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            Err("its Transfer-Encoding is not `chunked`"),
        );
        check("garbage\r\n\r\n", Err("the head is malformed"));
        check("HTTP/1.1 2000 OK\r\n\r\n", Err("the head is malformed"));
    }

    #[test]
    fn heads_are_bounded() {
        let mut input =
            BytesMut::from(format!("HTTP/1.1 200 OK\r\nX: {}", "y".repeat(HEAD_BYTES)).as_bytes());
        assert_eq!(
            head(&mut input, &Method::GET, &mut Vec::new()).unwrap_err(),
            "the head is too long"
        );
        let many: String = (0..FIELDS + 1).map(|n| format!("X-{n}: y\r\n")).collect();
        let mut input = BytesMut::from(format!("HTTP/1.1 200 OK\r\n{many}\r\n").as_bytes());
        assert!(head(&mut input, &Method::GET, &mut Vec::new()).is_err());
    }
}
