"""The machinery behind migrations/env.py and the `db` command. The template's: updates merge."""
