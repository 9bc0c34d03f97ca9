# Waybill needs make and Python 3.11 or newer. Everything else is installed into .venv.

PYTHON = .venv/bin/python
# make uses the first of these that is new enough. To use another: make run PYTHON3=/path/to/python
PYTHON3 = python3 python3.14 python3.13 python3.12 python3.11
NEW_ENOUGH = -c 'import sys; sys.exit(sys.version_info < (3, 11))'
TEMPLATES = config demo exports notifications templates

.PHONY: help run kill-worker test lint format audit bench schemas messages screenshots lock clean
.DEFAULT_GOAL := help
# If a recipe fails or is interrupted, its target may be incomplete, so make deletes it.
.DELETE_ON_ERROR:

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

run: .venv/requirements.lock.installed ## Run everything at http://127.0.0.1:8000 (or PORT=...)
	@$(PYTHON) -m config.run

# This is safe to try, because the next worker continues the export.
kill-worker: .venv/requirements.lock.installed ## Kill the worker of `make run`; its export continues
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

format: .venv/requirements-dev.lock.installed ## Fix style
	$(PYTHON) -m ruff check --fix
	$(PYTHON) -m ruff format
	find $(TEMPLATES) -name '*.html' -exec .venv/bin/djade --target-version 5.2 {} +

# With --strict, a package that is not on PyPI is an error, even if pip uses another index. Packages
# whose markers exclude this system or this Python are not checked.
audit: .venv/requirements-dev.lock.installed ## Check the locked packages for known vulnerabilities
	$(PYTHON) -m pip_audit --requirement requirements.lock --require-hashes --disable-pip \
	    --strict --progress-spinner off $(ARGS)

bench: .venv/requirements-dev.lock.installed ## Measure the speed of exports (or ARGS=scale, streams, page, ...)
	@$(PYTHON) -m benchmarks $(ARGS)

schemas: .venv/requirements-dev.lock.installed ## Update docs/*.json after a protocol change
	$(PYTHON) -m notifications.protocol.schema docs

messages: .venv/requirements-dev.lock.installed ## Update and compile the translations
	$(PYTHON) -m config.messages

screenshots: .venv/requirements-dev.lock.installed ## Update the pictures in docs/images
	@$(PYTHON) -m tests.services.chromium
	@$(PYTHON) -m tests.screenshots $(ARGS)

UV_COMPILE = uv pip compile pyproject.toml --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-header -q
lock: ## Update the lock files from pyproject.toml (needs uv)
	$(UV_COMPILE) -o requirements.lock
	$(UV_COMPILE) --group dev -o requirements-dev.lock

clean: ## Remove .venv, caches and var/, with the database and all files
	@if kill -0 "$$(cat var/supervisord.pid 2>/dev/null)" 2>/dev/null; then \
	    echo 'Waybill is running. Stop it first (Ctrl-C in its terminal).' >&2; exit 1; \
	fi
	rm -rf .venv var .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# -- The virtual environment ---------------------------------------------------------

.venv/bin/python:
	@for python in $(PYTHON3); do \
	    $$python $(NEW_ENOUGH) 2>/dev/null || continue; \
	    echo "Creating .venv with `$$python --version`."; \
	    if $$python -c 'import ensurepip' 2>/dev/null; \
	    then exec $$python -m venv --clear .venv; \
	    else exec $$python -m venv --clear --without-pip .venv; \
	    fi; \
	done; \
	echo 'Waybill needs Python 3.11 or newer. None of these is: $(PYTHON3).' >&2; \
	echo 'If you have one elsewhere: make PYTHON3=/path/to/python $(MAKECMDGOALS)' >&2; \
	exit 1

# The target is touched after an installation. A lock file that has changed since is newer, so make
# installs again. Any pip on the machine works, because Debian's Python comes without one.
.venv/%.installed: % .venv/bin/python
	@for pip in '$(PYTHON) -m pip' 'python3 -m pip' pip3 pip; do \
	    $$pip --python $(PYTHON) --version >/dev/null 2>&1 || continue; \
	    echo 'Installing $< (once; it may take a minute).'; \
	    $$pip --python $(PYTHON) --disable-pip-version-check install -qq --no-input \
	        --require-hashes --only-binary :all: -r $< && touch $@; \
	    exit; \
	done; \
	echo 'Waybill needs pip (22.3 or newer) to install its packages.' >&2; \
	echo 'On Debian and Ubuntu: apt-get install python3-venv. Then: rm -r .venv' >&2; \
	exit 1
