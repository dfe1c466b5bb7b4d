"""What a diagnosis asks for: the smallest gain that matters, and how sure to be."""

from __future__ import annotations

from dataclasses import dataclass

from doneness.core import Message, say


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
        min_evals: evaluations without which no run is called converged.
        forecast_level: level of the forecast's interval.
        sure: one-sided confidence that no gain that matters is left, for a run to be called converged. Chosen on
            public logs, together with the widths of the forecast (curves/forecast.py).
        wide: share of the loss: where the upper end of the forecast's interval promises this much or more, the forecast
            does not know enough to call the run converged, whatever it expects.
        watched: the run is looked at again and again: the chance of ever calling a run that is not overfitting
            "overfitting" then holds over all looks, not for one (mean losses; per-example losses always so).
        high_rate: share of the peak learning rate above which a plateau of a rate that is planned to stay asks
            for a cooldown, not a stop.
        power: of the minimum detectable effect.
        usual_noise: trajectory noise as a share of the loss where few evaluations show a bend alone.
        fallback_noise: trajectory noise as a share of the loss while fewer than five evaluations tell it.
        span: which target tokens decide: a span's name, or "all"; "" means the label where the run records one.
        hourly_share, hourly_nats: the smallest gain worth going on for, for each hour of training ahead; 0 asks
            for `gain_share` and `gain_nats` instead. What is no matter of going on (ties, rises) keeps to these.
        hourly_by_device: the hours of all devices count, as many as the log names, else one's.
        prefer: which of the checkpoints tied with the best is recommended: "earliest", or "best", of the lowest loss.
    """

    alpha: float = 0.05
    gain_share: float = 0.005
    gain_nats: float = 0.005
    nats_cap: float = 0.01
    min_steps: int = 100
    min_evals: int = 5
    forecast_level: float = 0.9
    sure: float = 0.64
    wide: float = 0.1
    watched: bool = False
    high_rate: float = 0.2
    power: float = 0.8
    usual_noise: float = 0.005
    fallback_noise: float = 0.0025
    span: str = ""
    hourly_share: float = 0.0
    hourly_nats: float = 0.0
    hourly_by_device: bool = False
    prefer: str = "earliest"

    def epsilon(self, loss: float) -> float:
        """The smallest gain that matters at a loss of `loss`, in nats."""
        size = abs(loss)
        return max(min(self.gain_nats, self.nats_cap * size), self.gain_share * size)

    def asked(self, loss: float) -> Message:
        """`epsilon` in words: as the share that was asked for, or in nats where these decide."""
        size, wanted = abs(loss), self.epsilon(loss)
        share = wanted / size if size else 0.0
        # Only where the nats are the larger demand is the share here not what anybody asked for.
        told = "share" if wanted <= self.gain_share * size else "nats"
        return say(f"diagnose.asked.{told}", share=share, nats=wanted)

    def hourly(self, loss: float) -> float:
        """The smallest gain that is worth an hour at a loss of `loss`, in nats; 0 where none was asked for."""
        return max(self.hourly_nats, self.hourly_share * abs(loss))
