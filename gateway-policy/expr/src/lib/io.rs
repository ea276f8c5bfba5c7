//! `StringReader` and `StringWriter`.

use std::{cell::RefCell, rc::Rc};

use gateway_dotnet::{Error, ExceptionKind, Str, encoding::Encoding, text::StringBuilder};

use super::{Call, Decl, Entry, Entry::Get, all, base, call::text, encoding, none, string as strings};
use crate::{
    Value,
    object::{Data, Object},
    text as texts,
    types::{Type, registry},
    vm::{Eval, Thrown},
};

fn make<T: 'static>(name: &str, data: T) -> Value {
    let ty = registry().type_named(name).unwrap_or(Type::OBJECT);
    Value::object(ty, Data::Native(Box::new(data)))
}

fn closed(what: &str) -> Thrown {
    let message = format!("Cannot {what}.");
    Error::new(ExceptionKind::ObjectDisposedException, message).into()
}

// ---- readers

/// A `StringReader`: the text, none once it is closed, and how far it has been read.
struct Reader(RefCell<(Option<Str>, usize)>);

fn reader<R>(c: &Call<'_, '_>, f: impl FnOnce(&Str, &mut usize) -> R) -> Result<R, Thrown> {
    let o = c.object(0)?;
    let r = o.native::<Reader>().ok_or_else(Error::null_reference)?;
    let mut state = r.0.borrow_mut();
    let (text, at) = &mut *state;
    match text {
        Some(text) => Ok(f(text, at)),
        None => Err(closed("read from a closed TextReader")),
    }
}

/// What a `StringReader` has still to read, all of it; `None` for other objects.
pub(super) fn take_rest(o: &Object) -> Option<Str> {
    let mut state = o.native::<Reader>()?.0.borrow_mut();
    let text = state.0.clone()?;
    let rest = text.slice(state.1, usize::MAX);
    state.1 = text.len();
    Some(rest)
}

fn read_line(c: &mut Call<'_, '_>) -> Eval {
    let line = reader(c, |s, at| {
        if *at >= s.len() {
            return None;
        }
        let rest: Vec<u16> = s.units().skip(*at).collect();
        let end = rest
            .iter()
            .position(|u| *u == 10 || *u == 13)
            .unwrap_or(rest.len());
        let crlf = rest.get(end) == Some(&13) && rest.get(end + 1) == Some(&10);
        *at += end + 1 + usize::from(crlf);
        Some(Str::from_utf16(&rest[..end]))
    })?;
    c.vm.step()?;
    Ok(line.map_or(Value::Null, Value::Str))
}

fn read_one(c: &mut Call<'_, '_>, advance: bool) -> Eval {
    let unit = reader(c, |s, at| {
        let unit = s.get(*at);
        *at += usize::from(advance && unit.is_some());
        unit
    })?;
    Ok(Value::Int(unit.map_or(-1, i32::from)))
}

/// `(index, count)` in the array at argument 1.
fn buffer(c: &Call<'_, '_>) -> Result<(usize, usize), Thrown> {
    if c.arg(1).is_null() {
        return Err(Error::null("buffer").into());
    }
    let room = c.array_len(1).unwrap_or(0);
    let (Ok(index), Ok(count)) = (usize::try_from(c.int(2)?), usize::try_from(c.int(3)?)) else {
        let name = if c.int(2)? < 0 { "index" } else { "count" };
        return Err(Error::out_of_range(name, "Non-negative number required.").into());
    };
    if index.saturating_add(count) > room {
        let message = "Offset and length were out of bounds for the array or count is greater than the number of elements from index to the end of the source collection.";
        return Err(Error::new(ExceptionKind::ArgumentException, message).into());
    }
    Ok((index, count))
}

/// `Read(buffer, index, count)`: how many characters there were.
fn read_some(c: &mut Call<'_, '_>) -> Eval {
    let (index, count) = buffer(c)?;
    let units: Vec<u16> = reader(c, |s, at| {
        let part = s.slice(*at, count);
        *at += part.len();
        part.to_utf16()
    })?;
    for (i, unit) in units.iter().enumerate() {
        c.vm.step()?;
        crate::array::set(c.arg(1), &[Value::Int((index + i) as i32)], Value::Char(*unit))?;
    }
    Ok(Value::Int(units.len() as i32))
}

fn close_reader(c: &mut Call<'_, '_>) -> Eval {
    let o = c.object(0)?;
    if let Some(r) = o.native::<Reader>() {
        *r.0.borrow_mut() = (None, 0);
    }
    Ok(Value::Null)
}

const READER: &[Entry] = &[
    Get("ctor(string s)", |c| {
        let state = (Some(c.text(0, "s")?), 0);
        Ok(make("System.IO.StringReader", Reader(RefCell::new(state))))
    }),
    Get("string ReadLine()", read_line),
    Get("string ReadToEnd()", |c| {
        let rest = reader(c, |s, at| {
            let rest = s.slice(*at, usize::MAX);
            *at = s.len();
            rest
        })?;
        text(rest)
    }),
    Get("int Read()", |c| read_one(c, true)),
    Get("int Read(char[] buffer, int index, int count)", read_some),
    Get("int Peek()", |c| read_one(c, false)),
    Get("void Close()", close_reader),
    Get("void Dispose()", close_reader),
];

// ---- writers

/// A `StringWriter`: the builder it writes to, and whether it still does.
struct Writer {
    builder: Value,
    open: RefCell<bool>,
}

fn new_writer(c: &mut Call<'_, '_>) -> Eval {
    let builder = match c.args.first() {
        Some(Value::Object(o)) if matches!(o.data, Data::Builder(_)) => c.arg(0).clone(),
        Some(Value::Null) if c.args.len() == 2 => return Err(Error::null("sb").into()),
        _ => Value::object(
            Type::Def(crate::types::STRING_BUILDER),
            Data::Builder(RefCell::new(StringBuilder::default())),
        ),
    };
    Ok(make(
        "System.IO.StringWriter",
        Writer {
            builder,
            open: RefCell::new(true),
        },
    ))
}

fn new_writer_on(c: &mut Call<'_, '_>) -> Eval {
    if c.arg(0).is_null() {
        return Err(Error::null("sb").into());
    }
    new_writer(c)
}

fn push(w: &Writer, piece: &Str) -> Result<(), Thrown> {
    if !*w.open.borrow() {
        return Err(closed("write to a closed TextWriter"));
    }
    match &w.builder {
        Value::Object(o) => match &o.data {
            Data::Builder(b) => Ok(b.borrow_mut().append(piece)?),
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

/// Writes to a `StringWriter`; false for other objects.
pub(super) fn write_to(c: &mut Call<'_, '_>, o: &Object, text: &str) -> Result<bool, Thrown> {
    let Some(w) = o.native::<Writer>() else {
        return Ok(false);
    };
    c.vm.charge(text.len() * 2)?;
    push(w, &Str::new(text))?;
    Ok(true)
}

fn this_writer(c: &Call<'_, '_>) -> Result<Rc<Object>, Thrown> {
    let o = c.object(0)?;
    match o.native::<Writer>() {
        Some(_) => Ok(o),
        None => Err(Error::null_reference().into()),
    }
}

fn write(c: &mut Call<'_, '_>, piece: &Str) -> Eval {
    c.vm.charge(piece.len() * 2)?;
    let o = this_writer(c)?;
    if let Some(w) = o.native::<Writer>() {
        push(w, piece)?;
    }
    Ok(Value::Null)
}

fn ended(c: &mut Call<'_, '_>, line: bool) -> Eval {
    if line {
        write(c, &Str::from_static("\n"))
    } else {
        Ok(Value::Null)
    }
}

fn write_value(c: &mut Call<'_, '_>, line: bool) -> Eval {
    let value = c.args.get(1).cloned().unwrap_or(Value::Null);
    let piece = match &value {
        Value::Object(_) if c.array_len(1).is_some() => Str::from_utf16(&c.chars(1)),
        v => texts::to_text(v),
    };
    write(c, &piece)?;
    ended(c, line)
}

fn write_part(c: &mut Call<'_, '_>) -> Eval {
    let (index, count) = buffer(c)?;
    let units = c.chars(1);
    write(c, &Str::from_utf16(&units[index..index + count]))
}

fn write_format(c: &mut Call<'_, '_>, line: bool) -> Eval {
    let Value::Str(piece) = strings::format(c, 1)? else {
        return Ok(Value::Null);
    };
    write(c, &piece)?;
    ended(c, line)
}

fn close_writer(c: &mut Call<'_, '_>) -> Eval {
    let o = this_writer(c)?;
    if let Some(w) = o.native::<Writer>() {
        *w.open.borrow_mut() = false;
    }
    Ok(Value::Null)
}

fn nothing(_: &mut Call<'_, '_>) -> Eval {
    Ok(Value::Null)
}

/// `ToString()` of the objects kept here.
pub(super) fn native_text(o: &Object) -> Option<Str> {
    match &o.native::<Writer>()?.builder {
        Value::Object(b) => match &b.data {
            Data::Builder(b) => Some(b.borrow().to_str()),
            _ => None,
        },
        _ => None,
    }
}

const WRITER: &[Entry] = &[
    Get("ctor()", new_writer),
    Get("ctor(IFormatProvider formatProvider)", new_writer),
    Get("ctor(StringBuilder sb)", new_writer_on),
    Get(
        "ctor(StringBuilder sb, IFormatProvider formatProvider)",
        new_writer_on,
    ),
    Get("Encoding Encoding", |c| {
        this_writer(c)?;
        encoding::value(Encoding::UnicodeNoPreamble)
    }),
    Get("StringBuilder GetStringBuilder()", |c| {
        let o = this_writer(c)?;
        Ok(o.native::<Writer>().map_or(Value::Null, |w| w.builder.clone()))
    }),
    Get("void Write(string value)", |c| write_value(c, false)),
    Get("void Write(char value)", |c| write_value(c, false)),
    Get("void Write(char[] buffer)", |c| write_value(c, false)),
    Get("void Write(char[] buffer, int index, int count)", write_part),
    Get("void Write(StringBuilder value)", |c| write_value(c, false)),
    Get("void Write(object value)", |c| write_value(c, false)),
    Get("void Write(string format, params object[] arg)", |c| {
        write_format(c, false)
    }),
    Get("void WriteLine()", |c| write_value(c, true)),
    Get("void WriteLine(string value)", |c| write_value(c, true)),
    Get("void WriteLine(StringBuilder value)", |c| write_value(c, true)),
    Get("void WriteLine(object value)", |c| write_value(c, true)),
    Get("void WriteLine(string format, params object[] arg)", |c| {
        write_format(c, true)
    }),
    Get("void Flush()", nothing),
    Get("void Close()", close_writer),
    Get("void Dispose()", close_writer),
    Get("string ToString()", base::to_string),
];

pub(super) const TYPES: &[Decl] = &[
    none(
        "abstract class System.IO.TextReader : IDisposable",
        &[Get("void Dispose()", nothing)],
    ),
    none(
        "abstract class System.IO.TextWriter : IDisposable",
        &[Get("void Dispose()", nothing)],
    ),
    all("class System.IO.StringReader : System.IO.TextReader", READER),
    all("class System.IO.StringWriter : System.IO.TextWriter", WRITER),
];
