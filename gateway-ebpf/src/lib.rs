//! Kernel programs: pure parsing and deciding, and the programs and maps around it.
