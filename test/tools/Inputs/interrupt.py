"""interrupt.py ARTIFACT SIGNAL COMMAND...: runs the command until it has begun to write the artifact
beside its final name, and sends it the signal, by which it must end."""

import glob
import signal
import subprocess
import sys
import time

artifact, name, command = sys.argv[1], sys.argv[2], sys.argv[3:]
number = getattr(signal, "SIG" + name)
# lit ignores SIGINT, and so would what it starts.
process = subprocess.Popen(command, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
while not glob.glob(artifact + ".llmopt-unfinished-*/*"):
    if process.poll() is not None:
        sys.exit(f"{command[0]} ended before it could be interrupted: {process.returncode}")
    time.sleep(0.005)
process.send_signal(number)
if process.wait() != -number:
    sys.exit(f"{command[0]} ended with {process.returncode}, not by {name}")
