"""uma.extension builds what a setup.py names."""

import os
import subprocess
import sys

import alias
import pytest

extension = pytest.importorskip("uma.extension", reason="setuptools is not installed")

_SETUP = """
from setuptools import setup
from mlx import extension
setup(name="tiny", version="1", packages=["tiny"], ext_modules=[extension.CMakeExtension("tiny._ext")],
      cmdclass={"build_ext": extension.CMakeBuild})
"""
_CMAKE = """
cmake_minimum_required(VERSION 3.18)
project(tiny C)
find_package(Python REQUIRED COMPONENTS Interpreter Development.Module)
Python_add_library(_ext MODULE WITH_SOABI ext.c)
message(STATUS "looking for uma in ${uma_ROOT}")
"""
_CODE = """
#define PY_SSIZE_T_CLEAN
#include <Python.h>
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_ext", 0, -1, 0};
PyMODINIT_FUNC PyInit__ext(void) {
  PyObject* m = PyModule_Create(&module);
  if (m) PyModule_AddIntConstant(m, "answer", ANSWER);
  return m;
}
"""


def project(folder, code=_CODE):
    (folder / "tiny").mkdir()
    (folder / "tiny" / "__init__.py").write_text("from ._ext import answer\n")
    (folder / "setup.py").write_text("import uma.mlx\n" + _SETUP)
    (folder / "CMakeLists.txt").write_text(_CMAKE)
    (folder / "ext.c").write_text(code.replace("ANSWER", "42"))
    return folder


def build(folder, *args):
    return alias.run([sys.executable, "setup.py", "build_ext", *args], cwd=folder)


def test_a_cmake_project_becomes_a_module(tmp_path):
    done = build(project(tmp_path), "--inplace")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"looking for uma in {os.path.dirname(extension.__file__)}" in done.stdout
    code = "import tiny; print(tiny.answer)"
    found = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert found.stdout == "42\n", found.stderr


def test_what_does_not_compile_is_a_sentence(tmp_path):
    done = build(project(tmp_path, "no C at all"))
    assert done.returncode != 0
    assert "[CMakeBuild] tiny._ext: cmake --build failed with " in done.stderr, done.stderr


def test_metal_is_named_and_refused():
    from setuptools import Distribution

    ext = extension.MetalExtension("a.b", ["x.cpp", "y.metal"])
    assert ext.metal_library_name == "b" and ext.metal_libraries[0].sources == ["y.metal"]
    command = extension.BuildExtension.with_options(use_ninja=True)(Distribution())
    assert command.use_ninja
    with pytest.raises(RuntimeError, match=r"a\.b has Metal sources, which build on a Mac only"):
        command.build_extension(ext)
    for bad in (("", ["y.metal"]), ("a/b", ["y.metal"]), ("a", []), ("a", ["y.cpp"])):
        with pytest.raises(ValueError, match=r"\[MetalLibrary\]"):
            extension.MetalLibrary(*bad)
