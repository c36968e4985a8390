"""GET /v1/codes/..."""

from __future__ import annotations

import anyio
import httpx
import pytest

from coder_assist.suggest import Coder
from coder_assist.types import System

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("written", ["E11.40", "e1140", "E1140", " e11.40 "])
async def test_a_code_is_found_as_people_type_it(client: httpx.AsyncClient, written: str) -> None:
    """Case, blanks and the dot do not matter; the answer has the written form."""
    answer = await client.get(f"/v1/codes/ICD-10-CM/{written}")
    assert answer.status_code == 200
    assert answer.json()["code"] == "E11.40"


async def test_a_code_stands_in_its_place(client: httpx.AsyncClient) -> None:
    """An entry has title, billable, parent, ancestors up to the chapter, and the edition's dates."""
    entry = (await client.get("/v1/codes/ICD-10-CM/E11.40")).json()
    assert entry["title"] == "Type 2 diabetes mellitus with diabetic neuropathy, unspecified"
    assert (entry["billable"], entry["parent"], entry["children"]) == (True, "E11.4", [])
    assert [node["code"] for node in entry["ancestors"]] == ["E11.4", "E11", "E08-E13", "chapter 4"]
    assert (entry["edition"], entry["valid_from"], entry["valid_to"]) == (
        "2026-04",
        "2026-04-01",
        "2026-09-30",
    )


async def test_notes_say_where_they_stand(client: httpx.AsyncClient) -> None:
    """Inherited notes of the Tabular List name the node they come from."""
    notes = (await client.get("/v1/codes/ICD-10-CM/E11.40")).json()["instructions"]
    assert {"kind": "excludes1", "text": "type 1 diabetes mellitus (E10.-)", "from": "E11"} in notes
    assert {note["from"] for note in notes} >= {"E11", "chapter 4"}


async def test_seventh_characters_complete_a_code(client: httpx.AsyncClient) -> None:
    """A code that lacks its seventh character lists the codes that complete it."""
    entry = (await client.get("/v1/codes/ICD-10-CM/S52.501")).json()
    assert not entry["billable"]
    assert entry["seventh_characters"]["A"] == "S52.501A"
    assert "S52.501A" in {child["code"] for child in entry["children"]}


@pytest.mark.parametrize("name", ["E08-E13", "chapter 4", "E11"])
async def test_headers_can_be_followed(client: httpx.AsyncClient, name: str) -> None:
    """Every ancestor of a code can be asked for by its name."""
    entry = (await client.get(f"/v1/codes/ICD-10-CM/{name}")).json()
    assert entry["code"] == name
    assert entry["children"]


@pytest.mark.parametrize(
    "path",
    ["ICD-10-CM/E11.99", "ICD-10-CM/nonsense", "CPT/00000", "HCPCS/G9999", "ICD-10-CM/%00", "CPT/E11.9"],
)
async def test_an_unknown_code_is_not_found(client: httpx.AsyncClient, path: str) -> None:
    """A code that no installed book has is a 404 problem."""
    answer = await client.get(f"/v1/codes/{path}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:coder-assist:problem:unknown-code"


async def test_an_unknown_system_lists_the_known(client: httpx.AsyncClient) -> None:
    """A system that does not exist is refused with those that do."""
    answer = await client.get("/v1/codes/ICD-9/250.00")
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["parameter"] == "system"
    assert all(system.value in error["detail"] for system in System)
    assert "ICD-9" not in answer.text


async def test_words_find_codes(client: httpx.AsyncClient) -> None:
    """An unfinished word finds the code it begins to name."""
    results = (await client.get("/v1/codes/search", params={"q": "hypertens"})).json()["results"]
    assert "I10" in {result["code"] for result in results}


async def test_the_beginning_of_a_code_finds_codes(client: httpx.AsyncClient) -> None:
    """Typed codes are found with and without their dot, in book order."""
    for q in ("E11.4", "e114"):
        results = (await client.get("/v1/codes/search", params={"q": q, "limit": 3})).json()["results"]
        assert [result["code"] for result in results] == ["E11.4", "E11.40", "E11.41"]


async def test_search_keeps_to_a_system(client: httpx.AsyncClient) -> None:
    """With a system, only its codes are found."""
    answer = await client.get("/v1/codes/search", params={"q": "knee", "system": "CPT", "limit": 5})
    results = answer.json()["results"]
    assert results
    assert {result["system"] for result in results} == {"CPT"}


@pytest.mark.parametrize("q", ["zzzzqqqq", "   ", "\x00", "😀", "of the", "%", "'; drop table nodes; --"])
async def test_search_may_find_nothing(client: httpx.AsyncClient, q: str) -> None:
    """What names no code is answered, if with an empty list."""
    answer = await client.get("/v1/codes/search", params={"q": q})
    assert answer.status_code == 200
    assert isinstance(answer.json()["results"], list)


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("", "q"),
        ("q=", "q"),
        ("q=" + "x" * 201, "q"),
        ("q=a&limit=0", "limit"),
        ("q=a&limit=51", "limit"),
        ("q=a&limit=many", "limit"),
        ("q=a&system=ICD-9", "system"),
    ],
)
async def test_a_wrong_parameter_is_named(client: httpx.AsyncClient, query: str, parameter: str) -> None:
    """A parameter out of its range is a 422 problem with its name."""
    answer = await client.get(f"/v1/codes/search?{query}")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert [error["parameter"] for error in answer.json()["errors"]] == [parameter]


@pytest.mark.parametrize("limit", [1, 50])
async def test_the_limit_is_kept(client: httpx.AsyncClient, limit: int) -> None:
    """At most limit codes are found, from 1 to 50, no code twice."""
    results = (await client.get("/v1/codes/search", params={"q": "fracture", "limit": limit})).json()[
        "results"
    ]
    assert len(results) == limit
    assert len({(result["system"], result["code"]) for result in results}) == limit


async def test_lookups_together_agree(client: httpx.AsyncClient, coder: Coder) -> None:
    """Lookups from several threads give what they give one by one."""
    values = list(coder.library.icd.children("E11")) + list(coder.library.icd.children("S52.50"))
    paths = [f"/v1/codes/ICD-10-CM/{value}" for value in values] + ["/v1/codes/search?q=fracture+radius"]
    for cached in ("get", "children", "ancestors"):
        getattr(coder.library.icd, cached).cache_clear()
    together: dict[int, bytes] = {}

    async def ask(place: int) -> None:
        together[place] = (await client.get(paths[place % len(paths)])).content

    async with anyio.create_task_group() as tasks:
        for place in range(len(paths) * 4):
            tasks.start_soon(ask, place)
    for place, content in together.items():
        assert content == (await client.get(paths[place % len(paths)])).content
