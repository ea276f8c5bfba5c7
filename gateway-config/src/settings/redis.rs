//! Where the external cache is: a connection string as Azure API Management keeps it, or a URL.
//!
//! The string is that of StackExchange.Redis, which `caches/{id}` entities hold: `host:port[,host:port…]` and
//! `name=value` options. Options that only steer that client are taken and have no effect; others are errors.

use std::{sync::Arc, time::Duration};

use super::value::{boolean, integer};
use crate::{problem::did_you_mean, secret::Secret};

/// A Redis server, or several nodes of one cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redis {
    /// Host and port; any of them leads to the others of a cluster.
    pub endpoints: Vec<(Arc<str>, u16)>,
    /// TLS to it.
    pub tls: bool,
    /// ACL user; `None`: the default one.
    pub user: Option<Arc<str>>,
    /// Password, if it asks for one.
    pub password: Option<Secret>,
    /// Database number.
    pub database: u16,
    /// Limit of connecting, TLS and sign-in included.
    pub connect_timeout: Duration,
    /// Limit of one operation.
    pub timeout: Duration,
}

/// Most nodes named; a cluster tells the others by itself.
const ENDPOINTS_MAX: usize = 64;
/// Ports of plain and TLS servers that name none.
const PORTS: [u16; 2] = [6_379, 6_380];
/// As StackExchange.Redis.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Shorter than that client's 5 s: requests wait for it.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Options of that client without a meaning here, in lower case.
const WITHOUT_EFFECT: &[&str] = &[
    "abortconnect",
    "allowadmin",
    "asynctimeout",
    "channelprefix",
    "checkcertificaterevocation",
    "clientname",
    "configchannel",
    "configcheckseconds",
    "connectretry",
    "highintegrity",
    "keepalive",
    "name",
    "protocol",
    "resolvedns",
    "setclientlibrary",
    "sslprotocols",
    "tiebreaker",
    "version",
    "writebuffer",
];
const WITH_EFFECT: &[&str] = &[
    "connecttimeout",
    "defaultdatabase",
    "password",
    "ssl",
    "synctimeout",
    "user",
];

/// The setting: empty text is none. Never repeats the text, which holds a password.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn setting(text: &str) -> Result<Option<Redis>, String> {
    match text {
        "" | "none" => Ok(None),
        text if text.contains("://") => url(text).map(Some),
        text => connection_string(text).map(Some),
    }
}

fn connection_string(text: &str) -> Result<Redis, String> {
    let mut named = Vec::new();
    let mut redis = empty();
    for part in text.split(',').map(str::trim).filter(|p| !p.is_empty()) {
        match part.split_once('=') {
            Some((name, value)) => option(&mut redis, name.trim(), value.trim())?,
            None => named.push(part),
        }
    }
    for part in named {
        redis.endpoints.push(endpoint(part, redis.tls)?);
    }
    checked(redis)
}

fn option(redis: &mut Redis, name: &str, value: &str) -> Result<(), String> {
    let milliseconds = |value: &str| integer(value, 1, 600_000).map(Duration::from_millis);
    match name.to_ascii_lowercase().as_str() {
        "password" => redis.password = (!value.is_empty()).then(|| Secret::new(value)),
        "user" => redis.user = (!value.is_empty()).then(|| value.into()),
        "ssl" => redis.tls = boolean(value)?,
        "defaultdatabase" => redis.database = integer(value, 0, u64::from(u16::MAX))? as u16,
        "connecttimeout" => redis.connect_timeout = milliseconds(value)?,
        "synctimeout" => redis.timeout = milliseconds(value)?,
        "sslhost" => {
            return Err("`sslHost` is not supported; name the host that is in the certificate".to_owned());
        }
        other if WITHOUT_EFFECT.contains(&other) => {}
        other => {
            let known = WITH_EFFECT.iter().chain(WITHOUT_EFFECT).copied();
            let near =
                did_you_mean(other, known).map_or(String::new(), |near| format!("; did you mean `{near}`?"));
            return Err(format!(
                "`{name}` is no option of a Redis connection string{near}"
            ));
        }
    }
    Ok(())
}

fn url(text: &str) -> Result<Redis, String> {
    let mut redis = empty();
    let rest = match text.split_once("://") {
        Some(("redis", rest)) => rest,
        Some(("rediss", rest)) => {
            redis.tls = true;
            rest
        }
        _ => return Err("a URL of Redis begins with `redis://` or `rediss://`".to_owned()),
    };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = match authority.rsplit_once('@') {
        None => authority,
        Some((user, host)) => {
            let (user, password) = user.split_once(':').unwrap_or((user, ""));
            redis.user = (!user.is_empty()).then(|| decoded(user).into());
            redis.password = (!password.is_empty()).then(|| Secret::new(decoded(password)));
            host
        }
    };
    redis.endpoints.push(endpoint(host, redis.tls)?);
    if !path.is_empty() {
        redis.database = integer(path, 0, u64::from(u16::MAX))? as u16;
    }
    checked(redis)
}

/// Without percent-encoding, which passwords in URLs need.
fn decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let pair = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match (first, pair.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                rest = &tail[2..];
            }
            _ => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn empty() -> Redis {
    Redis {
        endpoints: Vec::new(),
        tls: false,
        user: None,
        password: None,
        database: 0,
        connect_timeout: CONNECT_TIMEOUT,
        timeout: TIMEOUT,
    }
}

fn endpoint(text: &str, tls: bool) -> Result<(Arc<str>, u16), String> {
    let default = PORTS[usize::from(tls)];
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
            (host, integer(port, 1, 65_535)? as u16)
        }
        _ => (text, default),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() {
        return Err("a Redis endpoint has no host; write `host:port`".to_owned());
    }
    Ok((host.into(), port))
}

fn checked(redis: Redis) -> Result<Redis, String> {
    match redis.endpoints.len() {
        0 => Err("a Redis connection string begins with `host:port`".to_owned()),
        n if n > ENDPOINTS_MAX => Err(format!(
            "a Redis connection string names at most {ENDPOINTS_MAX} endpoints"
        )),
        _ => Ok(redis),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&str, &str>) {
        let found = setting(text).map(|redis| {
            let Some(r) = redis else { return "none".to_owned() };
            let nodes: Vec<_> = r.endpoints.iter().map(|(h, p)| format!("{h}|{p}")).collect();
            format!(
                "{} tls={} {}:{} db={} {:?} {:?}",
                nodes.join(" "),
                r.tls,
                r.user.as_deref().unwrap_or(""),
                r.password.as_ref().map_or("", |p| p.expose()),
                r.database,
                r.connect_timeout,
                r.timeout
            )
        });
        assert_eq!(found.as_deref().map_err(String::as_str), expected, "{text}");
    }

    #[test]
    fn strings_of_azure_and_urls_are_understood() {
        check("", Ok("none"));
        check("localhost", Ok("localhost|6379 tls=false : db=0 5s 1s"));
        check(
            "contoso.redis.cache.windows.net:6380,password=a=b==,ssl=True,abortConnect=False",
            Ok("contoso.redis.cache.windows.net|6380 tls=true :a=b== db=0 5s 1s"),
        );
        check(
            "ssl=true,a,[::1]:7000,User=u,defaultDatabase=3,connectTimeout=100,syncTimeout=50",
            Ok("a|6380 ::1|7000 tls=true u: db=3 100ms 50ms"),
        );
        check(
            "rediss://u:p%40w@cache.test/2",
            Ok("cache.test|6380 tls=true u:p@w db=2 5s 1s"),
        );
        check(
            "redis://:pw@cache.test:1",
            Ok("cache.test|1 tls=false :pw db=0 5s 1s"),
        );
    }

    #[test]
    fn mistakes_are_named_without_the_password() {
        for (text, expected) in [
            (
                "password=secret",
                "a Redis connection string begins with `host:port`",
            ),
            (
                "h,pasword=secret",
                "`pasword` is no option of a Redis connection string; did you mean `password`?",
            ),
            ("h,ssl=maybe", "`maybe` is neither `true` nor `false`"),
            ("h:0", "`0` is no whole number from 1 to 65535"),
            ("http://h", "a URL of Redis begins with `redis://` or `rediss://`"),
            (
                "redis://u:secret@",
                "a Redis endpoint has no host; write `host:port`",
            ),
            (
                "h,sslHost=x",
                "`sslHost` is not supported; name the host that is in the certificate",
            ),
        ] {
            check(text, Err(expected));
        }
    }

    #[test]
    fn the_password_is_not_shown() {
        let redis = setting("h,password=secret").unwrap();
        assert!(!format!("{redis:?}").contains("secret"));
    }
}
