"""`cdts keys`: on the database itself, also while a service has it open. (The first key that `cdts demo` prints is in tests/e2e.)"""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

import harness
from crypto_dt_source.cli.main import main
from crypto_dt_source.clock import SystemClock, parse_rfc3339
from crypto_dt_source.model.errors import Unauthenticated
from crypto_dt_source.security.keys import well_formed
from crypto_dt_source.services import access
from crypto_dt_source.settings import BASE_URL_PREFIX, Settings
from crypto_dt_source.store import open_store
from crypto_dt_source.wiring_access import keys_alone
from schema_template import empty_database

Said = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def fresh_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without settings, and no variable of ours from outside."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.lower() in Settings.model_fields or name.upper().startswith(BASE_URL_PREFIX):
            monkeypatch.delenv(name)
    return tmp_path


def keys(*arguments: str) -> int:
    return main(["keys", *arguments])


def made(capsys: Said, *arguments: str) -> dict[str, Any]:
    if "--data-dir" not in arguments:
        empty_database(Path("data/crypto-dt-source.db"))
    capsys.readouterr()
    assert keys("create", "--json", "--name", "desk", *arguments) == 0
    row: dict[str, Any] = json.loads(capsys.readouterr().out)
    return row


def listed(capsys: Said) -> dict[str, dict[str, Any]]:
    capsys.readouterr()
    assert keys("list", "--json") == 0
    return {row["id"]: row for row in json.loads(capsys.readouterr().out)}


def test_a_key_is_made_with_what_was_asked_for(capsys: Said) -> None:
    row = made(
        capsys, "--tier", "pro", "--scope", "read", "--scope", "admin", "--expires", "2099-01-01T00:00:00Z",
        "--origin", "https://a.example", "--origin", "https://b.example",
    )  # fmt: skip
    secret = row.pop("key")
    assert well_formed(secret)
    assert (row["tier"], row["scopes"], row["state"]) == ("pro", ["admin", "read"], "active")
    assert row["origins"] == ["https://a.example", "https://b.example"]
    assert row["expires_at"] == "2099-01-01T00:00:00Z"
    assert listed(capsys) == {row["id"]: row}
    plain = made(capsys)
    assert (plain["tier"], plain["scopes"], plain["expires_at"]) == ("free", ["read"], None)


@pytest.mark.parametrize("text", ["30", "30d"])
def test_an_end_may_be_a_number_of_days(text: str, capsys: Said) -> None:
    row = made(capsys, "--expires", text)
    days = (parse_rfc3339(row["expires_at"]) - parse_rfc3339(row["created_at"])) / 86_400_000
    assert days == pytest.approx(30, abs=0.001)


def test_the_secret_stands_alone_where_that_is_asked_for(capsys: Said) -> None:
    assert keys("create", "--name", "desk", "--quiet") == 0
    said = capsys.readouterr()
    assert well_formed(said.out.removesuffix("\n"))
    assert said.err == ""
    assert keys("create", "--name", "desk") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [well_formed(line) for line in lines] == [False, False, True]


def test_the_list_has_a_line_a_key_and_no_secret(capsys: Said) -> None:
    secrets = [made(capsys)["key"] for _ in range(3)]
    assert keys("list") == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0].split()[:4] == ["id", "prefix", "tier", "scopes"]
    assert len(out.splitlines()) == 4
    assert not [secret for secret in secrets if secret[16:] in out]


def test_a_key_is_revoked_and_replaced(capsys: Said) -> None:
    first, second = made(capsys), made(capsys)
    assert keys("revoke", first["id"]) == 0
    assert first["id"] in capsys.readouterr().out
    assert keys("rotate", second["id"], "--grace", "60", "--quiet") == 0
    assert well_formed(capsys.readouterr().out.strip())
    rows = listed(capsys)
    assert rows[first["id"]]["state"] == "revoked"
    assert rows[second["id"]]["replaced_by"] in rows
    for arguments in (("rotate", first["id"]), ("rotate", second["id"])):
        assert keys(*arguments) == 2
        assert capsys.readouterr().err.startswith("cdts: The key ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("create", "--name", ""), "name: "),
        (("create", "--name", "\x1b[31mred"), "name: "),
        (("create", "--name", "a", "--tier", "gold"), "tier: must be free, pro, enterprise"),
        (("create", "--name", "a", "--scope", "root"), "scopes: "),
        (("create", "--name", "a", "--expires", "soon"), "--expires: got 'soon'"),
        (("create", "--name", "a", "--expires", "0"), "--expires: got '0'"),
        (("create", "--name", "a", "--expires", "9" * 30), "--expires: got "),
        (("create", "--name", "a", "--expires", "2001-01-01T00:00:00Z"), "expires: "),
        (("create", "--name", "a", "--origin", "*"), "origins: "),
        (("revoke", "key_000000000000"), "There is no key of this id"),
        (("rotate", "key_000000000000"), "There is no key of this id"),
        (("rotate", "key_000000000000", "--grace", "-1"), "--grace: got -1"),
        (("rotate", "key_000000000000", "--grace", "604801"), "--grace: got 604801"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(arguments: tuple[str, ...], said: str, capsys: Said) -> None:
    made(capsys)
    assert keys(*arguments) == 2
    told = capsys.readouterr()
    assert told.err.startswith(f"cdts: {said}"), told.err
    assert len(told.err.splitlines()) == 1
    assert told.out == ""


@pytest.mark.parametrize(
    "arguments", [("list",), ("revoke", "key_000000000000"), ("rotate", "key_000000000000")]
)
def test_a_folder_without_a_database_is_told_and_stays_as_it_is(
    arguments: tuple[str, ...], capsys: Said, tmp_path: Path
) -> None:
    """Most likely it is the wrong one: that of a demo is a folder deeper than what `cdts demo` was given."""
    assert keys(*arguments, "--data-dir", "elsewhere") == 2
    said = capsys.readouterr()
    assert said.err.startswith("cdts: There is no database in elsewhere; ")
    assert said.out == ""
    assert not (tmp_path / "elsewhere").exists()


def test_a_key_for_a_server_that_was_never_started_is_made_and_says_so(capsys: Said) -> None:
    for told in (True, False):
        assert keys("create", "--name", "desk") == 0
        assert ("data has no database yet" in capsys.readouterr().err) is told


def test_a_secret_in_the_place_of_an_id_is_kept_nowhere(capsys: Said, tmp_path: Path) -> None:
    row = made(capsys)
    assert keys("revoke", row["key"]) == 2
    assert row["key"][16:] not in "".join(capsys.readouterr())
    kept = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert row["key"][16:].encode() not in kept
    assert row["id"].encode() in kept


def test_every_change_is_in_the_audit_log(capsys: Said) -> None:
    row = made(capsys)
    keys("rotate", row["id"])
    keys("revoke", "key_000000000000")
    keys("create", "--name", "a", "--tier", "gold")

    async def read() -> list[Any]:
        store = await open_store("sqlite:///data/crypto-dt-source.db", read_only=True)
        held = keys_alone(harness.settings(Path()), store, SystemClock())
        found = await access.actions(held, 9)
        await store.close()
        return found

    found = asyncio.run(read())
    assert {(entry.actor, entry.address) for entry in found} == {("cli", "")}
    successor = next(name for name in listed(capsys) if name != row["id"])
    assert [(entry.action, entry.target, entry.status) for entry in found] == [
        ("cdts keys create", "", 422),
        ("cdts keys revoke", "id=key_000000000000", 404),
        ("cdts keys rotate", f"id={row['id']}, replaced_by={successor}", 200),
        ("cdts keys create", f"id={row['id']}", 200),
    ]


def test_keys_of_another_salt_are_not_those_of_the_service(capsys: Said, monkeypatch: Any) -> None:
    monkeypatch.setenv("API_KEY_SALT", "q7Gv2xW9sLk4TzRb81NfYcHd6JmPu3Ea")
    row = made(capsys, "--data-dir", "elsewhere")
    assert not Path("elsewhere/secrets/api_key_salt").exists()

    async def known(salt: str) -> bool:
        settings = Settings(_env_file=None, data_dir=Path("elsewhere"), api_key_salt=salt)  # type: ignore[call-arg]
        store = await open_store(settings.sql_url())
        held = keys_alone(settings, store, SystemClock())
        await access.follow(held)
        await store.close()
        try:
            return held.keyring.of_secret(row["key"]).id == row["id"]
        except Unauthenticated:
            return False

    assert asyncio.run(known("q7Gv2xW9sLk4TzRb81NfYcHd6JmPu3Ea"))
    assert not asyncio.run(known("another2xW9sLk4TzRb81NfYcHd6JmPu"))


async def test_a_running_service_takes_up_what_the_command_did(tmp_path: Path, capsys: Said) -> None:
    def command(*arguments: str) -> dict[str, Any]:
        assert keys(*arguments, "--json", "--data-dir", str(tmp_path / "data")) == 0
        row: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
        return row

    async with harness.running(tmp_path) as (rt, _, _):
        row = await asyncio.to_thread(command, "create", "--name", "desk")
        await access.follow(rt.access)
        assert rt.access.keyring.of_secret(row["key"]).id == row["id"]
        told: list[str] = []
        rt.access.keyring.ended.append(told.append)
        await asyncio.to_thread(command, "revoke", row["id"])
        await access.follow(rt.access)
        assert told == [row["id"]]
