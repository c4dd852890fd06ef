"""The command line: ``tgid run``, ``tgid trace``, ``tgid syscalls``, ``tgid demo``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from tgid import __version__

if TYPE_CHECKING:
    from tgid.machine import Config
    from tgid.tracelog import TraceLog

_EXAMPLES = """\
examples:
  tgid run /bin/ls -la /                 run a program of this host; it sees the host's files read-only
  tgid run busybox sh -c 'ls | wc -l'    ... found through PATH
  tgid trace -e trace=process sh -c ls   print the system calls, as strace -f does
  tgid run --rootfs ./debian /bin/bash   another root directory
  tgid run --bind .:/src:rw make -C /src let the guest write to one host directory
  tgid demo                              a few built-in programs
"""

_STATUS = """\
exit status: that of PROGRAM; 128+N if signal N killed it; 124 if --timeout ended it; 125 if every task was blocked for ever
(the wait graph is printed) or the machine could not start; 126 or 127 if PROGRAM cannot be run or is not there; 130 after
Ctrl-C twice within a second.
"""


def _size(text: str) -> int:
    """Parse bytes with an optional suffix K, M or G."""
    units = {"K": 10, "M": 20, "G": 30}
    shift = units.get(text[-1:].upper(), 0)
    try:
        value = int(text[:-1] if shift else text) << shift
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 512M or 2G") from None
    if value < 16 << 20:
        raise argparse.ArgumentTypeError("a machine needs at least 16M of memory")
    return value


def _id(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = -1
    if not 0 <= value < (1 << 32) - 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a user or group id")
    return value


def _positive(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return value


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number of seconds")
    return value


def _add_machine_options(parser: argparse.ArgumentParser, tracing: bool) -> None:
    add = parser.add_argument
    add("--rootfs", metavar="DIR", default="/", help="host directory the guest sees as / (default: the host's own /)")
    add("--bind", metavar="SRC:DST[:rw]", action="append", default=[], help="show host SRC at DST, writable with :rw")
    add("--env", metavar="NAME[=VALUE]", action="append", default=[], help="set or pass on a variable (default: pass on all)")
    add("--clean-env", action="store_true", help="start from an empty environment")
    add("--cwd", metavar="DIR", help="working directory (default: the current one if the guest has it, else /)")
    add("--uid", type=_id, default=0, help="user id of the program (default 0)")
    add("--gid", type=_id, default=0, help="group id of the program (default 0)")
    add("--seed", type=int, default=0, help="seed of all randomness (default 0)")
    add("--clock", choices=("virtual", "real"), help="virtual: reproducible, never waits; real: the default on a terminal")
    add("--memory", type=_size, default=2 << 30, metavar="SIZE", help="guest RAM (default 2G), used only as touched")
    add("--max-procs", type=_positive, default=32768, metavar="N", help="most tasks alive at once (default 32768)")
    add("--timeout", type=_seconds, metavar="SECONDS", help="end the run after this much host time, status 124")
    add("--slice", type=_positive, default=100_000, metavar="BLOCKS", help="time slice in basic blocks (default 100000)")
    add("--semantics", choices=("leaderless", "linux"), default="leaderless", help="process semantics (default leaderless)")
    add("--rule", metavar="NAME=on|off", action="append", default=[], help="set one rule of it (see tgid rules)")
    add("--aslr", action="store_true", help="randomise addresses (from the seed)")
    add("--yama-scope", type=int, choices=range(4), default=0, help="who may trace whom, as ptrace_scope of Yama (default 0)")
    add("--debug", action="store_true", help="show a traceback when the kernel itself has a defect")
    if not tracing:
        add("--trace", action="store_true", help="print system calls as strace -f does (see tgid trace --help)")
    add("-o", dest="trace_file", metavar="FILE", help="write the trace to FILE instead of standard error")
    add("-e", dest="trace_filter", metavar="trace=SET", help="which calls: names, %%classes (%%process, %%file...), !SET negates")
    add("-c", dest="trace_summary", action="store_true", help="print a summary of calls, time and errors instead")
    add("program", metavar="PROGRAM", help="path, or a name looked up in PATH inside the guest")
    add("arguments", metavar="ARGS", nargs=argparse.REMAINDER, help="its arguments")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tgid",
        description="Run unmodified x86-64 Linux programs on an emulated CPU under a kernel written in Python.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"tgid {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    raw = argparse.RawDescriptionHelpFormatter
    run = commands.add_parser("run", help="run a program", epilog=_EXAMPLES + "\n" + _STATUS, formatter_class=raw)
    _add_machine_options(run, tracing=False)
    trace = commands.add_parser("trace", help="run a program and print its system calls", epilog=_STATUS, formatter_class=raw)
    _add_machine_options(trace, tracing=True)
    diff = commands.add_parser(
        "diff", help="run a program under both models of process semantics and print what it could tell apart"
    )
    diff.add_argument("--output", action="store_true", help="compare what the program prints, not its system calls")
    _add_machine_options(diff, tracing=True)
    calls = commands.add_parser("syscalls", help="list the system calls that are supported")
    calls.add_argument("--all", action="store_true", help="also those that are not")
    commands.add_parser("rules", help="list the rules in which the two models of process semantics differ")
    conformance = commands.add_parser("conformance", help="run the scenarios of process semantics and print the scoreboard")
    conformance.add_argument("--model", choices=("leaderless", "linux", "both"), default="both", help="default: both")
    conformance.add_argument("--native", action="store_true", help="also on this host, which must do as linux does")
    conformance.add_argument("--jobs", type=_positive, metavar="N", help="runs at a time (default: one a processor)")
    conformance.add_argument("--repeat", type=_positive, metavar="N", default=0, help="twice under each of N seeds and slices")
    conformance.add_argument("--seed", type=int, metavar="N", default=0, help="first seed of --repeat (default: 0)")
    conformance.add_argument("--flip", action="store_true", help="with each rule turned round: which scenarios notice")
    conformance.add_argument("name", nargs="*", metavar="NAME", help="scenarios by number or name (default: all)")
    demo = commands.add_parser("demo", help="build and run a few small programs that come with tgid")
    demo.add_argument("name", nargs="?", help="run only this one; without a name, all of the tour")
    demo.add_argument("--list", action="store_true", help="list the programs")
    return parser


def environment(requests: Sequence[str], clean: bool) -> dict[str, str]:
    """Return the guest's environment from ``--env`` requests: the host's plus NAME=VALUE, or only what is named."""
    result = {} if clean else dict(os.environ)
    for request in requests:
        name, equals, value = request.partition("=")
        if equals:
            result[name] = value
        elif name in os.environ:
            result[name] = os.environ[name]
    return result


def _fail(message: str, status: int = 125) -> int:
    if sys.stderr is not None:
        print(f"tgid: {message}", file=sys.stderr, flush=True)
    return status


def _current_directory() -> str:
    try:
        return os.getcwd()
    except OSError:  # it has been removed
        return "/"


class _TraceFile:
    """The file of ``-o``.  If it cannot be written that is said once, and the program goes on without."""

    def __init__(self, name: str, report: Callable[[str], None]) -> None:
        self._file = open(name, "w", 1, "utf-8")  # noqa: SIM115
        self._report = report
        self._failed = False

    def write(self, text: str) -> None:
        """Write, as far as that is still possible."""
        if not self._failed:
            try:
                self._file.write(text)
            except OSError as error:
                self._fail(error)

    def close(self) -> None:
        """Close it."""
        try:
            self._file.close()
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        if not self._failed:
            self._failed = True
            self._report(f"{self._file.name}: {error.strerror}; the trace is not complete")


def _config(options: argparse.Namespace, clock: str) -> Config:
    """Return the machine the options ask for.  Raises ValueError with a sentence for the user."""
    from tgid.machine import Config, parse_bind

    return Config(
        memory=options.memory,
        clock=clock,
        seed=options.seed,
        max_procs=options.max_procs,
        timeout=options.timeout,
        rootfs=options.rootfs,
        binds=tuple(parse_bind(text) for text in options.bind),
        uid=options.uid,
        gid=options.gid,
        cwd=options.cwd or _current_directory(),
        cwd_required=options.cwd is not None,
        slice_blocks=options.slice,
        aslr=options.aslr,
        semantics=options.semantics,
        rules=tuple(options.rule),
        yama_scope=options.yama_scope,
        debug=options.debug,
    )


def _run(options: argparse.Namespace, tracing: bool) -> int:
    from tgid.console import HostConsole
    from tgid.machine import Machine, MachineFault

    clock = options.clock or ("real" if sys.stdin is not None and sys.stdin.isatty() else "virtual")
    try:
        config = _config(options, clock)
    except ValueError as error:
        return _fail(str(error))
    output: _TraceFile | None = None
    try:
        with HostConsole() as console:
            log: TraceLog | None = None

            def report(line: str) -> None:
                if log is not None and output is None:
                    log.interrupt()
                console.report(line)

            machine = Machine(config, console, log=report)
            if tracing or options.trace_file or options.trace_summary or options.trace_filter:
                from tgid import tracelog

                output = _TraceFile(options.trace_file, console.report) if options.trace_file else None
                log = tracelog.TraceLog(
                    machine.table,
                    output.write if output is not None else console.write_error,
                    tracelog.parse_filter(options.trace_filter, machine.table),
                    options.trace_summary,
                    to_file=output is not None,
                )
                machine.kernel.watch = log
            environ = environment(options.env, options.clean_env)
            try:
                result = machine.run([options.program, *options.arguments], environ)
            finally:
                if log is not None:
                    log.finish()
                if output is not None:
                    output.close()
            machine.close()
    except (MachineFault, ValueError) as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(f"{error.filename or 'cannot run'}: {error.strerror}")
    return result.status


def _built(program: str) -> str:
    """Return the binary of a guest program given by its C source, or the program itself.  Raises ValueError."""
    if not program.endswith(".c"):
        return program
    from guest import build

    try:
        return str(build.build(os.path.basename(program).removesuffix(".c"), "musl"))
    except (build.BuildError, KeyError) as error:
        raise ValueError(f"{program} cannot be built: {error}") from None


def _diff(options: argparse.Namespace) -> int:
    """0: no difference, 1: some, 125: could not be run."""
    from tgid.diff import Experiment, compare, report
    from tgid.machine import MachineFault

    names = tuple(rule.partition("=")[0] for rule in options.rule)
    stdin = b"" if sys.stdin is None or sys.stdin.isatty() else sys.stdin.buffer.read()
    try:
        argv = [_built(options.program), *options.arguments]
        config = _config(options, "virtual")._replace(rules=())
        env = environment(options.env, options.clean_env)
        differences = compare(Experiment(tuple(argv), env, stdin, config, options.output), names)
    except (MachineFault, ValueError) as error:
        return _fail(str(error))
    sides = ("leaderless", "without " + ", ".join(names) if names else "linux")
    sys.stdout.write(report(differences, sides))
    return 1 if differences else 0


def _print_rules() -> int:
    from kernel.semantics import rules

    for rule in rules():
        numbers = ", ".join(map(str, rule.scenarios))
        print(f"{rule.name:22} {rule.sentence}\n{'':22} (patch {rule.patch}; {rule.function}; scenarios {numbers})")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    options = _parser().parse_args(argv)
    if options.command == "run":
        return _run(options, options.trace)
    if options.command == "trace":
        return _run(options, True)
    if options.command == "syscalls":
        from tgid.support import print_support

        return print_support(options.all)
    if options.command == "diff":
        return _diff(options)
    if options.command == "rules":
        return _print_rules()
    if options.command == "conformance":
        from tgid.conformance import main as conformance

        chosen = options.repeat, options.seed, options.flip
        return conformance(options.model, options.native, options.name, options.jobs, *chosen)
    from tgid.demo import main as demo

    return demo(options.name, options.list)


def entry() -> None:
    """Run the command line as a process of its own: leave without tearing down gigabytes of bookkeeping object by object."""
    try:
        status = main()
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:  # closed by whoever started us
                stream.flush()
    except KeyboardInterrupt:  # before the machine took Ctrl-C over
        status = 130
    except BrokenPipeError:
        status = 141
    except OSError as error:
        status = _fail(error.strerror or str(error), 1)
    os._exit(status)
