//! The background worker: a launcher, and the workers that it starts one after another.
//!
//! The launcher is connected to no database. In each round it reads which databases exist, and starts a worker in each. The
//! worker checks that the database has the extension, removes due tokens for at most [`TURN`](sweeper::TURN), and ends. A
//! database with more to do gets another turn after the others had theirs. No process stays connected, so DROP DATABASE,
//! which waits five seconds for other sessions to end, finds a moment without one.
//!
//! A worker deletes as the owner of the extension's tables. Triggers of other tables that this sets off run as a role
//! without privileges, in a security-restricted operation.

mod launcher;
mod report;
mod sweeper;

use std::time::Duration;

use pgrx::bgworkers::{BackgroundWorkerBuilder, BgWorkerStartTime};

use crate::pg::{bgworker, clock, shmem};

/// Has the postmaster start the launcher after recovery. On a standby there is nothing to do.
pub fn register() {
    shmem::reserve();
    BackgroundWorkerBuilder::new("token_auth launcher")
        .set_type("token_auth launcher")
        .set_library("token_auth")
        .set_function("token_auth_launcher_main")
        .enable_spi_access()
        .set_start_time(BgWorkerStartTime::RecoveryFinished)
        .set_restart_time(Some(Duration::from_secs(5)))
        .load();
}

/// Returns true if the library was preloaded, so that the launcher was registered.
pub fn is_registered() -> bool {
    shmem::is_reserved()
}

/// Returns true if the launcher runs. The library must be preloaded.
pub fn is_running() -> bool {
    bgworker::is_running(shmem::LAUNCHER.get() as i32)
}

/// Returns true if the launcher runs, or starts within a second: the server may have just been started. The library must be
/// preloaded.
pub fn is_starting_or_running() -> bool {
    const ATTEMPTS: u32 = 20;
    const PAUSE: Duration = Duration::from_millis(50);
    (0..ATTEMPTS).any(|attempt| {
        if attempt > 0 {
            clock::sleep(PAUSE);
        }
        is_running()
    })
}

/// Informs the launcher that a database is getting the extension. The library must be preloaded.
pub fn record_installation() {
    shmem::INSTALLATIONS.increment();
}
