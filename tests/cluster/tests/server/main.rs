//! The server around the extension: crashes, dumps, reinstallation, races of whole functions, and the test library itself.

mod crash;
mod dump;
mod harness;
mod headers;
mod list;
mod race_revoke;
mod races;
mod reinstall;
mod reinstall_stress;
mod replication;
