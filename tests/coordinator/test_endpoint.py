"""Where Lambda is."""

from coordinator.endpoint import check_endpoint


def test_an_endpoint_has_no_slash_at_its_end() -> None:
    assert check_endpoint("https://lambda.eu-west-1.amazonaws.com/") == "https://lambda.eu-west-1.amazonaws.com"
    assert check_endpoint("http://127.0.0.1:4566") == "http://127.0.0.1:4566"
