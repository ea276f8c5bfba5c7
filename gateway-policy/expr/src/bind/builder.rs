//! Functions under construction: slots, captured variables, and the sites where closures are made.

use super::scope::{LocalFunction, Var};
use crate::ir::{Code, Function, Program, Site, Stmt, Use};

/// A lambda, a local function or the expression itself while it is bound.
#[derive(Debug)]
pub(crate) struct FunctionBuilder {
    pub parent: Option<usize>,
    pub params: u32,
    pub slots: u32,
    pub captured: Vec<u32>,
    /// Variables of outer functions and the slot each has here.
    pub captures: Vec<(usize, u32)>,
    /// Functions called or turned into closures here.
    pub sites: Vec<usize>,
    pub body: Option<Code>,
    /// The type of an iterator.
    pub iterator: Option<crate::types::Type>,
}

impl FunctionBuilder {
    pub(crate) fn new(parent: Option<usize>) -> Self {
        FunctionBuilder {
            parent,
            params: 0,
            slots: 0,
            captured: Vec::new(),
            captures: Vec::new(),
            sites: Vec::new(),
            body: None,
            iterator: None,
        }
    }

    pub(crate) fn slot(&mut self) -> u32 {
        self.slots += 1;
        self.slots - 1
    }
}

impl super::Binder<'_> {
    /// The slot of a variable in the function being bound, capturing it when it belongs to an outer one.
    pub(crate) fn slot_of(&mut self, var: usize) -> u32 {
        slot_in(&mut self.functions, &self.vars, var, self.current)
    }

    /// A fresh slot for a temporary.
    pub(crate) fn temp(&mut self) -> u32 {
        self.functions[self.current].slot()
    }

    /// A site in the current function for `function`.
    pub(crate) fn site(&mut self, function: usize) -> u32 {
        let sites = &mut self.functions[self.current].sites;
        sites.push(function);
        (sites.len() - 1) as u32
    }
}

fn slot_in(functions: &mut [FunctionBuilder], vars: &[Var], var: usize, function: usize) -> u32 {
    let owner = vars[var].owner;
    if function == owner {
        return vars[var].slot;
    }
    if let Some((_, slot)) = functions[function].captures.iter().find(|(v, _)| *v == var) {
        return *slot;
    }
    let owned = vars[var].slot;
    if !functions[owner].captured.contains(&owned) {
        functions[owner].captured.push(owned);
    }
    let slot = functions[function].slot();
    functions[function].captures.push((var, slot));
    if let Some(parent) = functions[function].parent {
        slot_in(functions, vars, var, parent);
    }
    slot
}

/// Resolves captures transitively and freezes everything.
pub(crate) fn finish(
    mut functions: Vec<FunctionBuilder>,
    vars: &[Var],
    _locals: &[LocalFunction<'_>],
    uses: Vec<Use>,
) -> Program {
    // A function that makes or calls another needs every variable the other one captures.
    loop {
        let mut changed = false;
        for f in 0..functions.len() {
            for s in 0..functions[f].sites.len() {
                let target = functions[f].sites[s];
                let wanted: Vec<usize> = functions
                    .get(target)
                    .map(|t| t.captures.iter().map(|(v, _)| *v).collect())
                    .unwrap_or_default();
                for var in wanted {
                    let known = vars[var].owner == f || functions[f].captures.iter().any(|(v, _)| *v == var);
                    if !known && visible(&functions, vars[var].owner, f) {
                        slot_in(&mut functions, vars, var, f);
                        changed = true;
                    }
                }
            }
        }
        if !changed {
            break;
        }
    }
    let tables: Vec<Box<[Site]>> = (0..functions.len()).map(|f| sites(&functions, vars, f)).collect();
    let functions = functions
        .into_iter()
        .zip(tables)
        .enumerate()
        .map(|(index, (f, sites))| {
            let mut captured = vec![false; f.slots as usize];
            for slot in &f.captured {
                captured[*slot as usize] = true;
            }
            Function {
                index: index as u32,
                iterator: f.iterator,
                params: f.params,
                slots: f.slots,
                captured: captured.into(),
                capture_slots: f.captures.iter().map(|(_, slot)| *slot).collect(),
                sites,
                body: f.body.unwrap_or(Code::Block(Stmt::Empty)),
            }
        })
        .collect();
    Program {
        functions,
        uses: uses.into(),
    }
}

/// Whether `owner` is `function` or around it.
fn visible(functions: &[FunctionBuilder], owner: usize, function: usize) -> bool {
    let mut at = Some(function);
    while let Some(f) = at {
        if f == owner {
            return true;
        }
        at = functions[f].parent;
    }
    false
}

fn sites(functions: &[FunctionBuilder], vars: &[Var], f: usize) -> Box<[Site]> {
    functions[f]
        .sites
        .iter()
        .map(|target| {
            let captures = functions
                .get(*target)
                .map(|t| {
                    t.captures
                        .iter()
                        .map(|(var, to)| {
                            let from = if vars[*var].owner == f {
                                vars[*var].slot
                            } else {
                                functions[f]
                                    .captures
                                    .iter()
                                    .find(|(v, _)| v == var)
                                    .map_or(0, |(_, s)| *s)
                            };
                            (from, *to)
                        })
                        .collect()
                })
                .unwrap_or_default();
            Site {
                function: *target as u32,
                captures,
            }
        })
        .collect()
}
