//! Short methods for queries: a test states what it expects, and the method panics with what it got instead.

use postgres::{
    GenericClient, Row,
    error::SqlState,
    types::{FromSqlOwned, ToSql},
};

/// Queries that return one value, many values, or the refusal of a statement. Anything else panics with the statement.
pub trait Sql {
    /// Runs a statement and returns the number of rows that it processed.
    fn run(&mut self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> u64;

    /// Returns the rows of a query.
    fn rows(&mut self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Vec<Row>;

    /// Runs a statement that must be refused, and returns the refusal.
    fn refused(&mut self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Refusal;

    /// Returns the first column of each row.
    fn list<T: FromSqlOwned>(&mut self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Vec<T> {
        self.rows(sql, params).iter().map(|row| row.get(0)).collect()
    }

    /// Returns the only row of a query.
    fn row(&mut self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Row {
        let mut rows = self.rows(sql, params);
        assert_eq!(rows.len(), 1, "rows of: {sql}");
        rows.remove(0)
    }

    /// Returns the first column of the only row.
    fn get<T: FromSqlOwned>(&mut self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> T {
        self.row(sql, params).get(0)
    }
}

impl<C: GenericClient> Sql for C {
    fn run(&mut self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> u64 {
        self.execute(sql, params).unwrap_or_else(|error| panic!("{sql}\n{}", describe(&error)))
    }

    fn rows(&mut self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Vec<Row> {
        self.query(sql, params).unwrap_or_else(|error| panic!("{sql}\n{}", describe(&error)))
    }

    fn refused(&mut self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Refusal {
        match self.query(sql, params) {
            Ok(rows) => panic!("not refused, {} rows: {sql}", rows.len()),
            Err(error) => refusal(&error),
        }
    }
}

/// Returns a plan with at most one InitPlan in the words of PostgreSQL 17 and 18.
pub fn plan_in_current_words(plan: &str) -> String {
    plan.replace("InitPlan 1 (returns $0)", "InitPlan 1").replace("$0", "(InitPlan 1).col1")
}

/// The error of a refused statement.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The SQLSTATE.
    pub code: String,
    /// The primary message.
    pub message: String,
    /// The DETAIL field. Empty if there is none.
    pub detail: String,
    /// The HINT field. Empty if there is none.
    pub hint: String,
    /// The CONTEXT field. Empty if there is none.
    pub context: String,
    /// The name of the violated constraint. Empty if there is none.
    pub constraint: String,
}

impl Refusal {
    /// Returns all texts of the refusal, to search in them.
    pub fn text(&self) -> String {
        [&*self.message, &*self.detail, &*self.hint, &*self.context].join("\n")
    }
}

/// Returns the refusal in an error. Panics if the error is something else, such as a lost connection.
pub fn refusal(error: &postgres::Error) -> Refusal {
    let Some(db) = error.as_db_error() else {
        panic!("not a refusal by the server: {}", describe(error));
    };
    let or_empty = |field: Option<&str>| field.unwrap_or_default().to_owned();
    Refusal {
        code: db.code().code().to_owned(),
        message: db.message().to_owned(),
        detail: or_empty(db.detail()),
        hint: or_empty(db.hint()),
        context: or_empty(db.where_()),
        constraint: or_empty(db.constraint()),
    }
}

/// Returns an error with all texts of the server. The crate's own text is only "db error".
pub(crate) fn describe(error: &postgres::Error) -> String {
    match error.as_db_error() {
        Some(db) => format!(
            "{} {}: {}\nDETAIL: {}\nHINT: {}\nCONTEXT: {}",
            db.severity(),
            db.code().code(),
            db.message(),
            db.detail().unwrap_or_default(),
            db.hint().unwrap_or_default(),
            db.where_().unwrap_or_default()
        ),
        None => format!("{error} (SQLSTATE {:?})", error.code().map(SqlState::code)),
    }
}

/// Sends more invalidation messages than PostgreSQL's queue of 4,096 holds.
pub fn flood(session: &mut postgres::Client) {
    let tables = "DO $$ BEGIN
                      FOR i IN 1 .. 300 LOOP
                          CREATE TEMP TABLE t (a int, b text, c text);
                          DROP TABLE t;
                      END LOOP;
                  END $$";
    session.batch_execute(tables).expect("tables come and go");
}
