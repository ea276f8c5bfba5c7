//! The registry: one file a policy, one line here.
//!
//! A policy's file holds its element and attribute tables with their documentation, how it is built from a
//! checked element, how it runs, and its table of given → expected. The tables drive the checks at load
//! (unknown and missing attributes, children, sections, scopes) and the generated documentation.

use std::{fmt::Debug, net::IpAddr, ops::RangeInclusive};

use crate::{
    compile::{Compiler, Node},
    context::Response,
    effect::{Effect, Outcome},
    exec::Run,
    failure::Failure,
    scope::{Scopes, Sections},
};

mod authentication_basic;
mod authentication_certificate;
mod authentication_managed_identity;
mod block;
pub(crate) mod cache_response;
mod cache_value;
pub(crate) mod cache_value_block;
mod check_header;
mod choose;
mod cors;
mod cross_domain;
mod dapr;
pub mod def;
pub mod docs;
mod emit_metric;
mod find_and_replace;
mod forward_request;
mod include_fragment;
mod invoke_request;
mod ip_filter;
mod json_to_xml;
mod jsonp;
pub(crate) mod limit_concurrency;
mod llm;
mod log_to_eventhub;
mod mock_response;
mod proxy;
mod quota;
mod rate_limit;
mod redirect_content_urls;
pub(crate) mod retry;
mod return_response;
mod rewrite_uri;
mod send_request;
mod set_backend_service;
mod set_body;
mod set_header;
mod set_method;
mod set_query_parameter;
mod set_request_metric_dimension_value;
mod set_status;
mod set_variable;
mod token_checks;
mod trace;
mod validate_azure_ad_token;
mod validate_client_certificate;
mod validate_content;
mod validate_graphql_request;
mod validate_headers;
pub(crate) mod validate_jwt;
mod validate_odata_request;
mod validate_parameters;
mod validate_status_code;
mod validation;
pub(crate) mod wait;
mod xml_to_json;
mod xsl_transform;

pub use llm::meter::TokenMeter;
pub(crate) use llm::semantic_cache::SemanticEntry;

pub use def::{AttributeDef, Child, Content, ElementDef};

/// A policy as documented and built.
#[derive(Debug)]
pub struct PolicyDef {
    /// Element, attributes and children.
    pub element: ElementDef,
    /// Sections its reference page allows.
    pub sections: Sections,
    /// Sections where real documents use it although the page does not say so: accepted with a warning.
    pub tolerated: Sections,
    /// Scopes its reference page allows.
    pub scopes: Scopes,
    /// At most once in a section of a document.
    pub once: bool,
    /// A statement as people write it; a test loads it.
    pub example: &'static str,
    /// Builds it; `None` after reporting why not.
    pub(crate) build: fn(&mut Compiler<'_>, Node<'_>) -> Option<()>,
}

/// What a built policy does. It never acts itself: it changes the context or asks.
pub(crate) trait Policy: Debug + Send + Sync {
    /// Runs it.
    fn run(&self, run: &mut Run<'_>) -> Result<Flow, Failure>;

    /// Goes on after the effect it asked for.
    fn resume(&self, run: &mut Run<'_>, outcome: Outcome) -> Result<Flow, Failure> {
        let _ = outcome;
        Err(run.failure("the policy was resumed without having asked for anything"))
    }

    /// Runs it at the end of the exchange, if it asked for that with `Exchange::defer`.
    fn finish(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        let _ = run;
        Ok(Flow::Next)
    }

    /// The file it serves at `path`, which belongs to no API (`cross-domain`).
    fn file(&self, path: &str) -> Option<Response> {
        let _ = path;
        None
    }

    /// The callers it refuses whatever the request is, for the one policy whose answer depends on nothing else.
    fn forbids(&self) -> Option<Vec<RangeInclusive<IpAddr>>> {
        None
    }

    /// Answers a CORS preflight, for the one policy that does.
    fn preflight(&self, run: &mut Run<'_>) -> Option<Preflight> {
        let _ = run;
        None
    }
}

/// What follows a policy.
#[derive(Debug)]
pub(crate) enum Flow {
    /// The next statement.
    Next,
    /// Wait for this.
    Ask(Effect),
    /// On to outbound, with the response of the context.
    Outbound,
    /// Nothing more: the response of the context is the answer.
    End,
}

/// What a `cors` policy says to a preflight request.
#[derive(Debug)]
pub(crate) enum Preflight {
    /// This is the answer.
    Answer(Response),
    /// It does not match and lets the next policy decide.
    Unmatched,
}

/// Every policy built here, by name.
pub fn find(name: &str) -> Option<&'static PolicyDef> {
    POLICIES.iter().find(|p| p.element.name == name).copied()
}

/// Every policy built here, in the order of the reference.
pub static POLICIES: &[&PolicyDef] = &[
    &choose::DEF,
    &retry::DEF,
    &limit_concurrency::DEF,
    &include_fragment::DEF,
    &return_response::DEF,
    &mock_response::DEF,
    &trace::DEF,
    &check_header::DEF,
    &ip_filter::DEF,
    &validate_jwt::DEF,
    &validate_azure_ad_token::DEF,
    &cors::DEF,
    &rate_limit::DEF,
    &rate_limit::BY_KEY,
    &set_header::DEF,
    &set_query_parameter::DEF,
    &rewrite_uri::DEF,
    &set_backend_service::DEF,
    &set_method::DEF,
    &set_status::DEF,
    &set_body::DEF,
    &set_variable::DEF,
    &forward_request::DEF,
    &send_request::DEF,
    &send_request::ONE_WAY,
    &authentication_basic::DEF,
    &authentication_certificate::DEF,
    &authentication_managed_identity::DEF,
    &cache_response::LOOKUP,
    &cache_response::STORE,
    &cache_value::LOOKUP,
    &cache_value::STORE,
    &cache_value::REMOVE,
    &cache_value_block::DEF,
    &emit_metric::DEF,
    &llm::emit_token_metric::DEF,
    &llm::emit_token_metric::AZURE,
    &llm::semantic_cache::LOOKUP,
    &llm::semantic_cache::AZURE_LOOKUP,
    &llm::semantic_cache::STORE,
    &llm::semantic_cache::AZURE_STORE,
    &llm::token_limit::DEF,
    &llm::token_limit::AZURE,
    &find_and_replace::DEF,
    &redirect_content_urls::DEF,
    &dapr::PUBLISH,
    &dapr::BINDING,
    &json_to_xml::DEF,
    &xml_to_json::DEF,
    &jsonp::DEF,
    &log_to_eventhub::DEF,
    &quota::DEF,
    &quota::BY_KEY,
    &validate_client_certificate::DEF,
    &validate_content::DEF,
    &validate_parameters::DEF,
    &validate_headers::DEF,
    &validate_graphql_request::DEF,
    &validate_odata_request::DEF,
    &validate_status_code::DEF,
    &wait::DEF,
    &xsl_transform::DEF,
    &proxy::DEF,
    &cross_domain::DEF,
    &llm::content_safety::DEF,
    &block::DEF,
    &invoke_request::DEF,
    &set_request_metric_dimension_value::DEF,
];

/// Policies that the official self-hosted gateway does not run either: the six whose pages leave it out, and three
/// that only the vendor's schemas know: `authentication-token` and `authentication-token-store` need the identity
/// and the token store of the managed service, `graphql-data-source` is a resolver like the other data sources.
pub static NOT_ON_SELF_HOSTED: &[&str] = &[
    "authentication-token",
    "authentication-token-store",
    "cosmosdb-data-source",
    "get-authorization-context",
    "graphql-data-source",
    "http-data-source",
    "publish-event",
    "send-service-bus-message",
    "sql-data-source",
];
