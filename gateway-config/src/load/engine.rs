//! The policy engine as this crate needs it. Stand-in until gateway-policy has documents and programs.

use std::{collections::BTreeMap, sync::Arc};

/// See gateway-policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "stand-in")]
pub enum Scope {
    Global,
    Product,
    Api,
    Operation,
}

/// See gateway-policy.
#[derive(Debug)]
pub(crate) struct ScopeDoc {
    pub(crate) path: String,
}

/// See gateway-policy.
#[derive(Debug, Default)]
pub struct Program {
    pub(crate) scopes: [Option<Arc<ScopeDoc>>; 4],
}

#[derive(Debug)]
pub(crate) struct Source<'a> {
    pub(crate) text: &'a str,
    pub(crate) path: &'a str,
    pub(crate) scope: Option<Scope>,
}

#[derive(Debug, Default)]
pub(crate) struct Names {
    pub(crate) named_values: BTreeMap<Arc<str>, NamedValue>,
    pub(crate) fragments: BTreeMap<Arc<str>, Fragment>,
}

#[derive(Debug)]
pub(crate) struct NamedValue {
    pub(crate) value: Arc<str>,
    pub(crate) secret: bool,
}

#[derive(Debug)]
pub(crate) struct Fragment {
    pub(crate) path: Arc<str>,
    pub(crate) text: Arc<str>,
}

#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) refuse_unsupported: bool,
}

impl ScopeDoc {
    pub(crate) fn compile(
        source: &Source<'_>,
        _: &Names,
        _: &Options,
    ) -> Result<(ScopeDoc, Vec<gateway_policy::Diagnostic>), Vec<gateway_policy::Diagnostic>> {
        Ok((
            ScopeDoc {
                path: source.path.to_owned(),
            },
            Vec::new(),
        ))
    }

    pub(crate) fn refusing(path: &str) -> ScopeDoc {
        ScopeDoc {
            path: path.to_owned(),
        }
    }
}

impl Program {
    pub(crate) fn compose(scopes: [Option<Arc<ScopeDoc>>; 4]) -> Program {
        Program { scopes }
    }
}
