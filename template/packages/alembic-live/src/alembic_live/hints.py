"""What often went wrong with a value on its way into a setting. Values are not shown."""

from collections.abc import Iterable

_QUOTED = (
    "has quotation marks around it, which count. Docker's --env-file keeps them: write the value "
    "without"
)


def hint_on(name: str, value: object) -> str:
    """A sentence on a value that a setting refuses. Empty if nothing is known.

    Args:
        name: the name of the setting.
        value: what it was given.
    """
    text = value if isinstance(value, str) else ""
    if name.endswith("_PORT") and text.startswith(("tcp://", "udp://")):
        return (
            f"Kubernetes sets {name} if a Service is called {name.removesuffix('_PORT').lower()}. Set "
            "it in the Pod, or set enableServiceLinks: false there, or rename the Service."
        )
    return f"{name} {_QUOTED}." if is_quoted(text) else ""


def hints_on_login(parts: Iterable[tuple[str, str | None]]) -> str:
    """Sentences on values that the server refuses, although they could be right.

    Args:
        parts: what people call each, and its value.
    """
    found = []
    for called, value in parts:
        if value and is_quoted(value):
            found.append(f"{called} {_QUOTED}.")
        elif value and value != value.strip():
            end = "line break" if value.endswith(("\n", "\r")) else "blank"
            where = "ends" if value != value.rstrip() else "begins"
            found.append(f"{called} {where} with a {end}, which counts.")
    return " ".join(found)


def is_quoted(text: str) -> bool:
    """Whether a value looks as in an `.env` file."""
    return len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
