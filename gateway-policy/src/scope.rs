//! Where a policy statement stands: scope of its document, section within it.

use std::fmt;

/// What a policy document is attached to, broad to narrow. (Workspaces do not exist on self-hosted gateways.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// All APIs.
    Global,
    /// A product, when the call is made in its context.
    Product,
    /// An API.
    Api,
    /// An operation.
    Operation,
}

impl Scope {
    /// All, broad to narrow; the position is the index into a program.
    pub const ALL: [Scope; 4] = [Scope::Global, Scope::Product, Scope::Api, Scope::Operation];

    /// As `context.LastError.Scope` and traces write it.
    pub fn name(self) -> &'static str {
        match self {
            Scope::Global => "global",
            Scope::Product => "product",
            Scope::Api => "api",
            Scope::Operation => "operation",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The four parts of a policy document, in the order in which they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Section {
    /// Before the request is sent; edits the request.
    Inbound,
    /// Sends the request; edits the request.
    Backend,
    /// After an answer came; edits the response.
    Outbound,
    /// After any failure; edits the response.
    OnError,
}

impl Section {
    /// All, in order.
    pub const ALL: [Section; 4] = [
        Section::Inbound,
        Section::Backend,
        Section::Outbound,
        Section::OnError,
    ];

    /// The element's name.
    pub fn name(self) -> &'static str {
        match self {
            Section::Inbound => "inbound",
            Section::Backend => "backend",
            Section::Outbound => "outbound",
            Section::OnError => "on-error",
        }
    }

    /// The section with this element name.
    pub fn named(name: &str) -> Option<Section> {
        Self::ALL.into_iter().find(|s| s.name() == name)
    }

    /// True where message policies edit the request.
    pub fn edits_request(self) -> bool {
        matches!(self, Section::Inbound | Section::Backend)
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of sections, one bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sections(u8);

impl Sections {
    /// `inbound`
    pub const I: Sections = Sections(1);
    /// `backend`
    pub const B: Sections = Sections(2);
    /// `outbound`
    pub const O: Sections = Sections(4);
    /// `on-error`
    pub const E: Sections = Sections(8);
    /// Every section.
    pub const ALL: Sections = Sections(15);

    /// Both sets together.
    #[must_use]
    pub const fn and(self, other: Sections) -> Sections {
        Sections(self.0 | other.0)
    }

    /// True when `section` is in the set.
    pub fn contains(self, section: Section) -> bool {
        self.0 & (1 << section as u8) != 0
    }

    /// The members' names, joined for a sentence.
    pub fn names(self) -> String {
        let names: Vec<&str> = Section::ALL
            .into_iter()
            .filter(|s| self.contains(*s))
            .map(Section::name)
            .collect();
        names.join(", ")
    }
}

/// A set of scopes, one bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scopes {
    /// Every scope.
    pub const ALL: Scopes = Scopes(15);
    /// Global, product and API, not operation.
    pub const NOT_OPERATION: Scopes = Scopes(7);
    /// Product, API and operation, not global.
    pub const NOT_GLOBAL: Scopes = Scopes(14);
    /// Global only.
    pub const GLOBAL: Scopes = Scopes(1);
    /// Product only.
    pub const PRODUCT: Scopes = Scopes(2);

    /// True when `scope` is in the set.
    pub fn contains(self, scope: Scope) -> bool {
        self.0 & (1 << scope as u8) != 0
    }

    /// The members' names, joined for a sentence.
    pub fn names(self) -> String {
        let names: Vec<&str> = Scope::ALL
            .into_iter()
            .filter(|s| self.contains(*s))
            .map(Scope::name)
            .collect();
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_hold_what_they_say() {
        assert_eq!(Sections::ALL.names(), "inbound, backend, outbound, on-error");
        assert_eq!(Sections::I.and(Sections::E).names(), "inbound, on-error");
        assert_eq!(Scopes::ALL.names(), "global, product, api, operation");
        assert_eq!(Scopes::NOT_GLOBAL.names(), "product, api, operation");
        assert_eq!(Scopes::NOT_OPERATION.names(), "global, product, api");
        assert_eq!(Scopes::PRODUCT.names(), "product");
        for section in Section::ALL {
            assert_eq!(Section::named(section.name()), Some(section));
        }
    }
}
