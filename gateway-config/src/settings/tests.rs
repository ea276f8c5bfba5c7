//! Tables over names, aliases, values and problems.

use super::*;

fn raw(origin: &str, name: &str, value: &str) -> RawSetting {
    RawSetting {
        origin: origin.into(),
        name: name.into(),
        value: value.into(),
        line: 7,
    }
}

fn one(name: &str, value: &str) -> (Settings, Vec<Problem>) {
    parse(&[raw(ENVIRONMENT, name, value)])
}

#[test]
fn defaults_parse() {
    let (s, problems) = parse(&[]);
    assert_eq!(problems, []);
    assert_eq!((s.server.http_port, s.server.https_port), (8080, 8081));
    assert_eq!(s.config.refresh_interval, Duration::from_secs(10));
    assert_eq!(s.config.timeout, Duration::from_secs(100));
    assert_eq!(s.metrics.otel_buckets.len(), 11);
    assert_eq!(s.limits.drain_timeout, Duration::from_secs(60));
}

#[test]
fn every_documented_name_is_in_the_table() {
    let official = TABLE.iter().filter(|e| e.source == Source::Official).count();
    assert_eq!(official, 48, "the settings reference documents 48 names");
    assert_eq!(TABLE.iter().filter(|e| e.source == Source::Chart).count(), 6);
    assert_eq!(TABLE.iter().filter(|e| e.source == Source::Seed).count(), 3);
}

#[test]
fn names_aliases_and_shell_forms_are_unique() {
    let mut seen = std::collections::HashSet::new();
    for e in TABLE {
        for name in std::iter::once(&e.name).chain(e.aliases) {
            assert!(seen.insert(shell_form(name)), "{name} is taken");
        }
    }
}

#[test]
fn a_name_is_found_in_every_form() {
    for form in [
        "config.service.endpoint",
        "Config.Service.Endpoint",
        "CONFIG_SERVICE_ENDPOINT",
        "config_service_endpoint",
    ] {
        let (s, _) = one(form, "contoso.configuration.azure-api.net");
        assert!(s.config.endpoint.is_some(), "{form}");
    }
    assert!(find("policies.rate-limit.sync.port").is_some());
    assert!(find("POLICY_RATE_LIMIT_SYNC_PORT").is_some());
    assert!(find("config service endpoint").is_none_or(|e| e.name == "config.service.endpoint"));
    assert!(find("PATH").is_none());
}

#[test]
fn values_of_the_seed_are_understood() {
    let (s, problems) = parse(&[
        raw("f", "telemetry.logs.std", "true"),
        raw("f", "telemetry.logs.local", "false"),
        raw("f", "telemetry.metrics.local", "false"),
        raw("f", "config.service.refreshInterval", "00:00:30"),
        raw("f", "net.server.tls.certificate.path", "/c.pem"),
        raw("f", "net.server.tls.privateKey.path", "/k.pem"),
    ]);
    assert_eq!(problems, []);
    assert_eq!(
        (s.logs.std, s.logs.local, s.metrics.statsd),
        (StdLog::Text, LocalLog::None, false)
    );
    assert_eq!(s.config.refresh_interval, Duration::from_secs(30));
}

#[test]
fn problems_by_kind() {
    for (name, value, code, part) in [
        ("net.server.http.port", "eighty", "bad-setting", "whole number"),
        (
            "config.service.integration.timeout",
            "100",
            "bad-setting",
            "time span",
        ),
        (
            "telemetry.logs.std.level",
            "loud",
            "bad-setting",
            "none of all, debug",
        ),
        (
            "config.service.auth",
            "Bearer x",
            "bad-setting",
            "GatewayKey <token>",
        ),
        (
            "config.service.auth",
            "GatewayKey ",
            "bad-setting",
            "GatewayKey <token>",
        ),
        (
            "config.service.endpont",
            "x",
            "unknown-setting",
            "config.service.endpoint",
        ),
        (
            "k8s.ingress.enabled",
            "true",
            "unsupported-setting",
            "not supported",
        ),
        (
            "neighborhood.host",
            "gateways.example",
            "setting-without-effect",
            "no effect yet",
        ),
        (
            "telemetry.logs.local",
            "journal",
            "missing-setting",
            "journal.endpoint",
        ),
        (
            "net.server.tls.certificate.path",
            "/c.pem",
            "missing-setting",
            "go together",
        ),
        (
            "telemetry.metrics.local",
            "statsd",
            "missing-setting",
            "statsd.endpoint",
        ),
    ] {
        let (_, problems) = one(name, value);
        let found = problems
            .iter()
            .find(|p| p.code == code)
            .unwrap_or_else(|| panic!("{name}: {problems:?}"));
        assert!(found.message.contains(part), "{name}: {}", found.message);
    }
    let (_, problems) = one("config.service.auth", "sEcReT-token");
    assert!(
        !format!("{problems:?}").contains("sEcReT"),
        "a token must not be repeated"
    );
}

#[test]
fn unknown_names_stop_in_a_file_and_pass_in_the_environment() {
    assert_eq!(parse(&[raw(ENVIRONMENT, "PATH", "/bin")]).1, []);
    assert_eq!(
        parse(&[raw(ENVIRONMENT, "net.foo.bar", "1")]).1[0].severity,
        Severity::Warning
    );
    let (_, problems) = parse(&[raw("settings.yaml", "PATH", "/bin")]);
    assert_eq!((problems[0].severity, problems[0].line), (Severity::Fatal, 7));
}

#[test]
fn later_origins_win_and_doubles_are_reported() {
    let (s, problems) = parse(&[
        raw("settings.yaml", "net.server.http.port", "1"),
        raw(ENVIRONMENT, "NET_SERVER_HTTP_PORT", "2"),
        raw(ENVIRONMENT, "net.server.http.port", "3"),
    ]);
    assert_eq!(s.server.http_port, 3);
    assert_eq!(
        problems.iter().map(|p| p.code).collect::<Vec<_>>(),
        ["repeated-setting"]
    );
}

#[test]
fn the_generated_page_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/settings.md");
    let expected = table::markdown();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, &expected).unwrap();
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == expected,
        "docs/settings.md is stale: run UPDATE_DOCS=1 cargo test -p gateway-config"
    );
}

#[test]
fn every_form_of_every_value() {
    fn level(s: &Settings) -> String {
        format!("{:?}", s.logs.level)
    }
    fn tags(s: &Settings) -> String {
        format!("{:?}", s.metrics.statsd_tags)
    }
    fn auth(s: &Settings) -> String {
        format!("{:?}", s.config.auth)
    }
    type Get = fn(&Settings) -> String;
    let rows: &[(&str, &str, Get, &str)] = &[
        (
            "telemetry.logs.std",
            "JSON",
            |s| format!("{:?}", s.logs.std),
            "Json",
        ),
        (
            "telemetry.logs.std",
            "false",
            |s| format!("{:?}", s.logs.std),
            "None",
        ),
        ("telemetry.logs.std.level", "warning", level, "Warn"),
        ("telemetry.logs.std.level", "ALL", level, "All"),
        (
            "telemetry.logs.local",
            "localSyslog",
            |s| format!("{:?}", s.logs.local),
            "LocalSyslog",
        ),
        (
            "telemetry.metrics.local.statsd.tag-format",
            "ibrato",
            tags,
            "Librato",
        ),
        (
            "telemetry.metrics.local.statsd.tag-format",
            "dogstatsd",
            tags,
            "DogStatsD",
        ),
        (
            "telemetry.metrics.local.statsd.endpoint",
            "udp://s:8125",
            |s| format!("{:?}", s.metrics.statsd_endpoint),
            "Some(\"s:8125\")",
        ),
        (
            "telemetry.metrics.local.statsd.sampling",
            "0.5",
            |s| s.metrics.statsd_sampling.to_string(),
            "0.5",
        ),
        (
            "telemetry.metrics.prometheus.port",
            "0",
            |s| format!("{:?}", s.metrics.prometheus_port),
            "None",
        ),
        (
            "observability.opentelemetry.histogram.buckets",
            "1, 2.5",
            |s| format!("{:?}", s.metrics.otel_buckets),
            "[1.0, 2.5]",
        ),
        ("config.service.auth", "gatewaykey n&1&2", auth, "GatewayKey(***)"),
        (
            "config.service.auth",
            "WorkloadIdentity",
            auth,
            "WorkloadIdentity",
        ),
        (
            "kernel.mode",
            "Required",
            |s| format!("{:?}", s.kernel),
            "Required",
        ),
        (
            "admin.address",
            "none",
            |s| format!("{:?}", s.admin_address),
            "None",
        ),
        (
            "net.server.address",
            "::1",
            |s| s.server.address.to_string(),
            "::1",
        ),
        (
            "net.server.tls.unknown-name",
            "refuse",
            |s| s.server.refuse_unknown_names.to_string(),
            "true",
        ),
        (
            "net.server.tls.ciphers.allowed-suites",
            "A, B",
            |s| s.server.ciphers.len().to_string(),
            "2",
        ),
        ("NO_PROXY", "a,b , ", |s| s.client.no_proxy.len().to_string(), "2"),
        (
            "limits.request.header.bytes",
            "32KiB",
            |s| s.limits.header_bytes.to_string(),
            "32768",
        ),
        (
            "limits.expression.steps",
            "5000",
            |s| s.limits.expression_steps.to_string(),
            "5000",
        ),
        (
            "compatibility.missing-variable",
            "null",
            |s| s.compat.missing_variable_is_null.to_string(),
            "true",
        ),
        (
            "compatibility.unsupported-policies",
            "refuse",
            |s| s.compat.refuse_unsupported_policies.to_string(),
            "true",
        ),
        (
            "compatibility.backend-failure",
            "502",
            |s| s.compat.gateway_errors.to_string(),
            "true",
        ),
        (
            "runtime.deployment.mechanism",
            "Helm",
            |s| format!("{:?}", s.deployment),
            "[(\"mechanism\", \"Helm\")]",
        ),
        ("runtime.workers", "3", |s| s.workers.to_string(), "3"),
    ];
    for (name, value, get, expected) in rows {
        let (settings, problems) = one(name, value);
        assert!(
            problems.iter().all(|p| p.code != "bad-setting"),
            "{name}={value}: {problems:?}"
        );
        assert_eq!(get(&settings), *expected, "{name}={value}");
    }
}

#[test]
fn bad_values_say_what_would_be_right() {
    for (name, value, part) in [
        ("telemetry.metrics.local.statsd.sampling", "2", "0 to 1"),
        ("telemetry.logs.local.rfc5424.facility", "24", "0 to 23"),
        (
            "observability.opentelemetry.histogram.buckets",
            "5,1",
            "rising list",
        ),
        (
            "observability.opentelemetry.histogram.buckets",
            "a",
            "rising list",
        ),
        ("net.server.address", "localhost", "no IP address"),
        ("kernel.mode", "on", "none of auto, off, required"),
        ("limits.request.header.bytes", "5GiB", "too large"),
        ("limits.idle.timeout", "0s", "more than zero"),
        ("compatibility.backend-failure", "503", "neither `500` nor `502`"),
        ("config.service.auth.tokenAudience", "", "empty"),
        ("runtime.workers", "-1", "0 to 1024"),
    ] {
        let (_, problems) = one(name, value);
        let found = problems
            .iter()
            .find(|p| p.code == "bad-setting")
            .unwrap_or_else(|| panic!("{name}: {problems:?}"));
        assert_eq!(found.severity, Severity::Fatal);
        assert!(found.message.contains(part), "{name}: {}", found.message);
        assert_eq!((found.element.as_deref(), found.line), (Some(name), 7));
    }
}

#[test]
fn a_bad_value_leaves_the_default() {
    let (settings, problems) = one("net.server.http.port", "x");
    assert_eq!((settings.server.http_port, problems.len()), (8080, 1));
}

#[test]
fn the_page_lists_every_setting() {
    let page = markdown();
    for entry in TABLE {
        assert!(page.contains(&format!("| `{}` |", entry.name)), "{}", entry.name);
        assert!(
            !entry.help.is_empty() && !entry.values.is_empty(),
            "{}",
            entry.name
        );
    }
}
