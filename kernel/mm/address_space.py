"""The address space of a process (``mm_struct``).

Threads, and processes made with CLONE_VM, share one by ``users``.  Fork copies the list of areas and lets the machine share the
page tables copy-on-write.  Everything that changes areas goes through the few primitives here (``insert``, ``split``,
``merge``, ``unmap``, ``set_flags``), which keep four things in step: the list, the references on files, the accounting, and what
user access remembers of the page tables.  The system calls are in the other modules of this package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.errno import Errno
from kernel.hardware import PAGE_MASK, PAGE_SHIFT, PAGE_SIZE, USER_TOP, OutOfFrames
from kernel.mm import fault
from kernel.mm.access import UserAccess
from kernel.mm.vma import (
    VM_ACCESS,
    VM_DONTCOPY,
    VM_EXEC,
    VM_GROWSDOWN,
    VM_LOCKED,
    VM_LOCKONFAULT,
    VM_MAYSHARE,
    VM_SHARED,
    VM_WIPEONFORK,
    VM_WRITE,
    Vma,
    VmaList,
    mergeable,
)
from kernel.rlimit import RLIM_INFINITY, RLIM_NLIMITS, RLIMIT_AS, RLIMIT_DATA, RLIMIT_MEMLOCK, Rlimits

if TYPE_CHECKING:
    from kernel.binfmt import Image
    from kernel.fs.file import File, PageSource
    from kernel.hardware import PageTables
    from kernel.kernel import Kernel
    from kernel.mm.fault import FaultSignal
    from kernel.mm.memory import Memory
    from kernel.task import Thread

MMAP_BASE = 0x7FFF_F7FF_F000
"""Where mappings grow down from without randomisation and with a stack limit up to 127 MiB."""
SUID_DUMP_DISABLE = 0
SUID_DUMP_USER = 1
SUID_DUMP_ROOT = 2
DUMP_FILTER_DEFAULT = 0x33
"""MMF_DUMP_FILTER_DEFAULT: private and shared anonymous memory, the headers of ELF files, private huge pages."""
DUMP_FILTER_MASK = 0x1FF


class AddressSpace(UserAccess):
    """One address space.

    ``users``: threads that run in it.  ``rlimits``: those of the process it was made for.  ``total_vm``, ``data_vm``,
    ``exec_vm``, ``stack_vm``, ``locked_vm``, ``hiwater_vm``, ``hiwater_rss`` are pages; ``start_code`` ... ``env_end`` and
    ``mmap_base`` addresses.  ``exe_file``: /proc/PID/exe, with a reference.  ``auxv``: as in /proc/PID/auxv.
    ``ldt``: the descriptors of modify_ldt(2).
    ``binfmt``: name of the loader that made it.  ``def_flags``: VM_* flags new areas get (mlockall).  ``owner_ns``: the user
    namespace of the exec.  ``oom_reaped``: the OOM killer has taken its memory.  ``dump_filter``: /proc/PID/coredump_filter.
    """

    __slots__ = (
        "users", "areas", "rlimits", "total_vm", "data_vm", "exec_vm", "stack_vm", "locked_vm", "hiwater_vm", "hiwater_rss",
        "mmap_base", "legacy_layout", "hole_limit", "hole_length",
        "start_code", "end_code", "start_data", "end_data", "start_brk", "brk", "start_stack",
        "arg_start", "arg_end", "env_start", "env_end", "vdso",
        "exe_file", "dumpable", "auxv", "binfmt", "def_flags", "owner_ns", "oom_reaped", "dead",
        "ldt", "membarrier", "thp_disabled", "dump_filter", "__weakref__",
    )  # fmt: skip

    def __init__(self, kernel: Kernel, rlimits: Rlimits | None = None) -> None:
        """Make an empty address space (``mm_alloc``) whose growth ``rlimits`` bounds.  ENOMEM."""
        memory: Memory = kernel.memory
        self._init(memory, memory.new_tables(), rlimits)

    def _init(self, memory: Memory, tables: PageTables, rlimits: Rlimits | None) -> None:
        UserAccess.__init__(self, memory, tables)
        self.users = 1
        self.areas = VmaList()
        self.rlimits = rlimits or Rlimits([[RLIM_INFINITY, RLIM_INFINITY] for _ in range(RLIM_NLIMITS)])
        self.total_vm = self.data_vm = self.exec_vm = self.stack_vm = self.locked_vm = 0
        self.hiwater_vm = self.hiwater_rss = 0
        self.mmap_base = MMAP_BASE
        self.legacy_layout = False
        self.hole_limit = MMAP_BASE
        self.hole_length = 0
        self.start_code = self.end_code = self.start_data = self.end_data = 0
        self.start_brk = self.brk = self.start_stack = 0
        self.arg_start = self.arg_end = self.env_start = self.env_end = 0
        self.vdso = 0
        self.exe_file: File | None = None
        self.dumpable = SUID_DUMP_USER
        self.auxv = b""
        self.binfmt = b""
        self.def_flags = 0
        self.owner_ns: object = None
        self.oom_reaped = False
        self.dead = False
        self.ldt = b""
        self.membarrier = 0
        self.thp_disabled = False
        self.dump_filter = DUMP_FILTER_DEFAULT

    # -- life -----------------------------------------------------------------------------------------------------
    def hold(self) -> AddressSpace:
        """Count one more user (CLONE_VM) and return self."""
        self.users += 1
        return self

    def put(self) -> None:
        """A user leaves; with the last one everything is given back (``mmput``)."""
        self.users -= 1
        if self.users == 0:
            self.destroy()

    def destroy(self) -> None:
        """Give everything back (``exit_mmap``)."""
        self.dead = True
        self.update_hiwater()
        self.forget_all()
        for vma in self.areas.areas:
            self._release(vma)
        self.areas = VmaList()
        self.tables.destroy()
        if self.exe_file is not None:
            self.exe_file.drop()
            self.exe_file = None
        self.total_vm = self.data_vm = self.exec_vm = self.stack_vm = self.locked_vm = 0

    def fork(self, rlimits: Rlimits | None = None) -> AddressSpace:
        """Return a copy for a child whose limits are ``rlimits`` (default: the same object); ``dup_mmap``.  ENOMEM.

        Locks are not inherited (mlock(2)); MADV_DONTFORK areas are absent and MADV_WIPEONFORK ones empty in the child.
        """
        self._writable.clear()
        tables = self.memory.attempt(self.tables.fork)
        child = AddressSpace.__new__(AddressSpace)
        child._init(self.memory, tables, rlimits or self.rlimits)
        areas = child.areas
        for vma in self.areas.areas:
            flags = vma.flags
            if flags & (VM_DONTCOPY | VM_WIPEONFORK):
                self.memory.attempt(tables.unmap, vma.start, vma.end)
                if flags & VM_DONTCOPY:
                    child.account(flags, -vma.pages)
                    continue
            twin = vma.copy()
            twin.flags = flags & ~(VM_LOCKED | VM_LOCKONFAULT)
            if flags & VM_WIPEONFORK:
                twin.anon, twin.inherited = None, False
            elif vma.anon is not None:
                twin.anon, twin.inherited = object(), True
            if vma.source is not None:
                child._acquire(vma)
            areas.append(twin)
        child.total_vm += self.total_vm
        child.data_vm += self.data_vm
        child.exec_vm += self.exec_vm
        child.stack_vm += self.stack_vm
        child.hiwater_vm = child.total_vm
        child.hiwater_rss = tables.resident()
        child.mmap_base, child.legacy_layout = self.mmap_base, self.legacy_layout
        child.hole_limit = self.mmap_base
        child.start_code, child.end_code = self.start_code, self.end_code
        child.start_data, child.end_data = self.start_data, self.end_data
        child.start_brk, child.brk, child.start_stack = self.start_brk, self.brk, self.start_stack
        child.arg_start, child.arg_end = self.arg_start, self.arg_end
        child.env_start, child.env_end, child.vdso = self.env_start, self.env_end, self.vdso
        if self.exe_file is not None:
            child.exe_file = self.exe_file.hold()
        child.dumpable, child.auxv, child.binfmt, child.owner_ns = self.dumpable, self.auxv, self.binfmt, self.owner_ns
        child.ldt = self.ldt
        child.membarrier, child.thp_disabled, child.dump_filter = self.membarrier, self.thp_disabled, self.dump_filter
        return child

    def set_image(self, image: Image) -> None:
        """Remember where the parts of a freshly loaded program are; the heap starts, empty, behind it."""
        self.start_code, self.end_code = image.start_code, image.end_code
        self.start_data, self.end_data = image.start_data, image.end_data
        self.start_stack = image.start_stack
        self.arg_start, self.arg_end = image.arg_start, image.arg_end
        self.env_start, self.env_end = image.env_start, image.env_end
        self.auxv = image.auxv
        self.set_brk(image.brk)

    def set_brk(self, start: int) -> None:
        """Let the heap start, empty, at the page boundary from ``start`` on."""
        self.start_brk = self.brk = (start + PAGE_MASK) & ~PAGE_MASK

    def set_exe_file(self, file: File | None) -> None:
        """Make ``file`` what /proc/PID/exe names, taking a reference."""
        if file is not None:
            file.hold()
        if self.exe_file is not None:
            self.exe_file.drop()
        self.exe_file = file

    # -- faults ---------------------------------------------------------------------------------------------------
    def handle_fault(self, t: Thread, address: int, error_code: int) -> FaultSignal | None:
        """Serve a page fault of user mode: None, or the signal (signo, si_code, si_addr) it earns."""
        return fault.handle_fault(self, t, address, error_code)

    # -- accounting -----------------------------------------------------------------------------------------------
    def account(self, flags: int, pages: int) -> None:
        """Count ``pages`` more (or fewer) of an area with ``flags`` (``vm_stat_account``)."""
        self.total_vm += pages
        if self.total_vm > self.hiwater_vm:
            self.hiwater_vm = self.total_vm
        if flags & (VM_EXEC | VM_WRITE | VM_GROWSDOWN) == VM_EXEC:
            self.exec_vm += pages
        elif flags & VM_GROWSDOWN:
            self.stack_vm += pages
        elif flags & (VM_WRITE | VM_SHARED) == VM_WRITE:
            self.data_vm += pages
        if flags & VM_LOCKED:
            self.locked_vm += pages

    def may_expand(self, flags: int, pages: int) -> bool:
        """Tell whether RLIMIT_AS and, for private writable memory, RLIMIT_DATA allow more (``may_expand_vm``)."""
        if self.total_vm + pages > self.rlimits.soft(RLIMIT_AS) >> PAGE_SHIFT:
            return False
        return flags & (VM_WRITE | VM_SHARED | VM_GROWSDOWN) != VM_WRITE or self.may_expand_data(pages)

    def may_expand_data(self, pages: int) -> bool:
        """Tell whether RLIMIT_DATA allows ``pages`` more of private writable memory."""
        return self.data_vm + pages <= self.rlimits.soft(RLIMIT_DATA) >> PAGE_SHIFT

    def may_lock(self, pages: int) -> bool:
        """Tell whether RLIMIT_MEMLOCK allows ``pages`` more locked pages; CAP_IPC_LOCK is the caller's business."""
        return self.locked_vm + pages <= self.rlimits.soft(RLIMIT_MEMLOCK) >> PAGE_SHIFT

    def update_hiwater(self) -> None:
        """Before pages go away: remember how many there were (``update_hiwater_rss``)."""
        resident = self.tables.resident()
        if resident > self.hiwater_rss:
            self.hiwater_rss = resident

    def peak_resident(self) -> int:
        """Return the most pages that were ever present (VmHWM, ru_maxrss)."""
        if not self.dead:
            self.update_hiwater()
        return self.hiwater_rss

    # -- areas ----------------------------------------------------------------------------------------------------
    def _acquire(self, vma: Vma) -> None:
        """Take the references an area holds: on its file, and in the list of who maps its source."""
        if vma.source is not None:
            if vma.file is not None:
                vma.file.refs += 1
            self.memory.mapped(vma.source, self)

    def _release(self, vma: Vma) -> None:
        if vma.source is not None:
            self.memory.unmapped(vma.source, self)
            if vma.file is not None:
                vma.file.drop()

    def insert(self, vma: Vma) -> Vma:
        """Add an area to its free range, count it, and join it with its neighbours; return the area that it is part of
        now.  Takes its own reference on the file."""
        self._acquire(vma)
        self.areas.insert(vma)
        self.account(vma.flags, vma.pages)
        return self.merge(vma)

    def merge(self, vma: Vma) -> Vma:
        """Join an area with its neighbours where they are alike; return the result."""
        previous = self.areas.before(vma)
        if previous is not None and mergeable(previous, vma):
            vma = self._join(previous, vma)
        following = self.areas.after(vma)
        if following is not None and mergeable(vma, following):
            vma = self._join(vma, following)
        return vma

    def _join(self, low: Vma, high: Vma) -> Vma:
        self.areas.remove(high)
        low.end = high.end
        if low.anon is None:
            low.anon, low.inherited = high.anon, high.inherited
        self._release(high)
        return low

    def split(self, vma: Vma, address: int) -> Vma:
        """Cut an area at ``address`` (within it, page aligned) and return the upper part; ``vma`` is the lower."""
        upper = vma.copy()
        upper.pgoff = vma.index(address)
        upper.start = address
        vma.end = address
        self._acquire(upper)
        self.areas.insert(upper)
        return upper

    def isolate(self, vma: Vma, start: int, end: int) -> Vma:
        """Cut ``vma`` so that an area covers just its part in [start, end), and return that.

        ENOMEM at ``max_map_count`` (``split_vma``).
        """
        if start > vma.start:
            self.check_map_count()
            vma = self.split(vma, start)
        if end < vma.end:
            self.check_map_count()
            self.split(vma, end)
        return vma

    def check_map_count(self) -> None:
        """ENOMEM if there may be no more areas."""
        if len(self.areas) >= self.memory.max_map_count:
            raise Errno.ENOMEM

    def set_flags(self, vma: Vma, start: int, end: int, flags: int) -> Vma:
        """Give the part of ``vma`` in [start, end) other flags; return the area it is part of now (``vma_modify_flags``).

        Page tables are the caller's business.
        """
        vma = self.isolate(vma, max(start, vma.start), min(end, vma.end))
        pages = vma.pages
        self.account(vma.flags, -pages)
        vma.flags = flags
        self.account(flags, pages)
        return self.merge(vma)

    def unmap(self, start: int, end: int) -> None:
        """Remove whatever is mapped in [start, end) (page aligned); ENOMEM if that needs too many areas."""
        found = self.areas.overlapping(start, end)
        if not found:
            return
        first, last = found[0], found[-1]
        # Punching a hole makes one area more (do_vmi_align_munmap).
        if first.start < start and first.end > end:
            self.check_map_count()
        self._remove_pages(max(start, first.start), min(end, last.end))
        if first.start < start:
            found[0] = self.split(first, start)
            if last is first:
                last = found[0]
        if last.end > end:
            self.split(last, end)
        for vma in found:
            self.account(vma.flags, -vma.pages)
            self.areas.remove(vma)
            self._release(vma)
        following = self.areas.find(end)
        top = self.mmap_base if following is None else following.start
        if top > self.hole_limit:
            self.hole_limit = top

    def protect(self, start: int, end: int, flags: int) -> None:
        """Make present pages of [start, end) obey the VM_READ, VM_WRITE, VM_EXEC bits of ``flags``; W is set by faults.
        ENOMEM."""
        readable = flags & VM_ACCESS != 0
        protect = self.tables.protect
        try:
            if not protect(start, end, flags & VM_WRITE != 0, flags & VM_EXEC != 0, readable):
                return
        except OutOfFrames:  # a part may have changed
            self.forget_range(start, end)
            self.memory.attempt(protect, start, end, flags & VM_WRITE != 0, flags & VM_EXEC != 0, readable)
        self.forget_range(start, end)

    def zap(self, start: int, end: int) -> None:
        """Drop the pages of [start, end); the areas stay (``zap_page_range``).  ENOMEM."""
        self._remove_pages(start, end)

    def _remove_pages(self, start: int, end: int) -> None:
        tables = self.tables
        resident = tables.resident()
        if resident > self.hiwater_rss:
            self.hiwater_rss = resident
        try:
            self.memory.attempt(tables.unmap, start, end)
        finally:
            if tables.resident() != resident:
                self.forget_range(start, end)

    def unmap_source(self, source: PageSource, first: int, stop: int) -> None:
        """Drop pages first..stop-1 of a source wherever they are mapped, private copies too (``unmap_mapping_range`` with
        even_cows, as for truncation)."""
        for vma in self.areas.areas:
            if vma.source is source:
                low = max(first, vma.pgoff)
                high = min(stop, vma.pgoff + vma.pages)
                if low < high:
                    self.zap(vma.start + ((low - vma.pgoff) << PAGE_SHIFT), vma.start + ((high - vma.pgoff) << PAGE_SHIFT))

    # -- what futexes need ------------------------------------------------------------------------------------------
    def futex_key(self, address: int, shared: bool) -> tuple[object, ...]:
        """Return what identifies the futex at ``address`` (``get_futex_key``); equal keys mean the same futex.

        Private: address space and address.  Shared: the page of the file or shared memory, wherever each process has
        mapped it; private memory under a shared call is keyed apart from the private calls.  EFAULT.
        """
        if not 0 <= address < USER_TOP:
            raise Errno.EFAULT
        if not shared:
            return self, address
        self.read_u32(address)
        vma = self.areas.at(address)
        if vma is None:
            raise Errno.EFAULT
        if vma.flags & VM_MAYSHARE and vma.source is not None:
            return vma.source, vma.index(address & ~PAGE_MASK), address & PAGE_MASK
        return self, address, PAGE_SIZE
