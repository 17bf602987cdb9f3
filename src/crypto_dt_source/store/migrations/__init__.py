"""The schema's history. `upgrade.py` brings a database to its end; Alembic's own command line is not needed."""
