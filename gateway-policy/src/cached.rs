//! Values as a cache keeps them: bytes that give the same value back, type and all.
//!
//! A cached value never shares state with the request that stored it: a `JObject` that is changed later stays
//! as it was stored. The form is this gateway's own; other gateways on the same Redis use other keys.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use gateway_dotnet::{
    Str,
    guid::Guid,
    json::{Formatting, JsonWriter, parse_token},
    time::{DateTime, DateTimeKind},
};
use gateway_expr::Value;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::context::{Body, Response};

/// First byte of every entry: another form is a miss, not a misunderstanding.
const FORM: u8 = 1;

/// Most header fields of a cached response; listeners take no more either.
const HEADERS_MAX: usize = 1_024;

/// The value as bytes; `None` for what cannot be kept (parts of `context`, tokens, collections of .NET).
pub fn encode(value: &Value) -> Option<Bytes> {
    let mut out = BytesMut::new();
    out.put_u8(FORM);
    match value {
        Value::Null => out.put_u8(b'0'),
        Value::Bool(v) => put(&mut out, b'b', &[u8::from(*v)]),
        Value::Char(v) => put(&mut out, b'c', &v.to_be_bytes()),
        Value::SByte(v) => put(&mut out, b'1', &v.to_be_bytes()),
        Value::Byte(v) => put(&mut out, b'2', &v.to_be_bytes()),
        Value::Short(v) => put(&mut out, b'3', &v.to_be_bytes()),
        Value::UShort(v) => put(&mut out, b'4', &v.to_be_bytes()),
        Value::Int(v) => put(&mut out, b'5', &v.to_be_bytes()),
        Value::UInt(v) => put(&mut out, b'6', &v.to_be_bytes()),
        Value::Long(v) => put(&mut out, b'7', &v.to_be_bytes()),
        Value::ULong(v) => put(&mut out, b'8', &v.to_be_bytes()),
        Value::Float(v) => put(&mut out, b'f', &v.to_be_bytes()),
        Value::Double(v) => put(&mut out, b'd', &v.to_be_bytes()),
        Value::DateTime(v) => {
            out.put_u8(b't');
            out.put_u8(kind_byte(v.kind()));
            out.put_i64(v.ticks());
        }
        Value::Guid(v) => put(&mut out, b'g', &v.to_bytes()),
        Value::Str(v) => put(&mut out, b's', v.to_lossy().as_bytes()),
        Value::Json(v) => {
            let mut writer = JsonWriter::new(Formatting::None);
            writer.token(v).ok()?;
            put(&mut out, b'j', writer.finish().to_lossy().as_bytes());
        }
        Value::Object(_) => match (value.as_response(), value.as_bytes()) {
            (Some(response), _) => put_response(&mut out, response)?,
            (None, Some(bytes)) => put(&mut out, b'x', &bytes),
            (None, None) => return None,
        },
        _ => return None,
    }
    Some(out.freeze())
}

/// The value of these bytes; `None` when they are no entry.
pub fn decode(bytes: &Bytes) -> Option<Value> {
    let [FORM, tag, ..] = bytes[..] else { return None };
    let rest = bytes.slice(2..);
    let text = || std::str::from_utf8(&rest).ok();
    Some(match tag {
        b'0' => Value::Null,
        b'b' => Value::Bool(array::<1>(&rest)? != [0]),
        b'c' => Value::Char(u16::from_be_bytes(array(&rest)?)),
        b'1' => Value::SByte(i8::from_be_bytes(array(&rest)?)),
        b'2' => Value::Byte(u8::from_be_bytes(array(&rest)?)),
        b'3' => Value::Short(i16::from_be_bytes(array(&rest)?)),
        b'4' => Value::UShort(u16::from_be_bytes(array(&rest)?)),
        b'5' => Value::Int(i32::from_be_bytes(array(&rest)?)),
        b'6' => Value::UInt(u32::from_be_bytes(array(&rest)?)),
        b'7' => Value::Long(i64::from_be_bytes(array(&rest)?)),
        b'8' => Value::ULong(u64::from_be_bytes(array(&rest)?)),
        b'f' => Value::Float(f32::from_be_bytes(array(&rest)?)),
        b'd' => Value::Double(f64::from_be_bytes(array(&rest)?)),
        b't' => {
            let (kind, ticks) = rest.split_first()?;
            let ticks = i64::from_be_bytes(array(ticks)?);
            Value::DateTime(DateTime::from_ticks(ticks, kind_of(*kind)?).ok()?)
        }
        b'g' => Value::Guid(Guid::from_bytes(&rest).ok()?),
        b's' => Value::string(text()?),
        b'j' => Value::Json(parse_token(&Str::new(text()?)).ok()?),
        b'x' => Value::bytes(rest.to_vec()),
        b'r' => Value::response(take_response(rest)?),
        _ => return None,
    })
}

fn put(out: &mut BytesMut, tag: u8, bytes: &[u8]) {
    out.reserve(1 + bytes.len());
    out.put_u8(tag);
    out.put_slice(bytes);
}

fn array<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    bytes.try_into().ok()
}

fn kind_byte(kind: DateTimeKind) -> u8 {
    match kind {
        DateTimeKind::Unspecified => 0,
        DateTimeKind::Utc => 1,
        DateTimeKind::Local => 2,
    }
}

fn kind_of(byte: u8) -> Option<DateTimeKind> {
    Some(match byte {
        0 => DateTimeKind::Unspecified,
        1 => DateTimeKind::Utc,
        2 => DateTimeKind::Local,
        _ => return None,
    })
}

/// Status, reason, fields, body; texts with their length in front.
fn put_response(out: &mut BytesMut, response: &Response) -> Option<()> {
    let body = match &response.body {
        Body::Buffered(bytes) => bytes.clone(),
        Body::None | Body::Consumed => Bytes::new(),
        Body::Streaming => return None,
    };
    out.put_u8(b'r');
    out.put_u16(response.status.as_u16());
    put_text(out, response.reason.as_deref().unwrap_or("").as_bytes())?;
    out.put_u32(u32::try_from(response.headers.len()).ok()?);
    for (name, value) in &response.headers {
        put_text(out, name.as_str().as_bytes())?;
        put_text(out, value.as_bytes())?;
    }
    out.put_slice(&body);
    Some(())
}

fn put_text(out: &mut BytesMut, text: &[u8]) -> Option<()> {
    out.put_u32(u32::try_from(text.len()).ok()?);
    out.put_slice(text);
    Some(())
}

fn take_response(mut rest: Bytes) -> Option<Response> {
    let status = StatusCode::from_u16(rest.try_get_u16().ok()?).ok()?;
    let reason = take_text(&mut rest)?;
    let reason = std::str::from_utf8(&reason).ok()?;
    let count = rest.try_get_u32().ok()? as usize;
    if count > HEADERS_MAX {
        return None;
    }
    let mut headers = HeaderMap::with_capacity(count);
    for _ in 0..count {
        let name = HeaderName::from_bytes(&take_text(&mut rest)?).ok()?;
        headers.append(name, HeaderValue::from_maybe_shared(take_text(&mut rest)?).ok()?);
    }
    Some(Response {
        status,
        reason: (!reason.is_empty()).then(|| reason.into()),
        headers,
        body: if rest.is_empty() {
            Body::None
        } else {
            Body::Buffered(rest)
        },
    })
}

fn take_text(rest: &mut Bytes) -> Option<Bytes> {
    let length = rest.try_get_u32().ok()? as usize;
    (length <= rest.len()).then(|| rest.split_to(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// There and back: same type, same text.
    #[track_caller]
    fn check(value: Value) {
        let bytes = encode(&value).unwrap_or_else(|| panic!("{value:?} is not kept"));
        let back = decode(&bytes).unwrap_or_else(|| panic!("{value:?} does not come back"));
        assert_eq!(back.type_name(), value.type_name());
        assert_eq!(back.to_text(), value.to_text());
    }

    #[test]
    fn values_come_back_with_their_types() {
        let json = |text: &str| Value::Json(parse_token(&Str::new(text)).unwrap());
        for value in [
            Value::Null,
            Value::Bool(true),
            Value::Char(0x20ac),
            Value::SByte(-1),
            Value::Byte(200),
            Value::Short(-300),
            Value::UShort(60_000),
            Value::Int(i32::MIN),
            Value::UInt(u32::MAX),
            Value::Long(i64::MIN),
            Value::ULong(u64::MAX),
            Value::Float(0.1),
            Value::Double(1e300),
            Value::string(""),
            Value::string("über\n{}"),
            Value::bytes(vec![0, 255]),
            json(r#"{"a":[1,2.50,null,"x"]}"#),
            json("[]"),
            Value::Guid(Guid::parse("0f8fad5b-d9cb-469f-a165-70867728950e").unwrap()),
            Value::DateTime(DateTime::from_ticks(638_396_822_450_000_000, DateTimeKind::Utc).unwrap()),
        ] {
            check(value);
        }
    }

    #[test]
    fn a_response_comes_back_whole() {
        let mut headers = HeaderMap::new();
        headers.append("set-cookie", HeaderValue::from_static("a=1"));
        headers.append("set-cookie", HeaderValue::from_static("b=2"));
        headers.append("x-raw", HeaderValue::from_bytes(b"\xfc").unwrap());
        for body in [Body::None, Body::Buffered("text".into())] {
            let response = Response {
                status: StatusCode::NOT_FOUND,
                reason: Some("Not Here".into()),
                headers: headers.clone(),
                body,
            };
            let bytes = encode(&Value::response(response.clone())).unwrap();
            let back = decode(&bytes).unwrap();
            let shown = |r: &Response| format!("{r:?}");
            assert_eq!(back.as_response().map(shown), Some(shown(&response)));
        }
        let streaming = Response {
            body: Body::Streaming,
            ..Response::default()
        };
        assert!(encode(&Value::response(streaming)).is_none());
    }

    #[test]
    fn what_is_stored_does_not_change_with_the_variable() {
        let token = parse_token(&Str::new("[1]")).unwrap();
        let bytes = encode(&Value::Json(token.clone())).unwrap();
        if let Some(child) = token.child(0) {
            child.set_scalar(gateway_dotnet::json::Scalar::Integer(2));
        }
        assert_eq!(
            decode(&bytes)
                .unwrap()
                .to_text()
                .unwrap()
                .replace([' ', '\n', '\r'], ""),
            "[1]"
        );
    }

    #[test]
    fn foreign_bytes_are_no_entry() {
        let good = encode(&Value::response(Response::default())).unwrap();
        // Every cut of an entry, and every kind with a wrong length.
        for length in 0..good.len() {
            let _ = decode(&good.slice(..length));
        }
        for tag in 0..=255 {
            for rest in [&[][..], &[0xff; 3], &[0xff; 40]] {
                let bytes = [&[FORM, tag][..], rest].concat();
                let _ = decode(&Bytes::from(bytes));
            }
        }
        for bytes in [
            &b""[..],
            b"\x02s",
            b"plain text",
            b"\x01j{",
            b"\x01s\xff",
            b"\x015\x00",
            b"\x01t\x07",
        ] {
            assert!(decode(&Bytes::copy_from_slice(bytes)).is_none(), "{bytes:?}");
        }
        assert!(encode(&Value::Context(gateway_expr::Part::Request)).is_none());
    }
}
