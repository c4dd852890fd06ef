"""From an executable file to a process image: ELF, ``#!`` scripts, the first stack and the vDSO."""
