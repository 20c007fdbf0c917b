"""Prints how many tables of token_auth Alembic would drop: by default, with all schemas, and with all but this one."""
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Column, Integer, MetaData, Table, create_engine

metadata = MetaData()
Table("of_the_application", metadata, Column("id", Integer, primary_key=True))
engine = create_engine("postgresql+psycopg2://")


def include_name(name, type_, parent_names):
    return type_ != "schema" or name != "token_auth"


def dropped(**options):
    with engine.connect() as connection:
        changes = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
    tables = [change[1] for change in changes if isinstance(change, tuple) and change[0] == "remove_table"]
    return sum(table.schema == "token_auth" for table in tables)


print(dropped(), dropped(include_schemas=True), dropped(include_schemas=True, include_name=include_name))
