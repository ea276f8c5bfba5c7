//! A whole response out of pieces of any size: how tests and fuzzing look at the decoder.

use bytes::BytesMut;
use http::Method;

use super::decode::{Piece, head};

/// Reads a response that arrives in pieces of `size` bytes: status, body with the trailers behind it, and
/// whether the connection may be used again.
///
/// # Errors
/// What makes it no response, or one with two readings.
#[cfg_attr(
    not(feature = "fuzzing"),
    expect(unreachable_pub, reason = "seen from outside by fuzzing alone")
)]
pub fn read_response(
    method: &Method,
    input: &[u8],
    size: usize,
) -> Result<(u16, Vec<u8>, bool), &'static str> {
    let mut buffer = BytesMut::new();
    let mut pieces = input.chunks(size.max(1));
    let mut found = loop {
        match head(&mut buffer, method, &mut Vec::new())? {
            Some(found) => break found,
            None => buffer.extend_from_slice(pieces.next().ok_or("no head")?),
        }
    };
    let mut body = Vec::new();
    let mut closed = false;
    loop {
        match found.framing.next(&mut buffer, closed)? {
            Piece::Data(data) => body.extend_from_slice(&data),
            Piece::Trailers(fields) => {
                for (name, value) in &fields {
                    body.extend_from_slice(
                        &[b"|", name.as_str().as_bytes(), b"=", value.as_bytes()].concat(),
                    );
                }
            }
            Piece::End => break,
            Piece::Hungry => match pieces.next() {
                Some(piece) => buffer.extend_from_slice(piece),
                None => closed = true,
            },
        }
    }
    // What nobody asked for spoils the connection, whenever it arrives.
    pieces.for_each(|piece| buffer.extend_from_slice(piece));
    Ok((found.status.as_u16(), body, found.reusable && buffer.is_empty()))
}
