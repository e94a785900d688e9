"""Every way to write a secret in SQL, for hypothesis."""

from typing import NamedTuple

from hypothesis import strategies as st

SECRET = "hunter2"

# What may stand between two tokens.
blanks = st.lists(
    st.sampled_from(
        [" ", "\n", "\t", "/* a */", "/* ' /* \" */ $$ */", "-- it's\n", "-- $$\r", " /**/ "]
    ),
    min_size=1,
    max_size=3,
).map("".join)
# What may stand around the secret inside its quotation marks.
noise = st.text(st.sampled_from("ab'\\\"$ -*/é\n=;%"), max_size=4)
tags = st.sampled_from(["", "a", "_1", "é", "PASSWORD", "do"])


class Literal(NamedTuple):
    """A literal with the secret in it."""

    sql: str
    value: str | None  # None where it is not worked out here


@st.composite
def literals(draw: st.DrawFn) -> Literal:
    """`'…'`, `E'…'`, `U&'…'`, `N'…'`, `$tag$…$tag$`, and strings in parts."""
    before, after = draw(noise), draw(noise)
    value = f"{before}{SECRET}{after}"
    doubled = value.replace("'", "''")
    escaped = value.replace("\\", "\\\\").replace("'", draw(st.sampled_from(["\\'", "''"])))
    form = draw(st.sampled_from(["plain", "N", "E", "U&", "dollar", "parts", "E parts"]))
    match form:
        case "plain":
            return Literal(f"'{doubled}'", value)
        case "N":
            return Literal(draw(st.sampled_from("nN")) + f"'{doubled}'", value)
        case "E":
            return Literal(draw(st.sampled_from("eE")) + f"'{escaped}'", value)
        case "U&":
            escape = draw(st.sampled_from(["", " UESCAPE '!'"]))
            mark = "!" if escape else "\\"
            written = doubled.replace(mark, mark * 2).replace("a", f"{mark}0061")
            return Literal(f"{draw(st.sampled_from(['u&', 'U&']))}'{written}'{escape}", value)
        case "dollar":
            tag = f"${draw(tags)}$"
            if f"{value}{tag}".index(tag) < len(value):  # it would end early
                return Literal(f"$safe$x{SECRET}x$safe$", f"x{SECRET}x")
            return Literal(f"{tag}{value}{tag}", value)
        case "parts":
            joint = draw(st.sampled_from(["\n", " \n ", " -- it's\n  "]))
            return Literal(f"'ab'{joint}'{doubled}'", None)
    joint = draw(st.sampled_from(["\n", " \r\t", " -- \\'\n"]))
    return Literal(f"E'ab\\''{joint}'{escaped}'", None)


# Statements that hold a secret; `@` is the literal, a space whatever may stand between two tokens.
STATEMENTS = (
    "ALTER ROLE app PASSWORD @",
    "CREATE USER app WITH LOGIN ENCRYPTED PASSWORD @ VALID UNTIL 'infinity'",
    "ALTER ROLE CURRENT_USER SET app.token TO @",
    "CREATE SUBSCRIPTION s CONNECTION @ PUBLICATION p",
    "ALTER SUBSCRIPTION s CONNECTION @",
    "CREATE USER MAPPING FOR app SERVER s OPTIONS (user 'u', password @)",
    "ALTER USER MAPPING FOR app SERVER s OPTIONS (SET password @, ADD \"user\" 'u')",
    "CREATE SERVER s FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'h', key @)",
    "CREATE FOREIGN TABLE t (id int) SERVER s OPTIONS (key @)",
    "ALTER SYSTEM SET primary_conninfo = @",
    'ALTER DATABASE d SET "app.jwt_secret" TO @',
    "SET app.token = @",
    "SELECT dblink_connect(@)",
    "SELECT set_config('app.x', @, false)",
    "SELECT pgp_sym_encrypt('data', @)",
    "INSERT INTO users (name, password) VALUES ('a', @)",
    "UPDATE users SET token = @ WHERE id = 1",
    "ALTER TABLE users ADD COLUMN api_key text DEFAULT @, ADD COLUMN kind text DEFAULT 'kept'",
    "CREATE TABLE users (kind text DEFAULT 'kept', password text DEFAULT @)",
    "ALTER TABLE secrets ALTER COLUMN value SET DEFAULT @",
    "COMMENT ON COLUMN users.password IS @",
    "COPY t FROM PROGRAM @",
)

# Code that runs such a statement; `@` is the statement, in a string or not.
BODIES = (
    "DO $do$ BEGIN @; END $do$",
    "DO LANGUAGE plpgsql $do$ DECLARE x text := 'a'; BEGIN IF true THEN @; END IF; END $do$",
    "CREATE OR REPLACE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $body$ BEGIN @; END $body$",
    "CREATE FUNCTION f() RETURNS void AS $body$ @ $body$ LANGUAGE sql",
    'CREATE PROCEDURE f() LANGUAGE plpython3u AS $body$ plpy.execute("""@""") $body$',
    "DO $do$ BEGIN EXECUTE format($x$@$x$, 'a', 1); END $do$",
    "DO $do$ BEGIN EXECUTE 'SELECT 1' || $x$@$x$; END $do$",
    "SELECT 'a'; @; SELECT 'b'",
)


@st.composite
def statements(draw: st.DrawFn) -> tuple[str, Literal]:
    """A statement that holds the secret, and how the secret is written in it."""
    literal = draw(literals())
    words = draw(st.sampled_from(STATEMENTS)).split(" ")
    cased = [draw(st.sampled_from([word, word.lower()])) for word in words]
    sql = "".join(f"{word}{draw(blanks)}" for word in cased)
    return sql.replace("@", literal.sql), literal


@st.composite
def bodies(draw: st.DrawFn) -> str:
    """Code with such a statement in it."""
    statement, _ = draw(statements())
    body = draw(st.sampled_from(BODIES))
    if "'''" in statement or any(tag in statement for tag in ("$do$", "$body$", "$x$")):
        statement = f"ALTER ROLE app PASSWORD '{SECRET}'"
    return body.replace("@", statement)
