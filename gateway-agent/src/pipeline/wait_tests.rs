//! `wait`, records of requests, proxies, backend entities and token counts through the pipeline, in memory.

use std::{cell::RefCell, rc::Rc, time::Duration};

use tokio::{
    io::{AsyncWriteExt, DuplexStream},
    time::Instant,
};

use super::tests::{OK, contains, get, snapshot};
use crate::{
    node::Settings,
    testing::{Backend, World, on_worker, read_head},
};

/// Answers `/slow…` after five seconds, everything else at once; tells what came and what was cut off.
fn paced() -> (Backend, Rc<RefCell<Vec<String>>>) {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let told = Rc::clone(&seen);
    let backend = Box::new(move |mut pipe: DuplexStream| {
        let told = Rc::clone(&told);
        tokio::task::spawn_local(async move {
            while let Some(head) = read_head(&mut pipe).await {
                let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                told.borrow_mut().push(path.clone());
                if path.starts_with("/slow") {
                    tokio::time::sleep(Duration::from_secs(5)).await;
                }
                if pipe.write_all(OK.as_bytes()).await.is_err() {
                    told.borrow_mut().push(format!("{path} cut off"));
                }
            }
        });
    });
    (backend, seen)
}

fn waiting(how: &str, paths: [&str; 2]) -> String {
    let send = |path: &str| {
        format!(
            "<send-request response-variable-name='{path}'><set-url>http://other.test/{path}</set-url></send-request>"
        )
    };
    format!(
        "<policies><inbound><wait for='{how}'>{}{}</wait><return-response><set-body>@(string.Join(\",\", context.Variables.Keys))</set-body></return-response></inbound><backend/></policies>",
        send(paths[0]),
        send(paths[1])
    )
}

#[tokio::test(start_paused = true)]
async fn calls_of_a_wait_run_at_the_same_time() {
    on_worker(async {
        for (how, paths, seconds, expected) in [
            ("all", ["slow1", "slow2"], 5, "slow1,slow2"),
            ("all", ["slow1", "fast"], 5, "fast,slow1"),
            ("any", ["slow1", "fast"], 0, "fast"),
        ] {
            let (backend, seen) = paced();
            let world = World::new(Settings::default(), Some(snapshot(&waiting(how, paths))), backend);
            let begun = Instant::now();
            let output = world
                .talk(get("/echo/items/7").as_bytes(), Duration::from_secs(60))
                .await;
            assert_eq!(begun.elapsed().as_secs(), seconds, "{how} {paths:?}");
            contains(&output, &["HTTP/1.1 200 OK", &format!("\r\n\r\n{expected}")]);
            assert_eq!(seen.borrow().len(), 2, "both were asked");
            // What lost is cut off: its connection is closed, not kept.
            assert_eq!(world.worker.pool.idle(), if how == "any" { 1 } else { 2 });
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_proxy_is_told_where_to_go() {
    on_worker(async {
        let policy = "<policies><inbound><proxy url='http://p.test:3128' username='u' password='p'/></inbound>\
            <backend><forward-request/></backend><outbound/><on-error/></policies>";
        let seen = Rc::new(RefCell::new(Vec::new()));
        let heads = Rc::clone(&seen);
        let backend: Backend = Box::new(move |mut pipe: DuplexStream| {
            let heads = Rc::clone(&heads);
            tokio::task::spawn_local(async move {
                while let Some(head) = read_head(&mut pipe).await {
                    heads.borrow_mut().push(head);
                    let _ = pipe.write_all(OK.as_bytes()).await;
                }
            });
        });
        let world = World::new(Settings::default(), Some(snapshot(policy)), backend);
        let output = world
            .talk(get("/echo/items/7").as_bytes(), Duration::from_secs(1))
            .await;
        contains(&output, &["HTTP/1.1 200 OK"]);
        contains(
            &seen.borrow()[0],
            &[
                "GET http://backend.test/base/items/7 HTTP/1.1\r\n",
                "proxy-authorization: Basic dTpw\r\n",
            ],
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_streamed_answer_is_counted_on_its_way() {
    on_worker(async {
        let policy = "<policies><inbound><llm-token-limit counter-key='k' tokens-per-minute='10' estimate-prompt-tokens='false'/></inbound>\
            <backend><forward-request/></backend><outbound/><on-error/></policies>";
        let (first, second) = tokio::sync::oneshot::channel::<()>();
        let gate = Rc::new(RefCell::new(Some(second)));
        let backend: Backend = Box::new(move |mut pipe: DuplexStream| {
            let gate = Rc::clone(&gate);
            tokio::task::spawn_local(async move {
                read_head(&mut pipe).await;
                let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\ndata: {\"choices\":[{\"delta\":{\"content\":\"hello\"}}]}\n\n";
                let _ = pipe.write_all(head.as_bytes()).await;
                let opened = gate.borrow_mut().take();
                if let Some(opened) = opened {
                    let _ = opened.await;
                }
                let rest = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":8,\"completion_tokens\":4,\"total_tokens\":12}}\n\ndata: [DONE]\n\n";
                let _ = pipe.write_all(rest.as_bytes()).await;
            });
        });
        let world = World::new(Settings::default(), Some(snapshot(policy)), backend);
        let request = get("/echo/items/7");
        let mut client = world.connect();
        client.write_all(request.as_bytes()).await.unwrap();
        // The first event is here before the backend sends the second: nothing is held back.
        let begun = super::tests::read_until(&mut client, "hello\"}}]}\n\n").await;
        contains(&begun, &["HTTP/1.1 200 OK", "text/event-stream"]);
        first.send(()).unwrap();
        super::tests::read_until(&mut client, "[DONE]").await;
        drop(client);
        tokio::task::yield_now().await;
        // Twelve of ten tokens are used up.
        let refused = world.talk(request.as_bytes(), Duration::from_secs(1)).await;
        contains(&refused, &["HTTP/1.1 429 ", "Token limit is exceeded."]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_request_with_credentials_is_recorded() {
    on_worker(async {
        let policy = "<policies><inbound><set-variable name='v' value='1'/></inbound>\
            <backend><forward-request/></backend><outbound/><on-error/></policies>";
        let (backend, _) = paced();
        let world = World::new(Settings::default(), Some(snapshot(policy)), backend);
        let debug = &world.worker.node.debug;
        let far = u64::MAX / 2;
        for (token, header) in [
            (debug.credentials("echo", far).unwrap(), "apim-trace-id: "),
            (debug.credentials("other", far).unwrap(), "apim-debug-authorization-wrongapi: "),
            (debug.credentials("echo", 5).unwrap(), "apim-debug-authorization-expired: 5"),
        ] {
            let request = format!(
                "GET /echo/items/7 HTTP/1.1\r\nHost: gw.test\r\nApim-Debug-Authorization: {token}\r\nConnection: close\r\n\r\n"
            );
            let output = world.talk(request.as_bytes(), Duration::from_secs(1)).await;
            contains(&output, &["HTTP/1.1 200 OK", header]);
        }
        let ids = debug.ids();
        let [id] = ids.as_slice() else { panic!("{ids:?}") };
        let record: serde_json::Value = serde_json::from_str(&debug.record(id).unwrap()).unwrap();
        for (pointer, expected) in [
            ("/trace/0/policy", "set-variable"),
            ("/variables/v", "1"),
            ("/backendRequest/url", "http://backend.test/base/items/7"),
            ("/calls/0/call", "forward"),
        ] {
            assert_eq!(record.pointer(pointer), Some(&expected.into()), "{pointer} of {record:#}");
        }
        debug.order(1);
        let output = world
            .talk(get("/echo/items/7").as_bytes(), Duration::from_secs(1))
            .await;
        contains(&output, &["apim-trace-id: "]);
        assert_eq!(debug.ids().len(), 2);
    })
    .await;
}
