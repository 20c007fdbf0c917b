import os
from sqlalchemy import JSON, bindparam, create_engine, text
from sqlalchemy.exc import DBAPIError

# hide_parameters: an exception shows no parameters, which may be secrets.
engine = create_engine("postgresql+psycopg2://", hide_parameters=True)
verify = text("SELECT code, metadata FROM token_auth.verify_token(:secret, 'email:read', :domain)")
create = text("""SELECT name FROM token_auth.create_token(:account, 'made', :scopes, all_domains => true,
                                                          metadata => :metadata)""")
with engine.begin() as connection:
    code, metadata = connection.execute(verify, {"secret": os.environ["SECRET"], "domain": "acme.example"}).one()
    print(code, metadata["plan"])
    create = create.bindparams(bindparam("metadata", type_=JSON))
    print(connection.execute(create, {"account": 1, "scopes": ["email:read"], "metadata": {"plan": "free"}}).scalar())

with engine.begin() as connection:
    authenticate = text("SELECT code FROM token_auth.authenticate(:secret)")
    code = connection.execute(authenticate, {"secret": os.environ["SECRET"]}).scalar()
    print(code, connection.execute(text("SELECT count(*) FROM message")).scalar())

try:
    with engine.begin() as connection:
        connection.execute(text("SELECT token_auth.pause_token(:id, account_id => :account)"), {"id": 1, "account": None})
except DBAPIError as error:
    print(error.orig.pgcode, error.orig.diag.constraint_name)
