"""What functions logged is found by the trace id, from when the command began."""

import json
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from coordinator.logs.search import find_log_groups, search_lines
from mycelium.errors import DeploymentError, UserInputError

TRACE = "1-5759e988-bd862e3fe1be46a994272793"
BEGAN_S = 0x5759E988
ASKED = {
    "logGroupName": "group",
    "filterPattern": f'{{ $.trace_id = "{TRACE}" }}',
    "startTime": (BEGAN_S - 60) * 1000,
    "endTime": (BEGAN_S + 100 + 60) * 1000,
}


def make_client(service: str) -> Any:
    """Return a client whose requests are checked against the service's own model, and answered by a script."""
    return boto3.client(service, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")  # noqa: S106 - of nobody


def make_page(*chunks: str, token: str | None = None) -> dict[str, Any]:
    """Return one page of answers."""
    told = {"trace_id": TRACE, "failures": 1}
    events = [{"message": json.dumps({"chunk_id": chunk, **told}) + "\n"} for chunk in chunks]
    return {"events": events} | ({"nextToken": token} if token else {})


def test_every_page_is_read_and_the_search_is_bounded_in_time() -> None:
    client = make_client("logs")
    with Stubber(client) as stub:
        stub.add_response("filter_log_events", make_page("00000", token="more"), ASKED)  # noqa: S106 - a page's
        stub.add_response("filter_log_events", make_page("00001"), ASKED | {"nextToken": "more"})
        lines = list(search_lines(client, ["group"], TRACE, BEGAN_S + 100))
        stub.assert_no_pending_responses()
    assert [json.loads(line)["chunk_id"] for line in lines] == ["00000", "00001"]


def test_failures_alone_are_asked_of_the_service_and_no_more_than_wanted_are_fetched() -> None:
    client = make_client("logs")
    pattern = f'{{ ($.trace_id = "{TRACE}") && ($.failures = 1) }}'
    with Stubber(client) as stub:
        stub.add_response(
            "filter_log_events",
            make_page("00000", "00001", "00002", token="more"),  # noqa: S106 - as above
            ASKED | {"filterPattern": pattern},
        )
        assert len(list(search_lines(client, ["group"], TRACE, BEGAN_S + 100, only_failed=True, limit=2))) == 2


@pytest.mark.parametrize("trace_id", ["", '1" || $.x = "', "x" * 35])
def test_what_is_no_trace_id_is_never_put_into_a_pattern(trace_id: str) -> None:
    with pytest.raises(UserInputError, match="a trace id is"):
        list(search_lines(make_client("logs"), ["group"], trace_id, 0.0))


def test_the_next_group_is_looked_at_where_nothing_was_found() -> None:
    for first in (make_page(), None):
        client = make_client("logs")
        with Stubber(client) as stub:
            if first is None:
                stub.add_client_error("filter_log_events", "ResourceNotFoundException")
            else:
                stub.add_response("filter_log_events", first, ASKED)
            stub.add_response("filter_log_events", make_page("00000"), ASKED | {"logGroupName": "next"})
            lines = list(search_lines(client, ["group", "next", "never asked"], TRACE, BEGAN_S + 100))
        assert len(lines) == 1


def test_what_an_emulator_answers_beside_is_left_out() -> None:
    page = make_page("00000")
    others = ["START RequestId: 1", "\n", "{}", "[" * 100_000, json.dumps({"trace_id": "another"}), '{"trace_id": 1}']
    well = json.dumps({"trace_id": TRACE, "failures": 0})
    page["events"] += [{"message": text} for text in (*others, well)]
    for only_failed, n_lines in ((False, 2), (True, 1)):
        client = make_client("logs")
        with Stubber(client) as stub:
            stub.add_response("filter_log_events", page)
            assert len(list(search_lines(client, ["group"], TRACE, 0.0, only_failed=only_failed))) == n_lines


def test_a_log_group_that_is_gone_is_said_to_be() -> None:
    client = make_client("logs")
    with Stubber(client) as stub:
        stub.add_client_error("filter_log_events", "ResourceNotFoundException")
        with pytest.raises(DeploymentError, match="group is gone"):
            list(search_lines(client, ["group"], TRACE, 0.0))


@pytest.mark.parametrize(
    ("answer", "groups"),
    [({"LoggingConfig": {"LogGroup": "mine"}}, ("mine", "/aws/lambda/f")), ({}, ("/aws/lambda/f",))],
)
def test_a_function_says_where_it_logs(answer: dict[str, Any], groups: tuple[str, ...]) -> None:
    client = make_client("lambda")
    with Stubber(client) as stub:
        stub.add_response("get_function_configuration", answer, {"FunctionName": "f"})
        assert find_log_groups(client, "f") == groups


def test_a_function_that_is_gone_is_said_to_be() -> None:
    client = make_client("lambda")
    with Stubber(client) as stub:
        stub.add_client_error("get_function_configuration", "ResourceNotFoundException")
        with pytest.raises(DeploymentError, match="function f is gone"):
            find_log_groups(client, "f")
