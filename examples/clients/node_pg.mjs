import pg from "pg";

const client = new pg.Client();
await client.connect();
const verify = "SELECT code, metadata FROM token_auth.verify_token($1, 'email:read', $2)";
const { rows: [token] } = await client.query(verify, [process.env.SECRET, "acme.example"]);
console.log(token.code, token.metadata.plan);

const create = "SELECT name FROM token_auth.create_token($1, 'made', $2, all_domains => true, metadata => $3)";
console.log((await client.query(create, [1, ["email:read"], { plan: "free" }])).rows[0].name);

await client.query("BEGIN"); // on one client: a pool gives each query another one
const { rows: [{ code }] } = await client.query("SELECT code FROM token_auth.authenticate($1)", [process.env.SECRET]);
console.log(code, (await client.query("SELECT count(*) FROM message")).rows[0].count);
await client.query("COMMIT");

try {
    await client.query("SELECT token_auth.pause_token($1, account_id => $2)", [1, undefined]);
} catch (error) {
    console.log(error.code, error.constraint);
}
await client.end();
