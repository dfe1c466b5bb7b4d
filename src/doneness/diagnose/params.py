"""What a diagnosis asks for: the smallest gain that matters, and how sure to be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Params:
    """Thresholds of a diagnosis.

    Attributes:
        alpha: chance of ever calling a run that is not overfitting "overfitting", spent over all looks.
        gain_share: the smallest gain worth having, as a share of the current loss.
        gain_nats: the same in nats per target token; the larger of the two counts, but nats never
            for more than `nats_cap` of the loss: where the loss is nearly zero a nat means little.
        nats_cap: share of the loss.
        min_steps: optimizer steps before which no run is called converged; binds nothing else.
        min_evals: evaluations without which no run is called converged, and mean losses alone
            never call one overfitting.
        forecast_level: one-sided confidence of the forecast's upper bound, and the level of its interval.
        high_rate: share of the peak learning rate above which a plateau asks for a cooldown, not a stop.
        power: of the minimum detectable effect.
        usual_noise: trajectory noise as a share of the loss where few evaluations show a bend alone.
        fallback_noise: trajectory noise as a share of the loss while fewer than five evaluations tell it.
    """

    alpha: float = 0.05
    gain_share: float = 0.005
    gain_nats: float = 0.005
    nats_cap: float = 0.02
    min_steps: int = 100
    min_evals: int = 6
    forecast_level: float = 0.9
    high_rate: float = 0.2
    power: float = 0.8
    usual_noise: float = 0.005
    fallback_noise: float = 0.0025

    def epsilon(self, loss: float) -> float:
        """The smallest gain that matters at a loss of `loss`, in nats."""
        size = abs(loss)
        return max(min(self.gain_nats, self.nats_cap * size), self.gain_share * size)
