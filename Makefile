# The two commands that a stranger needs: `make demo` and `make test`.
VENV ?= .venv
PORT ?= 5000
PYTHON ?= python3
BIN := $(VENV)/bin
GATES := tests/js/gates

.PHONY: help demo test check lint types unit js lock clean

help:
	@echo "make demo   install and serve the demo at http://localhost:$(PORT) (PORT=...)"
	@echo "make test   install what the tests need, run all of them"
	@echo "make check  seconds: lint, types, unit tests (after one make test)"
	@echo "make lock   pin the requirements again, with hashes"

demo: $(VENV)/.demo
	PORT=$(PORT) $(BIN)/gunicorn --config demo/gunicorn.conf.py "demo:create_app()"

test: $(VENV)/.test $(GATES)/node_modules/.installed lint types js
	$(BIN)/python -m pytest --cov --cov-report=term --cov-fail-under=100

check: $(VENV)/.test lint types unit

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.test
	$(BIN)/mypy

unit: $(VENV)/.test
	$(BIN)/python -m pytest -q -m "not slow"

js: $(GATES)/node_modules/.installed
	node --test tests/js/
	npm --prefix $(GATES) run --silent gates

lock:
	$(PYTHON) -m pip install --quiet uv
	for file in demo tests; do $(PYTHON) -m uv pip compile --quiet --universal --python-version 3.10 \
	    --generate-hashes --no-header -o $$file/requirements.txt $$file/requirements.in; done

clean:
	rm -rf $(VENV) $(GATES)/node_modules build dist *.egg-info

$(BIN)/python:
	$(PYTHON) -m venv $(VENV) || { sh tests/install.sh python3-venv && $(PYTHON) -m venv $(VENV); }

$(VENV)/.demo: $(BIN)/python setup.py demo/requirements.txt
	$(BIN)/pip install --quiet --require-hashes -r demo/requirements.txt
	$(BIN)/pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.test: $(BIN)/python setup.py tests/requirements.txt tests/install.sh
	sh tests/install.sh
	$(BIN)/pip install --quiet --require-hashes -r tests/requirements.txt
	$(BIN)/pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(GATES)/node_modules/.installed: $(VENV)/.test $(GATES)/package-lock.json
	npm --prefix $(GATES) ci --silent --ignore-scripts
	@touch $@
