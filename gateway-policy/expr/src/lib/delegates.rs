//! Delegate types: their `Invoke` gives the signature that lambdas are checked against.

use super::{Call, Decl, Entry::Get, all};
use crate::{Value, vm::Eval};

/// `d.Invoke(…)`: the same as `d(…)`.
pub(super) fn invoke(c: &mut Call<'_, '_>) -> Eval {
    let (Some(target), args) = (c.args.first().cloned(), c.args.get(1..).unwrap_or_default()) else {
        return Ok(Value::Null);
    };
    c.vm.invoke(&target, args)
}

macro_rules! delegates {
    ($($decl:literal => $invoke:literal;)*) => {
        &[$(all(concat!("delegate ", $decl), &[Get($invoke, invoke)])),*]
    };
}

pub(super) const TYPES: &[Decl] = delegates! {
    "System.Action" => "void Invoke()";
    "System.Action<in T>" => "void Invoke(T obj)";
    "System.Action<in T1, in T2>" => "void Invoke(T1 arg1, T2 arg2)";
    "System.Action<in T1, in T2, in T3>" => "void Invoke(T1 arg1, T2 arg2, T3 arg3)";
    "System.Action<in T1, in T2, in T3, in T4>" => "void Invoke(T1 arg1, T2 arg2, T3 arg3, T4 arg4)";
    "System.Func<out TResult>" => "TResult Invoke()";
    "System.Func<in T, out TResult>" => "TResult Invoke(T arg)";
    "System.Func<in T1, in T2, out TResult>" => "TResult Invoke(T1 arg1, T2 arg2)";
    "System.Func<in T1, in T2, in T3, out TResult>" => "TResult Invoke(T1 arg1, T2 arg2, T3 arg3)";
    "System.Func<in T1, in T2, in T3, in T4, out TResult>" => "TResult Invoke(T1 arg1, T2 arg2, T3 arg3, T4 arg4)";
    "System.Func<in T1, in T2, in T3, in T4, in T5, out TResult>" => "TResult Invoke(T1 arg1, T2 arg2, T3 arg3, T4 arg4, T5 arg5)";
    "System.Predicate<in T>" => "bool Invoke(T obj)";
    "System.Comparison<in T>" => "int Invoke(T x, T y)";
    "System.Converter<in TInput, out TOutput>" => "TOutput Invoke(TInput input)";
};
