"""setuptools commands that build C++ extensions of uma with CMake: MLX's ``mlx.extension``.

    from setuptools import setup
    from uma import extension

    setup(
        name="my_ops",
        ext_modules=[extension.CMakeExtension("my_ops._ext")],
        cmdclass={"build_ext": extension.CMakeBuild},
        packages=["my_ops"],
    )

CMake finds uma by ``find_package(uma)`` in this package's folder, and the interpreter that runs the build.
"""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import Extension
from setuptools.command.build_ext import build_ext

__all__ = ["CMakeExtension", "CMakeBuild", "BuildExtension", "MetalExtension", "MetalLibrary"]

_PACKAGE = Path(__file__).resolve().parent


class CMakeExtension(Extension):
    """An extension module that the CMake project in ``sourcedir`` builds.

    name        dotted, such as ``my_ops._ext``: the project must make a library of its last part
    sourcedir   where its CMakeLists.txt is; by default the current folder
    """

    def __init__(self, name: str, sourcedir: str = ""):
        super().__init__(name, sources=[])
        self.sourcedir = os.fspath(Path(sourcedir).resolve())


class CMakeBuild(build_ext):
    """``build_ext`` for each CMakeExtension: configures, builds, and leaves the library where setuptools wants it.

    ``CMAKE_ARGS`` in the environment is passed on, ``CMAKE_BUILD_PARALLEL_LEVEL`` is heeded, ``DEBUG=1`` or
    ``--debug`` builds without optimization. Other extensions are built as setuptools builds them. Raises
    RuntimeError where CMake is missing or fails; what it printed says why.
    """

    use_ninja = False

    def run(self):
        """Build every extension, and with --inplace bring them into the source tree."""
        super().run()
        if not self.inplace:
            return
        # setuptools brings the module itself; here come the libraries that CMake left beside it
        sources = self.get_finalized_command("build_py")
        for ext in self.extensions:
            if isinstance(ext, CMakeExtension):
                package = self.get_ext_fullname(ext.name).rpartition(".")[0]
                built = Path(self.build_lib, *package.split("."))
                if built.is_dir():
                    self.copy_tree(str(built), str(Path(sources.get_package_dir(package)).resolve()))

    def build_extension(self, ext):
        """Build one extension."""
        if not isinstance(ext, CMakeExtension):
            super().build_extension(ext)
            return
        target = (Path.cwd() / self.get_ext_fullpath(ext.name)).parent.resolve()
        work = Path(self.build_temp).resolve() / ext.name
        work.mkdir(parents=True, exist_ok=True)
        kind = "Debug" if self._wants_debug() else "Release"
        # Beside the module, and where uma's own libraries are from there.
        up = "../" * ext.name.count(".")
        configure = [
            "cmake",
            "-S",
            ext.sourcedir,
            "-B",
            str(work),
            f"-DCMAKE_LIBRARY_OUTPUT_DIRECTORY={target}",
            f"-DCMAKE_BUILD_TYPE={kind}",
            "-DBUILD_SHARED_LIBS=ON",
            f"-DPython_EXECUTABLE={sys.executable}",
            f"-Duma_ROOT={_PACKAGE}",
            "-DCMAKE_BUILD_WITH_INSTALL_RPATH=ON",
            f"-DCMAKE_INSTALL_RPATH=$ORIGIN;$ORIGIN/{up}uma/lib",
            *shlex.split(os.environ.get("CMAKE_ARGS", "")),
        ]
        if self.use_ninja and shutil.which("ninja") and "-G" not in configure:
            configure += ["-G", "Ninja"]
        build = ["cmake", "--build", str(work), "--config", kind]
        if "CMAKE_BUILD_PARALLEL_LEVEL" not in os.environ:
            build.append(f"-j{self.parallel or os.cpu_count()}")
        for command in (configure, build):
            self._run(ext, command)

    def _wants_debug(self):
        return self.debug if self.debug is not None else os.environ.get("DEBUG", "0") not in ("", "0")

    def _run(self, ext, command):
        try:
            subprocess.run(command, check=True)
        except FileNotFoundError:
            raise RuntimeError(f"[CMakeBuild] {ext.name} needs cmake, which is not on the PATH") from None
        except subprocess.CalledProcessError as e:
            raise RuntimeError(f"[CMakeBuild] {ext.name}: {' '.join(command[:2])} failed with {e.returncode}") from None


class MetalLibrary:
    """A library of Metal kernels. It can be named here, so that a setup.py is read, but is built on a Mac only.

    Raises ValueError for a name with a folder in it, no sources, or sources other than .metal files.
    """

    def __init__(self, name: str, sources, *, extra_compile_args=(), deployment_target=None):
        if not name or Path(name).name != name:
            raise ValueError(f"[MetalLibrary] {name!r} is no name of a file")
        self.name = name
        self.sources = [os.fspath(source) for source in sources]
        if not self.sources or any(Path(source).suffix.lower() != ".metal" for source in self.sources):
            raise ValueError(f"[MetalLibrary] {name!r} needs sources, .metal files only, not {self.sources}")
        self.extra_compile_args = list(extra_compile_args)
        self.deployment_target = deployment_target


class MetalExtension(Extension):
    """An extension of C++ and Metal sources. It can be named here, but is built on a Mac only."""

    def __init__(self, name: str, sources, *args, metal_libraries=None, **kwargs):
        kwargs.setdefault("language", "c++")
        super().__init__(name, [os.fspath(source) for source in sources], *args, **kwargs)
        self.metal_library_name = name.rsplit(".", 1)[-1]
        if metal_libraries is None:
            kernels = [source for source in self.sources if source.lower().endswith(".metal")]
            metal_libraries = [MetalLibrary(self.metal_library_name, kernels)]
        self.metal_libraries = list(metal_libraries)


class BuildExtension(CMakeBuild):
    """CMakeBuild that also knows MetalExtension: building one raises RuntimeError, as there is no Metal here."""

    def __init__(self, *args, use_ninja: bool = False, generate_stubs: bool = True, **kwargs):
        self.use_ninja = use_ninja
        self.generate_stubs = generate_stubs
        super().__init__(*args, **kwargs)

    def build_extension(self, ext):
        """Build one extension, if it has no Metal sources."""
        if isinstance(ext, MetalExtension):
            raise RuntimeError(f"[BuildExtension] {ext.name} has Metal sources, which build on a Mac only")
        super().build_extension(ext)

    @classmethod
    def with_options(cls, **options):
        """The class with some of its options set, for ``cmdclass``."""

        class Configured(cls):
            def __init__(self, *args, **kwargs):
                super().__init__(*args, **{**options, **kwargs})

        return Configured
