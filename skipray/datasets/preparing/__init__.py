"""From files to splits: decoded data and what identifies them, labels, padding, partition, cache and batches; and the
formats that several data sets share."""
