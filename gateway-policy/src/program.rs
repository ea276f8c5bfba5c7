//! What documents become: instructions with their places, one list per section, composed over scopes.
//!
//! A [`ScopeDoc`] is compiled once and shared by every [`Program`] it takes part in. A program is no more
//! than the documents of its scopes: `<base/>` is a call into the next broader one, so composing copies
//! nothing, and the order is the documented one by construction.

use std::{
    fmt,
    net::IpAddr,
    ops::RangeInclusive,
    sync::{Arc, OnceLock},
};

use gateway_expr::{Needs, World};
use http::StatusCode;

use crate::{
    context::{Context, Response},
    diagnostic::Diagnostic,
    exec::{Exchange, Run},
    names::Names,
    policies::{self, Policy},
    scope::{Scope, Section},
    setting::Setting,
};

/// A document to compile.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The whole document.
    pub text: &'a str,
    /// Its path, for diagnostics.
    pub path: &'a str,
    /// What it is attached to; `None` for a lone document, which skips the checks of scopes.
    pub scope: Option<Scope>,
}

/// How documents are compiled.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Stands for named values that do not exist; `None`: they are errors. For checking lone documents: one
    /// that needs the real value to compile (`calls="{{limit}}"`) passes but refuses requests.
    pub named_value_default: Option<Arc<str>>,
    /// Fragments that do not exist are taken as empty, with a warning; else they are errors.
    pub missing_fragments_empty: bool,
    /// What a deployment step has not filled in yet (`{name}`, `${name}`, `#{name}#`, `$(name)`, `__name__`) is a warning
    /// where a value does not fit. For checking lone documents, which are often templates: one that has any passes but
    /// refuses requests.
    pub templates: bool,
    /// Policies that the official self-hosted gateway does not run refuse their scope instead of being
    /// reported and skipped.
    pub refuse_unsupported: bool,
    /// There is a cache behind [`crate::Effect::Cache`]. Without one the cache policies do nothing, as on a
    /// self-hosted gateway without an external cache, and loading warns.
    pub has_cache: bool,
}

/// One compiled document.
#[derive(Debug)]
pub struct ScopeDoc {
    /// Its path, for messages.
    pub path: Arc<str>,
    pub(crate) sections: [Vec<Instruction>; 4],
    pub(crate) sites: Vec<Site>,
    /// Secret named values it uses, for masking.
    pub(crate) secrets: Vec<Arc<str>>,
}

/// A statement's place: what `LastError`, traces and access records show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Policy element name.
    pub policy: &'static str,
    /// Nested position, `choose[3]/when[2]`; the policy's name at the top of its section.
    pub path: Arc<str>,
    /// The `id` attribute.
    pub id: Option<Arc<str>>,
    /// File that holds the statement: the document or the fragment it includes.
    pub file: Arc<str>,
    /// Line in that file, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
}

/// One step of a compiled section.
pub(crate) struct Instruction {
    pub(crate) op: Op,
    /// Index into [`ScopeDoc::sites`].
    pub(crate) site: u32,
    /// Bodies that must be whole before it runs.
    pub(crate) needs: Needs,
}

impl fmt::Debug for Instruction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.op)
    }
}

/// What a step does. Jump targets are positions in the same section of the same document.
#[derive(Debug)]
pub(crate) enum Op {
    /// Run a policy.
    Policy(Box<dyn Policy>),
    /// The same section of the next broader document.
    Base,
    /// `when`: go on if true, else jump.
    Branch {
        condition: Setting<bool>,
        otherwise: usize,
        first: bool,
    },
    Jump(usize),
    /// `retry` starts: its children follow, up to its `RetryEnd`.
    Retry {
        policy: Box<policies::retry::Retry>,
        end: usize,
    },
    RetryEnd {
        start: usize,
    },
    /// `limit-concurrency` starts.
    Enter {
        policy: Box<policies::limit_concurrency::LimitConcurrency>,
    },
    Leave,
    /// `cache-value` starts: what makes its value follows, up to its `CacheFill`.
    CacheValue {
        policy: Box<policies::cache_value_block::CacheValue>,
        end: usize,
    },
    /// `cache-value` keeps what was made.
    CacheFill {
        start: usize,
    },
    /// `wait`: branches that start at these positions wait for the world at the same time.
    Wait {
        wanted: Setting<policies::wait::For>,
        starts: Vec<usize>,
        end: usize,
    },
    /// A branch of a `wait` ends.
    BranchEnd,
    /// The document did not load: refuse.
    Refuse,
    /// A policy the self-hosted gateway does not run: recorded and passed over.
    Skip,
}

impl ScopeDoc {
    /// Compiles a document. Warnings come back beside it.
    ///
    /// # Errors
    /// Everything that is wrong with the document, warnings included, in document order.
    pub fn compile(
        source: &Source<'_>,
        names: &Names,
        options: &Options,
    ) -> Result<(ScopeDoc, Vec<Diagnostic>), Vec<Diagnostic>> {
        crate::compile::compile(source, names, options)
    }

    /// Stands for a document that did not load: refuses every request that reaches it, in the first
    /// section that does, so that the rest of the configuration serves (fail closed).
    pub fn refusing(path: &str) -> ScopeDoc {
        let path: Arc<str> = path.into();
        let site = Site {
            policy: "policies",
            path: "policies".into(),
            id: None,
            file: Arc::clone(&path),
            line: 1,
            column: 1,
        };
        let step = |op| Instruction {
            op,
            site: 0,
            needs: Needs::default(),
        };
        ScopeDoc {
            path,
            sections: [
                vec![step(Op::Refuse)],
                vec![step(Op::Refuse)],
                Vec::new(),
                vec![step(Op::Base)],
            ],
            sites: vec![site],
            secrets: Vec::new(),
        }
    }

    pub(crate) fn section(&self, section: Section) -> &[Instruction] {
        &self.sections[section as usize]
    }

    pub(crate) fn site(&self, index: u32) -> Option<&Site> {
        self.sites.get(index as usize)
    }

    /// The document every service starts with: `forward-request` in backend, nothing else.
    fn default_global() -> Arc<ScopeDoc> {
        static DEFAULT: OnceLock<Arc<ScopeDoc>> = OnceLock::new();
        let source = Source {
            text: DEFAULT_GLOBAL,
            path: "(default global policy)",
            scope: Some(Scope::Global),
        };
        let compile = || match ScopeDoc::compile(&source, &Names::default(), &Options::default()) {
            Ok((doc, _)) => Arc::new(doc),
            // A test compiles it; refusing is the safe answer to the impossible.
            Err(_) => Arc::new(ScopeDoc::refusing(source.path)),
        };
        Arc::clone(DEFAULT.get_or_init(compile))
    }
}

/// The global document of a service nobody has edited.
const DEFAULT_GLOBAL: &str =
    "<policies><inbound/><backend><forward-request/></backend><outbound/><on-error/></policies>";

/// The documents of one request's scopes, broad to narrow. Cheap to make and to clone.
#[derive(Clone, Debug)]
pub struct Program {
    /// Indexed by [`Scope`]; `None` behaves like a document of four `<base/>`.
    pub(crate) scopes: [Option<Arc<ScopeDoc>>; 4],
}

impl Program {
    /// Composes the documents `[global, product, api, operation]`. Without a global document the default
    /// one stands in, which forwards the request.
    pub fn compose(documents: [Option<Arc<ScopeDoc>>; 4]) -> Program {
        let mut scopes = documents;
        scopes[Scope::Global as usize].get_or_insert_with(ScopeDoc::default_global);
        Program { scopes }
    }

    /// The narrowest scope at or below `below` (exclusive) that has a document.
    pub(crate) fn next(&self, below: usize) -> Option<usize> {
        self.scopes[..below.min(self.scopes.len())]
            .iter()
            .rposition(Option::is_some)
    }

    /// Callers that every request of this program refuses before anything else happens: those of the `ip-filter` policies
    /// with `action="forbid"`, no expression and no condition, that stand first in the global document, when every
    /// narrower document begins with `<base/>`. Empty when there are none.
    pub fn always_forbidden(&self) -> Vec<RangeInclusive<IpAddr>> {
        let narrower = self.scopes.iter().skip(Scope::Global as usize + 1).flatten();
        for document in narrower {
            let first = document.section(Section::Inbound).first();
            if !first.is_some_and(|instruction| matches!(instruction.op, Op::Base)) {
                return Vec::new();
            }
        }
        let global = self.scopes[Scope::Global as usize].as_deref();
        let mut forbidden = Vec::new();
        for instruction in global.map_or(&[][..], |document| document.section(Section::Inbound)) {
            match &instruction.op {
                Op::Base => {}
                Op::Policy(policy) => match policy.forbids() {
                    Some(ranges) => forbidden.extend(ranges),
                    None => break,
                },
                _ => break,
            }
        }
        forbidden
    }

    /// Answers a CORS preflight request from the `cors` policies in scope, and from nothing else: no key
    /// check, no other policy. `None`: there is no `cors` policy, so the request is an ordinary one.
    ///
    /// The caller has matched the API (and the operation by `Access-Control-Request-Method`) and knows
    /// that the API has no `OPTIONS` operation of its own.
    pub fn preflight(&self, context: &mut Context, world: &dyn World) -> Option<Response> {
        let mut found = false;
        for (scope, instruction, doc) in self.inbound_in_order() {
            let (Op::Policy(policy), Some(site)) = (&instruction.op, doc.site(instruction.site)) else {
                continue;
            };
            if &*site.path != site.policy {
                continue;
            }
            let mut exchange = Exchange::default();
            let mut run = Run {
                context: &mut *context,
                world,
                exchange: &mut exchange,
                site,
                scope,
                section: Section::Inbound,
                pc: 0,
            };
            match policy.preflight(&mut run) {
                None => {}
                Some(policies::Preflight::Answer(response)) => return Some(response),
                Some(policies::Preflight::Unmatched) => found = true,
            }
        }
        found.then(|| Response {
            status: StatusCode::OK,
            ..Response::default()
        })
    }

    /// The file that a policy at global scope serves at `path`, for requests that match no API.
    pub fn file(&self, path: &str) -> Option<Response> {
        let global = self.scopes[Scope::Global as usize].as_deref()?;
        let inbound = global.section(Section::Inbound).iter();
        inbound
            .filter_map(|i| match &i.op {
                Op::Policy(policy) => policy.file(path),
                _ => None,
            })
            .next()
    }

    /// The instructions of the composed inbound section in execution order. A `<base/>` is followed where
    /// it stands; documents are at most four, so this nests at most four deep.
    fn inbound_in_order(&self) -> Vec<(Scope, &Instruction, &ScopeDoc)> {
        let mut order = Vec::new();
        let mut stack: Vec<(usize, usize)> =
            self.next(self.scopes.len()).map(|l| (l, 0)).into_iter().collect();
        while let Some((level, at)) = stack.pop() {
            let Some(doc) = self.scopes[level].as_deref() else {
                continue;
            };
            let Some(instruction) = doc.section(Section::Inbound).get(at) else {
                continue;
            };
            stack.push((level, at + 1));
            match instruction.op {
                Op::Base => stack.extend(self.next(level).map(|l| (l, 0))),
                _ => order.push((Scope::ALL[level], instruction, doc)),
            }
        }
        order
    }
}
