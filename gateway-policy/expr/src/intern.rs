//! String literals: equal ones are one object, as the runtime's intern pool makes them.

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex, PoisonError},
};

use gateway_dotnet::Str;

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

/// The one string with this text: what a policy does with a literal attribute value.
pub fn intern(text: &str) -> Str {
    let units: Vec<u16> = text.encode_utf16().collect();
    literal(&units)
}
