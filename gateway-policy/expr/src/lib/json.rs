//! Newtonsoft.Json: LINQ to JSON and `JsonConvert`.

use gateway_dotnet::{
    Error, ExceptionKind, Str,
    json::{self, Formatting, MergeArrays, MergeSettings, Scalar, Target, Token, TokenType},
    number::IntType,
};

use super::{
    Call, Decl,
    Entry::{Get, Set},
    Verdict, all,
    base::{self, comparison},
    call::text,
    none, only, values,
};
use crate::{
    Value,
    cast::{self, default_value},
    deserialize::{from_text, from_token},
    object::Data,
    serialize::{Settings, scalar_of, to_token},
    types::{self, Num, Type},
    vm::{Eval, Thrown, Vm},
};

/// The value of a scalar as .NET boxes it.
pub(crate) fn scalar_value(s: &Scalar) -> Value {
    match s {
        Scalar::Null | Scalar::NullString | Scalar::Undefined => Value::Null,
        Scalar::Bool(b) => Value::Bool(*b),
        Scalar::Integer(i) => Value::Long(*i),
        Scalar::Big(_) => big(s),
        Scalar::Float(f) => Value::Double(*f),
        Scalar::Single(f) => Value::Float(*f),
        Scalar::Decimal(d) => Value::Decimal(*d),
        Scalar::String(t) | Scalar::Comment(t) | Scalar::Raw(t) | Scalar::Uri(t) => Value::Str(t.clone()),
        Scalar::Date(d) => Value::DateTime(*d),
        Scalar::DateOffset(d) => Value::Offset(*d),
        Scalar::Bytes(b) => Value::bytes(b.to_vec()),
        Scalar::Guid(g) => Value::Guid(*g),
        Scalar::TimeSpan(t) => Value::TimeSpan(*t),
    }
}

/// A big integer as an object: policies can only write it out.
struct Big(Scalar);

/// A `System.Numerics.BigInteger`.
fn big(number: &Scalar) -> Value {
    let ty = types::registry()
        .type_named("System.Numerics.BigInteger")
        .unwrap_or(Type::OBJECT);
    Value::object(ty, Data::Native(Box::new(Big(number.clone()))))
}

/// `ToString()` of a big integer.
pub(super) fn native_text(o: &crate::object::Object) -> Option<Str> {
    Some(o.native::<Big>()?.0.to_text())
}

/// A token or null.
fn token(t: Option<Token>) -> Eval {
    Ok(t.map_or(Value::Null, Value::Json))
}

fn opt_json(c: &Call<'_, '_>, i: usize) -> Option<Token> {
    match c.arg(i) {
        Value::Json(t) => Some(t.clone()),
        _ => None,
    }
}

// ---- indexers

fn index_get(c: &mut Call<'_, '_>) -> Eval {
    let t = c.json(0)?;
    match c.arg(1) {
        Value::Str(name) => token(t.index_name(name)?),
        Value::Int(i) => Ok(Value::Json(t.index_number(*i)?)),
        Value::Null => Err(Error::null("key").into()),
        other => Err(t.bad_key(&crate::text::to_text(other).to_lossy()).into()),
    }
}

/// Refuses to build below the depth at which trees can still be written: adding walks up to the root.
fn shallow(t: &Token) -> Result<(), Thrown> {
    let mut at = t.clone();
    for _ in 0..json::MAX_DEPTH {
        match at.parent() {
            Some(parent) => at = parent,
            None => return Ok(()),
        }
    }
    Err(Thrown::Budget("depth of JSON"))
}

/// Counts the nodes of a tree that is about to be copied.
fn charge_copy(vm: &mut Vm<'_>, of: &Token) -> Result<(), Thrown> {
    let mut pending = vec![of.clone()];
    while let Some(at) = pending.pop() {
        vm.step()?;
        vm.charge(128)?;
        if at.is_container() {
            pending.extend(at.children());
        }
    }
    Ok(())
}

/// Counts what adding `new` to `target` copies: a token that stands somewhere already, or the target's own tree.
fn charge_added(vm: &mut Vm<'_>, target: &Token, new: Option<&Token>) -> Result<(), Thrown> {
    match new {
        Some(t) if t.is_container() && (t.parent().is_some() || t.ptr_eq(&target.root())) => {
            charge_copy(vm, t)
        }
        _ => Ok(()),
    }
}

fn index_set(c: &mut Call<'_, '_>) -> Eval {
    let t = c.json(0)?;
    shallow(&t)?;
    c.vm.charge(128)?;
    let value = opt_json(c, 2);
    charge_added(c.vm, &t, value.as_ref())?;
    match c.arg(1) {
        Value::Str(name) => t.set(name, value.as_ref())?,
        Value::Int(i) => t.set_at(*i, value.as_ref())?,
        Value::Null => return Err(Error::null("key").into()),
        other => return Err(t.bad_key(&crate::text::to_text(other).to_lossy()).into()),
    }
    Ok(Value::Null)
}

// ---- casts

/// The cast target of a type, with whether null is one of its values.
pub(crate) fn target_of(ty: &Type) -> Option<(Target, bool)> {
    let inner = ty.nullable_of().unwrap_or(ty);
    let nullable = ty.nullable_of().is_some();
    let target = match inner {
        Type::Def(types::BOOL) => Target::Boolean,
        Type::Def(types::STRING) => return Some((Target::String, true)),
        Type::Def(types::DATE_TIME) => Target::DateTime,
        Type::Def(types::DATE_TIME_OFFSET) => Target::DateTimeOffset,
        Type::Def(types::GUID) => Target::Guid,
        Type::Def(types::TIME_SPAN) => Target::TimeSpan,
        Type::Def(types::URI) => return Some((Target::Uri, true)),
        Type::Array(of, 1) if of.is_def(types::BYTE) => return Some((Target::Bytes, true)),
        other => match other.num()? {
            Num::Float => Target::Single,
            Num::Double => Target::Double,
            Num::Decimal => Target::Decimal,
            n => Target::Integer(int_type(n)?),
        },
    };
    Some((target, nullable))
}

fn int_type(n: Num) -> Option<IntType> {
    Some(match n {
        Num::SByte => IntType::SByte,
        Num::Byte => IntType::Byte,
        Num::Short => IntType::Int16,
        Num::UShort => IntType::UInt16,
        Num::Int => IntType::Int32,
        Num::UInt => IntType::UInt32,
        Num::Long => IntType::Int64,
        Num::ULong => IntType::UInt64,
        Num::Char => IntType::Char,
        _ => return None,
    })
}

/// A converted scalar as a value of the target type.
pub(crate) fn typed(s: &Scalar, target: Target) -> Value {
    match (target, s) {
        (_, Scalar::Null | Scalar::NullString | Scalar::Undefined) => Value::Null,
        (Target::Integer(kind), Scalar::Integer(i)) => super::numbers::wrap_integer(kind, i128::from(*i)),
        (Target::Integer(kind), Scalar::Big(b)) => {
            super::numbers::wrap_integer(kind, i128::try_from(&**b).unwrap_or(0))
        }
        (Target::Uri, Scalar::Uri(s) | Scalar::String(s)) => crate::lib::make_uri(s),
        _ => scalar_value(s),
    }
}

fn explicit(c: &mut Call<'_, '_>, target: Target, nullable: bool) -> Eval {
    let today = super::time::today(c);
    let Value::Json(t) = c.arg(0) else {
        return if nullable {
            Ok(Value::Null)
        } else {
            Err(Error::null("value").into())
        };
    };
    if nullable {
        return Ok(json::cast_nullable(t, target, today)?.map_or(Value::Null, |s| typed(&s, target)));
    }
    Ok(typed(&json::cast(t, target, today)?, target))
}

/// The conversion of a value to `T`, as `Value<T>` does it.
fn convert_to(c: &mut Call<'_, '_>, t: Option<Token>, ty: &Type) -> Eval {
    let today = super::time::today(c);
    let Some(t) = t else { return Ok(default_value(ty)) };
    let value = Value::Json(t.clone());
    if cast::is(&value, ty) {
        return Ok(value);
    }
    let Some(scalar) = t.scalar() else {
        let message = format!("Cannot cast {} to Newtonsoft.Json.Linq.JToken.", t.type_name());
        let message = if ty.def() == Some(types::JVALUE) {
            message
        } else {
            format!("Cannot cast {} to {}.", t.type_name(), ty.net_name())
        };
        return Err(Error::new(ExceptionKind::InvalidCastException, message).into());
    };
    match target_of(ty) {
        Some((target, nullable)) => {
            if scalar.is_null() {
                let keeps = nullable || ty.takes_null();
                if keeps {
                    return Ok(Value::Null);
                }
            }
            Ok(typed(&json::change_type(&scalar, target, today)?, target))
        }
        None => cast::cast(scalar_value(&scalar), ty),
    }
}

fn value_of_key(c: &mut Call<'_, '_>) -> Eval {
    let t = c.json(0)?;
    let found = match c.arg(1) {
        Value::Str(name) => t.index_name(name)?,
        Value::Int(i) => Some(t.index_number(*i)?),
        Value::Null => return Err(Error::null("key").into()),
        other => return Err(t.bad_key(&crate::text::to_text(other).to_lossy()).into()),
    };
    let ty = c.ty(0);
    convert_to(c, found, &ty)
}

/// `Extensions.Value<U>(this IEnumerable<JToken>)`: the source must be a token.
fn extension_value(c: &mut Call<'_, '_>) -> Eval {
    let Value::Json(t) = c.arg(0).clone() else {
        if c.arg(0).is_null() {
            return Err(Error::null("value").into());
        }
        return Err(Error::argument("source", "Source value must be a JToken.").into());
    };
    let ty = c.types.last().cloned().unwrap_or(Type::OBJECT);
    convert_to(c, Some(t), &ty)
}

/// `Extensions.Values(…)`
fn extension_values(c: &mut Call<'_, '_>) -> Eval {
    let key = if c.args.len() > 1 {
        Some(c.arg(1).clone())
    } else {
        None
    };
    let ty = c.types.last().cloned().unwrap_or(Type::Def(types::JTOKEN));
    let mut out = Vec::new();
    for item in c.sequence(0, "source")? {
        let Value::Json(t) = item else { continue };
        match &key {
            Some(Value::Str(name)) => {
                if let Some(found) = t.index_name(name)? {
                    out.push(convert_to(c, Some(found), &ty)?);
                }
            }
            Some(Value::Int(i)) => {
                let found = t.index_number(*i)?;
                out.push(convert_to(c, Some(found), &ty)?);
            }
            _ if t.scalar().is_some() => out.push(convert_to(c, Some(t), &ty)?),
            _ => {
                let children = t
                    .property_value()
                    .filter(|v| v.scalar().is_some())
                    .map_or_else(|| t.children(), |v| vec![v]);
                for child in children {
                    let child = child.property_value().unwrap_or(child);
                    out.push(convert_to(c, Some(child), &ty)?);
                }
            }
        }
    }
    if ty.is_def(types::JTOKEN) {
        return tokens_of(ty, out);
    }
    Ok(Value::sequence(ty, out))
}

fn children_values(c: &mut Call<'_, '_>) -> Eval {
    let t = c.json(0)?;
    let ty = c.types.last().cloned().unwrap_or(Type::OBJECT);
    let mut out = Vec::new();
    for child in t.children() {
        out.push(convert_to(c, Some(child), &ty)?);
    }
    let name = format!(
        "Newtonsoft.Json.Linq.Extensions+<Convert>d__14`2[Newtonsoft.Json.Linq.JToken,{}]",
        ty.net_name()
    );
    named_items(ty, name, out)
}

// ---- tree walking

fn property_name(c: &mut Call<'_, '_>) -> Eval {
    Ok(c.json(0)?.property_name().map_or(Value::Null, Value::Str))
}

fn type_of(c: &mut Call<'_, '_>) -> Eval {
    let def = types::registry()
        .by_full_name("Newtonsoft.Json.Linq.JTokenType")
        .unwrap_or(types::OBJECT);
    let n = match c.json(0)?.token_type() {
        TokenType::None => 0,
        TokenType::Object => 1,
        TokenType::Array => 2,
        TokenType::Constructor => 3,
        TokenType::Property => 4,
        TokenType::Comment => 5,
        TokenType::Integer => 6,
        TokenType::Float => 7,
        TokenType::String => 8,
        TokenType::Boolean => 9,
        TokenType::Null => 10,
        TokenType::Undefined => 11,
        TokenType::Date => 12,
        TokenType::Raw => 13,
        TokenType::Bytes => 14,
        TokenType::Guid => 15,
        TokenType::Uri => 16,
        TokenType::TimeSpan => 17,
    };
    Ok(Value::Enum(def, n))
}

fn formatting(c: &Call<'_, '_>, i: usize) -> Formatting {
    match c.arg(i) {
        Value::Enum(_, 0) => Formatting::None,
        _ => Formatting::Indented,
    }
}

fn token_text(c: &mut Call<'_, '_>) -> Eval {
    let t = c.json(0)?;
    let s = if c.args.len() > 1 {
        t.to_json(formatting(c, 1))?
    } else {
        t.to_text()?
    };
    c.vm.charge(s.len())?;
    text(s)
}

/// What the path of argument 1 finds; looking is work.
fn selected(c: &mut Call<'_, '_>) -> Result<Vec<Token>, Thrown> {
    let strict = matches!(c.arg(2), Value::Bool(true));
    let mut spent = 0;
    let list = json::select_tokens_counted(&c.json(0)?, &c.text(1, "path")?, strict, &mut spent);
    c.vm.spend(spent)?;
    Ok(list?)
}

fn select(c: &mut Call<'_, '_>) -> Eval {
    token(json::one(selected(c)?)?)
}

fn select_all(c: &mut Call<'_, '_>) -> Eval {
    let list = selected(c)?;
    found(
        list,
        "Newtonsoft.Json.Linq.JsonPath.FieldFilter+<ExecuteFilter>d__4",
    )
}

fn siblings(c: &mut Call<'_, '_>, after: bool) -> Eval {
    let mut at = c.json(0)?;
    let mut list = Vec::new();
    while let Some(next) = if after { at.next() } else { at.previous() } {
        list.push(next.clone());
        at = next;
    }
    if !after {
        list.reverse();
        return found(list, "Newtonsoft.Json.Linq.JToken+<BeforeSelf>d__50");
    }
    found(list, "Newtonsoft.Json.Linq.JToken+<AfterSelf>d__49")
}

fn descendants(c: &mut Call<'_, '_>, with_self: bool) -> Eval {
    let t = c.json(0)?;
    let mut list = t.descendants();
    c.vm.charge(list.len() * size_of::<Value>())?;
    if with_self {
        list.insert(0, t);
    }
    found(list, "Newtonsoft.Json.Linq.JContainer+<GetDescendants>d__36")
}

fn ancestors(c: &mut Call<'_, '_>, with_self: bool) -> Eval {
    let t = c.json(0)?;
    let mut list = t.ancestors();
    if with_self {
        list.insert(0, t);
    }
    found(list, "Newtonsoft.Json.Linq.JToken+<GetAncestors>d__48")
}

// ---- building

/// The tokens that content given to a constructor or `Add` stands for.
fn content(c: &mut Call<'_, '_>, v: &Value, out: &mut Vec<Option<Token>>) -> Result<(), Thrown> {
    let many = match v {
        Value::Object(o) => {
            matches!(
                o.data,
                Data::Array(_) | Data::List(_) | Data::Sequence(_) | Data::Table(_) | Data::Group(..)
            )
        }
        _ => false,
    };
    if many {
        let items = c.vm.collect(v)?;
        for item in items {
            content(c, &item, out)?;
        }
        return Ok(());
    }
    out.push(match v {
        Value::Null => None,
        Value::Json(t) => Some(t.clone()),
        other => match scalar_of(other) {
            Some(s) => Some(Token::value(s)),
            None => {
                let name = other.type_name().unwrap_or_default();
                let message = format!("Could not determine JSON object type for type {name}.");
                return Err(Error::new(ExceptionKind::ArgumentException, message).into());
            }
        },
    });
    Ok(())
}

fn add_content(c: &mut Call<'_, '_>, target: &Token, from: usize) -> Result<(), Thrown> {
    let values: Vec<Value> = c.args[from.min(c.args.len())..].to_vec();
    let mut list = Vec::new();
    for v in &values {
        // `params object[]`: one array is the list of contents.
        content(c, v, &mut list)?;
    }
    shallow(target)?;
    c.vm.charge(list.len() * 64)?;
    for t in list {
        charge_added(c.vm, target, t.as_ref())?;
        target.add(t.as_ref())?;
    }
    Ok(())
}

fn new_object(c: &mut Call<'_, '_>) -> Eval {
    let t = Token::object();
    c.vm.charge(64)?;
    if let Value::Json(other) = c.arg(0)
        && other.token_type() == TokenType::Object
    {
        let other = other.clone();
        charge_copy(c.vm, &other)?;
        return Ok(Value::Json(other.deep_clone()?));
    }
    add_content(c, &t, 0)?;
    Ok(Value::Json(t))
}

fn new_array(c: &mut Call<'_, '_>) -> Eval {
    let t = Token::array();
    c.vm.charge(64)?;
    add_content(c, &t, 0)?;
    Ok(Value::Json(t))
}

/// `new JArray(JArray other)` copies.
fn copy(c: &mut Call<'_, '_>) -> Eval {
    match c.arg(0).clone() {
        Value::Json(t) => {
            charge_copy(c.vm, &t)?;
            Ok(Value::Json(t.deep_clone()?))
        }
        _ => Err(Error::null("other").into()),
    }
}

fn new_property(c: &mut Call<'_, '_>) -> Eval {
    let name = c.text(0, "name")?;
    c.vm.charge(64)?;
    let v = c.arg(1).clone();
    let mut list = Vec::new();
    content(c, &v, &mut list)?;
    let many = matches!(&v, Value::Object(o) if !matches!(o.data, Data::Native(_) | Data::Bytes(_)));
    let value = if many {
        let array = Token::array();
        for t in list {
            charge_added(c.vm, &array, t.as_ref())?;
            array.add(t.as_ref())?;
        }
        Some(array)
    } else {
        list.pop().flatten()
    };
    if value
        .as_ref()
        .is_some_and(|t| t.token_type() == TokenType::Property)
    {
        let message = "Can not add Newtonsoft.Json.Linq.JProperty to Newtonsoft.Json.Linq.JProperty.";
        return Err(Error::new(ExceptionKind::ArgumentException, message).into());
    }
    Ok(Value::Json(Token::property(name, value.as_ref())))
}

fn new_value(c: &mut Call<'_, '_>) -> Eval {
    let s = match c.arg(0) {
        Value::Json(t) => t.scalar(),
        v => scalar_of(v),
    };
    match s {
        Some(s) => Ok(Value::Json(Token::value(s))),
        None => {
            let name = c.arg(0).type_name().unwrap_or_default();
            let message = format!("Could not determine JSON object type for type {name}.");
            Err(Error::new(ExceptionKind::ArgumentException, message).into())
        }
    }
}

/// From an object: a boxed character has no JSON type.
fn new_object_value(c: &mut Call<'_, '_>) -> Eval {
    if matches!(c.arg(0), Value::Char(_)) {
        let message = "Could not determine JSON object type for type System.Char.";
        return Err(Error::new(ExceptionKind::ArgumentException, message).into());
    }
    new_value(c)
}

fn new_constructor(c: &mut Call<'_, '_>) -> Eval {
    let t = Token::constructor(c.text(0, "name")?);
    add_content(c, &t, 1)?;
    Ok(Value::Json(t))
}

/// `tokens[key]` of a sequence: the member of each.
fn index_each(c: &mut Call<'_, '_>) -> Eval {
    let key = c.arg(1).clone();
    let mut list = Vec::new();
    for item in c.sequence(0, "source")? {
        if let Value::Json(t) = item {
            match &key {
                Value::Str(name) => list.extend(t.index_name(name)?),
                Value::Int(i) => list.push(t.index_number(*i)?),
                other => return Err(t.bad_key(&crate::text::to_text(other).to_lossy()).into()),
            }
        }
    }
    tokens(list)
}

/// From a string: a null one keeps the type String.
fn new_text(c: &mut Call<'_, '_>) -> Eval {
    Ok(Value::Json(Token::value(match c.arg(0) {
        Value::Str(s) => Scalar::String(s.clone()),
        _ => Scalar::NullString,
    })))
}

fn add(c: &mut Call<'_, '_>) -> Eval {
    let t = c.json(0)?;
    add_content(c, &t, 1)?;
    Ok(Value::Null)
}

fn add_named(c: &mut Call<'_, '_>) -> Eval {
    let (t, name, value) = (c.json(0)?, c.text(1, "propertyName")?, opt_json(c, 2));
    c.vm.charge(64)?;
    shallow(&t)?;
    charge_added(c.vm, &t, value.as_ref())?;
    t.add_property(&name, value.as_ref())?;
    Ok(Value::Null)
}

fn add_first(c: &mut Call<'_, '_>) -> Eval {
    let t = c.json(0)?;
    let v = c.arg(1).clone();
    let mut list = Vec::new();
    content(c, &v, &mut list)?;
    for (i, item) in list.into_iter().enumerate() {
        charge_added(c.vm, &t, item.as_ref())?;
        t.insert(i, item.as_ref())?;
    }
    Ok(Value::Null)
}

fn one_content(c: &mut Call<'_, '_>, i: usize) -> Result<Vec<Option<Token>>, Thrown> {
    let (v, beside) = (c.arg(i).clone(), c.json(0)?);
    let mut list = Vec::new();
    content(c, &v, &mut list)?;
    shallow(&beside)?;
    for t in &list {
        c.vm.charge(64)?;
        charge_added(c.vm, &beside, t.as_ref())?;
    }
    Ok(list)
}

fn remove_named(c: &mut Call<'_, '_>) -> Eval {
    let t = c.json(0)?;
    Ok(Value::Bool(match c.opt_str(1) {
        Some(name) => t.remove_property(&name)?,
        None => false,
    }))
}

fn get_value(c: &mut Call<'_, '_>) -> Eval {
    let t = c.json(0)?;
    let Some(name) = c.opt_str(1) else {
        return Ok(Value::Null);
    };
    token(match c.args.len() {
        2 => t.get(&name),
        _ => t.get_with(&name, comparison(c, 2)?),
    })
}

fn try_get_value(c: &mut Call<'_, '_>) -> Eval {
    let t = c.json(0)?;
    let last = c.args.len() - 1;
    let found = match c.opt_str(1) {
        Some(name) if last == 3 => t.get_with(&name, comparison(c, 2)?),
        Some(name) => t.get(&name),
        None => None,
    };
    let ok = found.is_some();
    c.out(last, found.map_or(Value::Null, Value::Json));
    Ok(Value::Bool(ok))
}

fn contains_key(c: &mut Call<'_, '_>) -> Eval {
    Ok(Value::Bool(
        c.json(0)?.find_property(&c.text(1, "propertyName")?).is_some(),
    ))
}

fn properties(c: &mut Call<'_, '_>) -> Eval {
    let element = Type::Def(types::JPROPERTY);
    let sequence = Children {
        of: c.json(0)?,
        only: None,
        name: Some("System.Linq.Enumerable+<CastIterator>d__63`1[Newtonsoft.Json.Linq.JProperty]".to_owned()),
    };
    Ok(Value::object(
        Type::enumerable(element),
        Data::Sequence(Box::new(sequence)),
    ))
}

fn merge(c: &mut Call<'_, '_>) -> Eval {
    let t = c.json(0)?;
    let settings = match c.arg(2) {
        Value::Object(o) => o
            .native::<std::cell::RefCell<MergeSettings>>()
            .map(|s| *s.borrow())
            .unwrap_or_default(),
        _ => MergeSettings::default(),
    };
    // Only tokens (and sequences into arrays) have content to merge.
    let Value::Json(other) = c.arg(1).clone() else {
        return Ok(Value::Null);
    };
    charge_copy(c.vm, &other)?;
    t.merge(&other, settings)?;
    Ok(Value::Null)
}

fn item_arg(c: &mut Call<'_, '_>, i: usize) -> Token {
    opt_json(c, i).unwrap_or_else(Token::null)
}

// ---- parse and serialize

fn charge_text(c: &mut Call<'_, '_>, s: &Str) -> Result<(), Thrown> {
    c.vm.charge(s.len().saturating_mul(4))
}

fn parse(c: &mut Call<'_, '_>, f: fn(&Str) -> Result<Token, Error>) -> Eval {
    let s = c.text(0, "s")?;
    charge_text(c, &s)?;
    Ok(Value::Json(f(&s)?))
}

fn from_object(c: &mut Call<'_, '_>, wanted: Option<TokenType>) -> Eval {
    let v = c.take(0);
    if v.is_null() {
        return Err(Error::null("o").into());
    }
    let t = to_token(c.vm, &v)?;
    match wanted {
        Some(kind) if t.token_type() != kind => {
            let message = match kind {
                TokenType::Object => format!(
                    "Object serialized to {}. JObject instance expected.",
                    t.token_type().name()
                ),
                _ => format!(
                    "Object serialized to {}. JArray instance expected.",
                    t.token_type().name()
                ),
            };
            Err(Error::new(ExceptionKind::ArgumentException, message).into())
        }
        _ => Ok(Value::Json(t)),
    }
}

fn to_object(c: &mut Call<'_, '_>) -> Eval {
    let (t, ty) = (c.json(0)?, c.ty(0));
    let today = super::time::today(c);
    from_token(c.vm, &t, &ty, today)
}

fn to_object_typed(c: &mut Call<'_, '_>) -> Eval {
    let t = c.json(0)?;
    let Value::Type(ty) = c.arg(1).clone() else {
        return Err(Error::null("objectType").into());
    };
    let today = super::time::today(c);
    from_token(c.vm, &t, &ty, today)
}

/// Settings of their own defaults.
const PLAIN: Settings = Settings {
    how: Formatting::None,
    skip_nulls: false,
};

fn formatting_of(n: i64) -> Formatting {
    if n == 1 {
        Formatting::Indented
    } else {
        Formatting::None
    }
}

/// Reads or changes the settings that are the receiver.
fn settings(c: &Call<'_, '_>, change: impl FnOnce(&mut Settings)) -> Result<Settings, Thrown> {
    match c.arg(0) {
        Value::Object(o) => match o.native::<std::cell::Cell<Settings>>() {
            Some(cell) => {
                let mut now = cell.get();
                change(&mut now);
                cell.set(now);
                Ok(now)
            }
            None => Err(Error::null_reference().into()),
        },
        _ => Err(Error::null_reference().into()),
    }
}

fn enum_value(name: &str, n: i64) -> Value {
    let def = types::registry().by_full_name(name).unwrap_or(types::OBJECT);
    Value::Enum(def, n)
}

fn serialize(c: &mut Call<'_, '_>) -> Eval {
    let v = c.take(0);
    let mut settings = PLAIN;
    for arg in c.args.iter().skip(1) {
        match arg {
            Value::Enum(_, n) => settings.how = formatting_of(*n),
            Value::Object(o) => {
                if let Some(given) = o.native::<std::cell::Cell<Settings>>() {
                    let explicit = settings.how;
                    settings = given.get();
                    if c.args.len() > 2 {
                        settings.how = explicit;
                    }
                }
            }
            _ => {}
        }
    }
    let s = crate::serialize::to_json(c.vm, &v, settings)?;
    c.vm.charge(s.len())?;
    text(s)
}

fn deserialize(c: &mut Call<'_, '_>) -> Eval {
    let s = c.text(0, "value")?;
    charge_text(c, &s)?;
    match json::deserialize(&s)? {
        None => Ok(Value::Null),
        Some(t) => Ok(match t.scalar() {
            Some(s) => scalar_value(&s),
            None => Value::Json(t),
        }),
    }
}

fn deserialize_as(c: &mut Call<'_, '_>) -> Eval {
    let s = c.text(0, "value")?;
    charge_text(c, &s)?;
    let ty = c.ty(0);
    let today = super::time::today(c);
    from_text(c.vm, &s, &ty, today)
}

/// `DeserializeObject(text, type)`
fn deserialize_typed(c: &mut Call<'_, '_>) -> Eval {
    let s = c.text(0, "value")?;
    charge_text(c, &s)?;
    let today = super::time::today(c);
    match c.arg(1).clone() {
        Value::Type(ty) => from_text(c.vm, &s, &ty, today),
        _ => deserialize(c),
    }
}

// ---- values

fn jvalue_value(c: &mut Call<'_, '_>) -> Eval {
    Ok(c.json(0)?.scalar().map_or(Value::Null, |s| scalar_value(&s)))
}

fn jvalue_set(c: &mut Call<'_, '_>) -> Eval {
    let t = c.json(0)?;
    if let Some(s) = scalar_of(c.arg(1)) {
        t.set_scalar(s);
    }
    Ok(Value::Null)
}

fn json_equals(c: &mut Call<'_, '_>) -> Eval {
    base::equals(c)
}

fn merge_settings(c: &Call<'_, '_>, f: impl FnOnce(&mut MergeSettings)) -> Eval {
    if let Value::Object(o) = c.arg(0)
        && let Some(s) = o.native::<std::cell::RefCell<MergeSettings>>()
    {
        f(&mut s.borrow_mut());
    }
    Ok(Value::Null)
}

mod more;
mod sequence;
mod table;

pub(crate) use sequence::iterate;
use sequence::{Children, children, found, named_items, tokens, tokens_of};

pub(super) use more::{ARRAY, CONSTRUCTOR, EXTENSIONS, RAW, VALUE};
pub(super) use table::TYPES;
