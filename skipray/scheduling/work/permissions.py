"""Who may write the files of a launch: nobody outside of the user's group, whatever the umask."""

import os
import stat


def keep_others_from_writing() -> None:
    """From now on no file or folder that this process makes, or one that it starts, can be written by every user.

    With a umask of 0 another user of the machine could put other numbers into a result, a checkpoint or prepared data.
    """
    os.umask(os.umask(0o077) | stat.S_IWOTH)
