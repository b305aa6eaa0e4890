"""What a network is trained with, by what its configuration and the training options say."""

from __future__ import annotations

from semifreddo.methods.binary import DistributionLoss, SignTraining
from semifreddo.methods.flightnn import FilterLasso
from semifreddo.nn.config import NetworkConfig
from semifreddo.train.objective import Objective
from semifreddo.train.options import TrainOptions, check_network


def objective_of(config: NetworkConfig | None, options: TrainOptions) -> Objective | None:
    """What a built-in network is trained with; None for plain cross entropy.

    Args:
        config: The network; None for a user's own.
        options: How it is trained.

    Raises:
        ConfigError: The options ask for what the network has not.
    """
    check_network(config, options)
    if config is None:
        return None
    if config.block == "binary":
        if options.loss != "distribution":
            return SignTraining(options.smoothing)
        return DistributionLoss(
            options.distribution_form,
            options.distribution_weight,
            options.distribution_off,
            options.smoothing,
        )
    if config.learns_terms:
        return FilterLasso(config.term_penalty, smoothing=options.smoothing)
    return None
