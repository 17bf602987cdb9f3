"""Alembic's entry: runs the migrations on the connection `upgrade.py` put into the configuration."""

from alembic import context

from crypto_dt_source.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # The connection is inside one transaction that covers every step on both databases: a start that is killed in the
    # middle leaves the schema as it was.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
