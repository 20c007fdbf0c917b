//! Two tenants whose messages a policy separates, and a role that tries to read both.

use crate::{Client, Cluster, NewToken, Sql, TokenAuth, shared};
use std::sync::{
    Arc, Mutex, Weak,
    atomic::{AtomicUsize, Ordering},
};

/// The objects of one test, in a cluster that the tests of a process share.
pub struct Tenants {
    pub superuser: Client,
    /// A role that may authenticate, read messages and create functions, and nothing else.
    pub role: String,
    /// A table with [`MESSAGES`] rows of each tenant and the policy [`POLICY`].
    pub messages: String,
    pub ours: NewToken,
    pub theirs: NewToken,
    /// The last test stops it.
    pub cluster: Arc<Cluster>,
}

pub const DATABASE: &str = "app";
/// The role whose members may authenticate.
pub const HOLDERS: &str = "token_holder";
/// The role whose members may set the parameter, which is not enough.
pub const SETTERS: &str = "identity_setter";
/// The number of messages of each tenant.
pub const MESSAGES: i64 = 500;
/// The first policy of the table. `allowed_domains` and `current_account_id` give the same rows.
pub const POLICY: &str = "token_auth.allows('email:read', domain)";

impl Tenants {
    /// Creates the tenants in a cluster that preloads this library, or none if it is empty.
    pub fn preloading(library: &str) -> Tenants {
        static NUMBER: AtomicUsize = AtomicUsize::new(1);
        static PRELOADING: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());
        static OTHER: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());
        let cluster = shared(if library.is_empty() { &OTHER } else { &PRELOADING }, || start_cluster(library));
        let mut superuser = cluster.connect(DATABASE, "postgres");
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let (role, messages) = (format!("mallory_{number}"), format!("messages_{number}"));
        superuser
            .batch_execute(&format!(
                "CREATE ROLE {role} LOGIN IN ROLE {HOLDERS};
                 CREATE SCHEMA {role} AUTHORIZATION {role};
                 CREATE TABLE public.{messages} (account_id bigint, domain text, body text);
                 ALTER TABLE public.{messages} ENABLE ROW LEVEL SECURITY;
                 CREATE POLICY tenants ON public.{messages} USING ({POLICY});
                 GRANT SELECT ON public.{messages} TO {role}"
            ))
            .expect("a role and a table");
        let mut tenant = |name: &str| {
            let account = superuser.account(&format!("{name} {number}"));
            superuser.domain(account, &format!("{name}.example"));
            superuser.run(
                &format!("INSERT INTO public.{messages} SELECT $1, $2, i FROM generate_series(1, $3::bigint) i"),
                &[&account, &format!("{name}.example"), &MESSAGES],
            );
            superuser.account_token(account, name, &["email:read"])
        };
        let (ours, theirs) = (tenant("ours"), tenant("theirs"));
        superuser.run(&format!("ANALYZE public.{messages}"), &[]);
        Tenants { superuser, role, messages, ours, theirs, cluster }
    }

    /// Opens a session of the role.
    pub fn session(&self) -> Client {
        self.cluster.connect(DATABASE, &self.role)
    }

    /// Asserts that a session is not authenticated, by every function and policy.
    pub fn assert_nobody(&self, session: &mut impl Sql, why: &str) {
        let answers = session.row(
            &format!(
                "SELECT token_auth.current_token_id(), token_auth.current_account_id(),
                        token_auth.allows('email:read') OR token_auth.allows('email:read', 'ours.example'),
                        token_auth.allowed_domains('email:read'), token_auth.allowed_domain_ids('email:read'),
                        (SELECT count(*) FROM public.{})",
                self.messages
            ),
            &[],
        );
        assert_eq!((answers.get(0), answers.get(1)), (None::<i64>, None::<i64>), "{why}");
        assert!(!answers.get::<_, bool>(2), "{why}");
        assert_eq!((answers.get(3), answers.get(4)), (Vec::<String>::new(), Vec::<i64>::new()), "{why}");
        assert_eq!(answers.get::<_, i64>(5), 0, "{why}");
    }
}

/// Authenticates the transaction of a session as a token.
pub fn authenticate(session: &mut impl Sql, token: &NewToken) {
    assert_eq!(session.get::<String>("SELECT code FROM token_auth.authenticate($1)", &[&token.secret]), "ok");
    assert_eq!(who(session), Some(token.id));
}

/// Returns the session token.
pub fn who(session: &mut impl Sql) -> Option<i64> {
    session.get("SELECT token_auth.current_token_id()", &[])
}

fn start_cluster(library: &str) -> Cluster {
    let cluster = Cluster::builder()
        .preload(library)
        .setting("max_connections", "100")
        .setting("max_prepared_transactions", "5")
        .setting("max_worker_processes", "40")
        .setting("max_parallel_workers", "32")
        .start();
    let mut superuser = cluster.create_database_with_token_auth(DATABASE);
    superuser
        .batch_execute(&format!(
            "CREATE ROLE {HOLDERS}; GRANT EXECUTE ON FUNCTION token_auth.authenticate TO {HOLDERS};
             CREATE ROLE {SETTERS}; GRANT SET, ALTER SYSTEM ON PARAMETER token_auth.identity TO {SETTERS}"
        ))
        .expect("a role that may authenticate");
    cluster
}
