"""The optional C part of the machine; everything else about the package stands in pyproject.toml.

Without a C compiler the build goes on and the machine runs on its Python twin (emu/core.py, emu/rows.py).
"""

from setuptools import Extension, setup

setup(ext_modules=[Extension("emu._engine", ["emu/_engine.c", "emu/_rows.c"], optional=True)])
