//! `System.Text.Encoding` and what it gives out.

use gateway_dotnet::{Error, Str, encoding::Encoding};

use super::{
    Call, Decl, Entry,
    Entry::Get,
    Verdict, all,
    call::{string, text},
    none, values,
};
use crate::{
    Value,
    object::{Data, Object},
    types::{Type, registry},
    vm::{Eval, Thrown},
};

fn named(e: Encoding) -> &'static str {
    match e {
        Encoding::Utf8 | Encoding::Utf8NoPreamble => "System.Text.UTF8Encoding+UTF8EncodingSealed",
        Encoding::Ascii => "System.Text.ASCIIEncoding+ASCIIEncodingSealed",
        Encoding::Latin1 => "System.Text.Latin1Encoding",
        Encoding::Unicode | Encoding::UnicodeNoPreamble | Encoding::BigEndianUnicode => {
            "System.Text.UnicodeEncoding"
        }
        Encoding::Utf32 | Encoding::Utf32Big => "System.Text.UTF32Encoding",
        Encoding::Utf7 => "System.Text.UTF7Encoding",
    }
}

/// An encoding as an object.
pub(super) fn value(e: Encoding) -> Eval {
    encoding(e)
}

fn encoding(e: Encoding) -> Eval {
    let ty = registry().type_named(named(e)).unwrap_or(Type::OBJECT);
    Ok(Value::object(ty, Data::Native(Box::new(e))))
}

fn of(v: &Value, name: &str) -> Result<Encoding, Error> {
    match v {
        Value::Object(o) => o.native::<Encoding>().copied().ok_or_else(Error::null_reference),
        _ => Err(Error::null(name)),
    }
}

fn this(c: &Call<'_, '_>) -> Result<Encoding, Error> {
    of(c.arg(0), "encoding").map_err(|_| Error::null_reference())
}

fn by_name(c: &mut Call<'_, '_>) -> Eval {
    if c.args.len() > 1 && (c.arg(1).is_null() || c.arg(2).is_null()) {
        let name = if c.arg(1).is_null() {
            "encoderFallback"
        } else {
            "decoderFallback"
        };
        return Err(Error::null(name).into());
    }
    encoding(match c.arg(0) {
        Value::Int(page) => Encoding::by_code_page(*page)?,
        _ => Encoding::by_name(&c.text(0, "name")?.to_lossy())?,
    })
}

/// Every encoding there is without a provider, in the order of `GetEncodings()`.
const EVERY: [Encoding; 8] = [
    Encoding::Unicode,
    Encoding::BigEndianUnicode,
    Encoding::Utf32,
    Encoding::Utf32Big,
    Encoding::Ascii,
    Encoding::Latin1,
    Encoding::Utf7,
    Encoding::Utf8,
];

/// A `System.Text.EncodingInfo`.
struct Info(Encoding);

fn info<R>(c: &Call<'_, '_>, f: impl FnOnce(Encoding) -> R) -> Result<R, Thrown> {
    let o = c.object(0)?;
    let info = o.native::<Info>().ok_or_else(Error::null_reference)?;
    Ok(f(info.0))
}

// ---- characters in, bytes out, and back

/// The text at argument 1, a string or characters.
fn source(c: &Call<'_, '_>) -> Result<Str, Thrown> {
    match c.arg(1) {
        Value::Str(s) => Ok(s.clone()),
        Value::Object(_) => Ok(Str::from_utf16(&c.chars(1))),
        _ => Err(Error::null("s").into()),
    }
}

/// The part of `len` items that the arguments `at` and `at + 1` name.
fn part(c: &Call<'_, '_>, len: usize, at: usize) -> Result<std::ops::Range<usize>, Thrown> {
    let (Ok(start), Ok(count)) = (usize::try_from(c.int(at)?), usize::try_from(c.int(at + 1)?)) else {
        return Err(Error::out_of_range("index", "Non-negative number required.").into());
    };
    match start.checked_add(count) {
        Some(end) if end <= len => Ok(start..end),
        _ => {
            let message = "Index and count must refer to a location within the buffer.";
            Err(Error::out_of_range("bytes", message).into())
        }
    }
}

fn source_part(c: &Call<'_, '_>) -> Result<Str, Thrown> {
    let whole = source(c)?;
    if c.args.len() < 4 {
        return Ok(whole);
    }
    let part = part(c, whole.len(), 2)?;
    Ok(whole.slice(part.start, part.len()))
}

fn bytes_part(c: &Call<'_, '_>, at: usize) -> Result<Vec<u8>, Thrown> {
    let bytes = c.bytes(at, "bytes")?;
    if c.args.len() < at + 3 {
        return Ok(bytes);
    }
    let part = part(c, bytes.len(), at + 1)?;
    Ok(bytes[part].to_vec())
}

fn encoded(c: &mut Call<'_, '_>) -> Result<Vec<u8>, Thrown> {
    let (e, s) = (this(c)?, source_part(c)?);
    c.vm.charge(s.len() * 4)?;
    Ok(e.bytes(&s))
}

fn decoded(c: &mut Call<'_, '_>) -> Result<Str, Thrown> {
    let (e, bytes) = (this(c)?, bytes_part(c, 1)?);
    c.vm.charge(bytes.len())?;
    Ok(e.string(&bytes))
}

fn get_bytes(c: &mut Call<'_, '_>) -> Eval {
    Ok(Value::bytes(encoded(c)?))
}

fn count_bytes(c: &mut Call<'_, '_>) -> Eval {
    Ok(Value::Int(encoded(c)?.len() as i32))
}

fn get_string(c: &mut Call<'_, '_>) -> Eval {
    text(decoded(c)?)
}

fn get_chars(c: &mut Call<'_, '_>) -> Eval {
    let s = decoded(c)?;
    c.vm.charge(s.len() * size_of::<Value>())?;
    Ok(Value::array(Type::CHAR, s.units().map(Value::Char).collect()))
}

fn count_chars(c: &mut Call<'_, '_>) -> Eval {
    Ok(Value::Int(decoded(c)?.len() as i32))
}

/// Writes into the array at argument 4 from the index at argument 5 on: how many items that took.
fn fill(c: &Call<'_, '_>, items: &[Value], name: &str) -> Eval {
    if c.arg(4).is_null() {
        return Err(Error::null(name).into());
    }
    let room = c.array_len(4).unwrap_or(0);
    let message = "Index was out of range. Must be non-negative and less than the size of the collection.";
    let at = usize::try_from(c.int(5)?).ok().filter(|at| *at <= room);
    let at = at.ok_or_else(|| Error::out_of_range("index", message))?;
    if room - at < items.len() {
        let message = "The output buffer is too small to contain the result.";
        return Err(Error::argument(name, message).into());
    }
    for (i, item) in items.iter().enumerate() {
        crate::array::set(c.arg(4), &[Value::Int((at + i) as i32)], item.clone())?;
    }
    Ok(Value::Int(items.len() as i32))
}

fn fill_bytes(c: &mut Call<'_, '_>) -> Eval {
    if c.arg(4).is_null() {
        return Err(Error::null("bytes").into());
    }
    let bytes = encoded(c)?;
    c.vm.charge(bytes.len() * size_of::<Value>())?;
    let items: Vec<Value> = bytes.into_iter().map(Value::Byte).collect();
    fill(c, &items, "bytes")
}

fn fill_chars(c: &mut Call<'_, '_>) -> Eval {
    if c.arg(4).is_null() {
        return Err(Error::null("chars").into());
    }
    let s = decoded(c)?;
    c.vm.charge(s.len() * size_of::<Value>())?;
    let items: Vec<Value> = s.units().map(Value::Char).collect();
    fill(c, &items, "chars")
}

fn convert(c: &mut Call<'_, '_>) -> Eval {
    let (from, to) = (of(c.arg(0), "srcEncoding")?, of(c.arg(1), "dstEncoding")?);
    let bytes = bytes_part(c, 2)?;
    c.vm.charge(bytes.len() * 4)?;
    Ok(Value::bytes(to.bytes(&from.string(&bytes))))
}

fn is(c: &Call<'_, '_>, those: &[&str]) -> Eval {
    Ok(Value::Bool(those.contains(&this(c)?.web_name())))
}

/// What an encoding does with text or bytes that are none: it replaces them. Nothing else can be asked for, as
/// the types that throw are not on the allow-list.
struct Fallback;

fn fallback(c: &Call<'_, '_>, side: &str) -> Eval {
    this(c)?;
    let name = format!("System.Text.{side}ReplacementFallback");
    let ty = registry().type_named(&name).unwrap_or(Type::OBJECT);
    Ok(Value::object(ty, Data::Native(Box::new(Fallback))))
}

const ENCODING: &[Entry] = &[
    Get("static Encoding UTF8", |_| encoding(Encoding::Utf8)),
    Get("static Encoding ASCII", |_| encoding(Encoding::Ascii)),
    Get("static Encoding Unicode", |_| encoding(Encoding::Unicode)),
    Get("static Encoding BigEndianUnicode", |_| {
        encoding(Encoding::BigEndianUnicode)
    }),
    Get("static Encoding UTF32", |_| encoding(Encoding::Utf32)),
    Get("static Encoding UTF7", |_| encoding(Encoding::Utf7)),
    Get("static Encoding Default", |_| encoding(Encoding::Utf8NoPreamble)),
    Get("static Encoding GetEncoding(string name)", by_name),
    Get("static Encoding GetEncoding(int codepage)", by_name),
    Get(
        "static Encoding GetEncoding(string name, EncoderFallback encoderFallback, DecoderFallback decoderFallback)",
        by_name,
    ),
    Get(
        "static Encoding GetEncoding(int codepage, EncoderFallback encoderFallback, DecoderFallback decoderFallback)",
        by_name,
    ),
    Get("static EncodingInfo[] GetEncodings()", |_| {
        let ty = registry()
            .type_named("System.Text.EncodingInfo")
            .unwrap_or(Type::OBJECT);
        let one = |e: &Encoding| Value::object(ty.clone(), Data::Native(Box::new(Info(*e))));
        Ok(Value::array(ty.clone(), EVERY.iter().map(one).collect()))
    }),
    Get("byte[] GetBytes(string s)", get_bytes),
    Get("byte[] GetBytes(char[] chars)", get_bytes),
    Get("byte[] GetBytes(char[] chars, int index, int count)", get_bytes),
    Get("byte[] GetBytes(string s, int index, int count)", get_bytes),
    Get(
        "int GetBytes(char[] chars, int charIndex, int charCount, byte[] bytes, int byteIndex)",
        fill_bytes,
    ),
    Get(
        "int GetBytes(string s, int charIndex, int charCount, byte[] bytes, int byteIndex)",
        fill_bytes,
    ),
    Get("string GetString(byte[] bytes)", get_string),
    Get("string GetString(byte[] bytes, int index, int count)", get_string),
    Get("char[] GetChars(byte[] bytes)", get_chars),
    Get("char[] GetChars(byte[] bytes, int index, int count)", get_chars),
    Get(
        "int GetChars(byte[] bytes, int byteIndex, int byteCount, char[] chars, int charIndex)",
        fill_chars,
    ),
    Get("int GetByteCount(string s)", count_bytes),
    Get("int GetByteCount(char[] chars)", count_bytes),
    Get(
        "int GetByteCount(char[] chars, int index, int count)",
        count_bytes,
    ),
    Get("int GetByteCount(string s, int index, int count)", count_bytes),
    Get("int GetCharCount(byte[] bytes)", count_chars),
    Get(
        "int GetCharCount(byte[] bytes, int index, int count)",
        count_chars,
    ),
    Get("int GetMaxByteCount(int charCount)", |c| {
        Ok(Value::Int(this(c)?.max_bytes(c.int(1)?)?))
    }),
    Get("int GetMaxCharCount(int byteCount)", |c| {
        Ok(Value::Int(this(c)?.max_chars(c.int(1)?)?))
    }),
    Get(
        "static byte[] Convert(Encoding srcEncoding, Encoding dstEncoding, byte[] bytes)",
        convert,
    ),
    Get(
        "static byte[] Convert(Encoding srcEncoding, Encoding dstEncoding, byte[] bytes, int index, int count)",
        convert,
    ),
    Get("byte[] GetPreamble()", |c| {
        Ok(Value::bytes(this(c)?.preamble().to_vec()))
    }),
    Get("string WebName", |c| string(this(c)?.web_name())),
    Get("string BodyName", |c| string(this(c)?.web_name())),
    Get("string HeaderName", |c| string(this(c)?.web_name())),
    Get("string EncodingName", |c| string(this(c)?.name())),
    Get("int CodePage", |c| Ok(Value::Int(this(c)?.code_page()))),
    Get("int WindowsCodePage", |c| {
        Ok(Value::Int(match this(c)? {
            Encoding::Ascii | Encoding::Latin1 => 1252,
            _ => 1200,
        }))
    }),
    Get("bool IsSingleByte", |c| is(c, &["us-ascii", "iso-8859-1"])),
    Get("bool IsBrowserDisplay", |c| is(c, &["utf-8", "iso-8859-1"])),
    Get("bool IsMailNewsDisplay", |c| {
        is(c, &["utf-8", "utf-7", "us-ascii", "iso-8859-1"])
    }),
    Get("bool IsBrowserSave", |c| {
        is(c, &["utf-8", "utf-16", "iso-8859-1"])
    }),
    Get("bool IsMailNewsSave", |c| {
        is(c, &["utf-8", "utf-7", "us-ascii", "iso-8859-1"])
    }),
    Get("bool IsReadOnly", |c| {
        this(c)?;
        Ok(Value::Bool(true))
    }),
    Get("bool IsAlwaysNormalized()", |c| is(c, &["iso-8859-1"])),
    Get("bool IsAlwaysNormalized(NormalizationForm form)", |c| {
        const FORM_C: i32 = 1;
        let form = c.enumeration(1)?;
        Ok(Value::Bool(form == FORM_C && this(c)?.web_name() == "iso-8859-1"))
    }),
    Get("bool Equals(object value)", |c| {
        Ok(Value::Bool(of(c.arg(1), "value").ok() == Some(this(c)?)))
    }),
    Get("int GetHashCode()", super::base::hash_code),
    Get("object Clone()", |c| encoding(this(c)?)),
    Get("EncoderFallback EncoderFallback", |c| fallback(c, "Encoder")),
    Get("DecoderFallback DecoderFallback", |c| fallback(c, "Decoder")),
];

/// `Equals` of encodings; none of other objects.
pub(super) fn native_equals(a: &Object, b: &Object) -> Option<bool> {
    a.native::<Encoding>()
        .zip(b.native::<Encoding>())
        .map(|(a, b)| a == b)
}

pub(super) const TYPES: &[Decl] = &[
    all("abstract class System.Text.Encoding : ICloneable", ENCODING),
    all(
        "class System.Text.UTF8Encoding : Encoding",
        &[
            Get("ctor()", |_| encoding(Encoding::Utf8NoPreamble)),
            Get("ctor(bool encoderShouldEmitUTF8Identifier)", |c| {
                encoding(if c.bool(0)? {
                    Encoding::Utf8
                } else {
                    Encoding::Utf8NoPreamble
                })
            }),
        ],
    ),
    all(
        "class System.Text.UTF8Encoding+UTF8EncodingSealed : UTF8Encoding",
        &[],
    ),
    all(
        "class System.Text.ASCIIEncoding : Encoding",
        &[Get("ctor()", |_| encoding(Encoding::Ascii))],
    ),
    all(
        "class System.Text.ASCIIEncoding+ASCIIEncodingSealed : ASCIIEncoding",
        &[],
    ),
    all("class System.Text.Latin1Encoding : Encoding", &[]),
    all(
        "class System.Text.UnicodeEncoding : Encoding",
        &[Get("ctor()", |_| encoding(Encoding::Unicode))],
    ),
    all(
        "class System.Text.UTF32Encoding : Encoding",
        &[Get("ctor()", |_| encoding(Encoding::Utf32))],
    ),
    all("class System.Text.UTF7Encoding : Encoding", &[]),
    none(
        "class System.Text.EncodingInfo",
        &[
            Get("int CodePage", |c| Ok(Value::Int(info(c, Encoding::code_page)?))),
            Get("string Name", |c| string(info(c, Encoding::web_name)?)),
            Get("string DisplayName", |c| string(info(c, Encoding::name)?)),
            Get("Encoding GetEncoding()", |c| encoding(info(c, |e| e)?)),
        ],
    ),
    none("abstract class System.Text.EncoderFallback", &[]),
    none("abstract class System.Text.DecoderFallback", &[]),
    none(
        "class System.Text.EncoderReplacementFallback : EncoderFallback",
        &[],
    ),
    none(
        "class System.Text.DecoderReplacementFallback : DecoderFallback",
        &[],
    ),
    values(
        "enum System.Text.NormalizationForm",
        Verdict::None,
        &[("FormC", 1), ("FormD", 2), ("FormKC", 5), ("FormKD", 6)],
    ),
];
