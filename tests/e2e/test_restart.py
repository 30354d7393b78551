"""What is there after ``make up`` was stopped and started again."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from e2e.conftest import greeting, start, stop
from stripe_stack.airflow.api import AirflowApi
from stripe_stack.settings import free_port, stack_secrets

pytestmark = pytest.mark.e2e


def test_the_second_start_keeps_everything(tmp_path: Path) -> None:
    port, sandbox_port = free_port(), free_port()
    headers = {"Authorization": "Bearer sk_test_sandbox"}
    names, runs, said = [], [], []
    for number in (1, 2):
        process = start(tmp_path, AIRFLOW_PORT=port, SANDBOX_PORT=sandbox_port)
        try:
            said.append(greeting(process))
            password = stack_secrets(tmp_path).admin_password
            with (
                AirflowApi(f"http://127.0.0.1:{port}", password) as airflow,
                httpx.Client(base_url=f"http://127.0.0.1:{sandbox_port}", headers=headers) as api,
            ):
                assert airflow.ready(3)
                runs.append({run["dag_run_id"] for run in airflow.runs("stripe_backfill")})
                if number == 1:
                    made = api.post("/v1/customers", data={"name": "Duncan"}).json()["id"]
                names.append(api.get(f"/v1/customers/{made}").json().get("name"))
            stop(process, tmp_path)
        finally:
            if process.poll() is None:
                process.terminate()
                process.communicate(timeout=60)
    assert names == ["Duncan", "Duncan"]
    # One backfill, begun by the first start.
    assert runs[0] == runs[1] != set()
    assert "The first backfill has begun" in said[0]
    assert "What was there before is still there" in said[1]
