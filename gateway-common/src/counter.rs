//! Counters: one slot per verdict and reason, the same list on both sides.

/// Value of one counter on one CPU.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CounterValue {
    /// Packets, connections or events.
    pub count: u64,
    /// Bytes of the frames; 0 where frames are not seen.
    pub bytes: u64,
}

const _: () = assert!(size_of::<CounterValue>() == 16);

macro_rules! counters {
    ($($variant:ident $hook:literal $name:literal $meaning:literal)+) => {
        /// Slot of the counter array. Each `edge_drop` packet raises exactly one edge verdict: `pass` or a `drop_*`.
        #[repr(u32)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Counter { $(#[doc = $meaning] $variant,)+ }

        impl Counter {
            /// Every counter in slot order.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Program that raises it.
            pub const fn hook(self) -> &'static str { match self { $(Self::$variant => $hook,)+ } }
            /// Stable name: a metric label value.
            pub const fn name(self) -> &'static str { match self { $(Self::$variant => $name,)+ } }
            /// What one count means.
            pub const fn meaning(self) -> &'static str { match self { $(Self::$variant => $meaning,)+ } }
        }
    };
}

counters! {
    EdgePass "edge_drop" "pass" "A packet went on to the stack."
    EdgeDropDenied "edge_drop" "drop_denied" "A packet from a denied prefix was dropped."
    EdgeDropBanned "edge_drop" "drop_banned" "A packet from a banned address was dropped."
    EdgeDropMalformed "edge_drop" "drop_malformed" "A malformed packet was dropped."
    EdgeDropSourceSyn "edge_drop" "drop_source_syn" "A SYN beyond its source's budget was dropped."
    EdgeDropSourcePackets "edge_drop" "drop_source_packets" "A packet beyond its source's budget was dropped."
    EdgeDropSourceConnections "edge_drop" "drop_source_connections" "A SYN was dropped: its source used up its new connections."
    EdgeDropVipSyn "edge_drop" "drop_vip_syn" "A SYN beyond its destination's budget was dropped."
    EdgeDropVipPackets "edge_drop" "drop_vip_packets" "A packet beyond its destination's budget was dropped."
    EdgeDropVipConnections "edge_drop" "drop_vip_connections" "A SYN was dropped: its destination used up its new connections."
    EdgeAllowed "edge_drop" "allowed" "A packet came from an allowed prefix."
    EdgeUntracked "edge_drop" "source_untracked" "No room for the state of a new source; it was not limited."
    EdgeSampleLost "edge_drop" "sample_lost" "The ring of dropped packets was full; a sample was lost."
    EdgeShort "edge_drop" "short" "A frame ended inside a header."
    EdgeHeader "edge_drop" "header" "A version or header length field was wrong."
    EdgeLength "edge_drop" "length" "An IP length did not fit its headers or the frame."
    EdgeFlags "edge_drop" "tcp_flags" "TCP flags that no stack sends: none, SYN with FIN or RST, FIN with RST."
    EdgeAddress "edge_drop" "address" "A source address that cannot be one: multicast, broadcast, loopback, zero, own."
    EdgeFragment "edge_drop" "fragment" "A fragment, passed to the stack for reassembly."
    EdgeDeep "edge_drop" "deep_headers" "More VLAN tags or IPv6 extension headers than are walked; passed."
    EdgeNotIp "edge_drop" "not_ip" "Neither IPv4 nor IPv6; passed."
    SteerExact "vip_lookup" "exact" "A connection or datagram matched an exact destination."
    SteerPrefix "vip_lookup" "prefix" "A connection or datagram matched a prefix and port range."
    SteerMiss "vip_lookup" "miss" "A lookup was for no destination of the gateway; the kernel's own lookup went on."
    SteerNoSocket "vip_lookup" "drop_no_socket" "A destination of the gateway had no socket; dropped."
    SteerRefused "vip_lookup" "drop_refused" "The kernel refused the socket, usually a family mismatch; dropped."
    PickWorker "pick_worker" "picked" "A worker was chosen."
    PickMigrated "pick_worker" "migrated" "A waiting connection moved from a closing listener to a worker."
    PickNoGroup "pick_worker" "no_group" "The listener belongs to no registered group; the kernel's hash chose."
    PickFallback "pick_worker" "fallback" "The chosen worker had no usable socket; the kernel's hash chose."
    PickQuicKnown "pick_worker" "quic_known" "A QUIC packet went to the worker and generation that its connection ID names."
    PickQuicNew "pick_worker" "quic_new" "A QUIC packet of a new connection went to a worker of the working generation."
    PickQuicStray "pick_worker" "quic_stray" "A QUIC packet named no connection of the gateway; a worker answers it."
    PickQuicGone "pick_worker" "quic_gone" "A QUIC packet named a worker or generation that is gone; a worker answers it."
    ConnOpened "conn_acct" "opened" "A connection of the gateway was established."
    ConnClosed "conn_acct" "closed" "A connection of the gateway ended."
    ConnLost "conn_acct" "record_lost" "The ring buffer was full; a connection ended without a record."
    L4Forward "l4_ingress" "forward" "A packet of a flow was rewritten and sent on, in either direction."
    L4Icmp "l4_ingress" "icmp" "An ICMP error was translated and sent on."
    L4NewFlow "l4_ingress" "new_flow" "A flow was begun."
    L4Promoted "l4_ingress" "established" "A flow was answered and acknowledged."
    L4NotService "l4_ingress" "not_service" "A packet of a known address was for no service; passed to the stack."
    L4Stack "l4_ingress" "stack" "A rewritten packet went on through the stack: tagged, to be fragmented, or no next hop yet."
    L4TooBig "l4_ingress" "too_big" "A packet above the MTU towards its destination was answered with an ICMP error."
    L4DropMalformed "l4_ingress" "drop_malformed" "A packet for a service with an impossible transport header was dropped."
    L4DropFragment "l4_ingress" "drop_fragment" "A later fragment came without its first; dropped."
    L4DropNoFlow "l4_ingress" "drop_no_flow" "A reset for a flow that is not known was dropped."
    L4DropNoBackend "l4_ingress" "drop_no_backend" "A service has no backend that is up; dropped."
    L4DropBackendGone "l4_ingress" "drop_backend_gone" "The backend of a TCP flow was removed; dropped."
    L4DropNoPort "l4_ingress" "drop_no_port" "No source port towards the backend was free; dropped."
    L4DropTable "l4_ingress" "drop_table_full" "A flow could not be written to the table; dropped."
    L4DropFlowLimit "l4_ingress" "drop_flow_limit" "The service is at its most flows; dropped."
    L4DropByteLimit "l4_ingress" "drop_byte_limit" "The service is above its bytes a second; dropped."
    L4DropTtl "l4_ingress" "drop_ttl" "The hop limit ended here; dropped."
    L4DropMtu "l4_ingress" "drop_mtu" "An ICMP error named an MTU that no path has, or none could be sent; dropped."
    L4DropRoute "l4_ingress" "drop_route" "There is no route to the new destination; dropped."
    L4DropWrite "l4_ingress" "drop_write" "The packet could not be written to; dropped."
    ConnUntracked "conn_acct" "untracked" "No memory for a connection's storage; it will have no record."
}

/// Number of counters.
pub const COUNTERS: u32 = Counter::ALL.len() as u32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_follow_the_table_and_labels_are_unique() {
        for (at, counter) in Counter::ALL.iter().enumerate() {
            assert_eq!(*counter as usize, at);
            assert!(counter.meaning().ends_with('.'), "{counter:?}");
            for other in &Counter::ALL[at + 1..] {
                assert_ne!((counter.hook(), counter.name()), (other.hook(), other.name()));
            }
        }
    }
}
