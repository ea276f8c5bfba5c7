//! What the overlay and the policies want of the edge, in the loader's terms.

use gateway_config::network::{Budgets, KernelOptions, Malformed, Rate, UplinkMode};
use gateway_loader::{
    Action, EdgeOptions, Limits, PrefixRule, Protocol, Uplink, Vip, XdpMode,
    common::{
        Limit,
        edge::{
            EDGE_DROP_ADDRESS, EDGE_DROP_FLAGS, EDGE_DROP_HEADER, EDGE_DROP_LENGTH, EDGE_DROP_SHORT,
            RULE_CONFIGURATION, RULE_IP_FILTER,
        },
    },
};
use ipnet::IpNet;

/// The uplinks with their mode.
pub(super) fn uplinks(options: &KernelOptions) -> Vec<Uplink> {
    let mode = match options.uplink_mode {
        UplinkMode::Auto => XdpMode::Auto,
        UplinkMode::Native => XdpMode::Native,
        UplinkMode::Generic => XdpMode::Generic,
        UplinkMode::Tc => XdpMode::Tc,
    };
    let uplink = |name: &std::sync::Arc<str>| Uplink {
        interface: name.to_string(),
        mode,
    };
    options.uplinks.iter().map(uplink).collect()
}

/// Prefixes of the configuration, and those that a policy forbids where the configuration lets it.
pub(super) fn prefixes(options: &KernelOptions, forbidden: &[IpNet]) -> Vec<PrefixRule> {
    let rule = |action, rule| {
        move |prefix: &IpNet| PrefixRule {
            prefix: *prefix,
            action,
            rule,
        }
    };
    let mut rules: Vec<PrefixRule> = Vec::new();
    rules.extend(options.deny.iter().map(rule(Action::Deny, RULE_CONFIGURATION)));
    rules.extend(options.allow.iter().map(rule(Action::Allow, RULE_CONFIGURATION)));
    rules.extend(
        options
            .trusted_proxies
            .iter()
            .map(rule(Action::Proxy, RULE_CONFIGURATION)),
    );
    if options.ip_filter_denies {
        rules.extend(forbidden.iter().map(rule(Action::DenyGateway, RULE_IP_FILTER)));
    }
    rules
}

/// Everything else of the edge.
pub(super) fn options(options: &KernelOptions) -> EdgeOptions {
    let malformed = options.drop_malformed.iter().map(|kind| match kind {
        Malformed::Short => EDGE_DROP_SHORT,
        Malformed::Header => EDGE_DROP_HEADER,
        Malformed::Length => EDGE_DROP_LENGTH,
        Malformed::Flags => EDGE_DROP_FLAGS,
        Malformed::Address => EDGE_DROP_ADDRESS,
    });
    let vip = |destination: &gateway_config::network::Destination| Vip {
        address: destination.address,
        port: destination
            .port
            .map(|(port, udp)| (port, if udp { Protocol::Udp } else { Protocol::Tcp })),
        limits: limits(&destination.budgets),
    };
    EdgeOptions {
        malformed: malformed.fold(0, |flags, flag| flags | flag),
        source: limits(&options.source),
        whole_node: options.whole_node,
        vips: options.destinations.iter().map(vip).collect(),
        samples: Limit::per_second(options.sample_drops, options.sample_drops),
    }
}

fn limits(budgets: &Budgets) -> Limits {
    let limit = |rate: Option<Rate>| {
        rate.map_or(Limit::default(), |rate| {
            Limit::per_second(rate.per_second, rate.burst)
        })
    };
    [
        limit(budgets.syn),
        limit(budgets.packets),
        limit(budgets.connections),
    ]
}

/// Sources that are never banned.
pub(super) fn protected(options: &KernelOptions) -> Vec<IpNet> {
    options
        .trusted_proxies
        .iter()
        .chain(&options.allow)
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_policy_forbids_is_pushed_only_where_that_was_asked_for() {
        let forbidden = ["198.51.100.0/24".parse().unwrap()];
        let mut wanted = KernelOptions {
            deny: vec!["10.0.0.0/8".parse().unwrap()],
            trusted_proxies: vec!["192.0.2.0/24".parse().unwrap()],
            ..KernelOptions::default()
        };
        let actions = |wanted: &KernelOptions| {
            let rules = prefixes(wanted, &forbidden);
            rules
                .iter()
                .map(|rule| (rule.action, rule.rule))
                .collect::<Vec<_>>()
        };
        let own = [
            (Action::Deny, RULE_CONFIGURATION),
            (Action::Proxy, RULE_CONFIGURATION),
        ];
        assert_eq!(actions(&wanted), own);
        wanted.ip_filter_denies = true;
        assert_eq!(
            actions(&wanted),
            [own[0], own[1], (Action::DenyGateway, RULE_IP_FILTER)]
        );
    }

    #[test]
    fn options_become_flags_and_limits() {
        let rate = |per_second, burst| Some(Rate { per_second, burst });
        let wanted = KernelOptions {
            drop_malformed: vec![Malformed::Short, Malformed::Flags],
            sample_drops: 10,
            source: Budgets {
                syn: rate(100, 200),
                ..Budgets::default()
            },
            destinations: vec![gateway_config::network::Destination {
                address: "192.0.2.1".parse().unwrap(),
                port: Some((443, true)),
                budgets: Budgets {
                    packets: rate(5, 5),
                    ..Budgets::default()
                },
            }],
            ..KernelOptions::default()
        };
        let edge = options(&wanted);
        assert_eq!(edge.malformed, EDGE_DROP_SHORT | EDGE_DROP_FLAGS);
        assert_eq!(
            edge.source,
            [Limit::per_second(100, 200), Limit::default(), Limit::default()]
        );
        assert_eq!(edge.vips[0].port, Some((443, Protocol::Udp)));
        assert_eq!(edge.vips[0].limits[1], Limit::per_second(5, 5));
        assert_eq!(edge.samples, Limit::per_second(10, 10));
    }
}
