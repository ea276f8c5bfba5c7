//! `JsonConvert.SerializeObject`, `JToken.FromObject`, `ToObject<T>`: between values and JSON.

use gateway_dotnet::{
    Error, ExceptionKind, Str,
    json::{self, Formatting, JsonWriter, Scalar, Target, Token},
    time::DateTime,
};

use crate::{
    Value, cast,
    lib::{json_target, typed_scalar},
    object::Data,
    types::{self, Type, registry},
    vm::{Eval, Thrown, Vm},
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
            Shape::Members(pairs.map(|(k, v)| (crate::text::to_text(&k), v)).collect())
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
        if pairs.len() == items.len() && !pairs.is_empty() {
            return Ok(Shape::Members(
                pairs
                    .into_iter()
                    .map(|(k, v)| (crate::text::to_text(&k), v))
                    .collect(),
            ));
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
        Shape::Token(t) => t,
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

/// `JsonConvert.SerializeObject`.
pub(crate) fn to_json(vm: &mut Vm<'_>, v: &Value, how: Formatting) -> Result<Str, Thrown> {
    let mut writer = JsonWriter::new(how);
    write(vm, v, &mut writer)?;
    Ok(writer.finish())
}

fn write(vm: &mut Vm<'_>, v: &Value, w: &mut JsonWriter) -> Result<(), Thrown> {
    vm.check_stack()?;
    vm.step()?;
    match shape(vm, v)? {
        Shape::Scalar(s) => w.scalar(&s)?,
        Shape::Token(t) => w.token(&t)?,
        Shape::Members(members) => {
            w.open('{')?;
            for (name, value) in members {
                vm.charge(name.len() + 8)?;
                w.name(&name);
                write(vm, &value, w)?;
            }
            w.close();
        }
        Shape::Items(items) => {
            w.open('[')?;
            for item in items {
                write(vm, &item, w)?;
            }
            w.close();
        }
    }
    Ok(())
}

fn cannot(t: &Token, ty: &Type) -> Thrown {
    let message = format!(
        "Cannot deserialize the current JSON {} into type '{}' because the type requires a different JSON value to deserialize correctly.",
        t.token_type().name(),
        ty.net_name()
    );
    Error::new(ExceptionKind::JsonSerializationException, message).into()
}

/// `token.ToObject<T>()`.
pub(crate) fn from_token(vm: &mut Vm<'_>, t: &Token, ty: &Type, today: DateTime) -> Eval {
    vm.check_stack()?;
    vm.step()?;
    let value = Value::Json(t.clone());
    if let Some(d) = ty.def() {
        let token_type = types::is_subtype(&Type::Def(d), &Type::Def(types::JTOKEN));
        if token_type {
            if cast::is(&value, ty) {
                return Ok(value);
            }
            if t.scalar().is_some_and(|s| s.is_null()) {
                return Ok(Value::Null);
            }
            return Err(Error::cast(t.type_name(), &ty.net_name()).into());
        }
    }
    if ty.is_object() {
        return Ok(match t.scalar() {
            Some(s) => typed_scalar(&s),
            None => value,
        });
    }
    if let Some(s) = t.scalar() {
        return scalar_to(&s, t, ty, today);
    }
    container_to(vm, t, ty, today)
}

fn scalar_to(s: &Scalar, t: &Token, ty: &Type, today: DateTime) -> Eval {
    if s.is_null() {
        if ty.takes_null() {
            return Ok(Value::Null);
        }
        let message = format!(
            "Error converting value {{null}} to type '{}'. Path ''.",
            ty.net_name()
        );
        return Err(Error::new(ExceptionKind::JsonSerializationException, message).into());
    }
    if let Some(d) = ty
        .nullable_of()
        .unwrap_or(ty)
        .def()
        .filter(|_| ty.nullable_of().unwrap_or(ty).is_enum())
    {
        let def = registry().def(d);
        let text = s.to_text();
        let by_name = def
            .values
            .iter()
            .find(|(n, _)| text.as_str().is_some_and(|t| t.eq_ignore_ascii_case(n)));
        return match (s, by_name) {
            (Scalar::Integer(i), _) => Ok(Value::Enum(d, *i)),
            (_, Some((_, v))) => Ok(Value::Enum(d, *v)),
            _ => Err(cannot(t, ty)),
        };
    }
    let Some((target, _)) = json_target(ty) else {
        return Err(cannot(t, ty));
    };
    let converted = match (s, target) {
        // A boolean becomes the word as JSON has it only through ToString().
        (Scalar::Bool(_), Target::String) => Ok(Scalar::String(s.to_text())),
        _ => json::cast(t, target, today).or_else(|_| json::change_type(s, target, today)),
    };
    match converted {
        Ok(s) => Ok(crate::lib::typed_value(&s, target)),
        Err(e)
            if matches!(
                e.kind,
                ExceptionKind::FormatException
                    | ExceptionKind::InvalidCastException
                    | ExceptionKind::ArgumentException
                    | ExceptionKind::OverflowException
            ) =>
        {
            let message = format!(
                "Could not convert to {}: {}. Path '{}'.",
                target.name(),
                s.to_text().to_lossy(),
                t.path().to_lossy()
            );
            Err(Error::new(ExceptionKind::JsonReaderException, message).into())
        }
        Err(e) => Err(e.into()),
    }
}

fn container_to(vm: &mut Vm<'_>, t: &Token, ty: &Type, today: DateTime) -> Eval {
    if let Type::Array(element, 1) = ty {
        let items = items_to(vm, t, element, today)?;
        return Ok(Value::array((**element).clone(), items));
    }
    let (Some(d), args) = (ty.def(), ty.args()) else {
        return Err(cannot(t, ty));
    };
    let list = [
        types::LIST,
        types::ILIST_T,
        types::ICOLLECTION_T,
        types::IENUMERABLE_T,
        types::IREADONLY_LIST,
        types::IREADONLY_COLLECTION,
    ];
    if list.contains(&d) {
        let element = args.first().cloned().unwrap_or(Type::OBJECT);
        return Ok(Value::list(element.clone(), items_to(vm, t, &element, today)?));
    }
    if d == types::HASH_SET || d == types::ISET {
        let element = args.first().cloned().unwrap_or(Type::OBJECT);
        let items = items_to(vm, t, &element, today)?;
        let entries = items.into_iter().map(|k| (k, Value::Null)).collect();
        return Ok(crate::lib::make_table(
            Type::generic(types::HASH_SET, [element]),
            crate::equality::Comparer::Default,
            entries,
        ));
    }
    if [types::DICTIONARY, types::IDICTIONARY, types::IREADONLY_DICTIONARY].contains(&d) {
        let value_ty = args.get(1).cloned().unwrap_or(Type::OBJECT);
        let mut entries = Vec::new();
        for property in t.children() {
            let (Some(name), Some(value)) = (property.property_name(), property.property_value()) else {
                return Err(cannot(t, ty));
            };
            let key = scalar_to(
                &Scalar::String(name.clone()),
                &Token::value(Scalar::String(name)),
                &args[0],
                today,
            )?;
            entries.push((key, from_token(vm, &value, &value_ty, today)?));
        }
        return Ok(crate::lib::make_table(
            Type::generic(types::DICTIONARY, args.to_vec()),
            crate::equality::Comparer::Default,
            entries,
        ));
    }
    if d == types::STRING {
        let message = format!(
            "Unexpected character encountered while parsing value: {{. Path '{}'.",
            t.path().to_lossy()
        );
        return Err(Error::new(ExceptionKind::JsonReaderException, message).into());
    }
    Err(cannot(t, ty))
}

fn items_to(vm: &mut Vm<'_>, t: &Token, element: &Type, today: DateTime) -> Result<Vec<Value>, Thrown> {
    if t.token_type() != json::TokenType::Array {
        return Err(cannot(t, &Type::array(element.clone())));
    }
    let mut items = Vec::new();
    for child in t.children() {
        vm.charge(size_of::<Value>())?;
        items.push(from_token(vm, &child, element, today)?);
    }
    Ok(items)
}
