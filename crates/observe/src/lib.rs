//! What an operator sees: metrics, access log, status.
