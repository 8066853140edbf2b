"""All that touches Ray: the cluster, Tune's loop, the warm workers. The only package that imports ray."""

import logging
import warnings

# In a notebook without ipywidgets Ray says, when it is imported, what it would draw with them.
warnings.filterwarnings("ignore", message="IProgress not found", module="tqdm")
logging.getLogger("ray.widgets.util").setLevel(logging.WARNING)
