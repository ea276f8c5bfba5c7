//! `cache-lookup-value`, `cache-store-value`, `cache-remove-value`: values kept between requests.
//!
//! Source: their policy pages; `policies.md` §8. Which cache there is, if any, is the agent's business: a
//! self-hosted gateway has none of its own, so without an external one lookups miss and stores do nothing.

use std::{sync::Arc, time::Duration};

use super::{
    Flow, Policy, PolicyDef,
    def::{AttributeDef, ElementDef, attr},
};
use crate::{
    compile::{Compiler, Node},
    effect::{CacheAction, CacheRequest, CachingType, Effect, Outcome},
    exec::Run,
    failure::Failure,
    scope::{Scopes, Sections},
    setting::{Bounded, Setting, Untyped, keywords},
};

const KEY: AttributeDef = attr("key", "Key of the value.").required().expression();
pub(super) const CACHING_TYPE: AttributeDef = attr("caching-type", "Which cache is used.")
    .default("prefer-external")
    .words(Which::WORDS);

pub(crate) static LOOKUP: PolicyDef = PolicyDef {
    element: ElementDef::new(
        "cache-lookup-value",
        "Reads a value from the cache into a variable.",
    )
    .attributes(&[
        KEY,
        attr("variable-name", "Variable for the value.").required(),
        attr(
            "default-value",
            "Value of a miss; absent: the variable stays unset.",
        )
        .expression(),
        CACHING_TYPE,
    ]),
    sections: Sections::ALL,
    tolerated: Sections::ALL,
    scopes: Scopes::ALL,
    once: false,
    example: r#"<cache-lookup-value key="config" variable-name="config" default-value="none" />"#,
    build: build_lookup,
};

pub(crate) static STORE: PolicyDef = PolicyDef {
    element: ElementDef::new("cache-store-value", "Writes a value to the cache.").attributes(&[
        KEY,
        attr("value", "The value.").required().expression(),
        attr("duration", "How long it is kept, in seconds.")
            .required()
            .expression(),
        CACHING_TYPE,
    ]),
    sections: Sections::ALL,
    tolerated: Sections::ALL,
    scopes: Scopes::ALL,
    once: false,
    example: r#"<cache-store-value key="config" value="@((string)context.Variables["config"])" duration="300" />"#,
    build: build_store,
};

pub(crate) static REMOVE: PolicyDef = PolicyDef {
    element: ElementDef::new("cache-remove-value", "Removes a value from the cache.").attributes(&[
        KEY,
        CACHING_TYPE,
        attr(
            "fail-on-cache-removal-error",
            "A cache that cannot be reached is a failure.",
        )
        .expression()
        .default("false"),
    ]),
    sections: Sections::ALL,
    tolerated: Sections::ALL,
    scopes: Scopes::ALL,
    once: false,
    example: r#"<cache-remove-value key="config" />"#,
    build: build_remove,
};

keywords! {
    /// `caching-type`
    Which { PreferExternal = "prefer-external", External = "external", Internal = "internal" }
}

pub(super) fn caching_type(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<CachingType> {
    Some(match compiler.literal(node, "caching-type")? {
        Which::PreferExternal => CachingType::PreferExternal,
        Which::External => CachingType::External,
        Which::Internal => CachingType::Internal,
    })
}

/// Seconds a value is kept: an `Int32` in the original.
pub(super) type Seconds = Bounded<0, { i32::MAX as i64 }>;

fn build_lookup(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let key = compiler.attribute(node, "key");
    let variable = compiler.literal(node, "variable-name");
    let default = compiler.attribute(node, "default-value");
    let cache = caching_type(compiler, node);
    compiler.policy(Lookup {
        key: key?,
        variable: variable?,
        default,
        cache: cache?,
    });
    compiler.warn_without_cache(node.element);
    Some(())
}

fn build_store(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let key = compiler.attribute(node, "key");
    let value = compiler.attribute(node, "value");
    let duration = compiler.attribute(node, "duration");
    let cache = caching_type(compiler, node);
    compiler.policy(Store {
        key: key?,
        value: value?,
        duration: duration?,
        cache: cache?,
    });
    compiler.warn_without_cache(node.element);
    Some(())
}

fn build_remove(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let key = compiler.attribute(node, "key");
    let fail = compiler.attribute(node, "fail-on-cache-removal-error");
    let cache = caching_type(compiler, node);
    compiler.policy(Remove {
        key: key?,
        fail: fail?,
        cache: cache?,
    });
    compiler.warn_without_cache(node.element);
    Some(())
}

fn ask(
    run: &mut Run<'_>,
    key: &Setting<Arc<str>>,
    cache: CachingType,
    action: CacheAction,
) -> Result<Flow, Failure> {
    let key = key.get(run)?.into_owned();
    run.detail("key", || key.to_string());
    Ok(Flow::Ask(Effect::Cache(Box::new(CacheRequest {
        key,
        cache,
        action,
    }))))
}

#[derive(Debug)]
struct Lookup {
    key: Setting<Arc<str>>,
    variable: Arc<str>,
    default: Option<Setting<Untyped>>,
    cache: CachingType,
}

impl Policy for Lookup {
    fn run(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        ask(run, &self.key, self.cache, CacheAction::Lookup)
    }

    fn resume(&self, run: &mut Run<'_>, outcome: Outcome) -> Result<Flow, Failure> {
        let found = match outcome {
            Outcome::Cached(found) => found,
            // A cache that cannot be reached is a miss.
            Outcome::Failed(_) => None,
            other => return Err(run.unexpected(other)),
        };
        run.detail("hit", || found.is_some().to_string());
        match found {
            Some(value) => run.set_variable(&self.variable, value),
            None => {
                if let Some(default) = &self.default {
                    let value = default.value(run)?;
                    run.set_variable(&self.variable, value);
                }
            }
        }
        Ok(Flow::Next)
    }
}

#[derive(Debug)]
struct Store {
    key: Setting<Arc<str>>,
    value: Setting<Untyped>,
    duration: Setting<Seconds>,
    cache: CachingType,
}

impl Policy for Store {
    fn run(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        let value = self.value.value(run)?;
        let duration = Duration::from_secs(self.duration.get(run)?.unsigned());
        ask(run, &self.key, self.cache, CacheAction::Store { value, duration })
    }

    fn resume(&self, _run: &mut Run<'_>, _outcome: Outcome) -> Result<Flow, Failure> {
        // Storing is asynchronous in the original: nobody learns of a failure.
        Ok(Flow::Next)
    }
}

#[derive(Debug)]
struct Remove {
    key: Setting<Arc<str>>,
    fail: Setting<bool>,
    cache: CachingType,
}

impl Policy for Remove {
    fn run(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        ask(run, &self.key, self.cache, CacheAction::Remove)
    }

    fn resume(&self, run: &mut Run<'_>, outcome: Outcome) -> Result<Flow, Failure> {
        match outcome {
            Outcome::Failed(failure) if *self.fail.get(run)? => Err(failure),
            _ => Ok(Flow::Next),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::test_support::{check, check_load};

    #[test]
    fn a_hit_sets_the_variable_and_a_miss_the_default() {
        let lookup = |default: &str| format!("<cache-lookup-value key='k' variable-name='v' {default}/>");
        check(
            "inbound",
            &lookup(""),
            &["hit stored"],
            "lookup k; forward; 200 $v=stored",
        );
        check("inbound", &lookup(""), &["miss"], "lookup k; forward; 200");
        check(
            "inbound",
            &lookup("default-value='d'"),
            &["miss"],
            "lookup k; forward; 200 $v=d",
        );
        check(
            "inbound",
            &lookup("default-value='d'"),
            &["refused"],
            "lookup k; forward; 200 $v=d",
        );
    }

    #[test]
    fn stores_and_removals_go_on_whatever_happens() {
        let store = "<cache-store-value key='k' value='v' duration='60'/>";
        check("outbound", store, &["200", "miss"], "forward; store k=v 60s; 200");
        check(
            "outbound",
            store,
            &["200", "refused"],
            "forward; store k=v 60s; 200",
        );
        check(
            "inbound",
            "<cache-remove-value key='k'/>",
            &["refused"],
            "remove k; forward; 200",
        );
        check(
            "inbound",
            "<cache-remove-value key='k' fail-on-cache-removal-error='true'/>",
            &["refused"],
            "remove k; 500 cache-remove-value/BackendConnectionFailure",
        );
    }

    #[test]
    fn mistakes_refuse_the_document() {
        check_load(
            "inbound",
            "<cache-lookup-value key='k' variable-name='v' caching-type='redis'/>",
            "bad-value: `caching-type` of `cache-lookup-value` must be one of `prefer-external`, `external`, `internal`",
        );
        check_load(
            "inbound",
            "<cache-store-value key='k' value='v' duration='-1'/>",
            "bad-value: `duration` of `cache-store-value` must be a whole number from 0 to 2147483647",
        );
    }
}
