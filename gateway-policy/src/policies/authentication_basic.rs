//! `authentication-basic`: user name and password for the backend.
//!
//! Source: "Authenticate with Basic" policy page; `policies.md` §4. Replaces an `Authorization` header.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderValue, header};

use super::{
    Flow, Policy, PolicyDef,
    def::{ElementDef, attr},
};
use crate::{
    compile::{Compiler, Node},
    exec::Run,
    failure::Failure,
    scope::{Scopes, Sections},
    setting::Setting,
};

pub(crate) static DEF: PolicyDef = PolicyDef {
    element: ElementDef::new("authentication-basic", "Sends Basic credentials to the backend.").attributes(
        &[
            attr("username", "User name.").required().expression(),
            attr("password", "Password.").required().expression(),
        ],
    ),
    sections: Sections::I,
    tolerated: Sections::ALL,
    scopes: Scopes::ALL,
    once: false,
    example: r#"<authentication-basic username="user" password="secret" />"#,
    build,
};

fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let username = compiler.attribute(node, "username");
    let password = compiler.attribute(node, "password");
    compiler.policy(Basic {
        username: username?,
        password: password?,
    });
    Some(())
}

#[derive(Debug)]
struct Basic {
    username: Setting<Arc<str>>,
    password: Setting<Arc<str>>,
}

impl Policy for Basic {
    fn run(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        let username = self.username.get(run)?.into_owned();
        let password = self.password.get(run)?;
        let text = format!("Basic {}", STANDARD.encode(format!("{username}:{}", *password)));
        run.detail("username", || username.to_string());
        // Base64 is always a header value.
        if let Ok(mut value) = HeaderValue::from_str(&text) {
            value.set_sensitive(true);
            run.context.request.headers.insert(header::AUTHORIZATION, value);
        }
        Ok(Flow::Next)
    }
}

#[cfg(test)]
mod tests {
    use crate::test_support::check_with;

    #[test]
    fn credentials_replace_the_header() {
        check_with(
            "inbound",
            "<authentication-basic username='Aladdin' password='open sesame'/>",
            |context| {
                context
                    .request
                    .headers
                    .insert("authorization", "Bearer x".parse().unwrap());
            },
            &[],
            "forward authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==; 200",
        );
    }
}
