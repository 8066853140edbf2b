# Two commands do everything on a machine with Python 3.11, make and a compiler: `make sweep` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# A company's own certificates count, as they do for pip.
export UV_SYSTEM_CERTS ?= true

.DEFAULT_GOAL := help
.PHONY: help install sweep test faults size protocol lowest newest image wheel check format ui bench gpu scale lock docs vega

help:  ## what there is
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 18

$(READY): requirements.lock pyproject.toml
	@echo "Installing the locked environment into $(VENV) (torch is large: a minute or two)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip --quiet --disable-pip-version-check install uv
	@$(BIN)/uv --quiet pip install --compile-bytecode --python $(BIN)/python --require-hashes --requirement requirements.lock
	@$(BIN)/uv --quiet pip install --python $(BIN)/python --no-deps --editable .
	@$(BIN)/python -m compileall -q skipray
	@touch $@

install: $(READY)  ## create .venv with the locked packages

sweep: $(READY)  ## run sweeps/quickstart.yaml; print the claims and the report's path
	@$(BIN)/python -m skipray.launch sweeps/quickstart.yaml

test: $(READY)  ## run the tests
	@$(BIN)/python -m pytest -n 3 --dist loadgroup -m "not image" $(PYTEST_ARGS)

faults: $(READY)  ## the fault suite's table: a real cluster, killed and cut in many ways (FAULTS="driver-killed ...", FAULTS=random MINUTES=20 SEED=7; JOBS=2 clusters at once)
	@$(BIN)/python tests/faults $(FAULTS) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED)) $(if $(JOBS),--jobs $(JOBS))

protocol: $(READY)  ## 10^5 orders of crashes, frozen processes and lost answers between storage and tracking store
	@$(BIN)/python tests/protocol $(PROTOCOL_ARGS)

lowest: $(READY)  ## the lowest versions that pyproject.toml allows: install them apart and run a sweep (gigabytes)
	@$(BIN)/python tests/versions lowest

newest: $(READY)  ## the same with the newest versions
	@$(BIN)/python tests/versions newest

image: $(READY)  ## run the Dockerfile's install steps in an empty environment (gigabytes where nothing is cached)
	@$(BIN)/python -m pytest -m image tests/infra $(PYTEST_ARGS)

wheel: $(READY)  ## build/dist: what pip installs anywhere, with the sweeps; offline
	@$(BIN)/python -m hatchling build --target wheel --directory build/dist

check: $(READY)  ## format, lint, types, contracts of imports and of the code, and a plan of every sweep and example
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo 2>/dev/null || $(BIN)/lint-imports
	@$(BIN)/python -m pytest -qq tests/test_house.py
	@for sweep in sweeps/*.yaml; do $(BIN)/skipray plan --offline --brief $$sweep || exit 1; done
	@for sweep in docs/examples/*.yaml; do (cd docs/examples && PYTHONDONTWRITEBYTECODE=1 $(CURDIR)/$(BIN)/skipray plan --offline --brief $${sweep##*/}) || exit 1; done

format: $(READY)  ## format and mend what can be mended
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

ui: $(READY)  ## MLflow's pages over the runs in this folder
	@$(BIN)/skipray ui

bench: $(READY)  ## speed, side by side with what one would otherwise write, kept in docs/benchmarks (BENCH="step sweep")
	@$(BIN)/python tests/benchmarks $(BENCH)

gpu: $(READY)  ## what a GPU has to show: training, resume, probes, memory, several at once, bfloat16, a step's time
	@$(BIN)/python tests/gpu --step

size: $(READY)  ## 10,000 trials of a second while workers, nodes and the server are killed every 20 s (an hour; SIZE="--trials N")
	@$(BIN)/python tests/faults/size.py $(SIZE)

scale: $(READY)  ## 10,000 tracked trials, simulated clusters, 100,000 finished runs read back (an hour or more)
	@$(BIN)/python tests/benchmarks/bench_scheduling.py 10000
	@$(BIN)/python tests/benchmarks/bench_overhead.py 1000 10000
	@$(BIN)/python tests/benchmarks/bench_readback.py --trials 1000 10000 100000

vega: $(READY)  ## make the drawing library of the report's page anew
	@$(BIN)/python infra/vega.py skipray/report/templates/vega-embed.js

lock: $(READY)  ## resolve requirements.lock anew
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate \
		--custom-compile-command "make lock" --python-version 3.11 --all-extras --constraints constraints.txt \
		pyproject.toml --output-file requirements.lock >/dev/null

docs: $(READY)  ## build the documentation site into build/site, offline
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
	@echo "build/site/index.html; with search: $(BIN)/python -m http.server --bind 127.0.0.1 --directory build/site"
