//! `ip-filter`: lets addresses in or keeps them out.
//!
//! Source: "Restrict caller IPs" policy page; `policies.md` §4. The caller's address is
//! `context.Request.IpAddress`; an IPv4-mapped IPv6 address counts as IPv4.

use std::{net::IpAddr, ops::RangeInclusive};

use http::StatusCode;

use super::{
    Flow, Policy, PolicyDef,
    def::{Child, Content, ElementDef, attr},
};
use crate::{
    compile::{Compiler, Finding, Node},
    exec::Run,
    failure::{Failure, Refusal},
    scope::{Scopes, Sections},
    setting::{FromValue, Setting, keywords},
};

static ADDRESS: ElementDef = ElementDef::new("address", "One address.").content(Content::Text);

static RANGE: ElementDef = ElementDef::new(
    "address-range",
    "All addresses from one to another, both included.",
)
.attributes(&[
    attr("from", "First address.").required().expression(),
    attr("to", "Last address.").required().expression(),
]);

pub(crate) static DEF: PolicyDef = PolicyDef {
    element: ElementDef::new("ip-filter", "Allows or forbids calls by the caller's address.")
        .attributes(&[attr("action", "What happens to the listed addresses.")
            .required()
            .expression()
            .words(Action::WORDS)])
        .children(&[Child::any(&ADDRESS), Child::any(&RANGE)]),
    sections: Sections::I,
    tolerated: Sections::I,
    scopes: Scopes::ALL,
    once: false,
    example: r#"<ip-filter action="allow">
    <address>203.0.113.7</address>
    <address-range from="10.0.0.1" to="10.0.0.254" />
</ip-filter>"#,
    build,
};

keywords! {
    /// `action`
    Action { Allow = "allow", Forbid = "forbid" }
}

fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let action = compiler.attribute(node, "action");
    let mut entries: Vec<Option<Entry>> = Vec::new();
    for address in node.children("address") {
        entries.push(compiler.text(address).map(Entry::One));
    }
    for range in node.children("address-range") {
        let (from, to) = (compiler.attribute(range, "from"), compiler.attribute(range, "to"));
        entries.push(from.zip(to).map(|(from, to)| Entry::Range(from, to)));
    }
    if entries.is_empty() {
        let message = "`ip-filter` needs at least one `address` or `address-range`";
        compiler.report(Finding::on(node.element, "missing-element", message).help("list the addresses"));
        return None;
    }
    let entries = entries.into_iter().collect::<Option<_>>();
    compiler.policy(IpFilter {
        action: action?,
        entries: entries?,
    });
    Some(())
}

#[derive(Debug)]
struct IpFilter {
    action: Setting<Action>,
    entries: Vec<Entry>,
}

#[derive(Debug)]
enum Entry {
    One(Setting<Address>),
    Range(Setting<Address>, Setting<Address>),
}

/// An address, IPv4 wherever it can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Address(IpAddr);

impl FromValue for Address {
    fn literal(text: &str) -> Result<Self, String> {
        let parsed: Result<IpAddr, _> = text.trim().parse();
        parsed
            .map(|a| Self(a.to_canonical()))
            .map_err(|_| "an IPv4 or IPv6 address".into())
    }
}

impl IpFilter {
    fn lists(&self, caller: Address, run: &mut Run<'_>) -> Result<bool, Failure> {
        for entry in &self.entries {
            let found = match entry {
                Entry::One(address) => *address.get(run)? == caller,
                Entry::Range(from, to) => {
                    let (from, to) = (*from.get(run)?, *to.get(run)?);
                    // IpAddr orders every IPv4 address before every IPv6 one.
                    from.0.is_ipv4() == caller.0.is_ipv4()
                        && to.0.is_ipv4() == caller.0.is_ipv4()
                        && (from..=to).contains(&caller)
                }
            };
            if found {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Policy for IpFilter {
    fn run(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        let Some(caller) = run.context.request.ip_address else {
            return Err(refuse(
                "FailedToParseCallerIP",
                "Failed to establish IP address for the caller. Access denied.".into(),
            ));
        };
        let caller = Address(caller.to_canonical());
        run.detail("address", || caller.0.to_string());
        let listed = self.lists(caller, run)?;
        match *self.action.get(run)? {
            Action::Allow if !listed => {
                let message = format!("Caller IP address {} is not allowed. Access denied.", caller.0);
                Err(refuse("CallerIpNotAllowed", message))
            }
            Action::Forbid if listed => Err(refuse(
                "CallerIpBlocked",
                "Caller IP address is blocked. Access denied.".into(),
            )),
            Action::Allow | Action::Forbid => Ok(Flow::Next),
        }
    }

    fn forbids(&self) -> Option<Vec<RangeInclusive<IpAddr>>> {
        let Setting::Literal(Action::Forbid) = &self.action else {
            return None;
        };
        let literal = |setting: &Setting<Address>| match setting {
            Setting::Literal(address) => Some(address.0),
            Setting::Expression(_) => None,
        };
        let mut ranges = Vec::with_capacity(self.entries.len());
        for entry in &self.entries {
            let (from, to) = match entry {
                Entry::One(address) => (literal(address)?, literal(address)?),
                Entry::Range(from, to) => (literal(from)?, literal(to)?),
            };
            if from.is_ipv4() == to.is_ipv4() && from <= to {
                ranges.push(from..=to);
            }
        }
        Some(ranges)
    }
}

fn refuse(reason: &'static str, message: String) -> Failure {
    Failure::Refused(Box::new(Refusal {
        source: "ip-filter",
        reason,
        message,
        status: StatusCode::FORBIDDEN,
        public: "Forbidden".into(),
        headers: Vec::new(),
    }))
}

#[cfg(test)]
mod tests {
    use crate::test_support::{check_load, check_with};

    #[track_caller]
    fn call(from: Option<&str>, action: &str, entries: &str, expected: &str) {
        check_with(
            "inbound",
            &format!("<ip-filter action='{action}'>{entries}</ip-filter>"),
            |context| context.request.ip_address = from.map(|a| a.parse().unwrap()),
            &[],
            expected,
        );
    }

    const IN: &str = "forward; 200";
    const OUT: &str = "403 ip-filter/CallerIpNotAllowed";
    const BLOCKED: &str = "403 ip-filter/CallerIpBlocked";

    #[test]
    fn lists_allow_or_forbid() {
        let one = "<address> 10.0.0.1 </address>";
        for (from, action, expected) in [
            ("10.0.0.1", "allow", IN),
            ("10.0.0.2", "allow", OUT),
            ("10.0.0.1", "forbid", BLOCKED),
            ("10.0.0.2", "forbid", IN),
            ("::ffff:10.0.0.1", "allow", IN),
            ("::a00:1", "allow", OUT),
        ] {
            call(Some(from), action, one, expected);
        }
    }

    #[test]
    fn ranges_include_both_ends_and_one_family() {
        let range = "<address-range from='10.0.0.1' to='10.0.0.9'/><address-range from='2001:db8::1' to='2001:db8::ff'/>";
        for (from, expected) in [
            ("10.0.0.0", OUT),
            ("10.0.0.1", IN),
            ("10.0.0.9", IN),
            ("10.0.0.10", OUT),
            ("2001:db8::7f", IN),
            ("2001:db8::100", OUT),
        ] {
            call(Some(from), "allow", range, expected);
        }
    }

    #[test]
    fn an_unknown_caller_is_refused_either_way() {
        for action in ["allow", "forbid"] {
            call(
                None,
                action,
                "<address>10.0.0.1</address>",
                "403 ip-filter/FailedToParseCallerIP",
            );
        }
    }

    #[test]
    fn mistakes_refuse_the_document() {
        for (text, expected) in [
            (
                "<ip-filter action='deny'><address>1.2.3.4</address></ip-filter>",
                "bad-value: `action` of `ip-filter` must be one of `allow`, `forbid`",
            ),
            (
                "<ip-filter action='allow'/>",
                "missing-element: `ip-filter` needs at least one `address` or `address-range`",
            ),
            (
                "<ip-filter action='allow'><address>10.0.0.0/8</address></ip-filter>",
                "bad-value: `text` of `address` must be an IPv4 or IPv6 address",
            ),
            (
                "<ip-filter action='allow'><address-range from='1.2.3.4'/></ip-filter>",
                "missing-attribute: `address-range` needs the attribute `to`",
            ),
        ] {
            check_load("inbound", text, expected);
        }
    }
}
