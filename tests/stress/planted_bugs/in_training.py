"""Mistakes in the settings of a training: the loss, the gradients, the order of the images."""

from tests.stress.planted_bugs import Fault

BALANCED = "tests/alexnet/data/test_balanced_sampling.py -k "
CLIPPING = "tests/minigrad/test_clip_grad_norm.py -k "
FROZEN = "tests/alexnet/training/test_frozen.py -k "
LOSS = "tests/alexnet/training/test_loss.py -k "
STEPS = "tests/alexnet/training/trainer/test_settings.py -k "
UPDATES = "tests/kernels/test_updates.py -k "

FAULTS = [
    Fault(
        "SGD: Nesterov's step is made without the momentum",
        "kernels/sgd/cpu.py",
        "(momentum * v[i] + added if nesterov",
        "(v[i] + added if nesterov",
        UPDATES + "by_hand",
    ),
    Fault(
        "cuda sgd: Nesterov's momentum is the usual one",
        "kernels/sgd/cuda.cu",
        "nesterov ? momentum * v + added : v",
        "nesterov ? v : v",
        UPDATES + "cuda and nesterov",
    ),
    Fault(
        "clip_grad_norm_: each gradient is clipped by itself",
        "minigrad/nn/utils.py",
        "tensor.grad = tensor.grad * factor",
        "tensor.grad = tensor.grad * min(1, max_norm / float(norms[tensors.index(tensor)]))",
        CLIPPING + "by_hand",
    ),
    Fault(
        "clip_grad_norm_: short gradients become longer",
        "minigrad/nn/utils.py",
        "if not factor >= 1:",
        "if True:",
        CLIPPING + "stay",
    ),
    Fault(
        "training: gradients are clipped after the step",
        "alexnet/training/trainer.py",
        "        if self.settings.clip_grad_norm:\n",
        "        self.optimizer.step()\n        if self.settings.clip_grad_norm:\n",
        STEPS + "pytorch",
    ),
    Fault(
        "training: parts of a batch weigh what they have of images",
        "alexnet/training/gradients.py",
        "size.weight / batch.weight",
        "size.images / batch.images",
        STEPS + "parts",
    ),
    Fault(
        "loss: smoothing is left out of what guessing has",
        "alexnet/training/loss.py",
        "(1 - self._smoothing) * counts + self._smoothing * len(labels) / num_classes",
        "counts",
        LOSS + "no_guess",
    ),
    Fault(
        "class weights: classes without images count",
        "alexnet/training/loss.py",
        "np.count_nonzero(counts) * there",
        "len(classes) * there",
        LOSS + "automatic",
    ),
    Fault(
        "balanced sampling: an image that comes again is the same view",
        "alexnet/data/loader.py",
        "generator.permutation(members) + n * len(labels)",
        "generator.permutation(members)",
        BALANCED + "another_view",
    ),
    Fault(
        "balanced sampling: the rest always goes to the first classes",
        "alexnet/data/loader.py",
        "classes = generator.permutation(np.unique(labels))",
        "classes = np.unique(labels)",
        BALANCED + "rest",
    ),
    Fault(
        "freezing: biases learn",
        "alexnet/training/build.py",
        "for parameter in layers[name].parameters():",
        "for parameter in [layers[name].weight]:",
        FROZEN + "stay",
    ),
    Fault(
        "milestones: the rate falls an epoch late",
        "minigrad/optim/schedule.py",
        "sum(self.epochs >= epoch for epoch",
        "sum(self.epochs > epoch for epoch",
        "tests/alexnet/training/test_build.py -k milestones",
    ),
    Fault(
        "average: the parameters that learn are those of the average",
        "minigrad/optim/average.py",
        "        finally:\n            self._assign(own)",
        "        finally:\n            pass",
        STEPS + "average_is",
    ),
    Fault(
        "average: a continued run learns on from the average",
        "alexnet/training/trainer.py",
        "                self.model.load_state_dict(own)",
        "                pass",
        STEPS + "stopped",
    ),
    Fault(
        "average: it forgets as much as it should keep",
        "minigrad/optim/average.py",
        "update(average, values, 1 - self.decay)",
        "update(average, values, self.decay)",
        "tests/minigrad/test_average.py -k by_hand",
    ),
]
