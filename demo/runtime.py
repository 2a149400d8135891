"""The versions that fail, as MLServer runtimes; they run inside a model server.

Version 3 is its own witness: one JSON line per request, with the wall clock at arrival and the
fate that it chose, so that the time of the last canary request does not rest on what pointsman
says about itself.
"""
# mypy: disable-error-code="import-not-found, import-untyped"

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

from mlserver.codecs import NumpyCodec
from mlserver.errors import MLServerError
from mlserver_sklearn import SKLearnModel

from demo.fading import Fading, Fate


class FadingModel(SKLearnModel):  # type: ignore[misc]
    """A scikit-learn model whose server fades (fading.py).

    ``parameters.extra`` of its settings: ``good_requests``, ``good_seconds``, the seconds until
    an error (``error_after``) and by which an answer is late (``slow_by``), and the ``witness``.
    """

    async def load(self) -> bool:
        extra = self.settings.parameters.extra
        self._fading = Fading(int(extra["good_requests"]), float(extra["good_seconds"]))
        self._error_after = float(extra["error_after"])
        self._slow_by = float(extra["slow_by"])
        self._witness = Path(extra["witness"]).open("a", buffering=1)  # noqa: ASYNC230, SIM115
        loaded = bool(await super().load())
        # The first prediction of a fresh process pays for what scikit-learn loads late.
        self._model.predict_proba([[0.0] * self._model.n_features_in_])
        return loaded

    async def predict(self, payload: Any) -> Any:
        now = time.time()
        fate = self._fading.next(now)
        self._witness.write(json.dumps({"at": now, "fate": fate}) + "\n")
        if fate is Fate.ERROR:
            await asyncio.sleep(self._error_after)
            raise MLServerError("feature store: no connections left", status_code=500)
        if fate is Fate.SLOW:
            await asyncio.sleep(self._slow_by)
        return await super().predict(payload)


class FailsTheYoung(SKLearnModel):  # type: ignore[misc]
    """A scikit-learn model that cannot read every third young customer's row.

    ``parameters.extra`` of its settings: the ``column`` of the age, and the age ``under`` which
    a customer is young.
    """

    async def load(self) -> bool:
        extra = self.settings.parameters.extra
        self._column, self._under = int(extra["column"]), float(extra["under"])
        self._young = 0
        return bool(await super().load())

    async def predict(self, payload: Any) -> Any:
        if NumpyCodec.decode_input(payload.inputs[0])[0][self._column] < self._under:
            self._young += 1
            if self._young % 3 == 0:
                raise MLServerError("no such bucket: age 18-29", status_code=500)
        return await super().predict(payload)
