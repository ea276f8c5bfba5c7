//! The filters, by their C# names. An unknown one lets the value through, as DotLiquid does.

use std::sync::Arc;

use gateway_dotnet::{
    Str,
    net::web::{html_encode, url_decode, url_encode},
    number::{
        Decimal,
        math::{Midpoint, round_decimal},
    },
    regex::{Options, Regex},
    time::{DateTime, DateTimeKind},
};

use super::Value;

pub(super) fn apply(name: &str, value: Value, arguments: &[Value], now_ticks: i64) -> Result<Value, String> {
    let argument = |i: usize| arguments.get(i).cloned().unwrap_or(Value::Nil);
    let text = |i: usize| argument(i).to_text();
    Ok(match name {
        "Append" => Value::text(&(value.to_text() + &text(0))),
        "Prepend" => Value::text(&(text(0) + &value.to_text())),
        "Upcase" => Value::text(&value.to_text().to_uppercase()),
        "Downcase" => Value::text(&value.to_text().to_lowercase()),
        "Capitalize" => Value::text(&title_case(&value.to_text())),
        "Strip" => Value::text(value.to_text().trim()),
        "Lstrip" => Value::text(value.to_text().trim_start()),
        "Rstrip" => Value::text(value.to_text().trim_end()),
        "StripNewlines" => Value::text(&value.to_text().replace(['\r', '\n'], "")),
        "NewlineToBr" => Value::text(&value.to_text().replace('\n', "<br />\n")),
        "StripHtml" => regex_replace(&value, "<.*?>", "", usize::MAX)?,
        "Escape" | "H" => from_str(&html_encode(&to_str(&value))),
        "UrlEncode" => from_str(&url_encode(&to_str(&value))),
        "UrlDecode" => from_str(&url_decode(&to_str(&value))),
        // Both take a .NET pattern, as the original's code does.
        "Replace" => regex_replace(&value, &text(0), &text(1), usize::MAX)?,
        "ReplaceFirst" => regex_replace(&value, &text(0), &text(1), 1)?,
        "Remove" => Value::text(&value.to_text().replace(text(0).as_str(), "")),
        "RemoveFirst" => Value::text(&value.to_text().replacen(text(0).as_str(), "", 1)),
        "Truncate" => truncate(&value, &argument(0), &argument(1)),
        "TruncateWords" => truncate_words(&value, &argument(0), &argument(1)),
        "Split" => split(&value.to_text(), &text(0)),
        "Slice" => slice(&value, &argument(0), &argument(1)),
        "Size" => value.member(&Value::text("size")),
        "First" => value.member(&Value::text("first")),
        "Last" => value.member(&Value::text("last")),
        "Join" => join(&value, arguments.first()),
        "Sort" => sort(&value, arguments.first()),
        "Map" => Value::Array(Arc::new(
            value.items().iter().map(|i| i.member(&argument(0))).collect(),
        )),
        "Uniq" => uniq(&value),
        "Compact" => {
            let kept = value.items().into_iter().filter(|i| !matches!(i, Value::Nil));
            Value::Array(Arc::new(kept.collect()))
        }
        "Default" => {
            if value.is_true() && !value.is_empty() {
                value
            } else {
                argument(0)
            }
        }
        "Plus" | "Minus" | "Times" | "DividedBy" | "Modulo" => arithmetic(name, &value, &argument(0))?,
        "Abs" => match value {
            Value::Int(number) => Value::Int(number.saturating_abs()),
            other => Value::Float(other.number().unwrap_or(0.0).abs()),
        },
        "AtLeast" | "AtMost" => bound(name, value, argument(0)),
        "Round" => round(&value, &argument(0))?,
        "Currency" => currency(&value),
        "Date" => date(&value, arguments.first(), now_ticks)?,
        _ => value,
    })
}

fn to_str(value: &Value) -> Str {
    Str::from(value.to_text())
}

fn from_str(text: &Str) -> Value {
    Value::text(&text.to_lossy())
}

fn regex_replace(value: &Value, pattern: &str, replacement: &str, count: usize) -> Result<Value, String> {
    let fail = |e: gateway_dotnet::Error| e.message.into_owned();
    if matches!(value, Value::Nil) || pattern.is_empty() {
        return Ok(value.clone());
    }
    let regex = Regex::new(&Str::from(pattern), Options::NONE).map_err(fail)?;
    let replacement = regex.replacement(&Str::from(replacement));
    let replaced = regex.replace(&to_str(value), &replacement, count).map_err(fail)?;
    Ok(from_str(&replaced))
}

fn title_case(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut start = true;
    for c in text.chars() {
        if start {
            out.extend(c.to_uppercase());
        } else {
            out.push(c);
        }
        start = !c.is_alphanumeric() && c != '\'';
    }
    out
}

fn truncate(value: &Value, length: &Value, tail: &Value) -> Value {
    let length = usize::try_from(length.integer().unwrap_or(50)).unwrap_or(0);
    let tail = if matches!(tail, Value::Nil) {
        "...".to_owned()
    } else {
        tail.to_text()
    };
    let text = value.to_text();
    if text.chars().count() <= length {
        return value.clone();
    }
    let kept: String = text
        .chars()
        .take(length.saturating_sub(tail.chars().count()))
        .collect();
    Value::text(&(kept + &tail))
}

fn truncate_words(value: &Value, count: &Value, tail: &Value) -> Value {
    let count = usize::try_from(count.integer().unwrap_or(15)).unwrap_or(0).max(1);
    let tail = if matches!(tail, Value::Nil) {
        "...".to_owned()
    } else {
        tail.to_text()
    };
    let text = value.to_text();
    let words: Vec<&str> = text.split(' ').collect();
    if words.len() <= count {
        return value.clone();
    }
    Value::text(&(words[..count].join(" ") + &tail))
}

fn split(text: &str, separator: &str) -> Value {
    let parts: Vec<Value> = if separator.is_empty() {
        text.chars()
            .map(|c| Value::text(c.encode_utf8(&mut [0; 4])))
            .collect()
    } else {
        text.split(separator)
            .filter(|p| !p.is_empty())
            .map(Value::text)
            .collect()
    };
    Value::Array(Arc::new(parts))
}

fn slice(value: &Value, start: &Value, length: &Value) -> Value {
    let length = usize::try_from(length.integer().unwrap_or(1)).unwrap_or(0);
    let range = |total: usize| {
        let start = start.integer().unwrap_or(0);
        let start = if start < 0 {
            (total as i64 + start).max(0)
        } else {
            start
        };
        let start = usize::try_from(start).unwrap_or(0).min(total);
        start..(start.saturating_add(length)).min(total)
    };
    match value {
        Value::Array(items) => Value::Array(Arc::new(items[range(items.len())].to_vec())),
        other => {
            let chars: Vec<char> = other.to_text().chars().collect();
            Value::text(&chars[range(chars.len())].iter().collect::<String>())
        }
    }
}

fn join(value: &Value, separator: Option<&Value>) -> Value {
    let separator = separator.map_or_else(|| " ".to_owned(), Value::to_text);
    let parts: Vec<String> = value.items().iter().map(Value::to_text).collect();
    Value::text(&parts.join(&separator))
}

fn sort(value: &Value, property: Option<&Value>) -> Value {
    let mut items = value.items();
    let key = |item: &Value| property.map_or_else(|| item.clone(), |p| item.member(p));
    items.sort_by(|a, b| key(a).compare(&key(b)).unwrap_or(std::cmp::Ordering::Equal));
    Value::Array(Arc::new(items))
}

fn uniq(value: &Value) -> Value {
    let mut kept: Vec<Value> = Vec::new();
    for item in value.items() {
        if !kept.iter().any(|k| k.equals(&item)) {
            kept.push(item);
        }
    }
    Value::Array(Arc::new(kept))
}

fn arithmetic(name: &str, a: &Value, b: &Value) -> Result<Value, String> {
    if let (Value::Int(a), Value::Int(b)) = (a, b) {
        let result = match name {
            "Plus" => a.checked_add(*b),
            "Minus" => a.checked_sub(*b),
            "Times" => a.checked_mul(*b),
            _ if *b == 0 => return Err("Attempted to divide by zero.".into()),
            "DividedBy" => a.checked_div(*b),
            _ => a.checked_rem(*b),
        };
        return result
            .map(Value::Int)
            .ok_or_else(|| "Arithmetic operation resulted in an overflow.".into());
    }
    // Adding to a text joins.
    if name == "Plus"
        && let (Value::Text(a), b) = (a, b)
    {
        return Ok(Value::text(&(a.to_string() + &b.to_text())));
    }
    let (Some(x), Some(y)) = (a.number(), b.number()) else {
        return Ok(Value::Nil);
    };
    Ok(Value::Float(match name {
        "Plus" => x + y,
        "Minus" => x - y,
        "Times" => x * y,
        "DividedBy" => x / y,
        _ => x % y,
    }))
}

fn bound(name: &str, value: Value, other: Value) -> Value {
    let (Some(a), Some(b)) = (value.number(), other.number()) else {
        return value;
    };
    let take_other = if name == "AtLeast" { a < b } else { a > b };
    if take_other { other } else { value }
}

/// DotLiquid rounds as `decimal`, to even: 2.345 gives 2.34.
fn round(value: &Value, digits: &Value) -> Result<Value, String> {
    let Some(number) = value.number() else {
        return Ok(value.clone());
    };
    let digits = digits.integer().and_then(|d| i32::try_from(d).ok()).unwrap_or(0);
    let fail = |e: gateway_dotnet::Error| e.message.into_owned();
    let decimal = Decimal::from_f64(number).map_err(fail)?;
    let rounded = round_decimal(decimal, digits, Midpoint::ToEven).map_err(fail)?;
    Ok(Value::Float(rounded.to_f64()))
}

/// The invariant culture's currency form.
fn currency(value: &Value) -> Value {
    let Some(number) = value.number() else {
        return value.clone();
    };
    let text = format!("{:.2}", number.abs());
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, "00"));
    let mut grouped = String::new();
    for (i, c) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(c);
    }
    let sign = if number < 0.0 { ("(", ")") } else { ("", "") };
    Value::text(&format!("{}¤{grouped}.{fraction}{}", sign.0, sign.1))
}

fn date(value: &Value, format: Option<&Value>, now_ticks: i64) -> Result<Value, String> {
    let Some(format) = format.map(Value::to_text).filter(|f| !f.is_empty()) else {
        return Ok(Value::text(&value.to_text()));
    };
    let now = DateTime::from_ticks_clamped(now_ticks, DateTimeKind::Utc);
    let date = match value {
        Value::Nil => return Ok(Value::Nil),
        Value::Date(date) => *date,
        other => match other.to_text().as_str() {
            "now" | "today" => now,
            text => match DateTime::parse(text, now) {
                Ok(date) => date,
                // What is no date is shown as it is.
                Err(_) => return Ok(value.clone()),
            },
        },
    };
    date.format(&format)
        .map(|t| Value::text(&t))
        .map_err(|e| e.message.into_owned())
}
