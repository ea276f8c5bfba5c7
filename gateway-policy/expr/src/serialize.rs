//! `JsonConvert.SerializeObject`, `JToken.FromObject`: from values to JSON.

use gateway_dotnet::{
    Error, ExceptionKind, Str,
    json::{Formatting, JsonWriter, Scalar, Token, TokenType},
};

use crate::{
    Value,
    object::Data,
    types::{self, Type, registry},
    vm::{Thrown, Vm},
};

/// The JSON scalar of a value, if it has one.
pub(crate) fn scalar_of(v: &Value) -> Option<Scalar> {
    Some(match v {
        Value::Null => Scalar::Null,
        Value::Bool(b) => Scalar::Bool(*b),
        Value::Char(u) => Scalar::String(Str::from_unit(*u)),
        Value::SByte(v) => Scalar::Integer((*v).into()),
        Value::Byte(v) => Scalar::Integer((*v).into()),
        Value::Short(v) => Scalar::Integer((*v).into()),
        Value::UShort(v) => Scalar::Integer((*v).into()),
        Value::Int(v) => Scalar::Integer((*v).into()),
        Value::UInt(v) => Scalar::Integer((*v).into()),
        Value::Long(v) => Scalar::Integer(*v),
        Value::ULong(v) => match i64::try_from(*v) {
            Ok(i) => Scalar::Integer(i),
            Err(_) => Scalar::Big(std::rc::Rc::new((*v).into())),
        },
        Value::Float(f) => Scalar::Single(*f),
        Value::Double(d) => Scalar::Float(*d),
        Value::Decimal(d) => Scalar::Decimal(*d),
        Value::DateTime(d) => Scalar::Date(*d),
        Value::Offset(d) => Scalar::DateOffset(*d),
        Value::TimeSpan(t) => Scalar::TimeSpan(*t),
        Value::Guid(g) => Scalar::Guid(*g),
        Value::Str(s) => Scalar::String(s.clone()),
        Value::Enum(_, v) => Scalar::Integer(*v),
        Value::Json(t) => return t.scalar(),
        Value::Object(o) => match &o.data {
            Data::Bytes(b) => Scalar::Bytes(b.borrow().clone().into()),
            _ => return crate::lib::uri_text(o).map(Scalar::Uri),
        },
        _ => return None,
    })
}

/// What a serializer makes of a value.
enum Shape {
    Scalar(Scalar),
    Token(Token),
    Members(Vec<(Str, Value)>),
    Items(Vec<Value>),
}

fn shape(vm: &mut Vm<'_>, v: &Value) -> Result<Shape, Thrown> {
    if let Value::Json(t) = v {
        return Ok(Shape::Token(t.clone()));
    }
    if let Some(s) = scalar_of(v) {
        return Ok(Shape::Scalar(s));
    }
    let Value::Object(o) = v else {
        return context_shape(vm, v);
    };
    if let Some(token) = crate::lib::xml_json(o)? {
        return Ok(Shape::Token(token));
    }
    Ok(match &o.data {
        Data::Anon(items) => match &o.ty {
            Type::Anon(members, _) => Shape::Members(
                members
                    .iter()
                    .zip(items)
                    .map(|((n, _), v)| (Str::new(n), v.clone()))
                    .collect(),
            ),
            _ => Shape::Members(Vec::new()),
        },
        Data::Table(_) if o.ty.def() == Some(types::DICTIONARY) => {
            let items = vm.collect(v)?;
            let pairs = items.iter().filter_map(crate::lib::pair);
            Shape::Members(pairs.map(|(k, v)| (key_text(&k), v)).collect())
        }
        Data::Array(_) | Data::List(_) | Data::Table(_) | Data::Sequence(_) | Data::Group(..) => {
            Shape::Items(vm.collect(v)?)
        }
        Data::Pair(k, val) => Shape::Members(vec![
            (Str::from_static("Key"), k.clone()),
            (Str::from_static("Value"), val.clone()),
        ]),
        Data::Tuple(items) => {
            let items = items.borrow();
            let named = items
                .iter()
                .enumerate()
                .map(|(i, v)| (Str::new(&format!("Item{}", i + 1)), v.clone()));
            Shape::Members(named.collect())
        }
        Data::Matrix(items, lengths) => Shape::Items(rows(&items.borrow(), lengths)),
        _ => context_shape(vm, v)?,
    })
}

/// A dictionary's key as a property name: dates as JSON has them.
fn key_text(key: &Value) -> Str {
    match key {
        Value::DateTime(_) | Value::Offset(_) => match scalar_of(key) {
            Some(s) => {
                let quoted = Token::value(s).to_json(Formatting::None);
                quoted.map_or_else(|_| crate::text::to_text(key), |t| t.slice(1, t.len() - 2))
            }
            None => crate::text::to_text(key),
        },
        _ => crate::text::to_text(key),
    }
}

/// A matrix as nested rows.
fn rows(items: &[Value], lengths: &[usize]) -> Vec<Value> {
    match lengths {
        [] | [_] => items.to_vec(),
        [_, rest @ ..] => {
            let size: usize = rest.iter().product::<usize>().max(1);
            items
                .chunks(size)
                .map(|row| Value::array(Type::OBJECT, rows(row, rest)))
                .collect()
        }
    }
}

/// Objects with properties: every readable property of the type, in declaration order.
fn context_shape(vm: &mut Vm<'_>, v: &Value) -> Result<Shape, Thrown> {
    let ty = v.runtime_type();
    if types::enumerable_element(&ty).is_some() {
        let items = vm.collect(v)?;
        let pairs: Vec<_> = items.iter().filter_map(crate::lib::pair).collect();
        let is_dictionary = ty.def() == Some(types::DICTIONARY);
        if pairs.len() == items.len() && (is_dictionary || !pairs.is_empty()) {
            let named = pairs.into_iter().map(|(k, v)| (key_text(&k), v));
            return Ok(Shape::Members(named.collect()));
        }
        return Ok(Shape::Items(items));
    }
    let mut members = Vec::new();
    for t in crate::bind::member_types(&ty) {
        let Some(d) = t.def() else { continue };
        if d == types::OBJECT {
            continue;
        }
        for m in registry()
            .def(d)
            .of_kind(types::MemberKind::Property)
            .filter(|m| !m.is_static && m.constant.is_none())
        {
            let mut args = [v.clone()];
            let value = (m.get)(&mut crate::lib::Call {
                vm,
                args: &mut args,
                types: t.args(),
            })?;
            members.push((Str::new(&m.name), value));
        }
    }
    Ok(Shape::Members(members))
}

/// `JToken.FromObject`.
pub(crate) fn to_token(vm: &mut Vm<'_>, v: &Value) -> Result<Token, Thrown> {
    vm.check_stack()?;
    vm.step()?;
    vm.charge(64)?;
    Ok(match shape(vm, v)? {
        Shape::Scalar(s) => Token::value(s),
        Shape::Token(t) => {
            // Put into a tree it is copied when it stands in another.
            let mut pending = if t.is_container() && t.parent().is_some() {
                vec![t.clone()]
            } else {
                Vec::new()
            };
            while let Some(at) = pending.pop() {
                vm.step()?;
                vm.charge(128)?;
                pending.extend(at.children());
            }
            t
        }
        Shape::Members(members) => {
            let object = Token::object();
            for (name, value) in members {
                let token = to_token(vm, &value)?;
                object.set(&name, Some(&token))?;
            }
            object
        }
        Shape::Items(items) => {
            let array = Token::array();
            for item in items {
                let token = to_token(vm, &item)?;
                array.add(Some(&token))?;
            }
            array
        }
    })
}

/// `JsonSerializerSettings`, as far as they are read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub how: Formatting,
    /// `NullValueHandling.Ignore`: members that are null are left out.
    pub skip_nulls: bool,
}

/// `JsonConvert.SerializeObject`.
pub(crate) fn to_json(vm: &mut Vm<'_>, v: &Value, settings: Settings) -> Result<Str, Thrown> {
    let mut writer = JsonWriter::new(settings.how);
    write(vm, v, &mut writer, settings)?;
    Ok(writer.finish())
}

fn write(vm: &mut Vm<'_>, v: &Value, w: &mut JsonWriter, settings: Settings) -> Result<(), Thrown> {
    vm.check_stack()?;
    vm.step()?;
    match shape(vm, v)? {
        Shape::Scalar(s) => w.scalar(&s)?,
        Shape::Token(t) if t.token_type() == TokenType::Property => {
            return Err(Error::new(
                ExceptionKind::JsonWriterException,
                "Token PropertyName in state Property would result in an invalid JSON object. Path ''.",
            )
            .into());
        }
        Shape::Token(t) => w.token(&t)?,
        Shape::Members(members) => {
            w.open('{')?;
            for (name, value) in members {
                if settings.skip_nulls && value.is_null() {
                    continue;
                }
                vm.charge(name.len() + 8)?;
                w.name(&name);
                write(vm, &value, w, settings)?;
            }
            w.close();
        }
        Shape::Items(items) => {
            w.open('[')?;
            for item in items {
                write(vm, &item, w, settings)?;
            }
            w.close();
        }
    }
    Ok(())
}
