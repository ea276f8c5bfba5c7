//! Reference objects of the class library.

use std::{any::Any, cell::RefCell, fmt, rc::Rc, sync::Arc};

use gateway_dotnet::{Str, text::StringBuilder};

use crate::{
    Value,
    collections::{Growable, Table},
    ir::Program,
    iter::Sequence,
    types::Type,
};

/// An object with its run-time type.
pub struct Object {
    pub(crate) ty: Type,
    pub(crate) data: Data,
}

/// What an object holds.
pub(crate) enum Data {
    /// `T[]` other than `byte[]`; several dimensions are stored row by row with their lengths.
    Array(RefCell<Vec<Value>>),
    Matrix(RefCell<Vec<Value>>, Vec<usize>),
    Bytes(RefCell<Vec<u8>>),
    /// `List<T>`, `Queue<T>`, `Stack<T>` (the top of a stack is the end)
    List(RefCell<Growable>),
    /// `Dictionary<K, V>`, `HashSet<T>`
    Table(RefCell<Table>),
    Builder(RefCell<StringBuilder>),
    /// `System.Tuple` and value tuples
    Tuple(RefCell<Vec<Value>>),
    /// `KeyValuePair<K, V>`
    Pair(Value, Value),
    /// Anonymous types
    Anon(Vec<Value>),
    Closure(Closure),
    Exception(ExceptionData),
    /// A lazy sequence
    Sequence(Box<dyn Sequence>),
    /// A group of `GroupBy` or `ToLookup`: key and items
    Group(Value, Vec<Value>),
    /// An enumerator in use, and its current item
    Enumerator(RefCell<(Box<dyn crate::iter::Iter>, Value)>),
    /// A response, and whether its body was read without keeping it.
    Response(Box<crate::context::Response>, std::cell::Cell<bool>),
    /// Anything a library family keeps for itself.
    Native(Box<dyn Any>),
    /// `new object()`
    Plain,
}

/// A delegate.
pub(crate) struct Closure {
    pub program: Arc<Program>,
    pub function: u32,
    pub captures: Vec<Rc<RefCell<Value>>>,
    /// A library method turned into a delegate: its receiver stands before the arguments.
    pub native: Option<NativeTarget>,
}

#[derive(Clone)]
pub(crate) struct NativeTarget {
    pub call: crate::lib::Native,
    pub receiver: Option<Value>,
    pub types: Arc<[Type]>,
}

/// What every exception has.
pub(crate) struct ExceptionData {
    pub message: Str,
    pub inner: Value,
    pub param: Option<Str>,
}

impl Object {
    /// The .NET name of the run-time type; lazy sequences have iterator types of their own.
    pub(crate) fn type_name(&self) -> String {
        match &self.data {
            Data::Sequence(s) => s.type_name().unwrap_or_else(|| self.ty.net_name()),
            _ => self.ty.net_name(),
        }
    }

    pub(crate) fn native<T: Any>(&self) -> Option<&T> {
        match &self.data {
            Data::Native(any) => any.downcast_ref(),
            _ => None,
        }
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.type_name())
    }
}
