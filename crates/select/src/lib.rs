//! From the names a client sends to an ordered plan of attempts: names, tiers, keys, health, metrics windows. Pure.
