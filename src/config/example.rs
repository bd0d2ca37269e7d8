//! The commented example that `print config` prints.

/// Every key of this version, in the order of the documentation. A commented line shows the default.
pub const EXAMPLE: &str = include_str!("example.toml");
