"""The RO-Crate validator without a network: its HTTP cache, filled beforehand with the one document it asks for."""

import importlib.resources
import io
import json
from pathlib import Path
from typing import Any

import requests
import requests_cache
import urllib3
from requests.adapters import BaseAdapter, HTTPAdapter

CONTEXT = "https://w3id.org/ro/crate/1.1/context"
# The rocrate package ships the context of RO-Crate 1.3; four of its terms meant other IRIs in 1.1.
WORKFLOW_TERMS = {
    "ComputationalWorkflow": "https://bioschemas.org/ComputationalWorkflow",
    "FormalParameter": "https://bioschemas.org/FormalParameter",
    "input": "https://bioschemas.org/ComputationalWorkflow#input",
    "output": "https://bioschemas.org/ComputationalWorkflow#output",
}


class Shelf(BaseAdapter):
    """Answers every request with one document, as a server would."""

    def __init__(self, document: bytes) -> None:
        super().__init__()
        self.document = document

    def send(self, request: requests.PreparedRequest, *arguments: Any, **options: Any) -> requests.Response:
        headers = {"Content-Type": "application/ld+json"}
        raw = urllib3.HTTPResponse(io.BytesIO(self.document), headers=headers, status=200, preload_content=False)
        return HTTPAdapter().build_response(request, raw)

    def close(self) -> None:
        """Nothing is open."""


def fill_cache(folder: Path) -> Path:
    """Fill the cache that ``rocrate-validator --offline --cache-path`` reads, and return its path."""
    document = json.loads(importlib.resources.files("rocrate").joinpath("data/ro-crate.jsonld").read_bytes())
    document["@context"] |= WORKFLOW_TERMS
    path = folder / "validator-cache"
    session = requests_cache.CachedSession(str(path), backend="sqlite", expire_after=-1)
    session.mount("https://", Shelf(json.dumps(document).encode()))
    for headers in ({}, {"Accept": "application/ld+json, application/json"}):
        assert session.get(CONTEXT, headers=headers).ok
    session.close()
    return path
