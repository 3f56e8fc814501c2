# make demo: a real robot frame becomes completed meshes in demo_output/.
# make test: linter, format and tests. make clean: remove what was made.
#
# PYTHON       the interpreter to make the environment with (3.10 or later)
# TORCH_INDEX  address of another package index, such as PyTorch's own of CPU wheels

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALL = $(BIN)/pip install -c constraints.txt $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
PACKAGE := setup.py setup.cfg pyproject.toml constraints.txt

# Libraries that open3d loads and a bare Debian or Ubuntu lacks.
OPEN3D_NEEDS := libgl1 libgomp1 libusb-1.0-0
define INSTALL_DEBIAN
{ \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update && apt-get install -y $(1); \
	else \
		echo 'missing on this machine; run: sudo apt install $(1)' >&2; exit 1; \
	fi; }
endef

.PHONY: demo test lint clean

demo: $(VENV)/.installed
	$(BIN)/iscene demo

# Two processes of one thread each: faster on two cores than one of two.
test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .hypothesis .ruff_cache demo_output demo_views.png
	find iscene_ros test -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.installed: $(BIN)/pip $(PACKAGE)
	$(INSTALL) -e .
	touch $@

$(VENV)/.installed-test: $(BIN)/pip $(PACKAGE)
	$(INSTALL) -e '.[test]'
	@$(BIN)/python -c 'import open3d' 2>/dev/null || $(call INSTALL_DEBIAN,$(OPEN3D_NEEDS))
	touch $@

# A bare Debian or Ubuntu lacks the module that puts pip into a new environment.
$(BIN)/pip:
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || $(call INSTALL_DEBIAN,python3-venv)
	$(PYTHON) -m venv $(VENV)
