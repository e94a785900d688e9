"""Sets of answers that go to the edges of what the questions take."""

from typing import Any

ANSWERS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "no example": {"example": False, "license": "proprietary", "web": "none"},
    "no web": {"web": "none"},
    "own schema": {"database_schema": "sales", "license": "Apache-2.0"},
    "own schema, no example": {"database_schema": "_1", "example": False},
    "any script": {
        "project_name": "Мой сервис 数据 😀",
        "project_description": "Говорит «привет».",
        "author_name": "Ада Лавлейс",
        "author_email": "ada@example.com",
        "database_name": "мой сервис",
    },
    "quotes and braces": {
        "project_name": 'O\'Brien & "Co." \\ {{ x }} {% y %} {# z #} <b> #1: [a] `c` $d %(e)s',
        "project_description": "It's \"new\"\\ {{ x }} {% y %} ${z} %(e)s\nand 'more': #1\n\n[end]",
        "author_name": 'O\'Brien & "Co." \\ {{ x }} %(e)s',
        "database_name": 'it\'s "a" \\ {{ x }} %(e)s #1 & /?@:[]=+ ${y}',
        "license": "BSD-3-Clause",
    },
    "as long as can be": {
        "project_name": "x" * 100,
        "project_slug": "x" * 60,
        "package_name": "x" * 30,
        "author_name": "x" * 120,
        "database_name": "x" * 63,
        "database_schema": "x" * 63,
    },
    "as short as can be": {
        "project_name": "x",
        "project_slug": "x",
        "package_name": "x",
        "project_description": "x",
        "author_name": "x",
        "database_name": "x",
        "database_schema": "x",
    },
    "Python 3.12": {"python_version": "3.12"},
    "Python 3.13": {"python_version": "3.13"},
    "Python 3.14": {"python_version": "3.14"},
}
