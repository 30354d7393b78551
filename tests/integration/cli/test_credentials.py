"""``stripe-sync credentials``, as the installed command runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner, Result

from stripe_sandbox.server import Running
from stripe_sync.catalog import load_catalog
from stripe_sync.cli.app import app
from stripe_sync.records import canonical_json

ENVIRONMENT = {"WAREHOUSE_URL": "", "COLUMNS": "160"}


def run(sandbox: Running, key: str, *arguments: str) -> Result:
    environment = {**ENVIRONMENT, "MY_KEY": key, "STRIPE_API_BASE": sandbox.base_url}
    return CliRunner().invoke(app, ["credentials", *arguments], env=environment)


def check(sandbox: Running, key: str, *more: str) -> Result:
    return run(sandbox, key, "check", "--key-variable", "MY_KEY", *more)


def test_a_key_that_may_read_everything(sandbox: Running) -> None:
    done = check(sandbox, sandbox.api_key)
    assert done.exit_code == 0, done.stderr
    assert "Account acct_1SandboxShop0001, test mode." in done.stdout
    assert "customer_balance_transaction" in done.stdout


def test_a_key_that_lacks_permissions(sandbox: Running) -> None:
    sandbox.control.add_key("rk_test_few", permissions=["rak_customer_read"])
    done = check(sandbox, "rk_test_few", "--json")
    assert done.exit_code == 1, done.stderr
    found = canonical_json.loads(done.stdout)
    assert (found["status"], len(found["collections"])) == ("limited", len(load_catalog()))
    assert "rk_test_few" not in done.stdout + done.stderr


def test_keys_that_cannot_be_used(sandbox: Running) -> None:
    for key, says in (
        ("sk_test_revoked", "wrong or revoked"),
        ("pk_test_1", "this is a publishable key"),
        ("", "MY_KEY has no key"),
    ):
        done = check(sandbox, key)
        assert done.exit_code == 2
        assert says in done.stdout + done.stderr
        assert isinstance(done.exception, SystemExit)
    assert "a live mode key is expected" in check(sandbox, "sk_test_1", "--mode", "live").stderr


def test_a_link_for_a_new_key(sandbox: Running) -> None:
    done = run(sandbox, "", "new-key", "--live", "--collection", "refund", "--write", "coupon")
    assert done.stdout.strip() == (
        "https://dashboard.stripe.com/apikeys/create?name=airflow-stripe-sync"
        "&permissions%5B%5D=rak_charge_read&permissions%5B%5D=rak_coupon_write"
        "&permissions%5B%5D=rak_event_read"
    )
    command = [Path(sys.executable).with_name("stripe-sync"), "credentials", "new-key"]
    environment = os.environ | ENVIRONMENT
    script = subprocess.run([*command, "--live"], env=environment, capture_output=True, check=False)
    assert (script.returncode, b"name=airflow-stripe-sync" in script.stdout) == (0, True)
    unknown = run(sandbox, "", "new-key", "--collection", "custmer")
    assert (unknown.exit_code, "customer" in unknown.stderr) == (2, True)
