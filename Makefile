# Two commands are enough: `make run` watches kyori work, `make test` passes its tests.
# Every target makes and reuses .venv by itself.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
COMPILED := $(VENV)/compiled
BENCH := .venv-bench
BENCH_READY := $(BENCH)/ready
FUZZ := .venv-fuzz
FUZZ_READY := $(FUZZ)/ready
OLDEST := .venv-oldest
OLDEST_READY := $(OLDEST)/ready
EXTRAS := demo logs parquet kafka redis sparkplug apprise zstd spark

.DEFAULT_GOAL := help
.PHONY: run test test-spark test-oldest check format bench bench-speed bench-accuracy profile crash controls fuzz soak reference docs clean help lock wheel

help: ## say what each target does
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(READY): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: apt-get install python3 python3-venv"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
	  { echo "no virtual environment could be made: apt-get install python3-venv"; rm -rf $(VENV); exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

# The peers need other versions than the tools of development, so they live apart.
$(BENCH_READY): requirements-bench.lock pyproject.toml
	@test -x $(BENCH)/bin/python || $(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-bench.lock
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

# atheris is built for some versions of Python only, so it lives apart, too.
$(FUZZ_READY): requirements-fuzz.lock pyproject.toml
	@test -x $(FUZZ)/bin/python || $(PYTHON) -m venv $(FUZZ)
	$(FUZZ)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-fuzz.lock
	$(FUZZ)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

# metric-learn is mended where scikit-learn is newer than it; here is the oldest that kyori allows.
$(OLDEST_READY): requirements.lock pyproject.toml
	@test -x $(OLDEST)/bin/python || $(PYTHON) -m venv $(OLDEST)
	sed 's/^scikit-learn==.*/scikit-learn==1.7.2/' requirements.lock > $(OLDEST)/requirements.lock
	$(OLDEST)/bin/python -m pip install --quiet --disable-pip-version-check -r $(OLDEST)/requirements.lock
	$(OLDEST)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

run: $(READY) ## watch kyori find faults in a real server's sensors, over MQTT
	@$(BIN)/kyori demo

# Else each worker of the tests compiles everything for itself, all at the same time.
$(COMPILED): $(READY) $(shell find detector connectors/decode -name '*.py')
	$(BIN)/python packaging/compile.py
	@touch $@

# Many tests wait for processes that they start, so there are more workers than cores of a small machine. What
# is compiled is written down, whatever the environment says: hundreds of processes start anew.
test: export PYTHONDONTWRITEBYTECODE =
test: $(COMPILED) ## run the tests (with a real mosquitto, where it is installed)
	$(BIN)/python -m pytest -n $(or $(JOBS),4) --dist worksteal

test-spark: $(READY) ## run the tests that start Spark, with two workers; needs Java 17
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m spark tests/spark

test-oldest: $(OLDEST_READY) ## run the learners' tests with the oldest scikit-learn
	$(OLDEST)/bin/python -m pytest tests/test_learners_conformance.py

check: $(READY) ## formatting, lint, types, and who may import whom
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY) ## format the code and mend what can be mended by itself
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY) ## time to be ready, memory, speed, and cost of the default
	$(BIN)/python -m benchmarks.start
	$(BIN)/python -m benchmarks.layers
	$(BIN)/python -m benchmarks.cost

bench-speed: $(BENCH_READY) ## each way through kyori beside a peer in one run; ONLY="kernel mqtt ...", else all
	$(BENCH)/bin/python -m benchmarks.speed $(ONLY) --against benchmarks/speed/recorded.json $(if $(JSON),--json $(JSON))

profile: $(BENCH_READY) ## where the time of `kyori run` goes, as a flame graph; WAY=csv or jsonl
	$(BENCH)/bin/python -m benchmarks.profile $(or $(WAY),csv)

bench-accuracy: $(BENCH_READY) ## rank and judge labelled data beside the peers; DATA=directory, else what is bundled
	$(BENCH)/bin/python -m benchmarks.accuracy --cache $(BENCH)/figures.json $(if $(DATA),--data $(DATA)) $(if $(DOCS),--docs $(DOCS))

crash: $(READY) ## all tests of promises with their full numbers: kills, corruptions, power cuts, rotations, broken links
	KYORI_FULL=1 KYORI_KILLS=200 KYORI_CORRUPTIONS=700 $(BIN)/python -m pytest -m crash --timeout 3600 \
	  -n $(or $(JOBS),2) --dist worksteal tests

controls: $(READY) ## break each promise on purpose: its test must go red; writes docs/controls.md
	$(BIN)/python -m tests.controls

fuzz: $(FUZZ_READY) ## throw bytes at whatever reads bytes, SECONDS (default 55) for each target, two at a time
	$(FUZZ)/bin/python -m tests.fuzz --seconds $(or $(SECONDS),55)

soak: $(READY) ## run for MINUTES (default 20) with reconnects; memory, descriptors and threads must not grow
	$(BIN)/python -m benchmarks.soak --minutes $(or $(MINUTES),20)

reference: $(READY) ## make the pages that are made from the code
	$(BIN)/python docs/make_reference.py
	$(BIN)/python docs/make_cli.py
	$(BIN)/python docs/make_python.py
	$(BIN)/python docs/make_adr.py

docs: $(READY) ## build the documentation into site/
	$(BIN)/python -m mkdocs build --strict

wheel: $(READY) ## build the sdist, and of it the wheel, into dist/
	$(BIN)/python -m build

lock: ## pin what is installed, from pyproject.toml, without index addresses
	$(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/python -m pip install --quiet pip-tools
	$(VENV)-lock/bin/pip-compile --quiet --strip-extras --no-emit-index-url --no-emit-trusted-host \
	  --no-emit-find-links --no-header $(addprefix --extra ,$(EXTRAS) dev) --output-file requirements.lock pyproject.toml
	$(VENV)-lock/bin/pip-compile --quiet --strip-extras --no-emit-index-url --no-emit-trusted-host \
	  --no-emit-find-links --no-header --extra bench --output-file requirements-bench.lock pyproject.toml
	$(VENV)-lock/bin/pip-compile --quiet --strip-extras --no-emit-index-url --no-emit-trusted-host \
	  --no-emit-find-links --no-header --extra fuzz --extra logs --extra parquet --extra zstd --output-file requirements-fuzz.lock pyproject.toml
	rm -rf $(VENV)-lock

clean: ## remove what the other targets made
	rm -rf $(VENV) $(BENCH) $(FUZZ) $(OLDEST) fuzz build dist site .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
