use std::env;

use tokio_postgres::types::Json;
use tokio_postgres::{Error, NoTls};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let settings = format!(
        "host={} user={} dbname={}",
        env::var("PGHOST").unwrap(),
        env::var("PGUSER").unwrap(),
        env::var("PGDATABASE").unwrap()
    );
    let (mut client, connection) = tokio_postgres::connect(&settings, NoTls).await?;
    tokio::spawn(connection);
    let secret = env::var("SECRET").unwrap();

    let verify = "SELECT code, metadata FROM token_auth.verify_token($1, 'email:read', $2)";
    let token = client.query_one(verify, &[&secret, &"acme.example"]).await?;
    let metadata: Json<serde_json::Value> = token.get("metadata");
    println!("{} {}", token.get::<_, &str>("code"), metadata.0["plan"].as_str().unwrap());

    let create = "SELECT name FROM token_auth.create_token($1, 'made', $2, all_domains => true, metadata => $3)";
    let metadata = Json(serde_json::json!({ "plan": "free" }));
    let made = client.query_one(create, &[&1_i64, &["email:read"].as_slice(), &metadata]).await?;
    println!("{}", made.get::<_, &str>("name"));

    let transaction = client.transaction().await?;
    let token = transaction.query_one("SELECT code FROM token_auth.authenticate($1)", &[&secret]).await?;
    let rows = transaction.query_one("SELECT count(*) FROM message", &[]).await?;
    println!("{} {}", token.get::<_, &str>("code"), rows.get::<_, i64>(0));
    transaction.commit().await?;

    let pause = "SELECT token_auth.pause_token($1, account_id => $2)";
    if let Err(error) = client.query_one(pause, &[&1_i64, &None::<i64>]).await {
        let error = error.as_db_error().unwrap();
        println!("{} {}", error.code().code(), error.constraint().unwrap());
    }
    Ok(())
}
