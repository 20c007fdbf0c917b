import postgres from "postgres";

const sql = postgres({ host: process.env.PGHOST });
const secret = process.env.SECRET;
const [token] = await sql`
    SELECT code, metadata FROM token_auth.verify_token(${secret}, 'email:read', ${"acme.example"})`;
console.log(token.code, token.metadata.plan);

const [made] = await sql`
    SELECT name FROM token_auth.create_token(${1}, 'made', ${["email:read"]}, all_domains => true,
                                             metadata => ${sql.json({ plan: "free" })})`;
console.log(made.name);

await sql.begin(async (sql) => {
    const [{ code }] = await sql`SELECT code FROM token_auth.authenticate(${secret})`;
    const [{ count }] = await sql`SELECT count(*) FROM message`;
    console.log(code, count);
});

try {
    await sql`SELECT token_auth.pause_token(${1}, account_id => ${null})`;
} catch (error) {
    console.log(error.code, error.constraint_name);
}
await sql.end();
