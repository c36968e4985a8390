"""Batches: whole parts, resumed after any crash, the same bytes as one by one."""

from __future__ import annotations

import gzip
import json
import multiprocessing
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from coder_assist import batch
from coder_assist.batch import coding, parts, places, reading, run_batch
from coder_assist.errors import BatchError, LexiconError
from coder_assist.settings import Settings
from coder_assist.suggest import Coder
from coder_assist.suggest.packs import default_pack_dir, write_checksums
from coder_assist.suggest.wire import read_record, run_record
from coder_assist.types import Encounter, Run

CANARY = "Zanzibarine"
NO_VERSIONS = batch.Versions("", {}, "", "", "")
NOTES = [
    {"id": f"n{number}", "text": f"ASSESSMENT: {condition}."}
    for number, condition in enumerate(
        ["Hypertension", "Type 2 diabetes", "Asthma", "Gout", "Left knee pain"] * 2
    )
]


@pytest.fixture(scope="module")
def settings(cache_dir: Path) -> Settings:
    return Settings(cache_dir=cache_dir)


@pytest.fixture(scope="module")
def expected(settings: Settings) -> list[dict[str, Any]]:
    """What the notes give one by one."""
    coder = Coder.load(settings=settings)
    return [json.loads(json.dumps(run_record(coder.suggest(read_record(note))))) for note in NOTES]


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    path = tmp_path / "notes.jsonl"
    path.write_text("".join(json.dumps(note) + "\n" for note in NOTES), "utf-8")
    return path


def predictions(directory: Path) -> list[dict[str, Any]]:
    parts = sorted(path for path in directory.glob("part-*.jsonl") if "rejects" not in path.name)
    return [json.loads(line) for part in parts for line in part.read_bytes().splitlines()]


def test_a_batch_gives_what_one_by_one_gives(
    notes: Path, tmp_path: Path, settings: Settings, expected: list[dict[str, Any]]
) -> None:
    """Every note once, in order, with the same content; the manifest counts and names the versions."""
    seen = []
    manifest = run_batch(notes, tmp_path / "out", settings=settings, size=4, on_progress=seen.append)
    assert predictions(tmp_path / "out") == expected
    assert (manifest["coded"], manifest["rejected"], len(manifest["parts"])) == (10, 0, 3)
    assert manifest["versions"]["pack"] == expected[0]["pack"]
    assert seen[-1].records == 10
    assert json.loads((tmp_path / "out/manifest.json").read_bytes()) == manifest


def test_compressed_input(
    notes: Path, tmp_path: Path, settings: Settings, expected: list[dict[str, Any]]
) -> None:
    """A file compressed by gzip is read as it is."""
    packed = tmp_path / "notes.jsonl.gz"
    packed.write_bytes(gzip.compress(notes.read_bytes()))
    run_batch(packed, tmp_path / "out", settings=settings)
    assert predictions(tmp_path / "out") == expected


def test_parquet_in_and_out(tmp_path: Path, settings: Settings, expected: list[dict[str, Any]]) -> None:
    """Parquet notes give Parquet predictions."""
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.Table.from_pylist(NOTES), tmp_path / "notes.parquet")
    run_batch(tmp_path / "notes.parquet", tmp_path / "out", settings=settings, size=6)
    rows = [
        row
        for part in sorted((tmp_path / "out").glob("*.parquet"))
        for row in parquet.read_table(part).to_pylist()
    ]
    assert [json.loads(row["prediction"]) for row in rows] == expected
    assert [row["id"] for row in rows] == [note["id"] for note in NOTES]


def test_line_ends_of_unicode_stay_in_their_record(tmp_path: Path, settings: Settings) -> None:
    """U+0085, U+2028 and U+2029 in what a prediction quotes end no line, in JSONL and in Parquet."""
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    record = {"id": "a\x85b\u2028c\u2029d", "text": "ASSESSMENT: Hypertension.\x85Gout.\u2028Asthma.\u2029"}
    (tmp_path / "notes.jsonl").write_text(json.dumps(record, ensure_ascii=False) + "\n", "utf-8")
    parquet.write_table(pyarrow.Table.from_pylist([record]), tmp_path / "notes.parquet")
    for name in ("notes.jsonl", "notes.parquet"):
        manifest = run_batch(tmp_path / name, tmp_path / f"of-{name}", settings=settings)
        assert (manifest["coded"], manifest["rejected"]) == (1, 0)
    (written,) = predictions(tmp_path / "of-notes.jsonl")
    (row,) = parquet.read_table(tmp_path / "of-notes.parquet/part-00000.parquet").to_pylist()
    assert row["id"] == written["id"] == record["id"]
    assert json.loads(row["prediction"]) == written


def test_bad_records_are_set_aside(tmp_path: Path, settings: Settings) -> None:
    """A record that cannot be coded is named with its reason and without its text; the others go on."""
    lines = [
        json.dumps(NOTES[0]),
        f'{{"id": "broken", "text": "{CANARY}',
        json.dumps({"id": "empty", "text": "  "}),
        json.dumps({"id": "ward", "text": CANARY, "setting": CANARY}),
        json.dumps(NOTES[1]),
    ]
    (tmp_path / "notes.jsonl").write_text("\n".join(lines), "utf-8")
    manifest = run_batch(tmp_path / "notes.jsonl", tmp_path / "out", settings=settings, size=2)
    assert (manifest["coded"], manifest["rejected"]) == (2, 3)
    written = "".join(path.read_text("utf-8") for path in sorted((tmp_path / "out").glob("*.rejects.jsonl")))
    assert [json.loads(line)["record"] for line in written.splitlines()] == [2, 3, 4]
    assert "setting must be one of" in written and CANARY not in written


def reasons(directory: Path) -> dict[int, str]:
    """Why which records were set aside."""
    rejects = [
        json.loads(line)
        for path in directory.glob("*.rejects.jsonl")
        for line in path.read_bytes().splitlines()
    ]
    return {reject["record"]: reject["reason"] for reject in rejects}


def test_a_file_that_is_not_what_its_name_says(tmp_path: Path, settings: Settings) -> None:
    """What is no Parquet file, and a compressed file that is damaged, is refused before and while it is read."""
    pytest.importorskip("pyarrow")
    damaged = bytearray(gzip.compress(os.urandom(4000).hex().encode()))
    damaged[len(damaged) // 2] ^= 0xFF
    contents = {
        "text.parquet": json.dumps(NOTES[0]).encode(),
        "frame.parquet": b"PAR1" + b"\x00" * 40 + b"PAR1",
        "damaged.jsonl.gz": bytes(damaged),
        "short.jsonl.gz": gzip.compress(b"{}")[:-4],
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        form = "Parquet" if "parquet" in name else "JSONL"
        for read in (batch.count_records, lambda path: list(batch.shards(path))):
            with pytest.raises(BatchError, match=f"{name}: expected a {form} file that can be read; "):
                read(tmp_path / name)
    with pytest.raises(BatchError, match="expected a Parquet file that can be read; FileNotFoundError"):
        batch.count_records(tmp_path / "nothing.parquet")


def test_parquet_rows_that_python_cannot_hold_are_set_aside(
    tmp_path: Path, settings: Settings, expected: list[dict[str, Any]]
) -> None:
    """A timestamp or duration out of range and text that is not UTF-8 cost their own rows, no other."""
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    text = [note["text"].encode() for note in NOTES[:5]]
    text[3] += CANARY.encode() + b"\xff"
    columns = {
        "id": [note["id"] for note in NOTES[:5]],
        "text": pyarrow.array(text, pyarrow.binary()),
        "seen": pyarrow.array([0, 2**62, 1, 2, 3], pyarrow.timestamp("us")),
        CANARY: pyarrow.array([0, 1, 2**62, 2, None], pyarrow.duration("s")),
    }
    parquet.write_table(pyarrow.table(columns), tmp_path / "notes.parquet")
    manifest = run_batch(tmp_path / "notes.parquet", tmp_path / "out", settings=settings)
    assert (manifest["coded"], manifest["rejected"]) == (2, 3)
    rows = parquet.read_table(tmp_path / "out/part-00000.parquet").to_pylist()
    assert [json.loads(row["prediction"]) for row in rows] == [expected[0], expected[4]]
    fault = "expected values that Python can hold; got another one in column"
    assert reasons(tmp_path / "out") == {
        2: f"line 2: {fault} 3 (OverflowError)",
        3: f"line 3: {fault} 4 (OverflowError)",
        4: f"line 4: {fault} 2 (UnicodeDecodeError)",
    }


def test_a_fault_of_ours_costs_its_own_record(
    notes: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever coding one record raises, that one is set aside with the fault's type, never with what it says."""
    coder = Coder.load(settings=settings)
    suggest = coder.suggest

    def breaks(work: Encounter) -> Run:
        if work.id == "n2":
            raise ZeroDivisionError(f"in {CANARY}")
        if work.id == "n4":
            raise RecursionError(CANARY)
        return suggest(work)

    monkeypatch.setattr(coder, "suggest", breaks)
    monkeypatch.setattr(coding, "_coder", lambda *_: coder)
    part = batch.code_shard(next(batch.shards(notes)), None, "{}")
    assert (part.coded, part.rejected) == (8, 2)
    assert [json.loads(line) for line in part.rejects.splitlines()] == [
        {"record": 3, "reason": "line 3: could not be coded; ZeroDivisionError"},
        {"record": 5, "reason": "line 5: could not be coded; RecursionError"},
    ]


def test_a_fault_of_the_installation_stops_the_batch(
    notes: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A code book that cannot be read sets no record aside: the worker says what is wrong, in one piece."""
    shard = next(batch.shards(notes))
    with pytest.raises(BatchError, match="cannot load what the batch is coded with: "):
        batch.code_shard(shard, notes / "nowhere", settings.model_dump_json())
    coder = Coder.load(settings=settings)

    def breaks(_: Encounter) -> Run:
        raise LexiconError("synonyms.tsv", 3, "expected two columns")

    monkeypatch.setattr(coder, "suggest", breaks)
    monkeypatch.setattr(coding, "_coder", lambda *_: coder)
    with pytest.raises(BatchError, match=r"cannot go on: synonyms\.tsv:3: expected two columns") as raised:
        batch.code_shard(shard, None, "{}")
    assert str(pickle.loads(pickle.dumps(raised.value))) == str(raised.value)


def test_a_line_too_long_is_passed_over(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record above the limit is set aside with its size, and reading it takes no more memory than the limit."""
    monkeypatch.setattr(reading, "LONGEST", 100_000)
    source = tmp_path / "notes.jsonl.gz"
    with gzip.open(source, "wb", compresslevel=1) as file:
        file.write(json.dumps(NOTES[0]).encode() + b"\n")
        file.write(b'{"id": "long", "text": "')
        for _ in range(40):
            file.write(b"x" * 2**20)
        file.write(b'"}\n' + json.dumps(NOTES[1]).encode() + b"\n\n" + b"y" * 100_001)
    tracemalloc.start()
    assert batch.count_records(source) == 4
    assert [len(shard.lines) for shard in batch.shards(source)] == [4]
    assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    tracemalloc.stop()
    manifest = run_batch(source, tmp_path / "out", settings=settings)
    assert (manifest["coded"], manifest["rejected"]) == (2, 2)
    assert [p["id"] for p in predictions(tmp_path / "out")] == ["n0", "n1"]
    assert reasons(tmp_path / "out") == {
        2: f"line 2: expected a record of less than 100,000 bytes; got {40 * 2**20 + 27:,}",
        4: "line 4: expected a record of less than 100,000 bytes; got 100,001",
    }


def test_a_large_row_group_is_read_in_pieces(tmp_path: Path) -> None:
    """A Parquet file that is one row group takes a few megabytes of memory to read, not its size."""
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    source = tmp_path / "notes.parquet"
    texts = [os.urandom(2000).hex() for _ in range(10_000)]
    table = pyarrow.table({"id": [str(number) for number in range(10_000)], "text": texts})
    parquet.write_table(table, source, compression="none")
    assert parquet.read_metadata(source).num_row_groups == 1 and source.stat().st_size > 40_000_000
    script = (
        "import sys, pathlib, pyarrow; from coder_assist import batch; "
        "print(sum(len(shard.lines) for shard in batch.shards(pathlib.Path(sys.argv[1]))), "
        "pyarrow.default_memory_pool().max_memory())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(source)], capture_output=True, text=True, check=True
    )
    records, most = map(int, done.stdout.split())
    assert records == 10_000 and most < 20_000_000


def test_heavy_records_make_smaller_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shard ends where it is heavy, and no record is lost or doubled; it does not show its notes."""
    monkeypatch.setattr(reading, "HEAVIEST", 1000)
    lines = [json.dumps({"id": str(n), "text": CANARY * (90 if n == 3 else 1)}) for n in range(9)]
    (tmp_path / "notes.jsonl").write_text("\n".join(lines), "utf-8")
    found = list(batch.shards(tmp_path / "notes.jsonl", 5))
    assert [(shard.index, shard.first, shard.last) for shard in found] == [(0, 1, 4), (1, 5, 9)]
    assert b"".join(line for shard in found for line in shard.lines).decode() == "\n".join(lines)
    assert CANARY not in repr(found)


def test_a_changed_part_is_made_again(
    notes: Path, tmp_path: Path, settings: Settings, expected: list[dict[str, Any]]
) -> None:
    """A part that no longer matches its receipt is not believed, nor is a receipt that is none."""
    out = tmp_path / "out"
    run_batch(notes, out, settings=settings, size=4)
    (out / "part-00001.jsonl").write_bytes(b"")
    (out / "part-00002.json").unlink()
    seen = []
    run_batch(notes, out, settings=settings, size=4, on_progress=seen.append)
    assert predictions(out) == expected
    assert seen[-1].resumed == 4
    (out / "part-00000.json").write_bytes(b"\0" * 80)
    (out / "part-00001.json").write_text('["sha256"]')
    run_batch(notes, out, settings=settings, size=4, on_progress=seen.append)
    assert predictions(out) == expected
    assert seen[-1].resumed == 2


def test_another_input_is_refused(notes: Path, tmp_path: Path, settings: Settings) -> None:
    """A directory of one input does not take another, nor does one of somebody else's files."""
    run_batch(notes, tmp_path / "out", settings=settings)
    notes.write_text(json.dumps(NOTES[0]), "utf-8")
    with pytest.raises(BatchError, match="another input or other versions: input"):
        run_batch(notes, tmp_path / "out", settings=settings)
    with pytest.raises(BatchError, match="expected an empty directory"):
        run_batch(notes, tmp_path, settings=settings)
    with pytest.raises(BatchError, match="expected a file of notes"):
        run_batch(tmp_path / "nothing.jsonl", tmp_path / "new", settings=settings)


def test_a_worker_of_another_version_is_refused(
    notes: Path, settings: Settings, expected: list[dict[str, Any]]
) -> None:
    """A worker that has another pack codes nothing and says which."""
    shard = next(batch.shards(notes))
    mine = batch.Versions.of(Coder.load(settings=settings))
    other = batch.Versions("clinical-us@other", mine.code_books, mine.lexicon, mine.rules, mine.software)
    with pytest.raises(BatchError, match="pack must be clinical-us@other"):
        batch.code_shard(shard, None, settings.model_dump_json(), other)
    assert batch.code_shard(shard, None, settings.model_dump_json(), mine).coded == 10


@pytest.mark.slow
def test_killed_at_any_moment(tmp_path: Path, settings: Settings, cache_dir: Path) -> None:
    """Killed again and again, a batch ends with every note once, the same as without."""
    notes = tmp_path / "notes.jsonl"
    long = "\n".join(f"{note['text']} Follow up in {day} days." for day in range(12) for note in NOTES)
    many = [{"id": f"n{turn}", "text": f"Visit {turn}.\n{long}"} for turn in range(150)]
    notes.write_text("".join(json.dumps(note) + "\n" for note in many), "utf-8")
    out = tmp_path / "out"
    command = [sys.executable, "-m", "coder_assist", "batch", str(notes), str(out)]
    command += ["--size", "5", "--workers", "2"]
    environment = {**os.environ, "CODER_ASSIST_CACHE_DIR": str(cache_dir)}

    def done() -> int:
        return len(list(out.glob("part-?????.json")))

    for receipts in (1, 6, 12):
        child = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, start_new_session=True)
        deadline = time.monotonic() + 240
        while done() < receipts and time.monotonic() < deadline:
            time.sleep(0.005)
        os.killpg(child.pid, signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
        assert receipts <= done() < 30
    subprocess.run(command, env=environment, check=True, stderr=subprocess.DEVNULL)
    run_batch(notes, tmp_path / "whole", settings=settings, size=5)
    assert [p["id"] for p in predictions(out)] == [note["id"] for note in many]
    assert predictions(out) == predictions(tmp_path / "whole")
    assert done() == 30


def test_receipts_are_counted_once(
    notes: Path, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a batch has done so far is kept as totals: no receipt is looked at again after every part."""
    looked: Counter[int] = Counter()

    class Watched(dict[str, Any]):
        def __getitem__(self, key: str) -> Any:
            looked[super().__getitem__("part")] += key in ("coded", "rejected")
            return super().__getitem__(key)

    keep = parts.Output.keep
    monkeypatch.setattr(parts.Output, "keep", lambda *given: Watched(keep(*given)))
    seen = []
    run_batch(notes, tmp_path / "out", settings=settings, size=1, on_progress=seen.append)
    assert [progress.records for progress in seen] == [*range(11), 10]
    assert len(looked) == 10 and max(looked.values()) == 2


@pytest.mark.slow
def test_a_killed_process_is_told(notes: Path, tmp_path: Path, settings: Settings) -> None:
    """Where a process of this machine is killed the batch ends with what to do, and goes on when it is started again."""
    mine: set[int] = set()

    def kill_one(progress: batch.Progress) -> None:
        if progress.records and not mine:
            mine.update(child.pid for child in multiprocessing.active_children())
            os.kill(max(mine), signal.SIGKILL)

    with pytest.raises(
        BatchError, match=r"a worker process was killed .* whole parts are kept\. Start again"
    ):
        run_batch(notes, tmp_path / "out", settings=settings, size=1, on_progress=kill_one)
    manifest = run_batch(notes, tmp_path / "out", settings=settings, size=1)
    assert manifest["coded"] == 10


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_on_a_dask_cluster_with_a_killed_worker(
    notes: Path, tmp_path: Path, settings: Settings, expected: list[dict[str, Any]]
) -> None:
    """The same shards run on Dask, and a worker that is killed loses nothing."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=60
    ) as cluster:
        killed = []

        def kill_one(progress: batch.Progress) -> None:
            if progress.records and not killed:
                worker = next(iter(cluster.workers.values()))
                os.kill(worker.pid, signal.SIGKILL)
                killed.append(worker.pid)

        manifest = run_batch(
            notes,
            tmp_path / "out",
            settings=settings,
            size=1,
            dask=cluster.scheduler_address,
            on_progress=kill_one,
        )
    assert killed and manifest["coded"] == 10
    assert predictions(tmp_path / "out") == expected


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_cluster_whose_workers_have_another_pack(
    notes: Path, tmp_path: Path, settings: Settings, capfd: pytest.CaptureFixture[str]
) -> None:
    """Workers that loaded a pack before it was changed in its place are refused, and log no word of a note."""
    distributed = pytest.importorskip("distributed")
    pack = tmp_path / "pack"
    shutil.copytree(default_pack_dir(), pack)
    source = tmp_path / "canary.jsonl"
    source.write_text(json.dumps({"id": "a", "text": f"Gout of {CANARY}."}), "utf-8")
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:
        address = cluster.scheduler_address
        manifest = run_batch(notes, tmp_path / "before", pack=pack, settings=settings, dask=address)
        assert manifest["coded"] == 10
        card = pack / "CARD.md"
        card.write_text(card.read_text("utf-8") + "\n", "utf-8")
        write_checksums(pack)
        with pytest.raises(
            BatchError, match=f"other versions: pack must be .*, got {manifest['versions']['pack']}"
        ):
            run_batch(source, tmp_path / "after", pack=pack, settings=settings, dask=address)
    assert not list((tmp_path / "after").glob("part-*"))
    shown = capfd.readouterr()
    assert "Compute Failed" in shown.err and CANARY not in shown.out + shown.err


@pytest.mark.filterwarnings("ignore")
def test_every_thread_of_a_cluster_is_given_work(settings: Settings) -> None:
    """Twice as many shards are given out as the cluster has threads, also after it grew."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=5, processes=False, dashboard_address=None
        ) as nearby,
        places.cluster(nearby.scheduler_address, 1, None, settings, NO_VERSIONS) as place,
    ):
        assert place.at_once() == 10
        nearby.scale(2)
        deadline = time.monotonic() + 120
        while place.at_once() < 20 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert place.at_once() == 20


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_part_that_kills_its_workers_is_named(
    notes: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no worker survives a part, the batch ends and says which records those are."""
    distributed = pytest.importorskip("distributed")
    dask = pytest.importorskip("dask")
    monkeypatch.setattr(places, "code_shard", lambda *_: os._exit(9))
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, dashboard_address=None, silence_logs=60
        ) as nearby,
        places.cluster(nearby.scheduler_address, 1, None, settings, NO_VERSIONS) as place,
        pytest.raises(BatchError, match=r"killed over part 1 \(records 5 to 8\).*Start again to go on"),
    ):
        list(places.results(place, list(batch.shards(notes, 4))[1:2]))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("when", ["waiting", "giving"])
def test_a_lost_scheduler_is_told(
    notes: Path, tmp_path: Path, settings: Settings, capfd: pytest.CaptureFixture[str], when: str
) -> None:
    """Where the scheduler ends while work is given out or waited for, the batch ends too, and says so in a line."""
    pytest.importorskip("distributed")
    file = tmp_path / "scheduler.json"
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"]
    scheduler = subprocess.Popen(
        [*command, "--no-dashboard", "--scheduler-file", str(file)], stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 60
        while not file.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        address = json.loads(file.read_bytes())["address"]

        def work() -> Iterator[batch.Shard]:
            shard = next(batch.shards(notes))
            yield shard
            if when == "giving":
                scheduler.kill()
                yield shard
            else:
                threading.Timer(1, scheduler.kill).start()

        with (
            pytest.raises(BatchError, match=f"scheduler at {address} was lost .*whole parts are kept"),
            places.cluster(address, 1, None, settings, NO_VERSIONS) as place,
        ):
            list(places.results(place, work()))
    finally:
        scheduler.kill()
        scheduler.wait()
    shown = capfd.readouterr()
    assert "Traceback" not in shown.out + shown.err


@pytest.mark.slow
def test_a_cluster_on_this_machine(notes: Path, tmp_path: Path, cache_dir: Path) -> None:
    """``--dask local`` starts a cluster of --workers processes, codes with it, and leaves none behind."""
    psutil = pytest.importorskip("psutil")
    command = [sys.executable, "-m", "coder_assist", "batch", str(notes), str(tmp_path / "out")]
    command += ["--dask", "local", "--workers", "2", "--size", "3"]
    environment = {**os.environ, "CODER_ASSIST_CACHE_DIR": str(cache_dir)}
    child = subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    out, err = child.communicate(timeout=240)
    assert (child.returncode, "10 coded, 0 set aside" in out) == (0, True), err
    assert [p["id"] for p in predictions(tmp_path / "out")] == [note["id"] for note in NOTES]

    def left() -> list[int]:
        found = []
        for process in psutil.process_iter(["status"]):
            with suppress(ProcessLookupError):
                if process.info["status"] != psutil.STATUS_ZOMBIE and os.getsid(process.pid) == child.pid:
                    found.append(process.pid)
        return found

    deadline = time.monotonic() + 60
    while left() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left() == []


def test_no_scheduler(
    notes: Path, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An address where no scheduler is gives a clear error."""
    distributed = pytest.importorskip("distributed")

    def refuse(*_: object, **__: object) -> None:
        raise OSError("no route")

    monkeypatch.setattr(distributed, "Client", refuse)
    with pytest.raises(BatchError, match=r"expected a Dask scheduler at tcp://127\.0\.0\.1:1"):
        run_batch(notes, tmp_path / "out", settings=settings, dask="tcp://127.0.0.1:1")
