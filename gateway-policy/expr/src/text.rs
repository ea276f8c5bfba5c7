//! `ToString()` and `ToString(format)` of every value, invariant culture.

use gateway_dotnet::{Error, Str, number};

use crate::{
    Value,
    object::{Data, Object},
    types::registry,
};

/// `value.ToString()`; empty for null.
pub(crate) fn to_text(value: &Value) -> Str {
    match value {
        Value::Null => Str::EMPTY,
        Value::Bool(b) => Str::from_static(number::bool_to_text(*b)),
        Value::Char(c) => Str::from_unit(*c),
        Value::SByte(v) => Str::new(&v.to_string()),
        Value::Byte(v) => Str::new(&v.to_string()),
        Value::Short(v) => Str::new(&v.to_string()),
        Value::UShort(v) => Str::new(&v.to_string()),
        Value::Int(v) => Str::new(&v.to_string()),
        Value::UInt(v) => Str::new(&v.to_string()),
        Value::Long(v) => Str::new(&v.to_string()),
        Value::ULong(v) => Str::new(&v.to_string()),
        Value::Float(v) => Str::new(&number::single_to_text(*v)),
        Value::Double(v) => Str::new(&number::double_to_text(*v)),
        Value::Decimal(v) => Str::new(&number::decimal_to_text(*v)),
        Value::Str(s) => s.clone(),
        Value::DateTime(v) => Str::new(&v.to_text()),
        Value::Offset(v) => Str::new(&v.to_text()),
        Value::TimeSpan(v) => Str::new(&v.to_text()),
        Value::Guid(v) => Str::new(&v.to_text()),
        Value::Json(t) => t.to_text().unwrap_or(Str::EMPTY),
        Value::Enum(d, v) => enum_text(*d, *v),
        Value::Object(o) => object_text(o),
        Value::Context(part) => Str::new(part.type_name()),
        Value::Type(t) => Str::new(&t.net_name()),
        Value::Cell(c) => to_text(&c.borrow()),
    }
}

/// Name of an enum value, `A, B` for flags, the number otherwise.
pub(crate) fn enum_text(def: crate::types::DefId, value: i64) -> Str {
    let def = registry().def(def);
    if let Some((name, _)) = def.values.iter().find(|(_, v)| *v == value) {
        return Str::from_static(name);
    }
    if def.flags && value != 0 {
        let mut left = value;
        let mut names = Vec::new();
        for (name, bits) in def.values.iter().rev() {
            if *bits != 0 && left & bits == *bits {
                left &= !bits;
                names.push(*name);
            }
        }
        if left == 0 {
            names.reverse();
            return Str::new(&names.join(", "));
        }
    }
    Str::new(&value.to_string())
}

fn object_text(o: &Object) -> Str {
    crate::nesting::parts(|| parts_text(o)).unwrap_or(Str::EMPTY)
}

fn parts_text(o: &Object) -> Str {
    match &o.data {
        Data::Builder(b) => b.borrow().to_str(),
        Data::Pair(k, v) => Str::new(&format!("[{}, {}]", lossy(k), lossy(v))),
        Data::Tuple(items) => {
            let items = items.borrow();
            let texts: Vec<String> = items
                .iter()
                .enumerate()
                .map(|(i, v)| match lossy(v) {
                    // The eighth part is a tuple of those that did not fit.
                    rest if i == 7 && rest.starts_with('(') && rest.ends_with(')') => {
                        rest[1..rest.len() - 1].to_owned()
                    }
                    text => text,
                })
                .collect();
            Str::new(&format!("({})", texts.join(", ")))
        }
        Data::Anon(items) => match &o.ty {
            crate::types::Type::Anon(members, _) if !members.is_empty() => {
                let texts: Vec<String> = members
                    .iter()
                    .zip(items)
                    .map(|((n, _), v)| format!("{n} = {}", lossy(v)))
                    .collect();
                Str::new(&format!("{{ {} }}", texts.join(", ")))
            }
            _ => Str::from_static("{ }"),
        },
        Data::Exception(e) => Str::new(&format!("{}: {}", o.ty.net_name(), e.message.to_lossy())),
        Data::Native(_) => crate::lib::native_text(o).unwrap_or_else(|| Str::new(&o.type_name())),
        _ => Str::new(&o.type_name()),
    }
}

fn lossy(v: &Value) -> String {
    to_text(v).to_lossy().into_owned()
}

/// `IFormattable.ToString(format)`, `ToString()` for what takes no format.
pub(crate) fn format_value(value: &Value, format: Option<&Str>) -> Result<Str, Error> {
    use gateway_dotnet::number::IntType;
    let Some(format) = format.filter(|f| !f.is_empty()) else {
        return Ok(to_text(value));
    };
    let f = format.to_lossy();
    let integer = |v: i128, kind: IntType| number::format_integer(v, kind, &f).map(|t| Str::new(&t));
    match value {
        Value::SByte(v) => integer((*v).into(), IntType::SByte),
        Value::Byte(v) => integer((*v).into(), IntType::Byte),
        Value::Short(v) => integer((*v).into(), IntType::Int16),
        Value::UShort(v) => integer((*v).into(), IntType::UInt16),
        Value::Int(v) => integer((*v).into(), IntType::Int32),
        Value::UInt(v) => integer((*v).into(), IntType::UInt32),
        Value::Long(v) => integer((*v).into(), IntType::Int64),
        Value::ULong(v) => integer((*v).into(), IntType::UInt64),
        Value::Float(v) => number::format_single(*v, &f).map(|t| Str::new(&t)),
        Value::Double(v) => number::format_double(*v, &f).map(|t| Str::new(&t)),
        Value::Decimal(v) => number::format_decimal(*v, &f).map(|t| Str::new(&t)),
        Value::DateTime(v) => v.format(&f).map(|t| Str::new(&t)),
        Value::Offset(v) => v.format(&f).map(|t| Str::new(&t)),
        Value::TimeSpan(v) => v.format(&f).map(|t| Str::new(&t)),
        Value::Guid(v) => v.format(&f).map(|t| Str::new(&t)),
        Value::Json(t) => match t.scalar() {
            Some(scalar) => format_value(&crate::lib::scalar_value(&scalar), Some(format)),
            None => Ok(to_text(value)),
        },
        Value::Enum(d, v) => enum_format(*d, *v, &f),
        Value::Object(o) => match crate::lib::native_format(o, format) {
            Some(text) => text,
            None => Ok(to_text(value)),
        },
        _ => Ok(to_text(value)),
    }
}

/// `Enum.ToString(format)`: G, F, D, X.
pub(crate) fn enum_format(def: crate::types::DefId, value: i64, format: &str) -> Result<Str, Error> {
    match format {
        "G" | "g" | "F" | "f" => Ok(enum_text(def, value)),
        "D" | "d" => Ok(Str::new(&value.to_string())),
        "X" | "x" => Ok(Str::new(&format!("{:08X}", value as i32))),
        _ => Err(Error::format(
            "Format String can be only \"G\", \"g\", \"X\", \"x\", \"F\", \"f\", \"D\" or \"d\".",
        )),
    }
}
