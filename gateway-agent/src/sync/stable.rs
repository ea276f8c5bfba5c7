//! Reading a folder that somebody may be writing at this moment.
//!
//! Two readings a pause apart must agree in every stamp and in content; else a writer is at work and the
//! reading is tried again. A copy that stalls for longer than the pause cannot be told from a finished
//! one: what it left is then judged by the checker, and an invalid folder never replaces a good one.
//! Writers who want no such window write a new folder and swap a symbolic link.

use std::{path::Path, time::Duration};

use super::tree::{self, Bounds, Tree, TreeError};

/// How patient a reading is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Between the two readings. Longer than the gap between two `write`s of a copying tool.
    pub pause: Duration,
    /// Readings in all before giving up until the next change or poll.
    pub tries: usize,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            pause: Duration::from_millis(150),
            tries: 20,
        }
    }
}

/// Why there is no stable reading.
#[derive(Debug)]
pub enum StableError {
    /// It cannot be read.
    Tree(TreeError),
    /// It kept changing.
    Changing {
        /// For how long it was watched.
        watched: Duration,
    },
}

impl StableError {
    /// The metric's label.
    pub fn cause(&self) -> &'static str {
        match self {
            StableError::Tree(error) => error.cause(),
            StableError::Changing { .. } => "unstable",
        }
    }
}

impl std::fmt::Display for StableError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StableError::Tree(error) => error.fmt(f),
            StableError::Changing { watched } => write!(
                f,
                "the files kept changing for {} ms; write beside them and rename, or swap a symbolic link",
                watched.as_millis()
            ),
        }
    }
}

/// Reads until two successive readings agree.
///
/// # Errors
/// The last reading's error (a file may vanish between listing and reading, so one failure is no verdict),
/// or that the folder never stood still.
pub async fn read(root: &Path, bounds: Bounds, patience: Patience) -> Result<Tree, StableError> {
    let mut before = read_once(root, bounds).await;
    for _ in 1..patience.tries.max(2) {
        tokio::time::sleep(patience.pause).await;
        let now = read_once(root, bounds).await;
        if let (Ok(a), Ok(b)) = (&before, &now)
            && a.digest == b.digest
            && a.stamps == b.stamps
        {
            return now.map_err(StableError::Tree);
        }
        // A bound does not go away by waiting, and each try costs a whole reading.
        if let Err(error) = &now
            && error.cause() == "too_large"
        {
            return now.map_err(StableError::Tree);
        }
        before = now;
    }
    match before {
        Err(error) => Err(StableError::Tree(error)),
        Ok(_) => Err(StableError::Changing {
            watched: patience.pause * patience.tries as u32,
        }),
    }
}

/// Files are read on the blocking pool: a slow disk must not stop the admin endpoint.
async fn read_once(root: &Path, bounds: Bounds) -> Result<Tree, TreeError> {
    let path = root.to_owned();
    match tokio::task::spawn_blocking(move || tree::read(&path, &bounds)).await {
        Ok(result) => result,
        Err(error) => Err(TreeError {
            path: root.to_owned(),
            kind: tree::TreeErrorKind::Io(std::io::Error::other(error)),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::scratch::Scratch;

    const QUICK: Patience = Patience {
        pause: Duration::from_millis(5),
        tries: 4,
    };

    #[tokio::test]
    async fn a_quiet_folder_is_read() {
        let scratch = Scratch::new();
        scratch.write("a", "1");
        let tree = read(scratch.path(), Bounds::default(), QUICK).await.unwrap();
        assert_eq!(tree.files.len(), 1);
    }

    #[tokio::test]
    async fn a_folder_that_is_written_all_the_time_is_refused() {
        let scratch = Scratch::new();
        scratch.write("a", "1");
        let path = scratch.path().to_owned();
        let mut text = String::new();
        let mut tick = tokio::time::interval(Duration::from_millis(1));
        let writing = async {
            loop {
                tick.tick().await;
                text.push('x');
                std::fs::write(path.join("a"), &text).unwrap();
            }
        };
        let error = tokio::select! {
            result = read(scratch.path(), Bounds::default(), QUICK) => result.unwrap_err(),
            () = writing => unreachable!("writes for ever"),
        };
        assert_eq!(error.cause(), "unstable");
        assert!(error.to_string().contains("swap a symbolic link"), "{error}");
    }

    #[tokio::test]
    async fn a_writer_that_stops_is_waited_for() {
        let scratch = Scratch::new();
        scratch.write("a", "half");
        let path = scratch.path().to_owned();
        let patience = Patience {
            pause: Duration::from_millis(20),
            tries: 50,
        };
        let mut tick = tokio::time::interval(Duration::from_millis(5));
        let writing = async {
            for n in 0..10 {
                tick.tick().await;
                std::fs::write(path.join("a"), "half".repeat(n)).unwrap();
            }
            std::fs::write(path.join("a"), "whole").unwrap();
        };
        let ((), tree) = tokio::join!(writing, read(scratch.path(), Bounds::default(), patience));
        assert_eq!(&*tree.unwrap().files["a"], b"whole");
    }

    #[tokio::test]
    async fn a_missing_folder_says_so() {
        let scratch = Scratch::new();
        let error = read(&scratch.path().join("absent"), Bounds::default(), QUICK)
            .await
            .unwrap_err();
        assert_eq!(error.cause(), "unreadable");
    }
}
