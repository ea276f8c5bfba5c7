//! Lets the HTTP libraries start their own tasks on the worker that runs them.

use std::future::Future;

use hyper::rt::Executor;

/// Runs futures on the current worker's `LocalSet`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LocalExecutor;

impl<F> Executor<F> for LocalExecutor
where
    F: Future + 'static,
    F::Output: 'static,
{
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}
