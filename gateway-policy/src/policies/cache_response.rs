//! `cache-lookup` and `cache-store`: whole responses kept between requests.
//!
//! Source: "Get from cache" and "Store to cache" policy pages; `policies.md` §8. The lookup makes the key, the
//! store uses it: one without the other does nothing. On a hit the backend is skipped and outbound runs on the
//! cached response.

use std::{fmt::Write as _, sync::Arc, time::Duration};

use gateway_expr::Value;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};

use super::{
    Flow, Policy, PolicyDef,
    cache_value::{CACHING_TYPE, Seconds, caching_type},
    def::{Child, Content, ElementDef, attr},
};
use crate::{
    compile::{Compiler, Finding, Node},
    context::Body,
    effect::{CacheAction, CacheRequest, CachingType, Effect, Message, Outcome},
    exec::Run,
    failure::Failure,
    scope::{Scopes, Sections},
    setting::{FromValue, Setting, keywords, optional},
    url::{is_parameter, query_pairs},
};

static BY_HEADER: ElementDef = ElementDef::new(
    "vary-by-header",
    "Headers that make different entries, `;` between them.",
)
.content(Content::Text);
static BY_QUERY: ElementDef = ElementDef::new(
    "vary-by-query-parameter",
    "Query parameters that make different entries; none: all of them.",
)
.content(Content::Text);

pub(crate) static LOOKUP: PolicyDef = PolicyDef {
    element: ElementDef::new("cache-lookup", "Answers from the cache if it holds a response.")
        .attributes(&[
            attr("vary-by-developer", "An entry for each user.")
                .required()
                .expression(),
            attr("vary-by-developer-groups", "An entry for each set of groups.")
                .required()
                .expression(),
            CACHING_TYPE,
            attr("downstream-caching-type", "Who else may cache the response.")
                .expression()
                .default("none")
                .words(Downstream::WORDS),
            attr(
                "must-revalidate",
                "Other caches must ask again when an entry is stale.",
            )
            .expression()
            .default("true"),
            attr(
                "allow-private-response-caching",
                "Also for requests with an `Authorization` header.",
            )
            .expression()
            .default("false"),
        ])
        .children(&[Child::any(&BY_HEADER), Child::any(&BY_QUERY)]),
    sections: Sections::I,
    tolerated: Sections::I,
    scopes: Scopes::ALL,
    once: true,
    example: r#"<cache-lookup vary-by-developer="false" vary-by-developer-groups="false">
    <vary-by-header>Accept</vary-by-header>
    <vary-by-query-parameter>version</vary-by-query-parameter>
</cache-lookup>"#,
    build: build_lookup,
};

pub(crate) static STORE: PolicyDef = PolicyDef {
    element: ElementDef::new("cache-store", "Writes the response to the cache.").attributes(&[
        attr("duration", "How long it is kept, in seconds.")
            .required()
            .expression(),
        attr("cache-response", "True: whatever its status; absent: only a 200.").expression(),
        attr("caching-mode", "Accepted and without effect.")
            .default("cache-on")
            .words(Mode::WORDS),
    ]),
    sections: Sections::O,
    tolerated: Sections::O,
    scopes: Scopes::ALL,
    once: true,
    example: r#"<cache-store duration="60" />"#,
    build: build_store,
};

keywords! {
    /// `downstream-caching-type`
    Downstream { None = "none", Private = "private", Public = "public" }
}

keywords! {
    /// `caching-mode`
    Mode { CacheOn = "cache-on", DoNotCache = "do-not-cache" }
}

fn build_lookup(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    if compiler.in_fragment() {
        let message = "`cache-lookup` cannot stand in a fragment";
        compiler
            .report(Finding::on(node.element, "not-allowed-here", message).help("put it into the document"));
        return None;
    }
    let by_developer = compiler.attribute(node, "vary-by-developer");
    let by_groups = compiler.attribute(node, "vary-by-developer-groups");
    let downstream = compiler.attribute(node, "downstream-caching-type");
    let must_revalidate = compiler.attribute(node, "must-revalidate");
    let private = compiler.attribute(node, "allow-private-response-caching");
    let cache = caching_type(compiler, node);
    let headers: Vec<_> = node
        .children("vary-by-header")
        .map(|n| compiler.text(n))
        .collect();
    let parameters: Vec<_> = node
        .children("vary-by-query-parameter")
        .map(|n| compiler.text(n))
        .collect();
    compiler.policy(Lookup {
        by_developer: by_developer?,
        by_groups: by_groups?,
        downstream: downstream?,
        must_revalidate: must_revalidate?,
        private: private?,
        cache: cache?,
        headers: headers.into_iter().collect::<Option<_>>()?,
        parameters: parameters.into_iter().collect::<Option<_>>()?,
    });
    compiler.warn_without_cache(node.element);
    Some(())
}

fn build_store(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let duration = compiler.attribute(node, "duration");
    let any_status = compiler.attribute(node, "cache-response");
    let mode: Mode = compiler.literal(node, "caching-mode")?;
    if mode == Mode::CacheOn {
        compiler.policy(Store {
            duration: duration?,
            any_status,
        });
        compiler.warn_without_cache(node.element);
    }
    Some(())
}

/// Names with `;` between them.
#[derive(Clone, Debug)]
struct Names(Vec<String>);

impl FromValue for Names {
    fn literal(text: &str) -> Result<Self, String> {
        Ok(Self(
            text.split(';')
                .map(|n| n.trim().to_owned())
                .filter(|n| !n.is_empty())
                .collect(),
        ))
    }
}

/// What a lookup leaves for the store of the same exchange.
#[derive(Debug)]
pub(crate) struct Entry {
    key: Arc<str>,
    cache: CachingType,
    downstream: Downstream,
    must_revalidate: bool,
}

#[derive(Debug)]
struct Lookup {
    by_developer: Setting<bool>,
    by_groups: Setting<bool>,
    downstream: Setting<Downstream>,
    must_revalidate: Setting<bool>,
    private: Setting<bool>,
    cache: CachingType,
    headers: Vec<Setting<Names>>,
    parameters: Vec<Setting<Names>>,
}

impl Lookup {
    /// API, operation, path, then everything that makes a difference.
    fn key(&self, run: &mut Run<'_>) -> Result<Arc<str>, Failure> {
        let by_developer = *self.by_developer.get(run)?;
        let by_groups = *self.by_groups.get(run)?;
        let mut headers = Vec::new();
        for names in &self.headers {
            headers.extend(names.get(run)?.into_owned().0);
        }
        let mut parameters = Vec::new();
        for names in &self.parameters {
            parameters.extend(names.get(run)?.into_owned().0);
        }
        let context = &run.context;
        let api = context.api.as_deref().map_or("", |a| &a.id);
        let operation = context.operation.as_deref().map_or("", |o| &o.id);
        let mut key = format!("response:{api}/{operation}:{}", context.request.url.path);
        let mut pairs: Vec<(&str, &str)> = query_pairs(&context.request.original_url.query)
            .filter(|(n, _)| parameters.is_empty() || parameters.iter().any(|p| is_parameter(n, p)))
            .collect();
        pairs.sort_unstable();
        for (name, value) in pairs {
            let _ = write!(key, "&{name}={value}");
        }
        for name in headers {
            let name = name.to_ascii_lowercase();
            for value in context.request.headers.get_all(&name) {
                let _ = write!(key, "\n{name}: {}", String::from_utf8_lossy(value.as_bytes()));
            }
        }
        if by_developer {
            let _ = write!(key, "\nuser {}", context.user.as_deref().map_or("", |u| &u.id));
        }
        if by_groups {
            let groups = context.user.as_deref().map_or(&[][..], |u| &u.groups);
            let mut ids: Vec<&str> = groups.iter().map(|g| &*g.id).collect();
            ids.sort_unstable();
            let _ = write!(key, "\ngroups {}", ids.join(","));
        }
        Ok(key.into())
    }
}

impl Policy for Lookup {
    fn run(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        if run.context.request.method != Method::GET {
            return Ok(Flow::Next);
        }
        if run.context.request.headers.contains_key(header::AUTHORIZATION) && !*self.private.get(run)? {
            return Ok(Flow::Next);
        }
        let key = self.key(run)?;
        run.detail("key", || key.to_string());
        run.exchange.cache_entry = Some(Box::new(Entry {
            key: Arc::clone(&key),
            cache: self.cache,
            downstream: *self.downstream.get(run)?,
            must_revalidate: *self.must_revalidate.get(run)?,
        }));
        Ok(Flow::Ask(Effect::Cache(Box::new(CacheRequest {
            key,
            cache: self.cache,
            action: CacheAction::Lookup,
        }))))
    }

    fn resume(&self, run: &mut Run<'_>, outcome: Outcome) -> Result<Flow, Failure> {
        let found = match outcome {
            Outcome::Cached(found) => found,
            // A cache that cannot be reached is a miss.
            Outcome::Failed(_) => None,
            other => return Err(run.unexpected(other)),
        };
        let response = found.as_ref().and_then(Value::as_response).cloned();
        run.detail("hit", || response.is_some().to_string());
        match response {
            Some(response) => {
                run.context.response = Some(response);
                // What came from the cache is not stored again.
                run.exchange.cache_entry = None;
                Ok(Flow::Outbound)
            }
            None => Ok(Flow::Next),
        }
    }
}

#[derive(Debug)]
struct Store {
    duration: Setting<Seconds>,
    any_status: Option<Setting<bool>>,
}

impl Store {
    /// Asks for the store, with the body in hand.
    fn ask(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        let seconds = self.duration.get(run)?.unsigned();
        let Some(entry) = run.exchange.cache_entry.take() else {
            return Ok(Flow::Next);
        };
        let response = run.response();
        for (name, value) in downstream_headers(&entry, seconds) {
            response.headers.insert(name, value);
        }
        let value = Value::response(response.clone());
        run.detail("key", || entry.key.to_string());
        let action = CacheAction::Store {
            value,
            duration: Duration::from_secs(seconds),
        };
        let request = CacheRequest {
            key: entry.key,
            cache: entry.cache,
            action,
        };
        Ok(Flow::Ask(Effect::Cache(Box::new(request))))
    }
}

/// What other caches are told.
fn downstream_headers(entry: &Entry, seconds: u64) -> Vec<(HeaderName, HeaderValue)> {
    let kind = match entry.downstream {
        Downstream::None => {
            return vec![(
                header::CACHE_CONTROL,
                HeaderValue::from_static("no-cache, no-store"),
            )];
        }
        Downstream::Private => "private",
        Downstream::Public => "public",
    };
    let revalidate = if entry.must_revalidate {
        ", must-revalidate"
    } else {
        ""
    };
    let value = HeaderValue::from_str(&format!("{kind}, max-age={seconds}{revalidate}"));
    value.into_iter().map(|v| (header::CACHE_CONTROL, v)).collect()
}

impl Policy for Store {
    fn run(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        let status = run.response().status;
        let wanted = match optional(self.any_status.as_ref(), run)? {
            Some(any) => *any,
            None => status == StatusCode::OK,
        };
        if !wanted || run.exchange.cache_entry.is_none() {
            return Ok(Flow::Next);
        }
        if run.response().body == Body::Streaming {
            return Ok(Flow::Ask(Effect::ReadBody(Message::Response)));
        }
        self.ask(run)
    }

    fn resume(&self, run: &mut Run<'_>, outcome: Outcome) -> Result<Flow, Failure> {
        match outcome {
            Outcome::Body(bytes) => {
                run.response().body = Body::Buffered(bytes);
                self.ask(run)
            }
            // Nobody waits for the store.
            Outcome::Cached(_) => Ok(Flow::Next),
            other if run.exchange.cache_entry.is_some() => Err(run.unexpected(other)),
            _ => Ok(Flow::Next),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::{
        Effect, Outcome, Step,
        context::{Body, Response},
        effect::CacheAction,
        exec::Execution,
        program::Program,
        scope::Scope,
        test_support::{FixedWorld, check, check_load, check_with, compile, context},
    };

    const LOOKUP: &str = "<cache-lookup vary-by-developer='false' vary-by-developer-groups='false'/>";

    fn both(attributes: &str, children: &str, store: &str) -> String {
        format!(
            "<policies><inbound><cache-lookup vary-by-developer='false' vary-by-developer-groups='false' {attributes}>{children}\
             </cache-lookup></inbound><backend><forward-request/></backend>\
             <outbound><set-header name='O'><value>1</value></set-header><cache-store duration='60' {store}/></outbound></policies>"
        )
    }

    fn execution(text: &str) -> Execution {
        let doc = Arc::new(compile(text, Scope::Api).unwrap());
        Execution::new(
            Arc::new(Program::compose([None, None, Some(doc), None])),
            context(),
        )
    }

    #[test]
    fn a_miss_is_stored_and_a_hit_skips_the_backend() {
        let text = both("downstream-caching-type='public'", "", "");
        let mut first = execution(&text);
        assert!(matches!(
            first.resume(Outcome::Start, &FixedWorld),
            Step::Effect(Effect::Cache(_))
        ));
        assert!(matches!(
            first.resume(Outcome::Cached(None), &FixedWorld),
            Step::Effect(Effect::Forward(_))
        ));
        let answer = Response {
            body: Body::Streaming,
            ..Response::default()
        };
        let step = first.resume(Outcome::Response(answer), &FixedWorld);
        assert!(matches!(step, Step::Effect(Effect::ReadBody(_))), "{step:?}");
        let Step::Effect(Effect::Cache(store)) = first.resume(Outcome::Body("kept".into()), &FixedWorld)
        else {
            panic!("nothing is stored");
        };
        let CacheAction::Store { value, duration } = store.action else {
            panic!("{store:?}")
        };
        assert_eq!(duration.as_secs(), 60);
        assert!(matches!(
            first.resume(Outcome::Cached(None), &FixedWorld),
            Step::Done
        ));

        let mut second = execution(&text);
        second.resume(Outcome::Start, &FixedWorld);
        assert!(matches!(
            second.resume(Outcome::Cached(Some(value)), &FixedWorld),
            Step::Done
        ));
        let response = second.context().response.as_ref().unwrap();
        assert_eq!(response.body, Body::Buffered("kept".into()));
        assert_eq!(
            response.headers["cache-control"],
            "public, max-age=60, must-revalidate"
        );
        assert_eq!(response.headers["o"], "1");
    }

    #[test]
    fn keys_hold_what_the_policy_varies_by() {
        let key = |attributes: &str, children: &str| {
            let mut run = execution(&both(attributes, children, ""));
            match run.resume(Outcome::Start, &FixedWorld) {
                Step::Effect(Effect::Cache(request)) => request.key.to_string(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(key("", ""), "response:echo-api/get-item:/base/items/42&x=1");
        assert_eq!(
            key("", "<vary-by-query-parameter>y;z</vary-by-query-parameter>"),
            "response:echo-api/get-item:/base/items/42"
        );
        assert_eq!(
            key("", "<vary-by-header>Accept</vary-by-header>"),
            "response:echo-api/get-item:/base/items/42&x=1"
        );
    }

    #[test]
    fn only_public_reads_are_looked_up() {
        check_with(
            "inbound",
            LOOKUP,
            |c| c.request.method = http::Method::POST,
            &[],
            "forward POST; 200",
        );
        let authorized = |c: &mut crate::Context| {
            c.request
                .headers
                .insert("authorization", "Bearer x".parse().unwrap());
        };
        check_with(
            "inbound",
            LOOKUP,
            authorized,
            &[],
            "forward authorization: Bearer x; 200",
        );
    }

    #[test]
    fn a_store_without_a_lookup_does_nothing() {
        check(
            "outbound",
            "<cache-store duration='60'/>",
            &["200 streaming"],
            "forward; 200 streaming",
        );
    }

    #[test]
    fn only_200_is_stored_unless_asked() {
        for (store, status, stored) in [
            ("", 404, false),
            ("cache-response='true'", 404, true),
            ("cache-response='false'", 200, false),
        ] {
            let mut run = execution(&both("", "", store));
            run.resume(Outcome::Start, &FixedWorld);
            run.resume(Outcome::Cached(None), &FixedWorld);
            let status = http::StatusCode::from_u16(status).unwrap();
            let step = run.resume(
                Outcome::Response(Response {
                    status,
                    ..Response::default()
                }),
                &FixedWorld,
            );
            assert_eq!(
                matches!(step, Step::Effect(Effect::Cache(_))),
                stored,
                "{store} {status}"
            );
        }
    }

    #[test]
    fn both_varies_are_needed() {
        check_load(
            "inbound",
            "<cache-lookup vary-by-developer='false'/>",
            "missing-attribute: `cache-lookup` needs the attribute `vary-by-developer-groups`",
        );
    }
}
