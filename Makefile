# Set up, run and test. Needs git, make and Python 3.11 or 3.12.
SUPPORTED := import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))
PYTHON := $(shell for p in python3.11 python3.12 python3; do $$p -c '$(SUPPORTED)' 2>/dev/null && echo $$p && break; done)
VENV := .venv
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
# Without cached bytecode each stage would compile TensorFlow anew, some ten seconds each time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup repro reproduce-check test audit docs slurm kubernetes schema lock

help:  ## list what make can do
	@echo "make TARGET, where TARGET is one of:"
	@sed -nE 's/^([a-z-]+):.*## (.*)/  \1\t\2/p' Makefile | expand -t 20
	@echo "Then: . $(VENV)/bin/activate, and \`sonotrace --help\`. README.md says what to do first."

repro: setup  ## run the whole pipeline, then print both metric tables
	dvc repro
	@sonotrace metrics
	@echo
	@echo "Models: models/planes.keras, models/structures.pt, and as .onnx what predict uses."
	@echo "Where they fail: reports/index.html. Next:"
	@echo "  . .venv/bin/activate"
	@echo "  sonotrace predict data/planes/pull/images --draw drawn    # use them"
	@echo "  dvc plots show                                           # curves, as a page"
	@echo "  git add dvc.lock params.yaml metrics plots reports && git commit -m \"A run\""
	@echo "  README.md                                                # your own images"

test: setup  ## lint, types, tests
	ruff check .
	ruff format --check .
	mypy
	pytest -n 2 --dist loadfile --no-loadscope-reorder

audit: setup  ## look the locked libraries up among known vulnerabilities; needs a network
	workflow/audit

docs: setup  ## build the documentation site into site/
	sphinx-build --quiet --fail-on-warning --keep-going docs site
	@echo "site/index.html"

setup: $(VENV)/ready  ## install the locked libraries into .venv

# uv installs from the hash-pinned lock; pip, which has to come first, installs uv by hash too.
$(VENV)/ready: requirements.lock requirements-uv.lock pyproject.toml workflow/sonotrace.pth
	@$(or $(PYTHON),false) -c '$(SUPPORTED)' || \
	  { echo "error: PYTHON=$(PYTHON): needs Python 3.11 or 3.12; install one, or call make PYTHON=/path/to/it" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	python -m pip install --quiet --require-hashes --no-deps --requirement requirements-uv.lock
	uv pip install --quiet --python $(VENV)/bin/python --require-hashes --requirement requirements.lock
	uv pip install --quiet --python $(VENV)/bin/python --no-deps --no-build-isolation --editable .
	cp workflow/sonotrace.pth "$$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
	python workflow/plots_page.py $(VENV)/plots.html
	dvc config --local plots.html_template ../$(VENV)/plots.html  # else `dvc plots show` needs a network
	touch $@

reproduce-check: setup  ## run this commit twice from nothing, and compare all hashes
	SET="$(SET)" workflow/reproduce-check

slurm: setup  ## add what runs stages as jobs of a Slurm cluster
	uv pip install --quiet --python $(VENV)/bin/python --require-hashes --no-deps --requirement requirements-slurm.lock

kubernetes: setup  ## add what runs stages as jobs of a Kubernetes cluster
	uv pip install --quiet --python $(VENV)/bin/python --require-hashes --no-deps --requirement requirements-kubernetes.lock
	cp -r workflow/snakemake_executor_plugin_kubernetes_volume "$$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"

schema: setup  ## write params.schema.json anew, after a change of the models or of comments in params.yaml
	python -m sonotrace.params.schema

lock:  ## resolve the dependencies anew, for Python 3.11 and 3.12
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	  --extra all --extra dev --output-file requirements.lock pyproject.toml
	grep -A 100 '^uv==' requirements.lock | awk 'NR == 1 || /^    --hash/ {print; next} {exit}' > requirements-uv.lock
	for extra in slurm kubernetes; do \
	  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	    --extra all --extra $$extra --constraint requirements.lock pyproject.toml \
	    | awk 'NR == FNR {locked[$$1]; next} /^[^ ]/ {on = !($$1 in locked)} on' requirements.lock - \
	    > requirements-$$extra.lock || exit 1; \
	done
