//! Reference objects of the class library.

use std::{
    any::Any,
    cell::{Cell, RefCell},
    fmt,
    rc::Rc,
    sync::Arc,
};

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
    /// `HelpLink`, `Source` and `HResult` where they were set.
    pub set: RefCell<[Option<Value>; 3]>,
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

/// Objects inside objects that are let go on the machine stack; the rest waits in a list. A chain is as long
/// as the memory budget allows, far longer than a stack.
const DROP_DEPTH: u32 = 64;

thread_local! {
    static DROPPING: Cell<u32> = const { Cell::new(0) };
    static WAITING: RefCell<Vec<Data>> = const { RefCell::new(Vec::new()) };
}

impl Drop for Object {
    fn drop(&mut self) {
        if !self.data.holds_values() {
            return;
        }
        let data = std::mem::replace(&mut self.data, Data::Plain);
        let depth = DROPPING.get();
        if depth >= DROP_DEPTH {
            // At the end of a thread the list is gone: then the chain goes the short way.
            let _ = WAITING.try_with(|waiting| waiting.borrow_mut().push(data));
            return;
        }
        DROPPING.set(depth + 1);
        drop(data);
        if depth == 0 {
            while let Ok(Some(next)) = WAITING.try_with(|waiting| waiting.borrow_mut().pop()) {
                drop(next);
            }
        }
        DROPPING.set(depth);
    }
}

impl Data {
    /// Whether letting it go may let other objects go.
    fn holds_values(&self) -> bool {
        !matches!(
            self,
            Data::Bytes(_) | Data::Builder(_) | Data::Response(..) | Data::Plain
        )
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.type_name())
    }
}
