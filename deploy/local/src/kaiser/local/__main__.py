"""The verbs behind the Makefile: ``python -m kaiser.local up``."""

import argparse
import logging
import os
import sys
import time
from pathlib import Path

import structlog

from kaiser.local.errors import LocalError
from kaiser.local.layout import Layout, layout_from_environment
from kaiser.local.postgres import OWNER
from kaiser.local.programs import EVERYTHING, has_console
from kaiser.local.suite import Suite
from kaiser.local.tree import ensure_tree


def setup(layout: Layout, arguments: argparse.Namespace) -> None:
    """Set up the servers' programs."""
    del layout, arguments
    ensure_tree()


def up(layout: Layout, arguments: argparse.Namespace) -> None:
    """Start everything in the background."""
    started = time.monotonic()
    Suite(layout, names=arguments.only or EVERYTHING).up()
    print(f"kaiser: up and ready ({time.monotonic() - started:.1f} s)")
    print(where_to_look(layout))


def down(layout: Layout, arguments: argparse.Namespace) -> None:
    """Stop everything."""
    del arguments
    Suite(layout).down()
    print("kaiser: down")


def status(layout: Layout, arguments: argparse.Namespace) -> None:
    """Say what runs, and whether it is ready."""
    del arguments
    suite = Suite(layout)
    if not suite.supervisor.running:
        print("kaiser: down")
        return
    states = suite.supervisor.states()
    print(f"{'program':<10} {'state':<9} {'pid':>7} {'up':>9} {'port':>6}  ready")
    for program in suite.programs(ensure_tree()):
        if program.name in states:
            info = states[program.name]
            running = info["pid"] != 0
            age = f"{info['now'] - info['start']} s" if running else ""
            ready = "yes" if running and suite.ready(program) else "no"
            print(
                f"{program.name:<10} {info['statename'].lower():<9} {info['pid'] or '':>7} {age:>9}"
                f" {program.port:>6}  {ready}"
            )


def logs(layout: Layout, arguments: argparse.Namespace) -> None:
    """Follow the logs, until interrupted."""
    names = [arguments.service] if arguments.service else EVERYTHING
    files = [str(layout.log(name)) for name in names if layout.log(name).exists()]
    if not files:
        raise LocalError(f"there is no log in {layout.logs} yet: start with 'make up'.")
    os.execvp("tail", ["tail", "--lines=20", "--follow=name", "--retry", *files])  # noqa: S606  # no shell wanted


def demo(layout: Layout, arguments: argparse.Namespace) -> None:
    """Run everything with 50 simulated devices, and watch it; exit code 1 if a reading was lost or stored twice."""
    from kaiser.local.demo.run import Demo  # noqa: PLC0415 - half a second, which no other verb should wait for

    sys.exit(Demo(layout, duration_s=arguments.duration, where_to_look=where_to_look(layout)).run())


def where_to_look(layout: Layout) -> str:
    """Addresses, user and password files of a running Kaiser."""
    ports, secrets = layout.ports, layout.secrets.path("admin").parent
    if secrets.is_relative_to(Path.cwd()):
        secrets = secrets.relative_to(Path.cwd())
    return "\n".join(
        [
            *([f"  console     http://127.0.0.1:{ports.gateway}/"] if has_console() else []),
            f"  API docs    http://127.0.0.1:{ports.gateway}/schema",
            f"  WebSocket   ws://127.0.0.1:{ports.gateway}/ws",
            f"  user        admin, password in {secrets}/admin",
            f"  devices     mqtt://127.0.0.1:{ports.mqtt}, user device (mqtt-device)",
            f"  NATS        nats://127.0.0.1:{ports.nats}, user operator (nats-operator)",
            f"  database    127.0.0.1:{ports.postgres}/kaiser, user {OWNER} (postgres-{OWNER})",
            "              (in brackets: the file of the password, beside admin's)",
        ]
    )


def main() -> None:
    """Run one verb; a problem is one sentence on standard error and exit code 1."""
    parser = argparse.ArgumentParser(prog="kaiser.local", description="Kaiser on one machine without Docker.")
    verbs = parser.add_subparsers(required=True)
    for function in (setup, up, down, status, logs, demo):
        verb = verbs.add_parser(function.__name__, help=function.__doc__)
        verb.set_defaults(function=function)
        if function is up:
            verb.add_argument("--only", nargs="+", choices=EVERYTHING, help="programs to start, by default all")
        if function is logs:
            verb.add_argument("service", nargs="?", choices=EVERYTHING, help="by default all of them")
        if function is demo:
            verb.add_argument("--duration", type=float, help="seconds until it stops and checks, by default never")
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    try:
        arguments.function(layout_from_environment(), arguments)
    except LocalError as error:
        print(f"kaiser: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
