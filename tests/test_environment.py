"""The descriptions of the environment agree, the lock is installed, and `make` keeps it so."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from jupyter_server.config_manager import BaseJSONConfigManager
from jupyterlab_server.config import get_page_config
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCK = (ROOT / "requirements.txt").read_text(encoding="utf-8")
CONDA = (ROOT / "environment.yml").read_text(encoding="utf-8")

RANGES = [Requirement(line) for line in PROJECT["dependencies"]]
PINS = [Requirement(line) for line in re.findall(r"^(\w[^\\\n]*?) *\\?$", LOCK, re.MULTILINE)]


def pinned(requirement: Requirement) -> Version:
    (specifier,) = requirement.specifier
    assert specifier.operator == "==", f"{requirement} is not pinned"
    return Version(specifier.version)


LOCKED = {canonicalize_name(pin.name): pinned(pin) for pin in PINS}


def test_one_version_of_each_package_is_locked_for_all_platforms_and_pythons():
    names = [canonicalize_name(pin.name) for pin in PINS]
    assert len(names) > 100
    assert sorted({name for name in names if names.count(name) > 1}) == []


@pytest.mark.parametrize("requirement", RANGES, ids=lambda requirement: requirement.name)
def test_each_range_holds_its_locked_version(requirement):
    name = canonicalize_name(requirement.name)
    assert name in LOCKED, f"requirements.txt has no {name}: make lock"
    assert LOCKED[name] in requirement.specifier, f"requirements.txt has {name} {LOCKED[name]}"


def test_the_gpu_extra_adds_nvidias_libraries_to_the_same_tensorflow():
    (gpu,) = (Requirement(line) for line in PROJECT["optional-dependencies"]["gpu"])
    (tensorflow,) = (requirement for requirement in RANGES if requirement.name == "tensorflow")
    assert (gpu.name, gpu.extras) == ("tensorflow", {"and-cuda"})
    assert gpu.specifier == tensorflow.specifier


def test_every_locked_package_has_its_hashes_and_no_index_host():
    blocks = re.split(r"^(?=\w)", LOCK, flags=re.MULTILINE)[1:]
    assert len(blocks) == len(PINS)
    assert [block for block in blocks if "--hash=sha256:" not in block] == []
    assert "://" not in LOCK and "index-url" not in re.sub(r"^#.*$", "", LOCK, flags=re.MULTILINE)


def test_conda_gets_the_same_packages_at_the_locked_versions():
    pip_section = CONDA.partition("- pip:\n")[2]
    entries = re.findall(r"^ +- (?!--)(.+)$", pip_section, re.MULTILINE)
    wanted = [
        f"{requirement.name}=={LOCKED[canonicalize_name(requirement.name)]}"
        + (f"; {str(requirement.marker).replace(chr(34), chr(39))}" if requirement.marker else "")
        for requirement in RANGES
    ]
    listing = "".join(f"\n      - {entry}" for entry in wanted)
    assert entries == wanted, f"environment.yml should list after pip:{listing}"
    assert "      - --editable .\n" in pip_section


def test_all_name_the_same_pythons():
    supported = SpecifierSet(PROJECT["requires-python"])
    versions = [f"3.{minor}" for minor in range(8, 20) if f"3.{minor}" in supported]
    assert versions == ["3.11", "3.12", "3.13"]
    (conda,) = re.findall(r"- python=(\S+)", CONDA)
    assert conda in versions
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    limits = re.search(r"not \(3, (\d+)\) <= sys.version_info < \(3, (\d+)\)", makefile).groups()
    assert SpecifierSet(">=3.{},<3.{}".format(*limits)) == supported
    workflow = (ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8")
    assert set(re.findall(r'python: "(.*?)"', workflow)) >= {versions[0], versions[-1]}


def test_what_is_installed_is_what_is_locked():
    wrong = []
    for pin in PINS:
        if pin.marker and not pin.marker.evaluate():
            continue
        try:
            installed = metadata.version(pin.name)
        except metadata.PackageNotFoundError:
            installed = "nothing"
        if installed == "nothing" or Version(installed) != pinned(pin):
            wrong.append(f"{pin.name}: {installed} installed, {pinned(pin)} locked")
    assert not wrong, "run `make install`, or `make lock` after a change of pyproject.toml"


# A stand-in for Python: it writes down what it is asked to do, and makes a .venv of its own kind.
STAND_IN = """#!/bin/sh
case "$*" in
    *'print('*) echo {version}; exit ;;
    *sys.exit*) exit {out_of_range} ;;
    '-m venv --clear .venv')
        rm -rf .venv; mkdir -p .venv/bin; cp "$0" .venv/bin/python ;;
    *'pip install'*'/dev/stdin') cat > .venv/bootstrap.txt ;;
esac
echo "$*" >> calls
"""

# Jupyter's settings that switch off what nbgrader adds to JupyterLab.
QUIET = "helpers/classroom/jupyter"

needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """A copy of what `make` reads, with two stand-ins for Python beside it."""
    folder = tmp_path / "a course"
    folder.mkdir()
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copy2(ROOT / name, folder / name)
    shutil.copytree(ROOT / QUIET, folder / QUIET)
    for version, out_of_range in (("3.11", 0), ("3.12", 0), ("3.9", 1)):
        python = tmp_path / f"python{version}"
        python.write_text(STAND_IN.format(version=version, out_of_range=out_of_range))
        python.chmod(0o755)
    return folder


def make(folder: Path, version: str = "3.11", target: str = "install") -> tuple[list[str], str]:
    """What Python was asked to do, shortened, and what make said."""
    calls = folder / "calls"
    calls.unlink(missing_ok=True)
    command = ["make", target, *([f"PYTHON=../python{version}"] if version else [])]
    # This test may itself run under make, which hands its options and variables down.
    outer = {"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "PYTHON"}
    env = {name: value for name, value in os.environ.items() if name not in outer}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    lines = calls.read_text().splitlines() if calls.exists() else []
    return [" ".join(line.split()[1:4]) for line in lines], done.stdout + done.stderr


ANEW = ["venv --clear .venv", "pip install --quiet", "uv pip install", "uv pip install"]
IN_PLACE = ANEW[1:]


@needs_make
def test_make_installs_once_and_then_only_what_changed(course):
    assert make(course)[0] == ANEW
    assert make(course)[0] == []
    assert make(course, version="")[0] == []
    (course / "requirements.txt").touch()
    assert make(course)[0] == IN_PLACE
    assert make(course)[0] == []


@needs_make
def test_make_hands_pip_the_locked_uv_alone(course):
    make(course)
    handed = (course / ".venv/bootstrap.txt").read_text()
    assert re.findall(r"^\w.*?(?= )", handed, re.MULTILINE) == [f"uv=={LOCKED['uv']}"]
    assert "--hash=sha256:" in handed


@needs_make
def test_make_mends_an_environment_that_is_gone_broken_unfinished_old_or_moved(course):
    make(course)
    shutil.rmtree(course / ".venv")
    assert make(course)[0] == ANEW
    (course / ".venv/bin/python").unlink()
    assert make(course)[0] == ANEW
    (course / ".venv/installed").unlink()
    assert make(course)[0] == ANEW
    assert make(course, version="3.12")[0] == ANEW
    assert make(course, version="3.12")[0] == []
    moved = course.rename(course.with_name("moved"))
    assert make(moved, version="3.12")[0] == ANEW


@needs_make
def test_make_switches_off_what_nbgrader_adds_to_jupyterlab(course):
    make(course)
    for file in (course / QUIET).rglob("*.json"):
        copy = course / ".venv/etc/jupyter" / file.relative_to(course / QUIET)
        assert copy.read_text() == file.read_text()
        file.write_text("{}")
        # A clock of whole milliseconds may not have moved on since.
        later = (course / ".venv/installed").stat().st_mtime_ns + 1_000_000
        os.utime(file, ns=(later, later))
        assert make(course)[0] == IN_PLACE and copy.read_text() == "{}"
    assert make(course)[0] == []


def test_jupyterlab_starts_without_nbgrader():
    """As these settings leave it, beside those that nbgrader itself installs."""
    here = Path(sys.prefix) / "etc/jupyter"
    ours, page = ROOT / QUIET / "labconfig/page_config.json", here / "labconfig/page_config.json"
    off = json.loads(ours.read_text())["disabledExtensions"]
    if not page.exists() or json.loads(page.read_text())["disabledExtensions"] != off:
        pytest.skip("make did not make this environment, or a teacher has changed it since")
    servers = BaseJSONConfigManager(config_dir=str(here))
    extensions = servers.get("jupyter_server_config")["ServerApp"]["jpserver_extensions"]
    own = {name: on for name, on in extensions.items() if name.startswith("nbgrader")}
    assert extensions["jupyterlab"] and own and not any(own.values())

    settings = get_page_config([str(Path(sys.prefix) / "share/jupyter/labextensions")])
    loaded = {extension["name"] for extension in settings["federated_extensions"]}
    on = loaded - set(settings["disabledExtensions"])
    assert on == {"@jupyter-widgets/jupyterlab-manager", "jupyterlab_pygments"}


@needs_make
def test_make_says_so_where_no_python_fits(course):
    calls, said = make(course, version="3.9")
    assert calls == []
    assert "No Python 3.11, 3.12 or 3.13 here (../python3.9): install one, or name it" in said
    assert not (course / ".venv").exists()


@needs_make
def test_make_alone_lists_every_command(course):
    (phony,) = re.findall(r"^\.PHONY: (help .*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    said = make(course, target="help")[1]
    assert re.findall(r"^make (\w+)", said, re.MULTILINE) == phony.split()[1:]


def test_the_readme_links_to_what_exists():
    links = re.findall(r"\]\((?!#|\w+:)(.*?)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert len(links) > 5
    assert [link for link in links if not (ROOT / link).exists()] == []
