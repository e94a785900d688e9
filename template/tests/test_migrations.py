"""The tests of the migrations, from alembic-live. Add your own below."""

from alembic_live.testing.gates import (
    history,
    test_every_model_is_found,
    test_every_revision_can_be_applied_to_tables_with_rows,
    test_every_revision_goes_up_and_down_and_up,
    test_new_revisions_stay_within_the_limits,
    test_the_history_has_one_head,
    test_the_models_and_the_migrations_agree,
    test_the_models_make_what_the_migrations_make,
    test_the_schema_file_is_current,
)

__all__ = [
    "history",
    "test_every_model_is_found",
    "test_every_revision_can_be_applied_to_tables_with_rows",
    "test_every_revision_goes_up_and_down_and_up",
    "test_new_revisions_stay_within_the_limits",
    "test_the_history_has_one_head",
    "test_the_models_and_the_migrations_agree",
    "test_the_models_make_what_the_migrations_make",
    "test_the_schema_file_is_current",
]
