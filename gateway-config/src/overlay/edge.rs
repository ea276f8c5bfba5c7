//! The part of `kernel` that says what the uplinks drop.

use std::{net::IpAddr, time::Duration};

use super::{Members, Reader, keys};
use crate::{
    network::{Budgets, Destination, KernelOptions, Malformed, Rate, RateLimitBans, UplinkMode},
    settings::value::{duration, integer},
};

/// Most destinations with budgets: the kernel's map takes as many.
const MAX_DESTINATIONS: usize = 4096;
/// Longest ban that a rate limit may bring: what deserves more deserves to be written down.
const MAX_BAN: Duration = Duration::from_secs(24 * 3600);

pub(super) fn edge(reader: &mut Reader<'_>, m: Members<'_>, out: &mut KernelOptions) {
    out.uplink_mode = reader.parsed(m, "uplinkMode", mode).unwrap_or_default();
    out.drop_malformed = reader.texts(m, "dropMalformed", malformed);
    out.sample_drops = reader
        .parsed(m, "sampleDrops", |t| integer(t, 0, 10_000))
        .map_or(0, |n| n as u32);
    out.ip_filter_denies = reader.truth(m, "ipFilterDenies", false);
    budgets(reader, m, out);
    out.rate_limit_bans = rate_limit_bans(reader, m);
    for net in &out.allow {
        if out.deny.contains(net) {
            let place = m.get("allow").map_or(m.place(), |n| n.place);
            let message = format!(
                "{net} is allowed and denied; the longer prefix would decide, but these are the same"
            );
            reader.fail("bad-value", "allow", place, message);
        }
    }
    let wants_uplink = [
        "deny",
        "allow",
        "dropMalformed",
        "budgets",
        "ipFilterDenies",
        "rateLimitBans",
    ];
    for key in wants_uplink {
        let wanted = m.get(key).filter(|node| node.as_bool() != Some(false));
        if let Some(node) = wanted.filter(|_| out.uplinks.is_empty()) {
            let message = format!("`{key}` needs `uplinks`: the interfaces to drop on");
            reader.fail("missing-key", "uplinks", node.place, message);
        }
    }
}

fn mode(text: &str) -> Result<UplinkMode, String> {
    match text {
        "auto" => Ok(UplinkMode::Auto),
        "native" => Ok(UplinkMode::Native),
        "generic" => Ok(UplinkMode::Generic),
        "tc" => Ok(UplinkMode::Tc),
        _ => Err(format!("`{text}` is none of auto, native, generic, tc")),
    }
}

fn malformed(text: &str) -> Result<Malformed, String> {
    match text {
        "short" => Ok(Malformed::Short),
        "header" => Ok(Malformed::Header),
        "length" => Ok(Malformed::Length),
        "flags" => Ok(Malformed::Flags),
        "address" => Ok(Malformed::Address),
        _ => Err(format!(
            "`{text}` is none of short, header, length, flags, address"
        )),
    }
}

fn budgets(reader: &mut Reader<'_>, m: Members<'_>, out: &mut KernelOptions) {
    let Some(b) = m
        .get("budgets")
        .and_then(|node| reader.members(node, keys::BUDGETS, "budgets"))
    else {
        return;
    };
    out.whole_node = reader.truth(b, "wholeNode", false);
    if let Some(source) = b
        .get("source")
        .and_then(|node| reader.members(node, keys::SOURCE_BUDGETS, "budgets of a source"))
    {
        out.source = of(reader, source);
    }
    for item in reader.list(b.get("destinations"), "destinations") {
        let Some(d) = reader.members(item, keys::DESTINATION_BUDGETS, "budgets of a destination") else {
            continue;
        };
        if d.get("address").is_none() {
            reader.fail(
                "missing-key",
                "address",
                item.place,
                "budgets of a destination need `address`",
            );
        }
        let address = reader.parsed(d, "address", |t| {
            t.parse::<IpAddr>().map_err(|_| format!("`{t}` is no IP address"))
        });
        let port = reader
            .parsed(d, "port", |t| integer(t, 1, 65_535))
            .map(|port| port as u16);
        let udp = reader.parsed(d, "protocol", |t| match t {
            "tcp" => Ok(false),
            "udp" => Ok(true),
            _ => Err(format!("`{t}` is none of tcp, udp")),
        });
        if udp.is_some() && port.is_none() {
            reader.fail("missing-key", "port", item.place, "`protocol` needs `port`");
        }
        let budgets = of(reader, d);
        if let Some(address) = address {
            out.destinations.push(Destination {
                address: address.to_canonical(),
                port: port.map(|port| (port, udp.unwrap_or(false))),
                budgets,
            });
        }
    }
    if out.destinations.len() > MAX_DESTINATIONS {
        let place = b.get("destinations").map_or(b.place(), |n| n.place);
        let message = format!("more than {MAX_DESTINATIONS} destinations with budgets");
        reader.fail("too-many", "destinations", place, message);
    }
}

fn of(reader: &mut Reader<'_>, m: Members<'_>) -> Budgets {
    Budgets {
        syn: reader.parsed(m, "syn", rate),
        packets: reader.parsed(m, "packets", rate),
        connections: reader.parsed(m, "connections", rate),
    }
}

/// `100/s`, or `100/s burst 500`; the burst is a second's worth unless it is given.
fn rate(text: &str) -> Result<Rate, String> {
    let wrong = || format!("`{text}` is no rate such as `100/s` or `100/s burst 500`");
    let (rate, burst) = match text.split_once(" burst ") {
        Some((rate, burst)) => (rate, Some(burst)),
        None => (text, None),
    };
    let number = |text: &str| {
        text.trim()
            .parse::<u32>()
            .ok()
            .filter(|n| *n > 0 && *n <= 1_000_000_000)
    };
    let per_second = rate.strip_suffix("/s").and_then(number).ok_or_else(wrong)?;
    let burst = match burst {
        Some(burst) => number(burst).ok_or_else(wrong)?,
        None => per_second,
    };
    Ok(Rate { per_second, burst })
}

fn rate_limit_bans(reader: &mut Reader<'_>, m: Members<'_>) -> Option<RateLimitBans> {
    let node = m.get("rateLimitBans")?;
    let b = reader.members(node, keys::RATE_LIMIT_BANS, "rateLimitBans")?;
    for key in ["refusals", "within", "lasts"] {
        if b.get(key).is_none() {
            reader.fail(
                "missing-key",
                key,
                node.place,
                format!("`rateLimitBans` needs `{key}`"),
            );
        }
    }
    let refusals = reader.parsed(b, "refusals", |t| integer(t, 1, 1_000_000));
    let within = reader.parsed(b, "within", positive);
    let lasts = reader.parsed(b, "lasts", |t| match positive(t)? {
        lasts if lasts > MAX_BAN => Err(format!(
            "`{t}` is more than a day; write such clients into `deny`"
        )),
        lasts => Ok(lasts),
    });
    Some(RateLimitBans {
        refusals: refusals? as u32,
        within: within?,
        lasts: lasts?,
    })
}

fn positive(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("must be longer than nothing".to_owned()),
        time => Ok(time),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates() {
        let check = |text, expected: Option<(u32, u32)>| {
            let found = rate(text).ok().map(|rate| (rate.per_second, rate.burst));
            assert_eq!(found, expected, "{text}");
        };
        check("100/s", Some((100, 100)));
        check("100/s burst 500", Some((100, 500)));
        check("1/s burst 1", Some((1, 1)));
        for wrong in [
            "100",
            "0/s",
            "100/m",
            "-1/s",
            "100/s burst",
            "100/s burst x",
            "2000000000/s",
            "",
        ] {
            check(wrong, None);
        }
    }
}
