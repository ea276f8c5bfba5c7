//! Whole-node tests: namespaces, real peers, real traffic.
