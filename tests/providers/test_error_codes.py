"""The error codes of the services that document them: cause, and what the worker does after each."""

from collections.abc import Callable
from typing import Any

import pytest

from app.errors import Billed
from tests.providers.services import outcome

# What follows from an error: (billed, retryable, pauses_batch)
ENDS = (Billed.NO, False, False)
AGAIN = (Billed.NO, True, False)
PAUSES = (Billed.NO, False, True)
UNKNOWN = (Billed.UNKNOWN, False, False)
UNKNOWN_PAUSES = (Billed.UNKNOWN, False, True)

FORMS: dict[str, tuple[str, Callable[[int | str], dict[str, Any]]]] = {
    "seedream": ("seedream", lambda code: {"error": {"code": code, "message": "words"}}),
    "bailian": ("bailian", lambda code: {"request_id": "r", "code": code, "message": "words"}),
    "gemini": ("gemini", lambda code: {"error": {"code": 400, "status": code, "message": "words"}}),
    "reason of gemini": (
        "gemini",
        lambda code: {"error": {"code": 400, "status": "INVALID_ARGUMENT", "details": [{"reason": code}]}},
    ),
    "tokenhub": ("tokenhub", lambda code: {"error": {"code": code, "message": "words"}}),
    "jimeng": ("jimeng", lambda code: {"code": code, "data": None, "message": "words", "status": code}),
    "gateway of jimeng": (
        "jimeng",
        lambda code: {
            "ResponseMetadata": {"Error": {"CodeN": code, "Code": "Some", "Message": "words"}},
            "code": 10000,
        },
    ),
}
CODES: dict[str, list[tuple[int, int | str, str, tuple[Billed, bool, bool]]]] = {
    "seedream": [
        (500, "InternalServiceError", "service", UNKNOWN),
        (500, "Strange", "service", UNKNOWN),
        (429, "SetLimitExceeded", "limit", PAUSES),
        (429, "QuotaExceeded", "limit", PAUSES),
        (429, "SomethingElse", "limit", PAUSES),
        (200, "QuotaExceeded", "limit", UNKNOWN_PAUSES),
        (429, "InflightBatchsizeExceeded", "limit", AGAIN),
        (429, "RateLimitExceeded.EndpointRPMExceeded", "limit", AGAIN),
        (429, "APIAccountRpmRateLimitExceeded", "limit", AGAIN),
        (429, "AccountRateLimitExceeded", "limit", AGAIN),
        (429, "ServerOverloaded", "limit", AGAIN),
        (429, "RequestBurstTooFast", "limit", AGAIN),
        (400, "InvalidSubscription", "key", PAUSES),
        (400, "InvalidEndpoint.ClosedEndpoint", "request", PAUSES),
        (404, "InvalidEndpointOrModel.NotFound", "request", PAUSES),
        (429, "ModelAccountRpmRateLimitExceeded", "limit", AGAIN),
        (400, "OutputImageSensitiveContentDetected.DeepFake", "moderation", ENDS),
        (400, "InputImageSensitiveContentDetected.PrivacyInformation", "moderation", ENDS),
        (400, "ContentSecurityDetectionError", "service", AGAIN),
        (400, "InvalidParameter.Size", "request", ENDS),
        (400, "InvalidParameter.UnsupportedParameter", "request", ENDS),
        (400, "MissingParameter", "request", ENDS),
        (400, "InvalidImageURL.Timeout", "request", ENDS),
        (413, "RequestEntityTooLarge", "request", ENDS),
        (404, "ModelNotOpen", "request", PAUSES),
        (403, "AccountOverdueError", "key", PAUSES),
        (403, "AccessDenied", "key", PAUSES),
        (429, "ModelAccountIpmRateLimitExceeded", "limit", AGAIN),
        (400, "InputTextRiskDetection", "moderation", ENDS),
        (403, "OperationDenied.Something", "key", PAUSES),
        (401, "InvalidAccountStatus", "key", PAUSES),
        (404, "UnsupportedModel", "request", PAUSES),
    ],
    "bailian": [
        (400, "DataInspectionFailed", "moderation", ENDS),
        (400, "IPInfringementSuspect", "moderation", ENDS),
        (400, "InvalidParameter", "request", ENDS),
        (200, "InvalidParameter", "request", UNKNOWN),
        (400, "InvalidParameter.DataInspection", "request", ENDS),
        (400, "Arrearage", "key", PAUSES),
        (429, "PostpaidBillOverdue", "key", PAUSES),
        (401, "InvalidApiKey", "key", PAUSES),
        (403, "AccessDenied", "key", PAUSES),
        (403, "AccessDenied.Unpurchased", "request", PAUSES),
        (403, "AllocationQuota.FreeTierOnly", "limit", PAUSES),
        (404, "ModelNotFound", "request", PAUSES),
        (429, "Throttling", "limit", AGAIN),
        (429, "Throttling.RateQuota", "limit", AGAIN),
        (200, "Throttling.BurstRate", "limit", UNKNOWN_PAUSES),
        (429, "Throttling.AllocationQuota", "limit", PAUSES),
        (429, "SomethingElse", "limit", PAUSES),
        (500, "InternalError", "service", UNKNOWN),
        (500, "InternalError.Timeout", "service", UNKNOWN),
        (200, "InternalError.Timeout", "service", UNKNOWN),
        (408, "RequestTimeOut", "service", UNKNOWN),
        (500, "Strange", "service", UNKNOWN),
        (503, "ModelUnavailable", "service", UNKNOWN),
    ],
    "gemini": [
        (400, "INVALID_ARGUMENT", "request", ENDS),
        (400, "FAILED_PRECONDITION", "key", PAUSES),
        (403, "PERMISSION_DENIED", "key", PAUSES),
        (404, "NOT_FOUND", "request", PAUSES),
        (429, "RESOURCE_EXHAUSTED", "limit", AGAIN),
        (429, "insufficient_user_quota", "key", PAUSES),
        (200, "RESOURCE_EXHAUSTED", "limit", UNKNOWN_PAUSES),
        (503, "UNAVAILABLE", "limit", AGAIN),
        (500, "INTERNAL", "service", UNKNOWN),
        (502, "UNAVAILABLE", "service", UNKNOWN),
        (504, "DEADLINE_EXCEEDED", "service", UNKNOWN),
    ],
    "reason of gemini": [
        (400, "API_KEY_INVALID", "key", PAUSES),
        (429, "RATE_LIMIT_EXCEEDED", "limit", AGAIN),
    ],
    "tokenhub": [
        (400, 400001, "request", ENDS),
        (400, 400004, "request", ENDS),
        (401, 401002, "key", PAUSES),
        (402, 401007, "key", PAUSES),
        (402, 401008, "key", PAUSES),
        (402, 403004, "key", PAUSES),
        (403, 403001, "request", PAUSES),
        (403, 403002, "request", PAUSES),
        (403, 403005, "request", PAUSES),
        (429, 429001, "limit", AGAIN),
        (451, 451001, "moderation", ENDS),
        (502, 502001, "service", UNKNOWN),
        (200, 502001, "service", UNKNOWN),
        (200, "ResourceUnavailable.InterfaceNotExist", "request", UNKNOWN_PAUSES),
    ],
    "jimeng": [
        (400, 50411, "moderation", ENDS),
        (400, 50512, "moderation", ENDS),
        (400, 50518, "moderation", ENDS),
        (400, 50511, "moderation", AGAIN),
        (400, 50519, "moderation", AGAIN),
        (400, 50520, "service", ENDS),
        (400, 50521, "service", ENDS),
        (400, 50522, "service", ENDS),
        (429, 50429, "limit", AGAIN),
        (429, 50430, "limit", AGAIN),
        (200, 50430, "limit", UNKNOWN_PAUSES),
        (401, 50400, "key", PAUSES),
        (400, 50200, "request", ENDS),
        (400, 50215, "request", ENDS),
        (500, 50500, "service", UNKNOWN),
        (500, 50501, "service", UNKNOWN),
        (400, 59999, "request", ENDS),
        (408, 59999, "service", UNKNOWN),
        (500, 59999, "service", UNKNOWN),
        (200, 59999, "service", UNKNOWN),
    ],
    "gateway of jimeng": [
        (401, 100009, "key", PAUSES),
        (401, 100010, "key", PAUSES),
        (400, 100006, "key", PAUSES),
        (403, 100013, "key", PAUSES),
        (404, 100008, "request", PAUSES),
        (500, 100014, "service", UNKNOWN),
        (502, 100015, "service", AGAIN),
        (504, 100016, "service", UNKNOWN),
        (429, 100018, "limit", AGAIN),
        (400, 100018, "limit", AGAIN),
        (503, 100019, "service", UNKNOWN),
        (500, 100023, "service", UNKNOWN),
        (401, 100025, "key", PAUSES),
        (401, 100026, "key", PAUSES),
        (408, 100999, "service", UNKNOWN),
        (500, 100999, "service", UNKNOWN),
        (400, 100999, "request", ENDS),
    ],
}


@pytest.mark.parametrize(
    ("form", "status", "code", "cause", "follows"),
    [
        pytest.param(form, *row, id=f"{form}-{row[0]}-{row[1]}")
        for form, rows in CODES.items()
        for row in rows
    ],
)
def test_each_error_code_has_its_rule(
    form: str, status: int, code: int | str, cause: str, follows: tuple[Billed, bool, bool]
) -> None:
    service, fields_of = FORMS[form]
    error = outcome(service, status, fields_of(code))
    assert error.cause == cause
    assert (error.billed, error.retryable, error.pauses_batch) == follows
    assert error.throttled is (cause == "limit" and error.retryable) or status == 200
    assert str(code) in str(error) or form == "gateway of jimeng"
