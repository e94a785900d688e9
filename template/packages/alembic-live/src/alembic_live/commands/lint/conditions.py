"""Conditions that choose few rows, as far as their form tells.

A comparison with values chooses: `id = 7`, `kind IN ('a', 'b')`, `title LIKE 'x%'`. One with a column of
another relation does if that has few rows. `created < now()`, `pages IS NULL` and NOT do not.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Self

from alembic_live.sql.parser import Node, children_of, choice_of, kind_of, unwrapped

EQUAL = {"AEXPR_OP": "=", "AEXPR_OP_ANY": "=", "AEXPR_IN": "=", "AEXPR_NOT_DISTINCT": "="}
ALIKE = {"AEXPR_LIKE": "~~", "AEXPR_ILIKE": "~~*"}  # with NOT: !~~
BETWEEN = {"AEXPR_BETWEEN": "BETWEEN", "AEXPR_BETWEEN_SYM": "BETWEEN SYMMETRIC"}
CHOOSE = EQUAL | ALIKE | BETWEEN
QUERIES = ("ANY_SUBLINK", "EXISTS_SUBLINK")  # IN (SELECT …), EXISTS (SELECT …)


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges conditions and queries.

    Attributes:
        small: the names of tables and of queries in WITH that have few rows.
        has_variables: what looks like a column of another relation is one value.
    """

    small: frozenset[str]
    has_variables: bool = False

    def with_relation(self, name: str, is_small: bool) -> Self:
        """The judge who knows a query in WITH too. It hides a table of its name."""
        return replace(self, small=self.small | {name} if is_small else self.small - {name})

    def chooses(self, condition: Node, sources: Iterable[Node] = ()) -> bool:
        """Whether a condition chooses few rows.

        Args:
            condition: the condition; an empty node if there is none.
            sources: the other relations that it can name.
        """
        joins = self.has_variables or any(map(self._is_small_source, sources))
        return self._chooses(unwrapped(condition), joins)

    def is_small(self, query: Node) -> bool:
        """Whether a SELECT, or another statement with its RETURNING, gives few rows."""
        if kind_of(query) != "SelectStmt":
            return False
        if query.HasField("larg"):
            return self.is_small(query.larg) and self.is_small(query.rarg)
        sources = list(query.from_clause)
        return (
            query.HasField("limit_count")
            or all(map(self._is_small_source, sources))
            or self.chooses(query.where_clause, sources)
        )

    def _is_small_source(self, source: Node) -> bool:
        source = unwrapped(source)
        match kind_of(source):
            case "RangeVar":
                return source.relname in self.small
            case "RangeSubselect":
                return self.is_small(unwrapped(source.subquery))
            case "RangeFunction":  # the rows are in the statement, as a rule: unnest(…)
                return True
            case "JoinExpr":
                sides = map(self._is_small_source, (source.larg, source.rarg))
                return any(sides) if choice_of(source, "jointype") == "JOIN_INNER" else all(sides)
        return False

    def _chooses(self, condition: Node, joins: bool) -> bool:
        match kind_of(condition):
            case "BoolExpr":
                parts = (self._chooses(unwrapped(part), joins) for part in condition.args)
                match choice_of(condition, "boolop"):
                    case "AND_EXPR":
                        return any(parts)
                    case "OR_EXPR":
                        return all(parts)
            case "A_Expr":
                kind = choice_of(condition, "kind")
                operator = unwrapped(condition.name[-1]).sval
                return CHOOSE.get(kind) == operator and _compares(condition, joins)
            case "SubLink" if choice_of(condition, "sub_link_type") in QUERIES:
                return self.is_small(unwrapped(condition.subselect))
            case "CurrentOfExpr":
                return True
        return False


def _compares(comparison: Node, joins: bool) -> bool:
    """Whether a column is compared with values. Half of the rows can be true, and most can be NULL."""
    sides = [unwrapped(comparison.lexpr), unwrapped(comparison.rexpr)]
    if any(map(_is_null_or_boolean, sides)):
        return False
    columns = sum(map(_names_a_column, sides))
    return columns == 1 or (columns == 2 and joins)


def _is_null_or_boolean(node: Node) -> bool:
    return kind_of(node) == "A_Const" and (node.isnull or node.HasField("boolval"))


def _names_a_column(node: Node) -> bool:
    """Whether an expression does. What a query in it gives is a value."""
    if kind_of(node) == "SubLink":
        return _names_a_column(unwrapped(node.testexpr))
    return kind_of(node) == "ColumnRef" or any(map(_names_a_column, children_of(node)))
