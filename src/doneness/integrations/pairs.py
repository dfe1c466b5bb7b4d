"""Listens to the evaluation of a preference or reward trainer: the loss of every pair, without a second pass.

DPO: a batch is called on the policy and then on the reference, chosen answers first and rejected ones after them; the
margin is β times how much more the policy prefers the chosen answer than the reference does. The reference may be
another module: between the two calls, and only then, every module's answer is looked at. A reward model is called once,
on chosen and rejected answers together. What is kept of a pair is −log σ(margin), one number that tells the loss, the
margin and who won.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doneness.integrations.capture import Capture
from doneness.integrations.scored import Kind, Row, Unusable, identities
from doneness.models import require

Floats = NDArray[np.float64]
_LOGISTIC = "sigmoid"  # DPO's own loss; margins of others have other scales


class PairCapture(Capture):
    """The hook on a policy or a reward model."""

    _policy: tuple[list[str], Floats] | None = None
    _waiting: Any = None

    def __init__(self, model: Any, beta: float | None) -> None:
        """Begin to listen.

        Args:
            model: the policy, or the reward model.
            beta: of DPO; None for a reward model.
        """
        super().__init__(model)
        self._beta = beta

    def remove(self) -> None:
        """Take all hooks off."""
        super().remove()
        self._drop()

    def _drop(self) -> None:
        super()._drop()
        self._policy = None
        if self._waiting is not None:
            self._waiting.remove()
            self._waiting = None

    def _listen(self, module: Any, args: Any, kwargs: dict[str, Any], output: Any) -> None:
        """The hook: whatever goes wrong here, the forward pass is not ours to end."""
        if module.training or not self.on or self._now_heard:
            return
        try:
            if self._beta is None:
                self._keep(_names(kwargs, self.kind), _rewards(kwargs, output))
            elif kwargs.get("labels") is not None:
                self._of_policy_or_reference(kwargs, output)
        except Unusable as reason:
            self._why = reason.key
        except Exception as error:
            self._why, self._fault = "failed", error

    def _of_policy_or_reference(self, kwargs: Mapping[str, Any], output: Any) -> None:
        names, sums = _names(kwargs, self.kind), _log_probabilities(kwargs, output)
        if self._policy is None:
            self._policy = names, sums
            hooks = require("torch").nn.modules.module
            self._waiting = hooks.register_module_forward_hook(self._overhear, with_kwargs=True)
        elif self._policy[0] == names:
            assert self._beta is not None
            ratios = self._policy[1] - sums
            half = ratios.size // 2
            self._keep(names, self._beta * (ratios[:half] - ratios[half:]))

    def _overhear(self, module: Any, args: Any, kwargs: dict[str, Any], output: Any) -> None:
        """Any module's answer while that of the reference is awaited."""
        if "labels" in kwargs and "input_ids" in kwargs and getattr(output, "log_probs", None) is not None:
            self._listen(module, args, kwargs, output)

    def _keep(self, names: list[str], margins: Floats) -> None:
        half = len(names) // 2
        pairs = [_joined(a, b) for a, b in zip(names[:half], names[half:], strict=True)]
        loss = np.logaddexp(0.0, -margins)
        self._drop()
        self._now = [Row(name, float(each), 1) for name, each in zip(pairs, loss, strict=True)]
        self._now_heard = True


def pairs_of(method: str | None, args: Any, model: Any) -> PairCapture | None:
    """What listens to this trainer's pairs; None where it has none that can be heard.

    Args:
        method: of the run.
        args: of the Trainer.
        model: the module inside that is called.
    """
    if method == "reward":
        return PairCapture(model, None)
    beta, kinds = getattr(args, "beta", None), getattr(args, "loss_type", None)
    told = [kinds] if isinstance(kinds, str) else list(kinds or ())
    usual = getattr(args, "f_divergence_type", "reverse_kl")
    if method != "dpo" or not isinstance(beta, float) or told != [_LOGISTIC] or _plain(usual) != "reverse_kl":
        return None
    return PairCapture(model, beta)


def _plain(name: Any) -> str:
    return str(getattr(name, "value", name))


def _names(kwargs: Mapping[str, Any], kind: Kind) -> list[str]:
    """Identities of the answers, chosen ones first."""
    tokens = kwargs.get("input_ids")
    if tokens is None or tokens.ndim != 2 or tokens.shape[0] % 2:
        raise Unusable("other_kind")
    labels = kwargs.get("labels")
    told = {**kwargs, "labels": tokens if labels is None else labels}
    names = identities(Kind(True, False, kind.pad), told)
    if len(names) != int(tokens.shape[0]):
        raise Unusable("other_kind")
    return names


def _log_probabilities(kwargs: Mapping[str, Any], output: Any) -> Floats:
    """Summed log-probability of each answer; the trainer's own are zero outside of it. Shape (2 n,)."""
    told = getattr(output, "log_probs", None)
    if told is None or told.ndim != 2:
        raise Unusable("no_logits")
    # Virtual tokens stand before the row's own.
    length = int(kwargs["input_ids"].shape[1]) - 1
    return np.asarray(told[:, -length:].detach().double().sum(dim=1).cpu().numpy(), dtype=np.float64)


def _rewards(kwargs: Mapping[str, Any], output: Any) -> Floats:
    """How much more reward the chosen answers get, less the margin that the data ask for; shape (n,)."""
    logits = getattr(output, "logits", None)
    if logits is None or logits.numel() != kwargs["input_ids"].shape[0]:
        raise Unusable("other_kind")
    found = logits.detach().double().reshape(-1).cpu().numpy()
    half = found.size // 2
    asked = kwargs.get("margin")
    less = 0.0 if asked is None else asked.detach().double().reshape(-1).cpu().numpy()
    return np.asarray(found[:half] - found[half:] - less, dtype=np.float64)


def _joined(chosen: str, rejected: str) -> str:
    return hashlib.blake2b(f"{chosen}|{rejected}".encode(), digest_size=12).hexdigest()
