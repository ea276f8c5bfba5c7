//! Arrays: creation, element access, bounds.

use std::cell::RefCell;

use gateway_dotnet::{Error, ExceptionKind};

use crate::{
    Value, cast,
    object::Data,
    types::{BYTE, Type},
    vm::{Eval, Thrown, Vm},
};

fn out_of_range() -> Thrown {
    Error::of(ExceptionKind::IndexOutOfRangeException).into()
}

fn index(value: &Value) -> Result<usize, Thrown> {
    let i = match value {
        Value::Int(i) => i64::from(*i),
        Value::Long(i) => *i,
        Value::UInt(i) => i64::from(*i),
        Value::ULong(i) => i64::try_from(*i).unwrap_or(-1),
        _ => -1,
    };
    usize::try_from(i).map_err(|_| out_of_range())
}

/// `new T[n, …]`; `ty` is the array type.
pub(crate) fn create(vm: &mut Vm<'_>, ty: &Type, sizes: &[Value]) -> Eval {
    let Type::Array(element, _) = ty else {
        return Ok(Value::Null);
    };
    let mut lengths = Vec::with_capacity(sizes.len());
    for size in sizes {
        lengths.push(index(size).map_err(|_| Thrown::from(Error::of(ExceptionKind::OverflowException)))?);
    }
    if lengths.iter().any(|n| i32::try_from(*n).is_err()) {
        return Err(Error::of(ExceptionKind::OverflowException).into());
    }
    let total = lengths
        .iter()
        .try_fold(1usize, |a, b| a.checked_mul(*b))
        .unwrap_or(usize::MAX);
    if element.is_def(BYTE) && lengths.len() == 1 {
        vm.charge(total)?;
        return Ok(Value::bytes(vec![0; total]));
    }
    vm.charge(total.saturating_mul(size_of::<Value>()))?;
    let items = vec![cast::default_value(element); total];
    if lengths.len() == 1 {
        return Ok(Value::object(ty.clone(), Data::Array(RefCell::new(items))));
    }
    Ok(Value::object(
        ty.clone(),
        Data::Matrix(RefCell::new(items), lengths),
    ))
}

/// Place of an element in a matrix stored row by row.
fn place(lengths: &[usize], at: &[Value]) -> Result<usize, Thrown> {
    let mut flat = 0;
    for (length, i) in lengths.iter().zip(at) {
        let i = index(i)?;
        if i >= *length {
            return Err(out_of_range());
        }
        flat = flat * length + i;
    }
    Ok(flat)
}

pub(crate) fn get(array: &Value, at: &[Value]) -> Eval {
    let Value::Object(o) = array else {
        return Err(Error::null_reference().into());
    };
    let first = at.first().unwrap_or(&Value::Null);
    match &o.data {
        Data::Array(items) => items.borrow().get(index(first)?).cloned(),
        Data::Bytes(bytes) => bytes.borrow().get(index(first)?).map(|b| Value::Byte(*b)),
        Data::Matrix(items, lengths) => items.borrow().get(place(lengths, at)?).cloned(),
        _ => None,
    }
    .ok_or_else(out_of_range)
}

pub(crate) fn set(array: &Value, at: &[Value], value: Value) -> Result<(), Thrown> {
    let Value::Object(o) = array else {
        return Err(Error::null_reference().into());
    };
    let first = at.first().unwrap_or(&Value::Null);
    let put = |items: &RefCell<Vec<Value>>, i: usize, value: Value| {
        items
            .borrow_mut()
            .get_mut(i)
            .map(|slot| *slot = value)
            .ok_or_else(out_of_range)
    };
    match &o.data {
        Data::Array(items) => {
            if let Type::Array(element, _) = &o.ty {
                let fits = value.is_null() || element.is_value_type() || cast::is(&value, element);
                if !fits {
                    let message = "Attempted to access an element as a type incompatible with the array.";
                    return Err(Error::new(ExceptionKind::ArrayTypeMismatchException, message).into());
                }
            }
            put(items, index(first)?, value)
        }
        Data::Matrix(items, lengths) => put(items, place(lengths, at)?, value),
        Data::Bytes(bytes) => {
            let Value::Byte(b) = value else {
                return Err(Error::null_reference().into());
            };
            let i = index(first)?;
            bytes
                .borrow_mut()
                .get_mut(i)
                .map(|slot| *slot = b)
                .ok_or_else(out_of_range)
        }
        _ => Err(out_of_range()),
    }
}

/// Length of an array in all dimensions together.
pub(crate) fn length(array: &Value) -> Option<usize> {
    match array {
        Value::Object(o) => match &o.data {
            Data::Array(items) | Data::Matrix(items, _) => Some(items.borrow().len()),
            Data::Bytes(bytes) => Some(bytes.borrow().len()),
            _ => None,
        },
        _ => None,
    }
}
