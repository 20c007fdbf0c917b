//! Rows of the tables, loaded and locked through SPI. Nothing here asks for permission.

pub mod profile;
pub mod roles;
