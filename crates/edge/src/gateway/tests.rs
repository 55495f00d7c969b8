//! Tests of the gateway without a network.
