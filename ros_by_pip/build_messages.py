"""Build the messages of the package for the ROS by pip, into the environment that runs this.

AMENT_PREFIX_PATH=ENVIRONMENT ENVIRONMENT/bin/python build_messages.py FOLDER

with <package>/msg/*.msg and <package>/srv/*.srv in the folder.
The wheels bring the generators of rosidl, but CMake cannot use them: they hold paths of the machine
that made them. So they are called from here, and gcc compiles what they write. C alone is
generated; rmw_fastrtps_cpp sends by fastrtps_c and needs introspection_c to describe a type.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy
from rosidl_adapter.msg import convert_msg_to_idl
from rosidl_adapter.srv import convert_srv_to_idl
from rosidl_generator_c.cli import GenerateC
from rosidl_generator_py.cli import GeneratePython
from rosidl_typesupport_c.cli import GenerateCTypesupport
from rosidl_typesupport_fastrtps_c.cli import GenerateFastRTPSCTypesupport
from rosidl_typesupport_introspection_c.cli import GenerateIntrospectionCTypesupport

PREFIX = Path(sys.prefix)
LIBRARIES, SITE_PACKAGES = PREFIX / "lib", Path(sysconfig.get_path("platlib"))
# One library of all packages, which links faster than one of each.
NAME = "iscene_ros_messages"
CONVERTERS = {"msg": convert_msg_to_idl, "srv": convert_srv_to_idl}
TYPE_SUPPORTS = ("rosidl_typesupport_fastrtps_c", "rosidl_typesupport_introspection_c")


@dataclass(frozen=True)
class Package:
    """A package of messages.

    Attributes:
        name: such as "vision_msgs".
        interfaces: files .msg and .srv.
        needs: names of the packages whose messages it holds.
    """

    name: str
    interfaces: tuple[Path, ...]
    needs: frozenset[str]

    @classmethod
    def read(cls, folder: Path) -> Package:
        """Return the package in a folder."""
        files = tuple(sorted(path for kind in CONVERTERS for path in folder.glob(f"{kind}/*")))
        named = (re.findall(r"^(\w+)/\w+", f.read_text("utf-8"), re.MULTILINE) for f in files)
        return cls(folder.name, files, frozenset().union(*named) - {folder.name})


def in_order(packages: Sequence[Package]) -> list[Package]:
    """Return packages after those that they need."""
    by_name = {package.name: package for package in packages}
    order = TopologicalSorter({p.name: p.needs & {*by_name} for p in packages}).static_order()
    return [by_name[name] for name in order]


def write_idl(package: Package, idl: Path) -> None:
    """Translate the interfaces of a package to IDL, in `idl`/<package>."""
    for path in package.interfaces:
        kind = path.parent.name
        target = idl / package.name / kind
        target.mkdir(parents=True, exist_ok=True)
        folder = path.parents[1].resolve()
        CONVERTERS[kind](folder, package.name, Path(kind, path.name), target)


def generate(package: Package, foreign: Iterable[str], idl: Path, source: Path) -> None:
    """Write C and Python of a package, in `source`/<generator>/<package>."""
    folder = idl / package.name
    files = [f"{folder}:{path.relative_to(folder)}" for path in sorted(folder.glob("*/*.idl"))]
    included = [*(PREFIX / "share" / name for name in foreign), idl]
    generators = (
        GenerateC("c"),
        GeneratePython("py", typesupport_implementations=["rosidl_typesupport_c"]),
        GenerateCTypesupport("any", typesupport_implementations=list(TYPE_SUPPORTS)),
        GenerateFastRTPSCTypesupport("fastrtps"),
        GenerateIntrospectionCTypesupport("introspection"),
    )
    for generator in generators:
        target = source / generator.name / package.name
        generator.generate(package.name, files, included, target)
    # Hashes of the types, which packages that need this one read.
    for path in (source / "c" / package.name).glob("*/*.json"):
        shutil.copy(path, folder / path.parent.name)


class Compiler:
    """Compiles generated C and C++ with all headers of the environment.

    Args:
        source: folder of the generators, whose subfolders are included.
        work: folder for what is compiled.
    """

    def __init__(self, source: Path, work: Path) -> None:
        self._source, self._work = source, work
        headers = PREFIX / "include"
        folders = [*source.iterdir(), headers, *(p for p in headers.iterdir() if p.is_dir())]
        folders += [Path(sysconfig.get_path("include")), Path(numpy.get_include())]
        # Optimised, it takes three times as long.
        self._flags = ["-O0", "-fPIC", "-w", *(f"-I{folder}" for folder in folders)]

    def compile(self, path: Path) -> Path:
        """Return the object file of a source file."""
        made = self._work / ("-".join(path.relative_to(self._source).parts) + ".o")
        command = "g++" if path.suffix == ".cpp" else "gcc"
        run(command, *self._flags, "-c", path, "-o", made)
        return made

    def joined(self, folder: Path) -> Path:
        """Return one source file of all in a folder: most of the time goes into their headers."""
        paths = [*folder.rglob("*.c"), *folder.rglob("*.cpp")]
        # A module of Python of its own, and files whose static names collide.
        paths = [p for p in paths if ".ep." not in p.name and not p.stem.endswith("__description")]
        joined = folder / f"joined{paths[0].suffix}"
        joined.write_text("".join(f'#include "{path}"\n' for path in sorted(paths)), "utf-8")
        return joined


def run(*command: object) -> None:
    """Run a command.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    subprocess.run([str(part) for part in command], check=True)


def build(packages: Sequence[Package], foreign: Iterable[str], source: Path, work: Path) -> None:
    """Compile the generated code to one library, and to a module of Python for every package."""
    compiler = Compiler(source, work)
    parts = [compiler.joined(folder) for folder in sorted(source.glob("*/*"))]
    parts += source.glob("c/*/*/detail/*__description.c")
    parts += (entry := entry_points(packages, source)).values()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = dict(zip(parts, pool.map(compiler.compile, parts), strict=True))
    kinds = ("rosidl_generator_c", "rosidl_generator_py", *TYPE_SUPPORTS)
    needed = [f"{name}__{kind}" for name in foreign for kind in kinds]
    needed += ["fastcdr", "rmw", "rosidl_runtime_c", "rosidl_typesupport_c", *TYPE_SUPPORTS]
    needed += ["rosidl_typesupport_fastrtps_cpp"]
    link = ("-shared", f"-L{LIBRARIES}", f"-Wl,-rpath,{LIBRARIES}")
    library = LIBRARIES / f"lib{NAME}.so"
    own = [made for part, made in objects.items() if part not in entry.values()]
    run("g++", *own, "-o", library, *link, *(f"-l{name}" for name in needed))
    for name, path in entry.items():
        module = path.with_name(f"{name}_s__rosidl_typesupport_c.so")
        run("gcc", objects[path], "-o", module, *link, f"-l{NAME}")
        for support in TYPE_SUPPORTS:  # found by these names
            alias = LIBRARIES / f"lib{name}__{support}.so"
            alias.unlink(missing_ok=True)
            alias.symlink_to(library.name)


def entry_points(packages: Sequence[Package], source: Path) -> dict[str, Path]:
    """Return the source of each package's module of Python."""
    found = {}
    for package in packages:
        folder = source / "py" / package.name
        found[package.name] = next(folder.glob("*.ep.rosidl_typesupport_c.c"))
    return found


def install(package: Package, idl: Path, source: Path) -> None:
    """Copy Python and IDL of a package into the environment."""
    python = source / "py" / package.name
    (python / "__init__.py").touch()
    ignore = shutil.ignore_patterns("*.c", "*.o")
    for made, target in ((python, SITE_PACKAGES), (idl / package.name, PREFIX / "share")):
        shutil.rmtree(target / package.name, ignore_errors=True)
        shutil.copytree(made, target / package.name, ignore=ignore)


def main(definitions: Path) -> None:
    """Build and install all packages of a folder."""
    packages = in_order([Package.read(folder) for folder in sorted(definitions.iterdir())])
    own = {package.name for package in packages}
    # Every service has a message of its events.
    foreign = sorted(frozenset({"service_msgs"}).union(*(p.needs for p in packages)) - own)
    with TemporaryDirectory() as temporary:
        idl, source, work = (Path(temporary, name) for name in ("idl", "source", "work"))
        work.mkdir()
        for package in packages:
            write_idl(package, idl)
            generate(package, foreign, idl, source)
        build(packages, foreign, source, work)
        for package in packages:
            install(package, idl, source)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
