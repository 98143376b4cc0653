# The two that matter: `make demo` and `make test`. The README has the commands behind them.

VENV := .venv
PY := $(VENV)/bin/python
LOCK := UV_NO_CONFIG=1 $(VENV)/bin/uv pip compile pyproject.toml --universal -p 3.12 --generate-hashes --no-header --no-annotate -q

# Enough for settings to load without a service: nothing here is a secret or reaches a network.
AS_TEST := TESTING=true
AS_PRODUCTION := SECRET_KEY=$$($(PY) -c 'import secrets; print(secrets.token_urlsafe(64))') \
	CREDENTIAL_KEYS=k1:$$($(PY) -c 'import base64, os; print(base64.b64encode(os.urandom(32)).decode())') \
	SITE_URL=https://coaching.example ALLOWED_HOSTS=coaching.example ADMIN_PATH=operations/ \
	DATABASE_URL=postgres://app@127.0.0.1/app REDIS_URL=redis://127.0.0.1/0 CELERY_BROKER_URL=redis://127.0.0.1/1

.PHONY: help demo test check soak lock messages clean install-demo install-dev

help:
	@echo "make demo   run the whole product on this machine, with people and a sandbox (DEMO_ARGS=\"--port 8010\")"
	@echo "make test   the whole test suite, on its own PostgreSQL and Redis"
	@echo "make check  style, types, architecture, migrations, deploy settings, templates"
	@echo "make soak   the long rounds of the fault and concurrency tests"
	@echo "make lock   write requirements/*.txt anew from pyproject.toml"
	@echo "make messages  gather the texts to translate into locale/de, and compile them (needs gettext)"
	@echo "make clean  remove what the above made, the demo's data included"

demo: install-demo
	@$(PY) manage.py demo $(DEMO_ARGS)

test: install-dev
	@$(PY) -m pytest -n 2 --dist loadgroup $(TEST_ARGS)

soak: install-dev
	@$(PY) -m pytest -m soak $(TEST_ARGS)

check: install-dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(AS_TEST) $(VENV)/bin/mypy .
	@echo "migrations"; $(AS_PRODUCTION) $(PY) -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run
	@echo "deploy settings and templates"; $(AS_PRODUCTION) $(PY) manage.py check --deploy --fail-level WARNING
	$(PY) -m pytest -q tests/test_architecture.py

# `--upgrade` is left out on purpose: a lock changes only where pyproject.toml asks for it.
lock: install-dev
	$(LOCK) --extra s3 -o requirements/base.txt
	$(LOCK) --extra demo -o requirements/demo.txt
	$(LOCK) --extra s3 --extra demo --extra dev -o requirements/dev.txt

messages: install-dev
	$(AS_TEST) $(PY) manage.py makemessages -l de --no-location --no-obsolete --no-wrap -i .venv -i build -i tests -i .run
	$(AS_TEST) $(PY) manage.py compilemessages -l de -i .venv

clean:
	rm -rf .run $(VENV) build staticfiles htmlcov .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# What was installed last is kept beside the environment, so that nothing is asked of an index while it is unchanged.
install-demo install-dev: install-%: $(PY)
	@cmp -s requirements/$*.txt $(VENV)/installed-$*.txt || { \
		echo "Installing requirements/$*.txt"; \
		$(PY) -m pip install -q --disable-pip-version-check --require-hashes -r requirements/$*.txt \
		&& cp requirements/$*.txt $(VENV)/installed-$*.txt; }

$(PY):
	@for each in $(PYTHON) python3 python3.13 python3.12; do \
		if $$each -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; then \
			$$each -m venv $(VENV) && exit 0; rm -rf $(VENV); exit 1; \
		fi; \
	done; \
	echo "Python 3.12 or newer is needed; python3 here is $$(python3 -V 2>/dev/null || echo missing). Install one, or name it: make PYTHON=..." >&2; \
	exit 1
