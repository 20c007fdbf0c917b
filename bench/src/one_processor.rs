//! Clients that share a processor with their backends.
//!
//! Client and backend take turns. On separate processors each would have to wake the other's, and on a virtual machine it
//! takes longer to wake a processor than to verify a token. So the two share one.

use crate::server::Server;
use cluster::Sql as _;
use postgres::Client;
use std::{fs, process::Command, thread};

/// Runs `work` in a thread that shares a processor with a session. Other processes may use that processor, too.
pub fn on_one_processor<T: Send>(server: &Server, database: &str, work: impl FnOnce(&mut Client) -> T + Send) -> T {
    thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let mut db = server.connect(database);
            let backend: i32 = db.get("SELECT pg_backend_pid()", &[]);
            pin(0, &backend.to_string());
            let thread = fs::read_link("/proc/thread-self").expect("Linux");
            pin(0, &thread.file_name().unwrap_or_default().to_string_lossy());
            work(&mut db)
        });
        worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Without taskset the figures are only less steady.
pub fn pin(processor: usize, id: &str) {
    let _ = Command::new("taskset").args(["--cpu-list", "--pid", &processor.to_string(), id]).output();
}
