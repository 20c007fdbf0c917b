import "reflect-metadata";
import { DataSource } from "typeorm";

const source = await new DataSource({ type: "postgres", host: process.env.PGHOST, port: Number(process.env.PGPORT),
    username: process.env.PGUSER, database: process.env.PGDATABASE, synchronize: false }).initialize();
const secret = process.env.SECRET;
const verify = "SELECT code, metadata FROM token_auth.verify_token($1, 'email:read', $2)";
const [token] = await source.query(verify, [secret, "acme.example"]);
console.log(token.code, token.metadata.plan);

const create = "SELECT name FROM token_auth.create_token($1, 'made', $2, all_domains => true, metadata => $3)";
console.log((await source.query(create, [1, ["email:read"], { plan: "free" }]))[0].name);

await source.transaction(async (manager) => {
    const [{ code }] = await manager.query("SELECT code FROM token_auth.authenticate($1)", [secret]);
    const [{ count }] = await manager.query("SELECT count(*) FROM message");
    console.log(code, count);
});

try {
    await source.query("SELECT token_auth.pause_token($1, account_id => $2)", [1, null]);
} catch (error) {
    console.log(error.driverError.code, error.driverError.constraint);
}
await source.destroy();
