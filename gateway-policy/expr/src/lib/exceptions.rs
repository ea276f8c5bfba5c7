//! Exception types.

use std::cell::RefCell;

use gateway_dotnet::{Error, ExceptionKind, Str};

use super::{
    Call, Decl,
    Entry::{Denied, Get, Set},
    all, base,
    call::{string, text},
    none,
};
use crate::{
    Value,
    object::{Data, ExceptionData},
    types::{Type, registry},
    vm::{Eval, Thrown},
};

/// The object of an exception thrown by the library.
pub(crate) fn exception_object(e: &Error) -> Value {
    let ty = registry()
        .type_named(e.kind.full_name())
        .unwrap_or(Type::EXCEPTION);
    let data = ExceptionData {
        message: Str::new(&e.message),
        inner: Value::Null,
        param: None,
        set: RefCell::default(),
    };
    Value::object(ty, Data::Exception(data))
}

fn with<R>(c: &Call<'_, '_>, f: impl FnOnce(&ExceptionData) -> R) -> Result<R, Thrown> {
    match c.arg(0) {
        Value::Object(o) => match &o.data {
            Data::Exception(e) => Ok(f(e)),
            _ => Err(Error::null_reference().into()),
        },
        _ => Err(Error::null_reference().into()),
    }
}

fn make(kind: ExceptionKind, message: Str, inner: Value, param: Option<Str>) -> Eval {
    let message = match &param {
        Some(p) if !p.is_empty() => {
            Str::new(&format!("{} (Parameter '{}')", message.to_lossy(), p.to_lossy()))
        }
        _ => message,
    };
    let ty = registry().type_named(kind.full_name()).unwrap_or(Type::EXCEPTION);
    Ok(Value::object(
        ty,
        Data::Exception(ExceptionData {
            message,
            inner,
            param,
            set: RefCell::default(),
        }),
    ))
}

/// `(message)`, `(message, inner)` and nothing.
fn plain(c: &mut Call<'_, '_>, kind: ExceptionKind) -> Eval {
    let message = c
        .opt_str(0)
        .unwrap_or_else(|| Str::from_static(kind.default_message()));
    let inner = c.take(1);
    make(kind, message, inner, None)
}

/// `(paramName)`, `(paramName, message)`
fn param_first(c: &mut Call<'_, '_>, kind: ExceptionKind) -> Eval {
    let message = if c.args.len() > 1 {
        c.opt_str(c.args.len() - 1)
    } else {
        None
    };
    let message = message.unwrap_or_else(|| Str::from_static(kind.default_message()));
    make(kind, message, Value::Null, c.opt_str(0))
}

/// `(message, paramName)`
fn argument(c: &mut Call<'_, '_>) -> Eval {
    let kind = ExceptionKind::ArgumentException;
    let message = c
        .opt_str(0)
        .unwrap_or_else(|| Str::from_static(kind.default_message()));
    let param = c.opt_str(1);
    make(kind, message, Value::Null, param)
}

fn to_text(c: &mut Call<'_, '_>) -> Eval {
    base::to_string(c)
}

/// What was set at `slot`, if anything was.
fn given(c: &Call<'_, '_>, slot: usize) -> Result<Option<Value>, Thrown> {
    with(c, |e| e.set.borrow()[slot].clone())
}

fn give(c: &mut Call<'_, '_>, slot: usize) -> Eval {
    let value = c.take(1);
    with(c, |e| e.set.borrow_mut()[slot] = Some(value))?;
    Ok(Value::Null)
}

/// `HResult` of the exceptions that have one of their own; all others share that of `Exception`.
const RESULTS: &[(&str, u32)] = &[
    ("System.SystemException", 0x8013_1501),
    ("System.ArgumentException", 0x8007_0057),
    ("System.ArgumentNullException", 0x8000_4003),
    ("System.ArgumentOutOfRangeException", 0x8013_1502),
    ("System.ApplicationException", 0x8013_1600),
    ("System.FormatException", 0x8013_1537),
    ("System.UriFormatException", 0x8013_1537),
    ("System.ArithmeticException", 0x8007_0216),
    ("System.OverflowException", 0x8013_1516),
    ("System.DivideByZeroException", 0x8002_0012),
    ("System.NotFiniteNumberException", 0x8013_1528),
    ("System.InvalidCastException", 0x8000_4002),
    ("System.InvalidOperationException", 0x8013_1509),
    ("System.ObjectDisposedException", 0x8013_1622),
    ("System.NullReferenceException", 0x8000_4003),
    ("System.IndexOutOfRangeException", 0x8013_1508),
    ("System.ArrayTypeMismatchException", 0x8013_1503),
    ("System.Collections.Generic.KeyNotFoundException", 0x8013_1577),
    ("System.NotSupportedException", 0x8013_1515),
    ("System.PlatformNotSupportedException", 0x8013_1539),
    ("System.NotImplementedException", 0x8000_4001),
    ("System.TimeoutException", 0x8013_1505),
    ("System.RankException", 0x8013_1517),
    (
        "System.Text.RegularExpressions.RegexMatchTimeoutException",
        0x8013_1505,
    ),
    ("System.Text.RegularExpressions.RegexParseException", 0x8007_0057),
    ("System.Text.DecoderFallbackException", 0x8007_0057),
    ("System.Text.EncoderFallbackException", 0x8007_0057),
    ("System.Globalization.CultureNotFoundException", 0x8007_0057),
    ("System.OutOfMemoryException", 0x8007_000E),
    ("System.IO.IOException", 0x8013_1620),
    ("System.OperationCanceledException", 0x8013_153B),
    ("System.Xml.XmlException", 0x8013_1940),
    ("System.Security.Cryptography.CryptographicException", 0x8013_1501),
];

fn hresult(c: &mut Call<'_, '_>) -> Eval {
    if let Some(value) = given(c, 2)? {
        return Ok(value);
    }
    let name = c.arg(0).type_name().unwrap_or_default();
    let found = RESULTS.iter().find(|(n, _)| *n == name);
    Ok(Value::Int(found.map_or(0x8013_1500, |(_, code)| *code) as i32))
}

macro_rules! exceptions {
    ($($kind:ident: $decl:literal;)*) => {
        &[$(none(concat!("class ", $decl), &[
            Get("ctor()", |c| plain(c, ExceptionKind::$kind)),
            Get("ctor(string message)", |c| plain(c, ExceptionKind::$kind)),
            Get("ctor(string message, Exception innerException)", |c| plain(c, ExceptionKind::$kind)),
        ])),*]
    };
}

const EXCEPTION: &[super::Entry] = &[
    Get("ctor()", |c| plain(c, ExceptionKind::Exception)),
    Get("ctor(string message)", |c| plain(c, ExceptionKind::Exception)),
    Get("ctor(string message, Exception innerException)", |c| {
        plain(c, ExceptionKind::Exception)
    }),
    Get("string Message", |c| text(with(c, |e| e.message.clone())?)),
    Get("Exception InnerException", |c| with(c, |e| e.inner.clone())),
    Get("string StackTrace", |_| string("   at Policy.Expression()")),
    Set(
        "string Source",
        |c| match given(c, 1)? {
            Some(value) => Ok(value),
            None => string("Policy"),
        },
        |c| give(c, 1),
    ),
    Set(
        "string HelpLink",
        |c| Ok(given(c, 0)?.unwrap_or(Value::Null)),
        |c| give(c, 0),
    ),
    Set("int HResult", hresult, |c| give(c, 2)),
    Get("Exception GetBaseException()", |c| {
        let mut at = c.take(0);
        loop {
            let inner = match &at {
                Value::Object(o) => match &o.data {
                    Data::Exception(e) => e.inner.clone(),
                    _ => Value::Null,
                },
                _ => Value::Null,
            };
            if inner.is_null() {
                return Ok(at);
            }
            at = inner;
        }
    }),
    Get("string ToString()", to_text),
    Denied("Type GetType()", |c| {
        Ok(Value::Type(std::sync::Arc::new(c.arg(0).runtime_type())))
    }),
];

pub(super) const TYPES: &[Decl] = &[
    all("class System.Exception", EXCEPTION),
    none(
        "class System.SystemException : Exception",
        &[
            Get("ctor()", |c| plain(c, ExceptionKind::SystemException)),
            Get("ctor(string message)", |c| {
                plain(c, ExceptionKind::SystemException)
            }),
            Get("ctor(string message, Exception innerException)", |c| {
                plain(c, ExceptionKind::SystemException)
            }),
        ],
    ),
    none(
        "class System.ArgumentException : SystemException",
        &[
            Get("ctor()", argument),
            Get("ctor(string message)", argument),
            Get("ctor(string message, string paramName)", argument),
            Get("ctor(string message, Exception innerException)", |c| {
                plain(c, ExceptionKind::ArgumentException)
            }),
            Get("string ParamName", |c| {
                Ok(with(c, |e| e.param.clone())?.map_or(Value::Null, Value::Str))
            }),
        ],
    ),
    none(
        "class System.ArgumentNullException : ArgumentException",
        &[
            Get("ctor()", |c| param_first(c, ExceptionKind::ArgumentNullException)),
            Get("ctor(string paramName)", |c| {
                param_first(c, ExceptionKind::ArgumentNullException)
            }),
            Get("ctor(string paramName, string message)", |c| {
                param_first(c, ExceptionKind::ArgumentNullException)
            }),
        ],
    ),
    none(
        "class System.ArgumentOutOfRangeException : ArgumentException",
        &[
            Get("ctor()", |c| {
                param_first(c, ExceptionKind::ArgumentOutOfRangeException)
            }),
            Get("ctor(string paramName)", |c| {
                param_first(c, ExceptionKind::ArgumentOutOfRangeException)
            }),
            Get("ctor(string paramName, string message)", |c| {
                param_first(c, ExceptionKind::ArgumentOutOfRangeException)
            }),
            Get(
                "ctor(string paramName, object actualValue, string message)",
                |c| param_first(c, ExceptionKind::ArgumentOutOfRangeException),
            ),
        ],
    ),
    none("class System.AggregateException : Exception", &[]),
];

pub(super) const MORE: &[Decl] = exceptions! {
    ApplicationException: "System.ApplicationException : Exception";
    FormatException: "System.FormatException : SystemException";
    UriFormatException: "System.UriFormatException : FormatException";
    ArithmeticException: "System.ArithmeticException : SystemException";
    OverflowException: "System.OverflowException : ArithmeticException";
    DivideByZeroException: "System.DivideByZeroException : ArithmeticException";
    NotFiniteNumberException: "System.NotFiniteNumberException : ArithmeticException";
    InvalidCastException: "System.InvalidCastException : SystemException";
    InvalidOperationException: "System.InvalidOperationException : SystemException";
    ObjectDisposedException: "System.ObjectDisposedException : InvalidOperationException";
    NullReferenceException: "System.NullReferenceException : SystemException";
    IndexOutOfRangeException: "System.IndexOutOfRangeException : SystemException";
    ArrayTypeMismatchException: "System.ArrayTypeMismatchException : SystemException";
    KeyNotFoundException: "System.Collections.Generic.KeyNotFoundException : SystemException";
    NotSupportedException: "System.NotSupportedException : SystemException";
    PlatformNotSupportedException: "System.PlatformNotSupportedException : NotSupportedException";
    NotImplementedException: "System.NotImplementedException : SystemException";
    TimeoutException: "System.TimeoutException : SystemException";
    RankException: "System.RankException : SystemException";
    RegexMatchTimeoutException: "System.Text.RegularExpressions.RegexMatchTimeoutException : TimeoutException";
    RegexParseException: "System.Text.RegularExpressions.RegexParseException : ArgumentException";
    DecoderFallbackException: "System.Text.DecoderFallbackException : ArgumentException";
    EncoderFallbackException: "System.Text.EncoderFallbackException : ArgumentException";
    CultureNotFoundException: "System.Globalization.CultureNotFoundException : ArgumentException";
    CryptographicException: "System.Security.Cryptography.CryptographicException : SystemException";
    JsonException: "Newtonsoft.Json.JsonException : Exception";
    JsonReaderException: "Newtonsoft.Json.JsonReaderException : JsonException";
    JsonSerializationException: "Newtonsoft.Json.JsonSerializationException : JsonException";
    JsonWriterException: "Newtonsoft.Json.JsonWriterException : JsonException";
    OpenSslCryptographicException: "Interop+Crypto+OpenSslCryptographicException : CryptographicException";
    TimeZoneNotFoundException: "System.TimeZoneNotFoundException : Exception";
    InvalidTimeZoneException: "System.InvalidTimeZoneException : Exception";
    RuntimeBinderException: "Microsoft.CSharp.RuntimeBinder.RuntimeBinderException : Exception";
    OutOfMemoryException: "System.OutOfMemoryException : SystemException";
    IOException: "System.IO.IOException : SystemException";
    OperationCanceledException: "System.OperationCanceledException : SystemException";
    XmlException: "System.Xml.XmlException : SystemException";
};
