//! Bytes off the wire: a backend's response, a packet in the kernel.

use gateway_ebpf::{
    acct,
    common::edge::{Budget, EDGE_DROP_MALFORMED, EDGE_SOURCES},
    edge::{self, Facts, Tables},
    packet::SlicePacket,
    parse::{self, Address},
};
use http::Method;

use crate::Target;

/// An HTTP/1.1 response of a backend.
pub(crate) const RESPONSE: Target = Target {
    name: "response",
    run: response,
    seeds: &[
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nA: b\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 304 Not Modified\r\nA: b\r\n\r\n",
    ],
    words: &[
        "\r\n",
        "\r\n\r\n",
        "HTTP/1.1 ",
        "Content-Length: ",
        "Transfer-Encoding: ",
        "chunked",
        "gzip, ",
        "0\r\n",
        "ffffffffffffffff\r\n",
        ": ",
        "\n",
        "\t",
    ],
};

/// However the bytes arrive, they are read as the same response.
fn response(input: &[u8]) {
    for method in [Method::GET, Method::HEAD, Method::CONNECT] {
        let whole = gateway_agent::fuzzing::read_response(&method, input, input.len().max(1));
        for size in [1, 3, 16] {
            let pieces = gateway_agent::fuzzing::read_response(&method, input, size);
            assert_eq!(whole, pieces, "in pieces of {size}");
        }
    }
}

/// An Ethernet frame at the edge program.
pub(crate) const PACKET: Target = Target {
    name: "packet",
    run: packet,
    seeds: &[
        "\0\0\0\0\0\u{1}\0\0\0\0\0\u{2}\u{8}\0E\0\0(\0\0@\0@\u{6}\0\0\u{a}\0\0\u{1}\u{a}\0\0\u{2}\u{1}\u{2}\0P\0\0\0\u{1}\0\0\0\0P\u{2}\u{10}\0\0\0\0\0",
        "\0\0\0\0\0\u{1}\0\0\0\0\0\u{2}\u{8}\0E\0\0\u{1c}\0\0\0\0@\u{11}\0\0\u{a}\0\0\u{1}\u{a}\0\0\u{2}\u{1}\u{2}\0P\0\u{8}\0\0",
        "333333444444\u{8}\0F\0\0\u{20}\0\u{1}\u{20}\0",
    ],
    words: &[
        "\u{8}\0", "\0\0", "E\0", "O\0", "\u{6}", "\u{11}", "\u{2c}", "\u{3c}",
    ],
};

/// Nobody is known, and every SYN is one too many.
struct Nobody(u32);

impl Tables for Nobody {
    fn flags(&self) -> u32 {
        self.0
    }
    fn prefix(&self, _: &Address) -> u32 {
        0
    }
    fn ban(&self, _: &Address) -> u32 {
        0
    }
    fn ours(&self, _: &Facts) -> bool {
        true
    }
    fn spend_source(&self, facts: &Facts) -> Option<Budget> {
        facts.opens().then_some(Budget::Syn)
    }
    fn spend_vip(&self, _: &Facts) -> Option<Budget> {
        None
    }
}

fn packet(input: &[u8]) {
    let packet = SlicePacket(input);
    for flags in [0, EDGE_DROP_MALFORMED, EDGE_DROP_MALFORMED | EDGE_SOURCES] {
        let decision = edge::decide(&packet, &Nobody(flags));
        assert!(
            decision.bytes <= input.len() as u64,
            "more bytes than the frame has"
        );
    }
    if let Ok(network) = parse::network(&packet) {
        assert!(
            network.transport <= network.end,
            "the transport header is behind the end"
        );
        let _ = parse::transport(&packet, &network);
    }
    let _ = parse::ethernet(&packet);
    let _ = acct::Figures::default();
}
