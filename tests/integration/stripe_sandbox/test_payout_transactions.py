"""The balance transactions of a payout: Stripe knows those of automatic payouts only."""

from __future__ import annotations

from typing import Any

PATH = "/v1/balance_transactions"
MANUAL = "Balance transaction history can only be filtered on automatic transfers, not manual."


def test_an_automatic_payout_is_the_sum_of_its_transactions_to_the_cent(shop: Any) -> None:
    payouts = [each for each in shop.control.objects("payout") if each["automatic"]]
    paid = [each for each in payouts if each["status"] == "paid"]
    assert len(paid) > 20
    for payout in paid:
        assert payout["reconciliation_status"] == "completed"
        found = shop.list_all(PATH, {"payout": payout["id"]})
        [own] = [each for each in found if each["type"] == "payout"]
        assert (own["id"], own["source"]) == (payout["balance_transaction"], payout["id"])
        assert sum(each["net"] for each in found if each != own) == payout["amount"] > 0
        assert own["net"] == -payout["amount"]
        assert {each["status"] for each in found} == {"available"}


def test_a_transaction_is_in_one_payout_and_does_not_name_it(shop: Any) -> None:
    ids = [
        transaction["id"]
        for payout in shop.control.objects("payout")
        if payout["automatic"]
        for transaction in shop.list_all(PATH, {"payout": payout["id"]})
    ]
    assert len(ids) == len(set(ids)) > 200
    assert not any("payout" in each for each in shop.list_all(PATH))


def test_a_payout_without_transactions_that_stripe_knows_is_refused(shop: Any) -> None:
    manual = next(each for each in shop.control.objects("payout") if not each["automatic"])
    assert manual["reconciliation_status"] == "not_applicable"
    error = shop.refused(400, "GET", PATH, params={"payout": manual["id"]})
    assert (error["message"], error["param"]) == (MANUAL, "payout")
    error = shop.refused(400, "GET", PATH, params={"payout": "po_nobody"})
    assert (error["code"], error["param"]) == ("resource_missing", "payout")


def test_a_payout_of_a_request_is_a_manual_one(api: Any) -> None:
    made = api.post("/v1/payouts", {"amount": "500", "currency": "usd"})
    assert (made["automatic"], made["reconciliation_status"]) == (False, "not_applicable")
    assert api.refused(400, "GET", PATH, params={"payout": made["id"]})["message"] == MANUAL
