"""The cases of the tables beside this module."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import yaml

TABLES = Path(__file__).parent


class Case(NamedTuple):
    verb: str
    path: str
    body: bytes
    status: int
    expected: str

    @property
    def method(self) -> str:
        return self.path.rpartition(":")[2]


def _table(name: str) -> list[tuple[str, list[Any]]]:
    table = yaml.safe_load((TABLES / f"{name}.yaml").read_text(encoding="utf-8"))
    return [(group, case) for group, cases in table.items() for case in cases]


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text[4:]) if text.startswith("hex:") else text.encode()


def _case(method: str, case: list[Any]) -> Case:
    body, status, expected = case
    return Case("POST", f"/v1/models/conf:{method}", _bytes(body), status, expected)


def _of_signature(signature: str, case: list[Any]) -> Case:
    name = f'{{"signature_name": "{signature}", '
    return _case("predict", [case[0].replace("{", name, 1), *case[1:]])


def predictor_cases() -> list[Case]:
    return [
        *[_case("predict", case) for name in ("predict", "bodies") for _, case in _table(name)],
        *[_of_signature(signature, case) for signature, case in _table("types")],
        *[_case(method, case) for method, case in _table("examples")],
    ]


def http_cases() -> list[Case]:
    return [
        Case(verb, path, _bytes(body), status, expected)
        for _, (verb, path, body, status, expected) in _table("paths")
    ]
