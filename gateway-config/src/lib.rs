//! Artifact folders and management payloads become one immutable snapshot.
