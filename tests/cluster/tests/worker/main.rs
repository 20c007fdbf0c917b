//! The background worker, and the sweep.

mod held;
mod life;
mod neighbors;
mod no_preload;
mod removal;
mod settings;
