"""The validator of RO-Crate's profiles, without a network.

`ro-crate-1.1-context.json` holds the terms of https://w3id.org/ro/crate/1.1/context that our crates use,
as they stand there; a term that it lacks fails the check.
"""

import io
from pathlib import Path

import requests
import urllib3
from requests_cache import CachedSession
from rocrate_validator import services
from rocrate_validator.models import Severity, ValidationSettings

CONTEXT = "https://w3id.org/ro/crate/1.1/context"


def issues(crate: Path, cache: Path, severity: Severity) -> list[str]:
    """Return `check: entity` of what breaks the Workflow Run profile or one it builds on; `cache` is a new folder."""
    answer = requests.Response()
    answer.status_code, answer.url = 200, CONTEXT
    answer.headers["Content-Type"] = "application/ld+json"
    answer._content = Path(__file__).with_name("ro-crate-1.1-context.json").read_bytes()
    answer.raw = urllib3.HTTPResponse(io.BytesIO(), preload_content=False, request_url=CONTEXT)
    answer.request = requests.Request("GET", CONTEXT).prepare()
    with CachedSession(cache_name=str(cache / "http"), backend="sqlite") as session:
        session.cache.save_response(answer)
    found = services.validate(
        ValidationSettings(
            rocrate_uri=str(crate),
            profile_identifier="workflow-run-crate-0.5",
            requirement_severity=severity,
            offline=True,
            cache_path=str(cache / "http"),
        )
    )
    assert found.executed_checks
    return sorted(f"{issue.check.identifier}: {issue.violatingEntity}: {issue.message}" for issue in found.get_issues())
