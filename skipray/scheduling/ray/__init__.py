"""All that touches Ray: the cluster, Tune's loop, the warm workers. The only package that imports ray."""
