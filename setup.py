"""The optional C part of the machine; everything else about the package stands in pyproject.toml.

Without a C compiler the build goes on and the machine runs on its Python twin (emu/core.py, emu/rows.py).
"""

from setuptools import Extension, setup

SOURCES = ["emu/_engine.c", "emu/_escape.c", "emu/_rows.c", "emu/_watch.c"]

setup(ext_modules=[Extension("emu._engine", SOURCES, depends=["emu/_core.h"], optional=True)])
