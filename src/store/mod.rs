//! Everything that touches PostgreSQL's own structures, behind types that release what they hold.
//!
//! Unsafe code lives in this folder and nowhere else; what it offers to the rest of the crate is safe.

pub mod allocation;
pub mod database_list;
pub mod error_detail;
pub mod error_fields;
pub mod fault;
pub mod identity;
pub mod invalidation;
pub mod owner;
pub mod process;
pub mod record;
pub mod relation;
pub mod server;
pub mod shared;
pub mod snapshot;
pub mod spi;
pub mod subtransaction;
pub mod text_setting;
pub mod value;
