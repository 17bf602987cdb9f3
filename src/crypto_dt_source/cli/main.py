"""`cdts`: one parser; each command lives in its own module and is imported when it is called."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from .. import __version__
from ..model.errors import CdtsError
from ..settings import SettingsError
from ..telemetry import configure

USAGE_ERROR = 2


def _serving(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    serve = commands.add_parser("serve", help="start the service on live upstreams")
    demo = commands.add_parser(
        "demo", help="start the service beside the simulator; nothing leaves the machine"
    )
    for parser in (serve, demo):
        parser.add_argument("--host", help="address to listen on (HOST)")
        parser.add_argument(
            "--port", type=int, help="port to listen on (PORT); 0 picks a free one and prints it"
        )
        parser.add_argument("--data-dir", help="folder of everything that is kept (DATA_DIR)")
    demo.add_argument(
        "--seed", type=int, default=7, help="the simulated market and its faults follow from it"
    )
    sim = commands.add_parser("sim", help="run the simulator of all upstreams alone")
    sim.add_argument("--host", default="127.0.0.1")
    sim.add_argument("--port", type=int, default=0)
    sim.add_argument("--seed", type=int, default=7)
    sim.add_argument("--with-parent", action="store_true", help="end when standard input closes")


def _asking(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    get = commands.add_parser("get", help="answer one API path, in process or from a running server")
    get.add_argument("path", help="for example /api/prices?symbols=BTC")
    get.add_argument("--url", help="ask this server instead of running the API in process")
    get.add_argument("--status", action="store_true", help="print the HTTP status to standard error")
    normalize = commands.add_parser("normalize", help="read an upstream's body and print it as records")
    normalize.add_argument("provider")
    normalize.add_argument("capability")
    normalize.add_argument("--symbol", default="BTC/USDT", help="the pair or coin the body is about")
    normalize.add_argument("--interval", default="1h")
    normalize.add_argument("--at", help="when the body was received, RFC 3339 (default: now)")


def _keeping(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    providers = commands.add_parser("providers", help="the catalogue").add_subparsers(
        dest="action", required=True
    )
    listed = providers.add_parser("list", help="every provider")
    listed.add_argument("--category")
    listed.add_argument("--json", action="store_true")
    check = providers.add_parser("check", help="ask each provider in use once")
    check.add_argument("id", nargs="*")
    check.add_argument("--json", action="store_true")
    backfill = commands.add_parser("backfill", help="fetch candles of the past; resumes where it stopped")
    backfill.add_argument("symbol", nargs="*", help="default: the largest assets (BACKFILL_TOP)")
    backfill.add_argument(
        "--interval", action="append", help="may be given several times (BACKFILL_INTERVALS)"
    )
    backfill.add_argument("--days", type=int, help="default: BACKFILL_DAYS")
    backfill.add_argument("--json", action="store_true", help="one JSON line a step instead of progress bars")
    db = commands.add_parser("db", help="the database").add_subparsers(dest="action", required=True)
    db.add_parser("upgrade", help="bring the schema up to date")
    checked = db.add_parser("check", help="check integrity and count rows; exits 1 when something is wrong")
    checked.add_argument("--json", action="store_true")
    doctor = commands.add_parser("doctor", help="check settings, folders, database and catalogue")
    doctor.add_argument("--json", action="store_true")


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(prog="cdts", description="Self-hosted cryptocurrency data.")
    top.add_argument("--version", action="version", version=f"cdts {__version__}")
    commands = top.add_subparsers(dest="command", required=True)
    _serving(commands)
    _asking(commands)
    _keeping(commands)
    return top


MODULES = {
    "serve": "serve",
    "demo": "serve",
    "sim": "simulate",
    "get": "get",
    "normalize": "normalize",
    "providers": "providers",
    "backfill": "backfill",
    "db": "database",
    "doctor": "doctor",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; gives the exit status: 0 well, 1 found something wrong, 2 cannot do what was asked."""
    arguments = parser().parse_args(argv)
    configure("WARNING")
    module = importlib.import_module(f"{__package__}.{MODULES[arguments.command]}")
    try:
        return int(module.run(arguments))
    except (SettingsError, CdtsError) as error:
        print(f"cdts: {error}", file=sys.stderr)
        return USAGE_ERROR
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 0


if __name__ == "__main__":
    sys.exit(main())
