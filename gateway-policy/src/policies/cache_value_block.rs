//! `cache-value`: a variable from the cache, or from its children, whose value is then kept.
//!
//! It has no page; attributes and behaviour are those of the vendor's policy toolkit (`policies.md` §11). A value
//! younger than `refresh-after` is used as it is. An older one is made anew by the children, and serves on when
//! they leave the variable unset or null; while one request of this node makes it, the others go on with the old
//! one. Without a value the children run, then `default-value` stands in. The value is kept under its key like one of
//! `cache-store-value`, so `cache-lookup-value` and `cache-remove-value` see it; a second entry, which lives as long
//! as the value is fresh, tells its age.

use std::{sync::Arc, time::Duration};

use gateway_expr::Value;

use super::{
    PolicyDef,
    cache_value::{CACHING_TYPE, Seconds, caching_type},
    def::{Child, Content, ElementDef, attr},
};
use crate::{
    compile::{Compiler, Node},
    effect::{CacheAction, CacheRequest, CachingType, Effect},
    exec::Run,
    failure::Failure,
    program::Op,
    scope::{Scopes, Sections},
    setting::{Setting, Untyped},
};

static VALUE: ElementDef =
    ElementDef::new("value", "Policies that set the variable.").content(Content::Policies);

pub(crate) static DEF: PolicyDef = PolicyDef {
    element: ElementDef::new(
        "cache-value",
        "Sets a variable from the cache, or runs its children and keeps what they set.",
    )
    .attributes(&[
        attr("key", "Key of the value.").required().expression(),
        attr("variable-name", "Variable for the value.").required(),
        attr(
            "expires-after",
            "How long the value is kept, in seconds; evaluated after the children.",
        )
        .expression()
        .default("28800"),
        attr(
            "refresh-after",
            "Age in seconds from which the children make it anew; 0: always. Absent: only when it has expired.",
        )
        .expression(),
        attr(
            "default-value",
            "Value when there is none and the children set none; absent: the variable stays unset.",
        )
        .expression(),
        CACHING_TYPE,
    ])
    .children(&[Child::one(&VALUE)]),
    sections: Sections::ALL,
    tolerated: Sections::ALL,
    scopes: Scopes::ALL,
    once: false,
    example: r#"<cache-value key="token" variable-name="token" expires-after="3600" refresh-after="3000">
    <value>
        <send-request mode="new" response-variable-name="answer" ignore-error="true">
            <set-url>https://auth.example.com/token</set-url>
            <set-method>POST</set-method>
        </send-request>
        <set-variable name="token" value="@(((IResponse)context.Variables["answer"])?.Body.As<string>())" />
    </value>
</cache-value>"#,
    build,
};

fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let site = compiler.current();
    let key = compiler.attribute(node, "key");
    let variable = compiler.literal(node, "variable-name");
    let default = compiler.attribute(node, "default-value");
    let expires_after = compiler.attribute(node, "expires-after");
    let refresh_after = compiler.attribute(node, "refresh-after");
    let cache = caching_type(compiler, node);
    let (Some(key), Some(variable), Some(expires_after), Some(cache)) = (key, variable, expires_after, cache)
    else {
        compiler.look_inside(node);
        return None;
    };
    let policy = CacheValue {
        key,
        variable,
        expires_after,
        refresh_after,
        default,
        cache,
    };
    // The times are asked for before and after the children.
    let needs = compiler.take_needs();
    compiler.put_needs(needs);
    let policy = Box::new(policy);
    let start = compiler.emit(Op::CacheValue { policy, end: 0 }, site);
    if let Some(value) = node.child("value") {
        compiler.enter("value", 1);
        compiler.block(value.element);
        compiler.leave();
    }
    compiler.put_needs(needs);
    let fill = compiler.emit(Op::CacheFill { start }, site);
    if let Some(Op::CacheValue { end, .. }) = compiler.op_mut(start) {
        *end = fill + 1;
    }
    compiler.warn_without_cache(node.element);
    Some(())
}

#[derive(Debug)]
pub(crate) struct CacheValue {
    key: Setting<Arc<str>>,
    pub(crate) variable: Arc<str>,
    expires_after: Setting<Seconds>,
    refresh_after: Option<Setting<Seconds>>,
    default: Option<Setting<Untyped>>,
    cache: CachingType,
}

impl CacheValue {
    pub(crate) fn key(&self, run: &mut Run<'_>) -> Result<Arc<str>, Failure> {
        let key = self.key.get(run)?.into_owned();
        run.detail("key", || key.to_string());
        Ok(key)
    }

    /// The age of a value is told by a second entry.
    pub(crate) fn ages(&self) -> bool {
        self.refresh_after.is_some()
    }

    /// `refresh-after` is zero: the children run whatever is kept. An expression may need what they set; one that
    /// fails before them does not force anything.
    pub(crate) fn forced(&self, run: &mut Run<'_>) -> bool {
        let refresh = self.refresh_after.as_ref().map(|after| after.get(run));
        matches!(refresh, Some(Ok(after)) if after.unsigned() == 0)
    }

    pub(crate) fn default(&self, run: &mut Run<'_>) -> Result<Option<Value>, Failure> {
        self.default
            .as_ref()
            .map(|default| default.value(run))
            .transpose()
    }

    pub(crate) fn ask(&self, key: &Arc<str>, action: CacheAction) -> Effect {
        Effect::Cache(Box::new(CacheRequest {
            key: Arc::clone(key),
            cache: self.cache,
            action,
        }))
    }

    pub(crate) fn keep(&self, run: &mut Run<'_>, key: &Arc<str>, value: Value) -> Result<Effect, Failure> {
        let duration = Duration::from_secs(self.expires_after.get(run)?.unsigned());
        Ok(self.ask(key, CacheAction::Store { value, duration }))
    }

    /// Keeps for how long the value is fresh; `None`: its age does not matter.
    pub(crate) fn keep_age(&self, run: &mut Run<'_>, key: &Arc<str>) -> Result<Option<Effect>, Failure> {
        let Some(after) = &self.refresh_after else {
            return Ok(None);
        };
        let duration = Duration::from_secs(after.get(run)?.unsigned());
        let value = Value::string("1");
        Ok((!duration.is_zero()).then(|| self.ask(&age_key(key), CacheAction::Store { value, duration })))
    }
}

/// Key of the entry that lives while the value is fresh. It is also what one request of a node at a time holds to
/// make the value anew.
pub(crate) fn age_key(key: &str) -> Arc<str> {
    format!("cache-value-age:{key}").into()
}

#[cfg(test)]
mod tests {
    use crate::test_support::{check, check_load};

    fn value(attributes: &str, children: &str) -> String {
        format!("<cache-value key='k' variable-name='v' {attributes}><value>{children}</value></cache-value>")
    }

    const SET: &str = "<set-variable name='v' value='new'/>";
    const SEND: &str = "<send-request response-variable-name='r'><set-url>http://a.test/</set-url></send-request><set-variable name='v' value='new'/>";

    #[test]
    fn what_is_kept_is_used_and_what_is_missing_is_made() {
        for (attributes, children, answers, expected) in [
            ("", SET, &["hit old"][..], "lookup k; forward; 200 $v=old"),
            (
                "",
                SET,
                &["miss", "miss"],
                "lookup k; store k=new 28800s; forward; 200 $v=new",
            ),
            (
                "expires-after='60'",
                SEND,
                &["miss", "200", "miss"],
                "lookup k; send GET http://a.test/; store k=new 60s; forward; 200 $r=IResponse $v=new",
            ),
            // The cache cannot be reached, before and after.
            (
                "",
                SET,
                &["refused", "refused"],
                "lookup k; store k=new 28800s; forward; 200 $v=new",
            ),
            ("", "", &["miss"], "lookup k; forward; 200"),
            ("default-value='d'", "", &["miss"], "lookup k; forward; 200 $v=d"),
            (
                "default-value='d'",
                "<set-variable name='v' value='@((string)null)'/>",
                &["miss"],
                "lookup k; forward; 200 $v=d",
            ),
        ] {
            check("inbound", &value(attributes, children), answers, expected);
        }
    }

    #[test]
    fn old_values_are_made_anew_by_one_request_at_a_time() {
        let times = "expires-after='60' refresh-after='30'";
        let age = "lookup k; lookup cache-value-age:k";
        for (children, answers, expected) in [
            (
                SET,
                &["hit old", "hit 1"][..],
                format!("{age}; forward; 200 $v=old"),
            ),
            (
                SET,
                &["hit old", "miss", "permit", "miss", "miss"],
                format!(
                    "{age}; enter cache-value-age:k 1; store k=new 60s; store cache-value-age:k=1 30s; forward; 200 $v=new"
                ),
            ),
            // Another request makes it.
            (
                SET,
                &["hit old", "miss", "full"],
                format!("{age}; enter cache-value-age:k 1; forward; 200 $v=old"),
            ),
            // Nothing was made: the old one serves on.
            (
                "",
                &["hit old", "miss", "permit"],
                format!("{age}; enter cache-value-age:k 1; forward; 200 $v=old"),
            ),
        ] {
            check("inbound", &value(times, children), answers, &expected);
        }
        check(
            "inbound",
            &value("refresh-after='0'", SET),
            &["miss"],
            "store k=new 28800s; forward; 200 $v=new",
        );
    }

    #[test]
    fn the_variable_starts_unset_and_gets_its_value_back() {
        let before = "<set-variable name='v' value='before'/>";
        check(
            "inbound",
            &(before.to_owned() + &value("", "")),
            &["miss"],
            "lookup k; forward; 200 $v=before",
        );
        check(
            "inbound",
            &(before.to_owned()
                + &value(
                    "",
                    "<set-variable name='had' value='@(context.Variables.ContainsKey(\"v\"))'/>",
                )),
            &["miss"],
            "lookup k; forward; 200 $had=False $v=before",
        );
    }

    #[test]
    fn times_may_depend_on_what_the_children_set() {
        let text = value(
            "expires-after='@((int)context.Variables[\"life\"])' refresh-after='@((int)context.Variables[\"life\"] / 2)'",
            "<set-variable name='life' value='@(40)'/><set-variable name='v' value='new'/>",
        );
        check(
            "inbound",
            &text,
            &["miss", "miss", "miss"],
            "lookup k; store k=new 40s; store cache-value-age:k=1 20s; forward; 200 $life=40 $v=new",
        );
    }

    #[test]
    fn it_nests_and_fails_and_is_retried() {
        let inner = "<cache-value key='i' variable-name='w'><value><set-variable name='w' value='1'/></value></cache-value>";
        check(
            "inbound",
            &value("", &(inner.to_owned() + SET)),
            &["miss", "miss", "miss", "miss"],
            "lookup k; lookup i; store i=1 28800s; store k=new 28800s; forward; 200 $w=1 $v=new",
        );
        check(
            "inbound",
            &value("", SEND),
            &["miss", "refused"],
            "lookup k; send GET http://a.test/; 500 send-request/BackendConnectionFailure",
        );
        let retried = format!(
            "<retry condition='true' count='1' interval='0'>{}</retry>",
            value("", SEND)
        );
        check(
            "inbound",
            &retried,
            &["miss", "refused", "hit old"],
            "lookup k; send GET http://a.test/; lookup k; forward; 200 $v=old",
        );
        check(
            "inbound",
            &value(
                "",
                "<return-response><set-status code='204' reason='x'/></return-response>",
            ),
            &["miss"],
            "lookup k; 204 (x)",
        );
    }

    #[test]
    fn mistakes_refuse_the_document() {
        check_load(
            "inbound",
            "<cache-value key='k' variable-name='v'/>",
            "missing-element: `<cache-value>` needs a child element `<value>`",
        );
        check_load(
            "inbound",
            &value("expires-after='-1'", ""),
            "bad-value: `expires-after` of `cache-value` must be a whole number from 0 to 2147483647",
        );
        check_load(
            "inbound",
            &value("", "<nothing/>"),
            "unknown-element: there is no policy `<nothing>`; no-external-cache: `cache-value` keeps nothing: there is no cache",
        );
    }
}
