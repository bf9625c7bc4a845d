# make demo   adopt the example app's databases, nothing else needed
# make test   the whole suite
# make zoo    all schemas of the zoo on SQLite, PostgreSQL and MariaDB: baselines, structures, dumps
# make soak   the long forms of what the suite tries a few times: poolers, replicas
# make bench  1000 tables: snapshot and adoption beside Alembic's comparison and Flask-Migrate;
#             500 revisions: flask db-lint
# make check  lint, types, import contracts
# make coverage  the whole suite, and which lines and branches it does not reach

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: demo test zoo soak bench check coverage clean

demo: $(VENV)/installed
	$(BIN)/python example_app/demo.py

test: $(VENV)/installed-for-tests
	$(BIN)/python -m pytest -n auto $(PYTEST_ARGS)

zoo: export SCHEMAFLOW_ZOO := all
zoo: export SCHEMAFLOW_TEST_ALL_ENGINES := 1
zoo: $(VENV)/installed-for-tests
	$(BIN)/python -m pytest -n auto $(PYTEST_ARGS) \
		tests/test_baseline.py tests/test_baseline_on_servers.py tests/test_snapshot_*.py tests/test_drift_zoo.py

soak: export SCHEMAFLOW_SOAK := 1
soak: export SCHEMAFLOW_TEST_ALL_ENGINES := 1
soak: $(VENV)/installed-for-tests
	$(BIN)/python -m pytest -m soak $(PYTEST_ARGS)

bench: $(VENV)/installed-for-tests
	$(BIN)/python tests/benchmarks/thousand_tables.py $(BENCH_ARGS)
	$(BIN)/python tests/benchmarks/five_hundred_revisions.py

check: $(VENV)/installed-for-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(BIN)/python setup.cfg pyproject.toml
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/installed-for-tests: $(BIN)/python setup.cfg pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	touch $@ $(VENV)/installed

coverage: export COVERAGE_PROCESS_START := $(CURDIR)/pyproject.toml
coverage: export COVERAGE_FILE := $(CURDIR)/.coverage
coverage: $(VENV)/installed-for-tests
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(PYTEST_ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

clean:
	rm -rf $(VENV) build dist *.egg-info
