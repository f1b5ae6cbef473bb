"""What a walk over the API holds its answers to, besides what schemathesis brings."""

import schemathesis


@schemathesis.check
def no_fault(_: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case) -> None:
    """No fault of the gateway's or its owners', but for who waits for an event that does not come."""
    if response.status_code >= 500:
        problem = response.json()
        assert problem["code"] == "OPERATION_TIMEOUT", problem
        assert "at_least" in (case.query or {}), problem
