//! `proxy`: an HTTP proxy between the gateway and the backend, here and in `send-request`.
//!
//! Source: "Set HTTP proxy" policy page; `policies.md` §8. The way to the proxy itself is plain HTTP. Credentials
//! go by Basic authentication; the page also names NTLM, which this gateway does not speak.

use std::sync::Arc;

use super::{
    Flow, Policy, PolicyDef,
    def::{ElementDef, attr},
};
use crate::{
    compile::{Compiler, Finding, Node},
    context::Url,
    effect::Proxy,
    exec::Run,
    failure::Failure,
    scope::{Scopes, Sections},
    setting::{FromValue, Setting, optional},
    url,
};

/// Also a child of `send-request`.
pub(crate) static ELEMENT: ElementDef = ElementDef::new("proxy", "Sends requests through an HTTP proxy.")
    .attributes(&[
        attr("url", "The proxy: `http://host:port`.")
            .required()
            .expression(),
        attr("username", "User name at the proxy.").expression(),
        attr("password", "Password at the proxy.").expression(),
    ]);

pub(crate) static DEF: PolicyDef = PolicyDef {
    element: ELEMENT,
    sections: Sections::I,
    tolerated: Sections::ALL,
    scopes: Scopes::ALL,
    once: false,
    example: r#"<proxy url="http://proxy.example.com:3128" username="user" password="secret" />"#,
    build,
};

fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let proxy = ProxySetting::build(compiler, node)?;
    compiler.policy(SetProxy { proxy });
    Some(())
}

#[derive(Clone, Debug)]
struct Address(Url);

impl FromValue for Address {
    fn literal(text: &str) -> Result<Self, String> {
        let url = url::parse(text)?;
        if &*url.scheme != "http" {
            return Err("a URL of scheme http: the way to the proxy is never TLS".into());
        }
        Ok(Self(url))
    }
}

/// The attributes.
#[derive(Debug)]
pub(crate) struct ProxySetting {
    url: Setting<Address>,
    username: Option<Setting<Arc<str>>>,
    password: Option<Setting<Arc<str>>>,
}

impl ProxySetting {
    pub(crate) fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<Self> {
        if node.has("password") && !node.has("username") {
            let message = "`proxy` needs the attribute `username` beside `password`";
            let finding = Finding::on(node.element, "missing-attribute", message);
            compiler.report(finding.help("give both, or none"));
            return None;
        }
        let url = compiler.attribute(node, "url");
        Some(Self {
            username: compiler.attribute(node, "username"),
            password: compiler.attribute(node, "password"),
            url: url?,
        })
    }

    /// The proxy of this run.
    pub(crate) fn proxy(&self, run: &mut Run<'_>) -> Result<Proxy, Failure> {
        let url = self.url.get(run)?.into_owned().0;
        let user = optional(self.username.as_ref(), run)?.map(|u| u.into_owned());
        let password = optional(self.password.as_ref(), run)?.map(|p| p.into_owned());
        run.detail("proxy", || url::to_text(&url));
        let user = user.filter(|u| !u.is_empty());
        Ok(Proxy {
            url,
            credentials: user.map(|u| (u, password.unwrap_or_default())),
        })
    }
}

#[derive(Debug)]
struct SetProxy {
    proxy: ProxySetting,
}

impl Policy for SetProxy {
    fn run(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        run.exchange.proxy = Some(self.proxy.proxy(run)?);
        Ok(Flow::Next)
    }
}

#[cfg(test)]
mod tests {
    use crate::test_support::{check, check_load};

    #[test]
    fn requests_go_through_the_proxy() {
        for (attributes, expected) in [
            (
                "url='http://p.test:3128'",
                "forward through proxy p.test:3128; 200",
            ),
            (
                "url='@(\"http://p\" + \".test\")' username='u' password='secret'",
                "forward through proxy p.test:80; 200",
            ),
            (
                "url='@(\"nothing\")'",
                "500 proxy/ExpressionValueEvaluationFailure",
            ),
        ] {
            check("inbound", &format!("<proxy {attributes}/>"), &[], expected);
        }
    }

    #[test]
    fn a_call_of_a_policy_has_its_own() {
        let text = "<send-request response-variable-name='r'><set-url>https://a.test/</set-url><proxy url='http://p.test:8080'/></send-request>";
        check(
            "inbound",
            text,
            &["timeout"],
            "send GET https://a.test/ through proxy p.test:8080; 500 send-request/Timeout",
        );
    }

    #[test]
    fn mistakes_refuse_the_document() {
        for (attributes, expected) in [
            ("", "missing-attribute: `proxy` needs the attribute `url`"),
            (
                "url='https://p'",
                "bad-value: `url` of `proxy` must be a URL of scheme http: the way to the proxy is never TLS",
            ),
            (
                "url='http://p' password='x'",
                "missing-attribute: `proxy` needs the attribute `username` beside `password`",
            ),
        ] {
            check_load("inbound", &format!("<proxy {attributes}/>"), expected);
        }
    }
}
