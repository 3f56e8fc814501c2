# make demo: a real robot frame becomes completed meshes in demo_output/.
# make test: linter, format and tests, those of the live node included where they can run.
# make demo-ros, make test-ros: the live node, by ROS wheels of pip where no ROS is installed.
# make clean: remove what was made.
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

# ROS by pip: an environment over $(VENV), which it does not change.
ROS_VENV ?= .venv-ros
ROS_PYTHON = RMW_IMPLEMENTATION=rmw_fastrtps_cpp ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST \
	FASTRTPS_DEFAULT_PROFILES_FILE=$(CURDIR)/config/fastdds.xml OMP_NUM_THREADS=1 \
	$(ROS_VENV)/bin/python
ROS_SOURCES := $(wildcard ros_by_pip/*.txt ros_by_pip/build_messages.py iscene_ros/ros/definitions/*/*/*)
# Why the wheels are of no use here; empty where they are.
NO_ROS_BY_PIP := $(shell \
	if [ -n "$$ROS_DISTRO" ]; then echo "ROS $$ROS_DISTRO is sourced, whose rclpy is used"; \
	elif [ "$$(uname -sm)" != "Linux x86_64" ]; then echo "the wheels are for Linux on x86_64"; \
	elif ! command -v gcc g++ >/dev/null; then echo "gcc and g++ are missing"; \
	elif ! $(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))'; then \
		echo "the wheels are for Python 3.10 to 3.13"; fi)

.PHONY: demo demo-ros test test-ros lint clean

demo: $(VENV)/.installed
	$(BIN)/iscene demo

demo-ros: $(ROS_VENV)/.installed
	$(ROS_PYTHON) ros_by_pip/live_demo.py

# Two processes of one thread each: faster on two cores than one of two.
test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile \
		$(if $(NO_ROS_BY_PIP),,--ignore test/ros)
	$(if $(NO_ROS_BY_PIP),@echo 'no make test-ros: $(NO_ROS_BY_PIP)',$(MAKE) test-ros)

test-ros: $(VENV)/.installed-test $(ROS_VENV)/.installed
	$(ROS_PYTHON) -m pytest -n 2 --dist loadfile -rs test/ros test/ros_messages || { \
		echo 'once more, one after the other: what failed beside others'; \
		$(ROS_PYTHON) -m pytest --last-failed --last-failed-no-failures none test/ros test/ros_messages; }

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

clean:
	rm -rf $(VENV) $(ROS_VENV) build dist *.egg-info .pytest_cache .hypothesis .ruff_cache \
		demo_output demo_views.png
	find iscene_ros test -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.installed: $(BIN)/pip $(PACKAGE)
	$(INSTALL) -e .
	touch $@

$(VENV)/.installed-test: $(BIN)/pip $(PACKAGE)
	$(INSTALL) -e '.[test]'
	@$(BIN)/python -c 'import open3d' 2>/dev/null || $(call INSTALL_DEBIAN,$(OPEN3D_NEEDS))
	touch $@

$(ROS_VENV)/.installed: $(VENV)/.installed $(ROS_SOURCES)
	@$(if $(NO_ROS_BY_PIP),echo 'no ROS by pip: $(NO_ROS_BY_PIP)' >&2; exit 1)
	$(BIN)/python -m venv $(ROS_VENV)
	$(ROS_VENV)/bin/pip install -q -c constraints.txt -r ros_by_pip/requirements.txt
	AMENT_PREFIX_PATH=$(abspath $(ROS_VENV)) $(ROS_VENV)/bin/python ros_by_pip/build_messages.py \
		iscene_ros/ros/definitions >/dev/null
	for python in $(ROS_VENV) $(VENV); do $$python/bin/python -c \
		'import sysconfig; print(sysconfig.get_path("purelib"))'; done | { \
		read -r ros; { cat; echo $(CURDIR); } >"$$ros/project.pth"; }
	touch $@

# A bare Debian or Ubuntu lacks the module that puts pip into a new environment.
$(BIN)/pip:
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || $(call INSTALL_DEBIAN,python3-venv)
	$(PYTHON) -m venv $(VENV)
