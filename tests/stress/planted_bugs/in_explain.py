"""Mistakes in the explanation of numbers, and in the page that shows them."""

from tests.stress.planted_bugs import Fault

GRADIENTS = "alexnet/explain/gradients.py"
OUTPUTS = "alexnet/explain/outputs.py"
WINDOWS = "alexnet/explain/windows.py"
SERVER = "alexnet/serve/server.py"
ANSWERS = "alexnet/serve/answers.py"
TEST_NUMBERS = "tests/alexnet/explain/test_numbers.py -k "
TEST_EXPLANATION = "tests/alexnet/explain/test_explanation.py -k "
TEST_SERVER = "tests/alexnet/serve/test_server.py -k "
TEST_ANSWERS = "tests/alexnet/serve/test_answers.py -k "
TEST_WATCHING = "tests/alexnet/serve/test_watching.py -k "

FAULTS = [
    Fault(
        "explain: senders of the first group for all groups",
        GRADIENTS,
        "range(group * outputs, (group + 1) * outputs)",
        "range(outputs)",
        TEST_NUMBERS + "later_outputs",
    ),
    Fault(
        "explain: normalization reaches into the other column",
        WINDOWS,
        "max(start, first)",
        "max(start, 0)",
        TEST_NUMBERS + "columns",
    ),
    Fault(
        "explain: slope of a normalization with the power of its output",
        GRADIENTS,
        "base ** (-norm.beta - 1)",
        "base**-norm.beta",
        TEST_NUMBERS + "later_outputs",
    ),
    Fault(
        "explain: an average divided by pixels beyond the image",
        OUTPUTS,
        "return round(window.cut(ones).sum() / mean)",
        "return len(window.rows) * len(window.columns)",
        TEST_NUMBERS + "cifar",
    ),
    Fault(
        "explain: dropout keeps what it drops",
        OUTPUTS,
        "is_kept = number >= threshold",
        "is_kept = number < threshold",
        TEST_NUMBERS + "dropout",
    ),
    Fault(
        "explain: the rest of a sum counts a shown term again",
        "alexnet/explain/explanation.py",
        "for term in ordered[TERMS:]",
        "for term in ordered[TERMS - 1 :]",
        TEST_EXPLANATION + "largest_parts",
    ),
    Fault(
        "explain: the smallest number by default",
        "alexnet/explain/number.py",
        "np.argmax(part)",
        "np.argmin(part)",
        TEST_EXPLANATION + "default",
    ),
    Fault(
        "serve: any host name is served",
        SERVER,
        'self.headers.get("Host") not in known',
        'self.headers.get("Host") is None',
        TEST_SERVER + "other_pages",
    ),
    Fault(
        "serve: pages of other origins are served",
        SERVER,
        "origin is not None and origin",
        "origin == 'null' and origin",
        TEST_SERVER + "other_pages",
    ),
    Fault(
        "serve: an image of any size is read",
        SERVER,
        "if length > MAX_BYTES:",
        "if length < 0:",
        TEST_SERVER + "too_large",
    ),
    Fault(
        "serve: connections are not given back",
        SERVER,
        "        finally:\n            self._free.release()",
        "        finally:\n            pass",
        TEST_SERVER + "hostile or other_pages",
    ),
    Fault(
        "serve: images are kept for ever",
        "alexnet/serve/images.py",
        "while len(self._shown) > KEPT:",
        "while len(self._shown) > 10**6:",
        TEST_ANSWERS + "forgotten",
    ),
    Fault(
        "serve: the folder of the training images in a message",
        ANSWERS,
        "except (CheckpointError, DataError, UsageError) as error:",
        "except UsageError as error:",
        TEST_ANSWERS + "gone",
    ),
    Fault(
        "serve: a newer network is not noticed",
        "alexnet/serve/watching.py",
        "if seen != self._seen:",
        "if self._seen is None:",
        TEST_WATCHING + "newer",
    ),
]
