"""What the project allows although a check finds fault with it, each with a reason."""

import tomllib
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Self

from alembic_live.errors import ConfigurationError
from alembic_live.postgres.dump import Difference
from alembic_live.printable import one_line
from alembic_live.project import Project

FILE = "exceptions.toml"  # beside head.txt
CHECKS = ("models", "downgrades", "drift", "plan")


@dataclass
class Exceptions:
    """The exceptions of one check: patterns of objects, such as `index ix_*`, and reasons."""

    path: Path
    check: str
    reasons: dict[str, str]
    used: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, project: Project, check: str) -> Self:
        """Read the exceptions of a check: `models`, `downgrades`, `drift` or `plan`.

        Raises:
            ConfigurationError: the file is not TOML, names an unknown check, or lacks a reason.
        """
        path = project.head_file.parent / FILE
        shown = project.relative(path)
        try:
            sections = tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{shown} is not TOML: {error}. Correct it.") from None
        for name, reasons in sections.items():
            if name not in CHECKS or not isinstance(reasons, dict):
                raise ConfigurationError(
                    f"{shown} has {one_line(name)!r}, which is no check. Its sections are "
                    f"{', '.join(f'[{each}]' for each in CHECKS)}."
                )
            for pattern, reason in reasons.items():
                if not isinstance(reason, str) or not reason.strip():
                    raise ConfigurationError(
                        f"{shown}: {one_line(pattern)!r} in [{name}] has no reason. Write it as "
                        f'"{one_line(pattern)}" = "the reason".'
                    )
        return cls(Path(shown), check, sections.get(check, {}))

    def without_allowed(self, found: list[Difference]) -> list[Difference]:
        """The differences that no exception allows."""
        left = []
        for difference in found:
            if not self.allows(str(difference.schema_object)):
                left.append(difference)
        return left

    def allows(self, name: str) -> bool:
        """Whether a pattern matches a name."""
        allowed = {pattern for pattern in self.reasons if fnmatchcase(name, pattern)}
        self.used |= allowed
        return bool(allowed)

    def unused(self) -> list[str]:
        """A sentence for each exception that has matched no difference."""
        return [
            f"{one_line(pattern)!r} in [{self.check}] of {self.path} matches no difference. "
            "Remove it."
            for pattern in self.reasons
            if pattern not in self.used
        ]
