//! The tables of the `context` model: signatures as C# writes them, and the functions beside this file.

use super::*;
use crate::lib::Entry;

const CONTEXT: &[Entry] = &[
    Get("IApi Api", |c| when(c.vm.context.api.is_some(), Part::Api)),
    Get("IBackend Backend", |c| {
        when(c.vm.context.backend.is_some(), Part::Backend)
    }),
    Get("IDeployment Deployment", |c| {
        when(has_deployment(c.vm), Part::Deployment)
    }),
    Get("TimeSpan Elapsed", |c| {
        let elapsed = c.vm.world.utc_now_ticks() - c.vm.context.timestamp_ticks;
        Ok(Value::TimeSpan(TimeSpan::from_ticks(elapsed)))
    }),
    Get("IGraphQL GraphQL", |_| Ok(Value::Null)),
    Get("ILastError LastError", |c| {
        when(c.vm.context.last_error.is_some(), Part::LastError)
    }),
    Get("IOperation Operation", |c| {
        when(c.vm.context.operation.is_some(), Part::Operation)
    }),
    Get("IProduct Product", |c| {
        when(c.vm.context.product.is_some(), Part::Product)
    }),
    Get("IRequest Request", |_| Ok(Value::Context(Part::Request))),
    Get("Guid RequestId", |c| {
        // The bytes are in text order; the constructor takes .NET's mixed order.
        let b = c.vm.context.request_id;
        let mixed = [
            b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
            b[15],
        ];
        Ok(Value::Guid(Guid::from_bytes(&mixed)?))
    }),
    Get("IResponse Response", |c| {
        when(c.vm.context.response.is_some(), Part::Response)
    }),
    Get("ISubscription Subscription", |c| {
        when(c.vm.context.subscription.is_some(), Part::Subscription)
    }),
    Get("DateTime Timestamp", |c| Ok(utc(c.vm.context.timestamp_ticks))),
    Get("bool Tracing", |c| Ok(Value::Bool(c.vm.context.tracing))),
    Get("IUser User", |c| when(c.vm.context.user.is_some(), Part::User)),
    Get("IReadOnlyDictionary<string, object> Variables", |_| {
        Ok(Value::Context(Part::Variables))
    }),
    Get("IWorkspace Workspace", |_| Ok(Value::Null)),
    Get("void Trace(string message)", |c| {
        let s = c.str_or_empty(1).to_lossy().into_owned();
        c.vm.charge(s.len())?;
        let messages = &mut c.vm.context.evaluation.messages;
        if messages.len() < crate::MESSAGES_MAX {
            messages.push(s);
        }
        Ok(Value::Null)
    }),
];

const REQUEST: &[Entry] = &[
    Get("IMessageBody Body", |c| {
        when(c.vm.context.request.body != Body::None, Part::RequestBody)
    }),
    Get(
        "System.Security.Cryptography.X509Certificates.X509Certificate2 Certificate",
        |c| match c.vm.context.request.certificate.clone() {
            Some(der) => crate::lib::make_certificate(&der),
            None => Ok(Value::Null),
        },
    ),
    Get("IReadOnlyDictionary<string, string[]> Headers", |_| {
        Ok(Value::Context(Part::RequestHeaders))
    }),
    Get("string IpAddress", |c| {
        Ok(c.vm
            .context
            .request
            .ip_address
            .map_or(Value::Null, |ip| Value::string(&ip.to_string())))
    }),
    Get("IReadOnlyDictionary<string, string> MatchedParameters", |_| {
        Ok(Value::Context(Part::MatchedParameters))
    }),
    Get("string Method", |c| Ok(method_text(&c.vm.context.request.method))),
    Get("string OriginalMethod", |c| {
        Ok(method_text(&c.vm.context.request.original_method))
    }),
    Get("bool HasBody", |c| {
        Ok(Value::Bool(c.vm.context.request.body != Body::None))
    }),
    Get("IUrl OriginalUrl", |_| Ok(Value::Context(Part::OriginalUrl))),
    Get("IUrl Url", |_| Ok(Value::Context(Part::RequestUrl))),
    Get("IPrivateEndpointConnection PrivateEndpointConnection", |_| {
        Ok(Value::Null)
    }),
    Get("IFoundry Foundry", |_| Ok(Value::Null)),
];

const RESPONSE: &[Entry] = &[
    Get("IMessageBody Body", response_body),
    Get("IReadOnlyDictionary<string, string[]> Headers", response_headers),
    Get("int StatusCode", |c| {
        Ok(response(c, |r| i32::from(r.status.as_u16())).map_or(Value::Null, Value::Int))
    }),
    Get("string StatusReason", reason),
];

const EXTENSIONS: &[Entry] = &[
    Get(
        "static string GetValueOrDefault(this IReadOnlyDictionary<string, string[]> dictionary, string key, string defaultValue = null)",
        joined,
    ),
    Get(
        "static string GetValueOrDefault(this IReadOnlyDictionary<string, string> dictionary, string key, string defaultValue = null)",
        value_or_default,
    ),
    Get(
        "static object GetValueOrDefault(this IReadOnlyDictionary<string, object> dictionary, string key)",
        variable_object,
    ),
    Get(
        "static T GetValueOrDefault<T>(this IReadOnlyDictionary<string, object> dictionary, string key, T defaultValue = default)",
        variable_typed,
    ),
    Get(
        "static string ToQueryString(this IDictionary<string, IList<string>> dictionary)",
        form_text,
    ),
    Get(
        "static string ToFormUrlEncodedContent(this IDictionary<string, IList<string>> dictionary)",
        form_text,
    ),
    Get("static BasicAuthCredentials AsBasic(this string value)", |c| {
        Ok(crate::lib::jwt::basic(&c.str_or_empty(0)).unwrap_or(Value::Null))
    }),
    Get(
        "static bool TryParseBasic(this string value, out BasicAuthCredentials result)",
        |c| {
            let found = crate::lib::jwt::basic(&c.str_or_empty(0));
            let ok = found.is_some();
            c.out(1, found.unwrap_or(Value::Null));
            Ok(Value::Bool(ok))
        },
    ),
    Get("static Jwt AsJwt(this string value)", |c| {
        Ok(crate::lib::jwt::parse(&c.str_or_empty(0).to_lossy()).unwrap_or(Value::Null))
    }),
    Get(
        "static bool TryParseJwt(this string value, out Jwt result)",
        |c| {
            let found = crate::lib::jwt::parse(&c.str_or_empty(0).to_lossy());
            let ok = found.is_some();
            c.out(1, found.unwrap_or(Value::Null));
            Ok(Value::Bool(ok))
        },
    ),
];

pub(crate) const TYPES: &[Decl] = &[
    all("interface IExpressionContext", CONTEXT),
    all("interface IRequest", REQUEST),
    all("interface IResponse", RESPONSE),
    all(
        "interface IMessageBody",
        &[
            Get("T As<T>(bool preserveContent = false)", body_as),
            Get(
                "IDictionary<string, IList<string>> AsFormUrlEncodedContent(bool preserveContent = false)",
                form,
            ),
        ],
    ),
    all(
        "interface IUrl",
        &[
            Get("string Host", |c| url_prop(c, |u| Value::string(&u.host))),
            Get("string Path", |c| url_prop(c, |u| Value::string(&u.path))),
            Get("int Port", |c| url_prop(c, |u| Value::Int(i32::from(u.port)))),
            Get("string Scheme", |c| url_prop(c, |u| Value::string(&u.scheme))),
            Get("string QueryString", |c| {
                url_prop(c, |u| {
                    Value::string(&if u.query.is_empty() {
                        String::new()
                    } else {
                        format!("?{}", u.query)
                    })
                })
            }),
            Get("IReadOnlyDictionary<string, string[]> Query", |c| {
                Ok(Value::Context(match part(c) {
                    Some(Part::RequestUrl) => Part::RequestUrlQuery,
                    Some(Part::ApiServiceUrl) => Part::ServiceUrlQuery,
                    _ => Part::OriginalUrlQuery,
                }))
            }),
            Get("Uri ToUri()", |c| {
                let whole = part(c)
                    .and_then(|p| url(c.vm, p))
                    .map(url_text)
                    .unwrap_or_default();
                Ok(crate::lib::make_uri(&Str::new(&whole)))
            }),
            Get("string ToString()", crate::lib::base::to_string),
        ],
    ),
    all(
        "interface IApi",
        &[
            Get("string Id", |c| entity!(c, api, e => string(&e.id))),
            Get("string Name", |c| entity!(c, api, e => string(&e.name))),
            Get("string Path", |c| entity!(c, api, e => string(&e.path))),
            Get("string Revision", |c| entity!(c, api, e => string(&e.revision))),
            Get(
                "bool IsCurrentRevision",
                |c| entity!(c, api, e => Ok(Value::Bool(e.is_current_revision))),
            ),
            Get(
                "string Version",
                |c| entity!(c, api, e => opt(e.version.as_deref())),
            ),
            Get(
                "IUrl ServiceUrl",
                |c| entity!(c, api, e => when(e.service_url.is_some(), Part::ApiServiceUrl)),
            ),
            Get(
                "IEnumerable<string> Protocols",
                |c| entity!(c, api, e => Ok(Value::strings(e.protocols.iter().map(|p| &**p)))),
            ),
            Get(
                "ISubscriptionKeyParameterNames SubscriptionKeyParameterNames",
                |c| when(c.vm.context.api.is_some(), Part::ApiKeyNames),
            ),
        ],
    ),
    all(
        "interface ISubscriptionKeyParameterNames",
        &[
            Get("string Header", |c| entity!(c, api, e => string(&e.key_header))),
            Get("string Query", |c| entity!(c, api, e => string(&e.key_query))),
        ],
    ),
    all(
        "interface IBackend",
        &[
            Get("string Id", |c| entity!(c, backend, e => string(&e.id))),
            Get(
                "string AzureRegion",
                |c| entity!(c, backend, e => opt(e.azure_region.as_deref())),
            ),
            Get("BackendType Type", |c| {
                entity!(c, backend, e => Ok(Value::Enum(
                    registry().by_full_name("BackendType").unwrap_or(types::OBJECT),
                    i64::from(e.is_pool),
                )))
            }),
        ],
    ),
    values("enum BackendType", Verdict::All, &[("Single", 0), ("Pool", 1)]),
    all(
        "interface IDeployment",
        &[
            Get("IGateway Gateway", |_| Ok(Value::Context(Part::Gateway))),
            Get("string GatewayId", |c| {
                string(&c.vm.context.deployment.gateway_id)
            }),
            Get("string Region", |c| string(&c.vm.context.deployment.region)),
            Get("string ServiceId", |c| {
                string(&c.vm.context.deployment.service_id)
            }),
            Get("string ServiceName", |c| {
                string(&c.vm.context.deployment.service_name)
            }),
            Get(
                "IReadOnlyDictionary<string, System.Security.Cryptography.X509Certificates.X509Certificate2> Certificates",
                |_| Ok(Value::Context(Part::Certificates)),
            ),
            Get("ISustainabilityInfo SustainabilityInfo", |_| Ok(Value::Null)),
        ],
    ),
    all(
        "interface ISustainabilityInfo",
        &[Get("CarbonIntensityCategory CurrentCarbonIntensity", |_| {
            Ok(Value::Null)
        })],
    ),
    values(
        "enum CarbonIntensityCategory",
        Verdict::All,
        &[
            ("NotAvailable", 0),
            ("VeryLow", 1),
            ("Low", 2),
            ("Medium", 3),
            ("High", 4),
            ("VeryHigh", 5),
        ],
    ),
    all(
        "interface IFoundry",
        &[Get("string Deployment", |_| Ok(Value::Null))],
    ),
    all(
        "interface IGateway",
        &[
            Get("string Id", |c| string(&c.vm.context.deployment.gateway_id)),
            Get("string InstanceId", |c| {
                string(&c.vm.context.deployment.instance_id)
            }),
            Get("bool IsManaged", |c| {
                Ok(Value::Bool(c.vm.context.deployment.is_managed))
            }),
        ],
    ),
    all(
        "interface IGraphQLDataObject",
        &[Get("object this[string k]", |_| Ok(Value::Null))],
    ),
    all(
        "interface IGraphQL",
        &[
            Get("Newtonsoft.Json.Linq.JObject Arguments", |_| Ok(Value::Null)),
            Get("Newtonsoft.Json.Linq.JObject Parent", |_| Ok(Value::Null)),
        ],
    ),
    all(
        "interface ILastError",
        &[
            Get(
                "string Source",
                |c| entity!(c, last_error, e => string(&e.source)),
            ),
            Get(
                "string Reason",
                |c| entity!(c, last_error, e => string(&e.reason)),
            ),
            Get(
                "string Message",
                |c| entity!(c, last_error, e => string(&e.message)),
            ),
            Get(
                "string Scope",
                |c| entity!(c, last_error, e => opt(e.scope.as_deref())),
            ),
            Get(
                "string Section",
                |c| entity!(c, last_error, e => opt(e.section.as_deref())),
            ),
            Get(
                "string Path",
                |c| entity!(c, last_error, e => opt(e.path.as_deref())),
            ),
            Get(
                "string PolicyId",
                |c| entity!(c, last_error, e => opt(e.policy_id.as_deref())),
            ),
            Get(
                "int HttpErrorCode",
                |c| entity!(c, last_error, e => Ok(Value::Int(i32::from(e.http_error_code)))),
            ),
        ],
    ),
    all(
        "interface IOperation",
        &[
            Get("string Id", |c| entity!(c, operation, e => string(&e.id))),
            Get("string Method", |c| entity!(c, operation, e => string(&e.method))),
            Get("string Name", |c| entity!(c, operation, e => string(&e.name))),
            Get(
                "string UrlTemplate",
                |c| entity!(c, operation, e => string(&e.url_template)),
            ),
        ],
    ),
    all(
        "interface IGroup",
        &[
            Get("string Id", |c| group(c, |g| &g.id)),
            Get("string Name", |c| group(c, |g| &g.name)),
        ],
    ),
    values(
        "enum ProductState",
        Verdict::All,
        &[("NotPublished", 0), ("Published", 1)],
    ),
    all(
        "interface IProduct",
        &[
            Get("IEnumerable<IApi> Apis", |c| {
                parts_list("IApi", usize::from(c.vm.context.api.is_some()), |_| Part::Api)
            }),
            Get(
                "bool ApprovalRequired",
                |c| entity!(c, product, e => Ok(Value::Bool(e.approval_required))),
            ),
            Get("IEnumerable<IGroup> Groups", |c| {
                let count = c.vm.context.product.as_ref().map_or(0, |p| p.groups.len());
                parts_list("IGroup", count, Part::ProductGroup)
            }),
            Get("string Id", |c| entity!(c, product, e => string(&e.id))),
            Get("string Name", |c| entity!(c, product, e => string(&e.name))),
            Get("ProductState State", |c| {
                entity!(c, product, e => Ok(Value::Enum(
                    registry().by_full_name("ProductState").unwrap_or(types::OBJECT),
                    i64::from(e.published),
                )))
            }),
            Get(
                "int? SubscriptionsLimit",
                |c| entity!(c, product, e => Ok(e.subscriptions_limit.map_or(Value::Null, Value::Int))),
            ),
            Get(
                "int? SubscriptionLimit",
                |c| entity!(c, product, e => Ok(e.subscriptions_limit.map_or(Value::Null, Value::Int))),
            ),
            Get(
                "bool SubscriptionRequired",
                |c| entity!(c, product, e => Ok(Value::Bool(e.subscription_required))),
            ),
        ],
    ),
    all(
        "interface IPrivateEndpointConnection",
        &[
            Get("string Name", |_| Ok(Value::Null)),
            Get("string GroupId", |_| Ok(Value::Null)),
            Get("string MemberName", |_| Ok(Value::Null)),
        ],
    ),
    all(
        "interface ISubscription",
        &[
            Get(
                "DateTime CreatedDate",
                |c| entity!(c, subscription, e => Ok(utc(e.created_ticks))),
            ),
            Get(
                "DateTime? EndDate",
                |c| entity!(c, subscription, e => Ok(e.end_ticks.map_or(Value::Null, utc))),
            ),
            Get("string Id", |c| entity!(c, subscription, e => string(&e.id))),
            Get("string Key", |c| {
                let key = c.vm.context.subscription_key.clone();
                match key {
                    Some(k) => string(&k),
                    None => entity!(c, subscription, e => opt(e.primary_key.as_deref())),
                }
            }),
            Get("string Name", |c| entity!(c, subscription, e => string(&e.name))),
            Get(
                "string PrimaryKey",
                |c| entity!(c, subscription, e => opt(e.primary_key.as_deref())),
            ),
            Get(
                "string SecondaryKey",
                |c| entity!(c, subscription, e => opt(e.secondary_key.as_deref())),
            ),
            Get(
                "DateTime? StartDate",
                |c| entity!(c, subscription, e => Ok(e.start_ticks.map_or(Value::Null, utc))),
            ),
        ],
    ),
    all(
        "interface IUserIdentity",
        &[
            Get("string Id", |c| identity(c, true)),
            Get("string Provider", |c| identity(c, false)),
        ],
    ),
    all(
        "interface IUser",
        &[
            Get("string Email", |c| entity!(c, user, e => string(&e.email))),
            Get(
                "string FirstName",
                |c| entity!(c, user, e => string(&e.first_name)),
            ),
            Get("IEnumerable<IGroup> Groups", |c| {
                let count = c.vm.context.user.as_ref().map_or(0, |u| u.groups.len());
                parts_list("IGroup", count, Part::UserGroup)
            }),
            Get("string Id", |c| entity!(c, user, e => string(&e.id))),
            Get("IEnumerable<IUserIdentity> Identities", |c| {
                let count = c.vm.context.user.as_ref().map_or(0, |u| u.identities.len());
                parts_list("IUserIdentity", count, Part::UserIdentity)
            }),
            Get("string LastName", |c| entity!(c, user, e => string(&e.last_name))),
            Get("string Note", |c| entity!(c, user, e => string(&e.note))),
            Get(
                "DateTime RegistrationDate",
                |c| entity!(c, user, e => Ok(utc(e.registration_ticks))),
            ),
        ],
    ),
    all(
        "interface IWorkspace",
        &[
            Get("string Id", |_| Ok(Value::Null)),
            Get("string Name", |_| Ok(Value::Null)),
        ],
    ),
    all("static ExpressionExtensions", EXTENSIONS),
    all(
        "static System.Collections.Generic.CollectionExtensions",
        &[
            Get(
                "static TValue GetValueOrDefault<TKey, TValue>(this IReadOnlyDictionary<TKey, TValue> dictionary, TKey key)",
                value_or_default,
            ),
            Get(
                "static TValue GetValueOrDefault<TKey, TValue>(this IReadOnlyDictionary<TKey, TValue> dictionary, TKey key, TValue defaultValue)",
                value_or_default,
            ),
        ],
    ),
];
