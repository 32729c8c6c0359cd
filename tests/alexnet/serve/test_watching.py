"""The page of a run that is being trained."""

import shutil

from alexnet.inference.trained import Trained
from alexnet.run.checkpoint import LAST
from alexnet.serve.watching import Watched
from tests.alexnet.serve.conftest import get, send, serving


def test_newer_networks_are_shown(undisturbed, start, photo, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    with serving(folder, follow=True) as server:
        assert get(server, "/api/progress")[1]["version"] == 0
        status, answer = send(server, photo)
        assert status == 422 and "no network yet" in answer["error"]
        for name in ("metrics.csv", "metrics.jsonl", "run.json", LAST):
            shutil.copy(undisturbed / name, folder / name)
        progress = get(server, "/api/progress")[1]
        assert (progress["version"], progress["epochs"], len(progress["rows"])) == (1, 2, 2)
        first = send(server, photo)[1]
        assert get(server, "/api/progress")[1]["version"] == 1
        assert start(tmp_path / "other", "--seed", "5") == 0
        shutil.copy(tmp_path / "other" / LAST, folder / "new")
        (folder / "new").replace(folder / LAST)
        assert get(server, "/api/progress")[1]["version"] == 2
        assert get(server, f"/api/images/{first['image']}/picture")[0] == 422
        assert send(server, photo)[1]["classes"] != first["classes"]


def test_damaged_checkpoint_leaves_the_network_before_it(undisturbed, tmp_path, capsys):
    shutil.copytree(undisturbed, tmp_path / "run")
    loaded = []

    def load(path):
        loaded.append(path)
        return Trained(path)

    watched = Watched(tmp_path / "run", True, load, None)
    before = watched.answers()
    (tmp_path / "run" / LAST).unlink()
    (tmp_path / "run" / LAST).write_bytes(b"no checkpoint")
    for _ in range(3):
        assert watched.progress()["version"] == 1
    assert watched.answers() is before
    assert len(loaded) == 2
    assert capsys.readouterr().err.count("the network before it is shown") == 1
