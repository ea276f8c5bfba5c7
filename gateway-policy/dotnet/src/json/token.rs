//! The tree: tokens with identity and a parent, and reading access to them.

use std::{
    cell::RefCell,
    collections::HashMap,
    rc::{Rc, Weak},
};

use super::Scalar;
use crate::{Error, ExceptionKind, Str};

/// `JTokenType`, in the order of its numeric values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the members of the .NET enum under their own names")]
pub enum TokenType {
    None,
    Object,
    Array,
    Constructor,
    Property,
    Comment,
    Integer,
    Float,
    String,
    Boolean,
    Null,
    Undefined,
    Date,
    Raw,
    Bytes,
    Guid,
    Uri,
    TimeSpan,
}

impl TokenType {
    /// The member's name.
    pub fn name(self) -> &'static str {
        use TokenType::*;
        match self {
            None => "None",
            Object => "Object",
            Array => "Array",
            Constructor => "Constructor",
            Property => "Property",
            Comment => "Comment",
            Integer => "Integer",
            Float => "Float",
            String => "String",
            Boolean => "Boolean",
            Null => "Null",
            Undefined => "Undefined",
            Date => "Date",
            Raw => "Raw",
            Bytes => "Bytes",
            Guid => "Guid",
            Uri => "Uri",
            TimeSpan => "TimeSpan",
        }
    }
}

/// A `JToken`: a shared reference to a node of a tree. Clones are the same token.
///
/// Parents are weak references, so a token reached from another also holds the root it was reached in: its
/// parents live as long as it does. Tokens stored in a node hold no root, which would be a cycle.
#[derive(Clone)]
pub struct Token(pub(super) Rc<Node>, Option<Rc<Node>>);

pub(super) struct Node {
    pub(super) parent: RefCell<Weak<Node>>,
    pub(super) data: RefCell<Data>,
}

pub(super) enum Data {
    Object(Members),
    Array(Vec<Token>),
    Constructor(Str, Vec<Token>),
    Property(Str, Option<Token>),
    Value(Scalar),
}

/// The properties of an object in order, with an index once a scan would be slow.
#[derive(Default)]
pub(super) struct Members {
    pub(super) list: Vec<Token>,
    #[expect(
        clippy::box_collection,
        reason = "most nodes have none, and every node pays for the largest kind"
    )]
    index: Option<Box<HashMap<Str, Token>>>,
}

/// Objects up to this size are searched one by one: faster than hashing.
const INDEX_FROM: usize = 12;

impl Members {
    fn find(&self, name: &Str) -> Option<&Token> {
        match &self.index {
            Some(index) => index.get(name),
            None => self
                .list
                .iter()
                .find(|p| p.with_name(|n| n == name) == Some(true)),
        }
    }

    pub(super) fn insert(&mut self, at: usize, property: Token) {
        if let Some(index) = &mut self.index {
            index.insert(property.property_name().unwrap_or_default(), property.clone());
        }
        self.list.insert(at.min(self.list.len()), property);
        if self.index.is_none() && self.list.len() > INDEX_FROM {
            let named = self
                .list
                .iter()
                .map(|p| (p.property_name().unwrap_or_default(), p.clone()));
            self.index = Some(Box::new(named.collect()));
        }
    }

    pub(super) fn remove(&mut self, at: usize) -> Token {
        let property = self.list.remove(at);
        if let (Some(index), Some(name)) = (&mut self.index, property.property_name()) {
            index.remove(&name);
        }
        property
    }
}

impl Node {
    fn take_children(&mut self, into: &mut Vec<Token>) {
        match self.data.get_mut() {
            Data::Object(members) => {
                members.index = None;
                into.append(&mut members.list);
            }
            Data::Array(items) | Data::Constructor(_, items) => into.append(items),
            Data::Property(_, value) => into.extend(value.take()),
            Data::Value(_) => {}
        }
    }
}

impl Drop for Node {
    /// Takes a tree apart without recursion: mutation can build one deeper than the stack.
    fn drop(&mut self) {
        let mut pending = Vec::new();
        self.take_children(&mut pending);
        while let Some(token) = pending.pop() {
            if let Ok(mut node) = Rc::try_unwrap(token.0) {
                node.take_children(&mut pending);
            }
        }
    }
}

impl Token {
    pub(super) fn from_data(data: Data) -> Token {
        let node = Node {
            parent: RefCell::new(Weak::new()),
            data: RefCell::new(data),
        };
        Token(Rc::new(node), None)
    }

    /// The token as a node stores it: without hold on a root.
    pub(super) fn stored(self) -> Token {
        Token(self.0, None)
    }

    /// A token that this one stores, as it is handed out: it holds the root.
    fn hand_out(&self, stored: &Token) -> Token {
        let is_root = self.0.parent.borrow().strong_count() == 0;
        let root = match &self.1 {
            Some(root) if !is_root => root,
            _ => &self.0,
        };
        Token(stored.0.clone(), Some(root.clone()))
    }

    /// `new JObject()`.
    pub fn object() -> Token {
        Token::from_data(Data::Object(Members::default()))
    }

    /// `new JArray()`.
    pub fn array() -> Token {
        Token::from_data(Data::Array(Vec::new()))
    }

    /// `new JConstructor(name)`.
    pub fn constructor(name: Str) -> Token {
        Token::from_data(Data::Constructor(name, Vec::new()))
    }

    /// `new JValue(value)`.
    pub fn value(value: Scalar) -> Token {
        Token::from_data(Data::Value(value))
    }

    /// `JValue.CreateNull()`.
    pub fn null() -> Token {
        Token::value(Scalar::Null)
    }

    /// `new JProperty(name, value)`; no value is JSON null.
    pub fn property(name: Str, value: Option<&Token>) -> Token {
        let property = Token::from_data(Data::Property(name, None));
        property.attach_value(value);
        property
    }

    /// Whether both are the same node: `ReferenceEquals`.
    pub fn ptr_eq(&self, other: &Token) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }

    /// `Type`.
    pub fn token_type(&self) -> TokenType {
        match &*self.0.data.borrow() {
            Data::Object(_) => TokenType::Object,
            Data::Array(_) => TokenType::Array,
            Data::Constructor(..) => TokenType::Constructor,
            Data::Property(..) => TokenType::Property,
            Data::Value(v) => v.token_type(),
        }
    }

    /// Full .NET type name of the token itself.
    pub fn type_name(&self) -> &'static str {
        match &*self.0.data.borrow() {
            Data::Object(_) => "Newtonsoft.Json.Linq.JObject",
            Data::Array(_) => "Newtonsoft.Json.Linq.JArray",
            Data::Constructor(..) => "Newtonsoft.Json.Linq.JConstructor",
            Data::Property(..) => "Newtonsoft.Json.Linq.JProperty",
            Data::Value(Scalar::Raw(_)) => "Newtonsoft.Json.Linq.JRaw",
            Data::Value(_) => "Newtonsoft.Json.Linq.JValue",
        }
    }

    /// Whether it is a `JContainer`: anything but a value.
    pub fn is_container(&self) -> bool {
        !matches!(&*self.0.data.borrow(), Data::Value(_))
    }

    /// `JValue.Value`; `None` for a container.
    pub fn scalar(&self) -> Option<Scalar> {
        match &*self.0.data.borrow() {
            Data::Value(v) => Some(v.clone()),
            _ => None,
        }
    }

    /// Setting `JValue.Value`. Containers are left alone.
    pub fn set_scalar(&self, value: Scalar) {
        if let Data::Value(v) = &mut *self.0.data.borrow_mut() {
            *v = value;
        }
    }

    pub(super) fn with_name<T>(&self, f: impl FnOnce(&Str) -> T) -> Option<T> {
        match &*self.0.data.borrow() {
            Data::Property(name, _) | Data::Constructor(name, _) => Some(f(name)),
            _ => None,
        }
    }

    /// `JProperty.Name`.
    pub fn property_name(&self) -> Option<Str> {
        match &*self.0.data.borrow() {
            Data::Property(name, _) => Some(name.clone()),
            _ => None,
        }
    }

    /// `JProperty.Value`.
    pub fn property_value(&self) -> Option<Token> {
        match &*self.0.data.borrow() {
            Data::Property(_, value) => value.as_ref().map(|v| self.hand_out(v)),
            _ => None,
        }
    }

    /// `JConstructor.Name`.
    pub fn constructor_name(&self) -> Option<Str> {
        match &*self.0.data.borrow() {
            Data::Constructor(name, _) => Some(name.clone()),
            _ => None,
        }
    }

    /// `JContainer.Count`; 0 for a value.
    pub fn count(&self) -> usize {
        match &*self.0.data.borrow() {
            Data::Object(members) => members.list.len(),
            Data::Array(items) | Data::Constructor(_, items) => items.len(),
            Data::Property(_, value) => usize::from(value.is_some()),
            Data::Value(_) => 0,
        }
    }

    /// `Children()`: of an object its properties, of a property its value. A snapshot.
    pub fn children(&self) -> Vec<Token> {
        let hand_out = |t| self.hand_out(t);
        match &*self.0.data.borrow() {
            Data::Object(members) => members.list.iter().map(hand_out).collect(),
            Data::Array(items) | Data::Constructor(_, items) => items.iter().map(hand_out).collect(),
            Data::Property(_, value) => value.iter().map(hand_out).collect(),
            Data::Value(_) => Vec::new(),
        }
    }

    /// Child number `index`.
    pub fn child(&self, index: usize) -> Option<Token> {
        let data = self.0.data.borrow();
        let stored = match &*data {
            Data::Object(members) => members.list.get(index),
            Data::Array(items) | Data::Constructor(_, items) => items.get(index),
            Data::Property(_, value) => value.as_ref().filter(|_| index == 0),
            Data::Value(_) => None,
        };
        stored.map(|t| self.hand_out(t))
    }

    /// `Parent`.
    pub fn parent(&self) -> Option<Token> {
        let parent = self.0.parent.borrow().upgrade()?;
        Some(Token(parent, self.1.clone()))
    }

    /// `Root`.
    pub fn root(&self) -> Token {
        let mut at = self.clone();
        while let Some(parent) = at.parent() {
            at = parent;
        }
        at
    }

    /// `JObject.Property(name)`.
    pub fn find_property(&self, name: &Str) -> Option<Token> {
        match &*self.0.data.borrow() {
            Data::Object(members) => members.find(name).map(|t| self.hand_out(t)),
            _ => None,
        }
    }

    /// `JObject[name]`: the property's value, or null if there is no such property.
    pub fn get(&self, name: &Str) -> Option<Token> {
        self.find_property(name)?.property_value()
    }

    /// `JObject.GetValue(name, comparison)`: the exact name first, then the first that compares equal.
    pub fn get_with(&self, name: &Str, how: crate::text::StringComparison) -> Option<Token> {
        self.get(name).or_else(|| {
            let children = self.children();
            children
                .iter()
                .find(|p| p.with_name(|n| n.equals(name, how)) == Some(true))?
                .property_value()
        })
    }

    /// `token[name]` on a token of any kind.
    ///
    /// # Errors
    /// `ArgumentException` for an array or constructor, `InvalidOperationException` for a value or property.
    pub fn index_name(&self, name: &Str) -> Result<Option<Token>, Error> {
        match self.token_type() {
            TokenType::Object => Ok(self.get(name)),
            _ => Err(self.bad_key(&format!("\"{name}\""))),
        }
    }

    /// `token[index]` on a token of any kind.
    ///
    /// # Errors
    /// `ArgumentOutOfRangeException`, `ArgumentException` for an object, `InvalidOperationException` for a
    /// value or property.
    pub fn index_number(&self, index: i32) -> Result<Token, Error> {
        match self.token_type() {
            TokenType::Array | TokenType::Constructor => usize::try_from(index)
                .ok()
                .and_then(|i| self.child(i))
                .ok_or_else(index_error),
            _ => Err(self.bad_key(&index.to_string())),
        }
    }

    /// The exception of an index that this kind of token does not take; `key` as Newtonsoft prints it.
    pub fn bad_key(&self, key: &str) -> Error {
        let message = match self.token_type() {
            TokenType::Object => {
                format!(
                    "Accessed JObject values with invalid key value: {key}. Object property name expected."
                )
            }
            TokenType::Array => {
                format!("Accessed JArray values with invalid key value: {key}. Int32 array index expected.")
            }
            TokenType::Constructor => {
                format!(
                    "Accessed JConstructor values with invalid key value: {key}. Argument position index expected."
                )
            }
            _ => {
                let message = format!("Cannot access child value on {}.", self.type_name());
                return Error::invalid_operation(message);
            }
        };
        Error::new(ExceptionKind::ArgumentException, message)
    }
}

fn index_error() -> Error {
    Error::out_of_range(
        "index",
        "Index was out of range. Must be non-negative and less than the size of the collection.",
    )
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{:p}", self.type_name(), Rc::as_ptr(&self.0))
    }
}
