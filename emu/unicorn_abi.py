"""The part of Unicorn's C interface the machine uses: the shared library and a few of its numbers.

The Python binding of Unicorn is not imported: it takes four times as long to load as the library itself and its
register access is forty times slower than a bare call.  The package `unicorn` is still what brings the library.
Numbers are those of ``unicorn/unicorn.h`` and ``unicorn/x86.h``, version 2.
"""

from __future__ import annotations

import ctypes
import os
import sys
from importlib.machinery import PathFinder

UC_ARCH_X86 = 4
UC_MODE_64 = 8
UC_CPU_X86_WESTMERE = 16
UC_PROT_ALL = 7

UC_HOOK_INTR = 1
UC_HOOK_INSN = 2
UC_HOOK_BLOCK = 8
UC_HOOK_MEM_READ = 1 << 10
UC_HOOK_MEM_WRITE = 1 << 11
UC_MEM_WRITE = 17
UC_X86_INS_IN = 218
UC_X86_INS_OUT = 500
UC_X86_INS_SYSCALL = 699
UC_X86_INS_SYSENTER = 700

UC_ERR_OK = 0
UC_ERR_INSN_INVALID = 10

# uc_ctl(uc, UC_CTL(type, arguments, direction), ...): type | arguments << 26 | write << 30.
UC_CTL_WRITE_USE_EXITS = 4 | 1 << 26 | 1 << 30
UC_CTL_WRITE_CPU_MODEL = 7 | 1 << 26 | 1 << 30
UC_CTL_WRITE_TB_REMOVE_CACHE = 9 | 2 << 26 | 1 << 30
UC_CTL_WRITE_TB_FLUSH = 10 | 0 << 26 | 1 << 30
UC_CTL_WRITE_TCG_BUFFER_SIZE = 13 | 1 << 26 | 1 << 30

REG_CS = 11
REG_DS = 17
REG_ES = 28
REG_FPSW = 31
REG_FS = 32
REG_GS = 33
REG_RAX = 35
REG_RBP = 36
REG_RBX = 37
REG_RCX = 38
REG_RDI = 39
REG_RDX = 40
REG_RIP = 41
REG_RSI = 43
REG_RSP = 44
REG_SS = 49
REG_CR0 = 50
REG_CR2 = 52
REG_CR3 = 53
REG_CR4 = 54
REG_FP0 = 82
REG_R8 = 106
REG_R9 = 107
REG_R10 = 108
REG_R11 = 109
REG_R12 = 110
REG_R13 = 111
REG_R14 = 112
REG_R15 = 113
REG_ST0 = 114
REG_XMM0 = 122
REG_GDTR = 243
REG_LDTR = 244
REG_FPCW = 246
REG_FPTAG = 247
REG_MSR = 248
REG_MXCSR = 249
REG_FS_BASE = 250
REG_GS_BASE = 251
REG_RFLAGS = 253
REG_FIP = 254
REG_FDP = 256
REG_FOP = 258

_LIBRARY_NAMES = {"darwin": "libunicorn.2.dylib", "win32": "unicorn.dll"}


class MachineError(Exception):
    """The machine itself cannot work (never a mistake of the guest)."""


def library_path() -> str:
    """Return where the `unicorn` package keeps its shared library, without importing the package."""
    spec = PathFinder.find_spec("unicorn")
    if spec is None or spec.origin is None:
        raise MachineError("the Python package 'unicorn' is not installed")
    folder = os.path.join(os.path.dirname(spec.origin), "lib")
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    wanted = _LIBRARY_NAMES.get(sys.platform, "libunicorn.so.2")
    for name in (wanted, *(name for name in names if name.startswith("libunicorn.") and not name.endswith(".a"))):
        if name in names:
            return os.path.join(folder, name)
    raise MachineError(f"no Unicorn library {wanted} in {folder}")


def load() -> ctypes.PyDLL:
    """Load the library and declare the functions used.

    ``PyDLL`` keeps the GIL: a call costs 0.3 us less, and the hooks need it.  Functions that take a variable number of
    arguments get the types of the fixed ones only, so that ctypes passes the rest as the platform wants it.
    """
    library = ctypes.PyDLL(library_path())
    pointer, u64, integer = ctypes.c_void_p, ctypes.c_uint64, ctypes.c_int
    library.uc_open.argtypes = (integer, integer, pointer)
    library.uc_close.argtypes = (pointer,)
    library.uc_version.argtypes = (pointer, pointer)
    library.uc_ctl.argtypes = (pointer, integer)
    library.uc_mem_map_ptr.argtypes = (pointer, u64, ctypes.c_size_t, ctypes.c_uint32, pointer)
    library.uc_hook_add.argtypes = (pointer, pointer, integer, pointer, pointer, u64, u64)
    library.uc_hook_del.argtypes = (pointer, ctypes.c_size_t)
    library.uc_emu_start.argtypes = (pointer, u64, u64, u64, ctypes.c_size_t)
    library.uc_emu_stop.argtypes = (pointer,)
    library.uc_reg_read.argtypes = (pointer, integer, pointer)
    library.uc_reg_write.argtypes = (pointer, integer, pointer)
    library.uc_reg_read_batch.argtypes = (pointer, pointer, pointer, integer)
    library.uc_reg_write_batch.argtypes = (pointer, pointer, pointer, integer)
    library.uc_context_size.argtypes = (pointer,)
    library.uc_context_size.restype = ctypes.c_size_t
    library.uc_context_alloc.argtypes = (pointer, pointer)
    library.uc_context_free.argtypes = (pointer,)
    library.uc_context_save.argtypes = (pointer, pointer)
    library.uc_context_restore.argtypes = (pointer, pointer)
    library.uc_context_reg_read.argtypes = (pointer, integer, pointer)
    library.uc_context_reg_write.argtypes = (pointer, integer, pointer)
    library.uc_context_reg_read_batch.argtypes = (pointer, pointer, pointer, integer)
    library.uc_context_reg_write_batch.argtypes = (pointer, pointer, pointer, integer)
    library.uc_strerror.argtypes = (integer,)
    library.uc_strerror.restype = ctypes.c_char_p
    return library
