"""What docs/consumers/postgres.md shows."""

from __future__ import annotations

import re
from pathlib import Path

from integration.consumers.postgres.target_database import TargetDatabase, batch, event, record
from stripe_sync import read_consumer_file
from stripe_sync.records import canonical_json

PAGE = (Path(__file__).parents[4] / "docs/consumers/postgres.md").read_text()


def test_the_documented_statements_make_tables_that_are_taken(target: TargetDatabase) -> None:
    (code,) = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
    statements = [each for each in code.split(";") if each.strip().startswith("CREATE")]
    assert len(statements) == 4
    for statement in statements:
        target.sql(statement)
    target.deliver(batch(record(1)))
    target.deliver(batch(event(1)), stream="events")
    assert target.names() == target.names("stripe.events") == ["cus_1"]


def test_the_documented_consumers_can_be_declared(tmp_path: Path) -> None:
    (declared,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "consumers.yaml").write_text(declared)
    (consumer,) = read_consumer_file(tmp_path / "consumers.yaml")
    (body,) = re.findall(r"-d '(.*?)'", PAGE, re.DOTALL)
    shown = canonical_json.loads(body)
    assert shown.pop("filters") == {"collection_id": ["customer", "invoice"]}
    assert consumer.filters.collection_id == ("stripe:customer", "stripe:invoice")
    for name, value in shown.items():
        assert getattr(consumer, name) == value
