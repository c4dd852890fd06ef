"""execve's middle part: from an opened file to a process image (``exec_binprm``, ``load_elf_binary``).

Linux splits an exec at the *point of no return* (``begin_new_exec``).  Before it every defect is an errno and the old
program goes on; after it the old address space is gone, so an error can only kill the process (SIGSEGV).  The split is
visible to programs, hence it is the shape of this module: ``prepare`` makes all checks that Linux makes before that
point and changes nothing; between the two the kernel kills the other threads and swaps the address space;
``Program.commit`` fills the new one.  So a segment with p_filesz > p_memsz, or one that lies where the stack is, is
found in ``commit`` although it could be seen earlier: that is where Linux finds it.

Every error carries a sentence saying what is wrong with the file, for the one program whose name the user typed.

Segments are private mappings of the file, so all processes share its pages, and the second exec of a program reads
nothing.  Only the page in which the file part of a segment ends and its zeroed part begins is written to, and so
copied.  Of the program headers the kernel uses PT_LOAD, PT_INTERP and PT_GNU_STACK; PT_PHDR, PT_TLS, PT_GNU_RELRO and
PT_DYNAMIC are for the C library, which finds them through AT_PHDR.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple, Protocol

from kernel.errno import Errno
from kernel.hardware import PAGE_MASK, PAGE_SIZE, USER_TOP
from loader import elf, script
from loader.elf import ET_DYN, ET_EXEC, PF_R, PF_W, PF_X, PT_LOAD, U64, Ehdr, Phdr, page_align, page_start
from loader.layout import ET_DYN_BASE, Layout
from loader.stack import Addresses, Credentials, Processor, Strings, build, check_limits, string_pages, strings_size

PROT_READ, PROT_WRITE, PROT_EXEC = 1, 2, 4
MAP_PRIVATE = 0x02
MAP_FIXED = 0x10
MAP_ANONYMOUS = 0x20
MAP_GROWSDOWN = 0x100
MAP_FIXED_NOREPLACE = 0x100000

STACK_EXPAND = 131072
"""Bytes of stack mapped at once below the strings (``setup_arg_pages``)."""


class ExecFile(elf.ByteSource, Protocol):
    """An executable opened by the kernel; what mapping it takes is between the kernel and its address space."""


OpenExec = Callable[[bytes], ExecFile]
"""Opens an interpreter by path with execute permission (``open_exec``); raises ENOENT, EACCES, ETXTBSY, ELOOP..."""


class Memory(Protocol):
    """What loading needs of an address space that is new and empty.  The rules are those of mmap(2) and brk(2)."""

    def set_mmap_base(self, address: int) -> None:
        """Let mappings without a fixed address grow down from ``address`` (``arch_pick_mmap_layout``)."""

    def mmap_file(self, address: int, length: int, prot: int, flags: int, file: ExecFile, offset: int) -> int:
        """Map ``length`` bytes of ``file`` from ``offset`` and return the address.

        All three numbers are multiples of the page size, below 2**64 and not checked.  Raises as mmap(2): EEXIST,
        ENOMEM, EINVAL, EOVERFLOW, EPERM.
        """

    def mmap_anonymous(self, address: int, length: int, prot: int, flags: int) -> int:
        """Map ``length`` bytes (page aligned, not 0) of zeros; MAP_GROWSDOWN makes it the stack.  Raises as mmap(2)."""

    def munmap(self, address: int, length: int) -> None:
        """Remove what is mapped there (page aligned, not 0).  EINVAL outside user space."""

    def map_vdso(self) -> int:
        """Map the vDSO into a free place and return its address, 0 if this machine has none."""

    def write(self, address: int, data: bytes) -> None:
        """Store as the program itself would (``copy_to_user``).  EFAULT where it could not."""

    def set_brk(self, start: int) -> None:
        """Let the heap start, empty, at ``start``."""


class Image(NamedTuple):
    """What the kernel must know of a loaded program; all addresses (``mm_struct``, /proc/PID/stat and maps).

    ``interp_base``, ``vdso``: 0 if there is none.  ``auxv``: as /proc/PID/auxv shows it.
    """

    entry: int
    sp: int
    brk: int
    start_code: int
    end_code: int
    start_data: int
    end_data: int
    start_stack: int
    arg_start: int
    arg_end: int
    env_start: int
    env_end: int
    load_bias: int
    interp_base: int
    vdso: int
    auxv: bytes


class Object(NamedTuple):
    """An ELF file whose headers were accepted: the program or its interpreter."""

    file: ExecFile
    ehdr: Ehdr
    phdrs: tuple[Phdr, ...]


class Program(NamedTuple):
    """A program that may be started: the result of ``prepare``.

    ``program.file`` is what /proc/PID/exe names and what set-id bits are taken from (of a script: the interpreter's).
    """

    program: Object
    interpreter: Object | None
    strings: Strings
    executable_stack: bool

    def commit(
        self,
        memory: Memory,
        layout: Layout,
        random: bytes,
        credentials: Credentials,
        processor: Processor,
        rlimit_stack: int,
    ) -> Image:
        """Fill ``memory`` and return where to start.

        ``random``: the 16 bytes of AT_RANDOM.  ``rlimit_stack`` in bytes bounds the part of the stack mapped at once.
        Raises any Errno; the process is then to be killed by SIGSEGV.
        """
        memory.set_mmap_base(layout.mmap_base)
        _map_stack(memory, self.strings, layout.stack_top, rlimit_stack, self.executable_stack)
        mapped = _map_program(memory, self.program, self.interpreter is not None, layout)
        program_entry = (self.program.ehdr.entry + mapped.bias) & U64
        entry, base = program_entry, 0
        if self.interpreter is not None:
            base = _map_interpreter(memory, self.interpreter, mapped.bias)
            entry = (base + self.interpreter.ehdr.entry) & U64
        if entry >= USER_TOP:
            raise Errno.EINVAL(f"entry point {entry:#x} outside user space")
        vdso = memory.map_vdso()
        ehdr = self.program.ehdr
        addresses = Addresses(mapped.phdr, ehdr.phentsize, ehdr.phnum, base, program_entry, vdso)
        stack = build(self.strings, addresses, credentials, processor, random, layout.stack_top, layout.stack_jitter)
        memory.write(stack.sp, stack.data)

        # "brk" handling of load_elf_binary: a loader run directly lies among the mappings, where the heap could not
        # grow, so its heap goes where programs usually are.
        moved = ehdr.type == ET_DYN and self.interpreter is None
        brk = page_align(ET_DYN_BASE if moved else mapped.brk)
        if layout.randomized:
            brk += layout.brk_offset if moved else layout.brk_offset + PAGE_SIZE
        memory.set_brk(brk)
        return Image(
            entry=entry,
            sp=stack.sp,
            brk=brk,
            start_code=mapped.start_code,
            end_code=mapped.end_code,
            start_data=mapped.start_data,
            end_data=mapped.end_data,
            start_stack=stack.sp,
            arg_start=stack.arg_start,
            arg_end=stack.arg_end,
            env_start=stack.env_start,
            env_end=stack.env_end,
            load_bias=mapped.bias,
            interp_base=base,
            vdso=vdso,
            auxv=stack.auxv,
        )


def prepare(
    file: ExecFile,
    filename: bytes,
    argv: tuple[bytes, ...],
    envp: tuple[bytes, ...],
    rlimit_stack: int,
    open_exec: OpenExec,
    path_inaccessible: bool = False,
) -> Program:
    """Check everything that can be checked while the old program is still there.

    ``file`` is already open for execution under ``filename`` (AT_EXECFN; ``/dev/fd/N`` forms for execveat(2)).
    ``rlimit_stack`` in bytes.  ``open_exec`` opens script and ELF interpreters; whatever it opened stays open, also
    after an error, and is the caller's to close once ``commit`` is done.  ``path_inaccessible``: the name goes through
    a close-on-exec descriptor, so no script interpreter could open it (ENOENT).

    Raises E2BIG, ENOEXEC, ELOOP, ELIBBAD, EIO, EINVAL, EACCES and whatever ``open_exec`` raises.
    """
    # execve(2), since Linux 5.18: an empty argv is given an empty argv[0].
    strings = Strings(filename, argv or (b"",), envp)
    limit = check_limits(strings, rlimit_stack)
    name = filename
    for _ in range(script.MAX_REWRITES + 1):
        head = file.read_at(0, script.BUF_SIZE)
        shebang = script.parse(head)
        if shebang is None:
            return _prepare_elf(file, head, strings, open_exec)
        if path_inaccessible:
            raise Errno.ENOENT("the script's path is on a close-on-exec descriptor")
        strings = strings._replace(argv=shebang.rewrite(strings.argv, name))
        if strings_size(strings) > limit:
            raise Errno.E2BIG("arguments and environment are too long")
        name = shebang.path
        file = _open_named(open_exec, name)
    raise Errno.ELOOP(f"more than {script.MAX_REWRITES} scripts run each other")


def _open_named(open_exec: OpenExec, path: bytes) -> ExecFile:
    """Open an interpreter; an error names it, since it is not the file the user asked for.

    An empty path is not refused by ``getname_kernel`` and leads to the current directory, which cannot be executed.
    """
    try:
        if not path:
            raise Errno.EACCES
        return open_exec(path)
    except Errno as error:
        if error.args:
            raise
        raise type(error)(f"interpreter {path.decode(errors='backslashreplace')!r} cannot be opened") from None


def _prepare_elf(file: ExecFile, head: bytes, strings: Strings, open_exec: OpenExec) -> Program:
    """The checks of ``load_elf_binary`` up to ``begin_new_exec``, in its order."""
    ehdr = elf.parse_ehdr(head.ljust(elf.EHDR.size, b"\0"))
    wrong = elf.complaint(ehdr)
    if wrong is None and ehdr.type not in (ET_EXEC, ET_DYN):
        wrong = f"ELF file of type {ehdr.type}, neither executable nor shared object"
    if wrong is not None:
        raise Errno.ENOEXEC(wrong)
    phdrs = elf.read_phdrs(file, ehdr)
    path = elf.interpreter_path(file, phdrs)
    interpreter = None if path is None else _prepare_interpreter(_open_named(open_exec, path))
    return Program(Object(file, ehdr, phdrs), interpreter, strings, elf.executable_stack(phdrs))


def _prepare_interpreter(file: ExecFile) -> Object:
    """Check the headers of the dynamic linker: EIO if there is no room for one, else ELIBBAD."""
    ehdr = elf.parse_ehdr(elf.read_exact(file, 0, elf.EHDR.size))
    wrong = elf.complaint(ehdr)
    if wrong is not None:
        raise Errno.ELIBBAD(f"the interpreter is unusable: {wrong}")
    try:
        return Object(file, ehdr, elf.read_phdrs(file, ehdr))
    except Errno.ENOEXEC as error:
        raise Errno.ELIBBAD(f"the interpreter is unusable: {error}") from None


class _Mapped(NamedTuple):
    """Where the program lies.  ``brk``: the end of its last segment, not rounded."""

    bias: int
    phdr: int
    brk: int
    start_code: int
    end_code: int
    start_data: int
    end_data: int


def _map_stack(memory: Memory, strings: Strings, top: int, rlimit_stack: int, executable: bool) -> None:
    """Map the stack: the pages of the strings and, within RLIMIT_STACK, 128 KiB more (``setup_arg_pages``)."""
    used = top - string_pages(strings, top)
    size = max(used, min(rlimit_stack & ~PAGE_MASK, used + STACK_EXPAND))
    prot = PROT_READ | PROT_WRITE | (PROT_EXEC if executable else 0)
    memory.mmap_anonymous(top - size, size, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_GROWSDOWN)


def _prot(phdr: Phdr) -> int:
    flags = phdr.flags
    return (PROT_READ if flags & PF_R else 0) | (PROT_WRITE if flags & PF_W else 0) | (PROT_EXEC if flags & PF_X else 0)


def _map_file_part(memory: Memory, file: ExecFile, address: int, phdr: Phdr, prot: int, flags: int, total: int) -> int:
    """Map the pages of the file that hold a segment (``elf_map``); return the address of the first.

    ``total``, if not 0, is the size of all segments: they are mapped as one first, so that a free place is found that
    is large enough for all, and the remainder is unmapped again.
    """
    skew = phdr.vaddr & PAGE_MASK
    size = page_align(phdr.filesz + skew)
    offset = (phdr.offset - skew) & U64
    address = page_start(address)
    if not size:
        return address
    if offset & PAGE_MASK:
        raise Errno.EINVAL("file offset and address of a segment differ within the page")
    if not total:
        return memory.mmap_file(address, size, prot, flags, file, offset)
    total = page_align(total)
    if not total:
        raise Errno.ENOMEM("segments span the whole address space")
    address = memory.mmap_file(address, total, prot, flags, file, offset)
    if total > size:
        with suppress(Errno.EINVAL):
            memory.munmap(address + size, total - size)
    return address


def _map_segment(memory: Memory, file: ExecFile, address: int, phdr: Phdr, flags: int, total: int) -> int:
    """Map one PT_LOAD to ``address`` (modulo 2**64) and zero what is not of the file (``elf_load``)."""
    prot = _prot(phdr)
    skew = phdr.vaddr & PAGE_MASK
    if phdr.filesz:
        start = _map_file_part(memory, file, address, phdr, prot, flags, total)
        if start >= USER_TOP:
            raise Errno.EINVAL(f"segment at {start:#x} outside user space")
        file_end = (start + skew + phdr.filesz) & U64
        if phdr.memsz > phdr.filesz and file_end & PAGE_MASK:
            # The page of the file goes on behind the segment; a read-only segment keeps what is there.
            try:
                memory.write(file_end, bytes(-file_end & PAGE_MASK))
            except Errno.EFAULT:
                if prot & PROT_WRITE:
                    raise
    else:
        start = page_start(address)
        file_end = start
    if phdr.memsz > phdr.filesz:
        zero_start = page_align(file_end)
        length = (page_align(start + skew + phdr.memsz) - zero_start) & U64
        if length:
            zero_prot = PROT_READ | PROT_WRITE | prot & PROT_EXEC
            memory.mmap_anonymous(zero_start, length, zero_prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED)
    return start


def _overflows(phdr: Phdr, address: int) -> bool:
    """Tell whether a segment at ``address`` ends outside user space, or has more bytes in the file than in memory."""
    return address >= USER_TOP or phdr.filesz > phdr.memsz or phdr.memsz > USER_TOP or USER_TOP - phdr.memsz < address


def _load_bias(memory: Memory, program: Object, first: Phdr, total: int, interpreted: bool, layout: Layout) -> tuple[int, int]:
    """Return the load bias of a position-independent program and the MAP_* flag for its first segment.

    Programs with an interpreter go to ELF_ET_DYN_BASE.  Those without are loaders ("PIE handling" in
    ``load_elf_binary``) and go where mmap puts them; if they ask for more than page alignment the place is tried out.
    """
    alignment = elf.maximum_alignment(program.phdrs)
    if interpreted:
        base, flag = layout.dyn_base, MAP_FIXED_NOREPLACE
    elif alignment > PAGE_SIZE:
        base, flag = _map_segment(memory, program.file, 0, first, MAP_PRIVATE, total), MAP_FIXED_NOREPLACE
        with suppress(Errno.EINVAL):
            memory.munmap(base, page_align(total))
    else:
        base, flag = 0, 0
    if alignment:
        base &= -alignment
    return page_start(base - first.vaddr), flag


def _map_program(memory: Memory, program: Object, interpreted: bool, layout: Layout) -> _Mapped:
    """Map the segments of the program itself."""
    ehdr = program.ehdr
    bias = phdr_address = brk = end_code = start_data = end_data = 0
    start_code = U64
    first = True
    for phdr in program.phdrs:
        if phdr.type != PT_LOAD:
            continue
        vaddr = phdr.vaddr
        flags, total = MAP_PRIVATE | MAP_FIXED, 0
        if first and ehdr.type == ET_EXEC:
            flags = MAP_PRIVATE | MAP_FIXED_NOREPLACE
        elif first:
            total = elf.total_mapping_size(program.phdrs)
            if not total:
                raise Errno.EINVAL("segments of size 0")
            bias, flag = _load_bias(memory, program, phdr, total, interpreted, layout)
            flags = MAP_PRIVATE | flag
        start = _map_segment(memory, program.file, bias + vaddr, phdr, flags, total)
        if start >= USER_TOP:
            raise Errno.EINVAL(f"segment at {start:#x} outside user space")
        if first and ehdr.type == ET_DYN:
            bias = (bias + start - page_start(bias + vaddr)) & U64
        first = False
        if phdr.offset <= ehdr.phoff < (phdr.offset + phdr.filesz) & U64:
            phdr_address = ehdr.phoff - phdr.offset + vaddr
        if _overflows(phdr, vaddr):
            raise Errno.EINVAL(f"segment of {phdr.memsz:#x} bytes at {vaddr:#x}")
        file_end = vaddr + phdr.filesz
        if phdr.flags & PF_X:
            start_code = min(start_code, vaddr)
            end_code = max(end_code, file_end)
        start_data = max(start_data, vaddr)
        end_data = max(end_data, file_end)
        brk = max(brk, vaddr + phdr.memsz)
    return _Mapped(bias, *((address + bias) & U64 for address in (phdr_address, brk, start_code, end_code, start_data, end_data)))


def _map_interpreter(memory: Memory, interpreter: Object, bias: int) -> int:
    """Map the dynamic linker (``load_elf_interp``) and return its load bias; ``bias`` is that of the program."""
    ehdr = interpreter.ehdr
    if ehdr.type not in (ET_EXEC, ET_DYN):
        raise Errno.EPERM(f"the interpreter is of ELF type {ehdr.type}")
    total = elf.total_mapping_size(interpreter.phdrs)
    if not total:
        raise Errno.EINVAL("the interpreter has no segments")
    base = 0
    placed = False
    for phdr in interpreter.phdrs:
        if phdr.type != PT_LOAD:
            continue
        flags = MAP_PRIVATE
        if ehdr.type == ET_EXEC or placed:
            flags |= MAP_FIXED
        elif bias:
            base = -phdr.vaddr & U64
        start = _map_segment(memory, interpreter.file, base + phdr.vaddr, phdr, flags, total)
        total = 0
        if start >= USER_TOP:
            raise Errno.EINVAL(f"segment of the interpreter at {start:#x} outside user space")
        if not placed and ehdr.type == ET_DYN:
            base = (start - page_start(phdr.vaddr)) & U64
            placed = True
        if _overflows(phdr, (base + phdr.vaddr) & U64):
            raise Errno.ENOMEM(f"segment of {phdr.memsz:#x} bytes at {phdr.vaddr:#x} in the interpreter")
    return base
