use std::env;

use sqlx::postgres::{PgConnectOptions, PgDatabaseError};
use sqlx::types::Json;
use sqlx::{Connection as _, PgConnection, Row as _};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), sqlx::Error> {
    // The options come from PGHOST, PGUSER and PGDATABASE.
    let mut connection = PgConnection::connect_with(&PgConnectOptions::new()).await?;
    let secret = env::var("SECRET").unwrap();

    let verify = "SELECT code, metadata FROM token_auth.verify_token($1, 'email:read', $2)";
    let token = sqlx::query(verify).bind(&secret).bind("acme.example").fetch_one(&mut connection).await?;
    let metadata: Json<serde_json::Value> = token.get("metadata");
    println!("{} {}", token.get::<&str, _>("code"), metadata["plan"].as_str().unwrap());

    let create = "SELECT name FROM token_auth.create_token($1, 'made', $2, all_domains => true, metadata => $3)";
    let metadata = Json(serde_json::json!({ "plan": "free" }));
    let made = sqlx::query(create).bind(1_i64).bind(["email:read"]).bind(metadata).fetch_one(&mut connection).await?;
    println!("{}", made.get::<&str, _>("name"));

    let mut transaction = connection.begin().await?;
    let authenticate = "SELECT code FROM token_auth.authenticate($1)";
    let code: String = sqlx::query_scalar(authenticate).bind(&secret).fetch_one(&mut *transaction).await?;
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM message").fetch_one(&mut *transaction).await?;
    println!("{code} {rows}");
    transaction.commit().await?;

    let pause = "SELECT token_auth.pause_token($1, account_id => $2)";
    if let Err(error) = sqlx::query(pause).bind(1_i64).bind(None::<i64>).execute(&mut connection).await {
        let error = error.as_database_error().unwrap().downcast_ref::<PgDatabaseError>();
        println!("{} {}", error.code(), error.constraint().unwrap());
    }
    Ok(())
}
