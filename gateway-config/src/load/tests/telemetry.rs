//! Loggers and diagnostics of whole loads: scopes, overlay, what is missing.

use super::*;
use crate::telemetry::LoggerKind;

const LOGGER: &str = r#"{"properties": {"loggerType": "applicationInsights",
    "credentials": {"instrumentationKey": "{{who}}"}}}"#;

fn world() -> World {
    World::new()
        .with("loggers/AI/loggerInformation.json", LOGGER)
        .with(
            "diagnostics/applicationinsights/diagnosticInformation.json",
            r#"{"properties": {"loggerId": "/loggers/ai", "sampling": {"percentage": 50}}}"#,
        )
        .with(
            "diagnostics/local/diagnosticInformation.json",
            r#"{"properties": {"verbosity": "error"}}"#,
        )
        .with(
            "diagnostics/azuremonitor/diagnosticInformation.json",
            r#"{"properties": {"loggerId": "/loggers/azuremonitor"}}"#,
        )
}

#[test]
fn a_diagnostic_of_an_api_replaces_the_services() {
    let world = world().with(
        "apis/echo/diagnostics/applicationinsights/diagnosticInformation.json",
        r#"{"properties": {"loggerId": "AI", "sampling": {"percentage": 10}}}"#,
    );
    let loaded = world.load(None);
    assert_eq!(codes(&loaded), []);
    let snapshot = loaded.snapshot.unwrap();
    let percentage = |api| {
        let insights = snapshot.diagnostics(api).insights.clone().unwrap();
        assert_eq!(insights.logger.as_ref().map(|l| &*l.id), Some("AI"));
        insights.percentage
    };
    assert_eq!(percentage(None), 50.0);
    assert_eq!(percentage(Some(&*snapshot.apis()[0])), 10.0);
    assert!(snapshot.diagnostics(Some(&snapshot.apis()[0])).local.is_some());
    let LoggerKind::Insights(insights) = &snapshot.logger("ai").unwrap().kind else {
        panic!("it is one");
    };
    assert_eq!(&**insights.instrumentation_key.expose(), "me");
}

#[test]
fn the_overlay_gives_what_a_folder_cannot_hold() {
    let mut world = World::new();
    world.overlay = format!(
        "{OVERLAY}loggers:\n- name: hub\n  properties:\n    loggerType: azureEventHub\n    credentials: {{name: h, \
         connectionString: {{env: KEY}}}}\ndiagnostics:\n- {{name: local, properties: {{}}}}\napis:\n- name: echo\n  \
         diagnostics:\n  - {{name: local, properties: {{sampling: {{percentage: 1}}}}}}\n"
    );
    let loaded = world.load(None);
    // The key is no connection string, which is said where it stands.
    let found: Vec<_> = loaded.problems.iter().map(|p| (p.code, p.line)).collect();
    assert_eq!(found, [("bad-logger", 8)]);
    let snapshot = loaded.snapshot.unwrap();
    let local = |api| snapshot.diagnostics(api).local.as_ref().map(|d| d.percentage);
    assert_eq!(
        (local(None), local(Some(&*snapshot.apis()[0]))),
        (Some(100.0), Some(1.0))
    );
}

#[test]
fn what_leads_nowhere_is_said() {
    let world = world()
        .with(
            "loggers/AI/loggerInformation.json",
            r#"{"properties": {"loggerType": "applicationInsights", "credentials": {"instrumentationKey": "{{gone}}"}}}"#,
        )
        .with("diagnostics/locl/diagnosticInformation.json", r#"{"properties": {}}"#);
    let loaded = world.load(None);
    assert_eq!(
        codes(&loaded),
        [
            (
                "diagnostics/locl/diagnosticInformation.json",
                "unknown-diagnostic"
            ),
            ("loggers/AI/loggerInformation.json", "no-credential"),
        ]
    );
    let snapshot = loaded.snapshot.unwrap();
    let insights = snapshot.diagnostics(None).insights.clone().unwrap();
    assert!(insights.logger.is_none(), "nothing is sent");
}
