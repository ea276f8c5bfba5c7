//! `set-method`: changes the request's method.
//!
//! Source: "Set request method" policy page; `policies.md` §7.5. `OriginalMethod` stays.

use http::Method;

use super::{
    Flow, Policy, PolicyDef,
    def::{Content, ElementDef},
};
use crate::{
    compile::{Compiler, Node},
    exec::Run,
    failure::Failure,
    scope::{Scopes, Sections},
    setting::{FromValue, Setting},
};

/// Also a child of `send-request`.
pub(crate) static ELEMENT: ElementDef =
    ElementDef::new("set-method", "Changes the request method to its text.").content(Content::Text);

pub(crate) static DEF: PolicyDef = PolicyDef {
    element: ELEMENT,
    sections: Sections::I.and(Sections::E),
    tolerated: Sections::ALL,
    scopes: Scopes::ALL,
    once: false,
    example: r#"<set-method>POST</set-method>"#,
    build,
};

fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let method = compiler.text(node)?;
    compiler.policy(SetMethod { method });
    Some(())
}

#[derive(Debug)]
struct SetMethod {
    method: Setting<Method>,
}

impl Policy for SetMethod {
    fn run(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        let method = self.method.get(run)?.into_owned();
        run.detail("method", || method.to_string());
        run.context.request.method = method;
        Ok(Flow::Next)
    }
}

impl FromValue for Method {
    fn literal(text: &str) -> Result<Self, String> {
        Method::from_bytes(text.trim().as_bytes()).map_err(|_| "an HTTP method such as `POST`".into())
    }
}

#[cfg(test)]
mod tests {
    use crate::test_support::{check, check_load};

    #[test]
    fn the_method_is_the_text() {
        check(
            "inbound",
            "<set-method>\n POST </set-method>",
            &[],
            "forward POST; 200",
        );
        check_load(
            "inbound",
            "<set-method>P OST</set-method>",
            "bad-value: `text` of `set-method` must be an HTTP method such as `POST`",
        );
    }
}
