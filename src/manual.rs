//! The manual of the configuration file: its commented default.

/// Every setting with its default, every action with its keys.
pub const MANUAL: &str = include_str!("../assets/default.toml");
