//! Sealed copies: revealed, resealed and erased.

mod erase;
mod erase_races;
mod erase_stress;
mod keys;
mod reveal;
mod rotation;
