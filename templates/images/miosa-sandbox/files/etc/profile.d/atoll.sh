# The virtual environment comes first for login shells too.
export VIRTUAL_ENV=/opt/venv
export PATH="/opt/venv/bin:$PATH"
export LANG="${LANG:-C.UTF-8}"
