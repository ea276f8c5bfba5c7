//! `cargo xtask`: everything beyond plain cargo commands.

fn main() {}
