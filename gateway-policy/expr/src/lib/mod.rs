//! The class library and the `context` model as expressions see them.
//!
//! One file per family of types. A member is one line: its signature as C# writes it, and the function
//! that does it. The tables drive overload resolution, diagnostics, the allow-list and the documentation.

mod arrays;
mod base;
mod call;
mod collections;
mod context;
mod convert;
mod crypto;
mod delegates;
mod encoding;
mod enumerable;
mod exceptions;
mod guid;
mod io;
mod json;
mod jwt;
mod net;
mod numbers;
mod regex;
mod string;
mod time;
mod xml;
mod zone;

pub(crate) use call::Call;
pub(crate) use collections::{make_table, missing_key, pair};
pub(crate) use context::{context_items, context_url, fold_part, header_value, joined_headers};
pub(crate) use crypto::make_certificate;
pub(crate) use exceptions::exception_object;
pub(crate) use json::{
    iterate as json_iter, scalar_value, scalar_value as typed_scalar, target_of as json_target,
    typed as typed_value,
};
pub(crate) use jwt::parse as parse_jwt;
pub(crate) use net::{make_uri, uri_text};
pub(crate) use xml::{
    deep_equal as deep_equal_xml, json::of_object as xml_json, parse_xml_body, same as same_xml,
};

use std::{cmp::Ordering, rc::Rc};

use gateway_dotnet::{Error, Str};

use crate::{
    Value,
    ir::Const,
    iter::{Iter, Ready},
    object::{Data, Object},
    types::{self, DefId, Type},
    vm::{Eval, Thrown, Vm},
};

/// A library function.
pub(crate) type Native = fn(&mut Call<'_, '_>) -> Eval;

/// What the vendor's allow-list says of a type (`expressions.md` §2).
#[derive(Clone, Copy, Debug)]
pub(crate) enum Verdict {
    /// Every member may be used.
    All,
    /// The type may not be used.
    None,
    /// These members may be used.
    Only(&'static [&'static str]),
}

/// A type in a table.
#[derive(Debug)]
pub(crate) struct Decl {
    /// `class Namespace.Name<T> : Base, Interface`
    pub ty: &'static str,
    pub verdict: Verdict,
    pub members: &'static [Entry],
    /// Names and values of an enum.
    pub values: &'static [(&'static str, i64)],
}

/// A member in a table.
#[derive(Debug)]
pub(crate) enum Entry {
    /// A method, a constructor or a read-only property.
    Get(&'static str, Native),
    /// A property or indexer that can be set: the new value is the last argument.
    Set(&'static str, Native, Native),
    /// A constant.
    Const(&'static str, Const),
    /// A member that the allow-list refuses although its type is listed.
    Denied(&'static str, Native),
}

impl Entry {
    pub(crate) fn parts(&self) -> (&'static str, Native, Option<Native>) {
        match self {
            Entry::Get(text, f) | Entry::Denied(text, f) => (text, *f, None),
            Entry::Set(text, get, set) => (text, *get, Some(*set)),
            Entry::Const(text, _) => (text, no_function, None),
        }
    }

    pub(crate) fn constant(&self) -> Option<&Const> {
        match self {
            Entry::Const(_, c) => Some(c),
            _ => None,
        }
    }
}

/// Stands behind constants and declarations without a body.
fn no_function(_: &mut Call<'_, '_>) -> Eval {
    Ok(Value::Null)
}

/// A type with all members allowed.
const fn all(ty: &'static str, members: &'static [Entry]) -> Decl {
    Decl {
        ty,
        verdict: Verdict::All,
        members,
        values: &[],
    }
}

/// A type the allow-list does not name.
const fn none(ty: &'static str, members: &'static [Entry]) -> Decl {
    Decl {
        ty,
        verdict: Verdict::None,
        members,
        values: &[],
    }
}

/// A type of which some members are allowed.
const fn only(ty: &'static str, names: &'static [&'static str], members: &'static [Entry]) -> Decl {
    Decl {
        ty,
        verdict: Verdict::Only(names),
        members,
        values: &[],
    }
}

/// An enum.
const fn values(ty: &'static str, verdict: Verdict, values: &'static [(&'static str, i64)]) -> Decl {
    Decl {
        ty,
        verdict,
        members: &[],
        values,
    }
}

/// Every table.
pub(crate) const TABLES: &[&[Decl]] = &[
    base::TYPES,
    arrays::TYPES,
    numbers::TYPES,
    string::TYPES,
    string::BUILDER,
    string::COMPARE,
    convert::TYPES,
    encoding::TYPES,
    guid::TYPES,
    time::TYPES,
    delegates::TYPES,
    exceptions::TYPES,
    exceptions::MORE,
    collections::TYPES,
    collections::MORE,
    enumerable::TYPES,
    json::TYPES,
    context::TYPES,
    jwt::TYPES,
    net::TYPES,
    net::MORE,
    io::TYPES,
    regex::TYPES,
    crypto::TYPES,
    crypto::KEYS,
    crypto::X509,
    xml::TYPES,
    xml::READER,
    xml::TYPED,
    xml::XPATH,
    xml::DOM,
    zone::TYPES,
];

/// Members of a type that macros generate, or that stand in a file of their own.
pub(crate) fn generated(full: &str) -> &'static [&'static [Entry]] {
    match full {
        "System.Convert" => convert::CONVERSIONS,
        "System.Char" => numbers::RARE_CHAR,
        "System.String" => &[string::STRING_COMPARE],
        "System.StringComparer" => &[string::COMPARER],
        "System.Decimal" => numbers::RARE_DECIMAL,
        "System.Math" => numbers::RARE_MATH,
        "System.Xml.XmlReader" => xml::READER_MORE,
        "System.Xml.Linq.XDocument" => &[xml::DOCUMENT_MORE],
        "System.Xml.Linq.XElement" => &[xml::ELEMENT_MORE],
        "System.Xml.Linq.XProcessingInstruction" => &[xml::INSTRUCTION_MORE],
        "System.Xml.Linq.XDocumentType" => &[xml::DOCUMENT_TYPE_MORE],
        "System.Xml.Linq.XNode" => &[xml::NODE_MORE],
        "System.Xml.Linq.Extensions" => &[xml::EXTENSIONS_MORE],
        "Newtonsoft.Json.Linq.Extensions" => &[json::EXTENSIONS],
        "Newtonsoft.Json.Linq.JArray" => &[json::ARRAY],
        "Newtonsoft.Json.Linq.JConstructor" => &[json::CONSTRUCTOR],
        "Newtonsoft.Json.Linq.JRaw" => &[json::RAW],
        "Newtonsoft.Json.Linq.JValue" => &[json::VALUE],
        "System.Security.Cryptography.HMACSHA1" => &[crypto::SHA1],
        "System.Security.Cryptography.HMACSHA384" | "System.Security.Cryptography.HMACSHA512" => {
            &[crypto::LEGACY]
        }
        "System.Security.Cryptography.RSA" => &[crypto::RSA_MORE],
        "System.Security.Cryptography.X509Certificates.X509Certificate" => &[crypto::CERTIFICATE],
        "System.Security.Cryptography.X509Certificates.X509Certificate2" => &[crypto::CERTIFICATE2],
        "System.Security.Cryptography.X509Certificates.PublicKey" => &[crypto::PUBLIC_KEY],
        "System.Security.Cryptography.X509Certificates.RSACertificateExtensions" => &[crypto::EXTENSIONS],
        "System.Uri" => &[net::URI],
        "System.DateTimeOffset" => &[time::OFFSET_EXACT],
        "System.TimeSpan" => &[time::SPAN_EXACT],
        "System.Linq.Enumerable" => enumerable::NUMERIC,
        "System.Tuple" => &[collections::TUPLE],
        "System.ValueTuple" => &[collections::VALUE_TUPLE],
        "System.Collections.Generic.List`1" => &[collections::LIST],
        "System.Collections.Generic.HashSet`1" => &[collections::HASH_SET],
        "System.Collections.Generic.Dictionary`2" => &[collections::DICTIONARY],
        "System.Collections.Generic.Queue`1" | "System.Collections.Generic.Stack`1" => &[collections::QUEUE],
        "System.Collections.Generic.KeyValuePair`2" => &[collections::PAIR],
        "System.Collections.Generic.ISet`1" => &[collections::ISET],
        _ => &[],
    }
}

/// `default(T)` of a struct.
pub(crate) fn default_struct(def: DefId) -> Value {
    match def {
        types::DATE_TIME => Value::DateTime(time::MIN_DATE),
        types::TIME_SPAN => Value::TimeSpan(gateway_dotnet::time::TimeSpan::default()),
        types::DATE_TIME_OFFSET => Value::Offset(gateway_dotnet::time::DateTimeOffset::from_datetime(
            time::MIN_DATE,
        )),
        types::GUID => Value::Guid(gateway_dotnet::guid::Guid::default()),
        _ => Value::object(Type::Def(def), Data::Plain),
    }
}

/// The element type of types whose `GetEnumerator` differs from their `IEnumerable<T>`.
pub(crate) fn foreach_element(ty: &Type) -> Option<Type> {
    (ty.def() == Some(types::JOBJECT))
        .then(|| Type::generic(types::KEY_VALUE_PAIR, [Type::STRING, Type::Def(types::JTOKEN)]))
}

/// The properties of an object as pairs, enumerated live.
struct Pairs(gateway_dotnet::json::Token, Type);

struct PairIter(Box<dyn Iter>, Type);

impl crate::iter::Sequence for Pairs {
    fn iter(&self, _vm: &mut Vm<'_>) -> Result<Box<dyn Iter>, Thrown> {
        Ok(Box::new(PairIter(json_iter(&self.0), self.1.clone())))
    }
}

impl Iter for PairIter {
    fn next(&mut self, vm: &mut Vm<'_>) -> Result<Option<Value>, Thrown> {
        Ok(self.0.next(vm)?.map(|p| {
            let (name, value) = pair(&p).unwrap_or_default();
            Value::object(self.1.clone(), Data::Pair(name, value))
        }))
    }
}

/// `JObject.GetEnumerator()`: pairs of name and value.
pub(crate) fn object_pairs(v: Value) -> Eval {
    let Value::Json(t) = v else {
        return Err(Error::null_reference().into());
    };
    let ty = Type::generic(types::KEY_VALUE_PAIR, [Type::STRING, Type::Def(types::JTOKEN)]);
    Ok(Value::object(
        Type::enumerable(ty.clone()),
        Data::Sequence(Box::new(Pairs(t, ty))),
    ))
}

/// `Equals` of objects that a library family keeps to itself.
pub(crate) fn native_equals(a: &Object, b: &Object) -> bool {
    if let (Some(x), Some(y)) = (
        a.native::<gateway_dotnet::net::Uri>(),
        b.native::<gateway_dotnet::net::Uri>(),
    ) {
        return net::same(x, y);
    }
    if let (Some(x), Some(y)) = (
        a.native::<gateway_dotnet::time::TimeZone>(),
        b.native::<gateway_dotnet::time::TimeZone>(),
    ) {
        return x.same(y);
    }
    crypto::native_equals(a, b)
        .or_else(|| same_xml(a, b))
        .or_else(|| encoding::native_equals(a, b))
        .unwrap_or(false)
}

/// What goes with [`native_equals`].
pub(crate) fn native_hash(o: &Rc<Object>) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut state = DefaultHasher::new();
    match native_text(o) {
        Some(text) => text.hash(&mut state),
        None => (Rc::as_ptr(o) as usize).hash(&mut state),
    }
    state.finish()
}

/// `IComparable` of such objects.
pub(crate) fn native_compare(_a: &Object, _b: &Object) -> Option<Ordering> {
    None
}

/// `ToString()` of such objects, if they override it.
pub(crate) fn native_text(o: &Object) -> Option<Str> {
    net::native_text(o)
        .or_else(|| regex::native_text(o))
        .or_else(|| crypto::native_text(o))
        .or_else(|| xml::text(o))
        .or_else(|| zone::native_text(o))
        .or_else(|| io::native_text(o))
        .or_else(|| convert::native_text(o))
        .or_else(|| json::native_text(o))
}

/// `IFormattable` of such objects.
pub(crate) fn native_format(_o: &Object, _format: &Str) -> Option<Result<Str, Error>> {
    None
}

/// `GetEnumerator()` of such objects.
pub(crate) fn native_iter(vm: &mut Vm<'_>, o: &Rc<Object>) -> Result<Box<dyn Iter>, Thrown> {
    if let Some(inner) = collections::viewed(o) {
        return vm.iter(&inner);
    }
    if let Some(items) = regex::native_items(o).or_else(|| xml::native_items(o)) {
        return Ok(Box::new(Ready(items.into_iter())));
    }
    let message = format!("'{}' cannot be enumerated.", o.type_name());
    Err(Error::invalid_operation(message).into())
}
