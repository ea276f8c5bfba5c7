//! A log and a replica of it: pages, order, duplicates, gaps, restarts.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::FileTree;

const BOUNDS: TreeBounds = TreeBounds {
    files: 1000,
    bytes: 1 << 20,
};

fn tree(files: &[(&str, &str)]) -> FileTree {
    files
        .iter()
        .map(|(path, text)| ((*path).to_owned(), Arc::from(text.as_bytes())))
        .collect()
}

/// Asks for pages of `top` events until the replica is complete; returns how many it took.
fn follow(log: &EventLog, replica: &mut Replica, top: usize) -> usize {
    for pages in 1..1000 {
        let page = log.page(replica.position(), top);
        let page: Page = serde_json::from_str(&serde_json::to_string(&page).unwrap()).unwrap();
        if let Progress::Complete(_) = replica.apply(&page).unwrap() {
            return pages;
        }
    }
    panic!("never complete")
}

#[test]
fn a_page_has_the_visible_shape() {
    let mut log = EventLog::new(b"seed");
    log.update(&tree(&[("policy.xml", "<policies/>")]));
    log.update(&FileTree::from([(
        "binary".to_owned(),
        Arc::from(&[0xff, 0x00][..]),
    )]));
    let page = serde_json::to_value(log.page(Revision(0), 100)).unwrap();
    let expected = serde_json::json!({
        "datasetId": log.dataset(),
        "after": "00000000",
        "revision": "00000003",
        "events": [
            { "revision": "00000002", "path": "binary", "bytes": "ff00" },
            { "revision": "00000003", "path": "policy.xml", "removed": true },
        ],
        "more": false,
    });
    assert_eq!(page, expected);
    assert_eq!(log.dataset().len(), 15);
    assert!(
        log.dataset()
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    );
}

#[test]
fn an_update_costs_what_changed() {
    let mut log = EventLog::new(b"seed");
    assert_eq!(log.update(&tree(&[("a", "1"), ("b", "1")])), 2);
    assert_eq!(log.update(&tree(&[("a", "1"), ("b", "1")])), 0);
    let before = log.revision();
    assert_eq!(log.update(&tree(&[("a", "2"), ("b", "1")])), 1);
    let page = log.page(before, 100);
    assert_eq!((page.events.len(), page.more), (1, false));
    assert_eq!(page.events[0].path, "a");
}

#[test]
fn pages_end_at_their_count_and_size() {
    let mut log = EventLog::new(b"seed");
    let big = "x".repeat(PAGE_BYTES);
    log.update(&tree(&[("a", &big), ("b", "1"), ("c", "1")]));
    let page = log.page(Revision(0), 100);
    assert_eq!((page.events.len(), page.more), (1, true), "the size ends it");
    let page = log.page(page.events[0].revision, 1);
    assert_eq!((page.events.len(), page.more), (1, true), "the count ends it");
    assert_eq!(log.page(Revision(0), 0).events.len(), 1, "a page is never empty");
}

#[test]
fn another_data_set_starts_over_and_serves_the_old_tree_meanwhile() {
    let (mut one, mut two) = (EventLog::new(b"one"), EventLog::new(b"two"));
    one.update(&tree(&[("a", "1"), ("b", "1")]));
    two.update(&tree(&[("a", "2")]));
    let mut replica = Replica::new(BOUNDS);
    follow(&one, &mut replica, 100);
    assert_eq!(
        replica.apply(&two.page(replica.position(), 100)),
        Ok(Progress::StartOver)
    );
    follow(&two, &mut replica, 100);
    assert_eq!(replica.files(), &tree(&[("a", "2")]));
}

#[test]
fn parts_that_do_not_belong_together_are_no_log() {
    let files = tree(&[("a", "1"), ("b", "1")]);
    let at = |path: &str, revision| (path.to_owned(), Revision(revision));
    for (history, expected) in [
        (vec![at("a", 1), at("b", 2)], true),
        (vec![at("a", 1), at("b", 2), at("gone", 3)], true),
        (vec![at("a", 1)], false),
        (vec![at("a", 1), at("b", 1)], false),
        (vec![at("a", 1), at("a", 2), at("b", 3)], false),
        (vec![at("a", 0), at("b", 1)], false),
        (vec![at("a", 1), at("b", 4)], false),
    ] {
        let log = EventLog::restore("d".to_owned(), Revision(3), &history, &files);
        assert_eq!(log.is_some(), expected, "{history:?}");
    }
}

#[test]
fn too_many_removals_make_a_new_data_set() {
    let mut log = EventLog::new(b"seed");
    let before = log.dataset().to_owned();
    let many: FileTree = (0..10_001)
        .map(|i| (format!("f{i}"), Arc::from(&b"x"[..])))
        .collect();
    log.update(&many);
    log.update(&tree(&[("a", "1")]));
    assert_ne!(log.dataset(), before);
    assert_eq!((log.len(), log.page(Revision(0), 100).events.len()), (1, 1));
}

#[test]
fn bad_pages_change_nothing() {
    let event = |revision, path: &str, content: Option<&str>| Event {
        revision: Revision(revision),
        path: path.to_owned(),
        content: content.map(|c| Arc::from(c.as_bytes())),
    };
    let page = |revision, events, more| Page {
        dataset_id: "d".to_owned(),
        after: Revision(0),
        revision: Revision(revision),
        events,
        more,
    };
    let mut replica = Replica::new(TreeBounds { files: 2, bytes: 10 });
    replica
        .apply(&page(5, vec![event(5, "a", Some("1"))], false))
        .unwrap();
    let good = replica.files().clone();
    let order = |one, two| ReplicaError::Order(Revision(one), Revision(two));
    for (page, expected) in [
        (
            page(9, vec![event(8, "b", None), event(7, "c", None)], false),
            order(7, 8),
        ),
        (
            page(9, vec![event(8, "b", None), event(8, "c", None)], false),
            order(8, 8),
        ),
        (page(6, vec![event(7, "b", None)], false), order(7, 0)),
        (
            page(4, vec![], false),
            ReplicaError::Behind(Revision(4), Revision(5)),
        ),
        (page(9, vec![], true), ReplicaError::Stuck(Revision(5))),
        (
            page(9, vec![event(5, "a", None)], true),
            ReplicaError::Stuck(Revision(5)),
        ),
        (
            page(6, vec![event(6, "../b", None)], false),
            ReplicaError::Path("../b".to_owned()),
        ),
        (
            page(6, vec![event(6, "/b", None)], false),
            ReplicaError::Path("/b".to_owned()),
        ),
        (
            page(6, vec![event(6, "", None)], false),
            ReplicaError::Path(String::new()),
        ),
        (
            page(7, vec![event(6, "b", Some("1")), event(7, "c", Some("1"))], false),
            ReplicaError::TooLarge("its bound of files"),
        ),
        (
            page(6, vec![event(6, "b", Some("0123456789"))], false),
            ReplicaError::TooLarge("its bound of bytes"),
        ),
    ] {
        assert_eq!(replica.apply(&page), Err(expected), "{page:?}");
        assert_eq!((replica.files(), replica.position()), (&good, Revision(5)));
    }
    let mut late = page(9, vec![event(8, "b", None)], false);
    late.after = Revision(6);
    assert_eq!(
        replica.apply(&late),
        Err(ReplicaError::Gap(Revision(6), Revision(5)))
    );
}

#[test]
fn what_is_no_event_is_refused() {
    for text in [
        r#"{"revision":"00000001","path":"a"}"#,
        r#"{"revision":"00000001","path":"a","text":"x","removed":true}"#,
        r#"{"revision":"00000001","path":"a","bytes":"abc"}"#,
        r#"{"revision":"00000001","path":"a","bytes":"zz"}"#,
        r#"{"revision":"x","path":"a","text":""}"#,
        r#"{"revision":"+1","path":"a","text":""}"#,
        r#"{"revision":"000000001","path":"a","text":""}"#,
        r#"{"revision":"00000001","path":"a","text":"","other":1}"#,
    ] {
        assert!(serde_json::from_str::<Event>(text).is_err(), "{text}");
    }
}

/// What happens between a hub and a node.
#[derive(Clone, Debug)]
enum Step {
    /// The hub's tree becomes this one.
    Edit(Vec<(u8, u8)>),
    /// The node takes one page of at most so many events.
    Page(usize),
    /// The last page arrives a second time.
    Again,
    /// The node starts from what it had, or from nothing.
    Restart(bool),
    /// The hub starts again with what it kept.
    SameHub,
    /// The hub starts again with another data set.
    NewHub,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => prop::collection::vec((0..6_u8, 0..3_u8), 0..6).prop_map(Step::Edit),
        6 => (1..4_usize).prop_map(Step::Page),
        1 => Just(Step::Again),
        1 => any::<bool>().prop_map(Step::Restart),
        1 => Just(Step::SameHub),
        1 => Just(Step::NewHub),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_they_converge(steps in prop::collection::vec(step(), 0..60)) {
        let mut hubs = 0_u8;
        let mut log = EventLog::new(&[hubs]);
        let mut now = FileTree::new();
        let mut replica = Replica::new(BOUNDS);
        let mut last = None;
        for step in steps {
            match step {
                Step::Edit(files) => {
                    now = files.iter().map(|(p, c)| (format!("f{p}"), Arc::from(&[*c][..]))).collect();
                    log.update(&now);
                }
                Step::Page(top) => {
                    let page = log.page(replica.position(), top);
                    if replica.apply(&page) == Ok(Progress::Complete(true)) {
                        prop_assert_eq!(replica.files(), &now);
                    }
                    last = Some(page);
                }
                Step::Again => {
                    // Late, twice, or of a hub that is gone: refused or passed over, never wrong.
                    if let Some(page) = &last {
                        let _ = replica.apply(page);
                    }
                }
                Step::Restart(true) => {
                    let (dataset, files) = (replica.dataset().to_owned(), replica.files().clone());
                    replica = Replica::restore(BOUNDS, dataset, replica.position(), files);
                }
                Step::Restart(false) => replica = Replica::new(BOUNDS),
                Step::SameHub => {
                    let history = log.history();
                    let (dataset, at, files) = (log.dataset().to_owned(), log.revision(), log.tree());
                    let again = EventLog::restore(dataset, at, &history, &files);
                    prop_assert!(again.is_some());
                    log = again.unwrap();
                    prop_assert_eq!(log.update(&now), 0, "it knows what it had");
                }
                Step::NewHub => {
                    hubs += 1;
                    log = EventLog::new(&[hubs]);
                    log.update(&now);
                }
            }
        }
        follow(&log, &mut replica, 3);
        prop_assert_eq!(replica.files(), &now);
        prop_assert_eq!(replica.position(), log.revision());
    }
}
