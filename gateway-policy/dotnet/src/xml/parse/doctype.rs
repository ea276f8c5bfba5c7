//! The document type: kept for writing, with its internal entities as plain text.
//!
//! An entity whose text holds markup or another reference is refused: that is how entity bombs are built,
//! and no policy document needs it.

use crate::Error;

use super::super::Node;
use super::Reader;

/// Declared entities of one document.
const MAX_ENTITIES: usize = 256;

impl Reader<'_> {
    /// `<!DOCTYPE` has been read.
    pub(super) fn doctype(&mut self) -> Result<Node, Error> {
        self.skip_blank();
        let name = self.name()?;
        self.skip_blank();
        let mut public_id = None;
        let mut system_id = None;
        if self.eat("PUBLIC") {
            self.skip_blank();
            public_id = Some(self.literal()?);
            self.skip_blank();
            system_id = Some(self.literal()?);
        } else if self.eat("SYSTEM") {
            self.skip_blank();
            system_id = Some(self.literal()?);
        }
        self.skip_blank();
        let subset = if self.eat("[") {
            self.internal_subset()?
        } else {
            String::new()
        };
        self.skip_blank();
        if !self.eat(">") {
            return Err(self.unexpected("'>'"));
        }
        self.count()?;
        Ok(Node::document_type(name, public_id, system_id, Some(subset)))
    }

    fn literal(&mut self) -> Result<String, Error> {
        let quote = match self.peek() {
            Some(quote @ ('"' | '\'')) => quote,
            _ => return Err(self.unexpected("'\"' or '''")),
        };
        let rest = &self.rest()[1..];
        let end = rest
            .find(quote)
            .ok_or_else(|| self.error("There is an unclosed literal string."))?;
        let text = rest[..end].to_owned();
        self.at += end + 2;
        Ok(text)
    }

    fn internal_subset(&mut self) -> Result<String, Error> {
        let start = self.at;
        loop {
            self.skip_blank();
            if self.rest().starts_with(']') {
                let text = self.text[start..self.at].to_owned();
                self.at += 1;
                return Ok(text);
            }
            if self.rest().is_empty() {
                return Err(self.error("Unexpected end of file while parsing DTD has occurred."));
            }
            if self.misc()?.is_some() {
                continue;
            }
            if self.eat("<!ENTITY") {
                self.entity()?;
            } else if self.eat("<!") {
                self.declaration_end()?;
            } else {
                return Err(self.error("DTD markup is not valid here."));
            }
        }
    }

    fn entity(&mut self) -> Result<(), Error> {
        self.skip_blank();
        let at = self.at;
        if self.rest().starts_with('%') {
            return Err(self.error("Parameter entities are not supported."));
        }
        let name = self.name()?;
        self.skip_blank();
        if self.rest().starts_with("SYSTEM") || self.rest().starts_with("PUBLIC") {
            // Never fetched; a reference to it is a reference to nothing.
            return self.declaration_end();
        }
        let text = self.literal()?;
        if text.contains(['<', '&', '%']) {
            return Err(self.error_at(at, "An entity may only hold text, without markup or references."));
        }
        if self.entities.len() >= MAX_ENTITIES {
            return Err(Error::budget("entities of an XML text"));
        }
        self.entities.entry(name).or_insert(text);
        self.skip_blank();
        if !self.eat(">") {
            return Err(self.unexpected("'>'"));
        }
        Ok(())
    }

    /// Skips to the `>` of a declaration, quotes respected.
    fn declaration_end(&mut self) -> Result<(), Error> {
        while let Some(c) = self.peek() {
            match c {
                '"' | '\'' => {
                    self.literal()?;
                    continue;
                }
                '>' => {
                    self.at += 1;
                    return Ok(());
                }
                c => self.at += c.len_utf8(),
            }
        }
        Err(self.error("Unexpected end of file while parsing DTD has occurred."))
    }
}
