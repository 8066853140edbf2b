"""The server's process: `python -m skipray.scheduling.ray.forking DESCRIPTOR`."""

import os

from skipray.scheduling.ray import private

os.environ |= private.of_forks(os.getpid())  # before Ray is imported

from skipray.scheduling.ray.forking.serve import main

main()
