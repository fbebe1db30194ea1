# make demo: a whole run on this machine, without an account.   make test: all checks a contributor needs green.
# Both set up .venv by themselves; nothing but Python >= 3.11 and make is needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check --quiet
# Some machines forbid Python to keep what it has compiled; then each of the thousand commands under test compiles
# rpd anew.
unexport PYTHONDONTWRITEBYTECODE
# Many tests wait for pods to boot; others have the processor meanwhile.
JOBS ?= 4
N ?= 60
SEED ?= 1
SEEDS ?= 10000
SHARE ?= 1/1
FROM ?= 0
MINUTES ?= 5
# What uses `import rpd` as others do, and is checked as their code would be.
FACES := examples/python tests/face/typed.py

.PHONY: demo test test-all test-long checked collected chaos session-trial sim model matrix mutants plants mutation \
	fuzz lint imports types format bench docs screens features lock release clean

demo: $(VENV)/.demo
	@rm -rf build/demo
	RPD_HOME="$(CURDIR)/build/demo" $(BIN)/rpd run examples/hello/hello.yaml --sandbox; \
	  status=$$?; RPD_HOME="$(CURDIR)/build/demo" $(BIN)/rpd sandbox down; exit $$status

test: checked
	$(BIN)/python -m pytest -q -n $(JOBS) --dist loadgroup -m "not slow"

test-all: checked
	$(BIN)/python -m pytest -q -n $(JOBS) --dist loadgroup

# The tests that `make test` leaves out; SHARE=1/2 for the first half of them.
test-long: $(VENV)/.dev
	$(BIN)/python -m pytest -q -n $(JOBS) --dist loadgroup -m slow --share $(SHARE)

# Each of these keeps one processor busy.
checked:
	@$(MAKE) --no-print-directory -j 2 lint types collected

# Compiles the tests, once instead of in every process of theirs at the same time.
collected: $(VENV)/.dev
	@mkdir -p build
	@$(BIN)/python -m pytest -q --collect-only > build/collected || { cat build/collected; exit 1; }

chaos: $(VENV)/.dev
	$(BIN)/python tests/chaos.py --kills $(N) --seed $(SEED)

# How often `rpd connect` succeeds under faults, beside its targets.
session-trial: $(VENV)/.dev
	$(BIN)/python -m tests.session_trial --trials $(N) --seed $(SEED)

matrix: $(VENV)/.dev
	@$(BIN)/python -m tests.simulation.matrix

sim: $(VENV)/.dev
	@$(BIN)/python -m tests.simulation seeds --count $(SEEDS) --from $(FROM) $(if $(MUTANT),--mutant $(MUTANT))

mutants: $(VENV)/.dev
	@$(BIN)/python -m tests.simulation.mutant_run $(PATCH)

mutation: $(VENV)/.dev
	@$(BIN)/python -m tests.plants.mutation $(FILES)

plants: $(VENV)/.dev
	@$(BIN)/python -m tests.plants $(PLANT)

fuzz: $(VENV)/.dev
	@$(BIN)/python -m tests.fuzz --minutes $(MINUTES) --from $(FROM) $(TARGETS)

model: $(VENV)/.dev
	@$(BIN)/python -m tests.simulation.model

lint: $(VENV)/.dev build/links/rpd/__init__.py
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@$(MAKE) --no-print-directory imports
	$(BIN)/python -m docs.shape

imports: $(VENV)/.dev build/links/rpd/__init__.py
	PYTHONPATH=build/links $(BIN)/lint-imports

types: $(VENV)/.dev build/links/rpd/__init__.py
	$(BIN)/mypy
	$(BIN)/mypy $(FACES)

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev
	$(BIN)/python benchmarks/overhead.py

features: $(VENV)/.dev
	$(BIN)/python -m pytest -q -n $(JOBS) --dist loadgroup -m row --features=build/features.json tests
	$(BIN)/python -m tests.features_page build/features.json

docs: $(VENV)/.dev
	$(BIN)/python -m docs.regenerate

# Pictures of the main screens for the documentation; needs tmux.
screens: $(VENV)/.dev
	$(BIN)/python -m docs.screens

# The newest versions that pyproject.toml allows, into the two lock files.
lock: $(VENV)/.dev
	$(BIN)/python -m tests.packaging.lock

# Builds the wheel, tries it in an environment of its own, and says what is left to do.
release: checked
	@$(BIN)/python -m tests.packaging.release $(if $(TAG),--tag $(TAG))

# Checkers of types and of imports cannot follow the editable install's import hook; these links give them the packages
# by their real names.
build/links/rpd/__init__.py:
	mkdir -p build/links/rpd
	for room in engine states journal adapters; do ln -sfn ../../../$$room build/links/rpd/$$room; done
	for file in __init__.py py.typed; do ln -sfn ../../../adapters/face/$$file build/links/rpd/$$file; done

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("rpd needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: $(VENV)/bin/python pyproject.toml requirements-demo.lock
	$(PIP) install -r requirements-demo.lock
	$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.demo requirements-dev.lock
	$(PIP) install -r requirements-dev.lock
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
