//! Secrets of one load: what was fetched is remembered, and a reference that fails keeps its last value.
//!
//! A file that is replaced is missing for a moment; refusing every key in it meanwhile would fail requests for nothing.
//! A key is taken away by removing it from the overlay or by the subscription's state, not by breaking its file.

use std::{cell::RefCell, collections::BTreeMap};

use crate::{
    problem::Problem,
    secret::{Secret, SecretLookup, SecretRef},
};

/// Values by reference.
pub(crate) type Memory = BTreeMap<SecretRef, Secret>;

/// The lookup of one load.
pub(super) struct Secrets<'a> {
    lookup: SecretLookup<'a>,
    before: Option<&'a Memory>,
    fetched: RefCell<Memory>,
    kept: RefCell<Vec<(SecretRef, String)>>,
}

impl<'a> Secrets<'a> {
    pub(super) fn new(lookup: SecretLookup<'a>, before: Option<&'a Memory>) -> Self {
        Secrets {
            lookup,
            before,
            fetched: RefCell::default(),
            kept: RefCell::default(),
        }
    }

    /// Fetches a value, or takes the last one.
    pub(super) fn get(&self, reference: &SecretRef) -> Result<Secret, String> {
        let value = match (self.lookup)(reference) {
            Ok(value) => value,
            Err(why) => {
                let last = self
                    .before
                    .and_then(|b| b.get(reference))
                    .cloned()
                    .ok_or_else(|| why.clone())?;
                self.kept.borrow_mut().push((reference.clone(), why));
                last
            }
        };
        self.fetched.borrow_mut().insert(reference.clone(), value.clone());
        Ok(value)
    }

    /// What to remember; references that kept their last value are reported.
    pub(super) fn finish(self, path: &str, problems: &mut Vec<Problem>) -> Memory {
        for (reference, why) in self.kept.into_inner() {
            let message = format!("{reference:?} gave no value ({why}); its last value goes on being used");
            problems.push(Problem::warning("secret-kept", path, message));
        }
        self.fetched.into_inner()
    }
}
