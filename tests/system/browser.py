"""Pages as Chromium shows them (Debian: chromium, python3-pil)."""
import json
import pathlib
import shutil
import subprocess
import tempfile

# By Debian's Python, which is the one that has the library.
LOOK = ["/usr/bin/python3", "-c", """
import collections, json, sys
from PIL import Image
picture = Image.open(sys.argv[1]).convert("RGB")
boxes = json.loads(sys.argv[2]) or [[0, 0, *picture.size]]
print(json.dumps([collections.Counter({"#%02x%02x%02x" % color: pixels for pixels, color in
    picture.crop(box).getcolors(picture.width * picture.height)}) for box in boxes]))
"""]


def shown(page, width, height, boxes=(), keep=None):
    """How many pixels have which color in each box ((left, top, right, bottom); none: all of it),
    as [{"#3d7fe0": 812, …}]. `keep` names a file for the picture. Fails where the page complains."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="starling-browser-"))
    try:
        picture = folder / "page.png"
        done = subprocess.run(
            ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
             "--disable-dev-shm-usage", f"--user-data-dir={folder}/profile",
             "--enable-logging=stderr", f"--window-size={width},{height}",
             f"--screenshot={picture}", pathlib.Path(page).as_uri()],
            capture_output=True, text=True, check=False, timeout=240)
        complaints = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
        assert picture.exists() and not complaints, f"{page}: {complaints or done.stderr}"
        if keep:
            shutil.copy(picture, keep)
        looked = subprocess.run([*LOOK, picture, json.dumps(boxes)], capture_output=True, text=True,
                                check=True, timeout=240)
        return json.loads(looked.stdout)
    finally:
        shutil.rmtree(folder)
