//! `Guid`.

use gateway_dotnet::{Error, ExceptionKind, guid::Guid};

use super::{Call, Decl, Entry::Get, all, base, convert::raw};
use crate::{
    Value,
    vm::{Eval, Thrown},
};

fn guid(c: &Call<'_, '_>, i: usize) -> Result<Guid, Thrown> {
    match c.arg(i) {
        Value::Guid(g) => Ok(*g),
        _ => Err(Error::null_reference().into()),
    }
}

fn guid_parse(c: &mut Call<'_, '_>) -> Eval {
    let s = c.text(0, "input")?;
    Ok(Value::Guid(Guid::parse(&s.to_lossy())?))
}

fn guid_try_parse(c: &mut Call<'_, '_>) -> Eval {
    let parsed = c.opt_str(0).and_then(|s| Guid::parse(&s.to_lossy()).ok());
    c.out(1, Value::Guid(parsed.unwrap_or_default()));
    Ok(Value::Bool(parsed.is_some()))
}

/// `Guid.ParseExact`: the text must be what `ToString(format)` gives, but for case and blanks around it.
fn guid_exact(c: &Call<'_, '_>) -> Result<Guid, Error> {
    let (Some(input), Some(format)) = (c.opt_str(0), c.opt_str(1)) else {
        return Err(Error::null(if c.arg(0).is_null() { "input" } else { "format" }));
    };
    let (input, format) = (input.to_lossy(), format.to_lossy());
    let letter = format.to_ascii_uppercase();
    let found = Guid::parse(&input)?;
    if !matches!(letter.as_str(), "N" | "D" | "B" | "P" | "X") {
        return Err(Error::format(
            "Format string can be only \"D\", \"d\", \"N\", \"n\", \"P\", \"p\", \"B\", \"b\", \"X\" or \"x\".",
        ));
    }
    // Hexadecimal numbers in braces may be written with fewer digits; the other forms are exact.
    let fits = match letter.as_str() {
        "X" => input.trim_start().starts_with("{0x"),
        _ => found.format(&letter)?.eq_ignore_ascii_case(input.trim()),
    };
    if fits {
        Ok(found)
    } else {
        Err(Error::format("Guid string is not in the requested format."))
    }
}

/// The first three fields are arguments 0 to 2, the others `tail`.
fn guid_of_parts(c: &mut Call<'_, '_>, tail: &[u8]) -> Eval {
    let mut bytes: Vec<u8> = c.args.iter().take(3).filter_map(raw).flatten().collect();
    bytes.extend_from_slice(tail);
    Ok(Value::Guid(Guid::from_bytes(&bytes)?))
}

pub(super) const TYPES: &[Decl] = &[all(
    "struct System.Guid : IComparable, IFormattable, IComparable<Guid>, IEquatable<Guid>",
    &[
        Get("ctor(string g)", |c| {
            let s = c.text(0, "g")?;
            Ok(Value::Guid(Guid::parse(&s.to_lossy())?))
        }),
        Get("ctor(byte[] b)", |c| {
            Ok(Value::Guid(Guid::from_bytes(&c.bytes(0, "b")?)?))
        }),
        Get("static Guid Empty", |_| Ok(Value::Guid(Guid::default()))),
        Get("static Guid NewGuid()", |c| {
            Ok(Value::Guid(Guid::random(
                c.vm.world.random(),
                c.vm.world.random(),
            )))
        }),
        Get("static Guid Parse(string input)", guid_parse),
        Get(
            "static bool TryParse(string input, out Guid result)",
            guid_try_parse,
        ),
        Get("static Guid ParseExact(string input, string format)", |c| {
            Ok(Value::Guid(guid_exact(c)?))
        }),
        Get(
            "static bool TryParseExact(string input, string format, out Guid result)",
            |c| {
                let parsed = guid_exact(c).ok();
                c.out(2, Value::Guid(parsed.unwrap_or_default()));
                Ok(Value::Bool(parsed.is_some()))
            },
        ),
        Get("ctor(int a, short b, short c, byte[] d)", |c| {
            let tail = c.bytes(3, "d")?;
            if tail.len() != 8 {
                let message = "Byte array for Guid must be exactly 8 bytes long. (Parameter 'd')";
                return Err(Error::new(ExceptionKind::ArgumentException, message).into());
            }
            guid_of_parts(c, &tail)
        }),
        Get(
            "ctor(int a, short b, short c, byte d, byte e, byte f, byte g, byte h, byte i, byte j, byte k)",
            |c| {
                let byte = |v: &Value| if let Value::Byte(b) = v { Some(*b) } else { None };
                let tail: Vec<u8> = c.args.iter().skip(3).filter_map(byte).collect();
                guid_of_parts(c, &tail)
            },
        ),
        Get(
            "ctor(uint a, ushort b, ushort c, byte d, byte e, byte f, byte g, byte h, byte i, byte j, byte k)",
            |c| {
                let byte = |v: &Value| if let Value::Byte(b) = v { Some(*b) } else { None };
                let tail: Vec<u8> = c.args.iter().skip(3).filter_map(byte).collect();
                guid_of_parts(c, &tail)
            },
        ),
        Get("byte[] ToByteArray()", |c| {
            Ok(Value::bytes(guid(c, 0)?.to_bytes().to_vec()))
        }),
        Get("string ToString()", base::to_string),
        Get("string ToString(string format)", base::format),
        Get(
            "string ToString(string format, IFormatProvider provider)",
            base::format,
        ),
        Get("bool Equals(object o)", base::equals),
        Get("bool Equals(Guid g)", base::equals),
        Get("int CompareTo(object value)", base::compare_to),
        Get("int CompareTo(Guid value)", base::compare_to),
        Get("int GetHashCode()", base::hash_code),
        Get("static bool operator ==(Guid a, Guid b)", base::equals),
        Get("static bool operator !=(Guid a, Guid b)", |c| {
            Ok(Value::Bool(guid(c, 0)? != guid(c, 1)?))
        }),
    ],
)];
