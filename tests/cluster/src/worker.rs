//! The extension's background processes in `pg_stat_activity` and in the log, and work for them.

use crate::{Builder, Cluster, Sql, TokenAuth};
use postgres::Client;

/// The backend type of the launcher.
pub const LAUNCHER: &str = "token_auth launcher";

/// The backend type of a worker.
pub const WORKER: &str = "token_auth worker";

/// Returns a builder for a cluster with the worker and this interval.
pub fn swept_every(interval: &str) -> Builder {
    Cluster::builder()
        .preload("token_auth")
        .setting("token_auth.sweep_interval", interval)
        // The postmaster logs each background process that it starts, for `workers_started`.
        .setting("log_min_messages", "debug1")
}

/// Creates a database and an account whose expired tokens are due at once.
pub fn database_to_sweep(cluster: &Cluster, name: &str) -> (Client, i64) {
    let mut db = cluster.create_database_with_token_auth(name);
    db.own_profile("brief", r#"{"expired_retention": "0"}"#);
    let account = db.account_under("brief", "brief");
    (db, account)
}

/// Returns the process id of the launcher, if one runs.
pub fn launcher(cluster: &Cluster) -> Option<i32> {
    let pids: Vec<i32> = cluster
        .connect("postgres", "postgres")
        .list("SELECT pid FROM pg_stat_activity WHERE backend_type = $1", &[&LAUNCHER]);
    assert!(pids.len() < 2, "{} launchers", pids.len());
    pids.first().copied()
}

/// Returns true if a worker is connected to a database.
pub fn worker_is_in(admin: &mut impl Sql, database: &str) -> bool {
    admin.get(
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = $1 AND datname = $2)",
        &[&WORKER, &database],
    )
}

/// Returns the number of workers that were started in a cluster of [`swept_every`].
pub fn workers_started(cluster: &Cluster) -> usize {
    cluster.log().lines_with(&format!("starting background worker process \"{WORKER}")).len()
}

/// Creates a trigger that makes each deletion of a token take this many seconds.
pub fn delay_deletions(db: &mut Client, seconds: f64) {
    db.batch_execute(&format!(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN PERFORM pg_sleep({seconds}); RETURN NULL; END $$;
         CREATE TRIGGER slow AFTER DELETE ON token_auth.token FOR EACH ROW EXECUTE FUNCTION slow()"
    ))
    .expect("a trigger of the application's own");
}
