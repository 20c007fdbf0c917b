import json, os
from django.conf import settings

settings.configure(DATABASES={"default": {
    "ENGINE": "django.db.backends.postgresql",
    "NAME": os.environ["PGDATABASE"],
    "USER": os.environ["PGUSER"],
    "HOST": os.environ["PGHOST"],
}})
from django.db import DatabaseError, connection, transaction

def query(sql, parameters=()):
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchone()

verify = "SELECT code, metadata::text FROM token_auth.verify_token(%s, 'email:read', %s)"
code, metadata = query(verify, [os.environ["SECRET"], "acme.example"])
print(code, json.loads(metadata)["plan"])

create = "SELECT name FROM token_auth.create_token(%s, 'made', %s, all_domains => true, metadata => %s)"
print(query(create, [1, ["email:read"], json.dumps({"plan": "free"})])[0])

with transaction.atomic():
    code, = query("SELECT code FROM token_auth.authenticate(%s)", [os.environ["SECRET"]])
    print(code, query("SELECT count(*) FROM message")[0])

try:
    query("SELECT token_auth.pause_token(%s, account_id => %s)", [1, None])
except DatabaseError as error:
    print(error.__cause__.pgcode, error.__cause__.diag.constraint_name)
