//! The extension's background processes, as `pg_stat_activity` and the log show them, and something for them to do.

use crate::{Builder, Cluster, Sql, TokenAuth};
use postgres::Client;

/// The process that stays and starts the others.
pub const LAUNCHER: &str = "token_auth launcher";

/// A process that sweeps one database and ends.
pub const WORKER: &str = "token_auth worker";

/// A cluster-to-be with the worker, which looks after its databases at this interval.
pub fn swept_every(interval: &str) -> Builder {
    Cluster::builder()
        .preload("token_auth")
        .setting("token_auth.sweep_interval", interval)
        // The postmaster logs each background process that it starts, for `workers_started`.
        .setting("log_min_messages", "debug1")
}

/// A database made while the server runs, and an account in it whose expired tokens may go at once.
pub fn database_to_sweep(cluster: &Cluster, name: &str) -> (Client, i64) {
    let mut db = cluster.create_database_with_token_auth(name);
    db.own_profile("brief", r#"{"expired_retention": "0"}"#);
    let account = db.account_under("brief", "brief");
    (db, account)
}

/// The process id of the launcher, if one runs.
pub fn launcher(cluster: &Cluster) -> Option<i32> {
    let pids: Vec<i32> = cluster
        .connect("postgres", "postgres")
        .list("SELECT pid FROM pg_stat_activity WHERE backend_type = $1", &[&LAUNCHER]);
    assert!(pids.len() < 2, "{} launchers", pids.len());
    pids.first().copied()
}

/// Whether a worker is in a database at this moment.
pub fn worker_is_in(admin: &mut impl Sql, database: &str) -> bool {
    admin.get(
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = $1 AND datname = $2)",
        &[&WORKER, &database],
    )
}

/// How many workers have been started so far in a cluster of [`swept_every`].
pub fn workers_started(cluster: &Cluster) -> usize {
    cluster.log().lines_with(&format!("starting background worker process \"{WORKER}")).len()
}

/// Makes each deletion of a token in a database take so many seconds, by a trigger as an application may have one.
pub fn delay_deletions(db: &mut Client, seconds: f64) {
    db.batch_execute(&format!(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN PERFORM pg_sleep({seconds}); RETURN NULL; END $$;
         CREATE TRIGGER slow AFTER DELETE ON token_auth.token FOR EACH ROW EXECUTE FUNCTION slow()"
    ))
    .expect("a trigger of the application's own");
}
