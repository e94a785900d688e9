"""The questions: every default works, and a wrong answer is told what to be instead."""

import keyword
import shutil
import sys
import tomllib
from pathlib import Path

import yaml
from campaigns import campaign
from project import run, said
from rendered import Render

QUESTIONS = [
    "project_name",
    "project_slug",
    "package_name",
    "project_description",
    "author_name",
    "author_email",
    "python_version",
    "database_name",
    "database_schema",
    "license",
    "web",
    "example",
    "vendor_library",
]

WRONG = [
    ("project_name", " ", "Order Service"),
    ("project_name", "two\nlines", "Order Service"),
    ("project_name", "x" * 101, "Order Service"),
    ("project_slug", "Order Service", "order-service"),
    ("project_slug", "-order", "order-service"),
    ("project_slug", "order-service\n", "order-service"),
    ("project_slug", "sqlalchemy", "sqlalchemy-service"),
    ("package_name", "Orders", "order_service"),
    ("package_name", "1order", "order_service"),
    ("package_name", "order-service", "order_service"),
    ("package_name", "заказы", "order_service"),
    ("package_name", "x" * 31, "order_service"),
    ("package_name", "orders\n", "order_service"),
    *[
        ("package_name", name, f"{name}_service")
        for name in (
            "class",
            "match",
            "alembic",
            "copier",
            "tests",
            "migrations",
            "types",
            "dotenv",
        )
    ],
    ("project_description", "", "Takes orders and tracks them."),
    ("project_description", "a bell \a", "Takes orders and tracks them."),
    ("author_name", "", "Ada Lovelace"),
    ("author_email", "ada", "ada@example.com"),
    ("author_email", "Ada <ada@example.com>", "ada@example.com"),
    ("database_name", "д" * 32, "orders"),
    ("database_name", "a\tb", "orders"),
    ("database_name", "postgres", "orders"),
    ("database_name", "template0", "orders"),
    ("database_name", "template1", "orders"),
    ("database_schema", "Orders", "orders"),
    ("database_schema", "pg_orders", "orders"),
    ("database_schema", "information_schema", "orders"),
    ("database_schema", "x" * 64, "orders"),
    ("python_version", "3.10", "3.11"),
    ("license", "GPL", "MIT"),
    ("web", "flask", "fastapi"),
    ("project_slug", "python", "another project_slug"),
    ("package_name", "fastapi", "another package_name"),
]
# One wrong answer to each question, and those that another question's answer would allow.
KEPT = [
    ("project_name", "two\nlines", "Order Service"),
    ("project_slug", "Order Service", "order-service"),
    ("project_slug", "sqlalchemy", "sqlalchemy-service"),
    ("package_name", "orders\n", "order_service"),
    ("package_name", "class", "class_service"),
    ("project_description", "a bell \a", "Takes orders and tracks them."),
    ("author_name", "", "Ada Lovelace"),
    ("author_email", "ada", "ada@example.com"),
    ("database_name", "д" * 32, "orders"),
    ("database_schema", "pg_orders", "orders"),
    ("python_version", "3.10", "3.11"),
    ("license", "GPL", "MIT"),
    ("project_slug", "python", "another project_slug"),
]


@campaign(("question", "answer", "instead"), WRONG, keep=KEPT)
def test_a_wrong_answer_is_told_what_to_be_instead_and_writes_nothing(
    template: Path, tmp_path: Path, question: str, answer: str, instead: str
) -> None:
    target = tmp_path / "project"
    done = run(
        sys.executable, "-m", "copier", "copy", "--defaults", "--quiet",
        "--data", f"{question}={answer}", template, target,
        cwd=tmp_path, ok=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert question in said(done)
    assert instead in said(done)
    assert not target.exists()


def test_these_questions_are_asked_and_no_others(rendered: Render) -> None:
    answers = yaml.safe_load((rendered().path / ".copier-answers.yml").read_text())
    assert sorted(name for name in answers if name[0] != "_") == sorted(QUESTIONS)


def test_every_question_explains_itself(template: Path) -> None:
    configuration = yaml.safe_load((template / "copier.yml").read_text())
    for question in QUESTIONS:
        assert configuration[question]["help"].strip(), question
        assert "default" in configuration[question], question
        assert not configuration[question].get("secret"), question


def test_a_misspelt_answer_in_a_template_is_an_error(template: Path, tmp_path: Path) -> None:
    misspelt = shutil.copytree(template, tmp_path / "template")
    (misspelt / "template" / "misspelt.txt.jinja").write_text("{{ projekt_name }}")
    copy = (sys.executable, "-m", "copier", "copy", "--defaults", "--vcs-ref", "HEAD")
    done = run(*copy, misspelt, tmp_path / "project", cwd=tmp_path, ok=False)
    assert done.returncode != 0
    assert "projekt_name" in said(done)


def test_copying_runs_nothing(template: Path) -> None:
    configuration = yaml.safe_load((template / "copier.yml").read_text())
    assert not {"_tasks", "_jinja_extensions"} & configuration.keys()
    # Copier runs these in an update from before their version only, and demands --trust then only.
    assert all(migration["version"] for migration in configuration["_migrations"])


@campaign(
    ("project_name", "slug", "package"),
    [
        ("Order Service", "order-service", "order_service"),
        ("O'Brien & Co.", "o-brien-co", "o_brien_co"),
        ("Café Zürich", "cafe-zurich", "cafe_zurich"),
        ("Redis", "redis-service", "redis_service"),
        ("Мой сервис", "my-service", "my_service"),
        ("数据", "my-service", "my_service"),
        ("3D Maps", "3d-maps", "service_3d_maps"),
        ("Calendar", "calendar-service", "calendar_service"),
        ("Alembic", "alembic-service", "alembic_service"),
        ("Test", "test-service", "test_service"),
        ("Python", "python-service", "python_service"),
        ("Db", "db-service", "db_service"),
        ("Postgres", "postgres-service", "postgres_service"),
        ("Template1", "template1-service", "template1_service"),
        ("--", "my-service", "my_service"),
        ("x" * 100, "x" * 40, "x" * 20),
        ("a" * 19 + " bcd", "a" * 19 + "-bcd", "a" * 19),
    ],
    keep=[
        ("O'Brien & Co.", "o-brien-co", "o_brien_co"),
        ("数据", "my-service", "my_service"),
        ("Test", "test-service", "test_service"),
        ("Café Zürich", "cafe-zurich", "cafe_zurich"),
        ("Redis", "redis-service", "redis_service"),
        ("a" * 19 + " bcd", "a" * 19 + "-bcd", "a" * 19),
    ],
)
def test_any_project_name_gives_a_slug_and_a_package_that_work(
    rendered: Render, project_name: str, slug: str, package: str
) -> None:
    project = rendered(project_name=project_name)
    assert project.package == package
    metadata = tomllib.loads((project.path / "pyproject.toml").read_text())["project"]
    assert metadata["name"] == slug


def test_no_name_of_another_module_can_be_taken(template: Path) -> None:
    taken = set(
        yaml.safe_load((template / "copier.yml").read_text())["taken_names"]["default"].split()
    )
    python = {name for name in sys.stdlib_module_names if name.islower() and name[0] != "_"}
    assert python | {"test", "conftest", "postgres", "template0", "template1"} <= taken
    assert {name for name in (*keyword.kwlist, *keyword.softkwlist) if name.islower()} <= taken
