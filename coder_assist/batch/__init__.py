"""Many notes: a file of any size in, a directory of parts out, resumable at any moment.

The input (JSONL, JSONL compressed by gzip, or Parquet with the same columns) is cut into shards of consecutive
records. Each shard becomes one part: predictions, rejects and a receipt, which is written last and by renaming, so
that a part is either whole or not there. A second start with the same input and the same versions goes on where the
first one ended; with others it is refused.

    OUT/plan.json                 what is being coded, by which versions
    OUT/part-00000.jsonl          predictions, in the order of the input (part-00000.parquet for Parquet)
    OUT/part-00000.rejects.jsonl  records that could not be coded: {"record", "reason"}; never their text
    OUT/part-00000.json           the receipt: counts and SHA-256 of both
    OUT/manifest.json             written at the end: the plan, all receipts, the totals
"""

from coder_assist.batch.coding import Part, Versions, code_shard
from coder_assist.batch.reading import Shard, count_records, shards
from coder_assist.batch.running import Progress, run_batch

__all__ = ["Part", "Progress", "Shard", "Versions", "code_shard", "count_records", "run_batch", "shards"]
