//! Run-time type tests, casts and default values.

use std::cell::RefCell;

use gateway_dotnet::{Error, ExceptionKind};

use crate::{
    Value,
    object::Data,
    types::{self, Num, Type, TypeKind, registry, runtime_is},
    vm::Eval,
};

/// `value is T`
pub(crate) fn is(value: &Value, ty: &Type) -> bool {
    match (value, ty) {
        (Value::Null, _) => false,
        (_, Type::Def(types::OBJECT) | Type::Dynamic) => true,
        (Value::Str(_), Type::Def(types::STRING)) => true,
        (Value::Int(_), Type::Def(types::INT)) | (Value::Bool(_), Type::Def(types::BOOL)) => true,
        (Value::Object(o), _) if o.ty == *ty => true,
        _ => runtime_is(&value.runtime_type(), ty),
    }
}

/// `(T)value` for references, boxed values and nullables; value types unbox exactly.
pub(crate) fn cast(value: Value, ty: &Type) -> Eval {
    if value.is_null() {
        if ty.takes_null() {
            return Ok(Value::Null);
        }
        return Err(Error::null_reference().into());
    }
    if is(&value, ty) || unboxes(&value, ty) {
        return Ok(match (&value, ty) {
            // Unboxing an enum as its underlying integer and back.
            (Value::Enum(_, v), Type::Def(types::INT)) => Value::Int(*v as i32),
            (Value::Int(v), Type::Def(d)) if ty.is_enum() => Value::Enum(*d, i64::from(*v)),
            _ => value,
        });
    }
    Err(Error::cast(&value.type_name().unwrap_or_default(), &ty.net_name()).into())
}

/// An enum unboxes as its underlying type and the other way round.
fn unboxes(value: &Value, ty: &Type) -> bool {
    let ty = ty.nullable_of().unwrap_or(ty);
    match (value, ty) {
        (Value::Enum(d, _), Type::Def(types::INT)) => registry().def(*d).underlying == Num::Int,
        (Value::Int(_), Type::Def(d)) => {
            let def = registry().def(*d);
            def.kind == TypeKind::Enum && def.underlying == Num::Int
        }
        _ => false,
    }
}

/// `default(T)`
pub(crate) fn default_value(ty: &Type) -> Value {
    match ty {
        Type::Def(d) => match *d {
            types::BOOL => Value::Bool(false),
            types::CHAR => Value::Char(0),
            types::SBYTE => Value::SByte(0),
            types::BYTE => Value::Byte(0),
            types::SHORT => Value::Short(0),
            types::USHORT => Value::UShort(0),
            types::INT => Value::Int(0),
            types::UINT => Value::UInt(0),
            types::LONG => Value::Long(0),
            types::ULONG => Value::ULong(0),
            types::FLOAT => Value::Float(0.0),
            types::DOUBLE => Value::Double(0.0),
            types::DECIMAL => Value::Decimal(gateway_dotnet::number::Decimal::default()),
            _ => match registry().def(*d).kind {
                TypeKind::Enum => Value::Enum(*d, 0),
                TypeKind::Struct => crate::lib::default_struct(*d),
                _ => Value::Null,
            },
        },
        Type::Gen(types::KEY_VALUE_PAIR, args) => {
            let of = |i: usize| args.get(i).map_or(Value::Null, default_value);
            Value::object(ty.clone(), Data::Pair(of(0), of(1)))
        }
        Type::Tuple(items, _) => Value::object(
            ty.clone(),
            Data::Tuple(RefCell::new(items.iter().map(default_value).collect())),
        ),
        _ => Value::Null,
    }
}

/// `Nullable<T>.Value`
pub(crate) fn nullable_value(value: Value) -> Eval {
    match value {
        Value::Null => Err(no_value()),
        value => Ok(value),
    }
}

/// What `lock` takes: anything but null.
pub(crate) fn lockable(value: Value) -> Eval {
    match value {
        Value::Null => Err(Error::of(ExceptionKind::ArgumentNullException).into()),
        value => Ok(value),
    }
}

fn no_value() -> crate::vm::Thrown {
    Error::new(
        ExceptionKind::InvalidOperationException,
        "Nullable object must have a value.",
    )
    .into()
}
