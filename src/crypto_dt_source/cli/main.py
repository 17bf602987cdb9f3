"""`cdts`: one parser; each command lives in its own module and is imported when it is called."""

from __future__ import annotations

import argparse
import gc
import importlib
import os
import sys
from collections.abc import Sequence
from types import ModuleType

from .. import __version__
from ..model.errors import CdtsError
from . import key_given

USAGE_ERROR = 2
AS_JSON = "JSON in the place of text"
INTERRUPTED = 130
"""The shell's word for a command ended by Ctrl-C. The servers end well on it instead."""


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
    sim.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    sim.add_argument("--port", type=int, default=0, help="port to listen on (default: a free one)")
    sim.add_argument(
        "--seed", type=int, default=7, help="the market and its faults follow from it (default 7)"
    )
    sim.add_argument("--with-parent", action="store_true", help="end when standard input closes")
    sim.add_argument(
        "--print-env",
        action="store_true",
        help="first print the settings that point every provider here, as lines for .env or a shell",
    )


def _asking(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    get = commands.add_parser("get", help="answer one API path, in process or from a running server")
    get.add_argument("path", help="for example /api/prices?symbols=BTC")
    get.add_argument("--url", help="ask this server instead of running the API in process")
    get.add_argument("--status", action="store_true", help="print the HTTP status to standard error")
    watch = commands.add_parser("watch", help="follow prices of a running server as they move")
    watch.add_argument("symbol", nargs="*", help="for example BTC ETH (default: the largest assets)")
    watch.add_argument("--url", default="http://127.0.0.1:7860", help="the server (default %(default)s)")
    watch.add_argument("--count", type=int, help="end after so many lines")
    for parser in (get, watch):
        key_given.add(parser)
    normalize = commands.add_parser("normalize", help="read an upstream's body and print it as records")
    normalize.add_argument("provider", help="an id of `cdts providers list`")
    normalize.add_argument("capability", help="quotes, candles, book, trades, …")
    normalize.add_argument(
        "--symbol",
        help="the pair or coin the body is about, several with commas (default: BTC; quotes: every pair in it)",
    )
    normalize.add_argument("--interval", default="1h", help="interval of the candles (default 1h)")
    normalize.add_argument("--at", help="when the body was received, RFC 3339 (default: now)")


def _keeping(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    providers = commands.add_parser("providers", help="the catalogue").add_subparsers(
        dest="action", required=True
    )
    listed = providers.add_parser("list", help="every provider")
    listed.add_argument("--category", help="of one category alone, for example exchange")
    listed.add_argument("--json", action="store_true", help=AS_JSON)
    check = providers.add_parser("check", help="ask each provider in use once")
    check.add_argument("id", nargs="*", help="default: all that are in use")
    check.add_argument(
        "--simulator", action="store_true", help="ask a simulator of its own; the whole catalogue is in use"
    )
    check.add_argument(
        "--bodies", metavar="FOLDER", help="read recorded answers: FOLDER/PROVIDER/CAPABILITY.json"
    )
    check.add_argument("--json", action="store_true", help=AS_JSON)
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
    checked.add_argument("--json", action="store_true", help=AS_JSON)
    _copies(db)
    _keys(commands)
    _jobs(commands)
    doctor = commands.add_parser("doctor", help="check settings, folders, database and catalogue")
    doctor.add_argument("--json", action="store_true", help=AS_JSON)


def _jobs(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    jobs = commands.add_parser("jobs", help="the timetable; also beside a running server")
    actions = jobs.add_subparsers(dest="action")
    jobs.set_defaults(action="list", json=False, data_dir=None)
    listed = actions.add_parser(
        "list", help="every job: its times, when it runs next, its last run (default)"
    )
    run = actions.add_parser("run", help="run one now, in this process")
    pause = actions.add_parser("pause", help="let its times pass until it is resumed")
    resume = actions.add_parser("resume", help="take up its times again")
    for parser in (run, pause, resume):
        parser.add_argument("id", help="as `cdts jobs` shows it")
    for parser in (jobs, listed, run, pause, resume):
        # Not given after `list`, what was given before it stands.
        parser.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help=AS_JSON)
        parser.add_argument(
            "--data-dir", help="folder of everything that is kept (DATA_DIR)", default=argparse.SUPPRESS
        )


def _copies(db: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    made = db.add_parser("backup", help="copy the database and prove the copy; also beside a running server")
    made.add_argument(
        "place", nargs="?", metavar="TARGET", help="a folder or fsspec URL (default: BACKUP_URL)"
    )
    restored = db.add_parser("restore", help="make the database what a backup says")
    restored.add_argument(
        "place", metavar="SOURCE", help="a backup, or where backups are (the newest is taken)"
    )
    restored.add_argument("--force", action="store_true", help="also where the database has rows in it")
    verified = db.add_parser(
        "verify", help="make a scratch database of a backup and compare; exits 1 when it differs"
    )
    verified.add_argument(
        "place", nargs="?", metavar="SOURCE", help="a backup, or where backups are (default: BACKUP_URL)"
    )
    accepted = db.add_parser("accept", help="go on at a target that has lost everything that was there")
    accepted.add_argument(
        "use", choices=["backup", "ship", "archive"], help="BACKUP_URL, SHIP_URL, ARCHIVE_URL"
    )
    for parser in (made, restored, verified):
        parser.add_argument("--json", action="store_true", help=AS_JSON)
    for parser in (made, restored, verified, accepted):
        parser.add_argument("--data-dir", help="folder of everything that is kept (DATA_DIR)")


def _keys(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    keys = commands.add_parser("keys", help="API keys; also beside a running server").add_subparsers(
        dest="action", required=True
    )
    create = keys.add_parser("create", help="make a key and print its secret, this once")
    create.add_argument("--name", required=True, help="whose it is")
    create.add_argument("--tier", default="free", help="free (default), pro, enterprise")
    create.add_argument("--scope", action="append", help="read (default), admin; may be given several times")
    create.add_argument("--expires", help="RFC 3339, or a number of days (default: never)")
    create.add_argument(
        "--origin", action="append", help="a web origin that may send it; several times (default: any)"
    )
    listed = keys.add_parser("list", help="every key, the oldest first")
    revoke = keys.add_parser("revoke", help="end a key, its tokens and its connections")
    rotate = keys.add_parser("rotate", help="a new secret in the place of a key's")
    rotate.add_argument(
        "--grace", type=int, default=0, metavar="SECONDS", help="the old one stays good so long (default 0)"
    )
    for parser in (revoke, rotate):
        parser.add_argument("id", help="key_…, as `cdts keys list` shows it")
    for parser in (create, rotate):
        parser.add_argument("--quiet", action="store_true", help="print the secret alone")
    for parser in (create, listed, revoke, rotate):
        parser.add_argument("--json", action="store_true", help=AS_JSON)
        parser.add_argument("--data-dir", help="folder of everything that is kept (DATA_DIR)")


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
    "watch": "watch",
    "normalize": "normalize",
    "providers": "providers",
    "backfill": "backfill",
    "db": "database",
    "keys": "keys",
    "jobs": "jobs",
    "doctor": "doctor",
}


def _expected() -> tuple[type[Exception], ...]:
    """What is told in one sentence instead of a traceback. A function, because the settings take a sixth of a second to
    import and most runs raise nothing."""
    from ..settings import SettingsError

    return (SettingsError, CdtsError)


def _module(name: str) -> ModuleType:
    """A command's module. Collecting garbage while modules load finds none and takes a fifth of a start; what they left
    is then kept out of every later collection."""
    gc.disable()
    try:
        return importlib.import_module(f"{__package__}.{name}")
    finally:
        gc.freeze()
        gc.enable()


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; gives the exit status: 0 well, 1 found something wrong, 2 cannot do what was asked."""
    arguments = parser().parse_args(argv)
    try:
        module = _module(MODULES[arguments.command])
        status = int(module.run(arguments))
        sys.stdout.flush()
    except _expected() as error:
        print(f"cdts: {error}", file=sys.stderr)
        return USAGE_ERROR
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has gone (`| head`). The interpreter flushes once more at its end, which must not fail either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return status


if __name__ == "__main__":
    sys.exit(main())
