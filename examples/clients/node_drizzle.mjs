import { sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/node-postgres";
import pg from "pg";

const pool = new pg.Pool();
const db = drizzle(pool);
const secret = process.env.SECRET;
const { rows: [token] } = await db.execute(sql`
    SELECT code, metadata FROM token_auth.verify_token(${secret}, 'email:read', ${"acme.example"})`);
console.log(token.code, token.metadata.plan);

const { rows: [made] } = await db.execute(sql`
    SELECT name FROM token_auth.create_token(${1}, 'made', ${sql.param(["email:read"])}, all_domains => true,
                                             metadata => ${JSON.stringify({ plan: "free" })})`);
console.log(made.name);

await db.transaction(async (tx) => {
    const { rows: [{ code }] } = await tx.execute(sql`SELECT code FROM token_auth.authenticate(${secret})`);
    const { rows: [{ count }] } = await tx.execute(sql`SELECT count(*) FROM message`);
    console.log(code, count);
});

try {
    await db.execute(sql`SELECT token_auth.pause_token(${1}, account_id => ${null})`);
} catch (error) {
    console.log(error.cause.code, error.cause.constraint);
}
await pool.end();
