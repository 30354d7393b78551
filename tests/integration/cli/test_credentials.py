"""``stripe-sync credentials`` as people and scripts run it."""

from __future__ import annotations

import os
import subprocess
import sys

from stripe_sandbox.server import Running
from stripe_sync.catalog import load_catalog
from stripe_sync.records import canonical_json

MAIN = "from stripe_sync.cli.app import main; main()"


def run(sandbox: Running, key: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "MY_KEY": key, "STRIPE_API_BASE": sandbox.base_url}
    environment |= {"WAREHOUSE_URL": "", "COLUMNS": "160"}
    command = [sys.executable, "-c", MAIN, "credentials", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def check(sandbox: Running, key: str, *more: str) -> subprocess.CompletedProcess[str]:
    return run(sandbox, key, "check", "--key-variable", "MY_KEY", *more)


def test_a_key_that_may_read_everything(sandbox: Running) -> None:
    done = check(sandbox, sandbox.api_key)
    assert done.returncode == 0, done.stderr
    assert "Account acct_1SandboxShop0001, test mode." in done.stdout
    assert "customer_balance_transaction" in done.stdout


def test_a_key_that_lacks_permissions(sandbox: Running) -> None:
    sandbox.control.add_key("rk_test_few", permissions=["rak_customer_read"])
    done = check(sandbox, "rk_test_few", "--json")
    assert done.returncode == 1, done.stderr
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
        assert done.returncode == 2
        assert says in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
    assert "a live mode key is expected" in check(sandbox, "sk_test_1", "--mode", "live").stderr


def test_a_link_for_a_new_key(sandbox: Running) -> None:
    done = run(sandbox, "", "new-key", "--live", "--collection", "refund", "--write", "coupon")
    assert done.stdout.strip() == (
        "https://dashboard.stripe.com/apikeys/create?name=airflow-stripe-sync"
        "&permissions%5B%5D=rak_charge_read&permissions%5B%5D=rak_coupon_write"
        "&permissions%5B%5D=rak_event_read"
    )
    unknown = run(sandbox, "", "new-key", "--collection", "custmer")
    assert (unknown.returncode, "customer" in unknown.stderr) == (2, True)
