//! What policies add to a request, what checking a token costs over its signature, and how fast documents compile.

use std::{hint::black_box, path::Path, sync::Arc};

use anyhow::{Context as _, Result, anyhow};
use aws_lc_rs::{
    encoding::AsDer as _,
    signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use gateway_bench::Case;
use gateway_expr::cases::FixedWorld;
use gateway_policy::{
    Execution, Names, Options, Outcome, Program, Scope, ScopeDoc, Source, Step,
    context::{Api, Body, Context, Operation, Request, Response, Url, Variables},
};
use http::{HeaderMap, HeaderValue, Method};

/// Ten policies, five expressions.
const TEN: &str = r#"
<set-variable name="tenant" value="@(context.Request.Headers.GetValueOrDefault("X-Tenant", "none"))" />
<set-variable name="kind" value="order" />
<set-header name="X-Route" exists-action="override"><value>@("tenant-" + (string)context.Variables["tenant"])</value></set-header>
<set-header name="X-Gateway" exists-action="override"><value>contoso</value></set-header>
<choose><when condition="@(context.Request.Method == "GET" &amp;&amp; (string)context.Variables["tenant"] == "contoso")">
<set-variable name="cached" value="yes" /></when></choose>
<set-query-parameter name="tenant" exists-action="override"><value>@((string)context.Variables["tenant"])</value></set-query-parameter>
<set-header name="X-Id" exists-action="override"><value>@(context.Request.MatchedParameters["id"])</value></set-header>
<set-header name="User-Agent" exists-action="delete" />
<check-header name="Accept" failed-check-httpcode="406" failed-check-error-message="Accept" ignore-case="true" />
"#;

/// A document of the kind that services hold by the hundred; `N` makes each another one.
const DOCUMENTS: &[&str] = &[
    "<policies><inbound><base/><rate-limit-by-key calls='N1' renewal-period='60' counter-key='@(context.Subscription.Id)'/>\
     <set-backend-service base-url='https://backend-N.contoso.com/v1'/></inbound><backend><base/></backend>\
     <outbound><base/><set-header name='X-Powered-By' exists-action='delete'/></outbound><on-error><base/></on-error></policies>",
    "<policies><inbound><base/><cors><allowed-origins><origin>https://www-N.contoso.com</origin></allowed-origins>\
     <allowed-methods><method>GET</method><method>POST</method></allowed-methods><allowed-headers><header>*</header>\
     </allowed-headers></cors><cache-lookup-value key='@(\"kN-\" + context.Request.IpAddress)' variable-name='known'/>\
     <choose><when condition='@(!context.Variables.ContainsKey(\"known\"))'><send-request mode='new' \
     response-variable-name='answer' timeout='20' ignore-error='true'><set-url>@($\"https://id.contoso.com/N/{context.Request.MatchedParameters[\"id\"]}\")\
     </set-url><set-method>GET</set-method></send-request><set-variable name='known' \
     value='@(((IResponse)context.Variables[\"answer\"]).Body.As&lt;JObject&gt;()[\"name\"].ToString())'/></when></choose></inbound>\
     <backend><base/></backend><outbound><base/></outbound><on-error><base/></on-error></policies>",
    "<policies><inbound><base/><validate-jwt header-name='Authorization' failed-validation-httpcode='401'>\
     <openid-config url='https://login.contoso.com/N/.well-known/openid-configuration'/><audiences><audience>api-N</audience></audiences>\
     <required-claims><claim name='role' match='any'><value>reader</value></claim></required-claims></validate-jwt>\
     <set-header name='X-User' exists-action='override'><value>@(context.Request.Headers.GetValueOrDefault(\"Authorization\",\"\").AsJwt()?.Subject)</value></set-header>\
     </inbound><backend><retry condition='@(context.Response.StatusCode &gt;= 500)' count='3' interval='1'><forward-request timeout='10'/></retry></backend>\
     <outbound><base/><set-body>@{ var body = context.Response.Body.As&lt;JObject&gt;(preserveContent: true); body[\"n\"] = N; return body.ToString(); }</set-body></outbound>\
     <on-error><base/><return-response><set-status code='500' reason='N'/></return-response></on-error></policies>",
    "<policies><inbound><base/><rewrite-uri template='/v1/items/N'/></inbound><backend><base/></backend><outbound><base/></outbound><on-error><base/></on-error></policies>",
];

fn exchange(authorization: &HeaderValue, parts: &Parts) -> Context {
    let url = |path: &str| Url {
        scheme: Arc::clone(&parts.https),
        host: Arc::clone(&parts.host),
        port: 443,
        path: path.to_owned(),
        query: String::new(),
    };
    let mut headers = HeaderMap::new();
    headers.insert("accept", HeaderValue::from_static("*/*"));
    headers.insert("user-agent", HeaderValue::from_static("bench"));
    headers.insert("x-tenant", HeaderValue::from_static("contoso"));
    headers.insert("authorization", authorization.clone());
    Context {
        api: Some(Arc::clone(&parts.api)),
        operation: Some(Arc::clone(&parts.operation)),
        product: None,
        subscription: None,
        subscription_key: None,
        user: None,
        backend: None,
        deployment: Arc::clone(&parts.deployment),
        request: Request {
            method: Method::GET,
            original_method: Method::GET,
            url: url("/v1/orders/a-7"),
            original_url: url("/v1/orders/a-7"),
            headers,
            matched_parameters: vec![(Arc::clone(&parts.id), "a-7".to_owned())],
            body: Body::None,
            ip_address: Some([192, 0, 2, 7].into()),
            certificate: None,
        },
        response: None,
        last_error: None,
        variables: Variables::default(),
        request_id: [7; 16],
        timestamp_ticks: 638_397_614_450_000_000,
        tracing: false,
        evaluation: gateway_expr::Evaluation::default(),
    }
}

/// What a snapshot shares between exchanges.
struct Parts {
    https: Arc<str>,
    host: Arc<str>,
    id: Arc<str>,
    api: Arc<Api>,
    operation: Arc<Operation>,
    deployment: Arc<gateway_policy::context::Deployment>,
}

fn program(inbound: &str) -> Result<Arc<Program>> {
    let text = format!(
        "<policies><inbound><base/>{inbound}</inbound><backend><base/></backend><outbound><base/></outbound><on-error><base/></on-error></policies>"
    );
    let source = Source {
        text: &text,
        path: "bench.xml",
        scope: Some(Scope::Api),
    };
    let (document, _) = ScopeDoc::compile(&source, &Names::default(), &Options::default())
        .map_err(|errors| anyhow!("{errors:?}"))?;
    Ok(Arc::new(Program::compose([
        None,
        None,
        Some(Arc::new(document)),
        None,
    ])))
}

/// Runs an exchange against a backend that answers 200; true if it got that far.
fn run(program: &Arc<Program>, context: Context, world: &FixedWorld) -> bool {
    let mut execution = Execution::new(Arc::clone(program), context);
    let mut outcome = Outcome::Start;
    let mut asked = false;
    while let Step::Effect(effect) = execution.resume(outcome, world) {
        drop(black_box(effect));
        asked = true;
        outcome = Outcome::Response(Response::default());
    }
    asked
}

/// Modulus of the RSA key that signed [`TOKEN`], base64url; its exponent is 65537. The private key was thrown away.
const MODULUS: &str = "1D3p7pS37fBET3i2wFFpv0tVR7aIdzptmevBGKnVrAXttoJlKJnQv8nPSSGjCtUDvgWYP4LgWFv1JUm6R7XnFnR7TNwTzvearZl4YixkqxtSBCY7wGJUvi1Jhnlbr-aml_U87aATnM9lH65_Drivdjrw45BTS34GOt4LhtXfRUBQ6_tUUVSVbeQou-h_vPcxn1MaLHkCTcA6osbX716N35Y14R5Er-FTjMlJsryLqUxoV_jiT9xH6uKo4x2GeDFKp8qvRHr3YEq6vrHGAJxoR47g5N6_PQp3fdz8vRsjJnOuBkflJoolX-5LYZa3eG51RSwHa9T1fcLyTe11ObBYhw";

/// A token of 2020 to 2030 for the audience `api`.
const TOKEN: &str = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImsxIn0.eyJpc3MiOiJodHRwczovL2xvZ2luLmNvbnRvc28uY29tIiwiYXVkIjoiYXBpIiwic3ViIjoiNDIiLCJleHAiOjE5MDAwMDAwMDAsIm5iZiI6MTYwMDAwMDAwMCwicm9sZSI6WyJyZWFkZXIiLCJ3cml0ZXIiXSwibmFtZSI6IlVyc3VsYSBPbmUifQ.yFTJHLzHwoeDudt80n8dDqAOKFBdUsP7Koo4iZGgqd7AebrDNgw_dec52-8Ssn-4yTksW-6GaeGdwyukVfhlOzhXu-3YThmyrJUksOCfHzsGPZgGm6qaOsPRELLThkVFYdsf95D2qxiobcoCwGUdYt3M8CEu03vc65og9UG1RdhrxeKpQvU3PPbIFMOTmOYNmeKpnuijSrLGM_hwjGPPe9WwzN18BiHzL8-LtQjh-TC45dZM6J7H8yu34J-4LBBVSBb01XD4AaOl4QEdb0ft53QuzIIt4cUwulHAVaUdXRvrC_qrTJn-2C-OeZ1VBRr4hqV3XadwJnsj-LtLY3-3IQ";

/// Documents with `N` replaced by their number.
fn documents(count: usize) -> Vec<String> {
    let all = DOCUMENTS.iter().cycle().take(count).enumerate();
    all.map(|(n, text)| text.replace('N', &format!("{n}"))).collect()
}

/// The shared corpus, where there is one.
fn corpus() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let mut folders = vec![folder];
    let mut texts = Vec::new();
    while let Some(entries) = folders.pop().and_then(|f| std::fs::read_dir(f).ok()) {
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "xml") {
                texts.extend(std::fs::read_to_string(path));
            }
        }
    }
    texts.sort();
    texts
}

fn compile_all(texts: &[String]) -> usize {
    let options = Options {
        named_value_default: Some("1".into()),
        missing_fragments_empty: true,
        ..Options::default()
    };
    let compile = |text: &String| {
        let source = Source {
            text,
            path: "bench.xml",
            scope: None,
        };
        ScopeDoc::compile(&source, &Names::default(), &options).is_ok()
    };
    texts.iter().filter(|text| compile(text)).count()
}

fn main() -> Result<()> {
    let world = FixedWorld::default();
    let parts = Parts {
        https: "https".into(),
        host: "api.contoso.com".into(),
        id: "id".into(),
        api: Arc::new(Api {
            id: "orders".into(),
            ..Api::default()
        }),
        operation: Arc::default(),
        deployment: Arc::default(),
    };
    let bearer = HeaderValue::from_str(&format!("Bearer {TOKEN}"))?;
    let jwt = format!(
        "<validate-jwt header-name='Authorization' require-scheme='Bearer'><issuer-signing-keys><key id='k1' n='{MODULUS}' e='AQAB'/></issuer-signing-keys>\
         <audiences><audience>api</audience></audiences><issuers><issuer>https://login.contoso.com</issuer></issuers>\
         <required-claims><claim name='role' match='any'><value>reader</value></claim></required-claims></validate-jwt>"
    );
    let mut list = Vec::new();
    for (title, inbound) in [
        ("request: no policies", ""),
        ("request: ten policies, five expressions", TEN),
        ("request: validate-jwt, RS256", &jwt),
    ] {
        let program = program(inbound)?;
        let (parts, world, bearer) = (&parts, &world, &bearer);
        let forwarded = run(&program, exchange(bearer, parts), world);
        anyhow::ensure!(forwarded, "{title}: the request did not reach its backend");
        list.push(Case::new(title, move || {
            black_box(run(&program, exchange(bearer, parts), world));
        }));
    }
    let (message, tag) = TOKEN.rsplit_once('.').context("a token")?;
    let tag = URL_SAFE_NO_PAD.decode(tag)?;
    let key = RsaPublicKeyComponents {
        n: URL_SAFE_NO_PAD.decode(MODULUS)?,
        e: vec![1, 0, 1],
    };
    let der = key.as_der()?;
    let key = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der.as_ref())?;
    list.push(Case::new(
        "signature alone: RS256, key parsed before",
        move || {
            let _ = black_box(key.verify_sig(black_box(message.as_bytes()), &tag));
        },
    ));
    let texts = documents(100);
    anyhow::ensure!(compile_all(&texts) == texts.len(), "a document does not compile");
    // 1,000 in a second.
    list.push(
        Case::new("compile: 100 documents", move || {
            black_box(compile_all(&texts));
        })
        .at_most(100e6),
    );
    let real = corpus();
    if !real.is_empty() {
        let count = real.len();
        let aim = count as f64 * 1e6;
        list.push(
            Case::new(format!("compile: {count} documents of the corpus"), move || {
                black_box(compile_all(&real));
            })
            .at_most(aim),
        );
    }
    gateway_bench::main(list)
}
