"""Names and texts as SQL and shells take them."""

import shlex

import postgast
import pytest
from alembic_live.errors import ConfigurationError
from alembic_live.printable import is_printable
from alembic_live.sql.quoting import identifier, literal, require_printable, unquoted, word
from hypothesis import given
from hypothesis import strategies as st

printable = st.text(min_size=1, max_size=30).filter(is_printable)


@given(name=printable, schema=printable)
def test_postgres_reads_the_name_that_was_given(name: str, schema: str) -> None:
    quoted = identifier(schema, name)
    assert quoted.count('"') - 4 == 2 * (name + schema).count('"')
    postgast.parse(f"SELECT 1 FROM {quoted}")


@given(text=printable)
def test_postgres_reads_the_text_that_was_given(text: str) -> None:
    tree = postgast.parse(f"SELECT {literal(text)}")
    value = tree.stmts[0].stmt.select_stmt.target_list[0].res_target.val.a_const.sval.sval
    assert value == text


@given(text=st.text(min_size=1, max_size=30))
def test_a_shell_reads_one_word_without_control_characters(text: str) -> None:
    quoted = word(text)
    [read] = shlex.split(quoted)
    assert is_printable(read)
    assert read == text or not is_printable(text)


@given(name=printable, schema=printable)
def test_an_identifier_stands_for_the_name_that_was_given(name: str, schema: str) -> None:
    assert unquoted(identifier(name)) == name
    assert identifier(None, name) == identifier(name)
    assert identifier(schema, name) == f"{identifier(schema)}.{identifier(name)}"


def test_only_ascii_letters_of_an_unquoted_name_are_folded() -> None:
    assert unquoted("MyÄtable") == "myÄtable"
    assert unquoted('U&"My""Table"') == 'My"Table'


@pytest.mark.parametrize("text", ["x\n\\! touch owned", "x\x1b[31m", "x\u202e"])
def test_a_name_with_a_control_character_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="has a control character") as refused:
        require_printable("x", text)
    assert is_printable(str(refused.value))
