import os
import psycopg2
from psycopg2.extras import Json

connection = psycopg2.connect("")
cursor = connection.cursor()
verify = "SELECT code, metadata FROM token_auth.verify_token(%s, 'email:read', %s)"
cursor.execute(verify, [os.environ["SECRET"], "acme.example"])
code, metadata = cursor.fetchone()
print(code, metadata["plan"])

create = "SELECT name FROM token_auth.create_token(%s, 'made', %s, all_domains => true, metadata => %s)"
cursor.execute(create, [1, ["email:read"], Json({"plan": "free"})])
print(cursor.fetchone()[0])
connection.commit()

with connection:  # a transaction
    cursor.execute("SELECT code FROM token_auth.authenticate(%s)", [os.environ["SECRET"]])
    code, = cursor.fetchone()
    cursor.execute("SELECT count(*) FROM message")
    print(code, cursor.fetchone()[0])

try:
    cursor.execute("SELECT token_auth.pause_token(%s, account_id => %s)", [1, None])
except psycopg2.Error as error:
    print(error.pgcode, error.diag.constraint_name)
