from __future__ import annotations

from stripe_sandbox.generation.object_generator import ObjectBatch
from stripe_sandbox.generation.template_fields import make_id
from stripe_sandbox.resources.top_level_resources import TOP_LEVEL
from stripe_sandbox.storage.account_store import AccountStore


def test_seeded_objects_are_kept_as_numbers_and_rendered_alike() -> None:
    for resource in TOP_LEVEL:
        store = AccountStore("acct_1", livemode=True)
        batch = ObjectBatch(resource.object, store, seed=3)
        assert batch.add_to(store[resource.object], [10, 20, 30]) == range(3)
        assert batch.add_to(store[resource.object], [40]) == range(3, 4)
        stored = store[resource.object].by_id[make_id(resource.object, 3, 1)]
        doc = stored.doc()
        assert (doc["id"], doc[resource.created_field], stored.created) == (stored.id, 20, 20)
        assert doc.get("livemode", True) is True
        rewritten = store[resource.object].put(doc)
        assert (rewritten.json, rewritten.default_json) == (stored.json, stored.default_json)
        assert rewritten.hidden == stored.hidden
        assert b"@@" not in stored.json
