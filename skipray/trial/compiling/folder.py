"""Where the compiler keeps what it has compiled: code that is loaded, so nobody else may write there.

torch's own default is a folder of a name that anybody can foretell, `/tmp/torchinductor_USER`, after the variable
LOGNAME: it belongs to another user after `su`, and whoever makes it first can put code into it.
"""

import atexit
import os
import shutil
import stat
import tempfile
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

VARIABLE = "TORCHINDUCTOR_CACHE_DIR"
"""torch's; what the user has set stays."""


def compiler_folder() -> Path:
    """The user's own, else skipray-compiled-UID among the temporary files, else (another user's, open to others) a new
    one that goes with this process."""
    if os.environ.get(VARIABLE):
        return Path(os.environ[VARIABLE])
    folder = Path(tempfile.gettempdir()) / f"skipray-compiled-{os.getuid()}"
    with suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022:
            folder.chmod(0o700)
            return folder
    return _of_this_process(os.getpid())


@lru_cache(maxsize=1)
def _of_this_process(pid: int) -> Path:
    folder = Path(tempfile.mkdtemp(prefix=f"skipray-compiled-{pid}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
