//! `dynamic`: members looked up at run time (refused by the vendor's static check, APIM0006, but part of C#).

use gateway_dotnet::{Error, ExceptionKind};

use crate::{
    Value, cast,
    ir::DynamicNode,
    types::Type,
    vm::{Eval, Frame, Thrown, Vm},
};

fn binder(message: String) -> Thrown {
    Error::new(ExceptionKind::RuntimeBinderException, message).into()
}

/// Evaluates a dynamic operation.
pub(crate) fn eval(vm: &mut Vm<'_>, node: &DynamicNode, frame: &mut Frame<'_>) -> Eval {
    match node {
        DynamicNode::Member(target, name) => {
            let target = vm.eval_node(target, frame)?;
            member(vm, &target, name)
        }
        DynamicNode::Index(target, args) => {
            let target = vm.eval_node(target, frame)?;
            let args = vm.eval_all(args, frame)?;
            call_indexer(vm, target, args)
        }
        DynamicNode::Call(target, name, args) => {
            let target = vm.eval_node(target, frame)?;
            let args = vm.eval_all(args, frame)?;
            call(vm, target, name, args)
        }
        DynamicNode::SetMember(target, name, value) => {
            let target = vm.eval_node(target, frame)?;
            let value = vm.eval_node(value, frame)?;
            set_member(vm, &target, name, value)
        }
        DynamicNode::SetIndex(target, args, value) => {
            let target = vm.eval_node(target, frame)?;
            let mut args = vm.eval_all(args, frame)?;
            let value = vm.eval_node(value, frame)?;
            args.push(value.clone());
            let found = find(&target, "Item", args.len() - 1, &args);
            match found.and_then(|(m, types)| m.set.map(|s| (s, types))) {
                Some((set, types)) => {
                    let mut all = vec![target];
                    all.extend(args);
                    set(&mut crate::lib::Call {
                        vm,
                        args: &mut all,
                        types: &types,
                    })?;
                    Ok(value)
                }
                None => Err(binder(
                    "Cannot apply indexing with [] to an expression".to_owned(),
                )),
            }
        }
        DynamicNode::Binary(op, left, right) => {
            let left = vm.eval_node(left, frame)?;
            let right = vm.eval_node(right, frame)?;
            binary(vm, op, left, right)
        }
        DynamicNode::Convert(inner, ty, explicit) => {
            let value = vm.eval_node(inner, frame)?;
            convert(vm, value, ty, *explicit)
        }
    }
}

fn member(vm: &mut Vm<'_>, target: &Value, name: &str) -> Eval {
    match target {
        Value::Null => Err(binder(
            "Cannot perform runtime binding on a null reference".to_owned(),
        )),
        Value::Json(t) if t.token_type() == gateway_dotnet::json::TokenType::Object => Ok(t
            .get(&gateway_dotnet::Str::new(name))
            .map_or(Value::Null, Value::Json)),
        Value::Object(o) => {
            if let (Type::Anon(members, _), crate::object::Data::Anon(items)) = (&o.ty, &o.data)
                && let Some(i) = members.iter().position(|(n, _)| **n == *name)
            {
                return Ok(items.get(i).cloned().unwrap_or(Value::Null));
            }
            property(vm, target, name)
        }
        _ => property(vm, target, name),
    }
}

fn property(vm: &mut Vm<'_>, target: &Value, name: &str) -> Eval {
    match find(target, name, 0, &[]) {
        Some((m, types)) => {
            let mut args = [target.clone()];
            (m.get)(&mut crate::lib::Call {
                vm,
                args: &mut args,
                types: &types,
            })
        }
        None => {
            let ty = target.runtime_type();
            Err(binder(format!(
                "'{}' does not contain a definition for '{name}'",
                ty.net_name()
            )))
        }
    }
}

/// A member that takes these arguments, by number and run-time type.
fn find(
    target: &Value,
    name: &str,
    count: usize,
    args: &[Value],
) -> Option<(&'static crate::types::Member, Vec<Type>)> {
    let ty = target.runtime_type();
    let mut fallback = None;
    for owner in crate::bind::member_types(&ty) {
        let Some(d) = owner.def() else { continue };
        for m in crate::types::registry().def(d).named(name) {
            // `params` at the end may be left out.
            let needed = m.params.iter().filter(|p| !p.params).count();
            if m.is_static || !(m.params.len() == count || needed == count) || !m.tparams.is_empty() {
                continue;
            }
            let fits = m.params.iter().zip(args).all(|(p, a)| {
                let p = crate::types::subst(&p.ty, owner.args(), &[]);
                cast::is(a, &p) || (a.is_null() && p.takes_null())
            });
            if fits {
                return Some((m, owner.args().to_vec()));
            }
            fallback.get_or_insert((m, owner.args().to_vec()));
        }
    }
    fallback.filter(|_| args.is_empty())
}

fn call(vm: &mut Vm<'_>, target: Value, name: &str, args: Vec<Value>) -> Eval {
    if target.is_null() {
        return Err(binder(
            "Cannot perform runtime binding on a null reference".to_owned(),
        ));
    }
    match find(&target, name, args.len(), &args) {
        Some((m, types)) => {
            let mut all = vec![target];
            all.extend(args);
            (m.get)(&mut crate::lib::Call {
                vm,
                args: &mut all,
                types: &types,
            })
        }
        None => {
            let ty = target.runtime_type();
            Err(binder(format!(
                "'{}' does not contain a definition for '{name}'",
                ty.net_name()
            )))
        }
    }
}

fn call_indexer(vm: &mut Vm<'_>, target: Value, args: Vec<Value>) -> Eval {
    if crate::array::length(&target).is_some() {
        return crate::array::get(&target, &args);
    }
    call(vm, target, "Item", args)
}

fn set_member(vm: &mut Vm<'_>, target: &Value, name: &str, value: Value) -> Eval {
    if let Value::Json(t) = target {
        let token = crate::serialize::to_token(vm, &value)?;
        t.set(&gateway_dotnet::Str::new(name), Some(&token))?;
        return Ok(value);
    }
    match find(target, name, 0, &[]).and_then(|(m, types)| m.set.map(|s| (s, types))) {
        Some((set, types)) => {
            let mut args = [target.clone(), value.clone()];
            set(&mut crate::lib::Call {
                vm,
                args: &mut args,
                types: &types,
            })?;
            Ok(value)
        }
        None => Err(binder(format!("Cannot set '{name}'"))),
    }
}

/// A JSON value takes part in operators as what it holds.
fn unwrap(v: Value) -> Value {
    match &v {
        Value::Json(t) => t.scalar().map_or(v.clone(), |s| crate::lib::scalar_value(&s)),
        _ => v,
    }
}

/// Operators that give a `JValue` when one stands on their left.
const ARITHMETIC: &[&str] = &["+", "-", "*", "/", "%"];

fn binary(vm: &mut Vm<'_>, op: &'static str, left: Value, right: Value) -> Eval {
    let json = ARITHMETIC.contains(&op) && matches!(left, Value::Json(_));
    // A unary operator has nothing on its right.
    let right_absent = right.is_null();
    let (l, r) = (unwrap(left), unwrap(right));
    let result = plain_binary(vm, op, l, r, right_absent)?;
    Ok(match crate::serialize::scalar_of(&result) {
        Some(scalar) if json => Value::Json(gateway_dotnet::json::Token::value(scalar)),
        _ => result,
    })
}

fn plain_binary(vm: &mut Vm<'_>, op: &'static str, l: Value, r: Value, right_absent: bool) -> Eval {
    if op == "!" {
        return crate::ops::not(l);
    }
    if let (true, Some(num)) = (right_absent, l.runtime_type().num()) {
        let promoted = crate::bind::promoted(num, crate::types::Num::Int);
        let Some(f) = crate::ops::unary(op, promoted, false) else {
            return Ok(l);
        };
        return f(crate::ops::convert(promoted, false)(l)?);
    }
    if op == "+" && (matches!(l, Value::Str(_)) || matches!(r, Value::Str(_))) {
        let joined = gateway_dotnet::Str::concat(&[&vm.text_of(&l)?, &vm.text_of(&r)?])?;
        return Ok(Value::Str(joined));
    }
    let (a, b) = (l.runtime_type(), r.runtime_type());
    if let (Some(x), Some(y)) = (a.num(), b.num()) {
        let num = crate::bind::promoted(x, y);
        let f = crate::ops::binary(op, num, false)
            .ok_or_else(|| binder(format!("Operator '{op}' cannot be applied")))?;
        let convert = crate::ops::convert(num, false);
        return f(convert(l)?, convert(r)?);
    }
    match op {
        "==" => Ok(Value::Bool(crate::equality::object_equals(&l, &r))),
        "!=" => Ok(Value::Bool(!crate::equality::object_equals(&l, &r))),
        _ => {
            let show = |v: &Value, t: &Type| {
                if v.is_null() {
                    "<null>".to_owned()
                } else {
                    t.to_string()
                }
            };
            Err(binder(format!(
                "Operator '{op}' cannot be applied to operands of type '{}' and '{}'",
                show(&l, &a),
                show(&r, &b)
            )))
        }
    }
}

fn convert(vm: &mut Vm<'_>, value: Value, ty: &Type, explicit: bool) -> Eval {
    if value.is_null() {
        if ty.takes_null() {
            return Ok(Value::Null);
        }
        return Err(binder(format!(
            "Cannot convert null to '{ty}' because it is a non-nullable value type"
        )));
    }
    if cast::is(&value, ty) {
        return Ok(value);
    }
    // A `JValue` converts to whatever its value can be converted to.
    if let Value::Json(t) = &value
        && t.scalar().is_some()
        && crate::lib::json_target(ty).is_some()
    {
        let today =
            gateway_dotnet::time::DateTime::from_ticks_clamped(vm.world.utc_now_ticks(), Default::default());
        return crate::deserialize::from_token(vm, t, ty, today.date());
    }
    let from = value.runtime_type();
    if let (Some(a), Some(b)) = (from.num(), ty.nullable_of().unwrap_or(ty).num())
        && (explicit || a.widens_to(b))
    {
        return crate::ops::convert(b, false)(value);
    }
    if let Some(op) = crate::bind::user_conversion(&from, ty, explicit) {
        let mut args = [value];
        return (op.get)(&mut crate::lib::Call {
            vm,
            args: &mut args,
            types: &[],
        });
    }
    if explicit {
        return cast::cast(value, ty).map_err(|_| binder(format!("Cannot convert type '{from}' to '{ty}'")));
    }
    Err(binder(format!(
        "Cannot implicitly convert type '{from}' to '{ty}'. An explicit conversion exists (are you missing a cast?)"
    )))
}
