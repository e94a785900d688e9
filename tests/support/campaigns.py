"""Campaigns: tests of many cases. The suite runs a few of them, `-m full` runs the others."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import pytest


def campaign(
    names: str | tuple[str, ...],
    cases: Mapping[str, Any] | Iterable[Any],
    *,
    keep: Collection[Any],
    ids: Any = None,
    indirect: bool = False,
) -> pytest.MarkDecorator:
    """`pytest.mark.parametrize` in which only some cases are part of the suite.

    Args:
        names: of the parameters.
        cases: their values, by the cases' ids or without any.
        keep: the ids of the cases that the suite runs, or those cases themselves. They are few, and
            each takes another way through the code.
        ids, indirect: as pytest takes them.

    Raises:
        ValueError: one that is kept is no case.
    """
    if isinstance(cases, Mapping):
        ids, keys, values = list(cases), list(cases), list(cases.values())
    else:
        keys = values = list(cases)
    if unknown := [key for key in keep if key not in keys]:
        raise ValueError(f"{unknown} are none of the cases")
    marks = [() if key in keep else (pytest.mark.full,) for key in keys]
    parameters = [
        pytest.param(*(value if isinstance(names, tuple) else (value,)), marks=marks)
        for value, marks in zip(values, marks, strict=True)
    ]
    return pytest.mark.parametrize(names, parameters, ids=ids, indirect=indirect)
