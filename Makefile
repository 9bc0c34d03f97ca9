# Waybill. Needs make and Python 3.11 or newer; the rest comes into .venv.

PYTHON = .venv/bin/python
# The first of these that is new enough. Yours: make run PYTHON3=/path/to/python
PYTHON3 = python3 python3.14 python3.13 python3.12 python3.11
NEW_ENOUGH = -c 'import sys; sys.exit(sys.version_info < (3, 11))'
TEMPLATES = config demo exports notifications templates

.PHONY: help run kill-worker test lint format audit bench schemas messages screenshots lock clean
.DEFAULT_GOAL := help
# A recipe that fails halfway has made nothing.
.DELETE_ON_ERROR:

help: ## Show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

run: .venv/requirements.lock.installed ## Run everything at http://127.0.0.1:8000 (or PORT=...)
	@$(PYTHON) -m config.run

# Safe to try: the next worker continues with the export.
kill-worker: .venv/requirements.lock.installed ## Kill the worker of `make run`, to see an export survive it
	@$(PYTHON) -m config.run.kill_worker

test: .venv/requirements-dev.lock.installed ## Run all tests (or some: ARGS="tests/unit -k plan")
	@$(PYTHON) -m tests.services.chromium
	@$(PYTHON) -m tests.services.spreadsheets
	@$(PYTHON) -m tests $(ARGS)

lint: .venv/requirements-dev.lock.installed ## Check style, types, imports, templates and migrations
	$(PYTHON) -m ruff check
	$(PYTHON) -m ruff format --check
	$(PYTHON) -m mypy .
	.venv/bin/lint-imports --no-logo
	find $(TEMPLATES) -name '*.html' -exec .venv/bin/djade --check --target-version 5.2 {} +
	$(PYTHON) manage.py makemigrations --check --dry-run

format: .venv/requirements-dev.lock.installed ## Put style right
	$(PYTHON) -m ruff check --fix
	$(PYTHON) -m ruff format
	find $(TEMPLATES) -name '*.html' -exec .venv/bin/djade --target-version 5.2 {} +

# Strict: a package that nothing is known of is a failure, and no silence. PyPI itself answers,
# whatever index pip uses. What markers leave out on this system and Python is not asked for.
audit: .venv/requirements-dev.lock.installed ## Ask PyPI for known faults of what is locked
	$(PYTHON) -m pip_audit --requirement requirements.lock --require-hashes --disable-pip \
	    --strict --progress-spinner off $(ARGS)

bench: .venv/requirements-dev.lock.installed ## Measure
	@$(PYTHON) -m benchmarks $(ARGS)

schemas: .venv/requirements-dev.lock.installed ## Write docs/*.json anew after a change of the wire
	$(PYTHON) -m notifications.protocol.schema docs

messages: .venv/requirements-dev.lock.installed ## Collect what is to be translated, and compile it
	$(PYTHON) -m config.messages

screenshots: .venv/requirements-dev.lock.installed ## Take the pictures in docs/images anew
	@$(PYTHON) -m tests.services.chromium
	@$(PYTHON) -m tests.screenshots $(ARGS)

UV_COMPILE = uv pip compile pyproject.toml --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-header -q
lock: ## Write the lock files anew from pyproject.toml (needs uv)
	$(UV_COMPILE) -o requirements.lock
	$(UV_COMPILE) --group dev -o requirements-dev.lock

clean: ## Remove .venv, caches and var/, which holds the database and the files
	@if kill -0 "$$(cat var/supervisord.pid 2>/dev/null)" 2>/dev/null; then \
	    echo 'Waybill runs. Stop it first (Ctrl-C in its terminal).' >&2; exit 1; \
	fi
	rm -rf .venv var .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# -- The virtual environment ---------------------------------------------------------

.venv/bin/python:
	@for python in $(PYTHON3); do \
	    $$python $(NEW_ENOUGH) 2>/dev/null || continue; \
	    echo "Making .venv with `$$python --version`."; \
	    if $$python -c 'import ensurepip' 2>/dev/null; \
	    then exec $$python -m venv --clear .venv; \
	    else exec $$python -m venv --clear --without-pip .venv; \
	    fi; \
	done; \
	echo 'Waybill needs Python 3.11 or newer. Not new enough, or not there: $(PYTHON3).' >&2; \
	echo 'If you have one elsewhere: make PYTHON3=/path/to/python $(MAKECMDGOALS)' >&2; \
	exit 1

# Made when the lock was installed, and older than a lock that has changed since.
# Any pip will do: a Python may come without one, as Debian's does.
.venv/%.installed: % .venv/bin/python
	@for pip in '$(PYTHON) -m pip' 'python3 -m pip' pip3 pip; do \
	    $$pip --python $(PYTHON) --version >/dev/null 2>&1 || continue; \
	    echo 'Installing $< (once; it may take a minute).'; \
	    $$pip --python $(PYTHON) --disable-pip-version-check install -qq --no-input \
	        --require-hashes --only-binary :all: -r $< && touch $@; \
	    exit; \
	done; \
	echo 'There is no pip (22.3 or newer) to install with.' >&2; \
	echo 'On Debian and Ubuntu: apt-get install python3-venv. Then: rm -r .venv' >&2; \
	exit 1
