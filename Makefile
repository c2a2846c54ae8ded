# The two commands that a stranger needs: `make demo` and `make test`.
VENV ?= .venv
PORT ?= 5000
EVIL_PORT ?= $(shell expr $(PORT) + 1)
ROUNDS ?= 20
MINUTES ?= 10
PYTHON ?= python3
BIN := $(VENV)/bin
BENCH := $(VENV)-bench
JUDGES := $(VENV)-judges
MUTANTS := $(VENV)-mutants
GATES := tests/js/gates
NEIGHBOURS := tests/neighbours
LOWEST := .venv-lowest
# What judges in this process; and whole, servers and all, what needs an extra.
LOWEST_TESTS := tests/core $(addprefix tests/test_,carriers.py early.py ended.py exports.py gate.py \
    guard.py hooks.py identity.py marks.py readers.py redaction.py reports.py sessions.py settings.py \
    views.py)
LOWEST_EXTRAS := $(addprefix tests/test_,client.py metrics.py testing.py) \
    $(addprefix tests/stores/test_,contract.py redis.py watched.py)
ENGINES := haproxy chromium chromium-driver firefox-esr webkit2gtk-driver xvfb libnss3-tools \
    default-jre-headless

.PHONY: help demo test check dist lowest lint types unit js browser soak bench docs linkcheck \
    lock clean fuzz judges mutants sbom

help:
	@echo "make demo   install and serve the demo at http://localhost:$(PORT) (PORT=...)"
	@echo "make test   install what the tests need, run all of them, in browsers too"
	@echo "make browser  only the attacks in Chromium, Firefox, WebKitGTK and two old engines"
	@echo "make fuzz   fuzz the rules and the app for MINUTES=10, guided by coverage"
	@echo "make judges  let bandit, pip-audit and wshawk judge; make sbom writes build/sbom.json"
	@echo "make mutants  change the rules one by one and see which change no test notices (half an hour)"
	@echo "make bench  measure what the guard costs, write docs/performance.* (ten minutes)"
	@echo "make soak   clients, restarts and floods for MINUTES=10 and more, into docs/reliability.md"
	@echo "make check  seconds: lint, types, unit tests (after one make test)"
	@echo "make docs   build the manual in build/docs; make linkcheck asks every other site too"
	@echo "make lowest  unit tests with the oldest dependencies that setup.py allows"
	@echo "make dist   build what is released into dist/, check it, list its hashes"
	@echo "make lock   pin the requirements again, with hashes"

demo: $(VENV)/.demo
	PORT=$(PORT) EVIL_PORT=$(EVIL_PORT) $(BIN)/gunicorn --config demo/gunicorn.conf.py "demo.lab:create_lab()"

test: $(VENV)/.test $(GATES)/node_modules/.installed $(NEIGHBOURS)/node_modules/.installed lint types js lowest
	$(BIN)/python -m pytest --ignore=tests/browser --cov --cov-report=term --cov-fail-under=100
	$(MAKE) --no-print-directory browser

check: $(VENV)/.test lint types unit

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.test
	$(BIN)/mypy

unit: $(VENV)/.test
	$(BIN)/python -m pytest -q --ignore=tests/browser -m "not slow"

js: $(GATES)/node_modules/.installed
	node --test tests/js/
	npm --prefix $(GATES) run --silent gates

browser: $(VENV)/.browser
	$(BIN)/python -m pytest tests/browser

soak: $(VENV)/.test
	WSGUARD_RECORD=1 WSGUARD_SOAK_MINUTES=$(MINUTES) $(BIN)/python -m pytest tests/faults/test_soak.py
	WSGUARD_RECORD=1 WSGUARD_FLOOD_SECONDS=300 $(BIN)/python -m pytest tests/faults/test_load.py
	WSGUARD_ROUNDS=$(ROUNDS) $(BIN)/python -m pytest tests/live/test_many.py

fuzz: $(VENV)/.test
	$(BIN)/python -m tests.fuzz.run $(MINUTES)

judges: $(VENV)/.test $(JUDGES)/.installed
	$(JUDGES)/bin/bandit --quiet --recursive --severity-level medium flask_wsguard demo
	$(BIN)/python -m tests.judges.run $(JUDGES)/bin/python
	$(JUDGES)/bin/pip-audit --disable-pip --require-hashes --strict -r demo/requirements.txt

mutants: $(MUTANTS)/.installed
	$(MUTANTS)/bin/mutmut run
	$(MUTANTS)/bin/python -m tests.mutants.count

sbom: $(JUDGES)/.installed
	mkdir -p build
	$(JUDGES)/bin/cyclonedx-py requirements demo/requirements.txt --output-file build/sbom.json
	@echo "wrote build/sbom.json"

bench: $(BENCH)/.installed
	$(BENCH)/bin/python -m benchmarks --into docs

docs: $(VENV)/.docs
	rm -rf build/docs
	$(BIN)/python -m docs.ext.generated
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet docs build/docs
	@echo "open build/docs/index.html"

linkcheck: $(VENV)/.docs
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet -b linkcheck docs build/linkcheck

lowest: $(LOWEST)/.installed
	PYTHONPATH=. $(LOWEST)/bin/python -m pytest -q -p no:cacheprovider -m "not slow" $(LOWEST_TESTS)
	PYTHONPATH=. $(LOWEST)/bin/python -m pytest -q -p no:cacheprovider $(LOWEST_EXTRAS)

$(LOWEST)/.installed: setup.py tests/lowest.txt
	$(PYTHON) -m venv --clear $(LOWEST)
	$(LOWEST)/bin/pip install --quiet --no-deps --require-hashes -r tests/lowest.txt
	@touch $@

# The same commit gives the same bytes, whoever builds: compare dist/SHA256SUMS.
dist: export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct)
dist: $(VENV)/.test
	rm -rf build dist
	umask 022 && $(BIN)/python -m build --no-isolation --outdir dist
	npm pack --silent --pack-destination dist ./npm
	$(BIN)/twine check --strict dist/*.whl dist/*.tar.gz
	cd dist && sha256sum * > SHA256SUMS

lock:
	$(PYTHON) -m pip install --quiet uv
	for file in demo docs tests tests/judges tests/mutants benchmarks; do $(PYTHON) -m uv pip compile --quiet --universal --python-version 3.10 \
	    --generate-hashes --no-header -o $$file/requirements.txt $$file/requirements.in; done
	$(PYTHON) -m uv pip compile --quiet --universal --python-version 3.10 --resolution lowest-direct \
	    --all-extras --generate-hashes --no-header -o tests/lowest.txt setup.py tests/lowest.in

clean:
	rm -rf $(VENV) $(BENCH) $(JUDGES) $(MUTANTS) $(LOWEST) mutants $(GATES)/node_modules $(NEIGHBOURS)/node_modules build dist *.egg-info

$(BIN)/python:
	$(PYTHON) -m venv $(VENV) || { sh tests/install.sh python3-venv && $(PYTHON) -m venv $(VENV); }

$(VENV)/.demo: $(BIN)/python setup.py demo/requirements.txt
	$(BIN)/pip install --quiet --no-deps --require-hashes -r demo/requirements.txt
	$(BIN)/pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.docs: $(BIN)/python setup.py docs/requirements.txt
	$(BIN)/pip install --quiet --no-deps --require-hashes -r docs/requirements.txt
	$(BIN)/pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.test: $(BIN)/python setup.py tests/requirements.txt tests/install.sh
	sh tests/install.sh
	$(BIN)/pip install --quiet --no-deps --require-hashes -r tests/requirements.txt
	$(BIN)/pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

# Not the tests' environment: the neighbours that are measured bring half of PyPI along.
$(MUTANTS)/.installed: setup.py tests/mutants/requirements.txt
	$(PYTHON) -m venv $(MUTANTS)
	$(MUTANTS)/bin/pip install --quiet --no-deps --require-hashes -r tests/mutants/requirements.txt
	$(MUTANTS)/bin/pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(JUDGES)/.installed: tests/judges/requirements.txt
	$(PYTHON) -m venv $(JUDGES)
	$(JUDGES)/bin/pip install --quiet --no-deps --require-hashes -r tests/judges/requirements.txt
	@touch $@

$(BENCH)/.installed: setup.py benchmarks/requirements.txt
	$(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/pip install --quiet --no-deps --require-hashes -r benchmarks/requirements.txt
	$(BENCH)/bin/pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

# Without an engine its tests skip, each with the reason; with CI set they fail.
$(VENV)/.browser: $(VENV)/.test tests/browser/fetch.py tests/install.sh
	sh tests/install.sh $(ENGINES)
	-$(BIN)/python -m tests.browser.fetch && touch $@

%/node_modules/.installed: %/package-lock.json $(VENV)/.test
	npm --prefix $* ci --silent --ignore-scripts
	@touch $@
