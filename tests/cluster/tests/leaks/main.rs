//! No secret, digest or key leaks, and no argument ends a server.

mod constraints;
mod encoding;
mod huge_arguments;
mod messages;
mod sealed;
