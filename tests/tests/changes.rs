//! Configuration that changes while traffic flows: valid changes swap, invalid ones leave the last good one.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use std::{path::Path, time::Duration};

use gateway_tests::{
    lab::Mode,
    scene::{Options, Scene},
    skip::Need,
    skip_unless, wait,
};

/// The folder is watched and also polled; a debug build on a busy machine takes its time.
const TAKEN_UP: Duration = Duration::from_secs(15);

macro_rules! scene {
    () => {{
        skip_unless!(
            Need::Namespaces,
            Need::Program("nginx", "nginx-light"),
            Need::Program("curl", "curl"),
            Need::Program("openssl", "openssl"),
        );
        Scene::start(Mode::Namespaces, &Options::default().with("kernel.mode", "off")).unwrap()
    }};
}

const TEAPOT: &str = "apis/public/operations/teapot/policy.xml";

fn edit(path: &Path, old: &str, new: &str) {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains(old), "{old:?} in {}", path.display());
    std::fs::write(path, text.replace(old, new)).unwrap();
}

fn teapot(scene: &Scene) -> u16 {
    scene.get("/public/teapot", None).unwrap().status
}

fn failures(scene: &Scene) -> u64 {
    scene.agent.json("/status").unwrap()["configuration"]["failures"]
        .as_u64()
        .unwrap()
}

#[test]
fn a_valid_change_swaps_and_no_request_is_lost() {
    let scene = scene!();
    assert_eq!(teapot(&scene), 418);
    edit(&scene.artifacts().join(TEAPOT), "418", "420");
    let mut answers = Vec::new();
    wait::until("the new status", TAKEN_UP, || {
        answers.push(teapot(&scene));
        (answers.last() == Some(&420)).then_some(())
    })
    .unwrap();
    // Old or new, never an error and never back.
    assert!(
        answers.iter().all(|status| [418, 420].contains(status)),
        "{answers:?}"
    );
    assert_eq!(teapot(&scene), 420);
}

#[test]
fn garbage_leaves_the_last_good_configuration_serving_and_is_visible() {
    let scene = scene!();
    let file = scene.overlay();
    let good = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, "listeners: [unclosed").unwrap();
    wait::until("the refusal to be counted", TAKEN_UP, || {
        (failures(&scene) > 0).then_some(())
    })
    .unwrap();
    assert_eq!(teapot(&scene), 418);
    let status = scene.agent.json("/status").unwrap();
    assert_eq!(status["configuration"]["last_attempt"]["ok"], false);
    let told = status["configuration"]["last_attempt"].to_string();
    assert!(told.contains("overlay.yaml"), "{told}");
    assert!(
        scene
            .agent
            .metric("configuration_sync_errors_total", &[])
            .unwrap()
            >= 1.0
    );
    assert_eq!(scene.agent.ask("GET", "/ready").unwrap().status, 200);
    // And it recovers by itself once the file is whole again.
    std::fs::write(&file, good).unwrap();
    wait::until("the recovery", TAKEN_UP, || {
        let status = scene.agent.json("/status").unwrap();
        (status["configuration"]["last_attempt"]["ok"] == true).then_some(())
    })
    .unwrap();
    assert_eq!(teapot(&scene), 418);
}

#[test]
fn a_policy_that_is_not_understood_refuses_its_scope_only() {
    let scene = scene!();
    edit(
        &scene.artifacts().join(TEAPOT),
        "<return-response>",
        "<no-such-policy />\n<return-response>",
    );
    wait::until("the scope to refuse", TAKEN_UP, || {
        (teapot(&scene) == 500).then_some(())
    })
    .unwrap();
    assert_eq!(scene.get("/public/hello", None).unwrap().status, 200);
    assert_eq!(scene.get("/orders/v1/list", None).unwrap().status, 200);
}

#[test]
fn a_folder_half_written_does_not_stop_anything() {
    let scene = scene!();
    let specification = scene.artifacts().join("apis/echo/specification.yaml");
    let whole = std::fs::read_to_string(&specification).unwrap();
    let half: String = whole.chars().take(whole.len() / 2).collect();
    std::fs::write(&specification, half).unwrap();
    let mut served = 0;
    let seen = wait::until("the half file to be looked at", TAKEN_UP, || {
        assert_eq!(teapot(&scene), 418);
        served += 1;
        let status = scene.agent.json("/status").unwrap();
        let attempts = status["configuration"]["attempts"].as_u64().unwrap();
        (attempts > 1).then_some(())
    });
    seen.unwrap();
    std::fs::write(&specification, whole).unwrap();
    wait::until("the whole file to serve", TAKEN_UP, || {
        (scene.get("/echo/get", Some("echo-key-1")).unwrap().status == 200).then_some(())
    })
    .unwrap();
    assert!(served > 0);
}

#[test]
fn a_certificate_that_becomes_unreadable_leaves_the_old_one_in_use() {
    let scene = scene!();
    let ask = scene.ask_tls("gateway.example", "/orders/v1/list", &["--http1.1"]);
    assert_eq!(scene.send(&ask).unwrap().status, 200);
    let file = scene.lab.folder().join("certs/gateway.pem");
    let good = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, "-----BEGIN CERTIFICATE-----\nnot base64\n").unwrap();
    assert_eq!(scene.agent.ask("POST", "/reload").unwrap().status, 202);
    wait::until("the bad certificate to be told", TAKEN_UP, || {
        scene.agent.process.output().contains("gateway.pem").then_some(())
    })
    .unwrap();
    assert_eq!(scene.send(&ask).unwrap().status, 200);
    std::fs::write(&file, good).unwrap();
    assert_eq!(scene.send(&ask).unwrap().status, 200);
}

#[test]
fn the_agent_ends_in_order_when_asked() {
    let mut scene = scene!();
    assert_eq!(teapot(&scene), 418);
    let status = scene.agent.process.end().unwrap();
    assert!(status.success(), "{status}: {}", scene.agent.process.tail(5));
}
