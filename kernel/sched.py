"""The scheduler and the run loop: one processor, round robin, slices counted in basic blocks.

The loop is the kernel's entry code.  A thread is in user mode (``kstack`` is None: run the processor until it traps) or
inside a kernel generator (``kstack``: resume it).  A system call that need not sleep is a plain function called right
here; one that sleeps returns a generator, which becomes the thread's kernel stack.  Before user mode is entered,
``work`` is looked at: signals, stops, task work (``exit_to_user_mode_loop`` of kernel/entry/common.c).

Nothing here depends on the host's time or on dict order of ids, so a run is a function of its inputs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from functools import partial
from types import GeneratorType
from typing import TYPE_CHECKING, Any

from kernel import rseq
from kernel.cpu_timers import check_cpu_timers
from kernel.errno import Errno
from kernel.exit import TaskDead, oops
from kernel.hardware import PAGE_MASK, PF_INSTR, VSYSCALL_ADDR, OutOfFrames, Trap
from kernel.ia32 import IA32, low_halves
from kernel.ptrace import TRACE_CHANGED, TRACE_EMU, TRACE_SYSCALL
from kernel.ptrace_stop import report_syscall_entry, report_syscall_exit
from kernel.ptrace_user import syscall_registers
from kernel.seccomp import secure_computing
from kernel.signal_deliver import EXIT_WORK, exit_to_user_mode
from kernel.signal_pending import fatal_signal_pending
from kernel.task import (
    DISK_SLEEP,
    RUNNING,
    SLEEPING,
    STOPPED,
    TRACED,
    WORK_SIGNAL,
    WORK_TRACE,
    Thread,
)
from kernel.traps import exception, force_fault
from kernel.user_dispatch import syscall_user_dispatch
from kernel.waitqueue import INTERRUPTIBLE, KILLABLE, UNINTERRUPTIBLE, Block, Blocking, Wakeup

if TYPE_CHECKING:
    from kernel.kernel import Kernel

SYSCALL_BLOCKS = 20
"""A system call or fault costs the virtual time of this many basic blocks, so that a loop of calls makes time pass."""

LOOK_NS = 100_000
"""Time between two looks at the outside world while tasks run."""

_MASK = (1 << 64) - 1
_PAGE_FAULT = Trap.PAGE_FAULT.value
_EXCEPTION = Trap.EXCEPTION.value
_ENOSYS = _MASK + 1 - Errno.ENOSYS.number
_NO_CALL = 0xFFFF_FFFF
"""Number -1: the tracer does not want the call to be made."""


class Deadlock(Exception):
    """Every task sleeps and nothing, inside or outside, can wake one."""


class Scheduler:
    """The run queue of one machine.

    ``slice``: length of a time slice in basic blocks.  ``switches``: context switches so far.
    """

    __slots__ = ("kernel", "queue", "slice", "_machine", "_resched", "current", "switches", "stopping")

    def __init__(self, kernel: Kernel, slice_blocks: int) -> None:
        self.kernel = kernel
        self.queue: deque[Thread] = deque()
        self.slice = slice_blocks
        cpu, clock, timers = kernel.cpu, kernel.clock, kernel.timers
        self._machine = cpu, clock, timers, clock.block_ns, SYSCALL_BLOCKS * clock.block_ns, timers.NEVER
        """What every slice needs."""
        self._resched = False
        self.current: Thread | None = None
        self.switches = 0
        self.stopping = False
        """Set to end ``run`` at the next chance (``--timeout``, second Ctrl-C)."""

    # -- waking ---------------------------------------------------------------------------------------------------
    def start(self, t: Thread) -> None:
        """Put a new thread on the run queue (wake_up_new_task)."""
        t.wake_callback = partial(self._event, t)
        t.state = RUNNING
        self.queue.append(t)

    def _event(self, t: Thread, key: object) -> bool:
        """A queue on which ``t`` sleeps was woken with ``key``."""
        block = t.block
        if block is not None and block.accepts is not None and not block.accepts(key):
            return False
        return self.wake(t)

    def wake(self, t: Thread, reason: Wakeup = Wakeup.EVENT) -> bool:
        """End the sleep of ``t``; return False if it was not asleep (try_to_wake_up)."""
        block = t.block
        if block is None:
            return False
        callback = t.wake_callback
        for queue in block.queues:
            queue.remove(callback)
        if t.timer is not None:
            self.kernel.timers.cancel(t.timer)
            t.timer = None
        t.block = None
        t.state = RUNNING
        t.wake_reason = reason
        self.queue.append(t)
        return True

    def signal_wake(self, t: Thread, fatal: bool) -> None:
        """Tell ``t`` that a signal is pending and end its sleep if that kind of sleep may end (signal_wake_up).

        A sleeper is woken as by an event, so that it looks at its condition first: what has happened wins over the signal
        that came with it.  If it then wants to sleep on, ``_sleep`` refuses and the sleep ends with Wakeup.SIGNAL.
        """
        t.work |= WORK_SIGNAL
        block = t.block
        if block is None:
            return
        if t.state in (STOPPED, TRACED):
            if fatal:
                self.wake(t, Wakeup.SIGNAL)
        elif block.state == INTERRUPTIBLE or (fatal and block.state == KILLABLE):
            self.wake(t)

    def resched(self, t: Thread) -> None:
        """End the slice of the running thread (sched_yield)."""
        self._resched = True

    # -- running --------------------------------------------------------------------------------------------------
    def run(self) -> None:
        """Run until no task is left.  Raises Deadlock."""
        kernel = self.kernel
        timers, clock, queue = kernel.timers, kernel.clock, self.queue
        console = kernel.console
        look = 0
        while kernel.tasks and not self.stopping:
            now = clock.monotonic()
            if timers.next <= now:
                timers.fire(now)
            if now >= look and console.attached:
                look = now + LOOK_NS
                console.poll(0)
            if queue:
                t = queue.popleft()
                self.current = t
                self._run_slice(t)
            else:
                self._idle()

    def _idle(self) -> None:
        """All tasks sleep: let time pass, or wait for the outside, or give up."""
        kernel = self.kernel
        timers, clock, console = kernel.timers, kernel.clock, kernel.console
        since = clock.monotonic()
        kernel.load.catch_up(since, 1)
        deadline = timers.next if timers.next < timers.NEVER else None
        if console.pending:
            if deadline is None:
                console.poll(None)
            elif not clock.virtual:
                console.poll(max(0, deadline - clock.monotonic()) / 1e9)
            elif not console.poll(0):
                clock.sleep_until(deadline)
        elif deadline is not None:
            clock.sleep_until(deadline)
        else:
            raise Deadlock
        now = clock.monotonic()
        kernel.idle_ns += now - since
        kernel.load.catch_up(now, 0)

    def _sleep(self, t: Thread, block: Block) -> bool:
        """Put ``t`` to sleep; return False if it need not (a signal is pending)."""
        if block.state != UNINTERRUPTIBLE and t.work & WORK_SIGNAL and t.state is RUNNING:
            if block.state == INTERRUPTIBLE or fatal_signal_pending(t):
                return False
        t.block = block
        if t.state is RUNNING:
            t.state = DISK_SLEEP if block.state else SLEEPING
        callback, exclusive = t.wake_callback, block.exclusive
        for queue in block.queues:
            queue.add(callback, exclusive)
        if block.deadline is not None:
            t.timer = self.kernel.timers.add(block.deadline, lambda: self._timeout(t))
        t.times.nvcsw += 1
        return True

    def _timeout(self, t: Thread) -> None:
        t.timer = None
        self.wake(t, Wakeup.TIMEOUT)

    def _resume(self, t: Thread) -> bool:
        """Run ``t`` inside the kernel; return True when it is back at the border of user mode."""
        stack = t.kstack
        assert stack is not None
        send = stack.send
        reason: Any = t.wake_reason
        t.wake_reason = None  # type: ignore[assignment]
        while True:
            try:
                while True:
                    block = send(reason)
                    if self._sleep(t, block):
                        return False
                    reason = Wakeup.SIGNAL
            except StopIteration:
                t.kstack = None
                return True
            except TaskDead:
                t.kstack = None
                return False
            except Exception as error:  # a defect of this kernel must not become the guest's crash dump
                t.kstack = oops(t, error)
                send, reason = t.kstack.send, None

    def _run_slice(self, t: Thread) -> None:
        kernel, calls = self.kernel, t.calls
        cpu, clock, timers, block_ns, call_ns, never = self._machine
        last = len(calls) - 1
        run = cpu.run if t.debug is None else t.debug.runner(cpu)
        budget = self.slice
        times, process, state = t.times, t.process, t.cpu
        self.switches += 1
        while True:
            if t.kstack is not None and not self._resume(t):
                return
            if t.work & EXIT_WORK:
                t.kstack = exit_to_user_mode(t)
                continue
            if budget <= 0 or self._resched:
                self._resched = False
                times.nivcsw += 1
                if t.rseq[0]:
                    rseq.fix_up(t)
                self.queue.append(t)
                return
            limit = budget
            if timers.next < never:
                until = clock.blocks_until(timers.next)
                if until < limit:
                    limit = until
            trap = run(state, t.mm.tables, limit)  # type: ignore[union-attr]
            blocks = cpu.blocks
            budget -= blocks + SYSCALL_BLOCKS
            blocks_ns = blocks * block_ns
            times.utime += blocks_ns
            clock.now += blocks_ns + call_ns
            if trap == 0:  # Trap.SYSCALL
                times.stime += call_ns
                args = cpu.syscall
                t.syscall_nr = number = args[0] & 0xFFFFFFFF
                if t.work & WORK_TRACE:
                    t.kstack = _traced_call(t, args)
                    continue
                try:
                    result = calls[number if number < last else last](t, args)
                    if type(result) is GeneratorType:
                        t.syscall_args = args
                        if t.ptrace:
                            state.rax = _ENOSYS  # what a tracer sees until the call returns
                        t.kstack = _sleeping_call(t, result)
                        continue
                    state.rax = result or 0
                except Errno as error:
                    state.rax = _MASK + 1 - error.number
                except OutOfFrames:
                    state.rax = _MASK + 1 - Errno.ENOMEM.number
                except Exception as error:
                    t.kstack = oops(t, error)
                    continue
            elif trap == _PAGE_FAULT:
                t.syscall_nr = -1
                try:
                    failure = t.mm.handle_fault(t, cpu.fault_address, cpu.error_code)  # type: ignore[union-attr]
                except Exception as error:
                    t.kstack = oops(t, error)
                    continue
                if failure is None:
                    times.minflt += 1
                elif cpu.fault_address & ~PAGE_MASK == VSYSCALL_ADDR and cpu.error_code & PF_INSTR:
                    t.kstack = _vsyscall(t)
                    continue
                else:
                    force_fault(t, failure, cpu.error_code)
            elif trap == _EXCEPTION:
                t.syscall_nr = -1
                raised = exception(t, cpu.vector, cpu.error_code, cpu.debug_status)
                if raised is not None:
                    t.kstack = exit_to_user_mode(t, raised)
                    continue
            elif trap == Trap.INT80:
                t.syscall_nr = IA32 | state.rax & 0xFFFF_FFFF
                t.kstack = _traced_call(t, syscall_registers(t))
                state.rax = _ENOSYS
                continue
            elif trap == Trap.INTERRUPTED:
                t.syscall_nr = -1
                kernel.console.poll(0)
                if self.stopping:
                    self.queue.append(t)
                    return
            else:
                t.syscall_nr = -1
            if process.cpu_timers:
                check_cpu_timers(t)
            if timers.next < never and timers.next <= clock.monotonic():
                timers.fire(clock.monotonic())


def _vsyscall(t: Thread) -> Blocking[None]:
    """A jump into the vsyscall page, as old programs make it."""
    from kernel.vsyscall import emulate_vsyscall

    return emulate_vsyscall(t)


def _store_result(t: Thread, result: object) -> None:
    t.cpu.rax = (result or 0) & _MASK  # type: ignore[operator]


def _sleeping_call(t: Thread, call: Generator[Block, Wakeup, object]) -> Blocking[None]:
    """Finish a system call that had to sleep."""
    try:
        result = yield from call
    except Errno as error:
        if t.exiting:
            raise
        result = -error.number
    except OutOfFrames:
        result = -Errno.ENOMEM.number
    _store_result(t, result)
    if t.trace_flags:  # somebody attached meanwhile
        yield from report_syscall_exit(t)


def _traced_call(t: Thread, args: tuple[int, ...]) -> Blocking[None]:
    """A system call somebody watches, or one of i386: report entry and exit (syscall_trace_enter, syscall_exit_work)."""
    kernel = t.kernel
    number = args[0] & 0xFFFFFFFF
    table = t.syscall_nr & IA32
    t.syscall_args = args
    if t.user_dispatch is not None and syscall_user_dispatch(t, t.user_dispatch):
        return
    execute = True
    made = True
    if t.trace_flags & (TRACE_SYSCALL | TRACE_EMU):
        t.cpu.rax = _ENOSYS
        t.trace_flags &= ~TRACE_CHANGED
        execute = yield from report_syscall_entry(t)
        if t.trace_flags & TRACE_CHANGED:
            # Everything may be another: number, arguments, and the result of a call that is not made.
            args = syscall_registers(t)
            number = args[0]
            t.syscall_args = args
            made = number != _NO_CALL
    elif t.ptrace:
        t.cpu.rax = _ENOSYS
    if table:
        args = low_halves(args)
    watch = kernel.watch if execute and made else None
    if watch is not None:
        watch.syscall_enter(t, number | table, args[1:])
    result: Any = None
    if execute and t.seccomp is not None:
        # After the tracer, to catch what it changes; asked even about a call that is not made.
        execute = yield from secure_computing(t)
        args = low_halves(t.syscall_args) if table else t.syscall_args
        made = made or args[0] & 0xFFFFFFFF != _NO_CALL
        number = args[0] & 0xFFFFFFFF
    if execute and made:
        calls = kernel.ia32().calls if table else kernel.calls
        try:
            result = calls[min(number, len(calls) - 1)](t, args)
            if type(result) is GeneratorType:
                result = yield from result
        except Errno as error:
            if t.exiting:
                raise
            result = -error.number
        except OutOfFrames:
            result = -Errno.ENOMEM.number
        _store_result(t, result)
    elif watch is not None:
        result = t.cpu.rax
    if watch is not None:
        watch.syscall_exit(t, number | table, args[1:], result or 0)
    if t.trace_flags:
        yield from report_syscall_exit(t)


def wait_graph(kernel: Kernel) -> list[str]:
    """Describe, one line a task, what everybody waits for and who could end it (kernel threads aside)."""
    lines = []
    for t in kernel.all_threads():
        if t.mm is None and not t.exit_state:
            continue
        name = f"{t.comm.decode(errors='replace')}[{t.tid}]"
        if t.block is None:
            lines.append(f"{name}: {t.state}")
            continue
        call = kernel.call_name(t.syscall_nr) if t.syscall_nr >= 0 else ""
        where = f"in {call}, waits in {t.block.what}" if call else f"waits in {t.block.what}"
        who = t.block.who(t) if t.block.who is not None else "a signal" if t.block.state == INTERRUPTIBLE else "nobody"
        lines.append(f"{name}: {where}; could be woken by {who}")
    return lines
