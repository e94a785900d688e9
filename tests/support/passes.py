"""What pytest says when everything is in order."""


def assert_passes(output: str) -> None:
    """Every test ran and passed."""
    [summary] = [line for line in output.splitlines() if " passed in " in line]
    for word in ("failed", "error", "skipped", "xfailed", "warning", "deselected"):
        assert word not in summary, output
