//! What the demo asks, and what has to come back.

use gateway_tests::client::Answer;

/// From where a request comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    /// The client's usual address.
    Client,
    /// The address that the overlay denies.
    Denied,
}

/// Where a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum To {
    /// The plain listener.
    Plain,
    /// The TLS listener, by name.
    Tls,
    /// An address and port that nobody bound; only `sk_lookup` makes them answer.
    Vip,
}

/// One request and everything that is expected of it.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// What it shows, for people.
    pub(super) shows: &'static str,
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) from: From,
    pub(super) to: To,
    /// Subscription key, sent in its header.
    pub(super) key: Option<&'static str>,
    pub(super) body: Option<&'static str>,
    /// curl's options for protocol and TLS version.
    pub(super) options: &'static [&'static str],
    pub(super) expect: Expect,
}

/// What has to come back. `None` in an optional field: there must be none.
#[derive(Clone, Debug)]
pub(super) struct Expect {
    /// 0: no answer at all.
    pub(super) status: u16,
    pub(super) protocol: &'static str,
    pub(super) tls: Option<&'static str>,
    pub(super) api: Option<&'static str>,
    pub(super) operation: Option<&'static str>,
    /// Policies that must be among those that ran, in this order.
    pub(super) policies: &'static [&'static str],
    /// Role of the upstream that answered.
    pub(super) upstream: Option<&'static str>,
    /// Text that the body must contain.
    pub(super) body: &'static str,
    /// A response header and its value.
    pub(super) header: Option<(&'static str, &'static str)>,
}

const NOTHING: Expect = Expect {
    status: 0,
    protocol: "",
    tls: None,
    api: None,
    operation: None,
    policies: &[],
    upstream: None,
    body: "",
    header: None,
};

const OK: Expect = Expect {
    status: 200,
    protocol: "HTTP/1.1",
    ..NOTHING
};

const GET: Step = Step {
    shows: "",
    method: "GET",
    path: "",
    from: From::Client,
    to: To::Plain,
    key: None,
    body: None,
    options: &["--http1.1"],
    expect: OK,
};

const ECHO_KEY: Option<&str> = Some("echo-key-1");
const ECHO_POLICIES: &[&str] = &[
    "set-variable",
    "set-header",
    "set-query-parameter",
    "forward-request",
];
const NO_RESOURCE: &str = r#"{ "statusCode": 404, "message": "Resource not found" }"#;

/// Every step, in order. `vips` is false where `sk_lookup` is not attached.
pub(super) fn steps(vips: bool) -> Vec<Step> {
    let mut steps = vec![
        Step {
            shows: "the seed scenario: a self-hosted gateway calls the on-premises backend",
            path: "/place/where",
            expect: Expect {
                api: Some("place"),
                operation: Some("where"),
                policies: &["choose", "set-backend-service", "forward-request"],
                upstream: Some("on-prem-api"),
                header: Some(("x-served-by", "gateway-agent")),
                ..OK
            },
            ..GET
        },
        Step {
            shows: "HTTP/1.1 with a key: variables, headers, a fragment, a query parameter",
            path: "/echo/get",
            key: ECHO_KEY,
            expect: Expect {
                api: Some("echo"),
                operation: Some("get"),
                policies: ECHO_POLICIES,
                upstream: Some("echo"),
                body: r#""uri":"/get?via=node""#,
                ..OK
            },
            ..GET
        },
    ];
    steps.extend(protocols());
    steps.extend(policies());
    steps.extend(refusals());
    steps.extend(burst());
    if vips {
        steps.push(Step {
            shows: "an address and port that nobody bound: steered by sk_lookup",
            path: "/place/where",
            to: To::Vip,
            expect: Expect {
                api: Some("place"),
                operation: Some("where"),
                upstream: Some("on-prem-api"),
                ..OK
            },
            ..GET
        });
    }
    steps.push(Step {
        shows: "a denied source address gets no answer",
        path: "/place/where",
        from: From::Denied,
        options: &["--http1.1", "--connect-timeout", "2"],
        expect: NOTHING,
        ..GET
    });
    steps
}

fn protocols() -> Vec<Step> {
    let echo = Expect {
        api: Some("echo"),
        operation: Some("get"),
        upstream: Some("echo"),
        ..OK
    };
    let tls = Step {
        path: "/echo/get",
        to: To::Tls,
        key: ECHO_KEY,
        ..GET
    };
    vec![
        Step {
            shows: "HTTP/2 by prior knowledge on the plain port",
            path: "/echo/get",
            key: ECHO_KEY,
            options: &["--http2-prior-knowledge"],
            expect: Expect {
                protocol: "HTTP/2",
                ..echo.clone()
            },
            ..GET
        },
        Step {
            shows: "TLS 1.3 with HTTP/1.1",
            options: &["--http1.1", "--tlsv1.3"],
            expect: Expect {
                tls: Some("1.3"),
                ..echo.clone()
            },
            ..tls.clone()
        },
        Step {
            shows: "TLS 1.3 with HTTP/2 by ALPN",
            options: &["--http2", "--tlsv1.3"],
            expect: Expect {
                protocol: "HTTP/2",
                tls: Some("1.3"),
                ..echo.clone()
            },
            ..tls.clone()
        },
        Step {
            shows: "TLS 1.2, for clients that know no better",
            options: &["--http1.1", "--tls-max", "1.2"],
            expect: Expect {
                tls: Some("1.2"),
                ..echo
            },
            ..tls.clone()
        },
        Step {
            shows: "a body to the backend over HTTP/2 and TLS",
            method: "POST",
            path: "/echo/post",
            body: Some("twenty-one bytes long"),
            options: &["--http2", "--tlsv1.3"],
            expect: Expect {
                protocol: "HTTP/2",
                tls: Some("1.3"),
                api: Some("echo"),
                operation: Some("post"),
                upstream: Some("echo"),
                body: r#""body_bytes":"21""#,
                ..OK
            },
            ..tls
        },
    ]
}

fn policies() -> Vec<Step> {
    let echo = Expect {
        api: Some("echo"),
        upstream: Some("echo"),
        ..OK
    };
    vec![
        Step {
            shows: "rewrite-uri, and a response header from the matched template",
            path: "/echo/items/42",
            key: ECHO_KEY,
            expect: Expect {
                operation: Some("item"),
                policies: &["rewrite-uri", "forward-request", "set-header"],
                body: r#""uri":"/things/42?via=node""#,
                header: Some(("x-item", "42")),
                ..echo.clone()
            },
            ..GET
        },
        Step {
            shows: "an open product, answered by mock-response without a backend",
            path: "/public/hello",
            expect: Expect {
                api: Some("public"),
                operation: Some("hello"),
                policies: &["mock-response"],
                ..OK
            },
            ..GET
        },
        Step {
            shows: "return-response with an expression in the body",
            path: "/public/teapot",
            expect: Expect {
                status: 418,
                api: Some("public"),
                operation: Some("teapot"),
                policies: &["return-response"],
                body: "short and stout, asked by GET",
                ..OK
            },
            ..GET
        },
        Step {
            shows: "version 2 of an API by path segment",
            path: "/orders/v2/list",
            expect: Expect {
                api: Some("orders-v2"),
                operation: Some("list"),
                upstream: Some("echo"),
                body: r#""uri":"/v2/list""#,
                ..OK
            },
            ..GET
        },
        Step {
            shows: "an error of the backend passes as it is",
            path: "/echo/status/404",
            key: ECHO_KEY,
            expect: Expect {
                status: 404,
                operation: Some("missing"),
                body: "upstream says no",
                upstream: None,
                ..echo
            },
            ..GET
        },
    ]
}

fn refusals() -> Vec<Step> {
    vec![
        Step {
            shows: "a wrong key",
            path: "/echo/get",
            key: Some("no-such-key"),
            expect: Expect {
                status: 401,
                api: Some("echo"),
                operation: Some("get"),
                body: "Access denied due to invalid subscription key. Make sure to provide a valid key for an active subscription.",
                ..OK
            },
            ..GET
        },
        Step {
            shows: "no key",
            path: "/echo/get",
            expect: Expect {
                status: 401,
                api: Some("echo"),
                operation: Some("get"),
                body: "Access denied due to missing subscription key. Make sure to include subscription key when making requests to an API.",
                ..OK
            },
            ..GET
        },
        Step {
            shows: "an unknown path",
            path: "/nowhere",
            expect: Expect {
                status: 404,
                body: NO_RESOURCE,
                ..OK
            },
            ..GET
        },
        Step {
            shows: "a method that the API does not have",
            method: "DELETE",
            path: "/echo/get",
            key: ECHO_KEY,
            expect: Expect {
                status: 404,
                api: Some("echo"),
                body: NO_RESOURCE,
                ..OK
            },
            ..GET
        },
        Step {
            shows: "ip-filter: the caller is not on the list",
            path: "/internal/secret",
            expect: Expect {
                status: 403,
                api: Some("internal"),
                operation: Some("secret"),
                policies: &["ip-filter"],
                ..OK
            },
            ..GET
        },
    ]
}

// The product allows five calls a minute.
fn burst() -> Vec<Step> {
    let call = Step {
        path: "/echo/get",
        key: Some("starter-key-1"),
        ..GET
    };
    let expect = Expect {
        api: Some("echo"),
        operation: Some("get"),
        policies: &["rate-limit"],
        ..OK
    };
    let mut steps = Vec::new();
    for _ in 0..5 {
        steps.push(Step {
            shows: "a burst within the product's rate limit",
            expect: Expect {
                upstream: Some("echo"),
                ..expect.clone()
            },
            ..call.clone()
        });
    }
    for _ in 0..2 {
        steps.push(Step {
            shows: "the burst is over the limit",
            expect: Expect {
                status: 429,
                body: "Rate limit is exceeded. Try again in",
                ..expect.clone()
            },
            ..call.clone()
        });
    }
    steps
}

/// What the agent's record and the client's answer say of one request, in one form.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub(super) answer: Answer,
    pub(super) tls: Option<String>,
    pub(super) api: Option<String>,
    pub(super) operation: Option<String>,
    pub(super) policies: Vec<String>,
    pub(super) backend: Option<String>,
}

impl Expect {
    /// Everything that is not as expected, in words.
    pub(super) fn compare(&self, seen: &Seen) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut check = |what: &str, expected: String, got: String| {
            if expected != got {
                wrong.push(format!("{what}: expected {expected}, got {got}"));
            }
        };
        let shown = |value: Option<&str>| value.unwrap_or("none").to_owned();
        check("status", self.status.to_string(), seen.answer.status.to_string());
        check("protocol", self.protocol.to_owned(), seen.answer.protocol.clone());
        check("TLS", shown(self.tls), shown(seen.tls.as_deref()));
        check("API", shown(self.api), shown(seen.api.as_deref()));
        check(
            "operation",
            shown(self.operation),
            shown(seen.operation.as_deref()),
        );
        if let Some(upstream) = self.upstream {
            check(
                "upstream",
                upstream.to_owned(),
                shown(seen.answer.headers.get("x-upstream").map(String::as_str)),
            );
        }
        if let Some((name, value)) = self.header {
            check(
                name,
                value.to_owned(),
                shown(seen.answer.headers.get(name).map(String::as_str)),
            );
        }
        if !seen.answer.body.contains(self.body) {
            wrong.push(format!(
                "body: expected {:?} in {:?}",
                self.body, seen.answer.body
            ));
        }
        let mut ran = seen.policies.iter();
        if let Some(missing) = self
            .policies
            .iter()
            .find(|policy| !ran.any(|name| name == *policy))
        {
            wrong.push(format!(
                "policies: {missing} did not run, or not in this order: {:?}",
                seen.policies
            ));
        }
        wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(status: u16) -> Seen {
        let answer = Answer {
            status,
            protocol: "HTTP/1.1".to_owned(),
            body: "abc".to_owned(),
            ..Answer::default()
        };
        Seen {
            answer,
            policies: ["a", "b", "c"].map(str::to_owned).to_vec(),
            ..Seen::default()
        }
    }

    #[test]
    fn what_is_expected_is_not_remarked_on() {
        let expect = Expect {
            policies: &["a", "c"],
            body: "b",
            ..OK
        };
        assert_eq!(expect.compare(&seen(200)), Vec::<String>::new());
    }

    #[test]
    fn every_difference_is_named() {
        let expect = Expect {
            policies: &["c", "a"],
            body: "z",
            api: Some("x"),
            ..OK
        };
        let wrong = expect.compare(&seen(500)).join("\n");
        for word in [
            "status: expected 200, got 500",
            "API: expected x, got none",
            "body",
            "policies: a",
        ] {
            assert!(wrong.contains(word), "{word} in {wrong}");
        }
    }

    #[test]
    fn only_kernel_steering_reaches_vips() {
        assert!(steps(true).iter().any(|step| step.to == To::Vip));
        assert!(!steps(false).iter().any(|step| step.to == To::Vip));
    }
}
