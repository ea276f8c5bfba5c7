//! Folders that an editor, a copy in progress or a broken disk left behind.

use proptest::prelude::*;

use super::*;

/// Cuts and overwrites at random: what an editor, a copy in progress or a broken disk leaves behind.
fn mutilated() -> impl Strategy<Value = BTreeMap<String, String>> {
    let files: Vec<(String, String)> = base().into_iter().collect();
    let count = files.len();
    prop::collection::vec(
        (0..count, 0_u8..4, any::<prop::sample::Index>(), "\\PC{0,20}"),
        1..6,
    )
    .prop_map(move |edits| {
        let mut files = files.clone();
        for (index, what, at, text) in edits {
            let content = &mut files[index].1;
            let mut cut = at.index(content.len() + 1);
            while !content.is_char_boundary(cut) {
                cut -= 1;
            }
            match what {
                0 => content.truncate(cut),
                1 => content.insert_str(cut, &text),
                2 => *content = text,
                _ => files[index].0 = format!("{text}/{}", files[index].0),
            }
        }
        files.into_iter().collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// No panic, every mistake named, and a second load of the same bytes says the same.
    #[test]
    fn any_damage_is_survived_and_told(files in mutilated()) {
        let world = World { files, overlay: OVERLAY.into(), settings: Vec::new(), no_secrets: false };
        let first = world.load(None);
        for p in &first.problems {
            prop_assert!(!p.message.is_empty() && !p.code.is_empty());
        }
        let again = world.load(first.snapshot.as_ref());
        prop_assert_eq!(&first.problems, &again.problems);
        prop_assert_eq!(first.summary, again.summary);
        if let (Some(a), Some(b)) = (&first.snapshot, &again.snapshot) {
            prop_assert_eq!(&a.revision, &b.revision);
        }
    }
}
