"""Ways to write one thing in Python: revisions that each put one row into a table, and revisions that
change nothing but the schema.
"""

from collections.abc import Iterator

HEADER = '''"""spelling {number}"""

import contextlib
import functools
import types
from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from alembic import op as alias
from alembic.operations import ops
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session
from alembic_live.operations import create_index_concurrently, run_sql
from {package}.seeds import seed

revision: str = "{revision}"
down_revision: str | Sequence[str] | None = {down}
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

{top}

def upgrade() -> None:
{body}


def downgrade() -> None:
    pass
'''

# A module of the project, which a revision may import.
SEEDS = '''"""Rows that every database has."""

from sqlalchemy import Connection, text


def seed(connection: Connection, number: int) -> None:
    """Add one."""
    connection.execute(text(f"INSERT INTO marks VALUES ({number})"))
'''

# What the first revision makes.
FIRST = (
    "CREATE TABLE marks (n int)",
    "CREATE FUNCTION mark(int) RETURNS void LANGUAGE sql AS 'INSERT INTO marks VALUES ($1)'",
)

SQL = "'INSERT INTO marks VALUES ({n})'"
EFFECTS = {
    "execute": f"op.execute({SQL})",
    "an f-string": "op.execute(f'INSERT INTO marks VALUES ({{{n}}})')",
    "an f-string that begins with a value": "op.execute(f'{{\"INSERT\"}} INTO marks VALUES ({n})')",
    "text": f"op.execute(sa.text({SQL}))",
    "a parameter": "op.execute(sa.text('INSERT INTO marks VALUES (:n)').bindparams(n={n}))",
    "an expression": "op.execute(sa.table('marks', sa.column('n')).insert().values(n={n}))",
    "bulk_insert": "op.bulk_insert(sa.table('marks', sa.column('n', sa.Integer)), [{{'n': {n}}}])",
    "a connection": f"op.get_bind().execute(sa.text({SQL}))",
    "the driver": f"op.get_bind().exec_driver_sql({SQL})",
    "the connection of the context": f"op.get_context().connection.execute(sa.text({SQL}))",
    "a scalar": "op.get_bind().scalar(sa.text('INSERT INTO marks VALUES ({n}) RETURNING n'))",
    "a session": f"Session(op.get_bind()).execute(sa.text({SQL}))",
    "getattr": f"getattr(op, 'execute')({SQL})",
    "another name": f"alias.execute({SQL})",
    "a call of a method": f"op.execute.__call__({SQL})",
    "run_sql": f"run_sql({SQL})",
    "an operation": f"op.invoke(ops.ExecuteSQLOp({SQL}))",
    "the project": "seed(op.get_bind(), {n})",
    "WITH": "op.execute('WITH x AS (INSERT INTO marks VALUES ({n}) RETURNING n) SELECT n FROM x')",
    "DO": "op.execute('DO $$ BEGIN INSERT INTO marks VALUES ({n}); END $$')",
    "a function": "op.execute('SELECT mark({n})')",
    "MERGE": "op.execute('MERGE INTO marks USING (VALUES ({n})) v (n) ON false WHEN NOT MATCHED THEN"
    " INSERT VALUES (v.n)')",
    "a comment before": "op.execute('/* CREATE */ INSERT INTO marks VALUES ({n})')",
    "exec": "exec(\"op.execute('INSERT INTO marks VALUES ({n})')\")",
}

# Statements around an effect. What stands before `---` is at the top of the file.
SPELLINGS = {
    "a statement": "{e}",
    "assigned": "r = {e}",
    "annotated": "r: object = {e}",
    "of a tuple": "r, s = {e}, 1",
    "with a star": "r, *s = {e}, 1, 2",
    "a chain": "r = s = {e}",
    "in a dict": "d = {}\nd['x'] = {e}",
    "of an attribute": "holder = types.SimpleNamespace()\nholder.x = {e}",
    "augmented": "r = []\nr += [{e}]",
    "walrus": "if (r := {e}) is None:\n    pass",
    "a conditional expression": "{e} if 1 else None",
    "and": "1 and {e}",
    "or": "0 or {e}",
    "not": "not {e}",
    "a comparison": "{e} is None",
    "a sum": "[] + [{e}]",
    "formatted": "'{}'.format({e})",
    "a list comprehension": "[{e} for _ in range(1)]",
    "an assigned comprehension": "r = [{e} for _ in range(1)]",
    "a set comprehension": "{id({e}) for _ in range(1)}",
    "a dict comprehension": "{0: {e} for _ in range(1)}",
    "a generator": "list({e} for _ in range(1))",
    "a condition in a comprehension": "[0 for _ in range(1) if [{e}]]",
    "what a comprehension goes through": "[0 for _ in [{e}]]",
    "a lambda": "(lambda: {e})()",
    "an assigned lambda": "f = lambda: {e}\nf()",
    "a function within": "def f():\n    {e}\nf()",
    "a default of an argument": "def f(x={e}):\n    pass",
    "a decorator": "@(lambda f: [{e}] and f)\ndef f():\n    pass",
    "a class": "class X:\n    y = {e}",
    "a method": "class X:\n    def go(self):\n        {e}\nX().go()",
    "a property": "class X:\n    @property\n    def go(self):\n        return {e}\nX().go",
    "an iterator": "class X:\n    def __iter__(self):\n        return iter([{e}])\nfor x in X():\n    pass",
    "a context": "with contextlib.nullcontext({e}):\n    pass",
    "within a context": "with contextlib.nullcontext():\n    {e}",
    "within a batch": "with op.batch_alter_table('marks') as batch:\n    {e}",
    "within autocommit": "with op.get_context().autocommit_block():\n    {e}",
    "a loop": "for _ in range(1):\n    {e}",
    "what a loop goes through": "for _ in [{e}]:\n    pass",
    "behind a loop": "for _ in ():\n    pass\nelse:\n    {e}",
    "while": "while [{e}][1:]:\n    pass",
    "if": "if [{e}]:\n    pass",
    "elif": "if 0:\n    pass\nelif [{e}]:\n    pass",
    "else": "if 0:\n    pass\nelse:\n    {e}",
    "beside a schema change": "if 1:\n    op.execute('COMMENT ON TABLE marks IS NULL')\n    {e}",
    "try": "try:\n    {e}\nfinally:\n    pass",
    "except": "try:\n    raise ValueError\nexcept ValueError:\n    {e}",
    "behind try": "try:\n    pass\nexcept ValueError:\n    pass\nelse:\n    {e}",
    "finally": "try:\n    pass\nfinally:\n    {e}",
    "assert": "assert [{e}]",
    "return": "return {e}",
    "raise": "try:\n    raise ValueError([{e}])\nexcept ValueError:\n    pass",
    "del": "d = {0: 0}\ndel d[len([{e}]) - 1]",
    "match": "match [{e}]:\n    case _:\n        pass",
    "a case": "match 0:\n    case 0:\n        {e}",
    "a guard": "match 0:\n    case 0 if [{e}]:\n        pass",
    "a star": "list([*[{e}]])",
    "a keyword": "dict(x={e})",
    "two stars": "dict(**{'x': {e}})",
    "a slice": "'abc'[len([{e}]):]",
    "a helper": "def helper():\n    {e}\n---\nhelper()",
    "what a helper returns": "def helper():\n    return {e}\n---\nr = helper()",
    "a helper of a helper": "def helper():\n    {e}\n\ndef more():\n    helper()\n---\nmore()",
    "a helper by another name": "def helper():\n    {e}\n---\nf = helper\nf()",
    "a helper in a dict": "def helper():\n    {e}\n---\n{'x': helper}['x']()",
    "a helper through map": "def helper(_):\n    {e}\n---\nlist(map(helper, [0]))",
    "a helper as a key": "def helper(_):\n    {e}\n    return 0\n---\nsorted([0], key=helper)",
    "a helper in part": "def helper():\n    {e}\n---\nfunctools.partial(helper)()",
    "a helper that generates": "def helper():\n    yield {e}\n---\nlist(helper())",
    "a helper in a helper": "def helper():\n    def f():\n        {e}\n    f()\n---\nhelper()",
    "a helper that calls itself": "def helper(n):\n    if n:\n        helper(n - 1)\n    else:\n"
    "        {e}\n---\nhelper(1)",
    "a lambda at the top": "helper = lambda: {e}\n---\nhelper()",
    "a class at the top": "class X:\n    def __init__(self):\n        {e}\n---\nX()",
    "a decorator by name": "def run(f):\n    {e}\n    return f\n---\n@run\ndef f():\n    pass",
    "a base class": "class B:\n    def __init_subclass__(cls):\n        {e}\n---\nclass X(B):\n    pass",
    "a metaclass": "def run(*parts):\n    {e}\n    return type(*parts)\n---\n"
    "class X(metaclass=run):\n    pass",
    "an entered object": "class C:\n    def __enter__(self):\n        {e}\n"
    "    def __exit__(self, *_):\n        pass\nc = C()\n---\nwith c:\n    pass",
    "an object that is gone through": "class C:\n    def __iter__(self):\n        {e}\n        return iter(())\nc = C()\n---\nfor _ in c:\n    pass",
    "an object in a comprehension": "class C:\n    def __iter__(self):\n        {e}\n        return iter(())\nc = C()\n---\n[0 for _ in c]",
    "an object behind a star": "class C:\n    def __iter__(self):\n        {e}\n        return iter(())\nc = C()\n---\n[*c]",
    "an unpacked object": "class C:\n    def __iter__(self):\n        {e}\n        return iter((1, 2))\nc = C()\n---\nx, y = c",
    "an added object": "class C:\n    def __add__(self, _):\n        {e}\n        return 0\nc = C()\n---\nc + 1",
    "an object that is added to": "class C:\n    def __iadd__(self, _):\n        {e}\n        return self\nc = C()\n---\nd = c\nd += 1",
    "a compared object": "class C:\n    def __eq__(self, _):\n        {e}\n        return True\nc = C()\n---\nc == 1",
    "an object that is looked into": "class C:\n    def __contains__(self, _):\n        {e}\n        return True\nc = C()\n---\n1 in c",
    "an item of an object": "class C:\n    def __getitem__(self, _):\n        {e}\n        return 0\nc = C()\n---\nc[0]",
    "a set item of an object": "class C:\n    def __setitem__(self, *_):\n        {e}\n        return\nc = C()\n---\nc[0] = 1",
    "a deleted item of an object": "class C:\n    def __delitem__(self, _):\n        {e}\n        return\nc = C()\n---\ndel c[0]",
    "a formatted object": "class C:\n    def __format__(self, _):\n        {e}\n        return ''\nc = C()\n---\nf'{c}'",
    "a tested object": "class C:\n    def __bool__(self):\n        {e}\n        return True\nc = C()\n---\nif c:\n    pass",
    "an attribute of an object": "class C:\n    def __getattr__(self, _):\n        {e}\n        return 0\nc = C()\n---\nc.x",
    "a set attribute of an object": "class C:\n    def __setattr__(self, *_):\n        {e}\n        return\nc = C()\n---\nc.x = 1",
    "a called object": "class C:\n    def __call__(self):\n        {e}\n        return 0\nc = C()\n---\nc()",
    "an object in text": "class C:\n    def __str__(self):\n        {e}\n        return ''\nc = C()\n---\nstr(c)",
    "an object with a length": "class C:\n    def __len__(self):\n        {e}\n        return 0\nc = C()\n---\nlen(c)",
    "a sorted object": "class C:\n    def __iter__(self):\n        {e}\n        return iter(())\nc = C()\n---\nsorted(c)",
    "a decorated helper": "@functools.cache\ndef helper():\n    {e}\n---\nhelper()",
}

# Statements that use an alias, which is a spelling itself.
WITHOUT_EFFECT = {
    "a method by another name": f"run = op.execute\nrun({SQL})",
    "op by another name": f"o = op\no.execute({SQL})",
    "a connection by name": f"bind = op.get_bind()\nr = bind.execute(sa.text({SQL}))",
    "two connections": f"bind = op.get_bind()\nbind = bind.execution_options()\nbind.execute(sa.text({SQL}))",
    "with a session": f"with Session(op.get_bind()) as s:\n    s.execute(sa.text({SQL}))\n    s.flush()",
    "a nested transaction": f"with op.get_bind().begin_nested():\n    op.execute({SQL})",
    "a returned table": "t = op.create_table('made_{n}', sa.Column('n', sa.Integer()))\n"
    "op.bulk_insert(t, [{{'n': {n}}}])\nop.execute('INSERT INTO marks SELECT n FROM made_{n}')",
    "a loop over values": "for value in ('{n}',):\n    op.execute(f'INSERT INTO marks VALUES ({{value}})')",
    "SQL of the file": f"STATEMENT = {SQL}\n---\nop.execute(STATEMENT)",
    "rows of the file": "ROWS = [{{'n': {n}}}]\n---\nmarks = sa.table('marks', sa.column('n'))\n"
    "op.get_bind().execute(marks.insert(), ROWS)",
    "an asynchronous function": "async def fill(connection):\n"
    f"    await connection.execute(sa.text({SQL}))\n---\nop.run_async(fill)",
}

SCHEMA_ONLY = (
    "import my.types\n---\n"
    'op.create_table("t", sa.Column("id", my.types.UUID(), sa.ForeignKey("x.id")))',
    "from my.types import Json, UtcTime, string_id\n---\n"
    'op.add_column("t", sa.Column("a", string_id(), server_default=Json(inner=UtcTime(6))))\n'
    'op.alter_column("t", "b", type_=UtcTime(6), existing_type=Json())\n'
    'with op.batch_alter_table("t") as batch:\n'
    '    batch.add_column(sa.Column(name="c", type_=string_id()))\n'
    '    batch.create_index(batch.f("ix_t_c"), ["c"])',
    'op.create_table("x", sa.Column("id", sa.Integer(), sa.Identity(), server_default=sa.text("1")),'
    ' sa.PrimaryKeyConstraint("id"), schema="s")',
    'op.add_column("t", sa.Column("k", postgresql.ENUM("a", name="k", create_type=False)))',
    'op.create_index(op.f("ix"), "t", ["a", sa.text("lower(b)"), sa.literal_column("c").desc()],'
    ' unique=True, postgresql_where=sa.text("a > 1"))',
    'with op.batch_alter_table("t") as batch:\n    batch.add_column(sa.Column("a", sa.Integer()))',
    'sa.Enum("a", name="k").create(op.get_bind(), checkfirst=True)',
    'kind = sa.Enum("a", name="k")\nkind.create(op.get_bind())\nkind.drop(op.get_bind())',
    'op.execute("CREATE TABLE x (a int, b int GENERATED ALWAYS AS (a + 1) STORED)")',
    'op.execute(sa.text("ALTER TABLE x ADD y int"))',
    "op.execute('''\n-- why\n/* how */ CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS\n"
    "$$ BEGIN INSERT INTO x VALUES (1); RETURN new; END $$''')",
    'bind = op.get_bind()\nbind.execute(sa.text("CREATE TABLE x ()"))\nbind.exec_driver_sql("DROP TABLE x")',
    "with op.get_context().autocommit_block():\n    op.execute(\"ALTER TYPE x ADD VALUE 'a'\")",
    'for t in ("a", "b"):\n    op.execute(f"ALTER TABLE {t} ENABLE ROW LEVEL SECURITY")',
    'for t, c in [("a", "b"), ("c", "d")]:\n    op.create_index(f"ix_{t}", t, [c])\n'
    '    op.execute(f"ALTER TABLE {t} ALTER COLUMN {c} SET STATISTICS 5")',
    'if op.get_bind().dialect.name == "postgresql":\n    op.drop_table("x")\nelse:\n    op.drop_table("y")',
    'inspector = sa.inspect(op.get_bind())\nif "x" not in inspector.get_table_names():\n    op.drop_table("x")',
    'op.execute(sa.schema.CreateSequence(sa.Sequence("x")))',
    'run_sql("""\n  CREATE VIEW x AS SELECT 1; COMMENT ON VIEW x IS \'a;b\'""")',
    'create_index_concurrently("ix", "t", ["a"])',
    "from my_service.database.schema import SCHEMA\n---\n"
    'create_index_concurrently("ix", "t", ["a"], schema=SCHEMA)\nop.drop_table("x", schema=SCHEMA)',
    't = op.create_table("x", sa.Column("a", sa.Integer()))\nassert t is not None',
    'raise NotImplementedError("no way back")',
    'STATEMENT = "DROP TABLE x"\n---\nop.execute(STATEMENT)',
    'def helper(names):\n    for name in names:\n        op.drop_table(name)\n---\nhelper(["a"])\nhelper(["b"])',
    'try:\n    op.drop_table("x")\nfinally:\n    op.drop_table("y")',
    'rows = [{"a": 1}]\nrows.append({"a": 2})\nrows[0]["b"] = 3',
    'k = sa.table("k", sa.column("a"))\nq = k.insert().values(a=1)',
    "class Mood(str):\n    happy = 'happy'\n---\nsa.Enum(Mood, name='mood').create(op.get_bind())",
    "from my_service.moods import Mood\n---\nop.drop_table('x', schema=Mood.happy.value)",
    "from my_service.types import Point\n---\nop.alter_column('x', 'y', type_=Point)",
    '"""Nothing."""\npass',
)

# SQL that is no schema change, though it begins like one.
NOT_SCHEMA_ONLY = (
    "from my.types import seed\n---\nop.add_column('t', sa.Column('a', sa.Text(), seed()))",
    "from my.types import Json, seed\n---\nop.add_column('t', sa.Column('a', Json(seed())))",
    "from my.types import seed\n---\nop.add_column('t', seed())",
    "from my.types import Seed\n---\nSeed('t')",
    "from my.types import Seed\n---\nop.execute(Seed('t'))",
    "class Seed:\n    pass\n---\nop.add_column('t', sa.Column('a', Seed()))",
    "op.execute('CREATE TABLE x AS SELECT 1')",
    "op.execute('CREATE TEMP TABLE x (a) AS VALUES (1)')",
    "op.execute('CREATE TABLE x (); INSERT INTO y VALUES (1)')",
    "op.execute(sa.text('DROP TABLE x; DELETE FROM y'))",
    "for t in ('DROP TABLE x', 'DELETE FROM y'):\n    op.execute(t)",
    "def helper(sql):\n    op.execute(sql)\n---\nhelper('DROP TABLE x')\nhelper('DELETE FROM x')",
    "op = types.SimpleNamespace(drop_table=seed)\n---\nop.drop_table(1, 2)",
    "from proj import op\n---\nop.drop_table('x')",
    "op.create_table = seed\nop.create_table(op.get_bind(), 1)",
    "op.create_seeds('x')",
    "from my_service.seeds import seeds\n---\nwith seeds:\n    pass",
    "from my_service.seeds import seeds\n---\nfor _ in seeds:\n    pass",
    "from my_service.seeds import seeds\n---\nseeds + 1",
    "from my_service.seeds import seeds\n---\nf'{seeds}'",
    "from my_service.seeds import seeds\n---\nlen(seeds)",
    "from my_service.seeds import Seeds\n---\nclass More(Seeds):\n    pass",
    "kinds.create(op.get_bind())",
    "for kinds in (sa.Enum(name='x'), seed):\n    kinds.create(op.get_bind())",
    "op.execute('DROP TABLE ' + seed)",
    "def upgrade():\n    pass\n---\npass",
)


def source(number: int, body: str, package: str = "my_service") -> str:
    """The text of a revision that follows the one with the number before."""
    top, _, statements = body.rpartition("\n---\n")
    return HEADER.format(
        number=number,
        package=package,
        revision=name(number),
        down=f'"{name(number - 1)}"' if number else None,
        top=f"\n{top}\n" if top else "",
        body="\n".join(f"    {line}" for line in statements.split("\n")),
    )


def name(number: int) -> str:
    """The id of a revision."""
    return f"spelling{number:04}"


def written(spelling: str, effect: str, number: int) -> str:
    """An effect in one of its spellings."""
    return spelling.replace("{e}", effect.format(n=number))


def run_spellings() -> Iterator[str]:
    """Every effect, and every spelling of one of them; each puts its number into the table."""
    number = 0
    for effect in EFFECTS.values():
        number += 1
        yield written("r = {e}", effect, number)
    for spelling in SPELLINGS.values():
        number += 1
        yield written(spelling, EFFECTS["execute"], number)
    for spelling in WITHOUT_EFFECT.values():
        number += 1
        yield spelling.format(n=number)


def all_spellings() -> Iterator[str]:
    """Every effect in every spelling."""
    for effect in EFFECTS.values():
        for spelling in SPELLINGS.values():
            yield written(spelling, effect, 1)
    yield from run_spellings()
