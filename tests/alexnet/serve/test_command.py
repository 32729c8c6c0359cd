"""``python -m alexnet.serve``: its options, and what it refuses."""

import pytest

from alexnet.errors import UsageError
from alexnet.inference.trained import Trained
from alexnet.serve import __main__ as command
from alexnet.serve.__main__ import main
from alexnet.serve.server import Server
from alexnet.serve.watching import Watched


def test_limits_of_images_are_those_of_the_options(undisturbed, monkeypatch):
    given = []
    monkeypatch.setattr(command, "Trained", lambda path, **options: given.append(options))
    monkeypatch.setattr(command, "Watched", lambda source, follow, load, training: load(source))
    monkeypatch.setattr(command, "Server", lambda watched, port: (_ for _ in ()).throw(UsageError))
    main([str(undisturbed), "--max-pixels", "100", "--bad-images", "skip"])
    assert given == [{"bad_images": "skip", "max_pixels": 100}]


@pytest.mark.parametrize(
    "options, code, message",
    [
        ("{folder}", 4, "is no run folder"),
        ("{folder}/missing --watch", 4, "--watch needs that of a run"),
        ("{run} --port 70000", 2, "'70000' is not a port, 0 to 65535"),
    ],
)
def test_command_refuses(undisturbed, tmp_path, error_of, options, code, message):
    arguments = options.format(run=undisturbed, folder=tmp_path).split()
    found, line = error_of(main, arguments)
    assert found == code and message in line


def test_port_that_is_taken(undisturbed):
    watched = Watched(undisturbed, False, Trained, None)
    with (
        Server(watched, 0) as server,
        pytest.raises(UsageError, match="choose another with --port"),
    ):
        Server(watched, server.server_port)
