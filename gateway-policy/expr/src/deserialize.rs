//! From JSON to values: `token.ToObject<T>()` and `JsonConvert.DeserializeObject<T>(text)`.
//!
//! The two differ: text is read literally (numbers and dates keep their spelling until a type asks for
//! them), tokens have been read already.

use gateway_dotnet::{
    Error, ExceptionKind, Str,
    json::{self, Scalar, Target, Token, TokenType},
    time::DateTime,
};

use crate::{
    Value, cast,
    lib::{json_target, typed_scalar},
    types::{self, Type, registry},
    vm::{Eval, Thrown, Vm},
};

/// Where a token comes from, and what conversions need.
#[derive(Clone, Copy)]
struct Source {
    today: DateTime,
    /// The token was read literally.
    literal: bool,
}

fn serialization(message: String) -> Thrown {
    Error::new(ExceptionKind::JsonSerializationException, message).into()
}

fn cannot(t: &Token, ty: &Type) -> Thrown {
    serialization(format!(
        "Cannot deserialize the current JSON {} into type '{}' because the type requires a different JSON value to deserialize correctly.",
        t.token_type().name(),
        ty.net_name()
    ))
}

/// `token.ToObject<T>()`: a scalar is cast, everything else deserialized.
pub(crate) fn from_token(vm: &mut Vm<'_>, t: &Token, ty: &Type, today: DateTime) -> Eval {
    let plain = ty.nullable_of().unwrap_or(ty);
    if let (Some(d), Some(s)) = (plain.def().filter(|_| plain.is_enum()), t.scalar())
        && !s.is_null()
    {
        return enumeration(&s, t, ty, d).map_err(|_| {
            let message = format!("Could not convert '{}' to {plain}.", s.to_text().to_lossy());
            Error::new(ExceptionKind::ArgumentException, message).into()
        });
    }
    let primitive = !matches!(plain, Type::Array(..)) && !plain.is_enum();
    if primitive && let Some((target, nullable)) = json_target(ty) {
        let found = if nullable {
            json::cast_nullable(t, target, today)?
        } else {
            Some(json::cast(t, target, today)?)
        };
        return Ok(found.map_or(Value::Null, |s| crate::lib::typed_value(&s, target)));
    }
    let source = Source {
        today,
        literal: false,
    };
    read(vm, t, ty, source)
}

/// `JsonConvert.DeserializeObject<T>(text)`
pub(crate) fn from_text(vm: &mut Vm<'_>, text: &Str, ty: &Type, today: DateTime) -> Eval {
    let Some(token) = json::deserialize_literal(text).map_err(|e| cut_off(e, ty))? else {
        if ty.takes_null() {
            return Ok(Value::Null);
        }
        return Err(serialization(format!(
            "No JSON content found and type '{}' is not nullable. Path '', line 0, position 0.",
            ty.net_name()
        )));
    };
    let source = Source { today, literal: true };
    read(vm, &token, ty, source)
}

fn is_token(ty: &Type) -> bool {
    ty.def()
        .is_some_and(|d| types::is_subtype(&Type::Def(d), &Type::Def(types::JTOKEN)))
}

/// What a text that ends too early is, by what was wanted of it.
fn cut_off(mut e: Error, ty: &Type) -> Error {
    let ended = e.message.starts_with("Unexpected end");
    match e.kind {
        ExceptionKind::JsonSerializationException if ended && is_token(ty) => Error::new(
            ExceptionKind::JsonWriterException,
            "Unexpected end when reading token. Path ''.",
        ),
        ExceptionKind::JsonWriterException if ended && !is_token(ty) => {
            e.kind = ExceptionKind::JsonSerializationException;
            e.message = "Unexpected end when deserializing array. Path ''.".into();
            e
        }
        _ => e,
    }
}

fn read(vm: &mut Vm<'_>, t: &Token, ty: &Type, source: Source) -> Eval {
    vm.check_stack()?;
    vm.step()?;
    if is_token(ty) || ty.is_object() {
        let t = if source.literal {
            json::restore(t)?
        } else {
            t.clone()
        };
        return as_token(&t, ty);
    }
    if let Some(s) = t.scalar() {
        return scalar(&s, t, ty, source);
    }
    container(vm, t, ty, source)
}

/// A `JToken` type, or `object`.
fn as_token(t: &Token, ty: &Type) -> Eval {
    let value = Value::Json(t.clone());
    if ty.is_object() {
        return Ok(match t.scalar() {
            Some(s) => typed_scalar(&s),
            None => value,
        });
    }
    if cast::is(&value, ty) {
        return Ok(value);
    }
    if t.scalar().is_some_and(|s| s.is_null()) {
        return Ok(Value::Null);
    }
    Err(Error::cast(t.type_name(), &ty.net_name()).into())
}

fn is_blank(s: &Scalar) -> bool {
    matches!(s, Scalar::String(text) if text.is_empty())
}

fn scalar(s: &Scalar, t: &Token, ty: &Type, source: Source) -> Eval {
    let plain = ty.nullable_of().unwrap_or(ty);
    // The reader takes an empty string for no value where a number or date is wanted.
    let blank = source.literal && is_blank(s) && !plain.is_string() && !matches!(plain, Type::Array(..));
    if s.is_null() || blank {
        if ty.takes_null() {
            return Ok(Value::Null);
        }
        let message = format!(
            "Error converting value {{null}} to type '{}'. Path '{}'.",
            ty.net_name(),
            t.path().to_lossy()
        );
        return Err(serialization(message));
    }
    if let Some(d) = plain.def().filter(|_| plain.is_enum()) {
        return enumeration(s, t, ty, d);
    }
    let Some((target, _)) = json_target(ty) else {
        return Err(cannot(t, ty));
    };
    let converted = if source.literal {
        literal(s, target, source.today)
    } else if let (Scalar::Bool(_), Target::String) = (s, target) {
        Ok(Scalar::String(s.to_text()))
    } else {
        json::cast(t, target, source.today).or_else(|_| json::change_type(s, target, source.today))
    };
    match converted {
        Ok(s) => Ok(crate::lib::typed_value(&s, target)),
        Err(e) => Err(refused(&e, s, t, ty, target)),
    }
}

/// What the reader says where a conversion says that the text is wrong.
fn refused(e: &Error, s: &Scalar, t: &Token, ty: &Type, target: Target) -> Thrown {
    let text = s.to_text();
    let (text, path) = (text.to_lossy(), t.path());
    let path = path.to_lossy();
    // The reader itself knows only these; other types are converted behind it.
    let by_reader = matches!(
        target,
        Target::Integer(gateway_dotnet::number::IntType::Int32)
            | Target::Double
            | Target::Decimal
            | Target::Boolean
            | Target::DateTime
            | Target::DateTimeOffset
            | Target::String
    );
    match e.kind {
        ExceptionKind::JsonReaderException => e.clone().into(),
        _ if by_reader => {
            let message = format!("Could not convert to {}: {text}. Path '{path}'.", target.name());
            Error::new(ExceptionKind::JsonReaderException, message).into()
        }
        ExceptionKind::FormatException
        | ExceptionKind::InvalidCastException
        | ExceptionKind::ArgumentException
        | ExceptionKind::OverflowException => serialization(format!(
            "Error converting value {text} to type '{}'. Path '{path}'.",
            ty.net_name()
        )),
        _ => e.clone().into(),
    }
}

/// A scalar as written, converted as the reader's `ReadAs…` methods do.
fn literal(s: &Scalar, target: Target, today: DateTime) -> Result<Scalar, Error> {
    use gateway_dotnet::number::IntType;
    let text = |s: &Scalar| match s {
        Scalar::Raw(text) => text.clone(),
        Scalar::Bool(b) => Str::from_static(if *b { "true" } else { "false" }),
        other => other.to_text(),
    };
    match (target, s) {
        (Target::String, s) => Ok(Scalar::String(text(s))),
        (Target::Integer(IntType::Int32), Scalar::Raw(raw)) => Err(Error::new(
            ExceptionKind::JsonReaderException,
            format!("Input string '{}' is not a valid integer.", raw.to_lossy()),
        )),
        (Target::Decimal, Scalar::Raw(raw)) => {
            let styles = gateway_dotnet::number::NumberStyles(167);
            gateway_dotnet::number::parse_decimal(&raw.to_lossy(), styles).map(Scalar::Decimal)
        }
        (Target::DateTimeOffset | Target::DateTime, Scalar::String(_)) => {
            let token = Token::value(s.clone());
            json::cast(&token, target, today)
        }
        _ => {
            let token = json::restore(&Token::value(s.clone()))?;
            let restored = token.scalar().unwrap_or(Scalar::Null);
            match (target, &restored) {
                (Target::Bytes | Target::Guid | Target::TimeSpan | Target::Uri, _) => {
                    json::cast(&token, target, today)
                }
                _ => {
                    json::cast(&token, target, today).or_else(|_| json::change_type(&restored, target, today))
                }
            }
        }
    }
}

fn enumeration(s: &Scalar, t: &Token, ty: &Type, d: types::DefId) -> Eval {
    let text = s.to_text();
    let by_name = registry()
        .def(d)
        .values
        .iter()
        .find(|(n, _)| text.as_str().is_some_and(|t| t.eq_ignore_ascii_case(n)));
    match (s, by_name) {
        (Scalar::Integer(i), _) => Ok(Value::Enum(d, *i)),
        (_, Some((_, v))) => Ok(Value::Enum(d, *v)),
        _ => Err(cannot(t, ty)),
    }
}

/// Types that a JSON array fills as a list.
const LISTS: &[types::DefId] = &[
    types::LIST,
    types::ILIST_T,
    types::ICOLLECTION_T,
    types::IENUMERABLE_T,
    types::IREADONLY_LIST,
    types::IREADONLY_COLLECTION,
];

const DICTIONARIES: &[types::DefId] = &[types::DICTIONARY, types::IDICTIONARY, types::IREADONLY_DICTIONARY];

fn container(vm: &mut Vm<'_>, t: &Token, ty: &Type, source: Source) -> Eval {
    if let Type::Array(element, 1) = ty {
        let items = items(vm, t, element, source)?;
        return Ok(Value::array((**element).clone(), items));
    }
    if let Type::Tuple(parts, _) = ty {
        return tuple(vm, t, ty, parts, source);
    }
    if let Type::Anon(members, _) = ty {
        return anonymous(vm, t, ty, members, source);
    }
    let (Some(d), args) = (ty.def(), ty.args()) else {
        return Err(cannot(t, ty));
    };
    let element = args.first().cloned().unwrap_or(Type::OBJECT);
    if LISTS.contains(&d) {
        return Ok(Value::list(element.clone(), items(vm, t, &element, source)?));
    }
    if d == types::HASH_SET || d == types::ISET {
        let items = items(vm, t, &element, source)?;
        let entries = items.into_iter().map(|k| (k, Value::Null)).collect();
        let ty = Type::generic(types::HASH_SET, [element]);
        return Ok(crate::lib::make_table(
            ty,
            crate::equality::Comparer::Default,
            entries,
        ));
    }
    if DICTIONARIES.contains(&d) {
        return dictionary(vm, t, ty, args, source);
    }
    if d == types::KEY_VALUE_PAIR && args.len() == 2 {
        let key = member(vm, t, "Key", &args[0], source)?;
        let value = member(vm, t, "Value", &args[1], source)?;
        return Ok(Value::object(ty.clone(), crate::object::Data::Pair(key, value)));
    }
    if registry().def(d).full.starts_with("System.Tuple`") {
        return tuple(vm, t, ty, args, source);
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

/// A member of an object by its name, case-insensitively; missing is the default.
fn member(vm: &mut Vm<'_>, t: &Token, name: &str, ty: &Type, source: Source) -> Eval {
    let comparison = gateway_dotnet::text::StringComparison::OrdinalIgnoreCase;
    match t.get_with(&Str::new(name), comparison) {
        Some(found) => read(vm, &found, ty, source),
        None => Ok(cast::default_value(ty)),
    }
}

fn tuple(vm: &mut Vm<'_>, t: &Token, ty: &Type, parts: &[Type], source: Source) -> Eval {
    if t.token_type() != TokenType::Object {
        return Err(cannot(t, ty));
    }
    let mut items = Vec::with_capacity(parts.len());
    for (i, part) in parts.iter().enumerate() {
        items.push(member(vm, t, &format!("Item{}", i + 1), part, source)?);
    }
    let data = crate::object::Data::Tuple(std::cell::RefCell::new(items));
    Ok(Value::object(ty.clone(), data))
}

fn anonymous(vm: &mut Vm<'_>, t: &Token, ty: &Type, members: &[(Box<str>, Type)], source: Source) -> Eval {
    if t.token_type() != TokenType::Object {
        return Err(cannot(t, ty));
    }
    let mut items = Vec::with_capacity(members.len());
    for (name, part) in members {
        items.push(member(vm, t, name, part, source)?);
    }
    Ok(Value::object(ty.clone(), crate::object::Data::Anon(items)))
}

fn dictionary(vm: &mut Vm<'_>, t: &Token, ty: &Type, args: &[Type], source: Source) -> Eval {
    let value_ty = args.get(1).cloned().unwrap_or(Type::OBJECT);
    let mut entries = Vec::new();
    for property in t.children() {
        let (Some(name), Some(value)) = (property.property_name(), property.property_value()) else {
            return Err(cannot(t, ty));
        };
        let text = Scalar::String(name.clone());
        let key = scalar(&text, &Token::value(text.clone()), &args[0], source).map_err(|_| {
            serialization(format!(
                "Could not convert string '{}' to dictionary key type '{}'. Create a TypeConverter to convert from the string to the key type object. Path '{}'.",
                name.to_lossy(),
                args[0].net_name(),
                property.path().to_lossy()
            ))
        })?;
        vm.charge(3 * size_of::<Value>())?;
        entries.push((key, read(vm, &value, &value_ty, source)?));
    }
    Ok(crate::lib::make_table(
        Type::generic(types::DICTIONARY, args.to_vec()),
        crate::equality::Comparer::Default,
        entries,
    ))
}

fn items(vm: &mut Vm<'_>, t: &Token, element: &Type, source: Source) -> Result<Vec<Value>, Thrown> {
    if t.token_type() != TokenType::Array {
        return Err(cannot(t, &Type::array(element.clone())));
    }
    let mut items = Vec::new();
    for child in t.children() {
        vm.charge(size_of::<Value>())?;
        items.push(read(vm, &child, element, source)?);
    }
    Ok(items)
}
