"""Tests leave the user's own progress alone, and so do the notebooks when they are tested: what
notebook 09 shows of it is that of somebody who has only begun."""

import os
import tempfile
from pathlib import Path

os.environ["COURSE_PROGRESS"] = str(Path(tempfile.mkdtemp()) / "progress.sqlite3")
