//! `Jwt`, `BasicAuthCredentials`, `Authorization`: what the extension methods on headers give.

use gateway_dotnet::{
    Str,
    json::{Formatting, Scalar, Token, TokenType, parse_object},
    number::convert::from_base64,
    time::{DateTime, DateTimeKind, UNIX_EPOCH_TICKS},
};

use super::{Call, Decl, Entry::Get, all};
use crate::{
    Value,
    equality::Comparer,
    object::Data,
    types::{self, Type, registry},
    vm::Eval,
};

/// A JSON Web Token, read and not verified.
struct Jwt {
    header: Token,
    payload: Token,
    claims: Value,
}

struct Basic {
    user: Str,
    password: Str,
}

/// base64url without padding.
fn base64url(text: &str) -> Option<Vec<u8>> {
    let mut s = text.replace('-', "+").replace('_', "/");
    while !s.len().is_multiple_of(4) {
        s.push('=');
    }
    from_base64(&s).ok()
}

fn part(text: &str) -> Option<Token> {
    let bytes = base64url(text)?;
    parse_object(&Str::new(&String::from_utf8_lossy(&bytes))).ok()
}

/// A claim's text: strings as they are, everything else as compact JSON.
fn claim(t: &Token) -> Value {
    match t.scalar() {
        Some(Scalar::String(s)) => Value::Str(s),
        _ => t.to_json(Formatting::None).map_or(Value::Null, Value::Str),
    }
}

/// Reads a compact token, with or without `Bearer ` in front.
pub(crate) fn parse(text: &str) -> Option<Value> {
    let bare = match text.get(..7) {
        Some(head) if head.eq_ignore_ascii_case("Bearer ") => &text[7..],
        _ => text,
    };
    let mut parts = bare.trim().split('.');
    let (header, payload) = (part(parts.next()?)?, part(parts.next()?)?);
    let texts = [
        (&header, "alg"),
        (&header, "typ"),
        (&payload, "iss"),
        (&payload, "sub"),
        (&payload, "jti"),
    ];
    let instants = ["exp", "nbf", "iat"];
    if !texts.iter().all(|(t, name)| is_text(t, name))
        || !instants.iter().all(|name| is_instant(&payload, name))
    {
        return None;
    }
    let mut claims = Vec::new();
    for property in payload.children() {
        let (Some(name), Some(value)) = (property.property_name(), property.property_value()) else {
            continue;
        };
        let list = if value.token_type() == TokenType::Array {
            value.children().iter().map(claim).collect()
        } else {
            vec![claim(&value)]
        };
        claims.push((Value::Str(name), Value::array(Type::STRING, list)));
    }
    let ty = Type::generic(types::DICTIONARY, [Type::STRING, Type::array(Type::STRING)]);
    let claims = super::make_table(ty, Comparer::Default, claims);
    let ty = registry().type_named("Jwt")?;
    Some(Value::object(
        ty,
        Data::Native(Box::new(Jwt {
            header,
            payload,
            claims,
        })),
    ))
}

/// The credentials of a `Basic` authorization header, split at the first colon (RFC 7617).
pub(crate) fn basic(header: &Str) -> Option<Value> {
    let text = header.to_lossy();
    let rest = text
        .get(..6)
        .filter(|h| h.eq_ignore_ascii_case("Basic "))
        .and_then(|_| text.get(6..))?;
    let bytes = from_base64(rest.trim()).ok()?;
    let decoded: String = bytes.iter().map(|b| char::from(*b)).collect();
    let (user, password) = decoded.split_once(':')?;
    let ty = registry().type_named("BasicAuthCredentials")?;
    let data = Basic {
        user: Str::new(user),
        password: Str::new(password),
    };
    Some(Value::object(ty, Data::Native(Box::new(data))))
}

fn with(c: &Call<'_, '_>, f: impl FnOnce(&Jwt) -> Value) -> Eval {
    let o = c.object(0)?;
    Ok(o.native::<Jwt>().map_or(Value::Null, f))
}

/// A string member; null when missing or no string.
fn member(t: &Token, name: &'static str) -> Value {
    match t.get(&Str::from_static(name)).and_then(|v| v.scalar()) {
        Some(s) if !s.is_null() => Value::Str(s.to_text()),
        _ => Value::Null,
    }
}

/// Whether a member that is read as a string can be: it is missing or a single value.
fn is_text(t: &Token, name: &'static str) -> bool {
    t.get(&Str::from_static(name))
        .is_none_or(|v| v.scalar().is_some())
}

/// Whether a member that is read as seconds can be: it is missing, or a number that is an instant.
fn is_instant(t: &Token, name: &'static str) -> bool {
    t.get(&Str::from_static(name)).is_none() || instant(t, name).is_some()
}

fn instant(t: &Token, name: &'static str) -> Option<DateTime> {
    let seconds = match t.get(&Str::from_static(name))?.scalar()? {
        Scalar::Integer(i) => i as f64,
        Scalar::Float(f) => f,
        Scalar::Bool(b) => f64::from(u8::from(b)),
        Scalar::String(s) => gateway_dotnet::number::parse_double(
            &s.to_lossy(),
            gateway_dotnet::number::NumberStyles::FLOAT_THOUSANDS,
        )
        .ok()?,
        _ => return None,
    };
    let epoch = DateTime::from_ticks_clamped(UNIX_EPOCH_TICKS, DateTimeKind::Utc);
    epoch.add_units(seconds, 10_000_000).ok()
}

fn time(j: &Jwt, name: &'static str) -> Value {
    instant(&j.payload, name).map_or(Value::Null, Value::DateTime)
}

fn audiences(j: &Jwt) -> Value {
    let Value::Object(o) = &j.claims else {
        return Value::Null;
    };
    match &o.data {
        Data::Table(t) => t
            .borrow()
            .get(&Value::string("aud"))
            .cloned()
            .unwrap_or_else(|| Value::array(Type::STRING, Vec::new())),
        _ => Value::Null,
    }
}

fn basic_part(c: &Call<'_, '_>, f: fn(&Basic) -> &Str) -> Eval {
    let o = c.object(0)?;
    Ok(o.native::<Basic>()
        .map_or(Value::Null, |b| Value::Str(f(b).clone())))
}

pub(super) const TYPES: &[Decl] = &[
    all(
        "class Jwt",
        &[
            Get("string Algorithm", |c| with(c, |j| member(&j.header, "alg"))),
            Get("IEnumerable<string> Audiences", |c| with(c, audiences)),
            Get("IReadOnlyDictionary<string, string[]> Claims", |c| {
                with(c, |j| j.claims.clone())
            }),
            Get("DateTime? ExpirationTime", |c| with(c, |j| time(j, "exp"))),
            Get("string Id", |c| with(c, |j| member(&j.payload, "jti"))),
            Get("string Issuer", |c| with(c, |j| member(&j.payload, "iss"))),
            Get("DateTime? IssuedAt", |c| with(c, |j| time(j, "iat"))),
            Get("DateTime? NotBefore", |c| with(c, |j| time(j, "nbf"))),
            Get("string Subject", |c| with(c, |j| member(&j.payload, "sub"))),
            Get("string Type", |c| with(c, |j| member(&j.header, "typ"))),
        ],
    ),
    all(
        "class BasicAuthCredentials",
        &[
            Get("string UserId", |c| basic_part(c, |b| &b.user)),
            Get("string Username", |c| basic_part(c, |b| &b.user)),
            Get("string Password", |c| basic_part(c, |b| &b.password)),
        ],
    ),
    all(
        "class Authorization",
        &[
            Get("string AccessToken", |_| Ok(Value::Null)),
            Get("IReadOnlyDictionary<string, object> Claims", |_| Ok(Value::Null)),
        ],
    ),
];
