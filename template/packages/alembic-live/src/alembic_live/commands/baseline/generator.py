"""The source of a module of models, which sqlacodegen generates."""

import re
from collections.abc import Collection
from itertools import chain, count
from keyword import iskeyword
from textwrap import indent
from typing import Any, NamedTuple

from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    Index,
    Integer,
    MetaData,
    Sequence,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import DOMAIN

from alembic_live import operations
from alembic_live.autogenerate.from_scratch.reflection import escaped
from alembic_live.commands.baseline.base import Base
from alembic_live.internals import sqlacodegen
from alembic_live.operations import SqlType
from alembic_live.postgres.schemas import schema_name
from alembic_live.sql.lexer import split_list

Named = tuple[str, str]  # a schema and a name

# Python's names that annotations use, and the modules that they name.
BUILTINS = ("bool", "bytes", "dict", "float", "int", "list", "object", "str", "tuple", "type")
MODULES = ("datetime", "decimal", "ipaddress", "sqlalchemy", "uuid")
# What the module may import or define beyond what sqlacodegen knows before it chooses names.
IMPORTED = (
    *("Any", "CheckConstraint", "Column", "Computed", "DOMAIN", "Enum", "ExcludeConstraint"),
    *("ForeignKeyConstraint", "Identity", "Index", "Mapped", "Optional", "SqlType", "Table"),
    *("conv", "mapped_column", "relationship", "text"),
)
# Attributes of declarative classes.
DECLARATIVE = ("metadata", "registry", "type_annotation_map")


class Counted(NamedTuple):
    """A default that takes numbers from a sequence."""

    sql: str
    sequence: Sequence | None  # that the column owns: its table creates it


def generated(
    base: Base,
    metadata: MetaData,
    connection: Connection,
    definitions: dict[Named, str],
    counted: dict[Column[Any], Counted],
) -> str:
    """The source of a module with a model for each table.

    Args:
        base: the class that the models derive from.
        metadata: the tables.
        connection: a connection to their database.
        definitions: the indexes, as Postgres prints them.
        counted: the defaults that take numbers from a sequence and make no SERIAL.

    Raises:
        IncompatibleLibraryError: sqlacodegen has other methods or options.
    """
    generators = sqlacodegen.generators()
    literal_import = generators.LiteralImport
    generator = generators.DeclarativeGenerator(
        metadata, connection, sqlacodegen.OPTIONS, base_class_name=base.name
    )

    def use_own_base() -> None:
        generator.base = generators.Base(
            literal_imports=[literal_import(base.module, base.name)],
            declarations=[],
            metadata_ref=f"{base.name}.metadata",
        )
        generator.add_literal_import("sqlalchemy.schema", "conv")

    def render_index(index: Index) -> str:
        """An index, including sort orders, operator classes and expressions."""
        table: Any = index.table
        _, keys, _ = split_list(definitions[_named(table.schema, index.name)])
        classes = index.dialect_kwargs.get("postgresql_ops") or {}
        plain = ", ".join(
            " ".join(filter(None, (_quoted(connection, column.name), classes.get(column.name))))
            for column in index.columns
        )
        if ",".join(keys) == plain:
            return str(render_plain(index))
        options = "".join(
            f", {name}={value!r}"
            for name, value in index.kwargs.items()
            if value and name != "postgresql_ops"
        )
        unique = ", unique=True" if index.unique else ""
        generator.add_literal_import("sqlalchemy", "text")
        parts = ", ".join(f"text({escaped(part.strip())!r})" for part in keys)
        return f"Index({index.name!r}, {parts}{unique}{options})"

    def render_column(column: Column[Any], *arguments: Any, **options: Any) -> str:
        """A column. An integer key without a sequence must not become SERIAL."""
        number = counted.get(column)
        if number:
            column.default, column.server_default = number.sequence, None
            if number.sequence is not None:
                generator.add_literal_import("sqlalchemy", "Sequence")
        rendered = str(render_any(column, *arguments, **options))
        if number:
            rendered = rendered.replace(", autoincrement=True", "").removesuffix(")")
            generator.add_literal_import("sqlalchemy", "text")
            return f"{rendered}, server_default=text({number.sql!r}))"
        is_key = column.primary_key and isinstance(column.type, Integer)
        if is_key and column.identity is None and "autoincrement" not in rendered:
            return rendered.removesuffix(")") + ", autoincrement=False)"
        return rendered

    def render_type(column: Column[Any]) -> str:
        """A type. A domain is referenced by name: the revision creates its checks."""
        type_: Any = column.type
        if not isinstance(type_, DOMAIN):
            return str(render_other(column))
        base: Any = type_.data_type
        if getattr(base, "collation", None) == "default":
            base.collation = None
        generator.add_import(base)
        of = render_other(Column(column.name, base))
        where = f", schema={type_.schema!r}" if type_.schema else ""
        return f"DOMAIN({type_.name!r}, {of}{where}, create_type=False)"

    def render_constraint(constraint: Any) -> str:
        """A constraint, with the check as Postgres prints it and all options of UNIQUE."""
        if "exclusion" in constraint.info:
            return render_exclusion(constraint)
        if isinstance(constraint, CheckConstraint):
            condition = escaped(getattr(constraint.sqltext, "text", str(constraint.sqltext)))
            return f"CheckConstraint({condition!r}, name={constraint.name!r})"
        rendered = str(render_any_constraint(constraint))
        if getattr(constraint, "use_alter", False):
            return f"{rendered.removesuffix(')')}, use_alter=True)"
        if isinstance(constraint, UniqueConstraint):
            details = {"deferrable": constraint.deferrable, "initially": constraint.initially}
            details |= {name: value for name, value in constraint.dialect_kwargs.items() if value}
            more = "".join(
                f", {name}={value!r}"
                for name, value in details.items()
                if value and name not in rendered
            )
            rendered = f"{rendered.removesuffix(')')}{more})"
        return rendered

    def render_exclusion(constraint: Any) -> str:
        elements, condition, options = constraint.info["exclusion"]
        generator.add_literal_import("sqlalchemy", "text")
        generator.add_literal_import("sqlalchemy.dialects.postgresql", "ExcludeConstraint")
        parts = [f"(text({escaped(sql)!r}), {operator!r})" for sql, operator in elements]
        parts.append(f"name={constraint.name!r}")
        parts += [f"{name}={value!r}" for name, value in options.items()]
        if condition:
            parts.append(f"where=text({escaped(condition)!r})")
        return f"ExcludeConstraint({', '.join(parts)})"

    def find_free_name(name: str, global_names: set[str], *local_names: Any) -> str:
        """A name for a class, or with `local_names` for an attribute, that hides none that the module
        uses. An attribute hides names in the annotations after it.
        """
        taken = global_names.union(IMPORTED, (base.name,))
        if local_names:
            taken = taken.union(BUILTINS, MODULES, DECLARATIVE, classes)
            name = re.sub(r"^(__|_sa_)", "column_", name)
        elif name.startswith("t_"):  # the variable of a table without a class
            name = name.lower()
        else:
            return _class_name(name, taken)
        return str(find_name(name, taken, *local_names))

    def render_class(model: Any) -> str:
        """A class with the columns in the order of the table."""
        sections = (
            generator.render_class_variables(model),
            "\n".join(map(generator.render_column_attribute, model.columns)),
            "\n".join(map(generator.render_relationship, model.relationships)),
        )
        body = "\n\n".join(section for section in sections if section)
        return f"{generator.render_class_declaration(model)}\n{indent(body, '    ')}"

    words = (table.name.replace("_", " ") for table in metadata.tables.values())
    classes = {
        _class_name("".join(w[:1].upper() + w[1:] for w in each.split(" "))) for each in words
    }
    render_any_constraint = generator.render_constraint
    generator.render_constraint = render_constraint
    find_name, generator.find_free_name = generator.find_free_name, find_free_name
    render_other, generator.render_column_type = generator.render_column_type, render_type
    render_any, generator.render_column = generator.render_column, render_column
    render_plain, generator.render_index = generator.render_index, render_index
    generator.generate_base, generator.render_class = use_own_base, render_class
    # sqlacodegen renders this in enums without importing MetaData.
    code = str(generator.generate()).replace(
        "metadata=MetaData()", f"metadata={base.name}.metadata"
    )
    # It renders `info` of a table, and no prefixes.
    unlogged = "['UNLOGGED']"
    code = code.replace(f"'info': {{'prefixes': {unlogged}}}", f"'prefixes': {unlogged}")
    code = code.replace(f"info={{'prefixes': {unlogged}}}", f"prefixes={unlogged}")
    # mypy cannot infer the type of a table that a relationship names before it.
    code = re.sub(r"^(t_\w+) = Table\(", r"\1: Table = Table(", code, flags=re.MULTILINE)
    code = code.replace(f"from {SqlType.__module__} import", f"from {operations.__name__} import")
    return f'"""The tables from before the migrations. The team\'s."""\n\n{code}'


def _quoted(connection: Connection, name: str) -> str:
    return connection.dialect.identifier_preparer.quote(name)


def _class_name(name: str, taken: Collection[str] = ()) -> str:
    """A name of a class without underscores, which linters refuse."""
    stem = re.sub(r"\W|_", "", name)
    stem = stem if stem[:1].isalpha() else f"Table{stem}"
    numbered = (f"{stem}{number}" for number in count(2))
    free = (each for each in chain([stem], numbered) if each not in taken and not iskeyword(each))
    return next(free)


def _named(schema: str | None, name: Any) -> Named:
    return schema_name(schema), str(name)
