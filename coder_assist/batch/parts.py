"""The output of a batch: a directory of parts, each whole or not there."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from coder_assist.batch.coding import Part, difference
from coder_assist.batch.reading import arrow, fingerprint
from coder_assist.errors import BatchError


def write(path: Path, content: bytes) -> None:
    """Write a file so that it is whole or not there, even after a crash. Raises ``BatchError``."""
    draft = path.with_name(path.name + ".draft")
    try:
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise BatchError(
            f"{path.name}: expected room to write; {error.strerror}. What is written stays; start again to go on"
        ) from None


class Output:
    """The directory of a batch's parts."""

    def __init__(self, directory: Path, parquet: bool) -> None:
        self.directory = directory
        self.parquet = parquet

    def begin(self, plan: dict[str, Any]) -> None:
        """Write the plan, or see that the one that is there is the same. Raises ``BatchError``."""
        path = self.directory / "plan.json"
        if path.exists():
            try:
                earlier = json.loads(path.read_bytes())
            except ValueError:
                raise BatchError(f"{path}: expected the plan of a batch; choose another directory") from None
            if earlier != plan:
                raise BatchError(
                    f"{self.directory} holds a batch of another input or other versions: "
                    f"{difference(plan, earlier)}. Choose another directory, or remove this one"
                )
            return
        if self.directory.exists() and any(self.directory.iterdir()):
            raise BatchError(f"{self.directory}: expected an empty directory or one that a batch began")
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BatchError(
                f"{self.directory}: expected a directory to write to; {error.strerror}"
            ) from None
        write(path, json.dumps(plan, indent=2).encode())

    def _stem(self, index: int) -> Path:
        return self.directory / f"part-{index:05d}"

    def receipt(self, index: int) -> dict[str, Any] | None:
        """Return the receipt of a part that is whole, ``None`` where it has to be made."""
        path = self._stem(index).with_suffix(".json")
        if not path.exists():
            return None
        try:
            receipt: dict[str, Any] = json.loads(path.read_bytes())
            digests = receipt["sha256"].items()
        except (ValueError, KeyError, TypeError, AttributeError):
            return None  # no receipt of ours: the part is made again
        for name, digest in digests:
            if not (self.directory / name).exists() or fingerprint(self.directory / name) != digest:
                return None  # changed or removed since: it is made again
        return receipt

    def keep(self, part: Part) -> dict[str, Any]:
        """Write a part, its receipt last. Raises ``BatchError``."""
        stem = self._stem(part.index)
        predictions = stem.with_suffix(".parquet" if self.parquet else ".jsonl")
        rejects = stem.with_suffix(".rejects.jsonl")
        write(predictions, _as_parquet(part.predictions) if self.parquet else part.predictions)
        write(rejects, part.rejects)
        receipt = {
            "part": part.index,
            "coded": part.coded,
            "rejected": part.rejected,
            "sha256": {path.name: fingerprint(path) for path in (predictions, rejects)},
        }
        write(stem.with_suffix(".json"), json.dumps(receipt).encode())
        return receipt


def _as_parquet(lines: bytes) -> bytes:
    """Return predictions as Parquet: ``id`` and the whole record as JSON in ``prediction``."""
    pyarrow, parquet = arrow()
    # Not ``str.splitlines``: it would also cut at U+0085, U+2028 and U+2029, which stand in JSON as they are.
    records = lines.decode().split("\n")[:-1]
    table = pyarrow.table(
        {"id": [json.loads(record)["id"] for record in records], "prediction": records},
        schema=pyarrow.schema([("id", pyarrow.string()), ("prediction", pyarrow.string())]),
    )
    sink = pyarrow.BufferOutputStream()
    parquet.write_table(table, sink, compression="zstd")
    content: bytes = sink.getvalue().to_pybytes()
    return content
