"""A residual network from a row of numbers to a value."""


class residual_mlp:
    """Pre-norm residual MLP (Gorishniy et al. 2021). Depth counts blocks; `options.skip: false` leaves out skips."""

    DEPTH = "blocks"
    OPTIONS = {"skip": True}

    @staticmethod
    def build(model, input_shape, outputs):
        from torch import nn

        skip = float(model.options.get("skip", True))

        class Block(nn.Module):
            def __init__(self, width):
                super().__init__()
                self.branch = nn.Sequential(
                    nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, width)
                )

            def forward(self, x):
                return skip * x + self.branch(x)

        width = model.width
        blocks = [Block(width) for _ in range(model.depth)]
        return nn.Sequential(nn.Linear(input_shape[0], width), *blocks, nn.Linear(width, outputs))
