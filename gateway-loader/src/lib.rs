//! Loads, attaches and reads the kernel programs; the only crate that knows aya.
