//! The contract between the kernel programs and the agent: plain data, no_std.
#![no_std]
