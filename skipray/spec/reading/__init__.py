"""From a document to the parts of a sweep, collecting every mistake with its place.

In the order of reading: the names of the factors (`factors`), the sections `tune` and `adaptive` (`search`) and
`probe`; each cell (`cells`, at each of its depths: `depths`) with its data (`data`), its network and recipe
(`networks`, `recipe`, and what the two share in `parts`), as a trial (`trials`); last the `claims`, which name
families of the cells.
"""
