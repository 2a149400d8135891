"""What stands beside the desk: rows that are too old go, and no others."""

from __future__ import annotations

from pathlib import Path

from desk_scene import Scene, settings
from feedback_world import NOW, prediction

from proxy.steering.beside import Beside

DAY = 86_400.0


async def test_each_models_predictions_are_kept_for_their_own_time(
    scene: Scene, tmp_path: Path
) -> None:
    """Those of another host's model in the same database as well, and of one that has left."""
    file = settings(more="predictions: {retention: 2d}").model_copy(update={"state_dir": tmp_path})
    beside = Beside(scene.start(file), file, "ab" * 32)
    beside.ledger.start()
    try:
        await beside.ledger.log(
            [
                prediction(f"{model}-{days}", model=model, at=NOW - days * DAY)
                for model in ("m", "elsewhere")
                for days in (1, 3, 29, 31)
            ]
        )
        await beside.sweep(NOW)
        found = [
            each.prediction.request_id
            for model in ("m", "elsewhere")
            async for chunk in beside.ledger.predictions(model, None, 0.0, NOW + 1)
            for each in chunk
        ]
    finally:
        await beside.close()
        await scene.desk.close()
    assert sorted(found) == ["elsewhere-1", "elsewhere-29", "elsewhere-3", "m-1"]
