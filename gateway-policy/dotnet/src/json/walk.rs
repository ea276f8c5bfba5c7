//! Moving about a tree: siblings, ancestors, descendants, path.

use super::{Token, TokenType, path::path_step};
use crate::Str;

impl Token {
    fn sibling(&self, step: isize) -> Option<Token> {
        let parent = self.parent()?;
        parent.child(parent.index_of(self)?.checked_add_signed(step)?)
    }

    /// `Next`.
    pub fn next(&self) -> Option<Token> {
        self.sibling(1)
    }

    /// `Previous`.
    pub fn previous(&self) -> Option<Token> {
        self.sibling(-1)
    }

    /// `First`: the first child.
    pub fn first(&self) -> Option<Token> {
        self.child(0)
    }

    /// `Last`: the last child.
    pub fn last(&self) -> Option<Token> {
        self.child(self.count().checked_sub(1)?)
    }

    /// `Ancestors()`, nearest first.
    pub fn ancestors(&self) -> Vec<Token> {
        std::iter::successors(self.parent(), Token::parent).collect()
    }

    /// `Descendants()` in document order, without the token itself.
    pub fn descendants(&self) -> Vec<Token> {
        let mut out = Vec::new();
        let mut pending = self.children();
        pending.reverse();
        while let Some(token) = pending.pop() {
            let mut children = token.children();
            children.reverse();
            pending.append(&mut children);
            out.push(token);
        }
        out
    }

    /// `Path`.
    pub fn path(&self) -> Str {
        let mut chain = self.ancestors();
        chain.reverse();
        chain.push(self.clone());
        let mut out = String::new();
        for (at, token) in chain.iter().enumerate() {
            if let Some(name) = token.property_name() {
                path_step(&mut out, &name.to_lossy());
            } else if let Some(parent) = at.checked_sub(1).and_then(|i| chain.get(i))
                && matches!(parent.token_type(), TokenType::Array | TokenType::Constructor)
            {
                out.push_str(&format!("[{}]", parent.index_of(token).unwrap_or(0)));
            }
        }
        Str::from(out)
    }
}
