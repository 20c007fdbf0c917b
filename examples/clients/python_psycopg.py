import os
import psycopg
from psycopg.types.json import Jsonb

connection = psycopg.connect(autocommit=True)
verify = "SELECT code, metadata FROM token_auth.verify_token(%s, 'email:read', %s)"
code, metadata = connection.execute(verify, [os.environ["SECRET"], "acme.example"]).fetchone()
print(code, metadata["plan"])

create = """SELECT name FROM token_auth.create_token(%s, 'made', %s, all_domains => true, metadata => %s)"""
print(connection.execute(create, [1, ["email:read"], Jsonb({"plan": "free"})]).fetchone()[0])

with connection.transaction():
    code, = connection.execute("SELECT code FROM token_auth.authenticate(%s)", [os.environ["SECRET"]]).fetchone()
    print(code, connection.execute("SELECT count(*) FROM message").fetchone()[0])

try:
    connection.execute("SELECT token_auth.pause_token(%s, account_id => %s)", [1, None])
except psycopg.Error as error:
    print(error.sqlstate, error.diag.constraint_name)
