//! `token`: makes and explains gateway tokens, which nodes show to a hub.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand};
use serde_json::json;

use super::{
    Format,
    check::read_text,
    output::{Exit, complain, print, table},
};
use crate::{
    sync::token::{LIFE_MAX, SCHEME, Token},
    telemetry::clock::Timestamp,
};

/// Where a key is looked for without `--key-file`: an argument would show in the process list.
const KEY_VARIABLE: &str = "GATEWAY_KEY";
const HOUR: u64 = 3600;

#[derive(Args, Debug)]
pub(super) struct TokenArgs {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Make a token for a gateway and print it
    #[command(
        after_help = "Example:\n  gateway-agent token create --gateway edge-1 --key-file primary.key --expires-in 30d"
    )]
    Create(CreateArgs),
    /// Show what a token says, and whether given keys made it
    #[command(
        after_help = "Examples:\n  gateway-agent token inspect 'GatewayKey edge-1&202612312359&…'\n  \
        gateway-agent token inspect - --key-file primary.key --key-file secondary.key < token.txt\n\n\
        Exit status: 1 when it has expired, or when keys were given and none of them made it."
    )]
    Inspect(InspectArgs),
}

#[derive(Args, Debug)]
struct CreateArgs {
    /// Name of the gateway
    #[arg(long, value_name = "NAME", value_parser = gateway_name)]
    gateway: String,
    /// File with the gateway's primary or secondary key; `-` reads standard input [default: $GATEWAY_KEY]
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// How long it lives: minutes, hours or days, at most 30d
    #[arg(long, value_name = "45m|12h|30d", default_value = "30d", value_parser = life)]
    expires_in: Duration,
    /// How to print it
    #[arg(long, short = 'o', value_enum, default_value_t)]
    format: Format,
}

#[derive(Args, Debug)]
struct InspectArgs {
    /// The token, with or without the word `GatewayKey`; `-` reads standard input
    token: String,
    /// Files with keys that may have made it
    #[arg(long, value_name = "FILE")]
    key_file: Vec<PathBuf>,
    /// How to print it
    #[arg(long, short = 'o', value_enum, default_value_t)]
    format: Format,
}

pub(super) fn main(args: &TokenArgs) -> Exit {
    let done = match &args.command {
        TokenCommand::Create(args) => create(args),
        TokenCommand::Inspect(args) => inspect(args, Timestamp::now()),
    };
    done.unwrap_or_else(|message| {
        complain(&message);
        Exit::Usage
    })
}

fn create(args: &CreateArgs) -> Result<Exit, String> {
    let key = match &args.key_file {
        Some(path) => key_of(path)?,
        None => std::env::var(KEY_VARIABLE)
            .ok()
            .filter(|key| !key.is_empty())
            .ok_or(format!("no key: give --key-file, or set {KEY_VARIABLE}"))?,
    };
    let expiry = Timestamp(Timestamp::now().0 + args.expires_in);
    let token = Token::sign(&args.gateway, expiry, &key);
    match args.format {
        Format::Text => print(&format!("{SCHEME} {}\n", token.text())),
        Format::Json => {
            let object =
                json!({ "value": token.text(), "gateway": token.gateway(), "expiry": token.expiry() });
            print(&format!("{object}\n"));
        }
    }
    Ok(Exit::Ok)
}

fn inspect(args: &InspectArgs, now: Timestamp) -> Result<Exit, String> {
    let text = if args.token == "-" {
        read_text("-".as_ref())?
    } else {
        args.token.clone()
    };
    let token = Token::parse(&text).map_err(|refusal| refusal.to_string())?;
    let keys = args
        .key_file
        .iter()
        .map(|path| key_of(path))
        .collect::<Result<Vec<_>, _>>()?;
    let signed = (!keys.is_empty()).then(|| token.is_signed_by(keys.iter().map(String::as_str)));
    let expired = token.expiry() <= now;
    let left = token.expiry().0.duration_since(now.0).unwrap_or_default();
    match args.format {
        Format::Text => {
            let row = |name: &str, value: String| vec![name.to_owned(), value];
            print(&table(&[
                row("gateway", token.gateway().to_owned()),
                row("expires", token.expiry().to_string()),
                row(
                    "state",
                    if expired {
                        "expired".to_owned()
                    } else {
                        format!("valid for {}", in_words(left))
                    },
                ),
                row(
                    "signature",
                    match signed {
                        None => "not checked: give --key-file".to_owned(),
                        Some(true) => "made with one of the keys".to_owned(),
                        Some(false) => "made with none of the keys".to_owned(),
                    },
                ),
            ]));
        }
        Format::Json => {
            let object = json!({
                "gateway": token.gateway(),
                "expiry": token.expiry(),
                "expired": expired,
                "secondsLeft": left.as_secs(),
                "signed": signed,
            });
            print(&format!("{object}\n"));
        }
    }
    Ok(if expired || signed == Some(false) {
        Exit::Problem
    } else {
        Exit::Ok
    })
}

fn key_of(path: &std::path::Path) -> Result<String, String> {
    let key = read_text(path)?.trim().to_owned();
    if key.is_empty() {
        return Err(format!(
            "{}: the file is empty; it should hold a key",
            path.display()
        ));
    }
    Ok(key)
}

fn gateway_name(text: &str) -> Result<String, String> {
    // Names of gateway entities: 1 to 80 letters, digits and hyphens (Microsoft.ApiManagement/service/gateways).
    let fits = (1..=80).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    fits.then(|| text.to_owned())
        .ok_or_else(|| "a gateway's name has 1 to 80 letters, digits and hyphens".to_owned())
}

fn life(text: &str) -> Result<Duration, String> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let seconds = match &text[number.len()..] {
        "m" => 60,
        "h" => HOUR,
        "d" => 24 * HOUR,
        _ => return Err("write minutes, hours or days, such as 45m, 12h or 30d".to_owned()),
    };
    let count: u64 = number
        .parse()
        .map_err(|_| "write a whole number before the unit".to_owned())?;
    let life = Duration::from_secs(count.saturating_mul(seconds));
    match life {
        Duration::ZERO => Err("it would have expired already".to_owned()),
        life if life > LIFE_MAX => Err("a token lives at most 30d".to_owned()),
        life => Ok(life),
    }
}

fn in_words(left: Duration) -> String {
    let minutes = left.as_secs() / 60;
    let (days, hours, minutes) = (minutes / 1440, minutes / 60 % 24, minutes % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes} min"),
        (0, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::scratch::Scratch;

    #[test]
    fn lives_are_minutes_hours_or_days_up_to_thirty() {
        for (text, expected) in [("45m", Ok(2700)), ("12h", Ok(43_200)), ("30d", Ok(2_592_000))] {
            assert_eq!(life(text).map(|l| l.as_secs()), expected, "{text}");
        }
        for (text, why) in [
            ("31d", "at most 30d"),
            ("0m", "expired"),
            ("30", "such as"),
            ("d", "whole number"),
            ("-1d", "whole number"),
            ("1y", "such as"),
            ("99999999999999999999d", "whole number"),
            ("9999999999999999999d", "at most"),
        ] {
            assert!(life(text).unwrap_err().contains(why), "{text}");
        }
    }

    #[test]
    fn names_are_those_of_gateway_entities() {
        for good in ["edge-1", "E", &"a".repeat(80)] {
            assert!(gateway_name(good).is_ok(), "{good}");
        }
        for bad in ["", "a&b", "a b", "ä", &"a".repeat(81)] {
            assert!(gateway_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn inspecting_tells_expiry_and_key() {
        let scratch = Scratch::new();
        scratch.write("right", "key\n");
        scratch.write("wrong", "other\n");
        let expiry = Timestamp::from_minute(2026, 12, 31, 12, 30).unwrap();
        let token = Token::sign("edge-1", expiry, "key").text();
        let before = Timestamp::from_minute(2026, 12, 1, 0, 0).unwrap();
        let inspect = |token: &str, keys: &[&str], now| {
            let key_file = keys.iter().map(|name| scratch.path().join(name)).collect();
            let args = InspectArgs {
                token: token.to_owned(),
                key_file,
                format: Format::Json,
            };
            inspect(&args, now).map_err(|message| message.split(':').next().unwrap_or_default().to_owned())
        };
        assert_eq!(inspect(&token, &[], before), Ok(Exit::Ok));
        assert_eq!(inspect(&token, &["wrong", "right"], before), Ok(Exit::Ok));
        assert_eq!(inspect(&token, &["wrong"], before), Ok(Exit::Problem));
        assert_eq!(inspect(&token, &["right"], expiry), Ok(Exit::Problem));
        assert_eq!(inspect("abc", &[], before), Err("not a gateway token".to_owned()));
        assert!(inspect(&token, &["absent"], before).is_err());
    }

    #[test]
    fn time_left_is_said_in_two_units() {
        for (seconds, expected) in [(59, "0 min"), (3_660, "1 h 1 min"), (90_000, "1 d 1 h")] {
            assert_eq!(in_words(Duration::from_secs(seconds)), expected);
        }
    }
}
