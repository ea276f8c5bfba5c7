//! The clock of the kernel programs, which the standard library keeps to itself.

/// Nanoseconds of CLOCK_MONOTONIC: what `bpf_ktime_get_ns` returns.
pub fn monotonic_ns() -> u64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    #[expect(unsafe_code, reason = "clock_gettime has no safe wrapper in libc")]
    // SAFETY: a valid pointer to a valid value; this clock exists on every Linux.
    unsafe {
        libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now);
    }
    now.tv_sec.cast_unsigned() * 1_000_000_000 + now.tv_nsec.cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_runs_with_the_clock_of_the_standard_library() {
        let (ours, theirs) = (monotonic_ns(), std::time::Instant::now());
        std::thread::yield_now();
        let (passed, elapsed) = (monotonic_ns() - ours, theirs.elapsed().as_nanos());
        assert!(u128::from(passed) + 1_000_000_000 > elapsed && ours > 0);
    }
}
