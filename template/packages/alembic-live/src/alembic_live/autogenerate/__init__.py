"""Compares models with the database, and writes zero-downtime revisions.

A comparison goes through these modules:

1. `compare` gives Alembic its options: which tables are compared, and the plugins of `plugins`.
2. Alembic compares table by table and column by column. The plugins are called for each, and replace
   or complete what it finds: `column_types`, `columns`, `numbering`, `constraints`, `indexes`,
   `foreign_keys`, `enums`, `domains`. `reflection` reads for them, once, what SQLAlchemy does not.
3. A definition that is text, such as a default or a check, waits in `pending`. When all tables are
   done, `stored` asks the server with one query how it would store the models' definitions.
4. `review` changes the differences, in the order that it describes: it confirms what is destructive
   (`destructive_changes`, `renames`), arranges what depends on what (`dependents`, `cycles`,
   `type_changes`, `enum_replacement`), and lets `zero_downtime` split the rest into revisions.
5. For the downgrades, `restoration` reads what Alembic does not write, with the queries of
   `definitions_on_server`, and `downgrades` adds placeholders. `warnings` tries changes on a copy
   (`probe`) and says what blocks others. `rendering` and `source` write the files.

`from_scratch` uses the same to create a database from the models instead of the history.
"""
