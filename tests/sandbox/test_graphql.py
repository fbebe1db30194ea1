"""The balance, as the sandbox's GraphQL tells it from its ledger."""

from __future__ import annotations

from typing import Any

import pytest

from rpd.adapters.sandbox import daemon
from tests.sandbox.conftest import Client

pytestmark = pytest.mark.sandbox


def ask(client: Client, query: Any = "{myself{clientBalance currentSpendPerHr}}") -> Any:
    return client("POST", "/graphql", json={"query": query})


def test_the_balance_and_what_is_spent(sandbox: Any) -> None:
    daemon.play(sandbox.home, {"balance_usd": 7})
    assert ask(sandbox).json() == {"data": {"myself": {"clientBalance": 7.0, "currentSpendPerHr": 0.0}}}
    pod = sandbox.create()
    told = ask(sandbox, "query Me { myself { id, clientBalance, currentSpendPerHr, spendLimit } }").json()
    mine = told["data"]["myself"]
    assert mine["clientBalance"] < 7 and mine["spendLimit"] == 80
    assert mine["currentSpendPerHr"] == pytest.approx(pod["cost"] + 40 * 0.10 / 730, abs=1e-4)
    sandbox("DELETE", f"/v2/pods/{pod['id']}")
    assert ask(sandbox).json()["data"]["myself"]["currentSpendPerHr"] == 0.0


def test_the_account_is_described(sandbox: Any) -> None:
    sandbox("PUT", "/v2/account/ssh-keys", json={"keys": ["ssh-ed25519 AAAA one"]})
    volume = sandbox("POST", "/v2/network-volumes", json={"name": "v", "size": 10, "dataCenter": "EU-RO-1"}).json()
    query = "query { myself { id pubKey networkVolumes { id name size dataCenterId } } }"
    assert ask(sandbox, query).json()["data"]["myself"] == {
        "id": "sandbox",
        "pubKey": "ssh-ed25519 AAAA one",
        "networkVolumes": [{"id": volume["id"], "name": "v", "size": 10, "dataCenterId": "EU-RO-1"}],
    }
    refused = ask(sandbox, "{myself{networkVolumes{price}}}").json()
    assert refused["errors"][0]["message"] == 'Cannot query field "price" on type "NetworkVolume".'


@pytest.mark.parametrize(
    "query", ["{myself{{id}}}", "{myself{id}", "{myself}", "{}", "{a{b{c{d{e}}}}}", "}{", "myself{id}"]
)
def test_a_question_that_is_none_is_an_error(sandbox: Any, query: str) -> None:
    assert ask(sandbox, query).status_code == 400


@pytest.mark.parametrize("query", ["{myself{clientBalanc}}", 'mutation{podStop(input:{podId:"p"}){id}}', None, 7])
def test_other_questions_are_errors(sandbox: Any, query: Any) -> None:
    answer = ask(sandbox, query)
    assert answer.status_code == 400 and answer.json()["errors"][0]["message"]


def test_it_takes_the_accounts_key_alone_and_no_fault_of_rest(sandbox: Any) -> None:
    assert ask(Client(sandbox.info, "rpa_other")).status_code == 401
    sandbox.fault("F9", times=0)
    sandbox.fault("F33", times=0)
    assert ask(sandbox).status_code == 200


@pytest.mark.parametrize(("how", "status"), [("errors", 200), ("429", 429), ("gone", 404)])
def test_it_fails_when_told_to(sandbox: Any, how: str, status: int) -> None:
    sandbox.fault("F38", options={"how": how})
    failed = ask(sandbox)
    assert failed.status_code == status
    assert how != "errors" or (failed.json()["errors"] and failed.json()["data"] == {"myself": None})
    assert ask(sandbox).json()["data"]["myself"]["clientBalance"]
