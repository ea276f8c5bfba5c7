//! Placeholders replaced by net, crypto and xml.

use std::rc::Rc;

use gateway_dotnet::Str;

use crate::{Value, object::Object, vm::Eval};

pub(crate) fn make_uri(s: &Str) -> Value {
    Value::Str(s.clone())
}

pub(crate) fn uri_text(_o: &Rc<Object>) -> Option<Str> {
    None
}

pub(crate) fn make_certificate(_der: &[u8]) -> Eval {
    Ok(Value::Null)
}

pub(super) const TYPES: &[super::Decl] = &[
    super::all("class System.Uri", &[]),
    super::all(
        "class System.Security.Cryptography.X509Certificates.X509Certificate2",
        &[],
    ),
];
