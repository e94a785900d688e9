"""Names in `-x rename=` and `-x allow-drop=`."""

import pytest
from alembic_live.autogenerate.arguments import means, split, written


def test_a_separator_between_quotation_marks_does_not_count() -> None:
    assert split("a,b", ",") == ["a", "b"]
    assert split('"a,b".c,d', ",") == ['"a,b".c', "d"]
    assert split('"a"".b".c', ".") == ['"a"".b"', "c"]
    assert split("", ",") == [""]


@pytest.mark.parametrize("names", [("a",), ("a.b", "c"), ('a"b', "c,d"), ("a:b",), (" a", "B c")])
def test_a_written_name_is_understood(names: tuple[str, ...]) -> None:
    assert means(written(*names), (None, *names), "public")
    assert means(written("public", *names), (None, *names), "public")
    assert means(written("other", *names), ("other", *names), "public")
    assert not means(written("other", *names), (None, *names), "public")


def test_a_name_with_dots_is_understood_without_quotation_marks() -> None:
    assert means("a.b.c", (None, "a.b", "c"), "public")
    assert not means("A", (None, "a"), "public")
