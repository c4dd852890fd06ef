"""sysfs: what programs ask of the hardware there is, one processor and its node of memory (sysfs(5)).

The host's /sys describes the host and is never shown.  Directories where others expect classes, buses and devices are there and
empty; /sys/fs/cgroup is empty because there are no controllers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from kernel.fs.inode import S_IFDIR, Dentry, FileSystem
from kernel.fs.proc.generic import Entry, ProcDir, ProcFile, Tree
from kernel.sched_params import CPUS

if TYPE_CHECKING:
    from kernel.fs.vfs import Vfs
    from kernel.task import Thread

SYSFS_MAGIC = 0x62656572
ROOT_INO = 1
_CPUS = b"0" if CPUS == 1 else b"0-%d" % (CPUS - 1)
_MASK = b"%x" % ((1 << CPUS) - 1)


class SysFile(ProcFile):
    """An attribute: one page, whatever is in it."""

    __slots__ = ()

    def size(self) -> int:
        """4096."""
        return 4096


class SysFs(FileSystem):
    """One mount; all show the same."""

    __slots__ = ()

    def __init__(self, vfs: Vfs) -> None:
        super().__init__(vfs, b"sysfs", SYSFS_MAGIC)
        self.root = Dentry(b"/", None, ProcDir(self, ROOT_INO, _TREE))


def _attribute(name: bytes, value: bytes | Callable[[Thread], bytes]) -> Entry:
    """A read-only attribute; the text gets its newline here."""

    def show(t: Thread, _: Any) -> bytes:
        return (value(t) if callable(value) else value) + b"\n"

    return Entry(name, 0o100444, show, node=SysFile)


def _directory(name: bytes) -> Entry:
    return Entry(name, S_IFDIR | 0o755)


def _node_meminfo(t: Thread) -> bytes:
    memory = t.kernel.memory
    rows = (("MemTotal", memory.total), ("MemFree", memory.free), ("MemUsed", memory.total - memory.free))
    return "\n".join(f"Node 0 {name + ':':<15}{pages * 4:8d} kB" for name, pages in rows).encode()


_TOPOLOGY = {
    b"core_id": b"%d", b"physical_package_id": b"0", b"die_id": b"0", b"cluster_id": b"0",
}  # fmt: skip
_SIBLINGS = (
    (b"thread_siblings", True), (b"core_cpus", True), (b"core_siblings", False), (b"package_cpus", False), (b"die_cpus", False),
)  # fmt: skip
_VULNERABILITIES = (
    b"gather_data_sampling", b"itlb_multihit", b"l1tf", b"mds", b"meltdown", b"mmio_stale_data", b"reg_file_data_sampling",
    b"retbleed", b"spec_rstack_overflow", b"spec_store_bypass", b"spectre_v1", b"spectre_v2", b"srbds", b"tsx_async_abort",
)  # fmt: skip


def _rows() -> list[Entry]:
    cpu, node = b"devices/system/cpu/", b"devices/system/node/"
    rows = [
        _attribute(cpu + b"possible", _CPUS),
        _attribute(cpu + b"present", _CPUS),
        _attribute(cpu + b"online", _CPUS),
        _attribute(cpu + b"offline", b""),
        _attribute(cpu + b"isolated", b""),
        _attribute(cpu + b"kernel_max", b"%d" % (CPUS - 1)),
        *(_attribute(cpu + b"vulnerabilities/" + name, b"Not affected") for name in _VULNERABILITIES),
        _attribute(node + b"possible", b"0"),
        _attribute(node + b"online", b"0"),
        _attribute(node + b"has_cpu", b"0"),
        _attribute(node + b"has_memory", b"0"),
        _attribute(node + b"has_normal_memory", b"0"),
        _attribute(node + b"node0/cpulist", _CPUS),
        _attribute(node + b"node0/cpumap", _MASK),
        _attribute(node + b"node0/distance", b"10"),
        _attribute(node + b"node0/meminfo", _node_meminfo),
    ]
    for number in range(CPUS):
        topology = cpu + b"cpu%d/topology/" % number
        rows += [_attribute(topology + name, value % number if b"%" in value else value) for name, value in _TOPOLOGY.items()]
        for name, alone in _SIBLINGS:
            rows.append(_attribute(topology + name, b"%x" % (1 << number) if alone else _MASK))
            rows.append(_attribute(topology + name + b"_list", b"%d" % number if alone else _CPUS))
    empty = (b"block", b"bus", b"class", b"dev/block", b"dev/char", b"firmware", b"fs/cgroup", b"kernel", b"module", b"power")
    return rows + [_directory(name) for name in empty]


def _tree() -> Tree:
    tree = Tree(0o555)
    tree.add(_rows(), ROOT_INO + 1)
    return tree


_TREE: Final = _tree()
