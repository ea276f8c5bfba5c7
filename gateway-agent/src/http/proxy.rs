//! The PROXY protocol of trusted peers, versions 1 and 2: who the client is that a balancer in front speaks for.
//!
//! Format: the specification of HAProxy ("The PROXY protocol", sections 2.1 and 2.2), read by the crate `ppp`. Octets are taken from
//! the socket one header at a time and never more: what follows belongs to TLS or HTTP.

use std::{io, net::SocketAddr};

use ppp::{HeaderResult, PartialResult as _, v1, v2};
use tokio::{io::AsyncReadExt as _, net::TcpStream};

/// First octets of a header of version 2.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Octets of a header of version 2 before its addresses.
const FIXED: usize = 16;
/// Longest header of version 1 (section 2.1), and what is read of version 2: addresses and the extensions in use (TLS facts, a cloud's
/// identifiers) have a few hundred octets.
const LONGEST_1: usize = 107;
const LONGEST_2: usize = 4_096;

/// Reads the header. `None`: the proxy speaks for itself (a health check), or does not know for whom.
///
/// # Errors
/// There is no header, or a broken one, or the peer went away.
pub(super) async fn read(stream: &mut TcpStream) -> io::Result<Option<SocketAddr>> {
    let mut header = vec![0; SIGNATURE.len()];
    stream.read_exact(&mut header).await?;
    if header == SIGNATURE {
        header.resize(FIXED, 0);
        stream
            .read_exact(header.get_mut(SIGNATURE.len()..).unwrap_or_default())
            .await?;
        let length = header
            .get(14..FIXED)
            .and_then(|octets| <[u8; 2]>::try_from(octets).ok());
        let length = usize::from(u16::from_be_bytes(length.unwrap_or_default()));
        if length > LONGEST_2 {
            return Err(broken("longer than any in use"));
        }
        header.resize(FIXED + length, 0);
        stream
            .read_exact(header.get_mut(FIXED..).unwrap_or_default())
            .await?;
    } else {
        while !header.ends_with(b"\r\n") {
            if header.len() == LONGEST_1 || !header.starts_with(b"PROXY ") {
                return Err(broken("neither version 1 nor version 2"));
            }
            header.push(stream.read_u8().await?);
        }
    }
    client(&header)
}

fn client(header: &[u8]) -> io::Result<Option<SocketAddr>> {
    let parsed = HeaderResult::parse(header);
    if parsed.is_incomplete() {
        return Err(broken("cut short"));
    }
    match parsed {
        HeaderResult::V1(Ok(header)) => Ok(match header.addresses {
            v1::Addresses::Tcp4(a) => Some((a.source_address, a.source_port).into()),
            v1::Addresses::Tcp6(a) => Some((a.source_address, a.source_port).into()),
            v1::Addresses::Unknown => None,
        }),
        HeaderResult::V2(Ok(header)) if header.command == v2::Command::Local => Ok(None),
        HeaderResult::V2(Ok(header)) => Ok(match header.addresses {
            v2::Addresses::IPv4(a) => Some((a.source_address, a.source_port).into()),
            v2::Addresses::IPv6(a) => Some((a.source_address, a.source_port).into()),
            v2::Addresses::Unix(_) | v2::Addresses::Unspecified => None,
        }),
        HeaderResult::V1(Err(error)) => Err(broken(&error.to_string())),
        HeaderResult::V2(Err(error)) => Err(broken(&error.to_string())),
    }
}

fn broken(why: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("PROXY protocol header: {why}"),
    )
}

#[cfg(test)]
mod tests {
    use tokio::{io::AsyncWriteExt as _, net::TcpListener};

    use super::*;

    /// Sends `header` and `rest`, and gives what was understood and what was left for others.
    async fn exchange(header: &[u8], rest: &[u8]) -> (io::Result<Option<SocketAddr>>, Vec<u8>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        client.write_all(&[header, rest].concat()).await.unwrap();
        client.shutdown().await.unwrap();
        let found = read(&mut server).await;
        let mut left = Vec::new();
        server.read_to_end(&mut left).await.unwrap();
        (found, left)
    }

    fn second(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
        let mut header = SIGNATURE.to_vec();
        header.extend([0x20 | command, family]);
        header.extend((addresses.len() as u16).to_be_bytes());
        header.extend(addresses);
        header
    }

    #[tokio::test]
    async fn clients_are_named_by_both_versions() {
        let four = [192, 0, 2, 1, 198, 51, 100, 1, 0xdc, 0x04, 0x01, 0xbb];
        let mut six = [0; 36];
        six[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
        six[15] = 1;
        six[32..34].copy_from_slice(&[0xdc, 0x04]);
        let mut extended = four.to_vec();
        extended.extend([0x01, 0, 2, b'h', b'2']);
        let rows: Vec<(Vec<u8>, Option<&str>)> = vec![
            (
                b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n".to_vec(),
                Some("192.0.2.1:56324"),
            ),
            (
                b"PROXY TCP6 2001:db8::1 2001:db8::2 56324 443\r\n".to_vec(),
                Some("[2001:db8::1]:56324"),
            ),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (b"PROXY UNKNOWN 1 2 3 4\r\n".to_vec(), None),
            (second(1, 0x11, &four), Some("192.0.2.1:56324")),
            (second(1, 0x11, &extended), Some("192.0.2.1:56324")),
            (second(1, 0x21, &six), Some("[2001:db8::1]:56324")),
            (second(0, 0x00, &[]), None),
            (second(0, 0x11, &four), None),
        ];
        for (header, expected) in rows {
            let (found, left) = exchange(&header, b"GET / HTTP/1.1\r\n").await;
            let shown = String::from_utf8_lossy(&header).into_owned();
            assert_eq!(
                found.unwrap(),
                expected.map(|text| text.parse().unwrap()),
                "{shown}"
            );
            assert_eq!(left, b"GET / HTTP/1.1\r\n", "{shown}");
        }
    }

    #[tokio::test]
    async fn anything_else_is_refused() {
        let long = [b"PROXY TCP4 ".as_slice(), &[b'1'; 200], b"\r\n"].concat();
        let rows: Vec<Vec<u8>> = vec![
            b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00\x00".to_vec(),
            b"PROXY TCP4 192.0.2.1 nonsense 1 2\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 198.51.100.1 99999 443\r\n".to_vec(),
            long,
            b"PROXY".to_vec(),
            second(1, 0x11, &[192, 0, 2]),
            second(7, 0x11, &[0; 12]),
            second(1, 0x11, &[0; LONGEST_2 + 1]),
            SIGNATURE.to_vec(),
        ];
        for header in rows {
            let (found, _) = exchange(&header, b"").await;
            assert!(found.is_err(), "{:?}", String::from_utf8_lossy(&header));
        }
    }
}
