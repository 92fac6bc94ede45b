"""What alembic runs: the migrations, within the transaction of the connection it is given."""

from __future__ import annotations

from alembic import context

from bcd.store.sql.schema import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
)
with context.begin_transaction():
    context.run_migrations()
