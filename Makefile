# The course's commands; `make` alone lists them. Any GNU make will do, the old one of macOS too.
#
#   make lab PYTHON=/opt/python3.12/bin/python3    makes .venv with this Python
#   make lab ARGS="--no-browser --port=9000"       hands ARGS on, here to JupyterLab

VENV = .venv
PY = $(VENV)/bin/python
INSTALLED = $(VENV)/installed

# A user's own kernel named python3 must not stand in for the one in .venv.
export JUPYTER_PREFER_ENV_PATH = 1

# .venv is made anew where its Python no longer runs or is not the one asked for, where the folder
# has moved, and where an install was cut short; $(INSTALLED) is written last and says where.
VERSION = import sys; print("%d.%d" % sys.version_info[:2])
have := $(shell cat $(INSTALLED) 2>/dev/null) $(shell $(PY) -c '$(VERSION)' 2>/dev/null || echo broken)
want := $(CURDIR) $(shell $(or $(PYTHON),$(PY)) -c '$(VERSION)' 2>/dev/null || echo missing)
ifneq ($(have),$(want))
MAKE_VENV = yes
.PHONY: $(INSTALLED)
endif

# The proxy of JupyterHub, and the last file that its installer writes.
HUB = helpers/classroom/hub
PROXY = $(HUB)/node_modules/.package-lock.json

# Where `make wheels` has been, or its folder was copied to, an install needs no network.
ifneq ($(wildcard wheels),)
OFFLINE = PIP_NO_INDEX=1 PIP_FIND_LINKS=wheels UV_OFFLINE=1 UV_FIND_LINKS=wheels
endif

.PHONY: help install lab test run bench lint slides assignment hub gpu wheels lock

help:
	@sed -n 's/^\([a-z]*\):.*## /make \1	/p' Makefile

install: $(INSTALLED) ## install what is missing into .venv

lab: $(INSTALLED) ## install, then open JupyterLab on the first notebook
	$(PY) -m jupyterlab notebooks/00_start_here.ipynb $(ARGS)

test: $(INSTALLED) ## install, then run every test, all notebooks included
	$(PY) -m pytest $(ARGS)

run: $(INSTALLED) ## execute all notebooks in place and print a table of times
	$(PY) -m helpers.execute $(ARGS)

bench: $(INSTALLED) ## print the measured ratios
	$(PY) -m pytest -s tests/benchmarks $(ARGS)

lint: $(INSTALLED) ## check the code, its format, and the notebooks' form
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m pytest -q tests/test_notebooks.py

slides: $(INSTALLED) ## export the slides of NOTEBOOK=03, or of all notebooks, to slides/
	$(PY) -m helpers.classroom.slides $(NOTEBOOK) $(ARGS)

assignment: $(INSTALLED) ## an nbgrader assignment: NOTEBOOK=03, DRILLS="rnn_step lstm_cell" to choose
	$(PY) -m helpers.classroom.assignment $(NOTEBOOK) $(if $(DRILLS),--drills $(DRILLS)) $(ARGS)

hub: $(INSTALLED) $(VENV)/compiled $(PROXY) ## start JupyterHub for a class: sudo make hub STUDENTS=students.txt
	$(PY) -m helpers.classroom.hub.start $(if $(STUDENTS),--students='$(STUDENTS)') $(ARGS)

gpu: $(INSTALLED) ## add NVIDIA's libraries for TensorFlow (Linux and WSL2)
	$(PY) -m uv pip install --python $(PY) --no-build-isolation -r requirements.txt --editable '.[gpu]'

wheels: $(INSTALLED) ## download the packages into wheels/, for machines without a network
	$(PY) -m pip download --require-hashes -r requirements.txt --dest wheels

lock: $(INSTALLED) ## write requirements.txt again; ARGS=--upgrade takes newer versions
	$(PY) -m uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest \
	    --generate-hashes --no-emit-index-url $(ARGS) pyproject.toml -o requirements.txt

# nbgrader, and the package notebook that it brings, add menus to JupyterLab and two seconds to
# its start. These settings of Jupyter switch that off.
QUIET = helpers/classroom/jupyter

$(INSTALLED): requirements.txt pyproject.toml $(wildcard $(QUIET)/*/*.json)
ifdef MAKE_VENV
	@for python in $(or $(PYTHON),python3 python3.13 python3.12 python3.11); do \
	    if "$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; \
	    then echo "Making $(VENV) with $$python"; exec "$$python" -m venv --clear $(VENV); fi; \
	done; \
	echo "No Python 3.11, 3.12 or 3.13 here ($(or $(PYTHON),python3)): install one, or name it: make PYTHON=/path/to/python3.12" >&2; \
	exit 1
endif
	@awk '/^[^ ]/ { uv = /^uv==/ } uv' requirements.txt | $(OFFLINE) \
	    $(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r /dev/stdin
	@$(OFFLINE) $(PY) -m uv pip install --python $(PY) --require-hashes -r requirements.txt
	@$(OFFLINE) $(PY) -m uv pip install --python $(PY) --quiet --no-deps --no-build-isolation --editable .
	@mkdir -p $(VENV)/etc && cp -R $(QUIET) $(VENV)/etc
	@echo '$(CURDIR)' > $@

$(PROXY): $(HUB)/package-lock.json
	@command -v npm >/dev/null || { echo "npm is missing. Debian, Ubuntu: apt install nodejs npm" >&2; exit 1; }
	npm ci --prefix $(HUB) --ignore-scripts --no-audit --no-fund

# Students cannot write into .venv: without its compiled files each of their kernels would compile
# TensorFlow again, and throw it away.
$(VENV)/compiled: $(INSTALLED)
	$(PY) -m compileall -q -j 0 $(VENV)/lib
	@chmod -R o-w $(VENV)  # uv leaves a lock that everybody may write
	@touch $@
