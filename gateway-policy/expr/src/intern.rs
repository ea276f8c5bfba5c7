//! String literals: equal ones are one object, as the runtime's intern pool makes them.

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex, PoisonError},
};

use gateway_dotnet::Str;

use crate::Value;

/// Most literals kept. Configurations that hold more distinct ones lose reference equality for the
/// rest, nothing else.
const MAX_LITERALS: usize = 65_536;

static POOL: LazyLock<Mutex<HashMap<Vec<u16>, Str>>> = LazyLock::new(Mutex::default);

/// The one string with these units.
pub(crate) fn literal(units: &[u16]) -> Str {
    let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = pool.get(units) {
        return known.clone();
    }
    let text = Str::from_utf16(units);
    if pool.len() < MAX_LITERALS {
        pool.insert(units.to_vec(), text.clone());
    }
    text
}

/// The text of a literal attribute: one object with every equal literal, and shareable between threads
/// where a [`Value`] is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Literal(Str);

impl Literal {
    /// The literal with this text.
    pub fn new(text: &str) -> Self {
        let units: Vec<u16> = text.encode_utf16().collect();
        Literal(literal(&units))
    }

    /// As a `System.String`.
    pub fn value(&self) -> Value {
        Value::Str(self.0.clone())
    }
}
