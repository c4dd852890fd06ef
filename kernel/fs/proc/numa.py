"""/proc/PID/numa_maps: for each area its policy, what it maps and where its pages are, all of them on node 0
(show_numa_map of fs/proc/task_mmu.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.fs.pagecache import PageCache
from kernel.hardware import PAGE_SHIFT, PTE_D, PTE_FRAME
from kernel.mm.mempolicy import MPOL_F_RELATIVE_NODES, MPOL_F_STATIC_NODES, MPOL_MODE_FLAGS
from kernel.mm.shmem import ShmemPages
from kernel.mm.usage import Mappers, is_shmem
from kernel.mm.vma import VM_SHARED, Vma

if TYPE_CHECKING:
    from kernel.mm.address_space import AddressSpace
    from kernel.task import Thread

_MODES = ("default", "prefer", "bind", "interleave", "local", "prefer (many)", "weighted interleave")
_WITHOUT_NODES = (0, 4)


def policy_text(policy: tuple[int, int] | None) -> str:
    """Return a policy as Linux writes it (mpol_to_str)."""
    mode, nodes = policy if policy is not None else (0, 0)
    flags, mode = mode & MPOL_MODE_FLAGS, mode & ~MPOL_MODE_FLAGS
    text = _MODES[mode]
    if flags & MPOL_F_STATIC_NODES:
        text += "=static"
    elif flags & MPOL_F_RELATIVE_NODES:
        text += "=relative"
    return text + (":0" if nodes and mode not in _WITHOUT_NODES else "")


def _area(mm: AddressSpace, vma: Vma, t: Thread, policy: tuple[int, int] | None, mappers: Mappers) -> bytes:
    line = f"{vma.start:08x} {policy_text(vma.policy or policy)}".encode()
    name = vma.file.path(t) if vma.file is not None else vma.name if isinstance(vma.source, ShmemPages) else b""
    if name:
        line += b" file=" + name.replace(b"\n", b"\\012").replace(b"\t", b"\\011").replace(b" ", b"\\040")
    elif vma.start <= mm.brk and vma.end >= mm.start_brk:
        line += b" heap"
    elif vma.start <= mm.start_stack <= vma.end:
        line += b" stack"
    pages = anon = dirty = active = most = 0
    cached = vma.source.pages.get if isinstance(vma.source, PageCache) else None
    shmem = is_shmem(vma)
    for va, entry in mm.tables.present(vma.start, vma.end):
        frame = (entry & PTE_FRAME) >> PAGE_SHIFT
        if frame == mm.memory.zero_frame:
            continue
        own = cached is None or cached(vma.index(va)) != frame
        anonymous = own and not vma.flags & VM_SHARED
        pages += 1
        anon += anonymous
        active += not anonymous and not shmem
        dirty += bool(own or entry & PTE_D)
        most = max(most, mappers.count(mm, va, frame, not own))
    if pages:
        mapped = pages if pages not in (anon, dirty) else 0
        counts = (
            ("anon", anon), ("dirty", dirty), ("mapped", mapped), ("mapmax", most if most > 1 else 0),
            ("active", active if active < pages else None), ("N0", pages), ("kernelpagesize_kB", 4),
        )  # fmt: skip
        shown = [f" {name}={count}" for name, count in counts if count or (name == "active" and count == 0)]
        line += "".join(shown).encode()
    return line + b"\n"


def numa_maps(t: Thread, mm: AddressSpace) -> bytes:
    """The file; areas without a policy of their own have that of a thread of the process."""
    policy = next((thread.mempolicy for thread in t.kernel.all_threads() if thread.mm is mm), None)
    mappers = Mappers(t.kernel)
    return b"".join([_area(mm, vma, t, policy, mappers) for vma in mm.areas.areas])
