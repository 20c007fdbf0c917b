// Makes the tables of better-auth and its plugin for API keys, and keys by the plugin itself.
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db";
import { apiKey } from "better-auth/plugins";
import pg from "pg";

const pool = new pg.Pool({ host: process.env.PGHOST });
const auth = betterAuth({
  database: pool,
  secret: "a secret of the example, which is no secret",
  baseURL: "http://localhost",
  emailAndPassword: { enabled: true },
  plugins: [apiKey()],
});
await (await getMigrations(auth.options)).runMigrations();
const { user } = await auth.api.signUpEmail({
  body: { email: "ann@example.org", password: "a long password", name: "Ann" },
});
const make = async (label, body) => {
  const { id, key } = await auth.api.createApiKey({ body: { userId: user.id, ...body } });
  console.log(label, key);
  return id;
};
console.log("user", user.id);
await make("good", { name: "build", expiresIn: 3600 * 24 * 30, permissions: { mail: ["read", "send"] } });
await make("all", { name: "everything", prefix: "acme_" });
const off = await make("off", { name: "off" });
await pool.query("UPDATE apikey SET enabled = false WHERE id = $1", [off]);
const expired = await make("expired", { name: "expired" });
await pool.query(`UPDATE apikey SET "expiresAt" = now() - interval '1 day' WHERE id = $1`, [expired]);
await pool.end();
