"""What families are built of, and what one of one's own may be: outlines of known blocks, their modules and sizes.

A family turns a model into an `outline.Outline` (`outline.mlp`, `stages.cnn`), after `check.require`; `network.Network`
makes modules of it and `sizes.sizes` counts it. `network`, `blocks` and what they import need torch.
"""
