//! The node agent: listeners, TLS, HTTP, pipeline, upstreams, sync, administration, telemetry.
