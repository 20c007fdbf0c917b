import asyncio, json, os
import asyncpg

async def main():
    connection = await asyncpg.connect()
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads)
    verify = "SELECT code, metadata FROM token_auth.verify_token($1, 'email:read', $2)"
    row = await connection.fetchrow(verify, os.environ["SECRET"], "acme.example")
    print(row["code"], row["metadata"]["plan"])

    create = "SELECT name FROM token_auth.create_token($1, 'made', $2, all_domains => true, metadata => $3)"
    print(await connection.fetchval(create, 1, ["email:read"], {"plan": "free"}))

    async with connection.transaction():
        code = await connection.fetchval("SELECT code FROM token_auth.authenticate($1)", os.environ["SECRET"])
        print(code, await connection.fetchval("SELECT count(*) FROM message"))

    try:
        await connection.fetchval("SELECT token_auth.pause_token($1, account_id => $2)", 1, None)
    except asyncpg.PostgresError as error:
        print(error.sqlstate, error.constraint_name)

asyncio.run(main())
