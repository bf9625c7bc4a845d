"""The pytest plugin: its option and its fixtures.

Everything else is imported when a test asks for a database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .templates import MigratedDatabase, Templates


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option of the ini file."""
    parser.addini(
        "schemaflow_app", "the Flask app whose revisions make the tests' databases: shop:create_app"
    )


@pytest.fixture(scope="session")
def _schemaflow_templates(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Templates]:
    from .templates import load_app, open_templates

    name = pytestconfig.getini("schemaflow_app")
    if not name:
        pytest.fail("Say which app it is: schemaflow_app = shop:create_app in the ini file.", pytrace=False)
    cache = getattr(pytestconfig, "cache", None)
    kept = Path(cache.mkdir("schemaflow")) if cache is not None else tmp_path_factory.mktemp("templates")
    with ExitStack() as stack:
        with _failing():
            app = load_app(name, pytestconfig.rootpath)
            copies = tmp_path_factory.mktemp("schemaflow")
            found = stack.enter_context(open_templates(app, pytestconfig.rootpath, kept, copies))
        yield found


@pytest.fixture
def schemaflow_database_at(
    _schemaflow_templates: Templates,
) -> Iterator[Callable[[str], MigratedDatabase]]:
    """Give what makes a fresh database at a revision, to upgrade it with rows in it.

    ``schemaflow_database_at("8a1d0c52f6be")`` has ``.uri`` and ``.uris`` as ``schemaflow_database`` has.
    """
    with ExitStack() as stack:

        def make(revision: str) -> MigratedDatabase:
            with _failing():
                return stack.enter_context(_schemaflow_templates.copied(revision))

        yield make


@pytest.fixture
def schemaflow_database(_schemaflow_templates: Templates) -> Iterator[MigratedDatabase]:
    """Give a fresh database of this test's own, as the revisions make it.

    ``.uri`` is the URL of the default database, ``.uris`` those of all by bind key. The databases are gone
    after the test.
    """
    with ExitStack() as stack:
        with _failing():
            made = stack.enter_context(_schemaflow_templates.copied(None))
        yield made


@contextmanager
def _failing() -> Iterator[None]:
    """Tell our own errors as one message."""
    from ..errors import SchemaFlowError

    try:
        yield
    except SchemaFlowError as error:
        raise pytest.fail.Exception(error.message, pytrace=False) from None
