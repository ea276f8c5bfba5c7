//! `System.Net.IPAddress`: parsing as `inet_aton` does for IPv4, and text.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{Error, ExceptionKind, Str};

/// Numbers of one to four parts, each decimal, octal or hexadecimal; the last fills what is left.
pub(super) fn parse_ipv4(text: &str) -> Option<Ipv4Addr> {
    let parts: Vec<&str> = text.split('.').collect();
    if parts.len() > 4 {
        return None;
    }
    let mut value: u32 = 0;
    for (at, part) in parts.iter().enumerate() {
        let number = number(part)?;
        if at + 1 < parts.len() {
            value |= u32::from(u8::try_from(number).ok()?) << (24 - 8 * at);
        } else {
            let bits = 32 - 8 * at;
            if u64::from(number) >> bits != 0 {
                return None;
            }
            value |= number;
        }
    }
    Some(Ipv4Addr::from(value))
}

fn number(part: &str) -> Option<u32> {
    if let Some(hex) = part.strip_prefix("0x").or(part.strip_prefix("0X")) {
        return u32::from_str_radix(hex, 16)
            .ok()
            .filter(|_| !hex.starts_with('+'));
    }
    if part.is_empty() || !part.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let radix = if part.len() > 1 && part.starts_with('0') {
        8
    } else {
        10
    };
    u32::from_str_radix(part, radix).ok()
}

/// `IPAddress.Parse`. A scope of an IPv6 address is read and dropped.
///
/// # Errors
/// `FormatException`.
pub fn parse_ip(text: &Str) -> Result<IpAddr, Error> {
    let text = text.to_lossy();
    parse(&text).ok_or_else(|| {
        Error::new(
            ExceptionKind::FormatException,
            "An invalid IP address was specified.",
        )
    })
}

fn parse(text: &str) -> Option<IpAddr> {
    if !text.contains(':') {
        return parse_ipv4(text).map(IpAddr::V4);
    }
    let inner = match text.strip_prefix('[') {
        Some(rest) => {
            let (inner, port) = rest.split_once(']')?;
            let digits = port.strip_prefix(':').unwrap_or(port);
            if !digits.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            inner
        }
        None => text,
    };
    let address = inner.split('%').next()?;
    address.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
}

/// `IPAddress.ToString()`.
pub fn ip_to_text(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => {
            let s = v6.segments();
            let embeds = s[..5].iter().all(|x| *x == 0) && (s[5] == 0xFFFF || (s[5] == 0 && s[6] != 0));
            if embeds {
                let [a, b] = s[6].to_be_bytes();
                let [c, d] = s[7].to_be_bytes();
                let prefix = if s[5] == 0 { "::" } else { "::ffff:" };
                return format!("{prefix}{a}.{b}.{c}.{d}");
            }
            v6.to_string()
        }
    }
}

/// `IPAddress.IsLoopback`.
pub fn is_loopback(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_loopback(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.to_ipv4_mapped().is_some_and(|v4| v4.is_loopback()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        const BAD: &str = "!An invalid IP address was specified.";
        for (text, expected) in [
            ("1.2.3.4", "1.2.3.4"),
            ("::1", "::1"),
            ("1", "0.0.0.1"),
            ("0x7f.1", "127.0.0.1"),
            ("010.1.1.1", "8.1.1.1"),
            ("1.2.3", "1.2.0.3"),
            ("1.2.3.256", BAD),
            ("x", BAD),
            ("", BAD),
            ("1.2.3.4:80", BAD),
            ("2001:DB8::1", "2001:db8::1"),
            ("::ffff:1.2.3.4", "::ffff:1.2.3.4"),
            ("::1.2.3.4", "::1.2.3.4"),
            ("[::1]", "::1"),
            ("[::1]:80", "::1"),
            ("1:0:0:2:0:0:0:3", "1:0:0:2::3"),
        ] {
            let got = parse_ip(&Str::new(text)).map_or_else(|e| format!("!{}", e.message), ip_to_text);
            assert_eq!(got, expected, "{text}");
        }
        assert!(is_loopback(Ipv4Addr::new(127, 0, 0, 2).into()));
    }
}
